//! One client's session at the server: link and session, driven as the server's own shell drives
//! them, with the world in the place of socket and clock.

use bytes::Bytes;
use lamparina_protocol::control::Welcome;
use lamparina_protocol::frame::{FrameType, SharedBody};
use lamparina_protocol::link::{
    CloseReason, DatagramOutcome, Event, Input as LinkInput, Link, Output,
};
use lamparina_protocol::link::{LinkStats, SendError, Terms};
use lamparina_protocol::message::ToClient;
use lamparina_protocol::{Instant, Lamport, LogId, Term, codec};
use lamparina_server::hub::Asked;
use lamparina_server::reading::{ReadAnswer, ReadAsk};
use lamparina_server::session::{self, Act, Outbox, Session, SessionConfig};
use lamparina_server::tail::Tail;

/// A session and its link.
#[derive(Debug)]
pub struct Served {
    link: Link,
    session: Session,
    log: LogId,
    term: Term,
    out: Output,
    /// What it waits for the store to read.
    wanted: Option<ReadAsk>,
    /// What it told since the last step.
    told: Vec<ToClient>,
    /// The first batch that reaches it since it last looked.
    bell: Option<u64>,
    /// How the link ended.
    pub closed: Option<CloseReason>,
}

/// What a step gives.
#[derive(Debug, Default)]
pub struct Done {
    /// Bytes for the wire.
    pub wire: Vec<Bytes>,
    /// Requests for the order.
    pub asked: Vec<Asked>,
    /// What was given to the link.
    pub told: Vec<ToClient>,
}

impl Served {
    /// A session whose client has not spoken.
    pub fn new(session: SessionConfig, link: Link) -> Self {
        Self {
            link,
            log: session.log,
            term: session.term,
            session: Session::new(session),
            wanted: None,
            out: Output::default(),
            told: Vec::new(),
            bell: None,
            closed: None,
        }
    }

    /// The batch at `position` reaches it.
    pub fn ring(&mut self, position: u64) {
        self.bell = Some(self.bell.map_or(position, |first| first.min(position)));
    }

    /// Gives the link something and does everything that can be done now.
    pub fn give(&mut self, now: Instant, input: LinkInput, tail: &Tail, clock: Lamport) -> Done {
        self.link(now, input);
        self.advance(now, None, tail, clock)
    }

    /// What is to be read for it, until it gets an answer or a further question.
    pub fn wants(&mut self) -> Option<ReadAsk> {
        self.wanted.take()
    }

    /// It goes on waiting for this.
    pub fn waits_for(&mut self, ask: ReadAsk) {
        self.wanted = Some(ask);
    }

    /// Whether it waits for something to be read.
    pub fn is_waiting(&self) -> bool {
        self.wanted.is_some()
    }

    /// What it wanted was read.
    pub fn read(&mut self, now: Instant, answer: ReadAnswer, tail: &Tail, clock: Lamport) -> Done {
        self.advance(now, Some(session::Input::Read(answer)), tail, clock)
    }

    /// The server closes.
    pub fn shut_down(&mut self, now: Instant, tail: &Tail, clock: Lamport) -> Done {
        self.advance(now, Some(session::Input::Shutdown), tail, clock)
    }

    fn link(&mut self, now: Instant, input: LinkInput) {
        self.link
            .handle(now, input, &mut self.out)
            .expect("a session speaks in its turn");
    }

    fn advance(
        &mut self,
        now: Instant,
        first: Option<session::Input>,
        tail: &Tail,
        clock: Lamport,
    ) -> Done {
        let mut done = Done::default();
        let mut out = session::Output::default();
        if let Some(first) = first {
            self.session.handle(now, first, &mut out);
        }
        loop {
            for event in std::mem::take(&mut self.out.events) {
                if let Event::Closed(reason) = &event {
                    self.closed = Some(reason.clone());
                }
                self.session
                    .handle(now, session::Input::Link(event), &mut out);
            }
            if self.session.deadline().is_some_and(|at| at <= now) {
                self.session.handle(now, session::Input::Tick, &mut out);
            }
            if let Some(position) = self.bell.take() {
                self.session.touched(position);
            }
            let mut outbox = ToLink {
                link: &mut self.link,
                told: &mut self.told,
                now,
            };
            self.session.follow(now, tail, &mut outbox, &mut out);
            done.asked.append(&mut out.asked);
            if let Some(ask) = out.read.take() {
                self.wanted = Some(ask);
            }
            for act in std::mem::take(&mut out.acts) {
                self.act(now, act, clock);
            }
            if self.out.events.is_empty() {
                break;
            }
        }
        self.link.flush(now, &mut self.out);
        done.wire = std::mem::take(&mut self.out.wire);
        done.told = std::mem::take(&mut self.told);
        done
    }

    fn act(&mut self, now: Instant, act: Act, clock: Lamport) {
        match act {
            Act::Welcome => {
                let (log, term) = (self.log, self.term);
                let pace = self.session.pace();
                let welcome = Welcome {
                    log,
                    term,
                    clock,
                    pace,
                }
                .to_bytes();
                self.link(now, LinkInput::Accept { welcome });
            }
            Act::Link(input) => self.link(now, input),
            // The world has a weather of its own.
            // Nothing is checked where access is open.
            Act::Impair(_) | Act::Log(_) | Act::Check(_) => {}
        }
    }

    /// When to tick.
    pub fn deadline(&self) -> Option<Instant> {
        let link = self.link.deadline();
        [link, self.session.deadline()].into_iter().flatten().min()
    }

    /// Whether nothing waits for it and everything it sent has arrived.
    pub fn is_quiet(&self) -> bool {
        self.bell.is_none() && self.wanted.is_none() && self.link.is_drained()
    }

    /// What the last datagram was.
    pub fn outcome(&self) -> DatagramOutcome {
        self.link.datagram_outcome()
    }

    /// Whether messages can flow.
    pub fn is_open(&self) -> bool {
        self.link.terms().is_some()
    }

    /// Datagrams of which the first holds a challenge.
    pub fn challenge(&mut self, now: Instant, nonce: [u8; 8]) -> Vec<Bytes> {
        self.link.challenge(now, nonce, &mut self.out);
        std::mem::take(&mut self.out.wire)
    }

    /// Whether nothing follows.
    pub fn is_over(&self) -> bool {
        self.session.is_over()
    }

    /// What the link agreed on and how much is in flight.
    pub fn measures(&self) -> Option<(Terms, LinkStats)> {
        Some((self.link.terms()?, self.link.stats()))
    }
}

struct ToLink<'a> {
    link: &'a mut Link,
    told: &'a mut Vec<ToClient>,
    now: Instant,
}

impl Outbox for ToLink<'_> {
    fn has_room(&self) -> bool {
        self.link.has_room()
    }

    fn has_room_bulk(&self) -> bool {
        self.link.has_room_bulk()
    }

    fn send(
        &mut self,
        kind: FrameType,
        body: &SharedBody,
        tail: Option<[u8; 8]>,
    ) -> Result<(), SendError> {
        self.link.send_shared(self.now, kind, body, tail)?;
        if kind == FrameType::Data {
            let bytes = [body.bytes(), tail.as_ref().map_or(&[][..], |tail| tail)].concat();
            let told = codec::decode(&bytes);
            self.told
                .push(told.expect("a server says what can be read"));
        }
        Ok(())
    }
}
