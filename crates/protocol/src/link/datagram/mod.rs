//! A link over datagrams: the handshake's frames in datagrams outside the seal, and then packets with
//! numbers, each with whole frames. What is damaged, unknown or repeated is dropped without a word.
//!
//! | file | part |
//! |---|---|
//! | `flow` | messages both ways: `lane`, `sent`, `received`, `delivery`, `congestion`, `pacer`, `copies` |
//! | `packets` | what leaves in the next datagram |
//! | `repair` | acknowledgements, loss and probes |
//! | here | datagrams into frames and back |

mod congestion;
mod copies;
mod delivery;
mod flow;
mod lane;
#[cfg(test)]
mod model;
mod pacer;
mod packets;
mod received;
mod repair;
mod sent;

pub(super) use flow::DatagramFlow;

use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};

use super::carrier::Carrier;
use super::fault::LinkFault;
use super::handshake;
use super::state::State;
use super::{Link, Output};
use crate::datagram::{
    DATAGRAM_HEADER_BYTES, DatagramConfig, OUTSIDE, Profile, SYN_DATAGRAM_BYTES_MIN, peek,
    put_header,
};
use crate::frame::{
    Decoded, FrameDecoder, FrameType, HEADER_BYTES, Seq, checksum, next_vouched, put_frame,
};
use crate::seal::TAG_BYTES;
use crate::time::Instant;
use flow::Leaving;

/// A datagram in clear ends with the CRC-32 of all that stands before.
const TRAILER_BYTES: usize = 4;
/// A goodbye at once is not repeated later; so it leaves so often now.
const GOODBYE_TIMES: usize = 2;
/// Bytes of a cookie, at least: a server does not know a shorter one for one.
const COOKIE_BYTES_MIN: usize = 16;
/// Bytes of a cookie, at most.
const COOKIE_BYTES_MAX: usize = 64;
/// HANDSHAKE_ACK is said again with what follows it, not more often than this.
const THIRD_AGAIN: Duration = Duration::from_millis(50);
/// A handshake on a slow line takes its time.
const HANDSHAKE_WITHIN_SLOW: Duration = Duration::from_secs(90);

/// What the last datagram was.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct DatagramOutcome {
    /// It is the peer's, and had not come before.
    pub authentic: bool,
    /// No later one had come before it.
    pub newest: bool,
    /// It answers the challenge of [`Link::challenge`].
    pub answered: Option<[u8; 8]>,
}

/// What a link over datagrams has beside one over a stream.
#[derive(Debug)]
pub(super) struct Datagrams {
    config: DatagramConfig,
    outcome: DatagramOutcome,
    challenge: Option<[u8; 8]>,
    /// Goes with SYN, once a server has asked for it.
    cookie: Bytes,
    /// When HANDSHAKE_ACK left last.
    third_at: Instant,
    /// The number of the next packet, once the link is closed.
    next_number: Option<u64>,
}

impl Link {
    /// Carries the link by datagrams instead of a stream, before its first input: each piece of
    /// [`Output::wire`] is then one whole datagram, and what comes is
    /// [`Input::Datagram`](super::Input::Datagram).
    #[must_use]
    pub fn over_datagrams(mut self, config: DatagramConfig) -> Self {
        let config = config.in_bounds();
        let frame = usize::from(config.datagram_bytes) - DATAGRAM_HEADER_BYTES - TAG_BYTES;
        let fragment = (frame - HEADER_BYTES) as u16;
        self.config.fragment_bytes = self.config.fragment_bytes.min(fragment);
        if config.profile == Profile::Slow {
            let within = self.config.handshake_within.max(HANDSHAKE_WITHIN_SLOW);
            self.config.handshake_within = within;
            self.state.allow_handshake(self.heard_at, within);
        }
        self.datagrams = Some(Box::new(Datagrams {
            config,
            outcome: DatagramOutcome::default(),
            challenge: None,
            cookie: Bytes::new(),
            third_at: Instant::ZERO,
            next_number: None,
        }));
        self
    }

    /// Whether datagrams carry the link.
    pub fn is_over_datagrams(&self) -> bool {
        self.datagrams.is_some()
    }

    /// Whether the peer owes an answer to what left: silence then says something, and nothing
    /// otherwise. Of a link over datagrams only.
    pub fn awaits_answer(&self) -> bool {
        match self.state.datagrams() {
            Some(flow) => flow.awaits_answer(),
            None => !matches!(self.state, State::Closed | State::Listening(_)),
        }
    }

    /// What the last [`Input::Datagram`](super::Input::Datagram) was.
    pub fn datagram_outcome(&self) -> DatagramOutcome {
        self.datagrams
            .as_ref()
            .map_or_else(DatagramOutcome::default, |datagrams| datagrams.outcome)
    }

