//! Long texts of a client that speaks the BULK lane. On their way to it they wait here, bounded, until
//! that lane has room; what is behind them in the other lane does not wait. On their way up there is one
//! at a time: it and the message that names it may come in either order, and reach the order together.

use std::collections::VecDeque;

use bytes::Bytes;
use lamparina_order::Action;
use lamparina_protocol::Instant;
use lamparina_protocol::control::CloseCode;
use lamparina_protocol::frame::{FrameType, SharedBody};
use lamparina_protocol::link::SendError;
use lamparina_protocol::message::{PartedSubmit, RefusalCode, Submit, TEXT_BYTES_MAX, ToClient};

use super::follow::Outbox;
use super::machine::Session;
use super::output::{Logged, Output};
use crate::parted::Parted;

/// Bytes of texts that wait for room; the one that reaches it is still taken.
pub const TEXTS_WAITING_BYTES_MAX: usize = 512 * 1024;

/// Texts on their way to a client.
#[derive(Debug)]
pub(super) struct Texts {
    /// The BULK lane is spoken.
    spoken: bool,
    /// Rare, and apart so that an idle session is small.
    waiting: Option<Box<Waiting>>,
}

#[derive(Debug, Default)]
struct Waiting {
    texts: VecDeque<SharedBody>,
    bytes: usize,
}

impl Texts {
    pub(super) const fn new(spoken: bool) -> Self {
        Self {
            spoken,
            waiting: None,
        }
    }

    /// Sends a delivery, in two parts where it has them and the client can join them.
    #[inline]
    pub(super) fn send(
        &mut self,
        kind: FrameType,
        body: &SharedBody,
        parted: Option<&Parted>,
        tail: [u8; 8],
        outbox: &mut impl Outbox,
    ) -> Result<(), SendError> {
        match parted {
            Some(parted) if self.spoken => self.send_parted(parted, tail, outbox),
            _ => outbox.send(kind, body, Some(tail)),
        }
    }

    /// The same of what came from the store.
    pub(super) fn send_stored(
        &mut self,
        body: &SharedBody,
        tail: [u8; 8],
        outbox: &mut impl Outbox,
    ) -> Result<(), SendError> {
        let parted = match self.spoken {
            true => Parted::of_encoded(body),
            false => None,
        };
        self.send(FrameType::Data, body, parted.as_deref(), tail, outbox)
    }

    #[cold]
    fn send_parted(
        &mut self,
        parted: &Parted,
        tail: [u8; 8],
        outbox: &mut impl Outbox,
    ) -> Result<(), SendError> {
        let bytes = self.waiting.as_ref().map_or(0, |waiting| waiting.bytes);
        if bytes >= TEXTS_WAITING_BYTES_MAX {
            return Err(SendError::Full);
        }
        outbox.send(FrameType::Data, &parted.entry, Some(tail))?;
        let waiting = self.waiting.get_or_insert_default();
        waiting.bytes += parted.text.bytes().len();
        waiting.texts.push_back(parted.text.clone());
        self.flush(outbox)
    }

    /// Gives the BULK lane what it has room for.
    pub(super) fn flush(&mut self, outbox: &mut impl Outbox) -> Result<(), SendError> {
        let Some(waiting) = &mut self.waiting else {
            return Ok(());
        };
        while let Some(text) = waiting.texts.front() {
            if !outbox.has_room_bulk() {
                return Ok(());
            }
            outbox.send(FrameType::Bulk, text, None)?;
            waiting.bytes -= text.bytes().len();
            waiting.texts.pop_front();
        }
        self.waiting = None;
        Ok(())
    }
}

/// A text on its way up, or the message that names it: whichever came first.
#[derive(Debug)]
pub(super) enum Upload {
    Text(Bytes),
    Message(PartedSubmit),
    /// A message whose audience holds what is no name: it is settled without a place, and its text
    /// comes for nothing.
    Misaddressed(Action),
}

impl Session {
    /// A text came.
    pub(super) fn text_came(&mut self, now: Instant, text: Bytes, out: &mut Output) {
        if text.len() > TEXT_BYTES_MAX {
            let words = format!("a text has at most {TEXT_BYTES_MAX} bytes");
            return self.abort(now, CloseCode::BadMessage, &words, out);
        }
        match self.upload.take().map(|upload| *upload) {
            None => self.upload = Some(Box::new(Upload::Text(text))),
            Some(Upload::Message(message)) => self.join(now, message, text, out),
            Some(Upload::Misaddressed(action)) => self.act(action, out),
            Some(Upload::Text(_)) => self.too_many(now, out),
        }
    }

    /// A message came whose text comes in the BULK lane.
    pub(super) fn parted_came(&mut self, now: Instant, message: PartedSubmit, out: &mut Output) {
        match self.upload.take().map(|upload| *upload) {
            None => self.upload = Some(Box::new(Upload::Message(message))),
            Some(Upload::Text(text)) => self.join(now, message, text, out),
            Some(_) => self.too_many(now, out),
        }
    }

    /// One came that is settled without a place.
    pub(super) fn misaddressed_came(&mut self, now: Instant, action: Action, out: &mut Output) {
        match self.upload.take().map(|upload| *upload) {
            None => self.upload = Some(Box::new(Upload::Misaddressed(action))),
            Some(Upload::Text(_)) => self.act(action, out),
            Some(_) => self.too_many(now, out),
        }
    }

    fn too_many(&mut self, now: Instant, out: &mut Output) {
        let text = "one text comes at a time: the next message with one waits until this one is \
                    settled";
        self.abort(now, CloseCode::BadMessage, text, out);
    }

    /// Both are there. What does not fit is refused and settles nothing.
    fn join(&mut self, now: Instant, message: PartedSubmit, text: Bytes, out: &mut Output) {
        let PartedSubmit { text: name, rest } = message;
        let named = name.check(text.to_vec()).filter(|_| rest.text.is_empty());
        let Some(text) = named else {
            let code = RefusalCode::Malformed;
            let text = "the text is not the one that the message names: send both again".to_owned();
            out.acts.push(Logged::refused(self.nick(), code, &text));
            let refused = ToClient::Refused {
                epoch: rest.epoch,
                pseq: rest.pseq,
                code,
                text,
            };
            return self.say(now, FrameType::Data, &refused, out);
        };
        self.submit(now, Submit { text, ..rest }, out);
    }
}
