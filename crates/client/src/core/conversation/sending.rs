//! The way out: requests become items of the outbox, and items become messages when the link has
//! room. A message takes its clock when it is said; what it had seen is what had been handed over.

use bytes::Bytes;
use lamparina_protocol::audience::AUDIENCE_USERS_MAX;
use lamparina_protocol::codec;
use lamparina_protocol::frame::FrameType;
use lamparina_protocol::message::{
    ChannelSettings, PartedSubmit, SetNick, Submit, TEXT_BYTES_MAX, TextName, ToServer,
};
use lamparina_protocol::{Audience, Epoch, Instant, Pseq, UnixMicros};

use super::{Conversation, Outward, Phase};
use crate::core::event::MessageName;
use crate::core::outbox::{Ask, Item, is_long};

/// Why a request was not taken. Nothing has changed.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum SayError {
    /// Too much is unsettled; try again when something is.
    #[error("too many messages are unsettled; wait until some are")]
    Full,
    /// Nothing was said.
    #[error("the text is empty; nothing was sent")]
    EmptyText,
    /// More than fits a message.
    #[error(
        "the text has {0} bytes and a message takes {TEXT_BYTES_MAX}; nothing was sent, split it"
    )]
    TooLong(usize),
    /// More recipients than fit a message.
    #[error(
        "{0} recipients are named and a message takes {AUDIENCE_USERS_MAX}; use a room instead"
    )]
    TooManyNames(usize),
    /// Nobody is named.
    #[error("nobody is named; nothing was sent")]
    Nobody,
    /// The conversation is closing or over.
    #[error("the conversation is over; nothing was sent")]
    Over,
}

impl SayError {
    /// A short word for programs.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Full => "queue-full",
            Self::EmptyText => "empty-text",
            Self::TooLong(_) | Self::TooManyNames(_) => "too-long",
            Self::Nobody => "no-recipient",
            Self::Over => "closed",
        }
    }
}

impl Conversation {
    /// Whether one more request would be taken now.
    pub fn has_room(&self) -> bool {
        self.outbox.has_room()
    }

    /// Takes a message and names it; it goes out as soon as it can.
    ///
    /// # Errors
    ///
    /// [`SayError`]; the message is not taken then and has no name.
    pub fn say(
        &mut self,
        sent_at: UnixMicros,
        audience: Audience,
        text: String,
    ) -> Result<MessageName, SayError> {
        self.may_take()?;
        match &audience {
            Audience::Multicast(nicks) if nicks.is_empty() => return Err(SayError::Nobody),
            Audience::Multicast(nicks) if nicks.len() > AUDIENCE_USERS_MAX => {
                return Err(SayError::TooManyNames(nicks.len()));
            }
            _ => {}
        }
        match text.len() {
            0 => return Err(SayError::EmptyText),
            bytes if bytes > TEXT_BYTES_MAX => return Err(SayError::TooLong(bytes)),
            _ => {}
        }
        // At the end of time the order itself refuses, in words.
        self.clock = self.clock.tick().unwrap_or(self.clock);
        self.summary.sent += 1;
        let given = self.outbox.say(Submit {
            epoch: Epoch(0),
            pseq: Pseq(0),
            clock: self.clock,
            seen: self.consumed.upto(),
            sent_at,
            audience,
            text,
        });
        self.keep_said();
        Ok(given)
    }

    /// Takes a request other than a message, in its place among them.
    ///
    /// # Errors
    ///
    /// [`SayError::Full`] and [`SayError::Over`].
    pub fn ask(&mut self, ask: Ask) -> Result<(), SayError> {
        self.may_take()?;
        self.outbox.ask(ask);
        Ok(())
    }

    pub(super) fn may_take(&self) -> Result<(), SayError> {
        if self.phase == Phase::Over || self.closing.is_some() {
            return Err(SayError::Over);
        }
        if !self.outbox.has_room() {
            return Err(SayError::Full);
        }
        Ok(())
    }