    /// A closed link judges no datagram: what it said of the last one holds for no other.
    pub(super) fn forget_outcome(&mut self) {
        if let Some(datagrams) = &mut self.datagrams {
            datagrams.outcome = DatagramOutcome::default();
        }
    }

    /// Appends one datagram with a PING of these bytes, which must be random: who answers it can read
    /// what is sent to the address that the datagram is sent to. Of an open link over datagrams only.
    pub fn challenge(&mut self, now: Instant, bytes: [u8; 8], out: &mut Output) {
        let Some(State::Open(_) | State::Closing(_)) = Some(&self.state) else {
            return;
        };
        if let Some(datagrams) = &mut self.datagrams {
            datagrams.challenge = Some(bytes);
            let mut control = BytesMut::new();
            put_frame(&mut control, FrameType::Ping, Seq::FIRST, true, &bytes);
            self.put_packets(now, control, out);
        }
    }

    /// The link goes another way from now on: what was measured of the one before says nothing of it
    /// (RFC 9000, 9.4). Of an open link over datagrams only.
    pub fn begin_path(&mut self, now: Instant) {
        if let Some(flow) = self.state.datagrams_mut() {
            flow.begin_path(now);
        }
    }

    /// A datagram came; of no concern to a link over a stream.
    pub(super) fn on_datagram(
        &mut self,
        now: Instant,
        datagram: Bytes,
        out: &mut Output,
    ) -> Result<(), LinkFault> {
        let Some(datagrams) = &mut self.datagrams else {
            return Ok(());
        };
        datagrams.outcome = DatagramOutcome::default();
        self.outbox.stats.bytes_received += datagram.len() as u64;
        match peek(&datagram) {
            Some((connection, _)) if connection != datagrams.config.connection => Ok(()),
            Some((_, OUTSIDE)) => {
                self.on_outside(now, datagram.slice(DATAGRAM_HEADER_BYTES..), out)
            }
            Some((_, number)) => self.on_packet(now, number, datagram, out),
            None => Ok(()),
        }
    }

    /// A datagram of the handshake.
    fn on_outside(
        &mut self,
        now: Instant,
        frames: Bytes,
        out: &mut Output,
    ) -> Result<(), LinkFault> {
        let length = framed(&frames);
        let mut decoder = FrameDecoder::default();
        decoder.push(frames.slice(..length));
        while let Ok(Some(decoded)) = decoder.next() {
            // What stands behind a frame whose bytes are not to be believed is nobody's.
            let Decoded::Frame(frame) = &decoded else {
                return Ok(());
            };
            match frame.kind {
                FrameType::Retry => self.on_retry(now, &frame.payload),
                kind if self.has_keys() && handshake::is_of_handshake(kind) => self.repeat_third(),
                _ if self.has_keys() => {}
                FrameType::Syn
                | FrameType::SynAck
                | FrameType::HandshakeAck
                | FrameType::Disconnect => self.on_decoded(now, decoded, out)?,
                _ if self.is_listening() => self.on_decoded(now, decoded, out)?,
                _ => {}
            }
        }
        Ok(())
    }

    fn is_listening(&self) -> bool {
        matches!(self.state, State::Listening(_))
    }

    /// A server wants to see that we read what is sent to our address.
    fn on_retry(&mut self, now: Instant, cookie: &Bytes) {
        let (State::Calling(calling), Some(datagrams)) = (&mut self.state, &mut self.datagrams)
        else {
            return;
        };
        if (COOKIE_BYTES_MIN..=COOKIE_BYTES_MAX).contains(&cookie.len())
            && datagrams.cookie != *cookie
        {
            datagrams.cookie = Bytes::copy_from_slice(cookie);
            calling.repeat.at = now;
        }
    }

    /// A packet with a number.
    fn on_packet(
        &mut self,
        now: Instant,
        number: u64,
        datagram: Bytes,
        out: &mut Output,
    ) -> Result<(), LinkFault> {
        let Some(flow) = self.state.datagrams() else {
            self.on_packet_early(now);
            return Ok(());
        };
        if flow.is_repeated(number) {
            self.outbox.stats.duplicates += 1;
            return Ok(());
        }
        let newest = flow.is_newest(number);
        let Some(frames) = self.unwrap(number, datagram) else {
            self.outbox.stats.damaged += 1;
            return Ok(());
        };
        self.heard_at = now;
        if let Some(datagrams) = &mut self.datagrams {
            datagrams.outcome = DatagramOutcome {
                authentic: true,
                newest,
                answered: None,
            };
        }
        if let Some(flow) = self.state.datagrams_mut() {
            flow.begin_packet();
        }
        let mut frames = frames;
        while !matches!(self.state, State::Closed) {
            match next_vouched(&mut frames) {
                None => break,
                Some(Decoded::Damaged(_)) => return Err(LinkFault::CutRecord),
                Some(decoded) => self.on_decoded(now, decoded, out)?,
            }
        }
        if let Some(flow) = self.state.datagrams_mut() {
            flow.end_packet(now, number);
            let ponged = flow.take_ponged();
            if let Some(datagrams) = &mut self.datagrams
                && ponged.is_some()
                && ponged == datagrams.challenge
            {
                datagrams.outcome.answered = ponged;
            }
        }
        Ok(())
    }

