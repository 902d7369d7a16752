//! What each question shows to whom, and that none takes more than a bounded turn.

use lamparina_order::{LogIndex, Record, Recorded, RoomId, To};
use lamparina_protocol::message::{RefusalCode, ToClient, WhyOrdered};
use lamparina_protocol::{Lamport, MemberId, codec};
use lamparina_store::{Chain, Found, ReadError, Stays};

use super::testing::{GATHERED_MAX, Stored, claimed, joined, left, message};
use super::*;
use crate::testing::line;

const LAB: To = To::Room(RoomId(0));

fn to(member: u32) -> To {
    To::Members(Arc::from([MemberId(member)]))
}

/// Members 0 to 3, the last one from stamp 7 on; member 2 is in the room from stamp 2 to 5.
fn stored() -> Stored {
    let stored = Stored::default();
    let events = [
        (0, claimed(0)),
        (0, claimed(1)),
        (0, claimed(2)),
        (0, joined(0, 0)),
        (0, joined(1, 0)),
        (1, message(0, To::All, "one for all")),
        (2, message(1, LAB, "two in the lab")),
        (2, joined(2, 0)),
        (3, message(0, LAB, "three in the lab")),
        (4, message(0, to(1), "four in private")),
        (5, message(1, LAB, "five in the lab")),
        (5, left(2, 0)),
        (6, message(0, LAB, "six in the lab")),
        (7, message(2, To::All, "seven for all")),
        (7, claimed(3)),
        (8, message(1, To::All, "eight for all")),
        (9, message(0, to(2), "nine in private")),
    ];
    events
        .into_iter()
        .for_each(|(stamp, event)| stored.push(stamp, event));
    stored
}

fn by(member: u32) -> Asker {
    let since = Lamport::new(if member == 3 { 7 } else { 0 });
    let member = MemberId(member);
    Asker { member, since }
}

fn ask(stored: &Stored, member: u32, wanted: Wanted) -> ReadAnswer {
    let by = by(member);
    stored.answer(ReadAsk { by, wanted }).0
}

/// What is said to the client.
fn lines(answer: ReadAnswer) -> Vec<String> {
    match answer {
        ReadAnswer::Parts(parts) => parts
            .iter()
            .map(|part| {
                let tail: &[u8] = part.tail.as_ref().map_or(&[], |tail| tail);
                line(part.kind, &[part.body.bytes(), tail].concat())
            })
            .collect(),
        ReadAnswer::Refused { code, text } => vec![format!("{}: {text}", code.name())],
        other => panic!("{other:?}"),
    }
}

fn said(answer: ReadAnswer) -> ToClient {
    match answer {
        ReadAnswer::Parts(parts) if parts.len() == 1 => {
            codec::decode(parts[0].body.bytes()).unwrap()
        }
        other => panic!("{other:?}"),
    }
}

/// All pages, as stamps.
fn delivered(stored: &Stored, member: u32, after: u64) -> Vec<u64> {
    let mut position = Position::Stamp(Lamport::new(after));
    let mut stamps = Vec::new();
    loop {
        let ReadAnswer::Page(page) = ask(stored, member, Wanted::Deliveries(position)) else {
            panic!("a page answers");
        };
        let some = page.messages.iter().map(|(stamp, _)| stamp.get());
        stamps.extend(some);
        assert!(page.upto >= page.messages.last().map_or(Lamport::ZERO, |last| last.0));
        if page.messages.is_empty() {
            assert_eq!(page.upto, Lamport::new(after.max(9)));
            return stamps;
        }
        position = page.next;
    }
}

#[test]
fn deliveries_are_what_was_addressed_to_a_member_and_all_of_it() {
    let stored = stored();
    assert_eq!(delivered(&stored, 0, 0), [2, 5, 7, 8]);
    assert_eq!(delivered(&stored, 1, 0), [1, 3, 4, 6, 7]);
    assert_eq!(delivered(&stored, 2, 0), [1, 3, 5, 8, 9]);
    assert_eq!(delivered(&stored, 3, 0), [8]);
    assert_eq!(delivered(&stored, 2, 3), [5, 8, 9]);
    assert_eq!(delivered(&stored, 2, 9), [0_u64; 0]);
}

