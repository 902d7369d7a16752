//! Who came and who left, told by beacons and by neighbours. Keeps: a record is believed only when its peer signed
//! it, and passed on once; an older one never hides a newer one; "lost" is believed only of the newest one known.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use lamparina_protocol::peer::control::{Parting, Sighting};
use lamparina_protocol::peer::{Beacon, BeaconKind, Control, Incarnation};
use lamparina_protocol::{AuthorKey, Instant};

use super::election::Heard;
use super::table::{Presence, Who, is_portable};
use super::types::{Closing, Departure, Event, Output};
use super::{Membership, own_record};
use crate::LinkId;

/// Two records of our own are told no nearer than this.
pub(super) const PUBLISH_APART: Duration = Duration::from_millis(500);

/// How a record came.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Via {
    /// Proved already; from this address.
    Beacon(SocketAddr),
    Link(LinkId),
}

impl Membership {
    pub(super) fn beacon(&self, kind: BeaconKind) -> Bytes {
        let beacon = Beacon {
            kind,
            record: self.record.clone(),
            coordinator: self.election.coordinator(),
        };
        beacon.to_bytes()
    }

    pub(super) fn on_beacon(
        &mut self,
        now: Instant,
        from: SocketAddr,
        bytes: &[u8],
        out: &mut Vec<Output>,
    ) {
        let Ok(beacon) = Beacon::from_bytes(bytes) else {
            return;
        };
        let said = beacon.record.said();
        let key = said.key;
        if !self.discovery.is_known(&key, bytes) {
            if !self.discovery.may_check(now, from.ip()) || !beacon.record.is_proven() {
                return;
            }
            self.discovery.remember(key, bytes);
        }
        if key == self.key {
            let is_later = said.incarnation > self.own.incarnation;
            out.push(Output::Event(match is_later {
                true => Event::SameKey(from),
                false => Event::OwnBeacon(from),
            }));
            return;
        }
        let listens = SocketAddr::new(from.ip(), said.port);
        let at = is_portable(&listens).then_some(listens);
        let record = beacon.record;
        let via = Via::Beacon(listens);
        self.on_sighting(now, Sighting { record, at }, via, out);
        if let Some(entry) = self.table.get_mut(&key) {
            entry.last_seen = Some(now);
            entry.hearsay = false;
            entry.dialling.allow_one(now, &self.config);
        }
        if !self.ourselves.contains(&listens) {
            self.table.learn(&Who::Key(key), listens, false);
        }
    }

    pub(super) fn on_control(
        &mut self,
        now: Instant,
        link: LinkId,
        bytes: &[u8],
        out: &mut Vec<Output>,
    ) {
        self.on_heard(now, link, out);
        let Some(live) = self.links.get_mut(link) else {
            return;
        };
        if !live.may_speak(now) {
            return;
        }
        let key = live.key;
        let Ok(control) = Control::from_bytes(bytes) else {
            let why = Closing::Fault("it said of membership what cannot be read");
            out.push(Output::Close { link, why });
            return self.forget_link(now, link, false, out);
        };
        match control {
            Control::Heartbeat {
                beat,
                echo,
                held_micros,
                coordinator,
            } => {
                let rtt = live.on_beat(now, beat, echo, held_micros);
                if let (Some(rtt), Some(entry)) = (rtt, self.table.get_mut(&key)) {
                    entry.rtt.add(rtt);
                }
                self.elect(now, Heard::Seen(coordinator), Some(link), out);
            }
            Control::Here(sighting) => self.on_sighting(now, sighting, Via::Link(link), out),
            Control::Peers(sightings) => {
                for sighting in sightings {
                    self.on_sighting(now, sighting, Via::Link(link), out);
                }
            }
            Control::Lost {
                key,
                incarnation,
                beat,
            } => self.on_lost(now, key, (incarnation, beat), link, out),
            Control::Election(candidacy) => self.on_election(now, link, &candidacy, out),
            Control::ElectionOk {
                key: candidate,
                round,
            } => {
                let heard = Heard::Ok {
                    from: key,
                    candidate,
                    round,
                };
                self.elect(now, heard, Some(link), out);
            }
            Control::Announcement(announced) => self.on_announcement(now, link, &announced, out),
            Control::Join { key, incarnation } => self.on_join(link, key, incarnation, out),
            Control::Joined(answer) => self.on_joined(now, link, &answer, out),
            Control::Parting(Parting::Duplicate) => {}
            // It closes the link now, and is there nevertheless.
            Control::Parting(parting) => {
                let why = Closing::Parting(parting);
                out.push(Output::Close { link, why });
                self.forget_link(now, link, true, out);
            }
        }
    }

