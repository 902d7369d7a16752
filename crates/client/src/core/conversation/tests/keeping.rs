//! With a disk: what is stored, what waits for it, and what follows when it says no.

use super::*;
use crate::core::testing::submit;

const FRESH: State = State::new(Epoch(100));

fn live() -> Script {
    let mut script = Script::kept(FRESH);
    script.enter(LOG, 5, 0, 0);
    script.stored(1);
    script.wrote.clear();
    script
}

/// What an earlier run left: one message that was sent, and one that was not.
fn left() -> State {
    let kept = |text: &str, pseq, tried| {
        let mut submit = submit(text, pseq);
        (submit.epoch, submit.pseq) = (Epoch(90), Pseq(pseq));
        let given = MessageName {
            epoch: Epoch(90),
            pseq: Pseq(pseq),
        };
        Kept {
            given,
            submit,
            tried,
        }
    };
    State {
        epoch: Epoch(90),
        last: Pseq(8),
        place: Place {
            log: LOG,
            term: Term(4),
            shown: Lamport::new(30),
            highest: Lamport::new(30),
        },
        elsewhere: Vec::new(),
        messages: vec![kept("a", 7, true), kept("b", 8, false)],
    }
}

#[test]
fn nothing_is_sent_before_it_is_stored() {
    let mut script = live();
    script.say("a");
    script.say("b");
    script.stored(2);
    script.commit(100, 1, 7);
    script.stored(4);
    script.check(
        "> say a: 1
         store 2 said a@100/1 tried
         > say b: 2
         store 3 said b@100/2 tried
         > stored 2
         {queued,epoch:100,pseq:1,number:1}
         < say a 100/1 clock=6 seen=0
         > Committed
         {committed,epoch:100,pseq:1,stamp:7,text:a}
         store 4 settled 100/1
         > stored 4
         {queued,epoch:100,pseq:2,number:2}
         < say b 100/2 clock=7 seen=0",
    );
}

#[test]
fn what_an_earlier_run_left_goes_first_and_counts() {
    let mut script = Script::kept(left());
    script.input("start", Input::Start);
    script.say("c");
    script.enter_with(LOG, 40, 7, 30, |term, _, _| *term = Term(5));
    // What waits for the disk: that these may be gone from now on.
    script.stored(2);
    script.commit(90, 7, 31);
    script.commit(90, 8, 41);
    script.check(
        "> start
         connect epoch=90 session=101 log=1 cursor=30 term=4
         > say c: 9
         store 1 said c@90/9
         > opened
         < nick ana
         > Entered
         {connected,server:host:1,as:ana,stamp:40,member:3,log:01010101010101010101010101010101}
         store 2 tried
         store 3 place log=1 term=5 30
         < say a 90/7 clock=7 seen=0
         > stored 2
         {queued,epoch:90,pseq:9,number:3}
         < say b 90/8 clock=8 seen=0
         < say c 90/9 clock=31 seen=30
         > Committed
         {committed,epoch:90,pseq:7,stamp:31,text:a}
         store 4 settled 90/7
         > Committed
         {committed,epoch:90,pseq:8,stamp:41,text:b}
         store 5 settled 90/8",
    );
    let Summary {
        sent,
        committed,
        pending,
        ..
    } = script.machine.summary();
    assert_eq!((sent, committed, pending), (3, 2, 1));
}

#[test]
fn only_what_never_went_out_can_be_cancelled_and_what_is_behind_it_moves_up() {
    let mut script = Script::kept(left());
    script.input("start", Input::Start);
    script.say("c");
    script.stored(1);
    script.wrote.clear();
    script.cancel(Cancel::One(1));
    script.cancel(Cancel::One(2));
    script.stored(2);
    script.say("d");
    script.check(
        "> One(1): Err(TooLate)
         > One(2): Ok(CancelReport { cancelled: 1, too_late: 0 })
         store 2 whole 90/8 log=1 30: a@90/7 tried, c@90/8
         > stored 2
         {cancelled,epoch:90,pseq:8,number:2}
         {requeued,epoch:90,pseq:8,was:{epoch:90,pseq:9}}
         > say d: 9
         store 3 said d@90/9",
    );
    assert_eq!(script.machine.summary().sent, 3);
}

