//! Drives one [`Link`] over TCP: moves bytes and time, decides nothing. Idle, it owns no buffer.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use lamparina_impair::{Impaired, Settings};
use lamparina_protocol::Instant;
use lamparina_protocol::frame::{FrameType, SharedBody};
use lamparina_protocol::link::{Event, Input, Link, Outgoing, Output, SendError, UseError};
use tokio::io::{AsyncRead, Interest, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Sleep;

use crate::channel::Channel;
use crate::clock::Clock;
use crate::socket::{self, SocketOptions};
use crate::write_queue::WriteQueue;

/// Bytes taken from a socket by one system call, at most.
const READ_BYTES: usize = 64 * 1024;
/// Bytes that may wait for the socket before [`Connection::has_room`] says no.
/// Enough for a socket that is slow for a moment; a peer that stalls holds on to no more.
pub const WAITING_BYTES_MAX: usize = 256 * 1024;
/// Turns of the BULK lane in one go, at most: then others on this thread come first.
const BULK_TURNS: usize = 4;
/// How long [`Connection::finish`] tries to hand over the last bytes.
const FINISH_WITHIN: Duration = Duration::from_secs(2);

thread_local! {
    /// One read buffer a thread: between reads no connection owns one.
    static SCRATCH: RefCell<Vec<u8>> = RefCell::new(vec![0; READ_BYTES]);
}

/// A link and its TCP stream.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    link: Link,
    clock: Clock,
    out: Output,
    waiting: WriteQueue,
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
}

impl Connection {
    /// A connection that begins with the next [`Connection::step`].
    ///
    /// # Errors
    ///
    /// When the socket refuses `TCP_NODELAY`.
    pub fn new(stream: TcpStream, link: Link, clock: Clock) -> io::Result<Self> {
        socket::prepare(&stream, link.dead_after())?;
        Ok(Self {
            stream,
            link,
            clock,
            out: Output::default(),
            waiting: WriteQueue::default(),
            channel: None,
            timer: None,
            armed: None,
            reading: true,
            ended: false,
            blocked: false,
            sparing: false,
        })
    }

    /// The link, to look at.
    pub fn link(&self) -> &Link {
        &self.link
    }

    /// Bytes that came so far.
    pub fn received_bytes(&self) -> u64 {
        self.link.received_bytes()
    }

    /// The stream, to look at.
    pub fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// The clock that the link is driven by.
    pub fn clock(&self) -> Clock {
        self.clock
    }

    /// Whether [`Connection::send`] would take a message and the socket keeps up.
    pub fn has_room(&self) -> bool {
        self.link.has_room() && self.waiting.bytes() < WAITING_BYTES_MAX
    }

    /// Whether [`Connection::send`] would take a message of kind BULK.
    pub fn has_room_bulk(&self) -> bool {
        self.link.has_room_bulk()
    }

    /// What holds at the socket.
    pub fn socket_options(&self) -> SocketOptions {
        SocketOptions::of(&self.stream)
    }

    /// Stops or goes on reading: the way to let a peer wait whose requests cannot be taken now.
    pub fn set_reading(&mut self, reading: bool) {
        self.reading = reading;
    }

