//! The order: what links bring goes in, what it wants done comes out.

use lamparina_order::LinkId;
use lamparina_order::converging::{self, Delivery, MergeReport, Output, Proof, Sending};
use lamparina_protocol::control::CloseCode;
use lamparina_protocol::peer::{Content, LinkMessage};

use super::wires::ROOM_BYTES;
use super::{Node, line};
use crate::event::{self, Equivocation, Event, HistoryKey, Merged};
use crate::store::NewRow;

impl Node {
    /// Gives the order an input and does what it wants.
    pub(super) fn order(&mut self, input: converging::Input) {
        let (now, mut out) = (self.now(), Vec::new());
        if let Err(error) = self.order.handle(now, input, &mut out) {
            // Everything that may be refused is asked before.
            let text = error.to_string();
            self.tell(Event::Warning {
                code: "refused",
                text,
            });
        }
        self.do_order(out);
    }

    /// Does what the order wants, in its order.
    pub(super) fn do_order(&mut self, out: Vec<Output>) {
        for output in out {
            match output {
                Output::Deliver(delivery) => self.deliver(delivery),
                Output::Send(link, sending) => self.send(link, sending),
                Output::FinalUpTo(upto) => {
                    let upto = HistoryKey::from(upto);
                    self.batch.final_upto = Some(upto);
                    self.tell(Event::Final { upto });
                }
                Output::Equivocation(proof) => self.prove(&proof),
                Output::Merged(report) => self.merged(&report),
                Output::Fault(link, fault) => self.fault(link, &fault.to_string()),
                Output::Announced(signed) => self.announced(signed.announcement()),
                Output::MemberAside(author) => self.names.set_present(&author, false),
                Output::MemberBack(author) => self.names.set_present(&author, true),
                Output::Ready => {
                    let stamp = self.order.clock();
                    self.tell(Event::Ready { stamp });
                }
            }
        }
    }

    fn deliver(&mut self, delivery: Delivery) {
        let position = u64::from(delivery.position.0);
        let key = HistoryKey::from(delivery.key());
        let message = &delivery.message;
        if delivery.from.is_some() {
            self.named(message.content());
        }
        self.common.proven.delivered(message.digest());
        self.bodies.push(position, message.bytes());
        self.delivered = position + 1;
        let received_at = self.wall_at(self.now());
        let row = self
            .reader
            .row(message, key, position, delivery.late, received_at);
        match delivery.from {
            None => self.own_delivered(&row),
            Some(_) => self.told(&row),
        }
        self.batch.rows.push(row);
    }

    fn own_delivered(&mut self, row: &NewRow) {
        self.must_sync = true;
        let line = &row.line;
        if line.via.is_some() {
            return self.told(row);
        }
        self.counts.unstored += 1;
        self.counts.unhanded.push_back(row.position);
        self.tell(Event::Committed {
            key: line.key,
            kind: line.kind,
            to: line.to.clone(),
            text: line.text.clone().unwrap_or_default(),
        });
    }

    /// Tells a line to whoever reads here, where it is for them.
    fn told(&mut self, row: &NewRow) {
        let line = &row.line;
        let elsewhere = |room: &String| !self.rooms.contains(room);
        if line.room.as_ref().is_some_and(elsewhere) || !self.is_first_copy(row) {
            return;
        }
        let history = !self.order.is_ready();
        let upto = self.final_upto();
        let told = line::told(line.clone(), row.late, history, upto.as_ref(), &self.names);
        if let Some(line) = told {
            self.tell(Event::Message(line));
        }
    }

    /// Whether a message of another protocol was not told already, as another peer entered it.
    fn is_first_copy(&self, row: &NewRow) -> bool {
        let same = |other: &NewRow| other.line.is_copy_of(&row.line);
        // What cannot be looked up is told rather than lost; the store says so itself when it is written.
        let stored = || self.store.has_copy(&row.line).unwrap_or(false);
        row.line.via.is_none() || !self.batch.rows.iter().any(same) && !stored()
    }

    fn send(&mut self, link: LinkId, sending: Sending) {
        let delivered = self.delivered;
        let Some(wire) = self.wires.get_mut(&link.0) else {
            return;
        };
        let message = match sending {
            Sending::Messages(tellings) => return wire.push_tellings(&tellings),
            Sending::Given(positions) => return self.give(link, &positions),
            Sending::Need(digests) => LinkMessage::Need(digests),
            Sending::NameOnly(authors) => LinkMessage::NameOnly(authors),
            Sending::PageEnd { more } => {
                wire.page_ended(more, delivered);
                LinkMessage::PageEnd { more }
            }
            Sending::Want { has, limit } => LinkMessage::Want { has, limit },
            Sending::Announcements(items) => LinkMessage::Announcements(items),
            Sending::Bye => LinkMessage::Bye,
        };
        self.say(link, &message);
    }

