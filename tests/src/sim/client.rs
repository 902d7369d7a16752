//! One client: link and conversation, driven as the client's own shell drives them. While events
//! wait for a slow person nothing is read.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use lamparina_client::core::conversation::{Conversation, Input, Output, Outward};
use lamparina_client::core::event::Event;
use lamparina_protocol::control::{CloseCode, Hello, Welcome};
use lamparina_protocol::frame::FrameType;
use lamparina_protocol::link::{self, CloseReason, Input as LinkInput, Link, Outgoing, SendError};
use lamparina_protocol::message::ToClient;
use lamparina_protocol::{Instant, Lamport, LogId, codec};

use super::keys;

/// A timer that is due and cannot be served yet is looked at again this much later.
const LOOK_AGAIN: Duration = Duration::from_millis(5);
/// Frames that wait while nothing is read.
const INBOX_MAX: usize = 40_000;
/// `Entered` among the messages of a server: the first byte.
const ENTERED: u8 = 3;

/// A connection of the client.
#[derive(Debug)]
pub struct Line {
    /// Which.
    pub id: u64,
    link: Link,
    /// A message that the link did not take; it goes before all others.
    held: Option<Outgoing>,
    /// What came and is not read.
    inbox: VecDeque<LinkInput>,
    /// The server has let us in.
    live: bool,
}

/// What a client did, in order.
#[derive(Debug)]
pub enum Act {
    /// Asks for a connection.
    Connect(Hello),
    /// Puts bytes on the wire of a connection.
    Wire(u64, Bytes),
    /// Has closed its end of a connection.
    HungUp(u64),
    /// Was let in.
    Entered {
        /// Deliveries go on after this stamp.
        resumed: Lamport,
        /// Some may be lost.
        gap: bool,
    },
    /// Was told something.
    Told(Event),
    /// Has deliveries of a log up to here in its hands.
    Handed(LogId, Lamport),
}

/// One client.
#[derive(Debug)]
pub struct Client {
    /// The machine.
    pub conversation: Conversation,
    line: Option<Line>,
    out: link::Output,
    /// What waits for the person; of a message its log and stamp.
    backlog: VecDeque<Option<(LogId, Lamport)>>,
    log: LogId,
    /// Time between two events that the person takes; all at once where there is none.
    pace: Option<Duration>,
    takes_at: Instant,
    acts: Vec<Act>,
    over: bool,
    /// The peer's own word has come since this was asked last.
    heard: bool,
    /// How the last link ended.
    pub closed: Option<CloseReason>,
}

impl Client {
    /// A client that has not begun.
    pub fn new(conversation: Conversation) -> Self {
        Self {
            conversation,
            line: None,
            out: link::Output::default(),
            backlog: VecDeque::new(),
            log: LogId::default(),
            pace: None,
            takes_at: Instant::ZERO,
            acts: Vec::new(),
            over: false,
            heard: false,
            closed: None,
        }
    }

    /// Whether the conversation is over.
    pub fn is_over(&self) -> bool {
        self.over
    }

    /// The connection it has.
    pub fn line(&self) -> Option<u64> {
        self.line.as_ref().map(|line| line.id)
    }

    /// What the link agreed on and how much is in flight.
    pub fn measures(&self) -> Option<(link::Terms, link::LinkStats)> {
        let link = &self.line.as_ref()?.link;
        Some((link.terms()?, link.stats()))
    }

    /// Whether the peer's own word has come by a datagram since the last time.
    pub fn take_heard(&mut self) -> bool {
        std::mem::take(&mut self.heard)
    }

    /// Whether an answer is due to what was sent: acknowledgements have none.
    pub fn awaits_answer(&self) -> bool {
        let link = self.line.as_ref().map(|line| &line.link);
        link.is_some_and(|link| link.terms().is_none() || link.stats().in_flight_frames > 0)
    }

    /// What came by datagrams and was not read is lost; nobody tells that the other side is gone.
    pub fn forsake(&mut self) {
        if let Some(line) = &mut self.line {
            line.inbox.clear();
        }
    }