#[test]
fn a_delivery_has_the_bytes_that_it_had_when_it_was_new() {
    let from = Wanted::Deliveries(Position::Stamp(Lamport::new(8)));
    let ReadAnswer::Page(page) = ask(&stored(), 2, from) else {
        panic!("a page answers");
    };
    let whole = [
        page.messages[0].1.bytes(),
        &Lamport::new(5).get().to_be_bytes(),
    ]
    .concat();
    let ToClient::Message(delivery) = codec::decode(&whole).unwrap() else {
        panic!("a delivery is a message");
    };
    assert_eq!(delivery.stamp, Lamport::new(9));
    assert_eq!(
        (delivery.history, delivery.prev.0),
        (false, Lamport::new(5))
    );
    assert_eq!(delivery.text, "nine in private");
}

#[test]
fn a_page_is_bounded_by_bytes_and_the_next_goes_on() {
    let stored = Stored::default();
    stored.push(0, claimed(0));
    stored.push(0, claimed(1));
    let text = "x".repeat(100_000);
    (1..=9).for_each(|stamp| stored.push(stamp, message(0, To::All, &text)));
    let from = Wanted::Deliveries(Position::Stamp(Lamport::ZERO));
    let ReadAnswer::Page(page) = ask(&stored, 1, from) else {
        panic!("a page answers");
    };
    // As a file is read: the one that would be too much waits for the next page.
    assert_eq!((page.messages.len(), page.upto), (1, Lamport::new(1)));
    assert_eq!(delivered(&stored, 1, 0), (1..=9).collect::<Vec<u64>>());
}

#[test]
fn history_shows_what_one_may_see_and_nothing_else() {
    let stored = stored();
    let history = |member, before, count| {
        let history = History::asked(Lamport::new(before), count);
        lines(ask(&stored, member, Wanted::History(Box::new(history))))
    };
    let expected = [
        "history 1 client0: one for all",
        "history 7 client2: seven for all",
        "history 8 client1: eight for all",
        "History { count: 3, more: false }",
    ];
    assert_eq!(history(3, 0, 9), expected);
    assert_eq!(history(3, 0, 3), expected);
    let expected = [
        "history 3 client0: three in the lab",
        "history 5 client1: five in the lab",
        "history 7 client2: seven for all",
        "History { count: 3, more: true }",
    ];
    assert_eq!(history(2, 8, 3), expected);
    assert_eq!(history(2, 1, 3), ["History { count: 0, more: false }"]);
}

#[test]
fn history_is_bounded_by_bytes_and_says_that_there_is_more() {
    let stored = Stored::default();
    stored.push(0, claimed(0));
    let text = "x".repeat(100_000);
    (1..=9).for_each(|stamp| stored.push(stamp, message(0, To::All, &text)));
    let asked = Wanted::History(Box::new(History::asked(Lamport::ZERO, 9)));
    let shown = lines(ask(&stored, 0, asked));
    assert!(shown[0].starts_with("history 8 "));
    assert_eq!(shown[2], "History { count: 2, more: true }");
    let newcomer = Wanted::History(Box::new(History::for_newcomer(Lamport::new(9))));
    let shown = lines(ask(&stored, 0, newcomer));
    assert!(
        shown[0].starts_with("history 9 "),
        "the newest is shown whatever its length"
    );
    assert_eq!(shown[1], "History { count: 1, more: true }");
}

#[test]
fn a_newcomer_is_shown_what_was_said_to_all_before() {
    let stored = stored();
    let wanted = |since| Wanted::History(Box::new(History::for_newcomer(Lamport::new(since))));
    let expected = [
        "history 1 client0: one for all",
        "history 7 client2: seven for all",
        "History { count: 2, more: false }",
    ];
    assert_eq!(lines(ask(&stored, 3, wanted(7))), expected);
    // Where there is nothing, nothing is said.
    assert_eq!(lines(ask(&stored, 3, wanted(0))), [""; 0]);
}

#[test]
fn a_search_finds_what_one_may_see() {
    let stored = stored();
    let find = |member, words: &str, count| {
        let words = words.to_owned();
        let before = Lamport::ZERO;
        let ToClient::Found { hits, more, upto } = said(ask(
            &stored,
            member,
            Wanted::Find {
                words,
                before,
                count,
            },
        )) else {
            panic!("a search is answered by what was found");
        };
        let stamps: Vec<u64> = hits.iter().map(|hit| hit.stamp.get()).collect();
        (stamps, more, upto.get())
    };
    assert_eq!(find(2, "in", 9), (vec![9, 5, 3], false, 9));
    assert_eq!(find(2, "in", 2), (vec![9, 5], true, 9));
    assert_eq!(find(3, "in", 9), (vec![], false, 9));
    assert_eq!(find(1, "four private", 9), (vec![4], false, 9));
}

