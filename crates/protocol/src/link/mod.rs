//! A link: bytes from below, messages above, each once and in order; bounded memory against any
//! peer, and no input that panics. Every decision is here; shells move bytes and time.
//!
//! # Shape
//!
//! A [`Link`] is one end, and a state machine: no socket, clock, thread or randomness. It has four doors.
//!
//! - [`Link::handle`] takes one [`Input`] (bytes or a datagram that came, an answer to an event, time) and
//!   appends to an [`Output`] of the caller's: `wire`, what is to be sent, and `events`, what happened.
//! - [`Link::send`] takes a message; it leaves with the next `handle` or [`Link::flush`].
//! - [`Link::deadline`] says when to call `handle` with [`Input::Tick`] if nothing comes before.
//! - [`Link::stats`] measures.
//!
//! Time is [`Instant`], microseconds since any beginning, and must not go back. Seeds and connection ids
//! are arguments; they must be random where that is said. The same calls give the same bytes.
//!
//! # The loop of a shell
//!
//! Over a stream: write what `wire` holds, in order; give what was read as [`Input::Bytes`], split anyhow;
//! at the deadline give `Tick`; when the stream ends, [`Input::Eof`]. While the socket takes no more,
//! [`Link::set_blocked`]. Three events want an answer: [`Event::Asked`] (by [`Input::Accept`] or
//! [`Input::Abort`]), [`Event::Proven`] (by [`Input::Trust`] or `Abort`), [`Event::Closed`] (by closing what
//! is below, once `wire` has left).
//!
//! ```
//! use bytes::Bytes;
//! use lamparina_protocol::Instant;
//! use lamparina_protocol::frame::FrameType;
//! use lamparina_protocol::link::{Event, Input, Link, LinkConfig, Outgoing, Output};
//!
//! let now = Instant::ZERO;
//! let mut ana = Link::initiate(LinkConfig::new(1), Bytes::from_static(b"hello"), now);
//! let mut bob = Link::respond(LinkConfig::new(2), now);
//! let (mut there, mut back) = (Output::default(), Output::default());
//!
//! ana.handle(now, Input::Tick, &mut there)?; // SYN
//! let mut heard = Vec::new();
//! for _ in 0..3 {
//!     for bytes in there.wire.drain(..) {
//!         bob.handle(now, Input::Bytes(bytes), &mut back)?;
//!     }
//!     for event in std::mem::take(&mut back.events) {
//!         match event {
//!             Event::Asked { .. } => {
//!                 let welcome = Bytes::from_static(b"welcome");
//!                 bob.handle(now, Input::Accept { welcome }, &mut back)?;
//!             }
//!             Event::Received { body, .. } => heard.push(body),
//!             _ => {}
//!         }
//!     }
//!     for bytes in back.wire.drain(..) {
//!         ana.handle(now, Input::Bytes(bytes), &mut there)?;
//!     }
//!     for event in std::mem::take(&mut there.events) {
//!         if let Event::Opened { words, .. } = event {
//!             assert_eq!(&words[..], b"welcome");
//!             ana.send(now, &Outgoing::own(FrameType::Data, Bytes::from_static(b"hi")))?;
//!             ana.flush(now, &mut there);
//!         }
//!     }
//! }
//! assert_eq!(heard, [&b"hi"[..]]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Whole programs are in `examples`: `memory`, `udp` (over `std::net::UdpSocket`, two threads), `impaired`.
//!
//! # What is guaranteed
//!
//! - A message that [`Event::Received`] gives was said by the peer, is whole, and comes once, behind all
//!   that the peer had said before it in the same lane. There are two lanes: BULK, for large bodies, and DATA
//!   for everything else; between them there is no order.
//! - An end by [`CloseReason::Orderly`] means that everything that *this* side sent was acknowledged, and all
//!   that the peer is known to have sent has come. After any other end nobody knows what of the last
//!   messages came: whoever needs that says them again on another link, by a name of his own.
//! - Nothing follows [`Event::Closed`]; a closed link ignores what it is given.
//! - A peer's mistakes, and what a bad line does, are no errors of the caller's: they end the link with a
//!   [`CloseReason`], or are repaired. [`UseError`] and [`SendError`] are the caller's, and change nothing.
//! - No input panics, and none makes the link hold more than its limits.
//!
//! # Limits
//!
//! [`LinkConfig`] has them; the lower of both sides holds. A message has at most 1 MiB, a window 16,384 frames
//! and 8 MiB. A sender keeps at most three windows of bytes for each lane (what is in flight, what waits, and
//! buffers shared with others), a receiver one, and one message that is being joined. [`SendError::Full`] asks
//! to wait for [`Link::has_room`]. Silence ends a link after 60 s, a handshake that takes longer after 10 s.
//! What a link does not do: choose addresses ([`Paths`](crate::datagram::Paths) does), open it anew, or keep
//! anything beyond its end.
//!
//! # Streams and datagrams
//!
//! The same frames travel over a stream, or, with [`Link::over_datagrams`] before the first input, by datagrams:
//! then each piece of `wire` is one datagram, and each that comes is an [`Input::Datagram`]. Loss, doubling,
//! disorder, damage and repetition are then the usual case. [`Link::datagram_outcome`] says whether the last
//! one was the peer's own and the newest, which is what a shell needs to follow a peer to another address; links
//! are found by their [`ConnectionId`](crate::datagram::ConnectionId), in each datagram, which
//! [`peek`](crate::datagram::peek) reads. Over datagrams a link paces itself, measures loss and round trips,
//! repeats by time, and sends copies of small messages where loss makes that worth it, within
//! [`Copies`](crate::datagram::Copies).
//!
//! # Sealing
//!
//! [`Link::sealed`] makes a link on which nobody on the way reads, changes or repeats anything, and each side
//! proves an Ed25519 identity. The initiator is told whom it has reached before it says who calls. In clear
//! there are only checksums: whoever can write to the wire can say anything. Keys and tokens must come from the
//! system's randomness, new for each link.
//!
//! # Parts
//!
//! | module | part |
//! |---|---|
//! | `state` | the states, each with what it may use |
//! | `handshake` | until a link is open |
//! | `sealing` | records around everything, on a sealed link |
//! | `flow` | messages both ways over a stream: a `lane`, and where it is used the `bulk` one |
//! | `lane` | one lane: `backlog`, `acks`, and the windows; it writes into the `outbox` |
//! | `datagram` | messages both ways over datagrams |
//! | `carrier` | which of the two it is |
//! | `closing` | how a link ends |

