//! The machine, step by step: each test writes down everything that comes out, and compares it
//! whole. A line is an input (`>`), an event, or what is to be sent (`<`).

use std::fmt::Write;

use bytes::Bytes;
use lamparina_protocol::codec;
use lamparina_protocol::control::CloseCode;
use lamparina_protocol::message::{RefusalCode, SetNick, ToClient, ToServer, UserList};
use lamparina_protocol::{Audience, LogId, Pseq, RoomName, Term};

use super::*;
use crate::core::outbox::Ask;
use crate::core::testing::{delivery, nick};
use crate::show::json;

const LOG: LogId = LogId([1; 16]);
const OTHER_LOG: LogId = LogId([2; 16]);

/// A conversation, its time, and everything that came out.
struct Script {
    machine: Conversation,
    now: Instant,
    wrote: String,
}

impl Script {
    fn new() -> Self {
        Self::with(|_| {})
    }

    fn with(change: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config {
            server: "host:1".to_owned(),
            author: AuthorKey([9; 32]),
            nick: nick("ana"),
            epoch: Epoch(100),
            unix_at_zero: UnixMicros(100),
            seed: 7,
            reconnect: true,
            retry_first: false,
            give_up_after: None,
        };
        change(&mut config);
        Self {
            machine: Conversation::new(config),
            now: Instant::ZERO,
            wrote: String::new(),
        }
    }

    /// In, with an order whose clock is at 5, and nothing written down so far.
    fn live() -> Self {
        let mut script = Self::new();
        script.enter(LOG, 5, 0, 0);
        script.wrote.clear();
        script
    }

    fn note(&mut self, line: &str) {
        writeln!(self.wrote, "{line}").unwrap();
    }

    fn input(&mut self, name: &str, input: Input) {
        self.note(&format!("> {name}"));
        let mut out = Vec::new();
        self.machine.handle(self.now, input, &mut out);
        for output in out {
            let line = match output {
                Output::Connect(hello) => format!(
                    "connect epoch={} session={} log={} cursor={}",
                    hello.epoch, hello.session, hello.log.0[0], hello.cursor
                ),
                Output::Drop => "drop".to_owned(),
                Output::Event(event) => json::event(&event)
                    .replace("{\"v\":1,\"type\":", "{")
                    .replace('"', ""),
            };
            self.note(&line);
        }
        self.pull();
    }

    fn pull(&mut self) {
        while let Some(outward) = self.machine.pull(self.now) {
            let line = match outward {
                Outward::Goodbye => "< goodbye".to_owned(),
                Outward::Message { kind, body } => format!("< {}", sent(kind, &body)),
            };
            self.note(&line);
        }
    }

    fn tick(&mut self, millis: u64) {
        self.now += Duration::from_millis(millis);
        self.input(&format!("after {millis} ms"), Input::Tick);
    }

    fn server(&mut self, message: &ToClient) {
        let name = format!("{message:?}");
        let name = name.split([' ', '(']).next().unwrap().to_owned();
        let body = codec::encode(message).unwrap();
        let kind = FrameType::Data;
        self.input(&name, Input::Received { kind, body });
    }

    fn enter(&mut self, log: LogId, clock: u64, settled: u64, resumed: u64) {
        let clock = Lamport::new(clock);
        if self.machine.phase == Phase::Idle {
            self.input("start", Input::Start);
        }
        self.input(
            "opened",
            Input::Opened(Welcome {
                log,
                term: Term(1),
                clock,
            }),
        );
        self.server(&ToClient::Entered {
            nick: nick("ana"),
            member: MemberId(3),
            clock,
            settled: Pseq(settled),
            resumed: Lamport::new(resumed),
            gap: false,
            newest: Lamport::ZERO,
            rewound: false,
        });
    }

    fn say(&mut self, text: &str) {
        let said = self
            .machine
            .say(UnixMicros(1), Audience::All, text.to_owned());
        let name = said.map_or_else(|error| error.to_string(), |name| name.pseq.to_string());
        self.note(&format!("> say {text}: {name}"));
        self.pull();
    }

    fn ask(&mut self, ask: Ask) {
        self.note(&format!("> {ask:?}"));
        self.machine.ask(ask).unwrap();
        self.pull();
    }

    fn deliver(&mut self, prev: u64, stamp: u64) {
        self.server(&ToClient::Message(delivery(prev, stamp, "hi")));
    }

    fn commit(&mut self, epoch: u64, pseq: u64, stamp: u64) {
        let (epoch, pseq, stamp) = (Epoch(epoch), Pseq(pseq), Lamport::new(stamp));
        self.server(&ToClient::Committed { epoch, pseq, stamp });
    }

    fn refuse(&mut self, pseq: u64, code: RefusalCode) {
        self.server(&ToClient::Refused {
            epoch: Epoch(100),
            pseq: Pseq(pseq),
            code,
            text: "why".to_owned(),
        });
    }

    fn handed(&mut self, upto: u64) {
        let (log, upto, count) = (LOG, Lamport::new(upto), 1);
        self.input("handed over", Input::HandedOver { log, upto, count });
    }

    fn closed_by_peer(&mut self, code: CloseCode) {
        let (code, text) = (code as u16, "words".to_owned());
        self.input("closed", Input::Closed(CloseReason::ByPeer { code, text }));
    }

    fn eof(&mut self) {
        self.input("eof", Input::Closed(CloseReason::Eof));
    }

    fn close(&mut self) {
        self.input("close", Input::Close { within: None });
    }

    #[track_caller]
    fn check(&self, expected: &str) {
        let expected: Vec<_> = expected
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty())
            .collect();
        let wrote: Vec<_> = self.wrote.lines().collect();
        assert_eq!(wrote, expected, "\n{}", self.wrote);
    }
}

fn sent(kind: FrameType, body: &[u8]) -> String {
    match kind {
        FrameType::SetNick => format!("nick {}", codec::decode::<SetNick>(body).unwrap().nick),
        FrameType::Data => match codec::decode(body).unwrap() {
            ToServer::Submit(submit) => format!(
                "say {} {}/{} clock={} seen={}",
                submit.text, submit.epoch, submit.pseq, submit.clock, submit.seen
            ),
            ToServer::Consumed { upto, count } => format!("consumed {upto} count={count}"),
            other => format!("{other:?}"),
        },
        kind => format!("{kind:?}"),
    }
}

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
         {committed,epoch:100,pseq:1,stamp:7}
         > Committed
         {committed,epoch:100,pseq:2,stamp:8}
         > close
         > Committed
         {committed,epoch:100,pseq:3,stamp:9}
         < goodbye
         > closed
         {closed,sent:3,committed:3,pending:0,refused:0}",
    );
}

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
         {committed,epoch:100,pseq:1,stamp:8}
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
         {new_log,log:02020202020202020202020202020202,epoch:250100,again:1}
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
         {committed,epoch:250100,pseq:1,stamp:4,was:{epoch:100,pseq:2}}",
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
        }),
    );
    let text = "ana is taken: choose another name, with /nick NAME or --name NAME".to_owned();
    let code = CloseCode::Nick as u16;
    script.input("closed", Input::Closed(CloseReason::ByPeer { code, text }));
    let last = "choose another name, with --name NAME}";
    assert!(script.wrote.contains(last), "{}", script.wrote);
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
         {committed,epoch:100,pseq:2,stamp:9}
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
    script.tick(2_000);
    script.tick(5_000);
    script.check(
        "> Who
         < ListRequest
         > close
         > after 2000 ms
         < goodbye
         > after 5000 ms
         drop
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
