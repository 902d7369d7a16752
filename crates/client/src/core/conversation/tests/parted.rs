//! Long texts, which travel beside their messages where the link speaks the BULK lane.

use bytes::Bytes;
use lamparina_protocol::message::{Hit, PartedDelivery, TextName};

use super::*;

const TEXT_BYTES: usize = 256 * 1024;

fn live() -> Script {
    let mut script = Script::new();
    script.input("", Input::Start);
    enter(&mut script, 0);
    script.wrote.clear();
    script
}

fn enter(script: &mut Script, settled: u64) {
    script.quietly(Input::BulkSpoken);
    script.enter(LOG, 5, settled, 0);
}

impl Script {
    /// A message comes without its text, which is `text`.
    fn parted(&mut self, prev: u64, stamp: u64, text: &str) {
        let text = TextName::of(text.as_bytes());
        let rest = delivery(prev, stamp, "");
        let parted = PartedDelivery { text, rest };
        self.server(&ToClient::MessageParted(Box::new(parted)));
    }

    fn text(&mut self, text: &str) {
        let (kind, body) = (FrameType::Bulk, Bytes::copy_from_slice(text.as_bytes()));
        let name = format!("text of {} bytes", body.len());
        self.input(&name, Input::Received { kind, body });
    }

    fn found(&mut self) {
        let hit = Hit {
            stamp: Lamport::new(2),
            from: nick("bob"),
            sent_at: UnixMicros(0),
            audience: Audience::All,
            text: "lamp".to_owned(),
        };
        self.server(&ToClient::Found {
            hits: vec![hit],
            more: false,
            upto: Lamport::new(1),
        });
    }
}

fn find() -> Ask {
    Ask::Find {
        words: "lamp".to_owned(),
        before: Lamport::ZERO,
        count: 9,
    }
}

