//! One session and its store, step by step: what it reads and when, what it does where reading
//! fails, and what becomes of notes that the tail lost.

mod parted;

use lamparina_order::Sequenced;
use lamparina_protocol::control::Hello;
use lamparina_protocol::frame::FrameType;
use lamparina_protocol::link::{Event, Input as LinkInput, Repair, Terms};
use lamparina_protocol::message::{MESSAGE_BYTES_MAX, QUESTIONS_MAX, SetNick, ToServer};
use lamparina_protocol::{Audience, Instant, Lamport, codec};

use crate::hub::{Ask, Asked, Hub};
use crate::reading::testing::Stored;
use crate::reading::{ReadAnswer, ReadAsk, Wanted};
use crate::session::{Act, Followed, Input, Output, Session};
use crate::tail::Tail;
use crate::testing::{LOG, Taker, ask, ask_over, config, enter, hello, nick, say};

const NOW: Instant = Instant::from_millis(1_000);

/// A session of ana (member 1) beside bob (member 0), who says much; a tail of five items.
struct Stage {
    session: Session,
    taker: Taker,
    hub: Hub,
    tail: Tail,
    order: Sequenced,
    stored: Stored,
    /// What the session is reading.
    read: Option<ReadAsk>,
    /// What it asked of the order, not yet ordered.
    asked: Vec<Asked>,
    acts: Vec<Act>,
    said: u64,
    /// Ana's link speaks the BULK lane.
    bulk: bool,
}

impl Stage {
    fn new() -> Self {
        let mut stage = Self {
            session: Session::new(config(1, true)),
            taker: Taker::new(),
            hub: Hub::default(),
            tail: Tail::new(usize::MAX, 5),
            order: Sequenced::default(),
            stored: Stored::default(),
            read: None,
            asked: Vec::new(),
            acts: Vec::new(),
            said: 0,
            bulk: false,
        };
        stage.order(vec![ask(9, enter("bob"))]);
        stage
    }

    /// The same when ana has entered.
    fn live(hello: &Hello) -> Self {
        let mut stage = Self::new();
        stage.enter(hello);
        stage
    }

    fn enter(&mut self, hello: &Hello) {
        let terms = Terms {
            version: 1,
            fragment_bytes: 8_180,
            window_frames: 64,
            window_bytes: 1 << 20,
            repair: Repair::SelectiveRepeat,
            message_bytes_max: MESSAGE_BYTES_MAX as u32,
            bulk: self.bulk,
        };
        let (words, peer) = (hello.to_bytes(), None);
        self.input(Input::Link(Event::Asked { terms }));
        self.input(Input::Link(Event::Opened { terms, words, peer }));
        self.give(FrameType::SetNick, &SetNick { nick: nick("ana") });
        self.order(Vec::new());
        self.follow();
    }

    fn give<T: serde::Serialize>(&mut self, kind: FrameType, message: &T) {
        let body = codec::encode(message).unwrap();
        self.input(Input::Link(Event::Received { kind, body }));
    }

    fn input(&mut self, input: Input) {
        let mut out = Output::default();
        self.session.handle(NOW, input, &mut out);
        self.took(out);
    }

    fn follow(&mut self) -> Followed {
        let mut out = Output::default();
        let followed = self
            .session
            .follow(NOW, &self.tail, &mut self.taker, &mut out);
        self.took(out);
        followed
    }

    fn took(&mut self, out: Output) {
        self.asked.extend(out.asked);
        self.acts.extend(out.acts);
        if out.read.is_some() {
            assert!(self.read.is_none(), "one at a time");
            self.read = out.read;
        }
    }

    /// Orders what others ask, then what the session asked.
    fn order(&mut self, mut asked: Vec<Asked>) {
        asked.append(&mut self.asked);
        let mut effects = Vec::new();
        for asked in &asked {
            if let Ask::Entry(entry) = &asked.ask
                && let Some(event) = self.order.apply_recorded(entry.clone(), &mut effects)
            {
                self.stored.push(self.order.last_stamp().get(), event);
            }
        }
        if let Some((batch, _)) = self.hub.apply_now(&mut asked) {
            let position = self.tail.push(batch);
            self.session.touched(position);
        }
    }

    /// Bob says so many things, each in a batch of its own.
    fn bob_says(&mut self, count: u64) {
        for _ in 0..count {
            self.said += 1;
            let said = ask(9, say(self.said, Audience::All, "x"));
            self.order(vec![said]);
        }
    }

    /// Reads what is to be read, and follows, until nothing is.
    fn read_all(&mut self) {
        while let Some(ask) = self.read.take() {
            let (answer, _) = self.stored.answer(ask);
            self.input(Input::Read(answer));
            self.follow();
        }
    }

    fn lines(&mut self) -> Vec<String> {
        std::mem::take(&mut self.taker.lines)
    }