mod acks;
mod backlog;
mod bulk;
mod carrier;
mod closing;
mod config;
mod datagram;
mod fault;
mod flow;
mod handshake;
mod lane;
mod outbox;
mod sealing;
mod state;
mod types;

pub use crate::control::{Repair, Terms};
pub use config::{
    DEAD_AFTER, HANDSHAKE_WITHIN, LinkConfig, PING_AFTER, REASSEMBLY_BYTES_MAX, WINDOW_BYTES,
    WINDOW_BYTES_MAX,
};
pub use datagram::DatagramOutcome;
pub use types::{
    CloseReason, Event, Input, LinkStats, Outgoing, Output, Role, SendError, UseError,
};

use std::time::Duration;

use bytes::Bytes;

use crate::control::Disconnect;
use crate::frame::{Decoded, Frame, FrameDecoder, FrameType, SharedBody};
use crate::time::Instant;
use carrier::Carrier;
use datagram::Datagrams;
use fault::LinkFault;
use outbox::Outbox;
use sealing::Seal;
use state::{Calling, Listening, Repeat, State};

/// A frame must be complete this long after its first byte.
pub const FRAME_WITHIN: Duration = Duration::from_secs(5);

/// One end of a link.
#[derive(Debug)]
pub struct Link {
    config: LinkConfig,
    state: State,
    decoder: FrameDecoder,
    outbox: Outbox,
    /// When a good frame came last.
    heard_at: Instant,
    /// When the frame began that has not ended.
    frame_began: Option<Instant>,
    /// Once closed: whether everything sent had been acknowledged.
    ended_drained: bool,
    /// What makes the link a sealed one.
    seal: Option<Box<Seal>>,
    /// Frames pass through a channel of the caller's, both ways.
    channel: bool,
    /// What makes it a link over datagrams.
    datagrams: Option<Box<Datagrams>>,
}

impl Link {
    /// An initiator, in clear unless [`Link::sealed`]: the first `Tick` sends SYN, with `hello` (at
    /// most 1,024 bytes) where the link is in clear.
    pub fn initiate(config: LinkConfig, hello: Bytes, now: Instant) -> Self {
        let calling = Calling {
            hello,
            syn: Bytes::new(),
            until: now + config.handshake_within,
            repeat: Repeat::at(now),
        };
        Self::new(config, State::Calling(Box::new(calling)), now)
    }

    /// A responder, waiting for SYN.
    pub fn respond(config: LinkConfig, now: Instant) -> Self {
        let until = now + config.handshake_within;
        Self::new(config, State::Listening(Listening { until }), now)
    }

