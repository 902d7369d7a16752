//! What the program says: for whom, sealed where it is for some only, and no faster than others on other
//! machines take it.

use std::collections::BTreeSet;
use std::time::Duration;

use lamparina_order::converging::{self, WAITING_MAX};
use lamparina_protocol::Instant;
use lamparina_protocol::bucket::Rate;
use lamparina_protocol::message::TEXT_BYTES_MAX;
use lamparina_protocol::peer::private::PrivateText;
use lamparina_protocol::peer::{Body, Foreign, MessageName, PeerName};
use lamparina_pyp2p::PeerId;

use super::names::{Recipient, SHOWN_DIGITS, is_meant};
use super::request::Reply;
use super::{Node, wall_clock};
use crate::error::PeerError;
use crate::event::{NamePattern, RECIPIENTS_MAX, Recipients};

/// Messages that an author says in a second, where others are on other machines.
pub(super) const RATE: Rate = Rate::per_second(20);
/// And at once, after silence.
pub(super) const BURST: u32 = 100;

/// When somebody who must wait until this peer is ready looks again.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// Something that was said and has to wait.
#[derive(Debug)]
pub(super) struct Paced {
    to: Recipients,
    text: String,
    reply: Reply<Result<MessageName, PeerError>>,
    /// When it may go.
    pub(super) at: Instant,
}

impl Node {
    /// The program says something.
    pub(super) fn say_as_asked(
        &mut self,
        to: Recipients,
        text: String,
        reply: Reply<Result<MessageName, PeerError>>,
    ) {
        let now = self.now();
        match self.take_turn(now) {
            Ok(()) => {
                let said = self.say_now(to, text);
                // Who asked may have gone.
                let _ = reply.send(said);
            }
            Err(wait) => {
                let at = now + wait;
                self.paced = Some(Paced {
                    to,
                    text,
                    reply,
                    at,
                });
            }
        }
    }

    /// What was said and had to wait goes, when it may.
    pub(super) fn say_paced(&mut self) {
        let due = |paced: &mut Paced| paced.at <= self.clock.now();
        if let Some(Paced {
            to, text, reply, ..
        }) = self.paced.take_if(due)
        {
            self.say_as_asked(to, text, reply);
        }
    }

    /// Counts a message, where there are neighbours on other machines. Before this peer is ready, so much may wait
    /// and no more.
    fn take_turn(&mut self, now: Instant) -> Result<(), Duration> {
        if self.order.waiting() >= WAITING_MAX {
            return Err(LOOK_AGAIN);
        }
        let remote = |wire: &super::Wire| !wire.addr.ip().to_canonical().is_loopback();
        match self.wires.values().any(remote) {
            true => self.pace.take(now),
            false => Ok(()),
        }
    }

    fn say_now(&mut self, to: Recipients, text: String) -> Result<MessageName, PeerError> {
        if self.leaving.is_some() {
            return Err(PeerError::Closed);
        }
        if text.is_empty() {
            let words = "there is nothing to say: the text is empty";
            return Err(PeerError::Refused(words.to_owned()));
        }
        if text.len() > TEXT_BYTES_MAX {
            let words = format!(
                "the text has {} bytes, and at most {TEXT_BYTES_MAX} are taken: split it",
                text.len()
            );
            return Err(PeerError::Refused(words));
        }
        let (body, foreign) = match to {
            Recipients::All => (Body::All(text), Vec::new()),
            Recipients::Room(room) => (Body::Room(room, text), Vec::new()),
            Recipients::Some(patterns) => self.seal(&patterns, text)?,
        };
        let name = self.enter(body, None)?;
        // Of a message that was refused the next one has the name: it is for others.
        self.foreign.is_for(name, foreign);
        Ok(name)
    }

    /// Gives a message to the order; its name.
    pub(super) fn enter(
        &mut self,
        body: Body,
        via: Option<Foreign>,
    ) -> Result<MessageName, PeerError> {
        let (name, foreign) = (self.order.next_name(), via.is_some());
        let input = converging::Input::Say {
            body,
            sent_at: wall_clock(),
            foreign: via,
        };
        let (now, mut out) = (self.now(), Vec::new());
        let taken = self.order.handle(now, input, &mut out);
        self.counts.sent += u64::from(taken.is_ok() && !foreign);
        // What the order wants holds even where it refuses.
        self.do_order(out);
        taken.map_err(|error| PeerError::Refused(error.to_string()))?;
        Ok(name)
    }

    fn is_oneself(&self, pattern: &NamePattern) -> bool {
        is_meant(pattern, &self.reader.own, &self.own.name)
    }

