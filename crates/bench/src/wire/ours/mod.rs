//! A light end of our protocol for loads, once a [`lamparina_protocol::link::Link`] has shaken
//! hands: frames are walked in place; of a delivery only what proves count and order is read.
//!
//! Checked on every frame: its place; on every delivery: `prev` and stamp; on one in
//! [`super::SAMPLE_EVERY`]: checksum and text. A hole, a NACK or a DISCONNECT is a fault: nothing is
//! ever lost over TCP. A frame that comes again is counted.

mod submit;
mod talk;
#[cfg(test)]
mod tests;

use bytes::{BufMut, BytesMut};
use lamparina_protocol::control::Disconnect;
use lamparina_protocol::frame::{
    FrameType, HEADER_BYTES, Header, PAYLOAD_BYTES_MAX, Seq, put_frame,
};
use lamparina_protocol::link::Terms;
use lamparina_protocol::message::SetNick;
use lamparina_protocol::{Nick, codec};

use self::talk::Talk;
use super::{Fault, Tally, To, Wire};
use crate::mark::Mark;

/// Bytes of a Submit beside its text, at most: six numbers, an audience of one nick, two marks.
const SUBMIT_EXTRA_BYTES_MAX: usize = 2 + 6 * 9 + 1 + 64;
/// Frames that are acknowledged at once; fewer may wait for company.
const ACK_FRAMES: u32 = 32;
/// Frames ahead of the expected one from which on they are taken for earlier ones instead.
const BEHIND: u16 = 1 << 15;

const DATA: u8 = FrameType::Data.number();
const ACK: u8 = FrameType::Ack.number();
const PING: u8 = FrameType::Ping.number();
const PONG: u8 = FrameType::Pong.number();

/// One connection to a Lamparina server.
#[derive(Debug)]
pub(crate) struct Ours {
    /// Messages in flight, at most: what the terms allow in frames and in bytes.
    window: u64,
    /// The place of the next sequenced frame to come.
    expected: Seq,
    /// Frames that came and are not acknowledged.
    owed: u32,
    next: Seq,
    /// The first place that the server has not acknowledged.
    unacknowledged: Seq,
    /// PONGs to be sent.
    pongs: BytesMut,
    /// A message being written.
    message: BytesMut,
    duplicates: u64,
    talk: Talk,
}

impl Ours {
    /// The end of a link that was just opened: nothing sequenced has passed. `index` spreads the
    /// samples, so that not all connections look at the same messages.
    pub(crate) fn new(index: usize, terms: Terms, epoch: u64, text_bytes: usize) -> Self {
        let frame = HEADER_BYTES + SUBMIT_EXTRA_BYTES_MAX + text_bytes;
        let by_bytes = u64::from(terms.window_bytes) / frame as u64;
        Self {
            window: by_bytes.min(terms.window_frames.into()),
            expected: Seq::FIRST,
            owed: 0,
            next: Seq::FIRST,
            unacknowledged: Seq::FIRST,
            pongs: BytesMut::new(),
            message: BytesMut::new(),
            duplicates: 0,
            talk: Talk::new(index, epoch),
        }
    }

    /// Whether the nick asked for is held.
    pub(crate) fn entered(&self) -> bool {
        self.talk.entered
    }

    /// Appends the claim of `nick`.
    pub(crate) fn put_nick(&mut self, out: &mut BytesMut, nick: Nick) -> Result<(), Fault> {
        let body =
            codec::encode(&SetNick { nick }).map_err(|error| Fault::Broken(error.to_string()))?;
        put_frame(out, FrameType::SetNick, self.next, true, &body);
        self.next = self.next.plus(1);
        Ok(())
    }

    #[inline]
    fn frame(&mut self, frame: &[u8], tally: &mut Tally) -> Result<(), Fault> {
        let Some((header, payload)) = frame.split_first_chunk::<HEADER_BYTES>() else {
            return broken("a frame ends early".to_owned());
        };
        let header = Header::from_bytes(header);
        if header.kind != DATA {
            return self.control(header, payload);
        }
        if self.is_expected(header)? {
            self.talk.hear(header, payload, tally)?;
        }
        Ok(())
    }

