//! A light end of our protocol for loads, once a [`lamparina_protocol::link::Link`] has shaken
//! hands: frames are walked in place; of a delivery only what proves count and order is read.
//!
//! Checked on every delivery: the frame's place, `prev` equal to the stamp before, the stamp
//! greater than `prev`. On one in [`SAMPLE_EVERY`]: the checksum and the text. A hole, a NACK or a
//! DISCONNECT is a fault: nothing is ever lost over TCP. A frame that comes again is counted.

use bytes::{BufMut, Bytes, BytesMut};
use lamparina_protocol::Nick;
use lamparina_protocol::codec;
use lamparina_protocol::frame::{
    FrameType, HEADER_BYTES, Header, PAYLOAD_BYTES_MAX, Seq, checksum, put_frame,
};
use lamparina_protocol::lamport::PREV_BYTES;
use lamparina_protocol::link::Terms;
use lamparina_protocol::message::{SetNick, ToClient};

use super::submit::{self, Numbers};
use super::{Fault, MarkCheck, SAMPLE_EVERY, Tally, To, Wire};
use crate::mark::Mark;

/// Bytes of a Submit beside its text, at most: six numbers, an audience of one nick, a length.
const SUBMIT_EXTRA_BYTES_MAX: usize = 1 + 5 * 9 + 1 + 9 + 64 + 9;

const DATA: u8 = FrameType::Data as u8;
const ACK: u8 = FrameType::Ack as u8;
const PING: u8 = FrameType::Ping as u8;
const PONG: u8 = FrameType::Pong as u8;

