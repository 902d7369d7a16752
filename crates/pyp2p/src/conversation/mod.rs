//! One connection with one peer, from HELLO to the end: nothing is said before the handshake is over,
//! every line leaves alone and in its turn, and whoever is silent, floods or leaves is dealt with in
//! bounded time and memory.
//!
//! [`Contacts`](crate::contacts::Contacts) holds one for each connection; a program needs this module
//! only to talk to a single peer.

mod outgoing;
mod pings;
mod receiving;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use lamparina_protocol::Instant;
use serde_json::{Map, Value};

use crate::ids::{MsgId, PeerId};
use crate::limits::{BYE_WITHIN, HELLO_WITHIN, LEAVE_WITHIN, QUEUE_LINES_MAX};
use crate::line::{LineReader, LineTooLong};
use crate::message::{Card, Message, Topic, Ttl, Unreadable};
use crate::random::{Random, SEED_BYTES};
use crate::settings::Settings;
use outgoing::{Full, Outgoing, What};
use pings::Pings;

/// Who began the connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Role {
    /// We did: we say HELLO.
    Dialler,
    /// The peer did.
    Acceptor,
}

/// What happens to a conversation.
#[derive(Clone, Copy, Debug)]
pub enum Input<'a> {
    /// These bytes came.
    Bytes(&'a [u8]),
    /// The line that was given last is written.
    Written,
    /// No more bytes will come; lines may still be written.
    EndOfStream,
    /// The connection broke: nothing comes and nothing can be written.
    Broken,
    /// Sends a text to the peer and asks for an ACK; the same `msg_id` again repeats it.
    Send {
        /// What it is called.
        msg_id: &'a MsgId,
        /// The text.
        text: &'a str,
    },
    /// Sends a text that is for many to this peer.
    Publish {
        /// What it is called, at every receiver.
        msg_id: &'a MsgId,
        /// For whom it is.
        topic: &'a Topic,
        /// The text.
        text: &'a str,
    },
    /// Says BYE and closes.
    Leave {
        /// Why.
        reason: &'a str,
    },
    /// A PONG came by another connection of the same peer (rule 20).
    PongElsewhere(&'a MsgId),
    /// Time has passed.
    Tick,
}

/// What follows from it, in order.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// Write this line by itself, then say [`Input::Written`]. There is never more than one at a time.
    Write(String),
    /// The handshake is over.
    Opened {
        /// Who it is.
        peer: PeerId,
        /// What another program of ours says of itself; proven not to be an echo (rule 7).
        lamparina: Option<Map<String, Value>>,
    },
    /// A text came; where an ACK was asked for, it is on its way. One that is repeated comes again.
    Said(Said),
    /// A SEND with this id is on its way out now.
    Sent(MsgId),
    /// The peer has this SEND.
    Acknowledged(MsgId),
    /// A PING and its PONG took this long.
    RoundTrip(Duration),
    /// A PONG that answers no PING of this connection.
    StrayPong(MsgId),
    /// Something for the log, and how many there were so far. Of many only some are told.
    Noted {
        /// What it is.
        note: Note,
        /// How many notes there were, this one included.
        count: u64,
    },
    /// It is over: close the connection, after what is being written. The last output.
    Closed(Ended),
}

/// A text of a peer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Said {
    /// What it is called, where it has a name.
    pub msg_id: Option<MsgId>,
    /// For whom it is, where it is for many; `None` where it is for us.
    pub topic: Option<Topic>,
    /// The text.
    pub text: String,
}

