//! Membership, and the links that it wants: who is dialled, who is there, who coordinates.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use lamparina_order::membership::{self, Attempt, Closing, Output, Source};
use lamparina_order::{LinkId, converging};
use lamparina_protocol::control::CloseCode;
use lamparina_protocol::peer::{Announcement, Content, Coordinator, LinkMessage};
use lamparina_protocol::{AuthorKey, UnixMicros};
use tokio::sync::mpsc;

use super::Node;
use super::inputs::Found;
use super::names::NewKey;
use super::wires::{ROOM_BYTES, Wire};
use crate::config::ADDRESSES_MAX;
use crate::event::{CoordinatorLine, Event, PeerLine, PeerState};
use crate::links::{Dialled, FromLink, Opened, Said, dial};
use crate::multicast::interfaces::{self, Interface};
use crate::multicast::{Change, Heard, INTERFACES_EVERY};

/// Membership is told this often, at most, that a link lives.
const HEARD_EVERY: Duration = Duration::from_millis(250);
/// Own addresses that are told.
const OWN_ADDRS_MAX: usize = 4;

impl Node {
    /// Gives membership an input and does what it wants.
    pub(super) fn membership(&mut self, input: membership::Input<'_>) {
        if matches!(input, membership::Input::Tick) {
            self.hear_parts();
        }
        self.give_membership(input);
    }

    fn give_membership(&mut self, input: membership::Input<'_>) {
        let (now, mut out) = (self.now(), Vec::new());
        self.members.handle(now, input, &mut out);
        for output in out {
            self.do_membership(output);
        }
    }

    fn do_membership(&mut self, output: Output) {
        match output {
            Output::Dial { attempt, addr } => {
                let attempt = attempt.0;
                let common = self.common.clone();
                self.runtime.spawn(dial(common, Dialled { attempt, addr }));
            }
            Output::Close { link, why } => {
                let (code, text) = words_of(why);
                self.close(link, code, text);
            }
            Output::Send { link, control } => self.say(link, &LinkMessage::Control(control)),
            Output::Beacon(bytes) => {
                if let Some(multicast) = &self.multicast {
                    multicast.send(&bytes);
                }
            }
            Output::Persist(epoch) => {
                self.batch.epoch = Some(epoch.0);
                self.must_sync = true;
            }
            Output::Event(event) => self.met(event),
        }
    }

    fn met(&mut self, event: membership::Event) {
        use membership::Event as Met;
        match event {
            Met::Joined(key) => {
                if let Some(line) = self.peer_line(&key) {
                    self.tell(Event::Joined(line));
                }
            }
            Met::Left { key, .. } => {
                if let Some(mut line) = self.peer_line(&key) {
                    // Its link may be closing still.
                    line.state = PeerState::Stale;
                    self.tell(Event::Left(line));
                }
            }
            Met::Coordinator(coordinator) => {
                let line = coordinator.map(|coordinator| self.coordinator_line(&coordinator));
                self.tell(Event::Coordinator(line));
            }
            Met::Suspected { key, silent } => tracing::debug!(%key, silent, "suspected"),
            Met::Id(id) => tracing::debug!(%id, "this peer's number"),
            Met::SameKey(from) => self.same_key(&format!("as one at {from} shows")),
            Met::History(_) | Met::OwnBeacon(_) => {}
        }
    }

    /// What comes lives, also where a great message takes longer than a link may be silent and hides the
    /// heartbeats behind it.
    fn hear_parts(&mut self) {
        let moved = self
            .wires
            .iter_mut()
            .filter_map(|(number, wire)| wire.has_moved().then_some(*number));
        let moved: Vec<u64> = moved.collect();
        for number in moved {
            let link = LinkId(number);
            self.give_membership(membership::Input::Heard { link });
        }
    }

    /// Somebody announced itself.
    pub(super) fn announced(&mut self, said: &Announcement) {
        let news = self.names.announced(said);
        self.tell_new_key(news);
    }

    /// A message of another peer, or of another life of this one, was delivered.
    pub(super) fn named(&mut self, said: &Content) {
        let chain = said.name.chain;
        if chain.author != self.reader.own {
            let news = self.names.seen(chain.author, &said.from);
            return self.tell_new_key(news);
        }
        // What this peer said in earlier lives may come back to a store that was lost.
        if chain.incarnation > self.common.hello.incarnation || said.sent_at > self.began {
            self.same_key("as a message shows that this one did not say");
        }
    }

