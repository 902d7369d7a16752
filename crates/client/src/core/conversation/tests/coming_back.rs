//! After a connection was lost: what goes again, what has changed.

use lamparina_protocol::RoomName;

use super::*;

#[test]
fn comes_back_and_sends_again_what_is_unsettled() {
    let mut script = Script::live();
    script.deliver(0, 6);
    script.wrote.clear();
    script.say("a");
    script.say("b");
    script.eof();
    script.say("c");
    script.tick(250);
    script.enter(LOG, 8, 1, 6);
    // The answer to `a` was lost; it is told again.
    script.commit(100, 1, 8);
    script.deliver(6, 10);
    script.check(
        "> say a: 1
         < say a 100/1 clock=7 seen=0
         > say b: 2
         < say b 100/2 clock=8 seen=0
         > eof
         {disconnected,reason:the connection was cut,retry_ms:168}
         > say c: 3
         > after 250 ms
         connect epoch=100 session=250100 log=1 cursor=6
         > opened
         < nick ana
         > Entered
         {connected,server:host:1,as:ana,stamp:8,member:3,log:01010101010101010101010101010101}
         < say a 100/1 clock=7 seen=0
         < say b 100/2 clock=8 seen=0
         < say c 100/3 clock=9 seen=0
         > Committed
         {committed,epoch:100,pseq:1,stamp:8,text:a}
         > Message
         {message,stamp:10,prev:6,from:bob,kind:broadcast,to:[ALL],text:hi,sent_at:1970-01-01T00:00:01.000000Z,clock:9,seen:0,member:7,epoch:70,pseq:10}",
    );
}

#[test]
fn a_new_log_is_told_and_takes_what_is_unsettled_under_a_new_epoch() {
    let mut script = Script::live();
    script.say("a");
    script.commit(100, 1, 7);
    script.say("b");
    script.eof();
    script.tick(250);
    script.wrote.clear();
    script.enter(OTHER_LOG, 2, 0, 0);
    script.check(
        "> opened
         {new_log,log:02020202020202020202020202020202,epoch:250100,again:1,kept:0}
         drop
         connect epoch=250100 session=250101 log=2 cursor=0
         > Entered",
    );
    script.wrote.clear();
    script.enter(OTHER_LOG, 2, 0, 0);
    script.commit(250_100, 1, 4);
    script.check(
        "> opened
         < nick ana
         > Entered
         {connected,server:host:1,as:ana,stamp:2,member:3,log:02020202020202020202020202020202}
         < say b 250100/1 clock=3 seen=0
         > Committed
         {committed,epoch:250100,pseq:1,stamp:4,was:{epoch:100,pseq:2},text:b}",
    );
}

#[test]
fn a_new_log_is_asked_for_the_rooms_that_one_was_in() {
    let mut script = Script::live();
    for (name, stays) in [("lab", true), ("hall", false), ("yard", true)] {
        let room = RoomName::try_from(name).unwrap();
        let (nick, after) = (nick("ana"), Lamport::new(5));
        script.server(&ToClient::RoomJoined {
            nick: nick.clone(),
            room: room.clone(),
            after,
        });
        if !stays {
            script.server(&ToClient::RoomLeft { nick, room, after });
        }
    }
    script.say("a");
    script.eof();
    script.tick(250);
    script.enter(OTHER_LOG, 2, 0, 0);
    script.wrote.clear();
    // Another new log before the answers: nothing is asked twice.
    script.eof();
    script.tick(1_000);
    script.enter(LogId([3; 16]), 2, 0, 0);
    script.wrote.clear();
    script.enter(LogId([3; 16]), 2, 0, 0);
    let sent: Vec<_> = script.wrote.lines().collect();
    let sent: Vec<_> = sent.iter().filter(|line| line.starts_with('<')).collect();
    let join = |room: &str| format!("< Join {{ room: RoomName({room:?})");
    let heads = [
        "< nick ana".to_owned(),
        join("lab"),
        join("yard"),
        "< say a".to_owned(),
    ];
    assert_eq!(sent.len(), heads.len(), "{}", script.wrote);
    for (line, head) in sent.iter().zip(heads) {
        assert!(line.starts_with(&head), "{}", script.wrote);
    }
}

#[test]
fn what_the_server_no_longer_keeps_is_told() {
    let mut script = Script::live();
    script.deliver(0, 6);
    script.eof();
    script.tick(250);
    script.wrote.clear();
    script.enter(LOG, 20, 0, 15);
    script.check(
        "> opened
         < nick ana
         > Entered
         {connected,server:host:1,as:ana,stamp:20,member:3,log:01010101010101010101010101010101}
         {error,code:gap,text:messages between stamps 6 and 15 are no longer kept by this server; what follows is complete again}",
    );
}

#[test]
fn a_rename_that_was_cut_off_enters_with_the_new_name_or_the_old() {
    let mut script = Script::live();
    script.ask(Ask::Rename(nick("zoe")));
    script.eof();
    script.tick(250);
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
    script.tick(1_000);
    script.enter(LOG, 5, 0, 0);
    script.check(
        "> Rename(Nick(\"zoe\"))
         < nick zoe
         > eof
         {disconnected,reason:the connection was cut,retry_ms:168}
         > after 250 ms
         connect epoch=100 session=250100 log=1 cursor=0
         > opened
         < nick zoe
         > closed
         {error,code:nick-taken,text:words}
         {disconnected,reason:words,retry_ms:420}
         > after 1000 ms
         connect epoch=100 session=1250100 log=1 cursor=0
         > opened
         < nick ana
         > Entered
         {connected,server:host:1,as:ana,stamp:5,member:3,log:01010101010101010101010101010101}",
    );
}