#[test]
fn a_trace_counts_the_recipients_of_its_place() {
    let stored = stored();
    let trace = |member, stamp| {
        let tracing = Tracing::new(Lamport::new(stamp));
        match said(ask(&stored, member, Wanted::Trace(Box::new(tracing)))) {
            ToClient::Trace(trace) => {
                let marks = trace.marks.iter();
                let marks = marks.map(|mark| (mark.member.0, mark.consumed.get()));
                (trace.of, trace.delivered, marks.collect::<Vec<_>>())
            }
            other => panic!("{other:?}"),
        }
    };
    // Member 2 handed over everything up to 20, the odd ones nothing.
    assert_eq!(trace(0, 1), (2, 1, vec![(1, 0), (2, 20)]));
    assert_eq!(trace(1, 8), (3, 1, vec![(0, 0), (2, 20), (3, 0)]));
    assert_eq!(trace(1, 4), (1, 0, vec![(1, 0)]));
    assert_eq!(trace(1, 2), (1, 0, vec![(0, 0)]));
    assert_eq!(trace(2, 3), (2, 1, vec![(1, 0), (2, 20)]));
    assert_eq!(trace(0, 6), (1, 0, vec![(1, 0)]));
}

#[test]
fn a_message_that_one_may_not_see_is_as_if_there_were_none() {
    let stored = stored();
    let refused = |member, wanted| match ask(&stored, member, wanted) {
        ReadAnswer::Refused { code, text } => (code, text),
        other => panic!("{other:?}"),
    };
    let trace = |stamp| Wanted::Trace(Box::new(Tracing::new(Lamport::new(stamp))));
    let why = |a, b| Wanted::Why(Box::new(Asking::new(Lamport::new(a), Lamport::new(b))));
    let words = |stamp: u64| format!("there is no message {stamp} of yours or for you");
    for (member, wanted, stamp) in [
        (2, trace(4), 4),
        (2, trace(77), 77),
        // From before its time: shown as history, and not delivered.
        (3, trace(1), 1),
        (2, why(1, 4), 4),
        (2, why(6, 9), 6),
        (2, why(1, 77), 77),
    ] {
        assert_eq!(
            refused(member, wanted),
            (RefusalCode::NotFound, words(stamp))
        );
    }
    assert_eq!(refused(2, why(1, 1)).0, RefusalCode::Malformed);
}

/// A message of `member` that had seen everything up to `seen`.
fn seeing(member: u32, to: To, seen: u64) -> Recorded {
    match message(member, to, "x") {
        Recorded::Message(mut message) => {
            message.seen = Lamport::new(seen);
            Recorded::Message(message)
        }
        other => other,
    }
}

#[test]
fn why_shows_of_the_chain_what_one_may_see() {
    let stored = Stored::default();
    (0..4).for_each(|member| stored.push(0, claimed(member)));
    stored.push(1, seeing(0, To::All, 0));
    stored.push(2, seeing(1, to(2), 1));
    (3..=30).for_each(|stamp| stored.push(stamp, seeing(3, to(0), 0)));
    stored.push(31, seeing(2, To::All, 2));
    let why = |member, a, b| {
        let asking = Asking::new(Lamport::new(a), Lamport::new(b));
        match said(ask(&stored, member, Wanted::Why(Box::new(asking)))) {
            ToClient::Why {
                earlier,
                later,
                reason,
                chain,
                hidden,
                left_out: 0,
            } => {
                assert!(earlier < later && hidden.is_empty());
                let stamps = chain.iter().map(|link| link.stamp.get());
                (reason, stamps.collect::<Vec<u64>>())
            }
            other => panic!("{other:?}"),
        }
    };
    // Member 2 had seen message 1 itself.
    assert_eq!(why(3, 31, 1), (WhyOrdered::Seen, vec![1, 31]));
    assert_eq!(why(2, 2, 31), (WhyOrdered::Seen, vec![2, 31]));
    assert_eq!(why(0, 3, 9), (WhyOrdered::SameAuthor, vec![]));
    assert_eq!(why(0, 1, 30), (WhyOrdered::Concurrent, vec![]));
    // Over a message between others.
    let stored_too = Stored::default();
    (0..4).for_each(|member| stored_too.push(0, claimed(member)));
    stored_too.push(1, seeing(0, to(1), 0));
    stored_too.push(2, seeing(1, to(2), 1));
    stored_too.push(3, seeing(2, to(0), 2));
    let asking = || Wanted::Why(Box::new(Asking::new(Lamport::new(1), Lamport::new(3))));
    let (shown, hidden) = {
        let ToClient::Why {
            reason: WhyOrdered::Seen,
            chain,
            hidden,
            ..
        } = said(ask(&stored_too, 0, asking()))
        else {
            panic!("why is answered");
        };
        let stamps: Vec<u64> = chain.iter().map(|link| link.stamp.get()).collect();
        (stamps, hidden)
    };
    assert_eq!(
        (shown, hidden),
        (vec![1, 3], vec![Lamport::new(2)]),
        "no link is dropped unsaid"
    );
}