    /// Gives what was only named and is needed.
    fn give(&mut self, link: LinkId, positions: &[converging::Position]) {
        let (bodies, store) = (&mut self.bodies, &self.store);
        let items = positions
            .iter()
            .map(|position| bodies.get(store, u64::from(position.0)));
        match items.collect() {
            Ok(items) => self.say(link, &LinkMessage::Given(items)),
            Err(error) => {
                let error: crate::store::StoreError = error;
                self.close(link, CloseCode::ShuttingDown, error.to_string());
            }
        }
    }

    /// Says something on a link, behind the messages that were to be said before.
    pub(super) fn say(&mut self, link: LinkId, message: &LinkMessage) {
        let Some(wire) = self.wires.get_mut(&link.0) else {
            return;
        };
        let (bodies, store) = (&mut self.bodies, &self.store);
        let bundled = wire.bundle(|position| bodies.get(store, u64::from(position.0)));
        match bundled {
            Ok(()) => wire.say(message),
            Err(error) => self.close(link, CloseCode::ShuttingDown, error.to_string()),
        }
    }

    /// Puts what was to be said into links' queues. Whoever lets too much wait is closed.
    pub(super) fn flush(&mut self) {
        let mut failed = Vec::new();
        for (number, wire) in &mut self.wires {
            let (bodies, store) = (&mut self.bodies, &self.store);
            let bundled = wire.bundle(|position| bodies.get(store, u64::from(position.0)));
            wire.move_on();
            match bundled {
                Err(error) => failed.push((*number, CloseCode::ShuttingDown, error.to_string())),
                Ok(()) if wire.is_too_slow() => {
                    let text = "it does not take what is said to it".to_owned();
                    failed.push((*number, CloseCode::TooSlow, text));
                }
                Ok(()) => {}
            }
        }
        for (number, code, text) in failed {
            self.close(LinkId(number), code, text);
        }
    }

    /// A link's queue is empty: the order may emit more for it.
    pub(super) fn room(&mut self, link: LinkId) {
        let Some(wire) = self.wires.get_mut(&link.0) else {
            return;
        };
        if wire.move_on() {
            let handed = wire.handed();
            let unhanded = &mut self.counts.unhanded;
            while unhanded.front().is_some_and(|position| *position < handed) {
                unhanded.pop_front();
            }
            self.order(converging::Input::Room(link, ROOM_BYTES));
        }
    }

    fn prove(&mut self, proof: &Proof) {
        let bodies = &mut self.bodies;
        let mut read = |position: converging::Position| {
            let bytes = bodies.get(&self.store, u64::from(position.0)).ok()?;
            let digest = lamparina_protocol::peer::signed::digest_of(&bytes).ok()?;
            Some((bytes, digest))
        };
        let (Some(first), Some(second)) = (read(proof.first), read(proof.second)) else {
            return;
        };
        let from = self.called(&second.0, proof);
        self.batch
            .proofs
            .push((proof.name, first.0.clone(), second.0));
        let Some(from) = from else { return };
        self.tell(Event::Equivocation(Equivocation {
            name: proof.name,
            from,
            digests: [first.1, second.1],
        }));
    }

    fn called(
        &self,
        signed: &bytes::Bytes,
        proof: &Proof,
    ) -> Option<lamparina_protocol::peer::PeerName> {
        let read = lamparina_protocol::peer::Signed::read_own(signed).ok();
        let said = read.as_ref().map(|signed| signed.content());
        let name = said.map(|said: &Content| &said.from);
        name.or_else(|| self.names.name(&proof.name.chain.author))
            .cloned()
    }

    /// Lines from `first` to `last`, as far as they are counted.
    fn count(&self, first: &converging::HistoryKey, last: &converging::HistoryKey) -> u64 {
        /// More are not counted.
        const COUNTED_MAX: usize = 100_000;
        let after = self.order.history().after(Some(first), COUNTED_MAX);
        1 + after.iter().take_while(|(key, _)| key <= last).count() as u64
    }

    fn merged(&mut self, report: &MergeReport) {
        let ranges = report.ranges.iter().map(|(first, last)| Merged {
            first: HistoryKey::from(*first),
            last: HistoryKey::from(*last),
            count: self.count(first, last),
        });
        let ranges = ranges.collect();
        self.tell(Event::Merged(event::MergeReport {
            lines: u64::from(report.lines),
            inserted: u64::from(report.inserted),
            late: u64::from(report.late),
            ranges,
        }));
    }
}
