//! Sessions that come, go, read slowly and come back, around one order; in the end each member has
//! heard exactly what a naive count says, once, in order, each message naming the one before.

use bytes::Bytes;
use lamparina_protocol::frame::FrameType;
use lamparina_protocol::link::{CloseReason, Event, Input as LinkInput, Repair, Terms};
use lamparina_protocol::message::{MESSAGE_BYTES_MAX, SetNick, ToServer};
use lamparina_protocol::{Audience, Instant, Lamport, codec};
use proptest::prelude::*;

use crate::hub::{Asked, ConnectionId, Hub};
use crate::session::{Act, Input, Output, Session, SessionConfig};
use crate::tail::Tail;
use crate::testing::{LOG, Taker, hello, nick, room, submit};

const NOW: Instant = Instant::ZERO;
const CLIENTS: usize = 4;

/// A client, with the sessions that it has had.
#[derive(Default)]
struct Client {
    live: Option<(Session, Taker)>,
    sessions: u64,
    pseq: u64,
    /// The last stamp it was delivered.
    cursor: u64,
    /// Stamps heard, without those heard again after a return without a cursor.
    heard: Vec<u64>,
    consumed: u64,
    /// What naively it should hear, and whether it is a member and in the room.
    expected: Vec<u64>,
    member: bool,
    in_room: bool,
    gaps: Vec<(u64, u64)>,
}

struct World {
    clients: Vec<Client>,
    hub: Hub,
    tail: Tail,
    waiting: Vec<Asked>,
    stamp: u64,
    connections: u64,
}

impl World {
    fn new(tail_items: usize) -> Self {
        Self {
            clients: (0..CLIENTS).map(|_| Client::default()).collect(),
            hub: Hub::default(),
            tail: Tail::new(usize::MAX, tail_items),
            waiting: Vec::new(),
            stamp: 0,
            connections: 0,
        }
    }

    fn act(&mut self, who: usize, what: u8, how: u8) {
        match what {
            0..=3 => self.say(who, how),
            4 => self.room(who, how),
            5 => self.leave(who),
            6..=7 => self.come(who, !how.is_multiple_of(3)),
            8 => self.consume(who),
            9..=11 => self.order(),
            _ => self.follow(who, usize::from(how % 5)),
        }
    }

    fn give<T: serde::Serialize>(&mut self, who: usize, kind: FrameType, message: &T) {
        let body = codec::encode(message).unwrap();
        self.input(who, Event::Received { kind, body });
    }

    fn input(&mut self, who: usize, event: Event) {
        let mut out = Output::default();
        if let Some((session, _)) = &mut self.clients[who].live {
            session.handle(NOW, Input::Link(event), &mut out);
        }
        self.take(who, out);
    }

    fn take(&mut self, who: usize, out: Output) {
        self.waiting.extend(out.asked);
        let ended = out
            .acts
            .iter()
            .any(|act| matches!(act, Act::Link(LinkInput::Abort { .. })));
        if ended {
            self.leave(who);
        }
    }

    fn come(&mut self, who: usize, with_cursor: bool) {
        let client = &mut self.clients[who];
        if client.live.is_some() {
            return;
        }
        client.sessions += 1;
        let mut hello = hello(who as u8 + 1, client.sessions);
        if with_cursor && client.member {
            (hello.log, hello.cursor) = (LOG, Lamport::new(client.cursor));
        }
        self.connections += 1;
        let id = ConnectionId(self.connections);
        let config = SessionConfig {
            id,
            log: LOG,
            lab: false,
        };
        client.live = Some((Session::new(config), Taker::new()));
        let terms = Terms {
            version: 1,
            fragment_bytes: 8_180,
            window_frames: 64,
            window_bytes: 1 << 20,
            repair: Repair::SelectiveRepeat,
            message_bytes_max: MESSAGE_BYTES_MAX as u32,
        };
        let hello = hello.to_bytes();
        self.input(who, Event::Asked { hello, terms });
        let welcome = Bytes::new();
        self.input(who, Event::Opened { terms, welcome });
        let name = format!("client{who}");
        self.give(who, FrameType::SetNick, &SetNick { nick: nick(&name) });
        self.clients[who].member = true;
    }

    fn leave(&mut self, who: usize) {
        self.input(who, Event::Closed(CloseReason::Eof));
        self.clients[who].live = None;
    }