    /// How the session ended, if it did.
    fn end(&self) -> String {
        let end = self.acts.iter().find_map(|act| match act {
            Act::Link(LinkInput::Abort { code, text }) => Some(format!("abort {code:?}: {text}")),
            Act::Link(LinkInput::Close { code, .. }) => Some(format!("close {code:?}")),
            _ => None,
        });
        end.unwrap_or_else(|| "alive".to_owned())
    }
}

/// Ana's session behind bob's `count` messages that its client does not read.
fn stalled(count: u64) -> Stage {
    let mut stage = Stage::live(&hello(1, 1));
    stage.lines();
    stage.taker.room = 0;
    stage.bob_says(count);
    assert_eq!(stage.follow(), Followed::Full);
    stage
}

#[test]
fn a_stalled_session_reads_only_when_its_client_does() {
    let mut stage = stalled(9);
    assert!(stage.session.is_catching_up());
    assert!(
        stage.read.is_none(),
        "nothing is read for a client that does not"
    );
    stage.order(Vec::new());
    stage.taker.room = 3;
    stage.follow();
    stage.read_all();
    assert_eq!(stage.follow(), Followed::Full);
    let expected = [
        "1 bob: x (prev 0)",
        "2 bob: x (prev 1)",
        "3 bob: x (prev 2)",
    ];
    assert_eq!(stage.lines(), expected);
    stage.taker.room = usize::MAX;
    stage.follow();
    stage.read_all();
    assert!(!stage.session.is_catching_up());
    let lines = stage.lines();
    assert_eq!((lines.len(), &*lines[5]), (6, "9 bob: x (prev 8)"));
    assert_eq!(stage.end(), "alive");
}

#[test]
fn an_answer_that_the_tail_may_have_lost_ends_the_session() {
    let mut stage = Stage::live(&hello(1, 1));
    stage.taker.room = 0;
    let message = crate::testing::submit(1, Audience::All, "mine");
    stage.give(FrameType::Data, &ToServer::Submit(message));
    stage.order(Vec::new());
    stage.bob_says(9);
    stage.follow();
    assert!(stage.end().starts_with("abort TooSlow"), "{}", stage.end());
}

#[test]
fn an_answer_during_catch_up_stands_in_its_place_and_comes_once() {
    let mut stage = stalled(9);
    let message = crate::testing::submit(1, Audience::All, "mine");
    stage.give(FrameType::Data, &ToServer::Submit(message));
    stage.order(Vec::new());
    stage.follow();
    stage.bob_says(9);
    stage.taker.room = usize::MAX;
    stage.follow();
    stage.read_all();
    let lines = stage.lines();
    assert_eq!(lines.len(), 19);
    let place = [
        "9 bob: x (prev 8)",
        "committed 1 at 10",
        "11 bob: x (prev 9)",
    ];
    assert_eq!(lines[8..11], place);
    assert_eq!(stage.end(), "alive");
}

#[test]
fn a_takeover_that_the_tail_lost_is_learned_by_asking() {
    let mut stage = Stage::live(&hello(1, 1));
    stage.taker.room = 0;
    stage.order(vec![ask_over(5, 1, 2, enter("ana"))]);
    stage.bob_says(9);
    stage.follow();
    assert_eq!(stage.end(), "alive");
    let asked: Vec<&Ask> = stage.asked.iter().map(|asked| &asked.ask).collect();
    assert!(matches!(asked[..], [Ask::Confirm { .. }]), "{asked:?}");
    stage.order(Vec::new());
    stage.follow();
    assert_eq!(stage.end(), "close TakenOver");
}

#[test]
fn a_session_that_is_its_members_goes_on_after_asking() {
    let mut stage = stalled(9);
    assert_eq!(stage.asked.len(), 1);
    stage.order(Vec::new());
    stage.follow();
    assert_eq!(stage.end(), "alive");
}

#[test]
fn the_servers_end_reaches_a_session_that_catches_up() {
    let mut stage = stalled(9);
    stage.input(Input::Shutdown);
    stage.order(Vec::new());
    stage.follow();
    assert_eq!(stage.end(), "close ShuttingDown");
    // And where the tail lost what says that everything is answered.
    let mut stage = stalled(3);
    stage.input(Input::Shutdown);
    stage.order(Vec::new());
    stage.bob_says(9);
    stage.follow();
    assert_eq!(stage.end(), "alive");
    stage.order(Vec::new());
    stage.follow();
    assert_eq!(stage.end(), "close ShuttingDown");
}

#[test]
fn a_returning_member_gets_all_that_it_missed() {
    let mut stage = Stage::live(&hello(1, 1));
    stage.bob_says(2);
    stage.follow();
    stage.order(vec![ask(1, lamparina_order::Action::Exit)]);
    stage.bob_says(30);
    stage.session = Session::new(config(1, true));
    stage.lines();
    let mut again = hello(1, 2);
    (again.log, again.cursor) = (LOG, Lamport::new(2));
    stage.enter(&again);
    stage.read_all();
    let lines = stage.lines();
    assert_eq!(lines[0], "entered ana, settled 0, resumed 2, gap false");
    assert_eq!((lines.len(), &*lines[1]), (31, "3 bob: x (prev 2)"));
    assert_eq!(lines[30], "32 bob: x (prev 31)");
}

