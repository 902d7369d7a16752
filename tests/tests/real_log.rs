//! `logs/server.log` and the subprocess that writes it.

use lamparina_protocol::{Audience, Nick};
use lamparina_tests::real::Server;
use lamparina_tests::real::light::Light;
use lamparina_tests::real::log::LogLine;
use lamparina_tests::real::order::number;
use lamparina_tests::real::process::{Signal, send_signal};

/// More lines than the logger's queue and pipe hold together.
const MORE_THAN_IT_HOLDS: u64 = 40_000;

fn of<'a>(log: &'a [LogLine], event: &'a str) -> impl Iterator<Item = &'a LogLine> {
    log.iter().filter(move |line| line.event == event)
}

fn dropped(log: &[LogLine]) -> u64 {
    of(log, "dropped").map(|line| line.number("count")).sum()
}

#[test]
fn one_event_a_line_with_the_fields_of_the_contract() {
    let mut server = Server::start();
    let mut ana = server.enter("ana");
    let [bob, carla] = ["bob", "carla"].map(|nick| server.enter(nick));
    ana.say("MULTICAST:bob,carla:a secret");
    bob.wait_text("a secret");
    let stamp = number(&carla.wait_text("a secret"), "stamp");
    carla.say("/nick carola");
    bob.wait_event("renamed");
    ana.say("MSG:nobody:x");
    ana.wait_event("error");
    assert_eq!(ana.leave(), 0);
    server.wait_log("consumed by bob", |log| {
        of(log, "consumed")
            .any(|line| line.field("by") == "bob")
            .then_some(())
    });
    server.wait_log("disconnected", |log| {
        of(log, "disconnected").next().map(|_| ())
    });
    assert_eq!(server.stop(), 0);

    let log = server.log();
    let produced = of(&log, "produced").next().unwrap();
    let fields = ["kind", "from", "to", "bytes"].map(|key| produced.field(key));
    assert_eq!(fields, ["multicast", "ana", "bob,carla", "8"]);
    assert_eq!(
        (produced.number("stamp"), produced.number("seen")),
        (stamp, 0)
    );
    let consumed = of(&log, "consumed")
        .find(|line| line.field("by") == "bob")
        .unwrap();
    assert_eq!(
        (consumed.number("upto"), consumed.number("count")),
        (stamp, 1)
    );
    let connected: Vec<&str> = of(&log, "connected")
        .map(|line| line.field("nick"))
        .collect();
    assert_eq!(connected, ["ana", "bob", "carla"]);
    let renamed = of(&log, "renamed").next().unwrap();
    assert_eq!(
        (renamed.field("from"), renamed.field("to")),
        ("carla", "carola")
    );
    let left = of(&log, "disconnected").next().unwrap();
    assert_eq!(left.field("nick"), "ana");
    assert!(!left.field("reason").is_empty());
    let whole: String = log.iter().map(|line| line.line.as_str()).collect();
    assert!(
        !whole.contains("secret"),
        "texts only where they were asked for"
    );
    assert!(log.iter().is_sorted_by(|a, b| a.time <= b.time));
}

#[test]
fn every_message_handed_over_is_counted_once() {
    let mut server = Server::start();
    let mut ana = server.enter("ana");
    let mut bob = server.enter("bob");
    for number in 0..500 {
        ana.say(&format!("{number}"));
    }
    bob.wait_texts(500);
    assert_eq!((ana.leave(), bob.leave()), (0, 0));
    assert_eq!(server.stop(), 0);
    let log = server.log();
    let consumed: Vec<&LogLine> = of(&log, "consumed").collect();
    let counted: u64 = consumed.iter().map(|line| line.number("count")).sum();
    assert_eq!(counted, 500);
    let stamps = of(&log, "produced").map(|line| line.number("stamp"));
    assert_eq!(
        consumed.last().map(|line| line.number("upto")),
        stamps.max()
    );
    assert!(consumed.iter().is_sorted_by_key(|line| line.number("upto")));
}

#[test]
fn no_text_and_no_nick_can_write_a_line_of_the_log() {
    let mut server = Server::start_with(&["--log-text"]);
    let ana = server.enter("ana\u{301}=\"x");
    let bob = server.enter("bob");
    let text = "x\r event=stopped reason=\"\u{202e}\u{1b}[2J\\\" count=1\u{85}\u{2028}\u{0}";
    ana.say(text);
    bob.wait_text(text);
    assert_eq!(server.stop(), 0);
    let log = server.log();
    let produced: Vec<&LogLine> = of(&log, "produced").collect();
    assert_eq!(produced.len(), 1);
    assert_eq!(
        (produced[0].field("from"), produced[0].field("text")),
        ("an\u{e1}=\"x", text)
    );
    assert_eq!(of(&log, "stopped").count(), 1);
    for line in &log {
        let hidden = |c: char| c.is_control() || "\u{202e}\u{2028}\u{200b}".contains(c);
        assert!(!line.line.contains(hidden), "{:?}", line.line);
    }
}