    /// The next thing to send: call while the link has room, until there is none.
    pub fn pull(&mut self, now: Instant) -> Option<Outward> {
        match self.phase {
            Phase::Entering { asked: false, by } => {
                if let Some(given) = self.giving.pop_front() {
                    return Some(message(FrameType::Data, &given));
                }
                self.phase = Phase::Entering { asked: true, by };
                let nick = self.entering_as.clone();
                Some(message(FrameType::SetNick, &SetNick { nick }))
            }
            Phase::Live { .. } if self.parting.is_none() => self.pull_live(now),
            _ => None,
        }
    }

    /// Whether the next thing may go out now; a message is counted by this.
    fn may_send(&mut self, now: Instant) -> bool {
        self.paced_until = None;
        if self.passing_over || self.pace.is_held_back() {
            return false;
        }
        if !self.outbox.is_message_next(self.keeper.stored()) {
            return true;
        }
        match self.pace.take(now) {
            Ok(()) => true,
            Err(_) => {
                self.paced_until = self.pace.next_at(now);
                false
            }
        }
    }

    fn pull_live(&mut self, now: Instant) -> Option<Outward> {
        if let Some(behind) = self.behind_text.take() {
            return Some(behind);
        }
        let bulk = self.parted.spoken;
        if self.may_send(now)
            && let Some(item) = self.outbox.next_out(self.keeper.stored(), bulk)
        {
            return match item {
                Item::Say(said) if bulk && is_long(&said.submit) => {
                    let (text, message) = parted(&said.submit);
                    self.behind_text = Some(message);
                    Some(text)
                }
                item => Some(encode(item)),
            };
        }
        let leaves = self.may_leave(now);
        if let Some(report) = self.consumed.report(now, leaves) {
            return Some(message(FrameType::Data, &report));
        }
        leaves.then(|| self.leave(now))
    }
}

/// A message in two parts: its text, for the BULK lane, and all else.
fn parted(submit: &Submit) -> (Outward, Outward) {
    let text = Outward::Message {
        kind: FrameType::Bulk,
        body: Bytes::copy_from_slice(submit.text.as_bytes()),
    };
    let parted = PartedSubmit {
        text: TextName::of(submit.text.as_bytes()),
        rest: Submit {
            text: String::new(),
            audience: submit.audience.clone(),
            ..*submit
        },
    };
    let rest = ToServer::SubmitParted(Box::new(parted));
    (text, message(FrameType::Data, &rest))
}

fn encode(item: &Item) -> Outward {
    match item {
        Item::Ask(Ask::Rename(nick)) => {
            let nick = nick.clone();
            message(FrameType::SetNick, &SetNick { nick })
        }
        Item::Ask(Ask::Who) => Outward::Message {
            kind: FrameType::ListRequest,
            body: Bytes::new(),
        },
        Item::Ask(Ask::Channel(spec)) => {
            let spec = spec.clone();
            message(FrameType::Channel, &ChannelSettings { spec })
        }
        Item::Ask(Ask::Join(room)) => {
            let room = room.clone();
            message(FrameType::Data, &ToServer::Join { room })
        }
        Item::Ask(Ask::Leave(room)) => {
            let room = room.clone();
            message(FrameType::Data, &ToServer::Leave { room })
        }
        Item::Ask(Ask::History { before, count }) => {
            let (before, count) = (*before, *count);
            message(FrameType::Data, &ToServer::History { before, count })
        }
        Item::Ask(Ask::Find {
            words,
            before,
            count,
        }) => {
            let (words, before, count) = (words.clone(), *before, *count);
            let find = ToServer::Find {
                words,
                before,
                count,
            };
            message(FrameType::Data, &find)
        }
        Item::Ask(Ask::Trace(stamp)) => {
            message(FrameType::Data, &ToServer::Trace { stamp: *stamp })
        }
        Item::Ask(Ask::Why(a, b)) => message(FrameType::Data, &ToServer::Why { a: *a, b: *b }),
        Item::Say(said) => message(FrameType::Data, &ToServer::Submit(said.submit.clone())),
    }
}

fn message<T: serde::Serialize>(kind: FrameType, message: &T) -> Outward {
    // Texts and audiences were measured when they were taken, so that every message fits.
    let body = codec::encode(message).unwrap_or_default();
    Outward::Message { kind, body }
}