#[test]
fn a_store_that_cannot_be_read_ends_a_catch_up_but_not_a_question() {
    let failed = || Input::Read(ReadAnswer::Failed("the disk is gone".to_owned()));
    let mut stage = stalled(9);
    stage.taker.room = usize::MAX;
    stage.follow();
    stage.input(failed());
    let end = stage.end();
    assert!(
        end.starts_with("abort Damaged") && end.contains("the disk is gone"),
        "{end}"
    );

    let mut stage = Stage::live(&hello(1, 1));
    stage.lines();
    stage.give(FrameType::Data, &trace(1));
    stage.follow();
    stage.input(failed());
    stage.follow();
    assert_eq!(stage.lines(), ["error not-allowed"]);
    assert_eq!(stage.end(), "alive");
}

fn trace(stamp: u64) -> ToServer {
    let stamp = Lamport::new(stamp);
    ToServer::Trace { stamp }
}

fn history(before: u64, count: u32) -> ToServer {
    let before = Lamport::new(before);
    ToServer::History { before, count }
}

#[test]
fn questions_are_answered_in_order_and_only_so_many_wait() {
    let mut stage = Stage::live(&hello(1, 1));
    stage.bob_says(2);
    stage.follow();
    stage.lines();
    // The first one is being answered.
    stage.give(FrameType::Data, &trace(77));
    stage.follow();
    for _ in 1..QUESTIONS_MAX {
        stage.give(FrameType::Data, &trace(77));
    }
    stage.give(FrameType::Data, &history(0, 1));
    stage.give(FrameType::Data, &trace(77));
    stage.follow();
    assert_eq!(stage.lines(), ["error limit"]);
    stage.read_all();
    let lines = stage.lines();
    assert_eq!(lines.len(), QUESTIONS_MAX + 2);
    assert!(
        lines[..QUESTIONS_MAX]
            .iter()
            .all(|line| line == "error not-found")
    );
    assert_eq!(lines[QUESTIONS_MAX], "history 2 bob: x");
}

#[test]
fn an_answer_counts_as_no_delivery() {
    let mut stage = Stage::live(&hello(1, 1));
    stage.bob_says(2);
    stage.follow();
    stage.lines();
    stage.give(FrameType::Data, &history(2, 5));
    stage.follow();
    stage.read_all();
    stage.bob_says(1);
    stage.follow();
    let expected = [
        "history 1 bob: x",
        "History { count: 1, more: false }",
        "3 bob: x (prev 2)",
    ];
    assert_eq!(stage.lines(), expected);
    let upto = Lamport::new(3);
    stage.give(FrameType::Data, &ToServer::Consumed { upto, count: 99 });
    let counts: Vec<u64> = stage
        .asked
        .iter()
        .filter_map(|asked| match asked.ask {
            Ask::Consumed { count, .. } => Some(count),
            _ => None,
        })
        .collect();
    assert_eq!(counts, [3]);
}

#[test]
fn what_cannot_be_asked_is_refused_in_words() {
    let find = |words: String, count| ToServer::Find {
        words,
        before: Lamport::ZERO,
        count,
    };
    for (question, expected) in [
        (history(0, 0), "error malformed"),
        (find("x".to_owned(), 0), "error malformed"),
        (find(" ".to_owned(), 1), "error empty-text"),
        (find("x".repeat(1_025), 1), "error too-long"),
    ] {
        let mut stage = Stage::live(&hello(1, 1));
        stage.lines();
        stage.give(FrameType::Data, &question);
        stage.follow();
        assert_eq!(stage.lines(), [expected]);
        assert!(stage.read.is_none());
    }
}

#[test]
fn pages_and_questions_take_turns() {
    let mut stage = stalled(9);
    stage.taker.room = usize::MAX;
    (0..3).for_each(|_| stage.give(FrameType::Data, &trace(77)));
    stage.follow();
    let mut order = String::new();
    while let Some(ask) = stage.read.take() {
        order.push(match ask.wanted {
            Wanted::Deliveries(_) => 'p',
            _ => 'q',
        });
        let (answer, _) = stage.stored.answer(ask);
        stage.input(Input::Read(answer));
        stage.follow();
    }
    assert!(order.starts_with("pq"), "{order}");
    assert_eq!(order.matches('q').count(), 3);
}

#[test]
fn a_store_that_lacks_what_the_order_said_ends_the_session() {
    let mut stage = stalled(9);
    stage.taker.room = usize::MAX;
    stage.stored = Stored::default();
    stage.follow();
    stage.read_all();
    assert!(stage.end().starts_with("abort Damaged"), "{}", stage.end());
}

#[test]
fn a_session_is_small() {
    use crate::session::machine::Live;
    let (session, live) = (size_of::<Session>(), size_of::<Live>());
    assert!(session <= 312 && live <= 216, "{session} and {live} bytes");
}