    /// How fast the person reads from now on.
    pub fn read_at(&mut self, pace: Option<Duration>) {
        self.pace = pace;
    }

    /// Whether it has been let in on the connection it has.
    pub fn is_live(&self) -> bool {
        self.line.as_ref().is_some_and(|line| line.live)
    }

    /// What it did since the last time.
    pub fn take_acts(&mut self) -> Vec<Act> {
        std::mem::take(&mut self.acts)
    }

    /// The connection asked for is there.
    pub fn dialed(&mut self, now: Instant, id: u64, link: Link) {
        let inbox = VecDeque::from([LinkInput::Tick]);
        self.line = Some(Line {
            id,
            link,
            held: None,
            inbox,
            live: false,
        });
        self.advance(now);
    }

    /// Something came on connection `id`.
    pub fn came(&mut self, now: Instant, id: u64, input: LinkInput) {
        if let Some(line) = self.line.as_mut().filter(|line| line.id == id) {
            line.inbox.push_back(input);
            assert!(line.inbox.len() <= INBOX_MAX, "too much waits to be read");
        }
        self.advance(now);
    }

    /// The stream is cut, and what came and was not read is lost with it.
    pub fn cut_off(&mut self, now: Instant) {
        if let Some(line) = &mut self.line {
            line.inbox = VecDeque::from([LinkInput::Eof]);
        }
        self.advance(now);
    }

    /// Something for the conversation.
    pub fn give(&mut self, now: Instant, input: Input) {
        self.apply(now, input);
        self.advance(now);
    }

    /// Time has passed.
    pub fn tick(&mut self, now: Instant) {
        if self
            .line
            .as_ref()
            .is_some_and(|line| line.link.deadline().is_some_and(|at| at <= now))
        {
            self.link(now, LinkInput::Tick);
        }
        if self.conversation.deadline().is_some_and(|at| at <= now) {
            self.apply(now, Input::Tick);
        }
        self.advance(now);
    }

    /// When to tick.
    pub fn deadline(&self, now: Instant) -> Option<Instant> {
        if self.over {
            return None;
        }
        let later = now + LOOK_AGAIN;
        let conversation = self.conversation.deadline().map(|at| at.max(later));
        let link = self.line.as_ref().and_then(|line| line.link.deadline());
        let person = (!self.backlog.is_empty()).then_some(self.takes_at);
        [conversation, link, person].into_iter().flatten().min()
    }

    /// Everything that can be done now.
    fn advance(&mut self, now: Instant) {
        loop {
            self.hand_over(now);
            self.pump(now);
            if !self.backlog.is_empty() {
                break;
            }
            let Some(input) = self.line.as_mut().and_then(|line| line.inbox.pop_front()) else {
                break;
            };
            self.link(now, input);
        }
        self.flush(now);
    }

    fn link(&mut self, now: Instant, input: LinkInput) {
        let Some(line) = &mut self.line else {
            return;
        };
        let is_datagram = matches!(input, LinkInput::Datagram(_));
        line.link
            .handle(now, input, &mut self.out)
            .expect("a client's link has no inputs that are misplaced");
        self.heard |= is_datagram && line.link.datagram_outcome().authentic;
        self.flush(now);
        for event in std::mem::take(&mut self.out.events) {
            self.link_said(now, event);
            if self.line.is_none() {
                // What a dropped link said behind this is no longer our talk.
                return;
            }
        }
    }

    fn link_said(&mut self, now: Instant, event: link::Event) {
        match event {
            link::Event::Opened { words, terms, .. } => {
                if terms.bulk {
                    self.apply(now, Input::BulkSpoken);
                }
                let welcome = Welcome::from_bytes(&words).expect("the server's welcome is one");
                self.log = welcome.log;
                self.apply(now, Input::Opened(welcome));
            }
            link::Event::Received { kind, body } => {
                self.note_entered(kind, &body);
                self.apply(now, Input::Received { kind, body });
            }
            link::Event::PeerClosing { code, text } => {
                self.apply(now, Input::PeerClosing { code, text });
            }
            link::Event::Closed(reason) => {
                self.closed = Some(reason.clone());
                if let Some(line) = self.line.take() {
                    self.acts.push(Act::HungUp(line.id));
                }
                self.apply(now, Input::Closed(reason));
            }
            link::Event::Proven { server } => {
                assert_eq!(server, keys::server().public(), "whom it reached is proved");
                self.link(now, LinkInput::Trust);
            }
            link::Event::Asked { .. } => panic!("a client's link is not asked"),
        }
    }