#[test]
fn a_long_text_goes_up_beside_its_message_and_only_questions_pass_it() {
    let mut script = live();
    script.say("a");
    script.say(&long());
    script.say("b");
    script.ask(find());
    script.ask(Ask::Leave("lab".to_owned().try_into().unwrap()));
    script.ask(Ask::Who);
    script.commit(100, 1, 6);
    script.commit(100, 2, 7);
    script.check(
        "> say a: 1
         < say a 100/1 clock=6 seen=0
         > say LONG: 2
         < text of 9000 bytes
         < say text of 9000 bytes 100/2 clock=7 seen=0
         > say b: 3
         > Find { words: \"lamp\", before: Lamport(0), count: 9 }
         < Find { words: \"lamp\", before: Lamport(0), count: 9 }
         > Leave(RoomName(\"lab\"))
         > Who
         < ListRequest
         > Committed
         {committed,epoch:100,pseq:1,stamp:6,text:a}
         > Committed
         {committed,epoch:100,pseq:2,stamp:7,text:LONG}
         < say b 100/3 clock=8 seen=0
         < Leave { room: RoomName(\"lab\") }",
    );
}

#[test]
fn without_the_lane_it_goes_up_in_its_message() {
    let mut script = Script::live();
    script.say(&long());
    script.check(
        "> say LONG: 1
         < say LONG 100/1 clock=6 seen=0",
    );
}

#[test]
fn a_long_text_that_is_not_settled_goes_again_with_its_message() {
    let mut script = live();
    script.say(&long());
    script.say("b");
    script.eof();
    script.tick(400);
    enter(&mut script, 0);
    script.commit(100, 1, 6);
    script.check(
        "> say LONG: 1
         < text of 9000 bytes
         < say text of 9000 bytes 100/1 clock=6 seen=0
         > say b: 2
         > eof
         {disconnected,reason:the connection was cut,retry_ms:168}
         > after 400 ms
         connect epoch=100 session=400100 log=1 cursor=0
         > opened
         < nick ana
         > Entered
         {connected,server:host:1,as:ana,stamp:5,member:3,log:01010101010101010101010101010101}
         < text of 9000 bytes
         < say text of 9000 bytes 100/1 clock=6 seen=0
         > Committed
         {committed,epoch:100,pseq:1,stamp:6,text:LONG}
         < say b 100/2 clock=7 seen=0",
    );
}

#[test]
fn what_is_behind_a_text_is_shown_behind_it() {
    let mut script = live();
    script.say("own");
    script.parted(0, 6, &long());
    script.deliver(6, 8);
    script.server(&ToClient::Left {
        nick: nick("rui"),
        after: Lamport::new(8),
    });
    script.commit(100, 1, 7);
    script.parted(8, 9, "short, and yet apart");
    script.deliver(9, 10);
    script.text(&long());
    script.text("short, and yet apart");
    script.deliver(10, 11);
    // A text may come before its message.
    script.text(&long());
    script.parted(11, 12, &long());
    script.check(
        "> say own: 1
         < say own 100/1 clock=6 seen=0
         > MessageParted
         > Message
         > Left
         > Committed
         {committed,epoch:100,pseq:1,stamp:7,text:own}
         > MessageParted
         > Message
         > text of 9000 bytes
         {message,stamp:6,prev:0,from:bob,kind:broadcast,to:[ALL],text:LONG,sent_at:1970-01-01T00:00:01.000000Z,clock:5,seen:0,member:7,epoch:70,pseq:6}
         {message,stamp:8,prev:6,from:bob,kind:broadcast,to:[ALL],text:hi,sent_at:1970-01-01T00:00:01.000000Z,clock:7,seen:0,member:7,epoch:70,pseq:8}
         {left,nick:rui,after:8}
         > text of 20 bytes
         {message,stamp:9,prev:8,from:bob,kind:broadcast,to:[ALL],text:short, and yet apart,sent_at:1970-01-01T00:00:01.000000Z,clock:8,seen:0,member:7,epoch:70,pseq:9}
         {message,stamp:10,prev:9,from:bob,kind:broadcast,to:[ALL],text:hi,sent_at:1970-01-01T00:00:01.000000Z,clock:9,seen:0,member:7,epoch:70,pseq:10}
         > Message
         {message,stamp:11,prev:10,from:bob,kind:broadcast,to:[ALL],text:hi,sent_at:1970-01-01T00:00:01.000000Z,clock:10,seen:0,member:7,epoch:70,pseq:11}
         > text of 9000 bytes
         > MessageParted
         {message,stamp:12,prev:11,from:bob,kind:broadcast,to:[ALL],text:LONG,sent_at:1970-01-01T00:00:01.000000Z,clock:11,seen:0,member:7,epoch:70,pseq:12}",
    );
}

#[test]
fn answers_pass_texts_and_not_each_other() {
    let mut script = live();
    script.ask(find());
    script.ask(Ask::Join("lab".to_owned().try_into().unwrap()));
    script.ask(find());
    script.parted(0, 6, &long());
    script.found();
    script.server(&ToClient::RoomJoined {
        nick: nick("ana"),
        room: "lab".to_owned().try_into().unwrap(),
        after: Lamport::new(6),
    });
    script.found();
    script.text(&long());
    script.check(
        "> Find { words: \"lamp\", before: Lamport(0), count: 9 }
         < Find { words: \"lamp\", before: Lamport(0), count: 9 }
         > Join(RoomName(\"lab\"))
         < Join { room: RoomName(\"lab\") }
         > Find { words: \"lamp\", before: Lamport(0), count: 9 }
         < Find { words: \"lamp\", before: Lamport(0), count: 9 }
         > MessageParted
         > Found
         {found,upto:1,more:false,hits:[{stamp:2,from:bob,kind:broadcast,to:[ALL],text:lamp,sent_at:1970-01-01T00:00:00.000000Z}]}
         > RoomJoined
         > Found
         > text of 9000 bytes
         {message,stamp:6,prev:0,from:bob,kind:broadcast,to:[ALL],text:LONG,sent_at:1970-01-01T00:00:01.000000Z,clock:5,seen:0,member:7,epoch:70,pseq:6}
         {joined_room,nick:ana,room:#lab,own:true,after:6}
         {found,upto:1,more:false,hits:[{stamp:2,from:bob,kind:broadcast,to:[ALL],text:lamp,sent_at:1970-01-01T00:00:00.000000Z}]}",
    );
}

#[test]
fn what_waited_comes_again_on_the_next_connection() {
    let mut script = live();
    script.deliver(0, 6);
    script.parted(6, 7, &long());
    script.deliver(7, 8);
    script.eof();
    script.tick(400);
    enter(&mut script, 0);
    script.check(
        "> Message
         {message,stamp:6,prev:0,from:bob,kind:broadcast,to:[ALL],text:hi,sent_at:1970-01-01T00:00:01.000000Z,clock:5,seen:0,member:7,epoch:70,pseq:6}
         > MessageParted
         > Message
         > eof
         {disconnected,reason:the connection was cut,retry_ms:168}
         > after 400 ms
         connect epoch=100 session=400100 log=1 cursor=6
         > opened
         < nick ana
         > Entered
         {connected,server:host:1,as:ana,stamp:5,member:3,log:01010101010101010101010101010101}",
    );
}

#[test]
fn another_text_than_the_one_named_is_the_servers_fault() {
    let mut script = live();
    script.parted(0, 6, &long());
    script.text("other");
    script.check(
        "> MessageParted
         > text of 5 bytes
         drop
         {disconnected,reason:the server sent another text than a message names,retry_ms:168}",
    );
}

#[test]
fn what_waits_is_bounded() {
    // Texts that are empty fill memory too.
    for bytes in [TEXT_BYTES, 0] {
        let mut script = live();
        let text = Bytes::from(vec![b'x'; bytes]);
        let most = PARTED_WAITING_BYTES_MAX / bytes.max(512) + 1;
        let mut taken = 0;
        while !script.wrote.contains("drop") {
            let (kind, body) = (FrameType::Bulk, text.clone());
            script.input("text", Input::Received { kind, body });
            script.wrote = script
                .wrote
                .split_off(script.wrote.len().saturating_sub(400));
            taken += 1;
            assert!(taken <= most, "{bytes}");
        }
        assert!(taken >= most * 9 / 10, "{bytes}: {taken} of {most}");
    }
}