    fn tell_new_key(&mut self, news: Option<NewKey>) {
        if let Some(news) = news {
            self.tell(Event::Warning {
                code: "name_shared",
                text: news.words(),
            });
        }
    }

    /// Somebody else is who this peer is.
    fn same_key(&mut self, how: &str) {
        let now = self.now();
        if self.names.may_tell_same_key(now) {
            let text = format!(
                "another peer runs with your key, {how}: what it says is shown as yours, and others keep only one \
                 of the two. Stop the copy, and give it an empty --data folder. If there is no copy, the clock here \
                 went back: set it right and start again"
            );
            let code = "same_key";
            self.tell(Event::Warning { code, text });
        }
    }

    /// What a link's task tells.
    pub(super) fn link_tells(&mut self, from: FromLink) {
        match from {
            FromLink::Opened(opened) => self.opened(*opened),
            FromLink::Said { number, said } => self.said(LinkId(number), said),
            FromLink::Fault { number, words } => {
                let link = LinkId(number);
                self.order(converging::Input::LinkDown(link));
                self.fault(link, &words);
            }
            FromLink::Room { number } => self.room(LinkId(number)),
            FromLink::Ended { number, reason } => self.link_ended(LinkId(number), reason),
            FromLink::NotDialled { attempt, reason } => {
                tracing::debug!(attempt, "an attempt failed: {reason}");
                let attempt = Attempt(attempt);
                self.membership(membership::Input::DialFailed { attempt });
            }
        }
    }

    fn opened(&mut self, opened: Opened) {
        let link = LinkId(opened.handle.number);
        let input = membership::Input::LinkUp {
            link,
            attempt: opened.attempt.map(Attempt),
            key: opened.key,
            hello: opened.hello.clone(),
            addr: opened.addr,
        };
        let wire = Wire::new(opened, self.wall_at(self.now()));
        let line = wire.line();
        self.wires.insert(link.0, wire);
        self.open_links.insert(link.0);
        self.membership(input);
        // It may lead to ourselves, or be one too many.
        if self.wires.contains_key(&link.0) {
            self.counts.had_neighbours = true;
            self.tell(Event::LinkUp(line));
            self.order(converging::Input::LinkUp(link));
            self.order(converging::Input::Room(link, ROOM_BYTES));
        }
    }

    fn said(&mut self, link: LinkId, said: Said) {
        let now = self.now();
        let Some(wire) = self.wires.get_mut(&link.0) else {
            return;
        };
        match said {
            Said::Control(bytes) => {
                let bytes = &bytes[..];
                self.membership(membership::Input::Control { link, bytes });
            }
            Said::Order(heard) => {
                let due = wire.heard_told_at.is_none_or(|at| at + HEARD_EVERY <= now);
                if due {
                    wire.heard_told_at = Some(now);
                    self.membership(membership::Input::Heard { link });
                }
                let bye = matches!(heard, converging::Heard::Bye);
                self.order(converging::Input::Heard(link, heard));
                if bye {
                    self.membership(membership::Input::Bye { link });
                }
            }
        }
    }

    fn link_ended(&mut self, link: LinkId, reason: String) {
        self.open_links.remove(&link.0);
        let Some(wire) = self.wires.remove(&link.0) else {
            return;
        };
        let (line, key) = (wire.line(), wire.key);
        self.order(converging::Input::LinkDown(link));
        self.membership(membership::Input::LinkDown { link });
        self.foreign_unlinked(&key);
        self.tell(Event::LinkDown { link: line, reason });
    }

    /// A neighbour did what it must not: its link ends. The order knows already.
    pub(super) fn fault(&mut self, link: LinkId, words: &str) {
        let Some(wire) = self.wires.remove(&link.0) else {
            return;
        };
        let name = &wire.name;
        let text = format!("{name} at {} is not believed: {words}", wire.addr);
        let (line, reason) = (wire.line(), words.to_owned());
        wire.close(CloseCode::BadMessage, words.to_owned());
        self.tell(Event::Warning {
            code: "neighbour_at_fault",
            text,
        });
        self.tell(Event::LinkDown { link: line, reason });
        self.membership(membership::Input::LinkDown { link });
    }

