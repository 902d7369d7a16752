//! Drives one [`Link`] over TCP or UDP: moves bytes and time, decides nothing. Idle, it owns no buffer.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use lamparina_impair::{Impaired, Settings};
use lamparina_protocol::Instant;
use lamparina_protocol::datagram::{Lingering, Profile};
use lamparina_protocol::frame::{FrameType, SharedBody};
use lamparina_protocol::link::{Event, Input, Link, Outgoing, Output, SendError, UseError};
use tokio::net::TcpStream;
use tokio::time::Sleep;

use crate::channel::Channel;
use crate::clock::Clock;
use crate::datagrams::{Arrived, Datagrams, Due, FULL_FOR, Incoming};
use crate::socket::{self, SocketOptions};
use crate::stream::{Moved, Reading, Stream, moved};
use crate::write_queue::WriteQueue;

/// Bytes that may wait for the socket before [`Connection::has_room`] says no.
/// Enough for a socket that is slow for a moment; a peer that stalls holds on to no more.
pub const WAITING_BYTES_MAX: usize = 256 * 1024;
/// Turns of the BULK lane in one go, at most: then others on this thread come first.
const BULK_TURNS: usize = 4;
/// How long [`Connection::finish`] tries to hand over the last bytes.
const FINISH_WITHIN: Duration = Duration::from_secs(2);

/// What carries a link.
#[derive(Debug)]
enum Carrier {
    Stream(Stream),
    Datagrams(Box<Datagrams>),
}

/// A link and what carries it: a TCP stream, or datagrams.
#[derive(Debug)]
pub struct Connection {
    carrier: Carrier,
    link: Link,
    clock: Clock,
    out: Output,
    channel: Option<Box<Channel>>,
    timer: Option<Pin<Box<Sleep>>>,
    /// When `timer` fires; it is only moved to fire earlier, never later.
    armed: Option<Instant>,
    reading: bool,
    ended: bool,
    /// The link knows that bytes wait for the socket.
    blocked: bool,
    /// Little may lie unsent in the socket: the BULK lane is in use.
    sparing: bool,
    /// The peer began to close: the last word is ours.
    answered_last: bool,
}

impl Connection {
    /// A connection over a stream, that begins with the next [`Connection::step`].
    ///
    /// # Errors
    ///
    /// When the socket refuses `TCP_NODELAY`.
    pub fn new(stream: TcpStream, link: Link, clock: Clock) -> io::Result<Self> {
        Ok(Self::over(
            Carrier::Stream(Stream::new(stream, link.dead_after())?),
            link,
            clock,
        ))
    }

    /// A connection over datagrams to who asked for it. `link` is one over datagrams, with the id that
    /// it was asked for by; `seed` is random and known to nobody else.
    pub fn called(incoming: Incoming, link: Link, clock: Clock, seed: u64) -> Self {
        let datagrams = Datagrams::called(incoming, seed);
        Self::over(Carrier::Datagrams(Box::new(datagrams)), link, clock)
    }

    /// A connection over datagrams to `peer`. `link` is one over datagrams.
    ///
    /// # Errors
    ///
    /// When this machine has no way there.
    pub fn call(peer: SocketAddr, link: Link, clock: Clock, profile: Profile) -> io::Result<Self> {
        let datagrams = Datagrams::call(peer, profile, clock.now())?;
        Ok(Self::over(
            Carrier::Datagrams(Box::new(datagrams)),
            link,
            clock,
        ))
    }

    fn over(carrier: Carrier, link: Link, clock: Clock) -> Self {
        Self {
            carrier,
            link,
            clock,
            out: Output::default(),
            channel: None,
            timer: None,
            armed: None,
            reading: true,
            ended: false,
            blocked: false,
            sparing: false,
            answered_last: false,
        }
    }

    /// The link, to look at.
    pub fn link(&self) -> &Link {
        &self.link
    }