/// One entered connection to a Lamparina server.
#[derive(Debug)]
pub(crate) struct Ours {
    /// Messages in flight, at most: what the terms allow in frames and in bytes.
    window: u64,
    /// The place of the next sequenced frame to come.
    expected: Seq,
    owes_ack: bool,
    next: Seq,
    /// The first place that the server has not acknowledged.
    unacknowledged: Seq,
    /// PONGs to be sent.
    answers: BytesMut,
    /// A message being written.
    message: BytesMut,
    epoch: u64,
    entered: bool,
    last_stamp: u64,
    clock: u64,
    sent: u64,
    settled: u64,
    received: u64,
    duplicates: u64,
    skip: u64,
    marks: MarkCheck,
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
            owes_ack: false,
            next: Seq::FIRST,
            unacknowledged: Seq::FIRST,
            answers: BytesMut::new(),
            message: BytesMut::new(),
            epoch,
            entered: false,
            last_stamp: 0,
            clock: 0,
            sent: 0,
            settled: 0,
            received: 0,
            duplicates: 0,
            skip: index as u64 % SAMPLE_EVERY,
            marks: MarkCheck::default(),
        }
    }

    /// Whether the nick asked for is held.
    pub(crate) fn entered(&self) -> bool {
        self.entered
    }

    /// Appends the claim of `nick`.
    pub(crate) fn put_nick(&mut self, out: &mut BytesMut, nick: Nick) -> Result<(), Fault> {
        let body =
            codec::encode(&SetNick { nick }).map_err(|error| Fault::Broken(error.to_string()))?;
        put_frame(out, FrameType::SetNick, self.next, true, &body);
        self.next = self.next.plus(1);
        Ok(())
    }

    fn frame(&mut self, frame: &[u8], tally: &mut Tally) -> Result<(), Fault> {
        let Some((header, payload)) = frame.split_first_chunk::<HEADER_BYTES>() else {
            return Ok(());
        };
        let header = Header::from_bytes(header);
        match header.kind {
            DATA => self.data(header, payload, tally),
            ACK => self.acknowledged(payload),
            PING => {
                put_frame(
                    &mut self.answers,
                    FrameType::Pong,
                    Seq::FIRST,
                    true,
                    payload,
                );
                Ok(())
            }
            PONG => Ok(()),
            kind => match FrameType::from_number(kind) {
                Some(kind) if kind.is_sequenced() => self.place(header).map(|_| ()),
                Some(FrameType::Disconnect) => Err(disconnected(payload)),
                _ => broken(format!("a frame of type {kind} came; nothing calls for it")),
            },
        }
    }

    /// Whether a sequenced frame is the one expected; `false` for one that comes again.
    fn place(&mut self, header: Header) -> Result<bool, Fault> {
        self.owes_ack = true;
        match header.seq.distance_from(self.expected) {
            0 => {
                self.expected = self.expected.plus(1);
                Ok(true)
            }
            ahead @ 1..0x8000 => broken(format!("{ahead} frames are missing")),
            _ => {
                self.duplicates += 1;
                Ok(false)
            }
        }
    }

    fn data(&mut self, header: Header, payload: &[u8], tally: &mut Tally) -> Result<(), Fault> {
        if !self.place(header)? {
            return Ok(());
        }
        match payload.first() {
            Some(&submit::MESSAGE) => self.delivery(header, payload, tally),
            Some(&submit::COMMITTED) => self.committed(&payload[1..]),
            Some(&(submit::REFUSED | submit::ENTERED)) => self.answered(payload),
            // Presence, renames and rooms: sequenced, and nothing to a load.
            Some(_) => Ok(()),
            None => broken("an empty message came".to_owned()),
        }
    }

    fn delivery(&mut self, header: Header, payload: &[u8], tally: &mut Tally) -> Result<(), Fault> {
        let numbers = submit::number(&payload[1..]).zip(payload.split_last_chunk::<PREV_BYTES>());
        let Some(((stamp, _), (body, prev))) = numbers else {
            return broken("a delivery ends early".to_owned());
        };
        let prev = u64::from_be_bytes(*prev);
        if prev != self.last_stamp || stamp <= prev {
            let last = self.last_stamp;
            return broken(format!(
                "stamp {stamp} with prev {prev} came after stamp {last}"
            ));
        }
        self.last_stamp = stamp;
        self.received += 1;
        if self.skip == 0 {
            self.skip = SAMPLE_EVERY;
            self.sampled(header, payload, body, tally)?;
        }
        self.skip -= 1;
        Ok(())
    }

    #[inline(never)]
    fn sampled(
        &mut self,
        header: Header,
        payload: &[u8],
        body: &[u8],
        tally: &mut Tally,
    ) -> Result<(), Fault> {
        if header.checksum_after(checksum::of(payload)) != header.checksum {
            return broken("a frame came damaged".to_owned());
        }
        if header.last != 1 {
            return broken("a message came in fragments; choose a smaller --size".to_owned());
        }
        let text = body.len().saturating_sub(tally.text_bytes);
        self.marks.check(&body[text..], tally).map(|_| ())
    }

    fn committed(&mut self, rest: &[u8]) -> Result<(), Fault> {
        let numbers = submit::number(rest)
            .and_then(|(_, rest)| submit::number(rest))
            .and_then(|(pseq, rest)| Some((pseq, submit::number(rest)?.0)));
        let Some((pseq, stamp)) = numbers else {
            return broken("a commit ends early".to_owned());
        };
        if pseq != self.settled + 1 {
            let before = self.settled;
            return broken(format!("commit {pseq} came after commit {before}"));
        }
        self.settled = pseq;
        self.clock = self.clock.max(stamp);
        Ok(())
    }

    fn answered(&mut self, payload: &[u8]) -> Result<(), Fault> {
        match codec::decode(payload) {
            Ok(ToClient::Entered {
                clock,
                settled,
                resumed,
                ..
            }) => {
                self.entered = true;
                self.clock = self.clock.max(clock.get());
                self.last_stamp = resumed.get();
                self.settled = settled.0;
                self.sent = settled.0;
                Ok(())
            }
            other => broken(format!("the server answered {other:?}")),
        }
    }

    fn acknowledged(&mut self, payload: &[u8]) -> Result<(), Fault> {
        let Some(next) = payload.first_chunk::<2>() else {
            return broken("an ACK ends early".to_owned());
        };
        let next = Seq::new(u16::from_be_bytes(*next));
        // An older ACK may not come over TCP; one for what was never sent may never come.
        if next.distance_from(self.unacknowledged) > self.next.distance_from(self.unacknowledged) {
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

    fn answer(&mut self, out: &mut BytesMut) {
        if std::mem::take(&mut self.owes_ack) {
            let next = self.expected.get().to_be_bytes();
            put_frame(out, FrameType::Ack, Seq::FIRST, true, &next);
        }
        if !self.answers.is_empty() {
            out.put_slice(&self.answers);
            self.answers = BytesMut::new();
        }
    }

    fn room(&self) -> u64 {
        let in_flight = u64::from(self.next.distance_from(self.unacknowledged));
        self.window.saturating_sub(in_flight)
    }

    fn put(&mut self, out: &mut BytesMut, to: &To, mark: Mark, size: usize) {
        self.sent += 1;
        // Lamport's rule: the maximum of all seen, one tick for each message.
        self.clock = self.clock.max(self.last_stamp) + 1;
        let numbers = Numbers {
            epoch: self.epoch,
            pseq: self.sent,
            clock: self.clock,
            seen: self.last_stamp,
        };
        self.message.clear();
        submit::put_submit(&mut self.message, numbers, to, mark, size);
        put_frame(out, FrameType::Data, self.next, true, &self.message);
        self.next = self.next.plus(1);
    }

    fn received(&self) -> u64 {
        self.received
    }

    fn unsettled(&self) -> u64 {
        self.sent - self.settled
    }

    fn duplicates(&self) -> u64 {
        self.duplicates
    }
}

fn broken<T>(text: String) -> Result<T, Fault> {
    Err(Fault::Broken(text))
}

/// DISCONNECT's words stand last: code, flags, next, text.
fn disconnected(payload: &[u8]) -> Fault {
    let code = payload
        .first_chunk::<2>()
        .map(|code| u16::from_be_bytes(*code));
    let words = Bytes::copy_from_slice(payload.get(5..).unwrap_or_default());
    Fault::Broken(format!(
        "the server ended a connection: code {code:?}, {:?}",
        String::from_utf8_lossy(&words)
    ))
}