/// What had been committed before is known by the clocks that wait, and by nothing else.
#[test]
fn a_cancellation_without_a_connection_takes_no_clock_back() {
    let mut state = left();
    state.place.shown = Lamport::new(2);
    let mut script = Script::kept(state);
    script.input("start", Input::Start);
    script.say("c");
    script.cancel(Cancel::One(2));
    script.enter_with(LOG, 40, 6, 2, |term, _, _| *term = Term(5));
    script.stored(9);
    for line in ["< say a 90/7 clock=7", "< say c 90/8 clock=9"] {
        assert!(script.wrote.contains(line), "{}", script.wrote);
    }
}

#[test]
fn leaving_waits_until_a_cancellation_is_stored() {
    let mut script = Script::kept(FRESH);
    script.input("start", Input::Start);
    script.say("a");
    script.cancel(Cancel::All);
    script.wrote.clear();
    script.close();
    script.stored(2);
    assert!(
        script
            .wrote
            .contains("{cancelled,epoch:100,pseq:1,number:1}"),
        "{}",
        script.wrote
    );
    assert!(script.wrote.contains("{closed,sent:0"), "{}", script.wrote);
    let order = script.wrote.find("cancelled") < script.wrote.find("closed");
    assert!(order, "{}", script.wrote);
}

#[test]
fn a_disk_that_says_no_is_told_and_nothing_is_lost_silently() {
    let failed = |script: &mut Script, ticket| {
        let text = "full".to_owned();
        script.input("failed", Input::StoreFailed { ticket, text });
    };
    let mut script = live();
    script.eof();
    script.say("a");
    script.stored(2);
    script.wrote.clear();
    script.say("b");
    failed(&mut script, 3);
    // A change that was given before the failure was known fails too: that is known.
    failed(&mut script, 4);
    script.say("c");
    failed(&mut script, 4);
    script.tick(1_000);
    script.stored(5);
    script.say("d");
    script.check(
        "> say b: 2
         store 3 said b@100/2
         > failed
         {error,code:outbox,text:full; this was not sent, say it again,epoch:100,pseq:2}
         > failed
         > say c: 2
         store 4 whole 100/2 log=1 0: a@100/1, c@100/2
         > failed
         {error,code:outbox,text:full; this was not sent, say it again,epoch:100,pseq:2}
         > after 1000 ms
         connect epoch=100 session=1000100 log=1 cursor=0
         store 5 whole 100/1 log=1 0: a@100/1
         > stored 5
         > say d: 2
         store 6 said d@100/2",
    );
    let summary = script.machine.summary();
    assert_eq!((summary.sent, summary.refused, summary.pending), (4, 2, 2));
}

#[test]
fn a_newer_client_has_the_outbox_and_this_one_ends() {
    let mut script = live();
    script.say("a");
    script.stored(2);
    script.say("b");
    script.wrote.clear();
    script.input("taken", Input::StoreTaken);
    script.say("c");
    let wrote = &script.wrote;
    assert!(
        wrote.contains("{error,code:outbox,text:a newer client"),
        "{wrote}"
    );
    assert!(wrote.contains("{error,code:taken-over,"), "{wrote}");
    assert!(
        wrote.contains("{closed,sent:2,committed:0,pending:1,refused:1}"),
        "{wrote}"
    );
    assert!(!wrote.contains("store"), "{wrote}");
}