    fn say(&mut self, who: usize, how: u8) {
        if self.clients[who].live.is_none() {
            return;
        }
        let to = usize::from(how / 3) % CLIENTS;
        let audience = match how % 3 {
            0 if to != who && self.clients[to].member => {
                Audience::Unicast(nick(&format!("client{to}")))
            }
            1 if self.clients[who].in_room => Audience::Room(room("lab")),
            _ => Audience::All,
        };
        self.stamp += 1;
        for (other, client) in self.clients.iter_mut().enumerate() {
            let addressed = match &audience {
                Audience::Unicast(_) => other == to,
                Audience::Room(_) => client.in_room,
                _ => client.member,
            };
            if addressed && other != who {
                client.expected.push(self.stamp);
            }
        }
        self.clients[who].pseq += 1;
        let message = submit(self.clients[who].pseq, audience, "x");
        self.give(who, FrameType::Data, &ToServer::Submit(message));
    }

    fn room(&mut self, who: usize, how: u8) {
        let client = &mut self.clients[who];
        if client.live.is_none() {
            return;
        }
        let inside = !how.is_multiple_of(4);
        if client.in_room == inside {
            return;
        }
        client.in_room = inside;
        let room = room("lab");
        let message = if inside {
            ToServer::Join { room }
        } else {
            ToServer::Leave { room }
        };
        self.give(who, FrameType::Data, &message);
    }

    fn consume(&mut self, who: usize) {
        let client = &mut self.clients[who];
        if client.live.is_none() || client.cursor <= client.consumed {
            return;
        }
        client.consumed = client.cursor;
        let upto = Lamport::new(client.cursor);
        self.give(who, FrameType::Data, &ToServer::Consumed { upto, count: 1 });
    }

    fn order(&mut self) {
        let Some((batch, _)) = self.hub.apply_now(&mut self.waiting) else {
            return;
        };
        assert!(self.waiting.is_empty(), "a few requests are one batch");
        let position = self.tail.push(batch);
        for client in &mut self.clients {
            if let Some((session, _)) = &mut client.live {
                session.touched(position);
            }
        }
    }

    fn follow(&mut self, who: usize, room: usize) {
        let mut out = Output::default();
        if let Some((session, taker)) = &mut self.clients[who].live {
            taker.room = room;
            session.follow(NOW, &self.tail, taker, &mut out);
        }
        self.clients[who].hear();
        self.take(who, out);
    }

    fn settle(&mut self) {
        for _ in 0..3 {
            for who in 0..CLIENTS {
                if self.clients[who].member {
                    self.come(who, true);
                }
            }
            self.order();
            for who in 0..CLIENTS {
                self.follow(who, usize::MAX);
            }
        }
    }
}

impl Client {
    /// Reads what came: every delivery names the one before.
    fn hear(&mut self) {
        let Some((_, taker)) = &mut self.live else {
            return;
        };
        for line in std::mem::take(&mut taker.lines) {
            if let Some((_, resumed)) = line.split_once("resumed ") {
                let (resumed, gap) = resumed.split_once(", gap ").unwrap();
                let resumed = resumed.parse().unwrap();
                if gap == "true" {
                    self.gaps.push((self.cursor.min(resumed), resumed));
                }
                self.cursor = resumed;
            } else if let Some((message, prev)) = line.split_once(" (prev ") {
                let stamp: u64 = message.split(' ').next().unwrap().parse().unwrap();
                let prev: u64 = prev.trim_end_matches(')').parse().unwrap();
                assert_eq!(prev, self.cursor, "in {line}");
                assert!(stamp > prev);
                self.cursor = stamp;
                if self.heard.last().is_none_or(|last| *last < stamp) {
                    self.heard.push(stamp);
                } else {
                    assert!(self.heard.contains(&stamp), "{stamp} was left out before");
                }
            }
        }
    }
}

fn run(acts: &[(u8, u8, u8)], tail_items: usize) -> World {
    let mut world = World::new(tail_items);
    for (who, what, how) in acts {
        world.act(usize::from(*who) % CLIENTS, what % 16, *how);
    }
    world.settle();
    world
}

fn acts() -> impl Strategy<Value = Vec<(u8, u8, u8)>> {
    prop::collection::vec(any::<(u8, u8, u8)>(), 0..400)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn everybody_hears_what_is_meant_for_them(acts in acts()) {
        for client in run(&acts, usize::MAX).clients {
            prop_assert_eq!(client.heard, client.expected);
        }
    }

    #[test]
    fn what_a_small_tail_loses_is_said(acts in acts()) {
        for client in run(&acts, 24).clients {
            let lost = |stamp: &u64| {
                client.gaps.iter().any(|(from, to)| from < stamp && stamp <= to)
            };
            let missing: Vec<u64> = client
                .expected
                .iter()
                .filter(|stamp| !client.heard.contains(stamp))
                .copied()
                .collect();
            prop_assert!(missing.iter().all(lost), "{missing:?} of {:?}", client.gaps);
            prop_assert!(client.heard.iter().all(|stamp| client.expected.contains(stamp)));
        }
    }
}
