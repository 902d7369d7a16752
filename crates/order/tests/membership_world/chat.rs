//! The order beside membership at each peer, on the links that membership keeps: what is said, delivered and kept.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use lamparina_order::LinkId;
use lamparina_order::converging::{
    self, Config, Converging, Heard, HistoryKey, Incoming, Input, Output, Position,
};
use lamparina_protocol::peer::{Body, Digest, Incarnation, LinkMessage, PeerName, Signed, signed};
use lamparina_protocol::seal::IdentityKey;
use lamparina_protocol::{Instant, UnixMicros};

use super::{At, Ev, World};

/// Signatures that were judged already, for all peers of a world.
pub(crate) type Proved = BTreeMap<Digest, Arc<Signed>>;

/// A peer's order, and what it was delivered.
pub(crate) struct Chat {
    machine: Option<Converging>,
    log: Vec<Arc<Signed>>,
    has: BTreeSet<Digest>,
    final_upto: Option<HistoryKey>,
    /// Bytes for these links.
    pub(crate) leaves: Vec<(LinkId, Bytes)>,
    /// Links that end, and why.
    pub(crate) faults: Vec<(LinkId, String)>,
}

impl Chat {
    pub(crate) const fn new() -> Self {
        Self {
            machine: None,
            log: Vec::new(),
            has: BTreeSet::new(),
            final_upto: None,
            leaves: Vec::new(),
            faults: Vec::new(),
        }
    }

    pub(crate) fn start(&mut self, identity: IdentityKey, life: u64, name: PeerName, now: Instant) {
        let config = Config::new(identity, Incarnation(life), name);
        let mut machine = Converging::new(config, now);
        for message in &self.log {
            machine.restore(now, message).expect("it was kept");
        }
        if let Some(upto) = self.final_upto {
            machine.restore_final(upto);
        }
        self.machine = Some(machine);
        self.give(now, Input::Tick);
    }

    pub(crate) fn crash(&mut self) {
        self.machine = None;
        self.leaves.clear();
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.machine.as_ref().and_then(Converging::deadline)
    }

    pub(crate) fn up(&mut self, now: Instant, link: LinkId) {
        self.give(now, Input::LinkUp(link));
        self.give(now, Input::Room(link, u32::MAX));
    }

    pub(crate) fn say(&mut self, now: Instant, text: String) {
        let said = Input::Say {
            body: Body::All(text),
            sent_at: UnixMicros(now.as_micros()),
            foreign: None,
        };
        self.give(now, said);
    }

    pub(crate) fn hear(&mut self, now: Instant, link: LinkId, bytes: &Bytes, proved: &mut Proved) {
        let message = LinkMessage::decode(bytes).expect("honest peers wrote it");
        let heard = match message {
            LinkMessage::Messages(items) => {
                let read = |item: &Bytes| {
                    if let Some(digest) = converging::named(item) {
                        return Incoming::Named(digest);
                    }
                    let digest = signed::digest_of(item).expect("it was signed");
                    if self.has.contains(&digest) {
                        return Incoming::Known(digest);
                    }
                    let signed = proved
                        .entry(digest)
                        .or_insert_with(|| Arc::new(Signed::read(item).expect("it was signed")));
                    Incoming::New(Arc::clone(signed))
                };
                Heard::Messages(items.iter().map(read).collect())
            }
            other => match Heard::read(other, |_| false) {
                Ok(Some(heard)) => heard,
                other => panic!("{other:?}"),
            },
        };
        self.give(now, Input::Heard(link, heard));
    }

    pub(crate) fn give(&mut self, now: Instant, input: Input) {
        let Some(machine) = &mut self.machine else {
            return;
        };
        let mut out = Vec::new();
        // Who has waited too long to say anything is refused; nothing else is.
        let _ = machine.handle(now, input, &mut out);
        let mut stored = None;
        for output in out {
            match output {
                Output::Deliver(delivery) => {
                    let content = delivery.message.content();
                    let mut causes = content.prev.iter().chain(&content.heads);
                    assert!(
                        causes.all(|cause| self.has.contains(cause)),
                        "before its cause"
                    );
                    let is_before = self.final_upto.is_some_and(|upto| delivery.key() < upto);
                    assert!(
                        !is_before || delivery.late,
                        "a line before a final one is not late"
                    );
                    assert!(
                        self.has.insert(delivery.message.digest()),
                        "delivered twice"
                    );
                    self.log.push(delivery.message);
                    stored = Some(self.log.len());
                }
                Output::Send(link, sending) => {
                    let bytes = |at: Position| Ok::<_, ()>(self.log[at.0 as usize].bytes().clone());
                    if let Ok(message) = sending.into_message(bytes) {
                        self.leaves.push((link, message.encode()));
                    }
                }
                Output::FinalUpTo(key) => {
                    assert!(self.final_upto < Some(key), "what is final stays final");
                    self.final_upto = Some(key);
                }
                Output::Fault(link, why) => self.faults.push((link, why.to_string())),
                _ => {}
            }
        }
        if let Some(count) = stored {
            self.give(now, Input::Stored(Position(count as u32)));
        }
    }

    pub(crate) fn history(&self) -> Vec<HistoryKey> {
        let machine = self.machine.as_ref();
        let lines = machine.map(|machine| machine.history().after(None, usize::MAX));
        lines.into_iter().flatten().map(|(key, _)| key).collect()
    }

    /// What it was delivered and keeps.
    pub(crate) const fn kept(&self) -> &BTreeSet<Digest> {
        &self.has
    }
}

impl World {
    /// Sends what an order wants sent, and ends links that it finds at fault.
    pub(super) fn chatted(&mut self, at: At) {
        if !self.chats || !self.is_up(at) {
            return;
        }
        let faults = std::mem::take(&mut self.nodes[at].chat.faults);
        assert!(
            faults.is_empty(),
            "p{at} finds neighbours at fault: {faults:?}"
        );
        for (link, bytes) in std::mem::take(&mut self.nodes[at].chat.leaves) {
            self.note(&bytes);
            let Some(pipe) = self.nodes[at].links.get(&link).copied() else {
                continue;
            };
            let when = self.after(pipe.last);
            if let Some(pipe) = self.nodes[at].links.get_mut(&link) {
                pipe.last = when;
            }
            let life = self.nodes[pipe.other].life;
            self.at(when, Ev::Order(pipe.other, life, pipe.their, at, bytes));
        }
        if let Some(deadline) = self.nodes[at].chat.deadline() {
            let when = deadline.max(self.now + Duration::from_millis(1));
            self.at(when, Ev::ChatTick(at));
        }
    }

    pub(crate) fn say(&mut self, at: At, text: String) {
        if self.is_up(at) {
            let now = self.now;
            self.nodes[at].chat.say(now, text);
            self.chatted(at);
        }
    }

    pub(super) fn chat_down(&mut self, at: At, link: LinkId) {
        if self.chats {
            let now = self.now;
            let down = Input::LinkDown(link);
            self.nodes[at].chat.give(now, down);
            self.chatted(at);
        }
    }
}