#[test]
fn the_place_follows_what_was_written_and_not_what_came() {
    let mut script = live();
    script.deliver(0, 6);
    script.deliver(6, 8);
    script.handed(8);
    script.wrote.clear();
    let written = |script: &mut Script, upto| {
        let (log, upto) = (LOG, Lamport::new(upto));
        script.input("written", Input::Written { log, upto });
    };
    script.tick(100);
    written(&mut script, 6);
    script.stored(2);
    written(&mut script, 8);
    script.tick(100);
    script.check(
        "> after 100 ms
         > written
         store 2 place log=1 term=1 6
         > stored 2
         > written
         > after 100 ms
         store 3 place log=1 term=1 8",
    );
    // The connection is lost with a message on its way to the screen: it is not taken for read.
    script.stored(3);
    script.deliver(8, 9);
    script.eof();
    script.tick(250);
    script.wrote.clear();
    script.enter(LOG, 9, 0, 9);
    assert!(!script.wrote.contains("store"), "{}", script.wrote);
}

#[test]
fn a_full_server_refuses_some_and_the_others_go_by_other_names() {
    let mut script = live();
    for text in ["a", "b", "c"] {
        script.say(text);
    }
    script.stored(4);
    script.wrote.clear();
    script.refuse(1, RefusalCode::StorageFull);
    script.say("d");
    script.refuse(2, RefusalCode::StorageFull);
    script.refuse(3, RefusalCode::Gap);
    script.stored(8);
    script.check(
        "> Refused
         {error,code:storage-full,text:why,epoch:100,pseq:1}
         store 5 settled 100/1
         > say d: 4
         store 6 said d@100/4 tried
         > Refused
         {error,code:storage-full,text:why,epoch:100,pseq:2}
         store 7 settled 100/2
         > Refused
         store 8 whole 101/2 log=1 0: c@101/1 tried, d@101/2 tried
         > stored 8
         {queued,epoch:100,pseq:4,number:4}
         < say c 101/1 clock=6 seen=0
         < say d 101/2 clock=7 seen=0",
    );
    script.wrote.clear();
    // Late answers to old names change nothing; the new names are told with the old ones.
    script.refuse(3, RefusalCode::Gap);
    script.commit(101, 1, 6);
    script.check(
        "> Refused
         > Committed
         {committed,epoch:101,pseq:1,stamp:6,was:{epoch:100,pseq:3},text:c}
         store 9 settled 101/1",
    );
}

#[test]
fn a_connection_lost_while_the_server_is_full_names_the_rest_anew() {
    let mut script = live();
    script.say("a");
    script.say("b");
    script.stored(3);
    script.refuse(1, RefusalCode::StorageFull);
    script.eof();
    script.wrote.clear();
    script.tick(250);
    script.enter(LOG, 5, 0, 0);
    script.stored(5);
    let wrote = &script.wrote;
    assert!(
        wrote.contains("store 5 whole 250100/1 log=1 0: b@250100/1"),
        "{wrote}"
    );
    assert!(!wrote.contains("b@100/"), "{wrote}");
}

#[test]
fn a_copy_of_the_outbox_that_was_used_elsewhere_takes_no_message_of_ours() {
    let mut script = Script::kept(left());
    script.input("start", Input::Start);
    script.say("c");
    script.wrote.clear();
    // The server has settled 7 to 20; here 7 may have been sent, 8 and 9 never were.
    script.enter(LOG, 40, 20, 30);
    script.stored(4);
    let wrote = &script.wrote;
    assert!(
        wrote.contains("{error,code:outbox,text:this outbox was restored"),
        "{wrote}"
    );
    for sent in ["< say a 90/7 ", "< say b 90/21 ", "< say c 90/22 "] {
        assert!(wrote.contains(sent), "{wrote}");
    }
    let requeued = "{requeued,epoch:90,pseq:21,was:{epoch:90,pseq:8}}";
    assert!(wrote.contains(requeued), "{wrote}");
}