    /// A packet before the link is open. To a responder it says that HANDSHAKE_ACK was lost.
    fn on_packet_early(&mut self, now: Instant) {
        if let State::Answered(answered) = &mut self.state {
            handshake::hurry_syn_ack(answered, now);
        }
    }

    /// The frames of a packet, where nobody has changed it.
    fn unwrap(&mut self, number: u64, datagram: Bytes) -> Option<Bytes> {
        let Some(seal) = &mut self.seal else {
            let body = datagram.len().checked_sub(TRAILER_BYTES)?;
            let (body, trailer) = datagram.split_at(body);
            let good = checksum::of(body).to_be_bytes() == trailer;
            let frames = DATAGRAM_HEADER_BYTES..body.len();
            return (good && frames.start <= frames.end).then(|| datagram.slice(frames));
        };
        // In place where nothing else holds the bytes.
        let mut datagram = datagram
            .try_into_mut()
            .unwrap_or_else(|shared| BytesMut::from(&shared[..]));
        let inner = seal.open_datagram(number, &mut datagram)?;
        let end = DATAGRAM_HEADER_BYTES + inner;
        Some(datagram.freeze().slice(DATAGRAM_HEADER_BYTES..end))
    }

    /// Everything that is to leave, as datagrams.
    pub(super) fn put_datagrams(&mut self, now: Instant, out: &mut Output) {
        let control = self.outbox.take_control();
        let open = self.state.datagrams().is_some();
        let numbered = open
            || self
                .datagrams
                .as_ref()
                .is_some_and(|d| d.next_number.is_some());
        let (outside, inside) = match numbered {
            true => parted(control),
            false => (control, BytesMut::new()),
        };
        let third = self.seal.as_mut().and_then(|seal| seal.take_clear());
        if let (Some(_), Some(datagrams)) = (&third, &mut self.datagrams) {
            datagrams.third_at = now;
        }
        for frames in [Some(outside.freeze()), third].into_iter().flatten() {
            self.put_outside(&frames, out);
        }
        if open {
            self.put_packets(now, inside, out);
        } else if !inside.is_empty() {
            self.put_goodbye(&inside, out);
        }
    }

    /// Frames of the handshake in one datagram.
    fn put_outside(&mut self, frames: &[u8], out: &mut Output) {
        let Some(datagrams) = self.datagrams.as_ref().filter(|_| !frames.is_empty()) else {
            return;
        };
        let mut datagram = BytesMut::with_capacity(SYN_DATAGRAM_BYTES_MIN);
        put_header(&mut datagram, datagrams.config.connection, OUTSIDE);
        let is_syn = frames.get(4) == Some(&FrameType::Syn.number());
        if is_syn && !datagrams.cookie.is_empty() {
            let cookie = &datagrams.cookie;
            put_frame(&mut datagram, FrameType::Retry, Seq::FIRST, true, cookie);
        }
        datagram.put_slice(frames);
        // As long as what will follow: a path that does not take that shows it now.
        let long = usize::from(datagrams.config.datagram_bytes).max(SYN_DATAGRAM_BYTES_MIN);
        if is_syn && datagram.len() < long {
            datagram.resize(long, 0);
        }
        self.outbox.stats.bytes_sent += datagram.len() as u64;
        out.wire.push(datagram.freeze());
    }

    /// What the open link has to send, packed and sealed.
    fn put_packets(&mut self, now: Instant, control: BytesMut, out: &mut Output) {
        let mut leaving = Vec::new();
        if let Some(flow) = self.state.datagrams_mut() {
            flow.put_packets(now, control, &mut self.outbox, &mut leaving);
        }
        if !leaving.is_empty() {
            self.say_third_again(now, out);
        }
        for packet in leaving {
            self.wrap(packet, out);
        }
    }