    /// A record came.
    fn on_sighting(&mut self, now: Instant, sighting: Sighting, via: Via, out: &mut Vec<Output>) {
        let said = sighting.record.said();
        let (key, version) = (said.key, (said.incarnation, said.beat));
        if key == self.key {
            if let Via::Link(link) = via {
                self.on_own_record(now, &sighting, link, out);
            }
            return;
        }
        let entry = self.table.get(&key);
        let (known, presence) = entry.map_or(((Incarnation(0), 0), Presence::Unknown), |entry| {
            (entry.version(), entry.presence)
        });
        if version <= known {
            // Whoever still takes it for there is told, and so in the end is who is named: it answers.
            if let (true, Presence::Away(Departure::Lost), Via::Link(link)) =
                (version == known, presence, via)
            {
                Self::send(link, &lost(key, version), out);
            }
            return;
        }
        if let Via::Link(link) = via {
            let may = self.links.get_mut(link);
            let may = may.is_some_and(|live| live.may_be_checked(now));
            if !may || !sighting.record.is_proven() {
                return;
            }
        }
        self.take_record(now, &sighting, via, out);
        self.pass_on(sighting, via, out);
        self.upkeep_at = now;
    }

    /// A neighbour tells of ourselves. Of earlier lives it may; of a later one only another peer can have signed.
    fn on_own_record(
        &mut self,
        now: Instant,
        sighting: &Sighting,
        link: LinkId,
        out: &mut Vec<Output>,
    ) {
        if sighting.record.said().incarnation <= self.own.incarnation {
            return;
        }
        let Some(live) = self.links.get_mut(link) else {
            return;
        };
        let addr = live.addr;
        if live.may_be_checked(now) && sighting.record.is_proven() {
            out.push(Output::Event(Event::SameKey(sighting.at.unwrap_or(addr))));
        }
    }

    /// A newer record, proved.
    fn take_record(&mut self, now: Instant, sighting: &Sighting, via: Via, out: &mut Vec<Output>) {
        let said = sighting.record.said();
        let (key, who) = (said.key, Who::Key(said.key));
        // It started anew: nobody is at the other end of its links of before.
        for link in self.links.of_earlier_lives(&key, said.incarnation) {
            let why = Closing::Dead;
            out.push(Output::Close { link, why });
            self.forget_link(now, link, false, out);
        }
        let is_linked = self.links.is_linked(&key);
        let first = now + self.bias(&key) + self.chance.jitter(Duration::from_millis(100));
        let linked = |key: &AuthorKey| self.links.is_linked(key);
        let Some(entry) = self.table.make(now, who, &self.config, linked) else {
            return;
        };
        if entry
            .incarnation
            .is_none_or(|known| said.incarnation > known)
        {
            entry.dialling.reset(&self.config, first);
            entry.unlinked = None;
        } else {
            entry.dialling.allow_one(now, &self.config);
        }
        (entry.incarnation, entry.name) = (Some(said.incarnation), Some(said.name.clone()));
        (entry.record, entry.fresh) = (Some(sighting.record.clone()), now);
        entry.at = match is_linked {
            true => entry.at.or(sighting.at),
            false => sighting.at.or(entry.at),
        };
        let was_here = entry.is_here();
        entry.presence = match said.gone {
            true => Presence::Away(Departure::Left),
            false => Presence::Here,
        };
        match (was_here, entry.is_here()) {
            (false, true) => out.push(Output::Event(Event::Joined(key))),
            (true, false) => {
                let why = Departure::Left;
                out.push(Output::Event(Event::Left { key, why }));
            }
            _ => {}
        }
        self.learn_addrs(sighting, via);
        if said.gone && self.is_coordinator(&key) {
            self.elect(now, Heard::Lost, None, out);
        }
    }