    /// Bytes that came so far.
    pub fn received_bytes(&self) -> u64 {
        match &self.carrier {
            Carrier::Stream(_) => self.link.received_bytes(),
            Carrier::Datagrams(datagrams) => datagrams.received_bytes(),
        }
    }

    /// This side's address.
    ///
    /// # Errors
    ///
    /// When the system does not say.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        match &self.carrier {
            Carrier::Stream(stream) => stream.tcp.local_addr(),
            Carrier::Datagrams(datagrams) => datagrams.local_addr(),
        }
    }

    /// Where the peer is now.
    ///
    /// # Errors
    ///
    /// When the system does not say.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        match &self.carrier {
            Carrier::Stream(stream) => stream.tcp.peer_addr(),
            Carrier::Datagrams(datagrams) => Ok(datagrams.peer_addr()),
        }
    }

    /// Whether datagrams carry it.
    pub const fn is_over_datagrams(&self) -> bool {
        matches!(self.carrier, Carrier::Datagrams(_))
    }

    /// Of one over datagrams: the system said that nothing listens there, and nothing has come.
    pub fn is_refused(&self) -> bool {
        match &self.carrier {
            Carrier::Stream(_) => false,
            Carrier::Datagrams(datagrams) => datagrams.is_refused(),
        }
    }

    /// The clock that the link is driven by.
    pub fn clock(&self) -> Clock {
        self.clock
    }

    /// Whether [`Connection::send`] would take a message and the socket keeps up.
    pub fn has_room(&self) -> bool {
        self.link.has_room() && self.waiting_bytes() < WAITING_BYTES_MAX
    }

    fn waiting_bytes(&self) -> usize {
        match &self.carrier {
            Carrier::Stream(stream) => stream.waiting.bytes(),
            Carrier::Datagrams(datagrams) => datagrams.waiting_bytes(),
        }
    }

    /// Whether [`Connection::send`] would take a message of kind BULK.
    pub fn has_room_bulk(&self) -> bool {
        self.link.has_room_bulk()
    }

    /// What holds at the socket of a stream.
    pub fn socket_options(&self) -> Option<SocketOptions> {
        match &self.carrier {
            Carrier::Stream(stream) => Some(SocketOptions::of(&stream.tcp)),
            Carrier::Datagrams(_) => None,
        }
    }

    /// Stops or goes on reading: the way to let a peer wait whose requests cannot be taken now.
    pub fn set_reading(&mut self, reading: bool) {
        self.reading = reading;
    }

    /// Puts a bad channel between frames and socket (outward, inward), or changes its settings. On a
    /// sealed stream it lies above the seal, and the handshake passes beside it; datagrams pass through
    /// it whole, as they are.
    pub fn impair(&mut self, outward: Settings, inward: Settings) {
        let now = self.clock.now();
        let Some(channel) = &mut self.channel else {
            let stream = !self.is_over_datagrams();
            self.channel = Some(Box::new(Channel::new(outward, inward, stream)));
            if stream {
                self.link.set_channel(true);
            }
            return;
        };
        let (mut left, mut came) = (Vec::new(), Vec::new());
        channel.outward.set(now, outward, &mut left);
        channel.inward.set(now, inward, &mut came);
        self.leave(now, left);
        self.arrive(now, came);
        self.queue_wire(now);
    }

    /// The bad channel's two directions, outward and inward, where there is one.
    pub fn impairment(&self) -> Option<(&Impaired, &Impaired)> {
        self.channel
            .as_ref()
            .map(|channel| (channel.outward.impaired(), channel.inward.impaired()))
    }

    /// Gives the link an input other than bytes and time.
    ///
    /// # Errors
    ///
    /// As [`Link::handle`].
    pub fn input(&mut self, input: Input) -> Result<(), UseError> {
        let now = self.clock.now();
        self.link.handle(now, input, &mut self.out)?;
        self.queue_wire(now);
        Ok(())
    }

    /// Takes a message; it leaves with the next [`Connection::flush`] or [`Connection::step`].
    ///
    /// # Errors
    ///
    /// As [`Link::send`].
    pub fn send(&mut self, now: Instant, message: &Outgoing) -> Result<(), SendError> {
        self.link.send(now, message)
    }

    /// As [`Connection::send`], for a message whose body others share.
    ///
    /// # Errors
    ///
    /// As [`Link::send`].
    #[inline]
    pub fn send_shared(
        &mut self,
        now: Instant,
        kind: FrameType,
        body: &SharedBody,
        tail: Option<[u8; 8]>,
    ) -> Result<(), SendError> {
        self.link.send_shared(now, kind, body, tail)
    }

    /// Hands the messages taken since to the socket, as far as it takes them now.
    pub fn flush(&mut self) {
        let now = self.clock.now();
        self.link.flush(now, &mut self.out);
        self.queue_wire(now);
        self.write();
    }

    /// Waits until something happens and moves it: appends what the link says to `events`.
    ///
    /// May append nothing, also where there is room in the BULK lane again. Cancel-safe. After `Closed` was among the events it does nothing more:
    /// call [`Connection::finish`].
    pub async fn step(&mut self, events: &mut Vec<Event>) {
        self.step_reading(Reading::Take, events).await;
    }

    /// The same, but what came stays in the socket: `true` says that something is there (bytes or
    /// the end), for [`Connection::step`] to take. The way to let a peer wait whose bytes cost much.
    pub async fn step_unread(&mut self, events: &mut Vec<Event>) -> bool {
        self.step_reading(Reading::Look, events).await
    }

    async fn step_reading(&mut self, how: Reading, events: &mut Vec<Event>) -> bool {
        let had_room_bulk = self.link.has_room_bulk();
        self.flush();
        let more_room = self.link.has_room_bulk() && !had_room_bulk;
        if self.take_events(events) || more_room {
            return false;
        }
        let mut waits = false;
        self.arm();
        let reading = self.reading && !self.ended;
        let bulk = self.link.has_bulk_to_leave();
        tokio::select! {
            moved = self.carrier.moved(reading.then_some(how), bulk) => match moved {
                Ok(Moved::Waits) => waits = true,
                Ok(Moved::Came(bytes)) if bytes.is_empty() => self.end(),
                Ok(Moved::Came(bytes)) => self.came(bytes),
                Ok(Moved::Datagrams(arrived)) => self.datagrams_came(arrived),
                Ok(Moved::Writable) => {}
                Err(_) => self.end(),
            },
            () = fire(&mut self.timer, self.armed) => {
                self.armed = None;
                self.tick();
            }
        }
        self.flush();
        self.take_events(events);
        waits
    }

    /// Writes what is left, says that nothing follows, and waits a little for the peer to have it.
    pub async fn finish(mut self) {
        let _ = tokio::time::timeout(FINISH_WITHIN, self.drain()).await;
    }

    async fn drain(&mut self) {
        loop {
            self.tick();
            self.write();
            let delayed = self
                .channel
                .as_ref()
                .and_then(|channel| channel.outward.impaired().deadline());
            if self.is_flushed() && delayed.is_none() {
                break;
            }
            let wait = delayed.map(|at| self.clock.timer_at(at));
            tokio::select! {
                ready = self.carrier.room() => if ready.is_err() { return; },
                () = sleep_until(wait) => {}
            }
        }
        match &mut self.carrier {
            Carrier::Stream(stream) => stream.end().await,
            Carrier::Datagrams(_) => self.linger().await,
        }
    }

    fn is_flushed(&self) -> bool {
        match &self.carrier {
            Carrier::Stream(stream) => stream.waiting.is_empty(),
            Carrier::Datagrams(datagrams) => datagrams.is_flushed(),
        }
    }

    /// Says the last words again where they were not heard.
    async fn linger(&mut self) {
        let mut lingering = Lingering::new(self.clock.now(), self.link.stats().rto);
        let Carrier::Datagrams(datagrams) = &mut self.carrier else {
            return;
        };
        if !self.answered_last || !datagrams.may_have_listener() {
            return;
        }
        while let Some(until) = lingering.until() {
            let until = self.clock.timer_at(until);
            match tokio::time::timeout_at(until, datagrams.take()).await {
                Ok(arrived) if arrived.is_empty() => return,
                Ok(_) => {}
                Err(_) => return,
            }
            let now = self.clock.now();
            if lingering.came(now) {
                datagrams.repeat_last_words();
                datagrams.flush(now);
            }
        }
    }

    fn take_events(&mut self, events: &mut Vec<Event>) -> bool {
        let any = !self.out.events.is_empty();
        self.answered_last |= any
            && self
                .out
                .events
                .iter()
                .any(|event| matches!(event, Event::PeerClosing { .. }));
        events.append(&mut self.out.events);
        if any {
            self.out.events = Vec::new();
        }
        any
    }

    /// Bytes came from the socket.
    fn came(&mut self, bytes: Bytes) {
        let now = self.clock.now();
        self.give(now, Input::Bytes(bytes));
        self.queue_wire(now);
    }

    /// Datagrams came; each is judged by itself.
    fn datagrams_came(&mut self, arrived: Vec<Arrived>) {
        let now = self.clock.now();
        for datagram in arrived {
            let Carrier::Datagrams(datagrams) = &mut self.carrier else {
                return;
            };
            datagrams.came(&datagram);
            let Arrived { from, to, bytes } = datagram;
            let Some(channel) = &mut self.channel else {
                self.datagram(now, (from, to), bytes);
                continue;
            };
            let mut through = Vec::new();
            channel.inward.push_whole(now, bytes, &mut through);
            for bytes in through {
                self.datagram(now, (from, to), bytes);
            }
        }
        self.queue_wire(now);
    }

    fn datagram(&mut self, now: Instant, (from, to): (SocketAddr, Option<IpAddr>), bytes: Bytes) {
        let size = bytes.len();
        self.give(now, Input::Datagram(bytes));
        let Carrier::Datagrams(datagrams) = &mut self.carrier else {
            return;
        };
        if datagrams.judged(now, from, to, size, self.link.datagram_outcome()) {
            self.link.begin_path(now);
        }
        let opened = |event: &Event| matches!(event, Event::Opened { .. });
        if self.out.events.iter().any(opened) {
            datagrams.opened();
        }
    }

    /// What the link has opened goes through the inward channel, and on into the link.
    fn pass_inward(&mut self, now: Instant) {
        let Some(channel) = &mut self.channel else {
            return;
        };
        let mut through = Vec::new();
        for bytes in std::mem::take(&mut self.out.opened) {
            channel.inward.push(now, &bytes, &mut through);
        }
        self.arrive(now, through);
    }

    /// Frames, or datagrams, came out of the inward channel.
    fn arrive(&mut self, now: Instant, through: Vec<Bytes>) {
        let from = match &self.carrier {
            Carrier::Stream(_) => None,
            // Whatever is late is taken for what came the usual way: it says nothing of addresses.
            Carrier::Datagrams(datagrams) => Some((datagrams.peer_addr(), None)),
        };
        for piece in through {
            match from {
                None => self.give(now, Input::Frames(piece)),
                Some(from) => self.datagram(now, from, piece),
            }
        }
    }

    /// Frames, or datagrams, came out of the outward channel.
    fn leave(&mut self, now: Instant, through: Vec<Bytes>) {
        match &mut self.carrier {
            _ if through.is_empty() => {}
            Carrier::Stream(_) => self.link.seal_frames(through, &mut self.out),
            Carrier::Datagrams(datagrams) => {
                datagrams.push_all(now, through, self.link.awaits_answer());
            }
        }
    }

    fn tick(&mut self) {
        let now = self.clock.now();
        if let Some(channel) = &mut self.channel {
            let (mut left, mut came) = (Vec::new(), Vec::new());
            channel.outward.tick(now, &mut left);
            channel.inward.tick(now, &mut came);
            self.leave(now, left);
            self.arrive(now, came);
        }
        self.give(now, Input::Tick);
        self.queue_wire(now);
    }

    /// The stream is over, in whichever way.
    fn end(&mut self) {
        if !self.ended {
            self.ended = true;
            self.give(self.clock.now(), Input::Eof);
        }
    }

    /// Bytes, time and the end have a place in every state of a link.
    fn give(&mut self, now: Instant, input: Input) {
        let taken = self.link.handle(now, input, &mut self.out);
        debug_assert!(
            taken.is_ok(),
            "bytes, ticks and ends are never misplaced: {taken:?}"
        );
    }

    /// What is to leave waits for the socket, once it has been through the channel.
    fn queue_wire(&mut self, now: Instant) {
        if self.channel.is_some() {
            self.pass_inward(now);
            self.pass_outward(now);
        }
        if self.out.wire.is_empty() {
            return;
        }
        let wire = std::mem::take(&mut self.out.wire);
        match &mut self.carrier {
            Carrier::Stream(stream) => wire
                .into_iter()
                .for_each(|piece| stream.waiting.push(piece)),
            Carrier::Datagrams(datagrams) => {
                datagrams.push_all(now, wire, self.link.awaits_answer())
            }
        }
    }

    fn pass_outward(&mut self, now: Instant) {
        let Some(channel) = &mut self.channel else {
            return;
        };
        let mut through = Vec::new();
        for piece in std::mem::take(&mut self.out.frames) {
            channel.outward.push(now, &piece, &mut through);
        }
        if let Carrier::Datagrams(_) = &self.carrier {
            for datagram in std::mem::take(&mut self.out.wire) {
                channel.outward.push_whole(now, datagram, &mut through);
            }
        }
        self.leave(now, through);
    }

    /// Writes what the socket takes: what waits, and then, turn by turn, of the BULK lane. So no more of
    /// that than a few turns lies below the link, whatever the peer reads.
    fn write(&mut self) {
        self.write_waiting();
        for _ in 0..BULK_TURNS {
            if !self.link.has_bulk_to_leave() {
                return;
            }
            let Carrier::Stream(stream) = &self.carrier else {
                return;
            };
            if !std::mem::replace(&mut self.sparing, true) {
                socket::keep_little_unsent(&stream.tcp);
            }
            let now = self.clock.now();
            self.link.flush(now, &mut self.out);
            self.queue_wire(now);
            self.write_waiting();
        }
    }

    /// Writes what the socket takes of what waits, and tells the link whether anything waits: then it repeats and
    /// answers nothing, and what it owes comes once the way is free.
    fn write_waiting(&mut self) {
        loop {
            let stream = match &mut self.carrier {
                Carrier::Stream(stream) => stream,
                Carrier::Datagrams(_) => return self.write_datagrams(),
            };
            if stream.waiting.write_to(&stream.tcp).is_err() {
                stream.waiting = WriteQueue::default();
                self.end();
            }
            let waits = !self.is_flushed();
            if waits == self.blocked {
                return;
            }
            self.blocked = waits;
            self.link.set_blocked(waits);
            if waits {
                return;
            }
            let now = self.clock.now();
            self.give(now, Input::Tick);
            self.queue_wire(now);
        }
    }

    fn write_datagrams(&mut self) {
        let now = self.clock.now();
        let Carrier::Datagrams(datagrams) = &mut self.carrier else {
            return;
        };
        match datagrams.due(now) {
            Due::Nothing => {}
            Due::OtherWay => self.link.begin_path(now),
            Due::Gone => return self.end(),
            Due::Challenge(challenge) => {
                let mut out = Output::default();
                self.link.challenge(now, challenge.nonce, &mut out);
                let mut wire = out.wire.into_iter();
                // The first holds it; what else was due goes the usual way.
                if let Some(first) = wire.next() {
                    datagrams.send_challenge(challenge, &first);
                }
                datagrams.push_all(now, wire.collect(), self.link.awaits_answer());
            }
        }
        datagrams.flush(now);
    }

    /// Makes the timer fire at the next deadline or before: an early one only looks and goes back.
    fn arm(&mut self) {
        let channel = self.channel.as_ref().and_then(|channel| channel.deadline());
        let carrier = match &self.carrier {
            Carrier::Stream(_) => None,
            Carrier::Datagrams(datagrams) => datagrams.deadline(),
        };
        let all = [self.link.deadline(), channel, carrier];
        let Some(wanted) = all.into_iter().flatten().min() else {
            return;
        };
        if self.armed.is_some_and(|armed| armed <= wanted) {
            return;
        }
        let at = self.clock.timer_at(wanted);
        match &mut self.timer {
            Some(timer) => timer.as_mut().reset(at),
            None => self.timer = Some(Box::pin(tokio::time::sleep_until(at))),
        }
        self.armed = Some(wanted);
    }
}