/// Something that a log should say and nothing follows from.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Note {
    /// A line was dropped.
    #[error("a line was dropped: {0}")]
    Dropped(#[from] Unreadable),
    /// A type that we do not know was passed over.
    #[error("a message of the unknown type {kind:?} was passed over")]
    Unknown {
        /// The type.
        kind: String,
    },
    /// A message was passed over that has no place here.
    #[error("a message was passed over: {0}")]
    Misplaced(&'static str),
    /// PINGs in a row are not answered.
    #[error("{0} PINGs in a row were not answered")]
    Missed(u32),
    /// An answer was left out, because too much waits to be sent.
    #[error("an answer was left out: more than {QUEUE_LINES_MAX} lines wait")]
    LeftOut,
}

/// How a conversation ended.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Ended {
    /// The peer said BYE.
    #[error("it left: {reason}")]
    TheyLeft {
        /// Why, in its words.
        reason: String,
    },
    /// We said BYE.
    #[error("we left")]
    WeLeft,
    /// The stream ended without BYE.
    #[error("the connection ended without BYE")]
    Lost,
    /// Nobody said HELLO, or answered it.
    #[error("no HELLO within {} s", HELLO_WITHIN.as_secs())]
    NoHello,
    /// The peer sent a line that is too long.
    #[error("{0}")]
    TooLong(#[from] LineTooLong),
    /// The peer gave no sign of life.
    #[error("no sign of life for three PINGs")]
    Dead,
    /// The peer does not read.
    #[error("it does not read what is sent")]
    NotReading,
    /// The peer has our own name: it is ourselves, or nobody we can tell from us.
    #[error("it has our own name")]
    Ourselves,
}

/// An input was not taken; the conversation is as it was.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Refusal {
    /// Written as ASCII, the text does not fit into a line.
    #[error("the text is too long for PyP2P: {0}; send it in parts")]
    TooLong(#[from] LineTooLong),
    /// Too much waits for this peer.
    #[error("too much waits to be sent to this peer; try again in a while")]
    Full,
    /// There is no connection with this peer, or it is ending.
    #[error("there is no connection with this peer; /peers lists who is connected")]
    NotConnected,
}

impl From<Full> for Refusal {
    fn from(_full: Full) -> Self {
        Self::Full
    }
}

/// One conversation.
#[derive(Clone, Debug)]
pub struct Conversation {
    settings: Arc<Settings>,
    random: Random,
    role: Role,
    phase: Phase,
    reader: LineReader,
    outgoing: Outgoing,
    pings: Pings,
    leaving: Option<Leaving>,
    ended_stream: bool,
    notes: u64,
}

#[derive(Clone, Debug)]
enum Phase {
    /// HELLO or HELLO_OK is waited for.
    Waiting {
        until: Instant,
    },
    Open {
        peer: PeerId,
    },
    Closed,
}

/// It is ending: why, and when at the latest.
#[derive(Clone, Debug)]
struct Leaving {
    why: Ended,
    reason: String,
    until: Instant,
}

impl Conversation {
    /// A connection that we made; `seed` is random and used once.
    pub fn dial(
        settings: Arc<Settings>,
        seed: [u8; SEED_BYTES],
        now: Instant,
        out: &mut Vec<Output>,
    ) -> Self {
        let mut new = Self::new(settings, seed, now, Role::Dialler);
        let card = Card::new(&new.settings.me, new.settings.lamparina.as_ref());
        let hello = Message::Hello(card).to_line();
        // Without its answer there is no conversation, so that one too long ends as one not answered.
        if let Ok(hello) = hello {
            let _ = new.outgoing.push(What::Other, hello);
        }
        new.settle(now, out);
        new.outgoing.hold(true);
        new
    }

    /// A connection that was accepted; `seed` is random and used once.
    pub fn accept(settings: Arc<Settings>, seed: [u8; SEED_BYTES], now: Instant) -> Self {
        Self::new(settings, seed, now, Role::Acceptor)
    }

    fn new(settings: Arc<Settings>, seed: [u8; SEED_BYTES], now: Instant, role: Role) -> Self {
        Self {
            random: Random::new(seed),
            role,
            phase: Phase::Waiting {
                until: now + HELLO_WITHIN,
            },
            reader: LineReader::default(),
            outgoing: Outgoing::new(now, settings.line_spacing),
            pings: Pings::new(now, settings.ping_every, settings.pong_within),
            leaving: None,
            ended_stream: false,
            notes: 0,
            settings,
        }
    }

    /// Who began it.
    pub const fn role(&self) -> Role {
        self.role
    }

    /// Who it is with, once the handshake is over.
    pub const fn peer(&self) -> Option<&PeerId> {
        match &self.phase {
            Phase::Open { peer } => Some(peer),
            _ => None,
        }
    }

    /// Whether something can be sent.
    pub const fn is_live(&self) -> bool {
        matches!(self.phase, Phase::Open { .. }) && self.leaving.is_none()
    }

    /// Applies one input. Whatever must happen next is pushed to `out`, in order.
    ///
    /// # Errors
    ///
    /// [`Refusal`], of [`Input::Send`] and [`Input::Publish`] only.
    pub fn handle(
        &mut self,
        now: Instant,
        input: Input<'_>,
        out: &mut Vec<Output>,
    ) -> Result<(), Refusal> {
        if matches!(self.phase, Phase::Closed) {
            return match input {
                Input::Send { .. } | Input::Publish { .. } => Err(Refusal::NotConnected),
                _ => Ok(()),
            };
        }
        match input {
            Input::Bytes(bytes) => self.receive(now, bytes, out),
            Input::Written => self.written(now, out),
            Input::EndOfStream => self.end_of_stream(now, out),
            Input::Broken => self.close(Ended::Lost, out),
            Input::Send { msg_id, text } => self.send(msg_id, text)?,
            Input::Publish {
                msg_id,
                topic,
                text,
            } => self.publish(msg_id, topic, text)?,
            Input::Leave { reason } => self.leave(now, Ended::WeLeft, reason, out),
            Input::PongElsewhere(msg_id) => self.pong(now, Some(msg_id), out),
            Input::Tick => {}
        }
        self.settle(now, out);
        Ok(())
    }

    /// When to call again with [`Input::Tick`]; `None` once it is over.
    pub fn deadline(&self) -> Option<Instant> {
        let (waiting, pinging) = match &self.phase {
            Phase::Closed => return None,
            Phase::Waiting { until } => (Some(*until), None),
            Phase::Open { .. } => (None, Some(self.pings.deadline())),
        };
        let leaving = self.leaving.as_ref().map(|leaving| leaving.until);
        let pinging = pinging.filter(|_| leaving.is_none());
        let all = [waiting, pinging, leaving, self.outgoing.deadline()];
        all.into_iter().flatten().min()
    }

    /// What time brings, and the line whose turn it is.
    fn settle(&mut self, now: Instant, out: &mut Vec<Output>) {
        self.pass(now, out);
        if matches!(self.phase, Phase::Closed) {
            return;
        }
        let Some((what, line)) = self.outgoing.release(now) else {
            return;
        };
        match what {
            What::Ping(msg_id) => self.pings.sent(msg_id, now),
            What::Send(msg_id) => out.push(Output::Sent(msg_id)),
            _ => {}
        }
        out.push(Output::Write(line));
    }

    fn pass(&mut self, now: Instant, out: &mut Vec<Output>) {
        if self.outgoing.is_stalled(now) {
            return self.close(Ended::NotReading, out);
        }
        if let Some(leaving) = &self.leaving {
            let said = self.ended_stream && self.outgoing.is_idle();
            if said || now >= leaving.until {
                self.close(leaving.why.clone(), out);
            }
            return;
        }
        match self.phase {
            Phase::Waiting { until } if now >= until => self.close(Ended::NoHello, out),
            Phase::Open { .. } => self.ping(now, out),
            _ => {}
        }
    }

    fn ping(&mut self, now: Instant, out: &mut Vec<Output>) {
        if let Some(missed) = self.pings.late(now) {
            let (note, count) = (Note::Missed(missed), self.notes);
            out.push(Output::Noted { note, count });
        }
        if self.pings.is_dead() {
            return self.leave(now, Ended::Dead, "no answer to PING", out);
        }
        if self.pings.is_due(now) {
            let msg_id = self.random.msg_id();
            let ping = Message::Ping {
                msg_id: &msg_id,
                timestamp: self.settings.wall(now),
                ttl: Ttl,
            };
            let line = ping.to_line();
            self.answer(What::Ping(msg_id), line, out);
        }
    }

    fn send(&mut self, msg_id: &MsgId, text: &str) -> Result<(), Refusal> {
        let message = Message::Send {
            msg_id,
            src: &self.settings.me,
            dst: self.live()?,
            payload: text,
            require_ack: true,
            ttl: Ttl,
        };
        let line = message.to_line()?;
        Ok(self.outgoing.push(What::Send(msg_id.clone()), line)?)
    }

    fn publish(&mut self, msg_id: &MsgId, topic: &Topic, text: &str) -> Result<(), Refusal> {
        self.live()?;
        let message = Message::Pub {
            msg_id,
            src: &self.settings.me,
            dst: &topic.to_string(),
            payload: text,
            require_ack: false,
            ttl: Ttl,
        };
        let line = message.to_line()?;
        Ok(self.outgoing.push(What::Other, line)?)
    }

    fn live(&self) -> Result<&PeerId, Refusal> {
        let peer = self.peer().filter(|_| self.leaving.is_none());
        peer.ok_or(Refusal::NotConnected)
    }

    /// Says BYE and closes as `why` when that is answered, or was not for too long (rule 17).
    fn leave(&mut self, now: Instant, why: Ended, reason: &str, out: &mut Vec<Output>) {
        if self.leaving.is_some() {
            return;
        }
        let wait = match (&self.phase, self.role) {
            (Phase::Open { .. }, _) => LEAVE_WITHIN,
            // HELLO_OK may be on its way, and who sent it should hear BYE.
            (_, Role::Dialler) => BYE_WITHIN,
            // To whoever said no HELLO there is nothing to say.
            (_, Role::Acceptor) => return self.close(why, out),
        };
        self.leaving = Some(Leaving {
            why,
            reason: reason.to_owned(),
            until: now + wait,
        });
        self.say_bye();
    }

    /// Says BYE where the handshake is over; else it is said then.
    fn say_bye(&mut self) {
        let (Some(leaving), Phase::Open { peer }) = (&self.leaving, &self.phase) else {
            return;
        };
        let bye = Message::Bye {
            msg_id: &self.random.msg_id(),
            src: &self.settings.me,
            dst: peer,
            reason: &leaving.reason,
            ttl: Ttl,
        };
        if let Ok(line) = bye.to_line() {
            // The last line always has room.
            let _ = self.outgoing.push(What::Bye, line);
        }
    }

    fn written(&mut self, now: Instant, out: &mut Vec<Output>) {
        let what = self.outgoing.written(now);
        let (Some(What::Bye | What::ByeOk), Some(leaving)) = (what, &mut self.leaving) else {
            return;
        };
        leaving.until = leaving.until.min(now + BYE_WITHIN);
        if matches!(leaving.why, Ended::TooLong(_)) {
            // Its answer could not be read.
            let why = leaving.why.clone();
            self.close(why, out);
        }
    }

    /// What was asked before the end is still answered, for some programs close one direction first.
    fn end_of_stream(&mut self, now: Instant, out: &mut Vec<Output>) {
        if let Some(line) = self.reader.end() {
            self.line(now, &line, out);
        }
        self.ended_stream = true;
        match (&self.phase, &mut self.leaving) {
            (Phase::Waiting { .. }, _) => self.close(Ended::Lost, out),
            (_, Some(leaving)) => leaving.until = leaving.until.min(now + BYE_WITHIN),
            (_, leaving) => {
                *leaving = Some(Leaving {
                    why: Ended::Lost,
                    reason: String::new(),
                    until: now + BYE_WITHIN,
                });
            }
        }
    }

    fn close(&mut self, why: Ended, out: &mut Vec<Output>) {
        if !matches!(self.phase, Phase::Closed) {
            self.phase = Phase::Closed;
            self.outgoing.clear();
            out.push(Output::Closed(why));
        }
    }

    /// Sends what the other side waits for; where too much waits, it has to ask again.
    fn answer(&mut self, what: What, line: Result<String, LineTooLong>, out: &mut Vec<Output>) {
        let pushed = line.ok().map(|line| self.outgoing.push(what, line));
        if pushed != Some(Ok(())) {
            self.note(Note::LeftOut, out);
        }
    }

    /// Tells the first note, the second, the fourth, ..: a flood does not become one of the log.
    fn note(&mut self, note: Note, out: &mut Vec<Output>) {
        self.notes += 1;
        if self.notes.is_power_of_two() {
            let count = self.notes;
            out.push(Output::Noted { note, count });
        }
    }
}
