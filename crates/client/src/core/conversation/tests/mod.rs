//! The machine, step by step: each test writes down everything that comes out, and compares it
//! whole. A line is an input (`>`), an event, or what is to be sent (`<`).

mod asking;
mod coming_back;
mod ending;
mod keeping;
mod pacing;
mod parted;
mod resuming;
mod talking;

use std::fmt::Write;

use bytes::Bytes;
use lamparina_protocol::codec;
use lamparina_protocol::control::{CloseCode, Pace};
use lamparina_protocol::message::{RefusalCode, SetNick, ToClient, ToServer};
use lamparina_protocol::{Audience, LogId, Pseq, Term};

use super::*;
use crate::core::keep::{Kept, Place};
use crate::core::outbox::{Ask, Cancel};
use crate::core::testing::{delivery, nick};
use crate::show::json;

const LOG: LogId = LogId([1; 16]);
const OTHER_LOG: LogId = LogId([2; 16]);

/// A conversation, its time, and everything that came out.
struct Script {
    machine: Conversation,
    now: Instant,
    wrote: String,
    /// What the server says of its pace.
    pace: Pace,
    /// What is left of the burst on entering.
    left: u32,
}

impl Script {
    fn new() -> Self {
        Self::with(|_| {})
    }

    fn with(change: impl FnOnce(&mut Config)) -> Self {
        Self::of(change, Conversation::new)
    }

    /// With a disk, which holds `state`.
    fn kept(state: State) -> Self {
        let retry = |config: &mut Config| config.retry_first = true;
        Self::of(retry, |config| Conversation::resume(config, state))
    }

    fn of(change: impl FnOnce(&mut Config), make: impl FnOnce(Config) -> Conversation) -> Self {
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
            pass: Pass::default(),
        };
        change(&mut config);
        Self {
            machine: make(config),
            now: Instant::ZERO,
            wrote: String::new(),
            pace: Pace::default(),
            left: 0,
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
        let line = line.replace(&long(), "LONG");
        writeln!(self.wrote, "{line}").unwrap();
    }

    fn input(&mut self, name: &str, input: Input) {
        self.note(&format!("> {name}"));
        let (mut out, mut switched) = (Vec::new(), None);
        self.machine.handle(self.now, input, &mut out);
        for output in out {
            let line = match output {
                Output::Connect(hello) => {
                    let term = match hello.term {
                        Term(0 | 1) => String::new(),
                        term => format!(" term={term}"),
                    };
                    format!(
                        "connect epoch={} session={} log={} cursor={}{term}",
                        hello.epoch, hello.session, hello.log.0[0], hello.cursor
                    )
                }
                Output::Store { ticket, change } => {
                    format!("store {ticket} {}", change_words(&change))
                }
                Output::Switch { log, epoch } => {
                    switched = Some(self.other_outbox(epoch));
                    if self.machine.cursor.log() == LogId::default() {
                        continue;
                    }
                    format!("switch log={} epoch={epoch}", log.0[0])
                }
                Output::Drop => "drop".to_owned(),
                Output::Event(event) => json::event(&event)
                    .replace("{\"v\":1,\"type\":", "{")
                    .replace('"', ""),
            };
            self.note(&line);
        }
        if let Some(state) = switched {
            return self.quietly(Input::Switched(Ok(state)));
        }
        self.pull();
    }

    /// What a disk has in use from then on: this outbox, where it has no log yet; else a new one.
    fn other_outbox(&self, epoch: Epoch) -> State {
        let machine = &self.machine;
        let said = machine.outbox.said();
        let messages: Vec<_> = said.map(crate::core::conversation::keeping::kept).collect();
        if machine.cursor.log() == LogId::default() {
            return State {
                epoch: machine.outbox.epoch(),
                last: machine.outbox.last(),
                place: machine.keeper.place(),
                messages,
                elsewhere: Vec::new(),
            };
        }
        let outbox = 1;
        let kept = messages.into_iter();
        State {
            elsewhere: kept.map(|kept| Elsewhere { outbox, kept }).collect(),
            ..State::new(epoch)
        }
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
        self.enter_with(log, clock, settled, resumed, |_, _, _| {});
    }