    /// Closes a link, once what was said has left.
    pub(super) fn close(&mut self, link: LinkId, code: CloseCode, text: String) {
        let Some(wire) = self.wires.remove(&link.0) else {
            return;
        };
        let (line, reason) = (wire.line(), text.clone());
        wire.close(code, text);
        self.order(converging::Input::LinkDown(link));
        self.membership(membership::Input::LinkDown { link });
        self.tell(Event::LinkDown { link: line, reason });
    }

    /// A beacon came.
    pub(super) fn beacon(&mut self, heard: &Heard) {
        let (from, bytes) = (heard.from, &heard.bytes[..]);
        self.membership(membership::Input::Beacon { from, bytes });
    }

    /// Looks at the interfaces and looks up the names of hosts.
    pub(super) fn look(&mut self) {
        self.look_at = self.now() + INTERFACES_EVERY;
        match interfaces::list() {
            Ok(all) => self.own_addresses(&all),
            Err(error) => tracing::warn!("the system does not tell its interfaces: {error}"),
        }
        let changes = self.multicast.as_mut().map(|multicast| multicast.refresh());
        match changes {
            Some(Ok(changes)) => changes.into_iter().for_each(|change| self.changed(change)),
            Some(Err(error)) => tracing::warn!("no beacons: {error}"),
            None => {}
        }
        for host in self.given.clone() {
            self.reach(host);
        }
    }

    /// Somebody says where a peer is: it is dialled as those are that were given at the start.
    pub(super) fn dial_given(&mut self, host: String) {
        if self.given.contains(&host) {
            return self.membership(membership::Input::Reconnect);
        }
        if self.given.len() >= ADDRESSES_MAX {
            let text =
                format!("{host} is not dialled: {ADDRESSES_MAX} addresses were given already");
            return self.tell(Event::Warning {
                code: "too_many_addresses",
                text,
            });
        }
        self.given.push(host.clone());
        self.reach(host);
    }

    fn reach(&mut self, host: String) {
        match host.parse() {
            Ok(addr) => self.given_address(addr),
            Err(_) => {
                let found = self.found_sender.clone();
                self.runtime.spawn(look_up(host, found));
            }
        }
    }

    fn changed(&mut self, change: Change) {
        match change {
            Change::Begun(interface) => tracing::info!(interface, "beacons by multicast"),
            Change::Ended(interface) => tracing::info!(interface, "no beacons any more"),
            Change::Failed(interface, why) => {
                let text =
                    format!("no beacons by {interface}: {why}; `lamparina-peer doctor` says more");
                self.tell(Event::Warning {
                    code: "multicast_failed",
                    text,
                });
            }
        }
    }

    /// A host was looked up.
    pub(super) fn found(&mut self, found: Found) {
        match found.addrs {
            Ok(addrs) => addrs.into_iter().for_each(|addr| self.given_address(addr)),
            Err(why) => {
                let host = found.host;
                if self.unknown_hosts.insert(host.clone()) {
                    let text = format!("{host} is not found: {why}; an address is HOST:PORT");
                    self.tell(Event::Warning {
                        code: "unknown_host",
                        text,
                    });
                }
            }
        }
    }

    fn given_address(&mut self, addr: SocketAddr) {
        let source = Source::Given;
        self.membership(membership::Input::Address { addr, source });
    }

    fn own_addresses(&mut self, all: &[Interface]) {
        let addrs = reachable(all, &self.own.listen);
        if addrs == self.own.addrs {
            return;
        }
        self.own.addrs = addrs.clone();
        let (name, first) = (self.own.name.clone(), addrs.first().copied());
        self.order(converging::Input::Called(name, first));
        self.membership(membership::Input::OwnAddresses(addrs));
    }

    pub(super) fn coordinator_line(&self, coordinator: &Coordinator) -> CoordinatorLine {
        let key = coordinator.key;
        let own = key == self.reader.own;
        let line = self.peer_line(&key);
        let name = match own {
            true => Some(self.own.name.clone()),
            false => line.and_then(|line| line.name),
        };
        CoordinatorLine {
            key,
            name: name.or_else(|| self.names.name(&key).cloned()),
            epoch: coordinator.epoch.0,
            own,
        }
    }

    fn peer_line(&self, key: &AuthorKey) -> Option<PeerLine> {
        let peers = self.members.peers();
        let found = peers.into_iter().find(|peer| peer.key == Some(*key));
        found.map(|peer| self.line_of(peer))
    }

