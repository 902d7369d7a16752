//! Sessions that come, go, read slowly and come back, around one order; in the end each member has
//! heard exactly what a naive count says, once, in order, each message naming the one before.
//! Where there is a store, that holds however small the tail, and answers stand in their places.

use std::collections::BTreeSet;

use lamparina_order::Sequenced;
use lamparina_protocol::frame::FrameType;
use lamparina_protocol::link::{CloseReason, Event, Input as LinkInput, Repair, Terms};
use lamparina_protocol::message::{MESSAGE_BYTES_MAX, SetNick, ToClient, ToServer};
use lamparina_protocol::{Audience, Instant, Lamport, codec};
use lamparina_store::Reader;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use crate::hub::{Ask, Asked, Hub};
use crate::reading::testing::Stored;
use crate::reading::{Asker, History, NEWCOMER_MESSAGES_MAX, ReadAnswer, ReadAsk, Wanted};
use crate::session::{Act, Input, Output, Session};
use crate::tail::Tail;
use crate::testing::{LOG, Taker, config, hello, nick, room, submit};

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
    /// What its session is reading.
    read: Option<ReadAsk>,
    /// Requests of this session that are not answered, and the last stamp committed in it.
    due: u32,
    committed: u64,
    /// Stamps of its own messages.
    own: Vec<u64>,
    /// What a newcomer is to be shown; what it was shown; what was said to end it.
    earlier: Vec<u64>,
    shown: Vec<u64>,
    shown_end: Option<String>,
    ends: Vec<String>,
    /// Events that said which stamp they follow.
    events: u32,
    /// Texts of this session that were named and did not come yet.
    texts_due: u32,
}

/// Some can take long texts beside their messages.
fn speaks_bulk(who: usize) -> bool {
    who.is_multiple_of(2)
}

struct World {
    clients: Vec<Client>,
    hub: Hub,
    tail: Tail,
    waiting: Vec<Asked>,
    stamp: u64,
    connections: u64,
    /// Stamps of what was said to all.
    said_to_all: Vec<u64>,
    /// How often a live session fell off the tail, and how many answers came while one caught up.
    fallen: u32,
    parked: u32,
    /// What is durable, where there is a store, and the order that says it.
    stored: Option<(Sequenced, Stored)>,
}

impl World {
    fn new(tail_items: usize, store: bool) -> Self {
        Self {
            clients: (0..CLIENTS).map(|_| Client::default()).collect(),
            hub: Hub::default(),
            tail: Tail::new(usize::MAX, tail_items),
            waiting: Vec::new(),
            stamp: 0,
            connections: 0,
            said_to_all: Vec::new(),
            fallen: 0,
            parked: 0,
            stored: store.then(Default::default),
        }
    }