    /// Let in; `change` changes the term, the newest stamp, and whether the log was rewound.
    fn enter_with(
        &mut self,
        log: LogId,
        clock: u64,
        settled: u64,
        resumed: u64,
        change: impl FnOnce(&mut Term, &mut Lamport, &mut bool),
    ) {
        self.enter_same(log, (clock, settled, resumed), u64::MAX, change);
    }

    /// As [`Self::enter_with`]; the log is the same up to `same`.
    fn enter_same(
        &mut self,
        log: LogId,
        (clock, settled, resumed): (u64, u64, u64),
        same: u64,
        change: impl FnOnce(&mut Term, &mut Lamport, &mut bool),
    ) {
        let clock = Lamport::new(clock);
        let (mut term, mut newest, mut rewound) = (Term(1), Lamport::ZERO, false);
        change(&mut term, &mut newest, &mut rewound);
        if self.machine.phase == Phase::Idle {
            self.input("start", Input::Start);
        }
        self.input(
            "opened",
            Input::Opened(Welcome {
                log,
                term,
                clock,
                pace: self.pace,
            }),
        );
        self.server(&ToClient::Entered {
            nick: nick("ana"),
            member: MemberId(3),
            clock,
            settled: Pseq(settled),
            resumed: Lamport::new(resumed),
            gap: false,
            newest,
            rewound,
            same: Lamport::new(same),
            left: self.left,
        });
    }

    fn say(&mut self, text: &str) {
        let said = self
            .machine
            .say(UnixMicros(1), Audience::All, text.to_owned());
        let name = said.map_or_else(|error| error.to_string(), |name| name.pseq.to_string());
        self.note(&format!("> say {text}: {name}"));
        self.quietly(Input::Tick);
    }

    /// An input that is not worth a line.
    fn quietly(&mut self, input: Input) {
        let before = self.wrote.len();
        self.input("", input);
        let after = self.wrote.split_off(before);
        self.wrote.push_str(after.trim_start_matches("> \n"));
    }

    fn stored(&mut self, upto: u64) {
        self.input(&format!("stored {upto}"), Input::Stored { upto });
    }

    fn cancel(&mut self, which: Cancel) {
        let done = self.machine.cancel(which);
        self.note(&format!("> {which:?}: {done:?}"));
        self.quietly(Input::Tick);
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

fn change_words(change: &Change) -> String {
    let kept = |kept: &Kept| {
        let tried = if kept.tried { " tried" } else { "" };
        let submit = &kept.submit;
        format!("{}@{}/{}{tried}", submit.text, submit.epoch, submit.pseq)
    };
    match change {
        Change::Said(one) => format!("said {}", kept(one)),
        Change::Tried => "tried".to_owned(),
        Change::Settled(name) => format!("settled {}/{}", name.epoch, name.pseq),
        Change::Place(place) => {
            format!(
                "place log={} term={} {}",
                place.log.0[0], place.term, place.shown
            )
        }
        Change::Adopted { from, kept: those } => {
            let from: Vec<_> = from
                .iter()
                .map(|(outbox, pseq)| format!("{outbox}/{pseq}"))
                .collect();
            let those: Vec<_> = those.iter().map(kept).collect();
            format!("adopted {}: {}", from.join(", "), those.join(", "))
        }
        Change::Whole(state) => {
            let messages: Vec<_> = state.messages.iter().map(kept).collect();
            let (log, shown) = (state.place.log.0[0], state.place.shown);
            let messages = messages.join(", ");
            format!(
                "whole {}/{} log={log} {shown}: {messages}",
                state.epoch, state.last
            )
        }
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
            ToServer::SubmitParted(parted) => format!(
                "say text of {} bytes {}/{} clock={} seen={}",
                parted.text.bytes,
                parted.rest.epoch,
                parted.rest.pseq,
                parted.rest.clock,
                parted.rest.seen
            ),
            ToServer::Consumed { upto, count } => format!("consumed {upto} count={count}"),
            other => format!("{other:?}"),
        },
        FrameType::Bulk => format!("text of {} bytes", body.len()),
        kind => format!("{kind:?}"),
    }
}

/// A text that is too long for its message.
fn long() -> String {
    "L".repeat(9_000)
}
