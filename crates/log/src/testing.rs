//! Journals, captures and logs for tests: the life of a server, told entry by entry, and what it
//! leaves behind.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use lamparina_order::verify::journal::Judge;
use lamparina_order::{Action, Effect, Entry, LogIndex, Record, Recorded, Sequenced};
use lamparina_protocol::message::Submit;
use lamparina_protocol::{
    Audience, AuthorKey, Epoch, Lamport, MemberId, Nick, Pseq, RoomName, SessionNumber, Term,
    UnixMicros,
};

use crate::export::json;

/// The first of the authors.
pub(crate) const ANA: u8 = 1;
/// The second.
pub(crate) const BOB: u8 = 2;
/// The third.
pub(crate) const EVA: u8 = 3;

pub(crate) fn nick(text: &str) -> Nick {
    Nick::try_from(text).unwrap()
}

pub(crate) fn room(text: &str) -> RoomName {
    RoomName::try_from(text).unwrap()
}

/// 2026-11-20T18:42:01Z, when all of it begins.
pub(crate) const BEGIN: u64 = 1_795_200_121_000_000;
/// From one entry to the next.
pub(crate) const STEP: u64 = 3_600_000_000;

/// A server's life as far as a journal is concerned.
#[derive(Default)]
pub(crate) struct Life {
    pub(crate) order: Sequenced,
    pub(crate) records: Vec<Record>,
    out: Vec<Effect>,
}

impl Life {
    fn keep(&mut self, event: Recorded) {
        let index = LogIndex(self.records.len() as u64 + 1);
        self.records.push(Record {
            index,
            at: UnixMicros(BEGIN + (index.0 - 1) * STEP),
            stamp: self.order.last_stamp(),
            event,
        });
    }

    pub(crate) fn began(&mut self, term: u32) {
        self.keep(Recorded::Began { term: Term(term) });
    }

    pub(crate) fn act(&mut self, who: u8, action: Action) {
        let entry = Entry {
            author: AuthorKey([who; 32]),
            session: SessionNumber(1),
            action,
        };
        if let Some(event) = self.order.apply_recorded(entry, &mut self.out) {
            self.keep(event);
        }
    }

    pub(crate) fn enter(&mut self, who: u8, name: &str) {
        let (nick, epoch) = (nick(name), Epoch(1));
        self.act(who, Action::Enter { nick, epoch });
    }

    /// Says something; its author has seen everything up to `seen`.
    pub(crate) fn say(&mut self, who: u8, pseq: u64, seen: u64, audience: Audience, text: &str) {
        self.act(
            who,
            Action::Say(Submit {
                epoch: Epoch(1),
                pseq: Pseq(pseq),
                clock: Lamport::new(seen + 1),
                seen: Lamport::new(seen),
                sent_at: UnixMicros(BEGIN),
                audience,
                text: text.to_owned(),
            }),
        );
    }
}

/// Entries of nearly every kind, with stamps 1 to 8.
pub(crate) fn story() -> Life {
    let mut life = Life::default();
    life.began(1);
    life.enter(ANA, "ana");
    life.enter(BOB, "bob");
    life.enter(EVA, "eva"); // 4
    life.say(ANA, 1, 0, Audience::All, "hello, all");
    life.say(BOB, 1, 1, Audience::Unicast(nick("ana")), "hello, ana");
    let both = vec![nick("eva"), nick("bob")];
    life.say(ANA, 2, 2, Audience::Multicast(both), "hello, both");
    life.act(ANA, Action::Join { room: room("lab") }); // 8
    life.act(BOB, Action::Join { room: room("lab") });
    life.say(BOB, 2, 3, Audience::Room(room("lab")), "in the lab"); // 10
    life.act(EVA, Action::Rename { nick: nick("Evi") });
    life.say(ANA, 3, 4, Audience::Unicast(nick("nobody")), "lost"); // 12
    life.began(2);
    life.enter(ANA, "ana");
    life.enter(EVA, "Evi");
    life.say(
        EVA,
        1,
        1,
        Audience::All,
        "<b>bold</b> \u{1b}[31m\nsecond & last",
    );
    life.say(ANA, 4, 6, Audience::Unicast(nick("eva")), "to Evi"); // 15
    life.act(BOB, Action::Leave { room: room("lab") });
    life.say(ANA, 5, 7, Audience::All, "bye");
    life
}

/// What the client of `member` prints with `--json` while all of `records` happens.
pub(crate) fn capture(records: &[Record], member: u32, log: &str) -> Vec<String> {
    let mut lines = vec![format!(
        r#"{{"v":1,"type":"connected","server":"x:1","as":"x","stamp":0,"member":{member},"log":"{log}"}}"#
    )];
    let (mut judge, mut prev) = (Judge::default(), 0);
    for record in records {
        judge.admit(record).unwrap();
        let Recorded::Message(message) = &record.event else {
            continue;
        };
        let (epoch, pseq) = (message.epoch, message.pseq);
        let stamp = record.stamp.get();
        if message.member.0 == member {
            lines.push(format!(
                r#"{{"v":1,"type":"committed","epoch":{epoch},"pseq":{pseq},"stamp":{stamp}}}"#
            ));
        } else if judge.receives(MemberId(member), message) {
            let mut line = serde_json::from_str::<serde_json::Value>(&json::line(record)).unwrap();
            line["history"] = false.into();
            line["prev"] = prev.into();
            lines.push(line.to_string());
            prev = stamp;
        }
    }
    lines
}

/// What the server logs while all of `records` happens, without a line for its start.
pub(crate) fn server_log(records: &[Record]) -> Vec<String> {
    let messages = records.iter().filter_map(|record| match &record.event {
        Recorded::Message(message) => Some((record.stamp, message)),
        _ => None,
    });
    messages
        .map(|(stamp, message)| {
            let to = message.audience.names().join(",");
            let (kind, from) = (message.audience.kind(), &message.from);
            let (bytes, seen) = (message.text.len(), message.seen);
            format!("2026-11-20T18:42:01.123456Z event=produced stamp={stamp} kind={kind} from={from} to={to} bytes={bytes} seen={seen}")
        })
        .collect()
}

/// A folder of this test alone, gone when it is dropped.
pub(crate) struct Folder(pub(crate) PathBuf);

impl Folder {
    pub(crate) fn new(name: &str) -> Self {
        let number = FOLDERS.fetch_add(1, Ordering::Relaxed);
        let name = format!("lamparina-log-{}-{number}-{name}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    pub(crate) fn file(&self, name: &str, lines: &[String]) -> PathBuf {
        let file = self.0.join(name);
        std::fs::write(&file, lines.join("\n") + "\n").unwrap();
        file
    }
}

static FOLDERS: AtomicU32 = AtomicU32::new(0);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
