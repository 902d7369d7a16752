//! What a line of the peer does to a conversation.

use lamparina_protocol::Instant;

use super::outgoing::What;
use super::{Conversation, Ended, Leaving, Note, Output, Phase, Role, Said};
use crate::ids::MsgId;
use crate::limits::LEAVE_WITHIN;
use crate::message::{Card, Greeting, Message, Received, Ttl, read};

impl Conversation {
    pub(super) fn receive(&mut self, now: Instant, bytes: &[u8], out: &mut Vec<Output>) {
        if self.is_deaf() {
            return;
        }
        let mut lines = Vec::new();
        let read = self.reader.push(bytes, &mut lines);
        for line in &lines {
            self.line(now, line, out);
        }
        if let (Err(long), false) = (read, matches!(self.phase, Phase::Closed)) {
            self.outgoing.keep_answers();
            self.leave(now, Ended::TooLong(long), &long.to_string(), out);
        }
    }

    /// Nothing more can be read, since a line was too long.
    fn is_deaf(&self) -> bool {
        let leaving = self.leaving.as_ref();
        leaving.is_some_and(|leaving| matches!(leaving.why, Ended::TooLong(_)))
    }

    pub(super) fn line(&mut self, now: Instant, line: &str, out: &mut Vec<Output>) {
        self.pings.heard();
        self.outgoing.heard();
        let received = match read(line) {
            Ok(received) => received,
            Err(unreadable) => return self.note(unreadable.into(), out),
        };
        match (&self.phase, received) {
            (Phase::Waiting { .. }, received) => self.greet(now, received, out),
            (Phase::Open { .. }, received) => self.message(now, received, out),
            (Phase::Closed, _) => {}
        }
    }

    /// Before the handshake is over, its one line counts, and nothing else does (rules 6 and 15).
    fn greet(&mut self, now: Instant, received: Received, out: &mut Vec<Output>) {
        match (self.role, received) {
            (Role::Acceptor, Received::Hello(greeting)) => {
                let card = Card::new(&self.settings.me, self.settings.lamparina.as_ref());
                let line = Message::HelloOk(card).to_line();
                self.answer(What::HelloOk, line, out);
                self.open(now, greeting, out);
            }
            (Role::Dialler, Received::HelloOk(greeting)) => {
                self.outgoing.hold(false);
                self.open(now, greeting, out);
            }
            (_, Received::Other { kind }) => self.note(Note::Unknown { kind }, out),
            (Role::Acceptor, _) => self.note(Note::Misplaced("it came before HELLO"), out),
            (Role::Dialler, _) => self.note(Note::Misplaced("it came before HELLO_OK"), out),
        }
    }

    fn open(&mut self, now: Instant, greeting: Greeting, out: &mut Vec<Output>) {
        let Greeting { peer_id, lamparina } = greeting;
        self.pings.start(now);
        self.phase = Phase::Open {
            peer: peer_id.clone(),
        };
        if self.leaving.is_some() {
            return self.say_bye();
        }
        if peer_id == self.settings.me {
            return self.leave(now, Ended::Ourselves, "you have my name", out);
        }
        // One of our programs, and no echo of what we said (rule 7).
        let ours = self.settings.lamparina.as_ref();
        let lamparina = lamparina.filter(|theirs| ours.is_some_and(|ours| ours != theirs));
        let peer = peer_id;
        out.push(Output::Opened { peer, lamparina });
    }

    fn message(&mut self, now: Instant, received: Received, out: &mut Vec<Output>) {
        match received {
            Received::Ping { msg_id } => {
                let pong = Message::Pong {
                    msg_id: msg_id.as_ref().map_or("", MsgId::as_str),
                    timestamp: self.settings.wall(now),
                    ttl: Ttl,
                };
                let line = pong.to_line();
                self.answer(What::Answer, line, out);
            }
            Received::Pong { msg_id } => self.pong(now, msg_id.as_ref(), out),
            Received::Send {
                msg_id,
                payload,
                require_ack,
            } => {
                if let (Some(msg_id), true) = (&msg_id, require_ack) {
                    self.acknowledge(now, msg_id, out);
                }
                let (topic, text) = (None, payload);
                out.push(Output::Said(Said {
                    msg_id,
                    topic,
                    text,
                }));
            }
            Received::Pub {
                msg_id,
                topic,
                payload,
            } => {
                let (topic, text) = (Some(topic), payload);
                out.push(Output::Said(Said {
                    msg_id,
                    topic,
                    text,
                }));
            }
            Received::Ack {
                msg_id: Some(msg_id),
            } => out.push(Output::Acknowledged(msg_id)),
            Received::Ack { msg_id: None } => self.note(Note::Misplaced("ACK of nothing"), out),
            Received::Bye { msg_id, reason } => self.bye(now, msg_id.as_ref(), reason),
            Received::ByeOk => match self.leaving.take() {
                Some(leaving) => self.close(leaving.why, out),
                None => self.note(Note::Misplaced("BYE_OK without BYE"), out),
            },
            Received::Hello(_) | Received::HelloOk(_) => {
                self.note(Note::Misplaced("a second greeting"), out);
            }
            Received::Other { kind } => self.note(Note::Unknown { kind }, out),
        }
    }

    fn acknowledge(&mut self, now: Instant, msg_id: &MsgId, out: &mut Vec<Output>) {
        let ack = Message::Ack {
            msg_id,
            timestamp: self.settings.wall(now),
            ttl: Ttl,
        };
        let line = ack.to_line();
        self.answer(What::Answer, line, out);
    }

    /// A PONG by this connection or another one of the same peer.
    pub(super) fn pong(&mut self, now: Instant, msg_id: Option<&MsgId>, out: &mut Vec<Output>) {
        match (self.pings.answered(msg_id, now), msg_id) {
            (Some(time), _) => out.push(Output::RoundTrip(time)),
            (None, Some(msg_id)) => out.push(Output::StrayPong(msg_id.clone())),
            (None, None) => {}
        }
    }

    /// The peer leaves: what waits for it is dropped, BYE_OK is written, and who does not close then
    /// is closed (rule 11).
    fn bye(&mut self, now: Instant, msg_id: Option<&MsgId>, reason: String) {
        let Phase::Open { peer } = &self.phase else {
            return;
        };
        let bye_ok = Message::ByeOk {
            msg_id: msg_id.map_or("", MsgId::as_str),
            src: &self.settings.me,
            dst: peer,
            ttl: Ttl,
        };
        let line = bye_ok.to_line();
        self.outgoing.keep_answers();
        if let Ok(line) = line {
            // The last line always has room.
            let _ = self.outgoing.push(What::ByeOk, line);
        }
        self.leaving.get_or_insert_with(|| Leaving {
            why: Ended::TheyLeft {
                reason: reason.clone(),
            },
            reason,
            until: now + LEAVE_WITHIN,
        });
    }
}