#[test]
fn a_long_search_takes_many_turns() {
    let stored = Stored::default();
    stored.push(0, claimed(0));
    stored.push(0, claimed(1));
    stored.push(1, message(0, To::All, "x"));
    (2..=1_000).for_each(|stamp| stored.push(stamp, message(1, To::All, "x")));
    let (by, wanted) = (by(1), Wanted::Deliveries(Position::Stamp(Lamport::new(1))));
    let (answer, turns) = stored.answer(ReadAsk { by, wanted });
    assert!(matches!(answer, ReadAnswer::Page(page) if page.upto == Lamport::new(1_000)));
    assert_eq!(turns, 999_usize.div_ceil(GATHERED_MAX) + 1);
}

/// A store of which nothing can be read.
struct Broken;

impl Reader for Broken {
    fn entries(&mut self, _: LogIndex, _: usize, _: usize) -> Read<Vec<Record>> {
        Err(broken())
    }
    fn entries_before(&mut self, _: LogIndex, _: usize, _: usize) -> Read<Vec<Record>> {
        Err(broken())
    }
    fn index_of(&mut self, _: Lamport) -> Read<LogIndex> {
        Err(broken())
    }
    fn message(&mut self, _: Lamport) -> Read<Option<(Record, Chain)>> {
        Err(broken())
    }
    fn stays(&mut self, _: MemberId) -> Read<Stays> {
        Err(broken())
    }
    fn positions(&mut self, _: &[MemberId]) -> Read<Vec<lamparina_store::Position>> {
        Err(broken())
    }
    fn find(
        &mut self,
        _: &str,
        _: Lamport,
        _: usize,
        _: usize,
        _: &dyn Fn(&Record) -> bool,
    ) -> Read<Found> {
        Err(broken())
    }
}

type Read<T> = Result<T, ReadError>;

fn broken() -> ReadError {
    ReadError::Failed("the disk is gone".to_owned())
}

fn wanted() -> [Wanted; 5] {
    let one = Lamport::new(1);
    [
        Wanted::Deliveries(Position::Stamp(one)),
        Wanted::History(Box::new(History::asked(one, 1))),
        Wanted::Find {
            words: "x".to_owned(),
            before: one,
            count: 1,
        },
        Wanted::Trace(Box::new(Tracing::new(one))),
        Wanted::Why(Box::new(Asking::new(one, Lamport::new(2)))),
    ]
}

#[test]
fn a_store_that_cannot_be_read_is_said_in_words() {
    for wanted in wanted() {
        let by = by(0);
        match answer(&mut Broken, &stored(), ReadAsk { by, wanted }) {
            Turn::Done(ReadAnswer::Failed(why)) => assert!(why.contains("the disk is gone")),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn threads_answer_many_at_a_time_and_end_with_the_last_who_may_ask() {
    let stored = stored();
    let directory: Arc<dyn Directory> = Arc::new(stored.clone());
    let readers: Vec<Box<dyn Reader>> = vec![Box::new(stored.clone()), Box::new(Broken)];
    let (readers, threads) = Readers::start(readers, &directory).unwrap();
    let mut asked = tokio::task::JoinSet::new();
    for connection in 0..2_000 {
        let wanted = wanted()[(connection / 2 % 5) as usize].clone();
        let (by, readers) = (by(0), readers.clone());
        asked.spawn(async move {
            let answer = readers.read(ConnectionId(connection), ReadAsk { by, wanted });
            (connection, answer.await)
        });
    }
    while let Some(done) = asked.join_next().await {
        let (connection, answer) = done.unwrap();
        let failed = matches!(answer, ReadAnswer::Failed(_));
        assert_eq!(failed, connection % 2 == 1);
    }
    drop(readers);
    threads
        .into_iter()
        .for_each(|thread| thread.join().unwrap());
}