    fn new(config: LinkConfig, state: State, now: Instant) -> Self {
        Self {
            config: config.in_bounds(),
            state,
            decoder: FrameDecoder::default(),
            outbox: Outbox::default(),
            heard_at: now,
            frame_began: None,
            ended_drained: true,
            seal: None,
            channel: false,
            datagrams: None,
        }
    }

    /// Applies one input. What follows is appended to `out`, in order. Once closed, everything is
    /// ignored.
    ///
    /// # Errors
    ///
    /// [`UseError`] where the input has no place now. What the peer does wrong is no error here: it
    /// ends the link with a DISCONNECT in `wire` and `Closed(ByUs)` in `events`.
    pub fn handle(&mut self, now: Instant, input: Input, out: &mut Output) -> Result<(), UseError> {
        if matches!(self.state, State::Closed) {
            self.forget_outcome();
            return Ok(());
        }
        let from = out.wire.len();
        let done = match input {
            Input::Bytes(bytes) => self.on_bytes(now, bytes, out),
            Input::Datagram(bytes) => self.on_datagram(now, bytes, out),
            Input::Frames(bytes) => self.on_frames(now, bytes, out).map(drop),
            Input::Trust => self.on_trust(now, out)?,
            Input::Eof => {
                self.on_eof(out);
                Ok(())
            }
            Input::Accept { welcome } => self.on_accept(now, welcome)?,
            Input::Close { code, text } => {
                self.on_close(now, code, &text, out);
                Ok(())
            }
            Input::Abort { code, text } => {
                self.end(code, &text, out);
                Ok(())
            }
            Input::Tick => Ok(()),
        };
        if let Err(fault) = done.and_then(|()| self.on_time(now, out)) {
            self.fail(fault, out);
        }
        self.settle(now, out);
        self.put_burst(now, out);
        if self.passes_down() {
            self.pass_down(from, out);
        }
        Ok(())
    }

    /// What leaves goes through a seal or a channel; datagrams are sealed as they are made.
    fn passes_down(&self) -> bool {
        (self.seal.is_some() || self.channel) && self.datagrams.is_none()
    }

    /// Takes a message. It leaves with the next [`Link::flush`] or `handle`, as far as the window allows;
    /// of kind BULK, in its own lane: behind everything else, over a stream at most 16 KiB in each call.
    ///
    /// # Errors
    ///
    /// [`SendError`]; the message is not taken then.
    #[inline]
    pub fn send(&mut self, now: Instant, message: &Outgoing) -> Result<(), SendError> {
        self.send_shared(now, message.kind, &message.body, message.tail)
    }

    /// As [`Link::send`], for a message whose body others share: in the common case it is copied
    /// out and not counted, which would cost more than the copy.
    ///
    /// # Errors
    ///
    /// [`SendError`]; the message is not taken then.
    #[inline]
    pub fn send_shared(
        &mut self,
        now: Instant,
        kind: FrameType,
        body: &SharedBody,
        tail: Option<[u8; 8]>,
    ) -> Result<(), SendError> {
        match &mut self.state {
            State::Open(open) => open.flow.take(now, kind, body, tail, &mut self.outbox),
            _ => Err(SendError::NotOpen),
        }
    }

    /// Appends the frames of messages taken since to `out`, as one piece where possible.
    pub fn flush(&mut self, now: Instant, out: &mut Output) {
        let from = out.wire.len();
        self.put_burst(now, out);
        if self.passes_down() {
            self.pass_down(from, out);
        }
    }

    /// Lets frames pass through a channel of the caller's, between the link's repair and its seal:
    /// they come in [`Output::frames`] and leave by [`Link::seal_frames`], and those that came are in
    /// [`Output::opened`] and go on by [`Input::Frames`]. The handshake of a sealed link passes beside
    /// the channel. A channel must leave the boundaries between frames intact.
    pub fn set_channel(&mut self, channel: bool) {
        self.channel = channel;
    }

    fn put_burst(&mut self, now: Instant, out: &mut Output) {
        if self.datagrams.is_some() {
            return self.put_datagrams(now, out);
        }
        match self.state.open_mut() {
            Some(open) => open.flow.put_burst(now, &mut self.outbox, &mut out.wire),
            None if self.outbox.is_empty() => {}
            None => out.wire.push(self.outbox.take()),
        }
    }

    /// Whether `send` would take a message of a window's size now.
    pub fn has_room(&self) -> bool {
        match &self.state {
            State::Open(open) => open.flow.has_room(&self.outbox),
            _ => false,
        }
    }

    /// Whether `send` would take a message of kind BULK now: what was taken before has left.
    pub fn has_room_bulk(&self) -> bool {
        match &self.state {
            State::Open(open) => open.flow.has_room_bulk(),
            _ => false,
        }
    }

