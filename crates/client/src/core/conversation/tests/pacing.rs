//! A server that counts: what is said waits for its turn, and none is refused to its author.

use super::*;

fn paced(per_second: u32, burst: u32, left: u32) -> Script {
    let mut script = Script::new();
    (script.pace, script.left) = (Pace { per_second, burst }, left);
    script.enter(LOG, 5, 0, 0);
    script.wrote.clear();
    script
}

#[test]
fn what_is_over_the_pace_waits_and_nothing_overtakes_it() {
    let mut script = paced(10, 2, 2);
    script.say("a");
    script.say("b");
    script.say("c");
    script.ask(Ask::Who);
    assert_eq!(script.machine.deadline(), Some(Instant::from_millis(101)));
    let waiting: Vec<_> = script.machine.status(script.now).queue;
    let under_way: Vec<_> = waiting.iter().map(|line| line.under_way).collect();
    assert_eq!(under_way, [true, true, false]);
    let state = script.machine.status(script.now).state;
    assert_eq!(
        state,
        "connected for 0 s; 10 messages a second go out, 2 at once"
    );
    // Both are on their way: time alone fills nothing up.
    script.tick(1_000);
    script.commit(100, 1, 7);
    script.commit(100, 2, 8);
    assert_eq!(script.machine.deadline(), Some(Instant::from_millis(1_101)));
    script.tick(100);
    script.tick(1);
    assert_eq!(script.machine.deadline(), None);
    script.check(
        "> say a: 1
         < say a 100/1 clock=6 seen=0
         > say b: 2
         < say b 100/2 clock=7 seen=0
         > say c: 3
         > Who
         > after 1000 ms
         > Committed
         {committed,epoch:100,pseq:1,stamp:7,text:a}
         > Committed
         {committed,epoch:100,pseq:2,stamp:8,text:b}
         > after 100 ms
         > after 1 ms
         < say c 100/3 clock=8 seen=0
         < ListRequest",
    );
}

#[test]
fn what_was_too_fast_all_the_same_goes_again_under_its_name() {
    let mut script = paced(10, 4, 4);
    for text in ["a", "b", "c"] {
        script.say(text);
    }
    script.commit(100, 1, 6);
    script.refuse(2, RefusalCode::TooFast);
    script.say("d");
    script.refuse(3, RefusalCode::Gap);
    script.tick(101);
    script.tick(101);
    script.tick(101);
    script.commit(100, 2, 7);
    script.check(
        "> say a: 1
         < say a 100/1 clock=6 seen=0
         > say b: 2
         < say b 100/2 clock=7 seen=0
         > say c: 3
         < say c 100/3 clock=8 seen=0
         > Committed
         {committed,epoch:100,pseq:1,stamp:6,text:a}
         > Refused
         > say d: 4
         > Refused
         > after 101 ms
         < say b 100/2 clock=7 seen=0
         > after 101 ms
         < say c 100/3 clock=8 seen=0
         > after 101 ms
         < say d 100/4 clock=9 seen=0
         > Committed
         {committed,epoch:100,pseq:2,stamp:7,text:b}",
    );
}

#[test]
fn a_thousand_lines_take_their_time_and_all_are_committed() {
    let mut script = paced(20, 100, 100);
    let (mut said, mut committed) = (0, 0);
    while committed < 1_000 {
        while said < 1_000 && script.machine.has_room() {
            said += 1;
            script.say("x");
        }
        let sent = script.wrote.matches("< say").count() as u64;
        for pseq in committed + 1..=sent {
            script.commit(100, pseq, 5 + pseq);
        }
        committed = sent;
        script.now = script
            .machine
            .deadline()
            .unwrap_or(script.now)
            .max(script.now);
        script.tick(0);
    }
    assert_eq!(script.machine.summary().committed, 1_000);
    // A hundred at once, the others at the pace.
    assert_eq!(script.now, Instant::from_micros(900 * 50_500));
}
