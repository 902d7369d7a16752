//! While connected: what is said, what comes, what is asked.

use lamparina_protocol::RoomName;
use lamparina_protocol::message::UserList;

use super::*;

#[test]
fn begins_talks_and_leaves() {
    let mut script = Script::new();
    script.enter(LOG, 5, 0, 0);
    script.say("a");
    script.say("b");
    script.deliver(0, 6);
    script.handed(6);
    script.say("c");
    script.commit(100, 1, 7);
    script.commit(100, 2, 8);
    script.close();
    script.commit(100, 3, 9);
    script.input("closed", Input::Closed(CloseReason::Orderly));
    script.check(
        "> start
         connect epoch=100 session=101 log=0 cursor=0
         > opened
         < nick ana
         > Entered
         {connected,server:host:1,as:ana,stamp:5,member:3,log:01010101010101010101010101010101}
         > say a: 1
         < say a 100/1 clock=6 seen=0
         > say b: 2
         < say b 100/2 clock=7 seen=0
         > Message
         {message,stamp:6,prev:0,from:bob,kind:broadcast,to:[ALL],text:hi,sent_at:1970-01-01T00:00:01.000000Z,clock:5,seen:0,member:7,epoch:70,pseq:6}
         > handed over
         < consumed 6 count=1
         > say c: 3
         < say c 100/3 clock=8 seen=6
         > Committed
         {committed,epoch:100,pseq:1,stamp:7,text:a}
         > Committed
         {committed,epoch:100,pseq:2,stamp:8,text:b}
         > close
         > Committed
         {committed,epoch:100,pseq:3,stamp:9,text:c}
         < goodbye
         > closed
         {closed,sent:3,committed:3,pending:0,refused:0}",
    );
}

#[test]
fn refusals_settle_and_the_rest_goes_on() {
    let mut script = Script::live();
    script.say("a");
    script.say("b");
    script.refuse(1, RefusalCode::UnknownUser);
    script.refuse(1, RefusalCode::UnknownUser);
    script.commit(100, 2, 9);
    script.say("c");
    script.refuse(3, RefusalCode::ShuttingDown);
    script.close();
    script.check(
        "> say a: 1
         < say a 100/1 clock=6 seen=0
         > say b: 2
         < say b 100/2 clock=7 seen=0
         > Refused
         {error,code:unknown-user,text:why,epoch:100,pseq:1}
         > Refused
         > Committed
         {committed,epoch:100,pseq:2,stamp:9,text:b}
         > say c: 3
         < say c 100/3 clock=10 seen=0
         > Refused
         > close",
    );
    let pending = script.machine.summary();
    assert_eq!((pending.sent, pending.refused, pending.pending), (3, 1, 1));
}

#[test]
fn a_gap_is_told_and_the_cursor_asks_for_what_is_missing() {
    let mut script = Script::live();
    script.deliver(0, 6);
    script.wrote.clear();
    script.deliver(8, 9);
    script.tick(250);
    script.enter(LOG, 9, 0, 6);
    script.deliver(6, 8);
    script.deliver(8, 9);
    script.deliver(8, 9);
    script.check(
        "> Message
         {error,code:gap,text:something is missing between stamps 6 and 9: the server went on after 8; connecting again to get it}
         drop
         {disconnected,reason:something was missing in the order,retry_ms:168}
         > after 250 ms
         connect epoch=100 session=250100 log=1 cursor=6
         > opened
         < nick ana
         > Entered
         {connected,server:host:1,as:ana,stamp:9,member:3,log:01010101010101010101010101010101}
         > Message
         {message,stamp:8,prev:6,from:bob,kind:broadcast,to:[ALL],text:hi,sent_at:1970-01-01T00:00:01.000000Z,clock:7,seen:0,member:7,epoch:70,pseq:8}
         > Message
         {message,stamp:9,prev:8,from:bob,kind:broadcast,to:[ALL],text:hi,sent_at:1970-01-01T00:00:01.000000Z,clock:8,seen:0,member:7,epoch:70,pseq:9}
         > Message",
    );
}

#[test]
fn requests_keep_their_place_and_leaving_waits_for_answers() {
    let mut script = Script::live();
    let room = RoomName::try_from("lab").unwrap();
    script.ask(Ask::Join(room.clone()));
    script.ask(Ask::Who);
    script.close();
    script.server(&ToClient::RoomJoined {
        nick: nick("ana"),
        room,
        after: Lamport::new(5),
    });
    let list = UserList {
        after: Lamport::new(5),
        users: Vec::new(),
        total: 1,
    };
    let (kind, body) = (FrameType::ListResponse, codec::encode(&list).unwrap());
    script.input("list", Input::Received { kind, body });
    script.check(
        "> Join(RoomName(\"lab\"))
         < Join { room: RoomName(\"lab\") }
         > Who
         < ListRequest
         > close
         > RoomJoined
         {joined_room,nick:ana,room:#lab,own:true,after:5}
         > list
         {users,users:[],total:1,after:5}
         < goodbye",
    );
    // An answer that does not come is not waited for for ever.
    let mut script = Script::live();
    script.ask(Ask::Who);
    script.close();
    script.tick(10_000);
    script.tick(5_000);
    script.check(
        "> Who
         < ListRequest
         > close
         > after 10000 ms
         < goodbye
         > after 5000 ms
         drop
         {error,code:unanswered,text:1 of what was asked got no answer in time; ask again when the server is there}
         {closed,sent:0,committed:0,pending:0,refused:0}",
    );
}

#[test]
fn the_outbox_is_bounded_and_says_so() {
    let mut script = Script::live();
    script.eof();
    for _ in 0..crate::core::outbox::OUTBOX_MAX {
        assert!(script.machine.has_room());
        script.say("x");
    }
    assert!(!script.machine.has_room());
    let said = script
        .machine
        .say(UnixMicros(1), Audience::All, "x".to_owned());
    assert_eq!(said, Err(SayError::Full));
}

#[test]
fn the_same_inputs_give_the_same_outputs() {
    let run = || {
        let mut script = Script::live();
        script.say("a");
        for _ in 0..20 {
            script.eof();
            script.tick(10_000);
        }
        script.wrote
    };
    assert_eq!(run(), run());
}
