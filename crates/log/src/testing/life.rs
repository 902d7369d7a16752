//! Journals for tests: the life of a server told entry by entry, and written as a store writes it.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use lamparina_order::{
    Action, Effect, Entry, InviteHash, InviteId, LogIndex, Operation, Record, Recorded, Sequenced,
};
use lamparina_protocol::message::Submit;
use lamparina_protocol::{
    Audience, AuthorKey, Epoch, Lamport, LogId, MemberId, Nick, Pseq, RoomName, SessionNumber,
    Term, UnixMicros,
};

use lamparina_store::Chain;
use lamparina_store::chain::Chainer;
use lamparina_store::code::Encoder;
use lamparina_store::index::{Behind, Search, Snapshot};
use rusqlite::{Connection, params};

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
    /// Entries before these.
    pub(crate) before: u64,
    pub(crate) out: Vec<Effect>,
}

impl Life {
    fn keep(&mut self, event: Recorded) {
        let index = LogIndex(self.before + self.records.len() as u64 + 1);
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

impl Life {
    /// What an operator asked, at the time of its entry.
    pub(crate) fn operate(&mut self, operation: Operation) {
        let at = self.next_at();
        let lasting = self.order.operate(at, operation, &mut self.out).unwrap();
        let event = lasting.recorded(self.out.last().unwrap()).unwrap();
        self.keep(event);
    }

    pub(crate) fn redeem(&mut self, who: u8, name: &str, code: InviteHash) {
        let (nick, epoch, at) = (nick(name), Epoch(1), self.next_at());
        self.act(
            who,
            Action::Redeem {
                nick,
                epoch,
                code,
                at,
            },
        );
    }

    fn next_at(&self) -> UnixMicros {
        UnixMicros(BEGIN + (self.before + self.records.len() as u64) * STEP)
    }
}

/// Entries 1 to 12: invites and bans.
pub(crate) fn guarded() -> Life {
    let (mut life, by) = (Life::default(), || "uid 7".to_owned());
    let code = InviteHash([5; 32]);
    let invite = |hash, uses, hours| Operation::Invite {
        hash,
        uses,
        expires_at: UnixMicros(BEGIN + hours * STEP),
        by: by(),
    };
    life.began(1);
    life.enter(ANA, "ana");
    life.operate(invite(code, 2, 9)); // 3
    life.operate(invite(InviteHash([6; 32]), 1, 99)); // 4
    life.redeem(BOB, "bob", code); // 5
    life.redeem(EVA, "eva", code); // 6
    life.operate(Operation::Revoke {
        invite: InviteId(1),
        by: by(),
    }); // 7
    life.operate(Operation::Ban {
        member: MemberId(1),
        by: by(),
        reason: "spam".to_owned(),
    }); // 8
    life.say(ANA, 1, 0, Audience::All, "while bob is banned"); // 9
    life.say(ANA, 2, 1, Audience::Unicast(nick("eva")), "to eva"); // 10
    life.operate(Operation::Unban {
        member: MemberId(1),
        by: by(),
    }); // 11
    life.enter(BOB, "bob");
    life.say(BOB, 1, 0, Audience::All, "back"); // 12
    life
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

/// The log that test journals are of.
pub(crate) const LOG: LogId = LogId([0xab; 16]);

/// The tables, as the store makes them.
const TABLES: &str = r#"
    PRAGMA journal_mode = WAL;
    CREATE TABLE entry(log_index INTEGER PRIMARY KEY, kind INTEGER NOT NULL,
        stamp INTEGER NOT NULL, at INTEGER NOT NULL, member INTEGER, "from" TEXT, "to" TEXT,
        detail BLOB NOT NULL, text TEXT, chain BLOB NOT NULL) STRICT;
    CREATE TABLE term(term INTEGER PRIMARY KEY, after INTEGER NOT NULL, at INTEGER NOT NULL) STRICT;
    CREATE TABLE position(member INTEGER PRIMARY KEY, consumed INTEGER NOT NULL,
        at INTEGER NOT NULL) STRICT;
    CREATE TABLE meta(one INTEGER PRIMARY KEY CHECK(one = 1), log BLOB NOT NULL,
        created_at INTEGER NOT NULL) STRICT;
    CREATE INDEX stays ON entry(member, log_index) WHERE kind IN (5, 6);
    PRAGMA application_id = 1281453424;
    PRAGMA user_version = 2;
"#;

/// Records with their chains, as the store makes them.
pub(crate) fn chained(records: &[Record]) -> Vec<(Record, Chain)> {
    let (mut encoder, mut chainer) = (Encoder::default(), Chainer::default());
    let mut chain = Chain::genesis(LOG);
    let mut chained = Vec::new();
    for record in records {
        chain = chainer.next(chain, &encoder.encode(record).unwrap());
        chained.push((record.clone(), chain));
    }
    chained
}

/// Writes a journal with exactly these rows, and the table of terms that goes with them.
pub(crate) fn write_journal(folder: &Path, rows: &[(Record, Chain)]) -> Connection {
    let connection = Connection::open(folder.join("lamparina.db")).unwrap();
    connection.execute_batch(TABLES).unwrap();
    let sql = "INSERT INTO meta VALUES (1, ?, 1)";
    connection.execute(sql, [&LOG.0[..]]).unwrap();
    connection.execute_batch("BEGIN").unwrap();
    let mut encoder = Encoder::default();
    let text = |bytes: Option<&[u8]>| bytes.map(|bytes| String::from_utf8(bytes.to_vec()).unwrap());
    for (record, chain) in rows {
        let row = encoder.encode(record).unwrap();
        let values = params![
            row.index,
            row.kind,
            row.stamp,
            row.at,
            row.member,
            text(row.from),
            text(row.to),
            row.detail,
            text(row.text),
            &chain.0[..]
        ];
        let sql = "INSERT INTO entry VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
        connection.execute(sql, values).unwrap();
        if let Recorded::Began { term } = record.event {
            let sql = "INSERT OR REPLACE INTO term VALUES (?, ?, ?)";
            let after = record.stamp.get() as i64;
            connection
                .execute(sql, params![term.0, after, row.at])
                .unwrap();
        }
    }
    connection.execute_batch("COMMIT").unwrap();
    connection
}

/// Fills the derived file, as a server does, with a snapshot of the state after entry `snapshot`.
pub(crate) fn write_index(folder: &Path, rows: &[(Record, Chain)], snapshot: u64) {
    let mut order = Sequenced::default();
    let until = rows.iter().take(snapshot as usize);
    until.for_each(|(record, _)| order.replay(record).unwrap());
    let last = LogIndex(rows.len() as u64);
    let journal = folder.join("lamparina.db");
    let behind = Behind::start(&journal, LOG, last, Box::new(|words| panic!("{words}"))).unwrap();
    behind.keep_snapshot(Snapshot {
        index: LogIndex(snapshot),
        chain: rows[snapshot as usize - 1].1,
        state: order.to_bytes(),
    });
    wait_indexed(folder, rows.last().unwrap().0.stamp);
}

/// Waits until the derived file has come to the message with this stamp.
pub(crate) fn wait_indexed(folder: &Path, stamp: Lamport) {
    let mut search = Search::new(folder);
    let mut upto = || {
        search
            .candidates("x", LogIndex(u64::MAX), 1)
            .map(|found| found.upto)
    };
    while !upto().is_ok_and(|upto| upto >= stamp) {
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
}
