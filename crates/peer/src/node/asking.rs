//! What the program asks, answered at once from the machines and the store.

use lamparina_order::{converging, membership};
use lamparina_protocol::peer::{MessageName, Signed};
use lamparina_pyp2p::contacts;

use super::line::{room_key, told};
use super::{Node, Request};
use crate::error::PeerError;
use crate::event::{HistoryKey, KEY_DIGITS_MIN, Line, LinkLine, PeerLine, PeerState, Trace, Why};
use crate::store::Found;

/// Lines that an answer to `/find` has, at most.
const FOUND_MAX: u32 = 200;
/// Messages of one stamp, or one beginning of a digest, that an error names.
const CANDIDATES_MAX: u32 = 8;
/// Neighbours and causes that a trace names, at most.
const TRACED_MAX: usize = 512;

impl Node {
    pub(super) fn asked(&mut self, request: Request) {
        // Who asked may have gone: then nobody is answered.
        match request {
            Request::Say { to, text, reply } => self.say_as_asked(to, text, reply),
            Request::Peers(reply) => drop(reply.send(self.peer_lines())),
            Request::Links(reply) => drop(reply.send(self.link_lines())),
            Request::Coordinator(reply) => {
                let coordinator = self.members.coordinator();
                let line = coordinator.map(|coordinator| self.coordinator_line(&coordinator));
                drop(reply.send(line));
            }
            Request::History {
                count,
                before,
                reply,
            } => drop(reply.send(self.history(count, before))),
            Request::Find { words, reply } => drop(reply.send(self.find(&words))),
            Request::Why { one, other, reply } => drop(reply.send(self.why(&one, &other))),
            Request::Trace { which, reply } => drop(reply.send(self.trace(&which))),
            Request::Reconnect => {
                self.membership(membership::Input::Reconnect);
                self.contacts(contacts::Input::Reconnect);
                self.look_at = self.now();
            }
            Request::Dial(host) => self.dial_given(host),
            Request::Unregister(reply) => self.unregister(reply),
            Request::Join(room) => drop(self.rooms.insert(room_key(&room))),
            Request::Leave(room) => drop(self.rooms.remove(&room_key(&room))),
            Request::Close { within, reply } => self.begin_to_leave(within, reply),
        }
    }

    fn peer_lines(&self) -> Vec<PeerLine> {
        let coordinator = self.members.coordinator();
        let own = PeerLine {
            key: Some(self.reader.own),
            name: Some(self.own.name.clone()),
            foreign: None,
            addrs: self.own.addrs.clone(),
            state: PeerState::Active,
            id: self.members.id().map(|id| id.to_string()),
            last_seen_at: None,
            successes: 0,
            failures: 0,
            rtt_mean: None,
            rtt_last: None,
            is_coordinator: coordinator.is_some_and(|one| one.key == self.reader.own),
            own: true,
        };
        let others = self.members.peers().into_iter();
        let others = others.map(|peer| self.line_of(peer));
        let others = others.filter(|line| !line.own);
        let others = others.chain(self.foreign_lines());
        std::iter::once(own).chain(others).collect()
    }

    fn link_lines(&self) -> Vec<LinkLine> {
        let ours = self.wires.values().map(super::Wire::line);
        ours.chain(self.foreign_links()).collect()
    }

    fn rooms(&self) -> Vec<String> {
        self.rooms.iter().cloned().collect()
    }

    fn history(&self, count: u32, before: Option<HistoryKey>) -> Result<Vec<Line>, PeerError> {
        let found = self.store.history(before, &self.rooms(), count)?;
        Ok(self.lines(found))
    }

    fn find(&self, words: &str) -> Result<Vec<Line>, PeerError> {
        let found = self.store.find(words, &self.rooms(), FOUND_MAX)?;
        Ok(self.lines(found))
    }

    fn lines(&self, found: Vec<Found>) -> Vec<Line> {
        let upto = self.final_upto();
        let told = |(_, late, line)| told(line, late, true, upto.as_ref(), &self.names);
        found.into_iter().filter_map(told).collect()
    }

    /// The one message that is named by a stamp or the first digits of a digest.
    fn one(&self, which: &str) -> Result<(u64, Line), PeerError> {
        let which = which.trim().trim_start_matches('~').to_ascii_lowercase();
        let is_digest =
            which.len() >= KEY_DIGITS_MIN && which.bytes().all(|digit| digit.is_ascii_hexdigit());
        let stamp = which.parse::<u64>().ok();
        let mut found = match stamp {
            Some(stamp) => self.store.of_stamp(stamp, CANDIDATES_MAX)?,
            None => Vec::new(),
        };
        if found.is_empty() && is_digest {
            found = self.store.of_digest(&which, CANDIDATES_MAX)?;
        }
        let upto = self.final_upto();
        let readable = found.into_iter().filter_map(|(position, late, line)| {
            told(line, late, true, upto.as_ref(), &self.names).map(|line| (position, line))
        });
        let mut readable: Vec<(u64, Line)> = readable.collect();
        match (readable.pop(), &readable[..]) {
            (Some(one), []) => Ok(one),
            (Some(one), others) => {
                let all = others.iter().chain(std::iter::once(&one));
                let candidates = all.map(|(_, line)| {
                    let digest = line.key.digest.to_string();
                    format!("{} ({})", &digest[..KEY_DIGITS_MIN], line.from)
                });
                Err(PeerError::Ambiguous {
                    asked: format!("message {which}"),
                    candidates: candidates.collect(),
                })
            }
            (None, _) => Err(PeerError::Refused(format!(
                "there is no message {which} here: name one by its stamp, or by at least \
                 {KEY_DIGITS_MIN} digits of its digest"
            ))),
        }
    }

    fn why(&self, one: &str, other: &str) -> Result<Why, PeerError> {
        let (one, other) = (self.one(one)?, self.one(other)?);
        let (first, second) = match one.1.key <= other.1.key {
            true => (one, other),
            false => (other, one),
        };
        let history = self.order.history();
        let path = match history.why(position(first.0), position(second.0)) {
            converging::Why::Cause(path) => path,
            _ => Vec::new(),
        };
        let name = |at: converging::Position| history.key(at).map(|key| key.name);
        Ok(Why {
            path: path.into_iter().filter_map(name).collect(),
            first: first.1,
            second: second.1,
        })
    }

    fn trace(&self, which: &str) -> Result<Trace, PeerError> {
        let (at, line) = self.one(which)?;
        let stored = self.store.stored(at, 1, 1)?;
        let signed = stored
            .first()
            .map(|stored| Signed::read_own(&stored.signed));
        let signed = signed.and_then(Result::ok);
        let heads = signed.iter().flat_map(|signed| {
            let content = signed.content();
            content.prev.iter().chain(&content.heads).copied()
        });
        let causes = heads.take(TRACED_MAX).filter_map(|digest| {
            let found = self.store.line(digest).ok().flatten();
            found.map(|(_, _, line)| line.key.name())
        });
        let causes: Vec<MessageName> = causes.collect();
        let received_at = self.store.line(line.key.digest)?;
        let has = self.wires.values().filter(|wire| wire.handed() > at);
        let known_to = has.map(|wire| wire.name.clone());
        Ok(Trace {
            received_at: received_at
                .map(|(_, _, stored)| stored.received_at)
                .unwrap_or_default(),
            position: at,
            causes,
            known_to: known_to.take(TRACED_MAX).collect(),
            line,
        })
    }
}

/// Positions of what is stored have 32 bits.
fn position(at: u64) -> converging::Position {
    converging::Position(u32::try_from(at).unwrap_or(u32::MAX))
}
