//! What is final.

use super::*;

#[test]
fn the_last_words_give_no_advice_that_nobody_can_follow() {
    let mut script = Script::with(|config| config.reconnect = false);
    script.enter(LOG, 5, 0, 0);
    let text = "the server is closing: connect again in a while".to_owned();
    let code = CloseCode::ShuttingDown as u16;
    script.input("closed", Input::Closed(CloseReason::ByPeer { code, text }));
    assert!(!script.wrote.contains("in a while"), "{}", script.wrote);
    let last = "the server is closing; this client was asked not to connect again";
    assert!(script.wrote.contains(last), "{}", script.wrote);

    let mut script = Script::new();
    script.input("start", Input::Start);
    let (log, clock) = (LOG, Lamport::ZERO);
    script.input(
        "opened",
        Input::Opened(Welcome {
            log,
            term: Term(1),
            clock,
            pace: Pace::default(),
        }),
    );
    let text = "ana is taken: choose another name, with /nick NAME or --name NAME".to_owned();
    let code = CloseCode::Nick as u16;
    script.input("closed", Input::Closed(CloseReason::ByPeer { code, text }));
    let last = "choose another name, with --name NAME}";
    assert!(script.wrote.contains(last), "{}", script.wrote);
}

#[test]
fn taken_over_is_the_end() {
    let mut script = Script::live();
    script.say("a");
    script.closed_by_peer(CloseCode::TakenOver);
    script.tick(60_000);
    script.check(
        "> say a: 1
         < say a 100/1 clock=6 seen=0
         > closed
         {disconnected,reason:a newer session of the same profile has taken over; close it, or use `--profile` to be somebody else,retry_ms:null}
         {error,code:taken-over,text:a newer session of the same profile has taken over; close it, or use `--profile` to be somebody else}
         {closed,sent:1,committed:0,pending:1,refused:0}
         > after 60000 ms",
    );
}

#[test]
fn no_server_at_first_is_the_end_unless_told_otherwise() {
    let mut script = Script::new();
    script.input("start", Input::Start);
    let text = || "nothing listens".to_owned();
    script.input("failed", Input::ConnectFailed { text: text() });
    script.check(
        "> start
         connect epoch=100 session=101 log=0 cursor=0
         > failed
         {error,code:cannot-reach,text:nothing listens}
         {closed,sent:0,committed:0,pending:0,refused:0}",
    );
    let mut script = Script::with(|config| {
        config.retry_first = true;
        config.give_up_after = Some(Duration::from_secs(1));
    });
    script.input("start", Input::Start);
    script.say("a");
    script.input("failed", Input::ConnectFailed { text: text() });
    script.tick(1_000);
    script.check(
        "> start
         connect epoch=100 session=101 log=0 cursor=0
         > say a: 1
         > failed
         {disconnected,reason:nothing listens,retry_ms:168}
         > after 1000 ms
         connect epoch=100 session=1000100 log=0 cursor=0
         drop
         {error,code:gave-up,text:no connection to host:1 for 1 s}
         {closed,sent:1,committed:0,pending:1,refused:0}",
    );
}

#[test]
fn a_name_that_cannot_be_had() {
    let mut script = Script::new();
    script.input("start", Input::Start);
    script.input(
        "opened",
        Input::Opened(Welcome {
            log: LOG,
            term: Term(1),
            clock: Lamport::ZERO,
            pace: Pace::default(),
        }),
    );
    script.closed_by_peer(CloseCode::Nick);
    script.check(
        "> start
         connect epoch=100 session=101 log=0 cursor=0
         > opened
         < nick ana
         > closed
         {error,code:nick-taken,text:words}
         {closed,sent:0,committed:0,pending:0,refused:0}",
    );
}

#[test]
fn faults_end_it_after_a_few_attempts() {
    let mut script = Script::live();
    for _ in 0..FAULTS_MAX {
        let (kind, body) = (FrameType::Data, Bytes::from_static(&[99]));
        script.input("nonsense", Input::Received { kind, body });
        script.tick(10_000);
        script.enter(LOG, 5, 0, 0);
    }
    script.wrote.clear();
    let (kind, body) = (FrameType::Data, Bytes::from_static(&[99]));
    script.input("nonsense", Input::Received { kind, body });
    assert!(
        script.wrote.contains("{error,code:failed"),
        "{}",
        script.wrote
    );
    assert!(script.wrote.contains("{closed,"), "{}", script.wrote);
}

#[test]
fn a_full_disk_is_said_to_a_newcomer_and_waited_for_by_who_was_there() {
    let mut script = Script::new();
    script.input("start", Input::Start);
    let (log, term, clock) = (LOG, Term(1), Lamport::ZERO);
    script.input(
        "opened",
        Input::Opened(Welcome {
            log,
            term,
            clock,
            pace: Pace::default(),
        }),
    );
    script.closed_by_peer(CloseCode::StorageFull);
    let told = "{error,code:storage-full,text:words}";
    assert!(script.wrote.contains(told), "{}", script.wrote);
    assert!(!script.wrote.contains("cannot-reach"), "{}", script.wrote);
    let mut script = Script::live();
    script.closed_by_peer(CloseCode::StorageFull);
    assert!(
        script
            .wrote
            .contains("{disconnected,reason:words,retry_ms:"),
        "{}",
        script.wrote
    );
}

/// A word in clear before any proof, from wherever it comes.
fn unproven(code: CloseCode) -> Input {
    Input::Closed(CloseReason::Unproven {
        code: code.number(),
        text: "words".to_owned(),
    })
}

#[test]
fn nothing_unproven_keeps_away_who_has_been_in() {
    for code in CloseCode::ALL {
        let mut script = Script::live();
        script.eof();
        script.tick(60_000);
        script.input("closed", unproven(code));
        assert!(!script.wrote.contains("{closed"), "{}", script.wrote);
        let words = "reason:no sealed link came about: words";
        assert!(script.wrote.contains(words), "{}", script.wrote);
    }
}

#[test]
fn at_first_what_is_unproven_is_an_attempt_that_failed() {
    let ends = |code| {
        let mut script = Script::new();
        script.input("start", Input::Start);
        script.input("closed", unproven(code));
        script.wrote
    };
    assert!(ends(CloseCode::ClearOnly).contains("{error,code:clear-only,text:words}"));
    assert!(ends(CloseCode::TakenOver).contains("{error,code:cannot-reach,text:words}"));
    assert!(ends(CloseCode::Nick).contains("{error,code:cannot-reach,text:words}"));
    assert!(ends(CloseCode::Damaged).contains("{disconnected"));
}

#[test]
fn a_server_that_is_not_the_one_meant_is_the_end() {
    let mut script = Script::live();
    script.eof();
    script.tick(60_000);
    let (code, text) = ("server-key", "another key".to_owned());
    script.input("proven", Input::Unwanted { code, text });
    let last = "{error,code:server-key,text:another key}";
    assert!(script.wrote.contains(last), "{}", script.wrote);
    assert!(script.wrote.contains("{closed"), "{}", script.wrote);
}