    /// Whether a sequenced frame is the one expected; `false` for one that comes again.
    #[inline]
    fn is_expected(&mut self, header: Header) -> Result<bool, Fault> {
        self.owed += 1;
        match header.seq.distance_from(self.expected) {
            0 => {
                self.expected = self.expected.plus(1);
                Ok(true)
            }
            ahead if ahead < BEHIND => broken(format!("{ahead} frames are missing")),
            _ => {
                self.duplicates += 1;
                Ok(false)
            }
        }
    }

    fn control(&mut self, header: Header, payload: &[u8]) -> Result<(), Fault> {
        match header.kind {
            ACK => self.acknowledged(payload),
            PING => {
                put_frame(&mut self.pongs, FrameType::Pong, Seq::FIRST, true, payload);
                Ok(())
            }
            PONG => Ok(()),
            kind => match FrameType::from_number(kind) {
                Some(kind) if kind.is_sequenced() => self.is_expected(header).map(|_| ()),
                Some(FrameType::Disconnect) => broken(match Disconnect::from_bytes(payload) {
                    Ok(end) => format!("the server ended it: code {}, {}", end.code, end.text),
                    Err(error) => format!("the server ended it: {error}"),
                }),
                _ => broken(format!("a frame of type {kind} came; nothing calls for it")),
            },
        }
    }

    fn acknowledged(&mut self, payload: &[u8]) -> Result<(), Fault> {
        let Some(next) = payload.first_chunk::<2>() else {
            return broken("an ACK ends early".to_owned());
        };
        let next = Seq::new(u16::from_be_bytes(*next));
        // An older ACK may not come over TCP; one for what was never sent may never come.
        let in_flight = self.next.distance_from(self.unacknowledged);
        if next.distance_from(self.unacknowledged) > in_flight {
            return broken("an ACK came for what was never sent".to_owned());
        }
        self.unacknowledged = next;
        Ok(())
    }
}

impl Wire for Ours {
    fn walk(&mut self, bytes: &[u8], tally: &mut Tally) -> Result<usize, Fault> {
        let mut rest = bytes;
        while let Some(length) = rest.first_chunk::<4>() {
            let length = u32::from_be_bytes(*length) as usize;
            if length > PAYLOAD_BYTES_MAX {
                return broken(format!("a frame of {length} bytes is impossible"));
            }
            let Some((frame, after)) = rest.split_at_checked(HEADER_BYTES + length) else {
                break;
            };
            self.frame(frame, tally)?;
            rest = after;
        }
        Ok(bytes.len() - rest.len())
    }

    fn answer(&mut self, out: &mut BytesMut, at_once: bool) -> bool {
        if self.owed >= ACK_FRAMES || (at_once && self.owed > 0) {
            self.owed = 0;
            // One for all that came, without ranges: nothing is early over TCP.
            let next = self.expected.get().to_be_bytes();
            put_frame(out, FrameType::Ack, Seq::FIRST, true, &next);
        }
        if !self.pongs.is_empty() {
            out.put_slice(&self.pongs);
            self.pongs = BytesMut::new();
        }
        self.owed > 0
    }

    fn room(&self) -> u64 {
        let in_flight = self.next.distance_from(self.unacknowledged);
        self.window.saturating_sub(in_flight.into())
    }

    fn put(&mut self, out: &mut BytesMut, to: &To, mark: Mark, size: usize) {
        self.message.clear();
        self.talk.say(&mut self.message, to, mark, size);
        put_frame(out, FrameType::Data, self.next, true, &self.message);
        self.next = self.next.plus(1);
    }

    fn received(&self) -> u64 {
        self.talk.received
    }

    fn unsettled(&self) -> u64 {
        self.talk.sent - self.talk.settled
    }

    fn settled(&self) -> u64 {
        self.talk.settled
    }

    fn duplicates(&self) -> u64 {
        self.duplicates
    }
}

fn broken<T>(text: String) -> Result<T, Fault> {
    Err(Fault::Broken(text))
}