    fn learn_addrs(&mut self, sighting: &Sighting, via: Via) {
        let said = sighting.record.said();
        let (who, port) = (Who::Key(said.key), said.port);
        // What is local to one machine means something only to who is on it.
        let same_host = match via {
            Via::Beacon(from) => from.ip().is_loopback(),
            Via::Link(link) => {
                let live = self.links.get_mut(link);
                live.is_some_and(|live| live.addr.ip().is_loopback())
            }
        };
        for addr in sighting.at.iter().chain(&said.addrs) {
            let is_ours = self.ourselves.contains(addr);
            if port != 0 && !is_ours && (same_host || is_portable(addr)) {
                self.table.learn(&who, *addr, false);
            }
        }
    }

    fn pass_on(&mut self, mut sighting: Sighting, via: Via, out: &mut Vec<Output>) {
        let from = match via {
            Via::Beacon(_) => None,
            Via::Link(link) => Some(link),
        };
        // Its neighbour knows better than itself how it is reached.
        let entry = self.table.get(&sighting.record.said().key);
        let at = entry.and_then(|entry| entry.at).or(sighting.at);
        for link in self.links.ids() {
            if Some(link) != from {
                sighting.at = self.portable(at, link);
                Self::send(link, &Control::Here(sighting.clone()), out);
            }
        }
    }

    /// Somebody's neighbour lost it.
    fn on_lost(
        &mut self,
        now: Instant,
        key: AuthorKey,
        version: (Incarnation, u64),
        from: LinkId,
        out: &mut Vec<Output>,
    ) {
        if key == self.key {
            let said = self.record.said();
            if version == (said.incarnation, said.beat) {
                self.publish_soon();
            }
            return;
        }
        let linked: Vec<LinkId> = self.links.of(&key).collect();
        if !linked.is_empty() {
            // We know better, and it is told, so that it answers.
            for link in linked.into_iter().filter(|link| *link != from) {
                Self::send(link, &lost(key, version), out);
            }
            return;
        }
        let Some(entry) = self.table.get_mut(&key) else {
            return;
        };
        if entry.version() == version && entry.is_here() {
            self.lose(now, key, Some(from), out);
        }
    }

    /// A peer is lost: everybody is told.
    pub(super) fn lose(
        &mut self,
        now: Instant,
        key: AuthorKey,
        from: Option<LinkId>,
        out: &mut Vec<Output>,
    ) {
        let Some(entry) = self.table.get_mut(&key) else {
            return;
        };
        let why = Departure::Lost;
        entry.presence = Presence::Away(why);
        entry.unlinked = None;
        let version = entry.version();
        out.push(Output::Event(Event::Left { key, why }));
        self.flood(&lost(key, version).to_bytes(), from, out);
        if self.is_coordinator(&key) {
            self.elect(now, Heard::Doubted, None, out);
        }
        self.upkeep_at = now;
    }

    /// Our record is told anew as soon as it may be.
    pub(super) fn publish_soon(&mut self) {
        self.publish_at = self.publish_at.min(self.published + PUBLISH_APART);
    }

    pub(super) fn publish(&mut self, now: Instant, gone: bool, out: &mut Vec<Output>) {
        let beat = self.record.said().beat.saturating_add(1);
        self.record = own_record(&self.own, self.key, beat, self.ids.own(), gone);
        self.published = now;
        let every = self.config.refresh_every;
        self.publish_at = now + self.chance.jitter(every * 4 / 3);
        let (record, at) = (self.record.clone(), None);
        let here = Control::Here(Sighting { record, at });
        self.flood(&here.to_bytes(), None, out);
    }

    pub(super) fn on_leave(&mut self, now: Instant, out: &mut Vec<Output>) {
        if self.has_left {
            return;
        }
        self.publish(now, true, out);
        if self.config.beacons {
            out.push(Output::Beacon(self.beacon(BeaconKind::Heartbeat)));
        }
        self.has_left = true;
    }
}

fn lost(key: AuthorKey, (incarnation, beat): (Incarnation, u64)) -> Control {
    Control::Lost {
        key,
        incarnation,
        beat,
    }
}