    fn note_entered(&mut self, kind: FrameType, body: &Bytes) {
        if kind != FrameType::Data || body.first() != Some(&ENTERED) {
            return;
        }
        if let Ok(ToClient::Entered { resumed, gap, .. }) = codec::decode(body) {
            self.acts.push(Act::Entered { resumed, gap });
            if let Some(line) = &mut self.line {
                line.live = true;
            }
        }
    }

    fn apply(&mut self, now: Instant, input: Input) {
        let mut out = Vec::new();
        self.conversation.handle(now, input, &mut out);
        for output in out {
            match output {
                Output::Connect(hello) => self.acts.push(Act::Connect(hello)),
                Output::Drop => self.drop_line(now),
                // Nothing is kept on disk here.
                Output::Store { .. } | Output::Switch { .. } => {}
                Output::Event(event) => {
                    self.over |= matches!(event, Event::Closed { .. });
                    self.backlog.push_back(match &event {
                        Event::Message(delivery) if !delivery.history => {
                            Some((self.log, delivery.stamp))
                        }
                        _ => None,
                    });
                    self.acts.push(Act::Told(event));
                }
            }
        }
    }

    fn drop_line(&mut self, now: Instant) {
        let Some(mut line) = self.line.take() else {
            return;
        };
        let (code, text) = (CloseCode::Goodbye, "a new connection follows".to_owned());
        let mut out = link::Output::default();
        line.link
            .handle(now, LinkInput::Abort { code, text }, &mut out)
            .expect("an abrupt end has a place in every state");
        let wire = out.wire.into_iter();
        self.acts
            .extend(wire.map(|piece| Act::Wire(line.id, piece)));
        self.acts.push(Act::HungUp(line.id));
    }

    /// The person takes what waits, as fast as it reads.
    fn hand_over(&mut self, now: Instant) {
        while let Some(event) = self.backlog.front().copied() {
            if self.pace.is_some() && now < self.takes_at {
                return;
            }
            self.backlog.pop_front();
            self.takes_at = now + self.pace.unwrap_or_default();
            if let Some((log, upto)) = event {
                self.acts.push(Act::Handed(log, upto));
                let count = 1;
                self.apply(now, Input::HandedOver { log, upto, count });
            }
        }
    }

    /// Gives the link what it has room for.
    fn pump(&mut self, now: Instant) {
        while let Some(line) = &mut self.line {
            if !line.link.has_room() {
                return;
            }
            let next = line.held.take().map_or_else(
                || match self.conversation.pull(now) {
                    Some(Outward::Message { kind, body }) => Some(Ok(Outgoing::own(kind, body))),
                    Some(Outward::Goodbye) => Some(Err(())),
                    None => None,
                },
                |held| Some(Ok(held)),
            );
            match next {
                None => return,
                Some(Err(())) => {
                    let (code, text) = (CloseCode::Goodbye, String::new());
                    return self.link(now, LinkInput::Close { code, text });
                }
                Some(Ok(message)) => match line.link.send(now, &message) {
                    Ok(()) => {}
                    Err(SendError::Full) => {
                        line.held = Some(message);
                        return;
                    }
                    Err(error) => panic!("the link is open: {error}"),
                },
            }
        }
    }

    fn flush(&mut self, now: Instant) {
        if let Some(line) = &mut self.line {
            line.link.flush(now, &mut self.out);
            let (id, wire) = (line.id, std::mem::take(&mut self.out.wire));
            self.acts
                .extend(wire.into_iter().map(|piece| Act::Wire(id, piece)));
        }
    }
}