    /// Puts a bad channel between frames and socket (outward, inward), or changes its settings. On a
    /// sealed link it lies above the seal, and the handshake passes beside it.
    pub fn impair(&mut self, outward: Settings, inward: Settings) {
        let now = self.clock.now();
        let Some(channel) = &mut self.channel else {
            self.channel = Some(Box::new(Channel::new(outward, inward)));
            self.link.set_channel(true);
            return;
        };
        let (mut left, mut came) = (Vec::new(), Vec::new());
        channel.outward.set(now, outward, &mut left);
        channel.inward.set(now, inward, &mut came);
        self.leave(left);
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
        let writing = !self.waiting.is_empty() || self.link.has_bulk_to_leave();
        tokio::select! {
            moved = moved(&mut self.stream, reading.then_some(how), writing) => match moved {
                Ok(Moved::Waits) => waits = true,
                Ok(Moved::Came(bytes)) if bytes.is_empty() => self.end(),
                Ok(Moved::Came(bytes)) => self.came(bytes),
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
            if self.waiting.is_empty() && delayed.is_none() {
                break;
            }
            let wait = delayed.map(|at| self.clock.timer_at(at));
            tokio::select! {
                ready = ready(&self.stream, (!self.waiting.is_empty()).then_some(Interest::WRITABLE)) => {
                    if ready.is_err() { return; }
                }
                () = sleep_until(wait) => {}
            }
        }
        // Closing with unread input would reset the stream and destroy our last words on the way.
        if tokio::io::AsyncWriteExt::shutdown(&mut self.stream)
            .await
            .is_err()
        {
            return;
        }
        let mut sink = [0; 4_096];
        while let Ok(1..) = tokio::io::AsyncReadExt::read(&mut self.stream, &mut sink).await {}
    }

    fn take_events(&mut self, events: &mut Vec<Event>) -> bool {
        let any = !self.out.events.is_empty();
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

    /// Frames came out of the inward channel.
    fn arrive(&mut self, now: Instant, through: Vec<Bytes>) {
        for frame in through {
            self.give(now, Input::Frames(frame));
        }
    }

    /// Frames came out of the outward channel.
    fn leave(&mut self, through: Vec<Bytes>) {
        if !through.is_empty() {
            self.link.seal_frames(through, &mut self.out);
        }
    }

    fn tick(&mut self) {
        let now = self.clock.now();
        if let Some(channel) = &mut self.channel {
            let (mut left, mut came) = (Vec::new(), Vec::new());
            channel.outward.tick(now, &mut left);
            channel.inward.tick(now, &mut came);
            self.leave(left);
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
        for piece in std::mem::take(&mut self.out.wire) {
            self.waiting.push(piece);
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
        self.leave(through);
    }

    /// Writes what the socket takes: what waits, and then, turn by turn, of the BULK lane. So no more of
    /// that than a few turns lies below the link, whatever the peer reads.
    fn write(&mut self) {
        self.write_waiting();
        for _ in 0..BULK_TURNS {
            if !self.link.has_bulk_to_leave() {
                return;
            }
            if !std::mem::replace(&mut self.sparing, true) {
                socket::keep_little_unsent(&self.stream);
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
            if self.waiting.write_to(&self.stream).is_err() {
                self.waiting = WriteQueue::default();
                self.end();
            }
            let waits = !self.waiting.is_empty();
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

    /// Makes the timer fire at the next deadline or before: an early one only looks and goes back.
    fn arm(&mut self) {
        let channel = self.channel.as_ref().and_then(|channel| channel.deadline());
        let Some(wanted) = [self.link.deadline(), channel].into_iter().flatten().min() else {
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

/// What is done with bytes that came.
#[derive(Clone, Copy)]
enum Reading {
    /// They are taken.
    Take,
    /// They are left in the socket.
    Look,
}

/// What became possible at the socket.
enum Moved {
    /// Bytes came, or the end, and were left where they are.
    Waits,
    /// These bytes came; none at the end.
    Came(Bytes),
    /// It takes bytes again.
    Writable,
}

/// Waits for bytes and takes them, or for room. A read that leaves room in the buffer tells the
/// runtime that nothing is left; to wait first and then read would cost another system call.
async fn moved(
    stream: &mut TcpStream,
    reading: Option<Reading>,
    writing: bool,
) -> io::Result<Moved> {
    std::future::poll_fn(|context| {
        if let Some(Reading::Look) = reading {
            let ready = stream.poll_read_ready(context);
            if ready.is_ready() {
                return ready.map_ok(|()| Moved::Waits);
            }
        }
        if let Some(Reading::Take) = reading {
            let came = SCRATCH.with_borrow_mut(|scratch| {
                let mut buffer = ReadBuf::new(scratch);
                let read = Pin::new(&mut *stream).poll_read(context, &mut buffer);
                read.map_ok(|()| Bytes::copy_from_slice(buffer.filled()))
            });
            if came.is_ready() {
                return came.map_ok(Moved::Came);
            }
        }
        if writing {
            return stream
                .poll_write_ready(context)
                .map_ok(|()| Moved::Writable);
        }
        Poll::Pending
    })
    .await
}

async fn ready(stream: &TcpStream, interest: Option<Interest>) -> io::Result<tokio::io::Ready> {
    match interest {
        Some(interest) => stream.ready(interest).await,
        None => std::future::pending().await,
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