impl Carrier {
    /// Waits until something came, as far as anything is read, or a stream has room for what waits, or
    /// for the BULK lane.
    async fn moved(&mut self, reading: Option<Reading>, bulk: bool) -> io::Result<Moved> {
        match self {
            Self::Stream(stream) => {
                let writing = !stream.waiting.is_empty() || bulk;
                moved(&mut stream.tcp, reading, writing).await
            }
            Self::Datagrams(datagrams) => {
                let Some(reading) = reading else {
                    return std::future::pending().await;
                };
                Ok(match reading {
                    Reading::Take => Moved::Datagrams(datagrams.take().await),
                    Reading::Look => {
                        datagrams.look().await;
                        Moved::Waits
                    }
                })
            }
        }
    }

    /// Waits until there may be room for what waits.
    async fn room(&self) -> io::Result<()> {
        match self {
            Self::Stream(stream) => stream.room().await,
            Self::Datagrams(datagrams) if datagrams.is_flushed() => std::future::pending().await,
            Self::Datagrams(_) => {
                tokio::time::sleep(FULL_FOR).await;
                Ok(())
            }
        }
    }
}

/// Only `armed` says whether the timer is still to be seen: it may have elapsed while nobody looked.
async fn fire(timer: &mut Option<Pin<Box<Sleep>>>, armed: Option<Instant>) {
    match (timer, armed) {
        (Some(timer), Some(_)) => timer.await,
        _ => std::future::pending().await,
    }
}

async fn sleep_until(at: Option<tokio::time::Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lamparina_protocol::link::LinkConfig;
    use tokio::net::TcpListener;

    #[tokio::test]
    async fn a_deadline_that_passes_while_nobody_looks_is_seen_afterwards() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let _peer = TcpStream::connect(listener.local_addr().unwrap()).await;
        let (stream, _) = listener.accept().await.unwrap();
        let config = LinkConfig {
            handshake_within: Duration::from_millis(40),
            ..LinkConfig::new(1)
        };
        let clock = Clock::start();
        let link = Link::respond(config, clock.now());
        let mut connection = Connection::new(stream, link, clock).unwrap();
        let mut events = Vec::new();
        // Sets the timer and is given up: another branch of its caller's select won.
        let given_up = Duration::from_millis(5);
        let _ = tokio::time::timeout(given_up, connection.step(&mut events)).await;
        // The timer elapses unseen.
        tokio::time::sleep(Duration::from_millis(100)).await;
        let patience = Duration::from_secs(30);
        while events.is_empty() {
            let step = tokio::time::timeout(patience, connection.step(&mut events));
            step.await.expect("the deadline is seen");
        }
        assert!(matches!(events[..], [Event::Closed(_)]), "{events:?}");
    }
}