    /// Seals a text for those who are named; and who of them speaks PyP2P: they get it in clear.
    fn seal(
        &self,
        patterns: &[NamePattern],
        text: String,
    ) -> Result<(Body, Vec<PeerId>), PeerError> {
        let (mut recipients, mut foreign, mut to) = (Vec::new(), Vec::new(), Vec::new());
        let mut known = BTreeSet::from([self.reader.own]);
        for pattern in patterns {
            match self.whom(pattern)? {
                Some(Whom::Ours(recipient)) if known.insert(recipient.sealed_for.author) => {
                    recipients.push(recipient.sealed_for);
                    to.push(recipient.name);
                }
                Some(Whom::Foreign(peer, name)) if !foreign.contains(&peer) => {
                    foreign.push(peer);
                    to.push(name);
                }
                // Somebody named twice is dropped, and so is oneself.
                Some(_) | None => {}
            }
        }
        if to.is_empty() {
            let words = "a message for oneself only goes nowhere: name somebody else";
            return Err(PeerError::Refused(words.to_owned()));
        }
        if to.len() > RECIPIENTS_MAX {
            let words = format!(
                "a message is for at most {RECIPIENTS_MAX} peers, and {} are named: split the list, or \
                 use a room",
                to.len()
            );
            return Err(PeerError::Refused(words));
        }
        let body = self.seal_for(recipients, PrivateText { to, text })?;
        Ok((body, foreign))
    }

    /// Whom a name means, of our peers and of those that speak PyP2P; nobody where it means oneself.
    fn whom(&self, pattern: &NamePattern) -> Result<Option<Whom>, PeerError> {
        let ours = self.names.resolve(pattern);
        let mut foreign = self.foreign.resolve(pattern);
        match (ours, foreign.pop()) {
            (Ok(recipient), None) => Ok(Some(Whom::Ours(recipient))),
            (Err(PeerError::NoSuchPeer { .. }), Some((peer, name))) if foreign.is_empty() => {
                Ok(Some(Whom::Foreign(peer, name)))
            }
            (Err(PeerError::NoSuchPeer { .. }), None) if self.is_oneself(pattern) => Ok(None),
            (Err(error), None) => Err(error),
            (ours, Some((last, _))) => {
                let foreign = foreign.iter().map(|(peer, _)| peer).chain([&last]);
                let foreign = foreign.map(|peer| format!("{peer} (PyP2P)"));
                let ours = ours.iter().map(|recipient| {
                    let key = recipient.sealed_for.author.to_string();
                    format!("{} (~{})", recipient.name, &key[..SHOWN_DIGITS])
                });
                Err(PeerError::Ambiguous {
                    asked: pattern.to_string(),
                    candidates: ours.chain(foreign).collect(),
                })
            }
        }
    }
}

/// Somebody that a message is for.
enum Whom {
    Ours(Recipient),
    Foreign(PeerId, PeerName),
}

#[cfg(test)]
mod tests {
    use super::super::testing::Held;
    use super::*;
    use lamparina_pyp2p::contacts::{ConnectionId, Input};

    /// The next message has the name of one that was refused, and is for somebody else.
    #[tokio::test]
    async fn nobody_gets_what_follows_a_refused_message() {
        let mut held = Held::open().await;
        let node = &mut held.node;
        let connection = ConnectionId::Accepted(0);
        let addr = "192.0.2.9:4200".parse().unwrap();
        node.contacts(Input::Accepted { connection, addr });
        let hello = br#"{"type":"HELLO","peer_id":"eva@lab","version":"1.0","features":[]}"#;
        let bytes = &[&hello[..], b"\n"].concat();
        node.contacts(Input::Bytes { connection, bytes });
        let to_eva = || Recipients::Some(vec![NamePattern::parse("eva").unwrap()]);
        let name = node.say_now(to_eva(), "hi".to_owned()).unwrap();
        let eva = PeerId::received("eva@lab").unwrap();
        assert_eq!(node.foreign.waits_for(&name), Some(&[eva][..]));
        // As much waits until this peer is ready as may.
        for _ in 1..WAITING_MAX {
            node.say_now(Recipients::All, "hi".to_owned()).unwrap();
        }
        let refused = node.say_now(to_eva(), "a secret".to_owned());
        assert!(matches!(refused, Err(PeerError::Refused(_))), "{refused:?}");
        assert_eq!(node.foreign.waits_for(&node.order.next_name()), None);
        assert_eq!(node.counts.sent, WAITING_MAX as u64);
    }
}