#[test]
fn a_killed_logger_comes_back_and_the_gap_is_counted() {
    let server = Server::start();
    let [ana, bob] = ["ana", "bob"].map(|nick| server.enter(nick));
    let first = server.logger_other_than(None);
    for number in 0..50 {
        ana.say(&format!("MSG:bob:{number}"));
        if number == 25 {
            send_signal(first, Signal::KILL);
        }
    }
    bob.wait_texts(50);
    server.logger_other_than(Some(first));
    ana.say("MSG:bob:after");
    let stamp = number(&bob.wait_text("after"), "stamp");

    let log = server.wait_log("line after the gap", |log| {
        let after = of(log, "produced").any(|line| line.number("stamp") == stamp);
        after.then(|| log.to_vec())
    });
    let gaps: Vec<&LogLine> = of(&log, "dropped").collect();
    assert_eq!(gaps.len(), 1, "{gaps:?}");
    let produced = of(&log, "produced").count() as u64;
    assert!(
        produced <= 51 && produced + dropped(&log) >= 51,
        "{produced} + {gaps:?}"
    );
}

#[test]
fn a_stopped_logger_delays_nobody_and_the_count_of_lost_lines_is_exact() {
    let mut server = Server::start_clear();
    let [ana, bob] = ["ana", "bob"].map(|nick| server.enter(nick));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    // Bare links: they tell nobody what they consumed, so each message makes one line.
    let (mut talker, mut listener) = runtime.block_on(async {
        let talker = Light::enter(server.addr(), "talker").await;
        (talker, Light::enter(server.addr(), "listener").await)
    });
    server.wait_log("four connected", |log| {
        (of(log, "connected").count() == 4).then_some(())
    });
    let logger = server.logger_other_than(None);
    send_signal(logger, Signal::STOP);

    let to = Audience::Unicast(Nick::try_from("listener").unwrap());
    runtime.block_on(async {
        for _ in 0..MORE_THAN_IT_HOLDS {
            talker.say(to.clone(), "x").await;
        }
        while talker.committed < MORE_THAN_IT_HOLDS {
            tokio::select! {
                () = talker.step() => {}
                () = listener.step() => {}
            }
        }
        while (listener.delivered.len() as u64) < MORE_THAN_IT_HOLDS {
            listener.step().await;
        }
    });
    send_signal(logger, Signal::CONT);
    server.wait_log("count of what was lost", |log| {
        (dropped(log) > 0).then_some(())
    });
    ana.say("MSG:bob:after");
    bob.wait_text("after");
    drop((talker, listener));
    assert_eq!(server.stop(), 0);

    let log = server.log();
    let from_talker = of(&log, "produced").filter(|line| line.field("from") == "talker");
    assert_eq!(
        from_talker.count() as u64 + dropped(&log),
        MORE_THAN_IT_HOLDS
    );
    assert!(of(&log, "dropped").all(|line| line.field("cause") == "stalled"));
    let after = of(&log, "produced").filter(|line| line.field("from") == "ana");
    assert_eq!(after.count(), 1);
}

#[test]
fn a_killed_server_takes_its_logger_along() {
    let mut server = Server::start();
    let logger = server.logger_other_than(None);
    server.process().kill();
    lamparina_tests::real::wait_for("the logger's end", || {
        let alive = std::fs::read_to_string(format!("/proc/{logger}/cmdline"));
        let alive = alive.is_ok_and(|line| line.contains("lamparina"));
        (!alive).then_some(())
    });
}

#[test]
fn a_log_moved_away_is_begun_anew_when_told() {
    let mut server = Server::start();
    let [ana, bob] = ["ana", "bob"].map(|nick| server.enter(nick));
    ana.say("MSG:bob:one");
    bob.wait_text("one");
    server.wait_log("the first line", |log| {
        of(log, "produced").next().map(|_| ())
    });
    let away = server.log_file().with_extension("away");
    std::fs::rename(server.log_file(), &away).unwrap();
    server.process().signal(Signal::HUP);
    lamparina_tests::real::wait_for("the new file", || server.log_file().exists().then_some(()));
    ana.say("MSG:bob:two");
    bob.wait_text("two");
    server.wait_log("the second line", |log| {
        of(log, "produced").next().map(|_| ())
    });
    assert_eq!(server.stop(), 0);
    let files = [lamparina_tests::real::log::read(&away), server.log()];
    let produced = files.map(|log| of(&log, "produced").count());
    assert_eq!(produced, [1, 1]);
}