    /// Until the responder is heard, HANDSHAKE_ACK may be what is missing.
    fn say_third_again(&mut self, now: Instant, out: &mut Output) {
        let (Some(datagrams), Some(seal)) = (&mut self.datagrams, &self.seal) else {
            return;
        };
        if datagrams.third_at + THIRD_AGAIN <= now
            && let Some(third) = seal.third()
        {
            datagrams.third_at = now;
            self.put_outside(&third, out);
        }
    }

    /// Header, and seal or trailer.
    fn wrap(&mut self, packet: Leaving, out: &mut Output) {
        let Some(datagrams) = &self.datagrams else {
            return;
        };
        let Leaving { number, mut bytes } = packet;
        let connection = datagrams.config.connection;
        bytes[..8].copy_from_slice(&connection.0.to_be_bytes());
        bytes[8..DATAGRAM_HEADER_BYTES].copy_from_slice(&number.to_be_bytes());
        match &mut self.seal {
            None => {
                let crc = checksum::of(&bytes);
                bytes.put_u32(crc);
            }
            Some(seal) => {
                if seal.seal_datagram(number, &mut bytes).is_none() {
                    return;
                }
            }
        }
        self.outbox.stats.bytes_sent += bytes.len() as u64;
        out.wire.push(bytes.freeze());
    }

    /// The last word of a link that has just closed.
    fn put_goodbye(&mut self, frames: &[u8], out: &mut Output) {
        for _ in 0..GOODBYE_TIMES {
            let Some(next) = self.datagrams.as_mut().and_then(|d| d.next_number.as_mut()) else {
                return;
            };
            let number = *next;
            *next += 1;
            let mut bytes = BytesMut::zeroed(DATAGRAM_HEADER_BYTES);
            bytes.put_slice(frames);
            self.wrap(Leaving { number, bytes }, out);
        }
    }

    /// The link closes: what it says last still needs a number.
    pub(super) fn keep_number(&mut self) {
        let next = self.state.datagrams().map(DatagramFlow::next_number);
        if let (Some(datagrams), Some(next)) = (&mut self.datagrams, next) {
            datagrams.next_number = Some(next);
        }
    }

    /// The flow of a link that opens.
    pub(super) fn carrier(
        &self,
        now: Instant,
        terms: crate::control::Terms,
        round_trip: Option<Duration>,
    ) -> Carrier {
        let Some(datagrams) = &self.datagrams else {
            return Carrier::Stream(super::flow::Flow::new(now, terms, round_trip));
        };
        let config = datagrams.config;
        let behind = if self.seal.is_some() {
            TAG_BYTES
        } else {
            TRAILER_BYTES
        };
        let room = usize::from(config.datagram_bytes) - DATAGRAM_HEADER_BYTES - behind;
        let flow = DatagramFlow::new(now, terms, config, room, round_trip);
        Carrier::Datagrams(Box::new(flow))
    }

    /// Time to the first repetition of SYN and SYN_ACK, and the longest.
    pub(super) fn repeat_within(&self) -> Option<(Duration, Duration)> {
        let datagrams = self.datagrams.as_ref()?;
        Some(match datagrams.config.profile {
            Profile::Usual => (Duration::from_millis(300), Duration::from_secs(2)),
            Profile::Slow => (Duration::from_secs(6), Duration::from_secs(12)),
        })
    }
}

/// Bytes of the frames at the beginning of `bytes`: behind them nothing, or padding.
fn framed(bytes: &[u8]) -> usize {
    let mut at = 0;
    while let Some(header) = bytes.get(at..).and_then(|rest| rest.get(..HEADER_BYTES)) {
        if header[4] == 0 {
            return at;
        }
        let length = u32::from_be_bytes([header[0], header[1], header[2], header[3]]);
        at = at
            .saturating_add(HEADER_BYTES)
            .saturating_add(length as usize);
    }
    match bytes[at.min(bytes.len())..].iter().all(|&byte| byte == 0) {
        true => at.min(bytes.len()),
        false => bytes.len(),
    }
}

/// The handshake's frames of `control`, and the others.
fn parted(control: BytesMut) -> (BytesMut, BytesMut) {
    let (mut outside, mut inside) = (BytesMut::new(), BytesMut::new());
    let mut rest = &control[..];
    while let Some(header) = rest.first_chunk::<HEADER_BYTES>() {
        let length = u32::from_be_bytes([header[0], header[1], header[2], header[3]]);
        let (frame, after) = rest.split_at(rest.len().min(HEADER_BYTES + length as usize));
        let kind = FrameType::from_number(header[4]);
        match kind.is_some_and(handshake::is_of_handshake) {
            true => outside.put_slice(frame),
            false => inside.put_slice(frame),
        }
        rest = after;
    }
    (outside, inside)
}