    pub(super) fn line_of(&self, peer: membership::PeerInfo) -> PeerLine {
        let coordinator = self.members.coordinator();
        let seen = |at| -> UnixMicros { self.wall_at(at) };
        PeerLine {
            is_coordinator: coordinator.is_some_and(|one| Some(one.key) == peer.key),
            own: peer.key == Some(self.reader.own),
            key: peer.key,
            name: peer.name,
            foreign: None,
            addrs: peer.addrs,
            state: match peer.state {
                membership::PeerState::Active => PeerState::Active,
                membership::PeerState::Stale => PeerState::Stale,
                membership::PeerState::Unknown => PeerState::Unknown,
            },
            id: peer.id.map(|id| id.to_string()),
            last_seen_at: peer.last_seen.map(seen),
            successes: u64::from(peer.successes),
            failures: u64::from(peer.failures),
            rtt_mean: peer.rtt.mean(),
            rtt_last: (peer.rtt.count > 0).then_some(peer.rtt.last),
        }
    }
}

fn words_of(why: Closing) -> (CloseCode, String) {
    use lamparina_protocol::peer::control::Parting;
    let (code, text) = match why {
        Closing::Ourselves => (CloseCode::Goodbye, "it leads to this very peer"),
        Closing::Dead => (CloseCode::Timeout, "nothing came for too long"),
        Closing::Fault(words) => (CloseCode::BadMessage, words),
        Closing::Parting(Parting::Duplicate) => {
            (CloseCode::Goodbye, "there is another link between the two")
        }
        Closing::Parting(Parting::Full) => (CloseCode::Limit, "there are as many links as may be"),
        Closing::Parting(Parting::Pruned) => (CloseCode::Goodbye, "there are enough other links"),
    };
    (code, text.to_owned())
}

async fn look_up(host: String, found: mpsc::Sender<Found>) {
    /// Addresses of one host, at most.
    const ADDRS_MAX: usize = 8;
    let addrs = match tokio::net::lookup_host(&host).await {
        Ok(addrs) => Ok(addrs.take(ADDRS_MAX).collect()),
        Err(error) => Err(error.to_string()),
    };
    // Without room it is looked up again soon.
    let _ = found.try_send(Found { host, addrs });
}

/// Where others may reach one that listens at `listen`, the best first: addresses of networks before those
/// of this machine alone.
fn reachable(all: &[Interface], listen: &[SocketAddr]) -> Vec<SocketAddr> {
    let mut addrs = Vec::new();
    for bound in listen {
        if !bound.ip().is_unspecified() {
            addrs.push(*bound);
            continue;
        }
        for interface in all.iter().filter(|interface| interface.is_up) {
            let ips = interface.addrs.iter().filter(|ip| fits(ip, bound));
            addrs.extend(ips.map(|ip| SocketAddr::new(*ip, bound.port())));
        }
    }
    addrs.sort_by_key(|addr| (addr.ip().is_loopback(), addr.is_ipv6()));
    addrs.dedup();
    addrs.truncate(OWN_ADDRS_MAX);
    addrs
}

/// One that others can use: an address of the link alone says nothing without the interface.
fn fits(ip: &IpAddr, bound: &SocketAddr) -> bool {
    match ip {
        IpAddr::V4(_) => bound.is_ipv4(),
        IpAddr::V6(ip) => bound.is_ipv6() && !ip.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_networks_come_first() {
        let interface = |name: &str, addrs: &[&str]| Interface {
            name: name.to_owned(),
            index: 1,
            is_up: name != "off",
            is_multicast: true,
            is_loopback: name == "lo",
            addrs: addrs.iter().map(|addr| addr.parse().unwrap()).collect(),
        };
        let all = [
            interface("lo", &["127.0.0.1", "::1"]),
            interface("eth0", &["192.0.2.5", "fe80::5", "2001:db8::5"]),
            interface("off", &["192.0.2.6"]),
        ];
        let check = |listen: &[&str], expected: &[&str]| {
            let listen: Vec<SocketAddr> = listen.iter().map(|addr| addr.parse().unwrap()).collect();
            let found = reachable(&all, &listen);
            let found: Vec<String> = found.iter().map(ToString::to_string).collect();
            assert_eq!(found, expected);
        };
        check(&["0.0.0.0:1"], &["192.0.2.5:1", "127.0.0.1:1"]);
        check(&["[::]:1"], &["[2001:db8::5]:1", "[::1]:1"]);
        check(
            &["127.0.0.1:7", "192.0.2.5:8"],
            &["192.0.2.5:8", "127.0.0.1:7"],
        );
    }
}
