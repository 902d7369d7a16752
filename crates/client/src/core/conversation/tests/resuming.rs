//! Let in again: what was missed, and what is gone.

use super::*;

#[test]
fn what_was_missed_comes_between_two_marks() {
    let mut script = Script::live();
    script.deliver(0, 6);
    script.eof();
    script.tick(250);
    script.wrote.clear();
    script.enter_with(LOG, 12, 0, 6, |_, newest, _| *newest = Lamport::new(9));
    script.deliver(6, 8);
    script.deliver(8, 9);
    script.deliver(9, 12);
    script.check(
        "> opened
         < nick ana
         > Entered
         {connected,server:host:1,as:ana,stamp:12,member:3,log:01010101010101010101010101010101}
         {catch_up,from:6,to:9}
         > Message
         {message,stamp:8,prev:6,from:bob,kind:broadcast,to:[ALL],text:hi,sent_at:1970-01-01T00:00:01.000000Z,clock:7,seen:0,member:7,epoch:70,pseq:8}
         > Message
         {message,stamp:9,prev:8,from:bob,kind:broadcast,to:[ALL],text:hi,sent_at:1970-01-01T00:00:01.000000Z,clock:8,seen:0,member:7,epoch:70,pseq:9}
         {caught_up,count:2,upto:9}
         > Message
         {message,stamp:12,prev:9,from:bob,kind:broadcast,to:[ALL],text:hi,sent_at:1970-01-01T00:00:01.000000Z,clock:11,seen:0,member:7,epoch:70,pseq:12}",
    );
    // Nothing was missed: no mark.
    script.eof();
    script.tick(250);
    script.wrote.clear();
    script.enter_with(LOG, 12, 0, 12, |_, newest, _| *newest = Lamport::new(12));
    assert!(!script.wrote.contains("catch_up"), "{}", script.wrote);
}

#[test]
fn a_log_that_lost_its_end_is_told_and_its_stamps_are_shown_again() {
    let mut script = Script::live();
    script.say("a");
    script.commit(100, 1, 6);
    script.deliver(0, 7);
    script.deliver(7, 9);
    script.handed(9);
    script.say("b");
    script.eof();
    script.tick(250);
    script.wrote.clear();
    // `a` is kept, what came after it is not.
    script.enter_with(LOG, 6, 1, 0, |term, _, rewound| {
        (*term, *rewound) = (Term(2), true);
    });
    script.deliver(0, 8);
    script.handed(9);
    script.say("c");
    script.check(
        "> opened
         < nick ana
         > Entered
         {connected,server:host:1,as:ana,stamp:6,member:3,log:01010101010101010101010101010101}
         {rewound,from:9,to:0}
         < say b 100/2 clock=7 seen=0
         > Message
         {message,stamp:8,prev:0,from:bob,kind:broadcast,to:[ALL],text:hi,sent_at:1970-01-01T00:00:01.000000Z,clock:7,seen:0,member:7,epoch:70,pseq:8}
         > handed over
         < consumed 8 count=1
         > say c: 3
         < say c 100/3 clock=9 seen=8",
    );
    script.eof();
    script.wrote.clear();
    script.tick(1_000);
    assert!(script.wrote.contains("cursor=8 term=2"), "{}", script.wrote);
}

#[test]
fn own_messages_that_were_lost_are_told_and_the_rest_is_named_anew() {
    let mut script = Script::live();
    script.say("a");
    script.commit(100, 1, 6);
    script.say("b");
    script.eof();
    script.tick(250);
    script.wrote.clear();
    script.enter_with(LOG, 3, 0, 0, |_, _, rewound| *rewound = true);
    script.tick(500);
    script.enter(LOG, 3, 0, 0);
    let told = "{error,code:lost-messages,text:the server's log has lost messages of yours";
    assert!(script.wrote.contains(told), "{}", script.wrote);
    let again = "< say b 250100/1 clock=4 seen=0";
    assert!(script.wrote.contains(again), "{}", script.wrote);
}

#[test]
fn history_shown_beyond_a_restored_logs_end_is_told() {
    let mut script = Script::live();
    let mut old = delivery(0, 5, "said before");
    old.history = true;
    script.server(&ToClient::Message(old));
    script.closed_by_peer(CloseCode::Damaged);
    script.tick(10_000);
    script.wrote.clear();
    // Nothing was ever delivered: the cursor says nothing, but what was shown does.
    script.enter_same(LOG, (3, 0, 0), 3, |_, _, _| {});
    assert!(
        script.wrote.contains("{rewound,from:5,to:3}"),
        "{}",
        script.wrote
    );
    script.closed_by_peer(CloseCode::Damaged);
    script.tick(10_000);
    script.wrote.clear();
    script.enter_same(LOG, (3, 0, 0), 3, |_, _, _| {});
    assert!(
        !script.wrote.contains("rewound"),
        "told once: {}",
        script.wrote
    );
}