    /// Whether another [`Link::flush`] would give more of the BULK lane. A shell asks once the socket
    /// has taken what it had, so that no more than a turn of it lies between link and socket;
    /// one that does not ask gets it at the link's deadlines.
    pub fn has_bulk_to_leave(&self) -> bool {
        let open = self.state.open();
        open.is_some_and(|open| open.flow.has_bulk_to_leave())
    }

    /// Whether everything sent has been acknowledged; once closed, whether it had been.
    pub fn is_drained(&self) -> bool {
        match self.state.open() {
            Some(open) => open.flow.is_drained(),
            None => self.ended_drained,
        }
    }

    /// When to call again with `Input::Tick`; `None` while nothing is pending.
    pub fn deadline(&self) -> Option<Instant> {
        if matches!(self.state, State::Closed) {
            return None;
        }
        let (dead_at, flow_at) = match self.state.open() {
            Some(open) => {
                let dead_at = self.heard_at + self.config.dead_after;
                let flow_at = open.flow.deadline();
                let ping_at = self.ping_at(&open.flow);
                (Some(dead_at.min(ping_at)), flow_at)
            }
            None => (self.state.handshake_until(), None),
        };
        let half_frame_at = self.frame_began.map(|at| at + FRAME_WITHIN);
        [dead_at, flow_at, half_frame_at, self.state.repeat_at()]
            .into_iter()
            .flatten()
            .min()
    }

    /// Tells the link that what it gave to send waits below (`true`), or has left again. While it
    /// waits nothing is sent again, acknowledged or answered: on a stream it would only wait too, and
    /// a peer that does not read could make this side queue without end. After `false`, call
    /// [`Link::handle`] with a `Tick`.
    pub fn set_blocked(&mut self, blocked: bool) {
        if let Some(open) = self.state.open_mut() {
            open.flow.set_blocked(blocked);
        }
    }

    /// Silence after which the link is closed.
    pub fn dead_after(&self) -> Duration {
        self.config.dead_after
    }

    /// Bytes that came so far.
    pub fn received_bytes(&self) -> u64 {
        self.outbox.stats.bytes_received
    }

    /// Counters and measures.
    pub fn stats(&self) -> LinkStats {
        let mut stats = self.outbox.stats.to_stats();
        if let Some(open) = self.state.open() {
            open.flow.measure(&self.outbox, &mut stats);
        }
        stats
    }