    fn act(&mut self, who: usize, what: u8, how: u8) {
        match what {
            // Some mostly listen.
            0..=2 if who >= 2 => self.order(),
            0..=3 => self.say(who, how),
            4 => self.room(who, how),
            5 => self.leave(who),
            6..=7 => self.come(who, !how.is_multiple_of(3)),
            8 => self.consume(who),
            9..=11 => self.order(),
            12..=13 => self.read(who),
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
        let confirms = out
            .asked
            .iter()
            .filter(|asked| matches!(asked.ask, Ask::Confirm { .. }));
        self.fallen += confirms.count() as u32;
        self.waiting.extend(out.asked);
        if let Some(read) = out.read {
            assert!(
                self.clients[who].read.replace(read).is_none(),
                "one at a time"
            );
        }
        let ended = out.acts.iter().find_map(|act| match act {
            Act::Link(LinkInput::Abort { code, text }) => Some(format!("{code:?}: {text}")),
            _ => None,
        });
        if let Some(ended) = ended {
            self.clients[who].ends.push(ended);
            self.leave(who);
        }
    }

    fn come(&mut self, who: usize, with_cursor: bool) {
        let client = &mut self.clients[who];
        if client.live.is_some() {
            return;
        }
        client.sessions += 1;
        (client.due, client.committed) = (0, 0);
        let mut hello = hello(who as u8 + 1, client.sessions);
        if with_cursor && client.member {
            (hello.log, hello.cursor) = (LOG, Lamport::new(client.cursor));
        }
        self.connections += 1;
        let config = config(self.connections, self.stored.is_some());
        client.live = Some((Session::new(config), Taker::new()));
        let terms = Terms {
            version: 1,
            fragment_bytes: 8_180,
            window_frames: 64,
            window_bytes: 1 << 20,
            repair: Repair::SelectiveRepeat,
            message_bytes_max: MESSAGE_BYTES_MAX as u32,
            bulk: speaks_bulk(who),
        };
        client.texts_due = 0;
        let hello = hello.to_bytes();
        self.input(who, Event::Asked { terms });
        let (words, peer) = (hello, None);
        self.input(who, Event::Opened { terms, words, peer });
        let name = format!("client{who}");
        self.give(who, FrameType::SetNick, &SetNick { nick: nick(&name) });
        let client = &mut self.clients[who];
        if !std::mem::replace(&mut client.member, true) {
            client.earlier = self.said_to_all.clone();
        }
    }

    fn leave(&mut self, who: usize) {
        self.input(who, Event::Closed(CloseReason::Eof));
        let client = &mut self.clients[who];
        (client.live, client.read) = (None, None);
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
        if audience == Audience::All {
            self.said_to_all.push(self.stamp);
        }
        self.clients[who].own.push(self.stamp);
        self.clients[who].pseq += 1;
        self.clients[who].due += 1;
        // What newcomers are shown is bounded by bytes, and said to all.
        let text = match how % 5 {
            0 if audience != Audience::All => "x".repeat(9_000 + usize::from(how) * 100),
            _ => "x".to_owned(),
        };
        let message = submit(self.clients[who].pseq, audience, &text);
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
        client.due += 1;
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

    /// What was asked of the order becomes durable before anybody is told.
    fn store(&mut self) {
        let Some((order, stored)) = &mut self.stored else {
            return;
        };
        let mut effects = Vec::new();
        for asked in &self.waiting {
            if let Ask::Entry(entry) = &asked.ask
                && let Some(event) = order.apply_recorded(entry.clone(), &mut effects)
            {
                stored.push(order.last_stamp().get(), event);
            }
        }
    }

    /// What was to be read is read now.
    fn read(&mut self, who: usize) {
        let Some((_, stored)) = &self.stored else {
            return;
        };
        let client = &mut self.clients[who];
        let (Some(ask), Some((session, _))) = (client.read.take(), &mut client.live) else {
            return;
        };
        let (answer, _) = stored.answer(ask);
        let mut out = Output::default();
        session.handle(NOW, Input::Read(answer), &mut out);
        self.take(who, out);
    }

    fn order(&mut self) {
        self.store();
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
        let mut catching_up = false;
        if let Some((session, taker)) = &mut self.clients[who].live {
            taker.room = room;
            if speaks_bulk(who) {
                taker.room_bulk = room;
            }
            catching_up = session.is_catching_up();
            session.follow(NOW, &self.tail, taker, &mut out);
            catching_up &= session.is_catching_up();
        }
        let due = self.clients[who].due;
        self.clients[who].hear(who, self.stored.is_some());
        if catching_up {
            self.parked += due - self.clients[who].due;
        }
        self.take(who, out);
    }

    fn settle(&mut self) {
        for _ in 0..6 {
            for who in 0..CLIENTS {
                if self.clients[who].member {
                    self.come(who, true);
                }
            }
            self.order();
            for who in 0..CLIENTS {
                self.follow(who, usize::MAX);
                while self.clients[who].read.is_some() {
                    self.read(who);
                    self.follow(who, usize::MAX);
                }
            }
        }
    }
}

impl Client {
    /// Reads what came: every delivery names the one before.
    fn hear(&mut self, who: usize, strict: bool) {
        let Some((_, taker)) = &mut self.live else {
            return;
        };
        for line in std::mem::take(&mut taker.lines) {
            if let Some((_, after)) = line.split_once(" after ") {
                let after: u64 = after.parse().unwrap();
                assert!(after >= self.cursor, "{line} comes behind {}", self.cursor);
                self.events += 1;
            }
            if let Some((_, resumed)) = line.split_once("resumed ") {
                let (resumed, gap) = resumed.split_once(", gap ").unwrap();
                let resumed = resumed.parse().unwrap();
                if gap == "true" {
                    self.gaps.push((self.cursor.min(resumed), resumed));
                }
                self.cursor = resumed;
            } else if line.starts_with("bulk ") {
                self.texts_due -= 1;
            } else if let Some((message, prev)) = line.split_once(" (prev ") {
                self.texts_due += u32::from(line.contains(": text of "));
                let stamp: u64 = message.split(' ').next().unwrap().parse().unwrap();
                let prev: u64 = prev.trim_end_matches(')').parse().unwrap();
                assert_eq!(prev, self.cursor, "in {line}");
                assert!(stamp > prev);
                assert!(!strict || stamp > self.committed, "{line} comes too late");
                self.cursor = stamp;
                if self.heard.last().is_none_or(|last| *last < stamp) {
                    self.heard.push(stamp);
                } else {
                    assert!(self.heard.contains(&stamp), "{stamp} was left out before");
                }
            } else if let Some((_, stamp)) = line.split_once(" at ") {
                self.due -= 1;
                self.committed = stamp.parse().unwrap();
                let in_place = self.committed > self.cursor;
                assert!(!strict || in_place, "{line} comes behind {}", self.cursor);
            } else if let Some(message) = line.strip_prefix("history ") {
                self.texts_due += u32::from(line.contains(": text of "));
                let (stamp, _) = message.split_once(' ').unwrap();
                self.shown.push(stamp.parse().unwrap());
            } else if line.starts_with("History") {
                self.shown_end = Some(line);
            } else if line.starts_with(&format!("client{who} joined #"))
                || line.starts_with(&format!("client{who} left #"))
            {
                self.due -= 1;
            }
        }
    }
}

fn run(acts: &[(u8, u8, u8)], tail_items: usize, store: bool) -> World {
    let mut world = World::new(tail_items, store);
    for (who, what, how) in acts {
        world.act(usize::from(*who) % CLIENTS, what % 28, *how);
    }
    world.settle();
    world
}

fn acts() -> impl Strategy<Value = Vec<(u8, u8, u8)>> {
    prop::collection::vec(any::<(u8, u8, u8)>(), 0..600)
}

/// The properties below say something only where these happen.
#[test]
fn sessions_fall_off_the_tail_and_catch_up_and_are_answered_meanwhile() {
    let mut runner = TestRunner::deterministic();
    let (mut fallen, mut parked, mut too_slow, mut events) = (0, 0, 0, 0);
    for tail_items in 1..100 {
        let acts = acts().new_tree(&mut runner).unwrap().current();
        let world = run(&acts, tail_items % 20, true);
        fallen += world.fallen;
        parked += world.parked;
        events += world
            .clients
            .iter()
            .map(|client| client.events)
            .sum::<u32>();
        too_slow += world
            .clients
            .iter()
            .map(|client| client.ends.len())
            .sum::<usize>();
    }
    assert!(events > 500, "{events} events");
    println!("fallen {fallen}, parked {parked}, too slow {too_slow}");
    assert!(fallen > 50 && parked > 50 && too_slow > 50);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn everybody_hears_what_is_meant_for_them(acts in acts()) {
        for client in run(&acts, usize::MAX, false).clients {
            prop_assert_eq!(client.heard, client.expected);
            prop_assert_eq!(client.texts_due, 0);
        }
    }

    #[test]
    fn what_a_small_tail_loses_is_said(acts in acts()) {
        for client in run(&acts, 24, false).clients {
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

    #[test]
    fn with_a_store_nothing_is_lost_however_small_the_tail(acts in acts(), tail_items in 1_usize..40) {
        for (who, client) in run(&acts, tail_items, true).clients.iter().enumerate() {
            prop_assert_eq!(&client.heard, &client.expected, "client {}", who);
            prop_assert_eq!(&client.gaps, &vec![]);
            prop_assert_eq!((client.due, client.texts_due), (0, 0));
            prop_assert!(client.ends.iter().all(|end| end.starts_with("TooSlow")), "{:?}", client.ends);
        }
    }

    #[test]
    fn history_shows_ones_own_what_one_received_and_what_was_for_all(acts in acts()) {
        let world = run(&acts, 20, true);
        let Some((order, stored)) = &world.stored else {
            return Ok(());
        };
        for (who, client) in world.clients.iter().enumerate() {
            let author = hello(who as u8 + 1, 1).author;
            let Some(member) = order.member_of(&author) else {
                continue;
            };
            // Said before its time to all: seen. Received by others alone: not.
            let stays = stored.clone().stays(member).unwrap();
            let joined = stored.since(member);
            let by = Asker { member, since: joined };
            let history = History::asked(Lamport::ZERO, 1_000);
            let wanted = Wanted::History(Box::new(history));
            let (ReadAnswer::Parts(parts), _) = stored.answer(ReadAsk { by, wanted }) else {
                panic!("history is a whole answer");
            };
            let shown: Vec<u64> = parts[..parts.len() - 1]
                .iter()
                .map(|part| match codec::decode(&[part.body.bytes(), &[0; 8]].concat()) {
                    Ok(ToClient::Message(message)) => message.stamp.get(),
                    other => panic!("{other:?}"),
                })
                .collect();
            let seen = [&world.said_to_all[..], &client.own, &client.expected].concat();
            let seen: Vec<u64> = BTreeSet::from_iter(seen).into_iter().collect();
            prop_assert_eq!(shown, seen, "client {} with {:?}", who, stays);
        }
    }

    #[test]
    fn newcomers_are_shown_what_was_said_to_all(acts in acts(), tail_items in 1_usize..40) {
        for client in run(&acts, tail_items, true).clients {
            let count = client.earlier.len().min(NEWCOMER_MESSAGES_MAX as usize);
            let newest = &client.earlier[client.earlier.len() - count..];
            let Some(end) = &client.shown_end else {
                // Its first session ended before.
                prop_assert!(newest.starts_with(&client.shown));
                continue;
            };
            prop_assert_eq!(&client.shown, newest);
            let more = client.earlier.len() > count;
            prop_assert_eq!(end, &format!("History {{ count: {count}, more: {more} }}"));
        }
    }
}