#[test]
fn what_is_queued_for_one_log_goes_to_no_other_by_itself() {
    let mut script = Script::kept(left());
    script.enter_with(OTHER_LOG, 7, 0, 0, |_, _, _| {});
    script.check(
        "> start
         connect epoch=90 session=101 log=1 cursor=30 term=4
         > opened
         switch log=2 epoch=101
         {new_log,log:02020202020202020202020202020202,epoch:101,again:0,kept:2}
         drop
         connect epoch=101 session=102 log=2 cursor=0
         > Entered",
    );
    script.wrote.clear();
    script.enter(OTHER_LOG, 7, 0, 0);
    script.say("new");
    script.stored(9);
    script.commit(101, 1, 8);
    assert!(!script.wrote.contains("say a"), "{}", script.wrote);
    let status = script.machine.status(script.now);
    assert_eq!((status.elsewhere_total, status.pending_here), (2, 0));
    let Summary {
        sent,
        committed,
        pending,
        ..
    } = script.machine.summary();
    assert_eq!(
        (sent, committed, pending),
        (3, 1, 2),
        "left behind, not lost"
    );
    // Its author says so: they go here, each once, in place of those that they were.
    script.wrote.clear();
    assert_eq!(script.machine.adopt(), Ok((2, 0)));
    script.quietly(Input::Tick);
    script.stored(20);
    assert!(
        script
            .wrote
            .contains("adopted 1/7, 1/8: a@101/2 tried, b@101/3 tried"),
        "{}",
        script.wrote
    );
    assert!(
        script.wrote.contains("< say a 101/2 clock=9"),
        "{}",
        script.wrote
    );
    script.commit(101, 2, 10);
    assert!(
        script
            .wrote
            .contains("{committed,epoch:101,pseq:2,stamp:10,was:{epoch:90,pseq:7},text:a}"),
        "{}",
        script.wrote
    );
    assert_eq!(script.machine.summary().pending, 1);
    assert_eq!(script.machine.forget_elsewhere(), Ok(0));
}

#[test]
fn another_address_of_a_known_log_has_its_outbox() {
    let mut script = Script::kept(FRESH);
    script.input("start", Input::Start);
    script.say("typed before");
    let (log, term, clock) = (LOG, Term(1), Lamport::new(40));
    let mut out = Vec::new();
    let opened = Input::Opened(Welcome {
        log,
        term,
        clock,
        pace: Pace::default(),
    });
    script.machine.handle(script.now, opened, &mut out);
    let switch = |output: &Output| matches!(output, Output::Switch { log: LOG, .. });
    assert!(out.iter().any(switch), "{out:?}");
    // The disk knows the log from elsewhere, and has put the new message behind what is there.
    let mut known = left();
    let mut moved = known.messages[1].clone();
    moved.given = MessageName {
        epoch: Epoch(100),
        pseq: Pseq(1),
    };
    moved.submit.pseq = Pseq(9);
    moved.submit.text = "typed before".to_owned();
    (known.last, known.messages) = (Pseq(9), [known.messages, vec![moved]].concat());
    script.wrote.clear();
    script.input("switched", Input::Switched(Ok(known)));
    script.check(
        "> switched
         {queued,epoch:100,pseq:1,number:1}
         drop
         connect epoch=90 session=102 log=1 cursor=30 term=4",
    );
    script.wrote.clear();
    script.enter(LOG, 40, 7, 30);
    script.stored(9);
    let said: Vec<_> = script
        .wrote
        .lines()
        .filter(|line| line.starts_with("< say"))
        .collect();
    assert_eq!(said.len(), 3, "{}", script.wrote);
    assert!(said[2].starts_with("< say typed before 90/9"), "{said:?}");
    let numbers: Vec<_> = script
        .machine
        .status(script.now)
        .queue
        .iter()
        .map(|line| line.number)
        .collect();
    assert_eq!(numbers, [2, 3, 1]);
    assert_eq!(script.machine.summary().sent, 3);
}