    /// Where the link stands, in a word, for people.
    pub fn state(&self) -> &'static str {
        self.state.name()
    }

    /// What was agreed on, once open.
    pub fn terms(&self) -> Option<Terms> {
        self.state.open().map(|open| open.flow.terms())
    }

    fn on_bytes(&mut self, now: Instant, bytes: Bytes, out: &mut Output) -> Result<(), LinkFault> {
        self.outbox.stats.bytes_received += bytes.len() as u64;
        if self.seal.is_some() {
            return self.on_sealed_bytes(now, bytes, out);
        }
        if self.channel {
            out.opened.push(bytes);
            return Ok(());
        }
        let whole = self.on_frames(now, bytes, out)?;
        let is_mid_frame = self.decoder.is_mid_frame();
        self.note_frame_began(now, is_mid_frame, whole);
        Ok(())
    }

    /// Frames as the link judges them; gives whether one was complete.
    fn on_frames(
        &mut self,
        now: Instant,
        bytes: Bytes,
        out: &mut Output,
    ) -> Result<bool, LinkFault> {
        self.decoder.push(bytes);
        let mut whole = false;
        while !matches!(self.state, State::Closed) {
            let decoded = match self.decoder.next() {
                Ok(Some(decoded)) => decoded,
                Ok(None) => break,
                Err(lost) => return Err(self.lost_boundary(lost)),
            };
            whole = true;
            self.on_decoded(now, decoded, out)?;
        }
        Ok(whole)
    }

    /// A frame must be complete some time after its first byte.
    fn note_frame_began(&mut self, now: Instant, is_mid_frame: bool, whole: bool) {
        self.frame_began = match self.frame_began {
            _ if !is_mid_frame => None,
            Some(began) if !whole => Some(began),
            Some(_) | None => Some(now),
        };
    }

    #[inline]
    fn on_decoded(
        &mut self,
        now: Instant,
        decoded: Decoded,
        out: &mut Output,
    ) -> Result<(), LinkFault> {
        match decoded {
            Decoded::Frame(frame) => {
                self.heard_at = now;
                self.outbox.stats.frames_received += 1;
                self.on_frame(now, frame, out)
            }
            Decoded::Damaged(header) => {
                self.outbox.stats.damaged += 1;
                match &mut self.state {
                    State::Listening(_) => handshake::judge_first_bytes(&header),
                    state => {
                        if let Some(open) = state.open_mut() {
                            open.flow.on_damaged(&header);
                        }
                        Ok(())
                    }
                }
            }
            Decoded::Foreign(fault) => Err(LinkFault::Foreign(fault)),
        }
    }

    fn on_frame(&mut self, now: Instant, frame: Frame, out: &mut Output) -> Result<(), LinkFault> {
        if let (State::Open(open), true) = (&mut self.state, frame.kind.is_sequenced()) {
            return open.flow.on_sequenced(now, frame, &mut self.outbox, out);
        }
        self.on_other_frame(now, frame, out)
    }

    /// Everything but messages on an open link.
    fn on_other_frame(
        &mut self,
        now: Instant,
        frame: Frame,
        out: &mut Output,
    ) -> Result<(), LinkFault> {
        handshake::judge_form(&frame, self.seal.is_some())?;
        match &mut self.state {
            State::Calling(_) => self.on_frame_calling(now, &frame, out),
            State::Proving(_) => self.on_frame_proving(&frame, out),
            State::Listening(_) => self.on_frame_listening(frame, out),
            State::Asked(_) => self.on_frame_asked(&frame, out),
            State::Answered(_) => self.on_frame_answered(now, frame, out),
            State::Open(_) | State::Closing(_) => self.on_frame_open(now, frame, out),
            State::Closed => Ok(()),
        }
    }

    fn on_frame_open(
        &mut self,
        now: Instant,
        frame: Frame,
        out: &mut Output,
    ) -> Result<(), LinkFault> {
        let Some(open) = self.state.open_mut() else {
            return Ok(());
        };
        let (flow, outbox) = (&mut open.flow, &mut self.outbox);
        match frame.kind {
            kind if kind.is_sequenced() => flow.on_sequenced(now, frame, outbox, out),
            FrameType::Ack => flow.on_ack(now, &frame),
            FrameType::Nack => flow.on_nack(now, &frame, outbox, out),
            FrameType::Ping => flow.on_ping(&frame.payload),
            FrameType::Pong => flow.on_pong(now, &frame.payload),
            FrameType::Disconnect => {
                let bye = Disconnect::from_bytes(&frame.payload)
                    .map_err(|e| LinkFault::control(frame.kind, e))?;
                self.on_disconnect(now, bye, out);
                Ok(())
            }
            kind => handshake::repeated(open.answer, kind, outbox),
        }
    }

    /// Timers that have run out.
    fn on_time(&mut self, now: Instant, out: &mut Output) -> Result<(), LinkFault> {
        if matches!(self.state, State::Closed) {
            return Ok(());
        }
        if self.frame_began.is_some_and(|at| at + FRAME_WITHIN <= now) {
            return Err(LinkFault::HalfFrame);
        }
        if self.state.handshake_until().is_some_and(|at| at <= now) {
            return Err(LinkFault::SlowHandshake);
        }
        self.repeat_handshake(now)?;
        self.on_time_open(now, out)
    }

    fn on_time_open(&mut self, now: Instant, out: &mut Output) -> Result<(), LinkFault> {
        let Some(open) = self.state.open() else {
            return Ok(());
        };
        let ping_at = self.ping_at(&open.flow);
        if self.heard_at + self.config.dead_after <= now {
            return self.on_silence(out);
        }
        let dead_after = self.config.dead_after;
        if let Some(open) = self.state.open_mut() {
            open.flow.on_time(now, dead_after, &mut self.outbox, out)?;
            if ping_at <= now {
                open.flow.put_ping(now, &mut self.outbox);
            }
        }
        self.repeat_bye(now, out)
    }

    /// After silence, and then often enough that a few may be lost before the link is.
    fn ping_at(&self, flow: &Carrier) -> Instant {
        let silent_at = self.heard_at + self.config.ping_after;
        let again = flow.pinged_at().map(|at| at + self.config.ping_after / 10);
        again.map_or(silent_at, |again| again.max(silent_at))
    }

    /// What is due at the end of every call, once for all that came with it.
    fn settle(&mut self, now: Instant, out: &mut Output) {
        let Some(open) = self.state.open_mut() else {
            return;
        };
        open.flow.settle(now, &mut self.outbox);
        self.settle_closing(now, out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Beside this an open link that is idle owns nothing: its windows, queues and buffers are empty
    /// and without capacity.
    #[test]
    fn a_link_is_small() {
        assert!(size_of::<Link>() <= 768, "{} bytes", size_of::<Link>());
    }
}
