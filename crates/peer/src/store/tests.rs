use super::*;
use crate::event::Kind;
use lamparina_protocol::Lamport;
use lamparina_protocol::nick::{Nick, RoomName};
use lamparina_protocol::peer::Foreign;
use lamparina_protocol::peer::message::Digest;
use std::sync::atomic::{AtomicU32, Ordering};

/// A folder of its own, gone with the test.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let next = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("lamparina-peer-store-{}-{next}", std::process::id());
        let path = std::env::temp_dir().join(name);
        let _ = std::fs::remove_dir_all(&path);
        Self(path)
    }

    fn open(&self) -> Result<Store, StoreError> {
        Store::open(&self.0, AuthorKey([1; 32]))
    }

    fn database(&self) -> PathBuf {
        self.0.join(DATABASE)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn key(stamp: u64, author: u8) -> HistoryKey {
    HistoryKey {
        stamp: Lamport::new(stamp),
        author: AuthorKey([author; 32]),
        incarnation: Incarnation(7),
        n: stamp,
        digest: Digest([u8::try_from(stamp % 251).unwrap() ^ author << 6; 32]),
    }
}

fn row(position: u64, key: HistoryKey, text: &str) -> NewRow {
    NewRow {
        position,
        late: false,
        line: StoredLine {
            key,
            from: PeerName {
                name: Nick::try_from("ana").unwrap(),
                namespace: RoomName::try_from("lab").unwrap(),
            },
            addr: Some("192.0.2.5:5001".parse().unwrap()),
            kind: Kind::Broadcast,
            to: vec!["ALL".to_owned()],
            room: None,
            text: Some(text.to_owned()),
            sent_at: UnixMicros(5),
            received_at: UnixMicros(6),
            own: false,
            via: None,
        },
        signed: Bytes::from(format!("signed {position}")),
    }
}

fn batch(rows: Vec<NewRow>) -> Batch {
    Batch {
        rows,
        ..Batch::default()
    }
}

fn texts(found: Vec<Found>) -> Vec<String> {
    let text = |(_, _, line): Found| line.text.unwrap();
    found.into_iter().map(text).collect()
}

#[test]
fn what_is_stored_comes_back_as_it_was() {
    let folder = Folder::new();
    let mut store = folder.open().unwrap();
    let mut foreign = row(1, key(2, 2), "bom dia");
    foreign.late = true;
    foreign.line.kind = Kind::Multicast;
    foreign.line.to = vec!["rui@lab".to_owned(), "bob@lan".to_owned()];
    foreign.line.own = true;
    foreign.line.via = Some(Foreign {
        peer_id: "rui@lab".to_owned(),
        msg_id: "x".to_owned(),
        addr: Some("[::1]:9".parse().unwrap()),
    });
    let rows = vec![row(0, key(1, 1), "hi"), foreign.clone()];
    let all = Batch {
        rows: rows.clone(),
        proofs: vec![(
            key(1, 1).name(),
            Bytes::from_static(b"a"),
            Bytes::from_static(b"b"),
        )],
        final_upto: Some(key(1, 1)),
        epoch: Some(u64::MAX),
    };
    store.append(&all, true).unwrap();
    drop(store);
    let mut store = folder.open().unwrap();
    let (_, kept) = store.begin(UnixMicros(0), 0).unwrap();
    assert_eq!((kept.epoch, kept.final_upto), (u64::MAX, Some(key(1, 1))));
    let found = store.history(None, &[], 10).unwrap();
    let expected = rows
        .iter()
        .map(|row| (row.position, row.late, row.line.clone()));
    assert_eq!(found, expected.collect::<Vec<_>>());
    assert_eq!(store.line(foreign.line.key.digest).unwrap().unwrap().0, 1);
    let stored = store.stored(1, 10, 1_000).unwrap();
    assert_eq!(stored.len(), 1);
    assert_eq!(
        (stored[0].late, &stored[0].signed[..]),
        (true, &b"signed 1"[..])
    );
}

/// Only what is written is synced, with everything before it.
#[test]
fn a_sync_writes_even_where_nothing_changes() {
    let folder = Folder::new();
    let mut store = folder.open().unwrap();
    let (final_upto, epoch) = (Some(key(1, 1)), Some(5));
    let told = Batch {
        final_upto,
        epoch,
        ..Batch::default()
    };
    store.append(&told, false).unwrap();
    let log = folder.0.join(format!("{DATABASE}-wal"));
    let log_bytes = || std::fs::metadata(&log).unwrap().len();
    for same in [Batch::default(), told] {
        let before = log_bytes();
        store.append(&same, true).unwrap();
        assert!(log_bytes() > before, "{same:?}");
    }
    drop(store);
    let (_, kept) = folder.open().unwrap().begin(UnixMicros(0), 0).unwrap();
    assert_eq!((kept.epoch, kept.final_upto), (5, final_upto));
}

#[test]
fn each_life_is_later_than_all_before() {
    let folder = Folder::new();
    let mut store = folder.open().unwrap();
    let second = UnixMicros(1_700_000_000_000_000);
    let (first, kept) = store.begin(second, 9).unwrap();
    assert_eq!(kept, Kept::default());
    assert_eq!(first, Incarnation(1_700_000_000_000 << 16 | 9));
    // The clock went back.
    let (next, kept) = store.begin(UnixMicros(0), 7).unwrap();
    let later = Incarnation(1_700_000_000_001 << 16 | 7);
    assert_eq!(
        (next, kept.incarnation),
        (later, first),
        "with random bits of its own"
    );
    // Twice in one millisecond.
    let again = UnixMicros(1_700_000_000_001_000);
    let (next, _) = store.begin(again, 3).unwrap();
    assert_eq!(next, Incarnation(1_700_000_000_002 << 16 | 3));
}

#[test]
fn pages_are_bounded_and_go_on_where_they_ended() {
    let folder = Folder::new();
    let mut store = folder.open().unwrap();
    // Delivered in another order than that of history.
    let stamps = [3_u64, 1, 2, 5, 4];
    let rows = (0..).zip(stamps);
    let rows = rows.map(|(position, stamp)| row(position, key(stamp, 1), &stamp.to_string()));
    store.append(&batch(rows.collect()), false).unwrap();
    assert_eq!(texts(store.history(None, &[], 2).unwrap()), ["4", "5"]);
    let before = store.history(Some(key(4, 1)), &[], 2).unwrap();
    assert_eq!(texts(before), ["2", "3"]);
    let positions = |stored: Vec<Stored>| stored.iter().map(|one| one.position).collect::<Vec<_>>();
    assert_eq!(positions(store.stored(1, 2, 1_000).unwrap()), [1, 2]);
    assert_eq!(positions(store.stored(1, 9, 9).unwrap()), [1, 2]);
    assert_eq!(positions(store.stored(5, 9, 9).unwrap()), [0_u64; 0]);
}

#[test]
fn only_what_is_for_us_is_told() {
    let folder = Folder::new();
    let mut store = folder.open().unwrap();
    let in_room = |position, stamp, room: &str, own| {
        let mut row = row(position, key(stamp, 1), room);
        row.line.room = Some(room.to_owned());
        row.line.own = own;
        row
    };
    let mut private = row(0, key(1, 1), "");
    private.line.text = None;
    let rows = vec![
        private,
        in_room(1, 2, "lab", false),
        in_room(2, 3, "la", false),
        in_room(3, 4, "own", true),
    ];
    store.append(&batch(rows), false).unwrap();
    let rooms = ["lab".to_owned(), "other".to_owned()];
    let told = texts(store.history(None, &rooms, 10).unwrap());
    assert_eq!(told, ["lab", "own"]);
    assert_eq!(texts(store.find("la", &rooms, 10).unwrap()), ["lab"]);
    assert_eq!(store.of_stamp(1, 9).unwrap().len(), 1);
    let digits = key(4, 1).digest.to_string();
    assert_eq!(store.of_digest(&digits[..8], 9).unwrap()[0].0, 3);
}

/// Whatever has the number of a foreign message and does not say the same hides nothing.
#[test]
fn only_the_first_of_equal_copies_is_told() {
    let entered = |position, stamp, by, text: &str| {
        let mut row = row(position, key(stamp, by), text);
        row.line.via = Some(Foreign {
            peer_id: "rui@lab".to_owned(),
            msg_id: "x".to_owned(),
            addr: None,
        });
        row
    };
    let original = entered(1, 5, 1, "original");
    type Change = fn(&mut StoredLine);
    let changes: [(Change, bool); 6] = [
        (|_| {}, true),
        (|line| line.text = None, false),
        (|line| line.text = Some("other".to_owned()), false),
        (|line| line.kind = Kind::Unicast, false),
        (|line| line.room = Some("lab".to_owned()), false),
        (|line| line.via = None, false),
    ];
    for (change, is_copy) in changes {
        let folder = Folder::new();
        let mut store = folder.open().unwrap();
        // It came before, and stands before in history.
        let mut first = entered(0, 4, 2, "original");
        change(&mut first.line);
        assert_eq!(original.line.is_copy_of(&first.line), is_copy);
        store.append(&batch(vec![first.clone()]), false).unwrap();
        assert_eq!(
            store.has_copy(&original.line).unwrap(),
            is_copy,
            "{first:?}"
        );
        store.append(&batch(vec![original.clone()]), false).unwrap();
        for found in [
            store.history(None, &[], 9).unwrap(),
            store.find("original", &[], 9).unwrap(),
        ] {
            let told = found.iter().any(|(position, ..)| *position == 1);
            assert_eq!(told, !is_copy, "{first:?}");
        }
    }
}

#[test]
fn words_are_found_as_people_type_them() {
    let folder = Folder::new();
    let mut store = folder.open().unwrap();
    let rows = ["a engine room", "the Motör room", "MATCH \"x"];
    let rows = (0..)
        .zip(rows)
        .map(|(at, text)| row(at, key(at + 1, 1), text));
    store.append(&batch(rows.collect()), false).unwrap();
    let found = |words: &str| texts(store.find(words, &[], 9).unwrap());
    assert_eq!(found("room"), ["a engine room", "the Motör room"]);
    assert_eq!(found("room motor"), ["the Motör room"]);
    assert_eq!(found("eng"), ["a engine room"]);
    assert_eq!(found("\"x OR"), [""; 0]);
    assert_eq!(found(" "), [""; 0]);
}

#[test]
fn peers_are_kept_the_last_seen_first() {
    let folder = Folder::new();
    let mut store = folder.open().unwrap();
    let peer = |addr: &str, seen: Option<u64>| KeptPeer {
        addr: addr.to_owned(),
        key: seen.map(|_| AuthorKey([3; 32])),
        name: None,
        last_seen_at: seen.map(UnixMicros),
    };
    let kept = [
        peer("a:1", None),
        peer("b:1", Some(1)),
        peer("c:1", Some(2)),
    ];
    store.keep_peers(&kept).unwrap();
    let found = store.peers().unwrap();
    let [a, b, c] = kept;
    assert_eq!(found, [c, b.clone(), a]);
    store.keep_peers(std::slice::from_ref(&b)).unwrap();
    assert_eq!(store.peers().unwrap(), [b]);
}

#[test]
fn one_process_has_it_and_it_belongs_to_one_key() {
    let folder = Folder::new();
    let first = folder.open().unwrap();
    assert!(matches!(folder.open(), Err(StoreError::Locked { .. })));
    drop(first);
    let other = Store::open(&folder.0, AuthorKey([2; 32]));
    assert!(matches!(other, Err(StoreError::OtherKey { .. })));
    folder.open().unwrap();
}

#[test]
fn a_batch_is_stored_whole_or_not_at_all() {
    let folder = Folder::new();
    let mut store = folder.open().unwrap();
    let twice = vec![row(0, key(1, 1), "x"), row(0, key(2, 1), "y")];
    store.append(&batch(twice), true).unwrap_err();
    assert_eq!(store.history(None, &[], 9).unwrap(), []);
    store.limit_pages(40);
    let long = "x".repeat(200_000);
    let full = store.append(&batch(vec![row(0, key(1, 1), &long)]), true);
    assert!(matches!(full, Err(StoreError::Full { .. })), "{full:?}");
    store.limit_pages(1_000_000);
    store
        .append(&batch(vec![row(0, key(1, 1), &long)]), true)
        .unwrap();
}

#[test]
fn what_is_not_ours_is_refused_in_words_and_stays() {
    let newer = |connection: &Connection| {
        connection.pragma_update(None, "user_version", 99).unwrap();
    };
    let trigger = |connection: &Connection| {
        let sql = "CREATE TRIGGER t AFTER INSERT ON peers BEGIN DELETE FROM messages; END";
        connection.execute_batch(sql).unwrap();
    };
    let other = |connection: &Connection| {
        connection.pragma_update(None, "application_id", 5).unwrap();
    };
    type Change = fn(&Connection);
    let cases: [(Change, &str); 3] = [
        (newer, "newer version (99, this one knows 1)"),
        (trigger, "a trigger `t` that does not belong there"),
        (other, "another program's"),
    ];
    for (change, expected) in cases {
        let folder = Folder::new();
        drop(folder.open().unwrap());
        let connection = Connection::open(folder.database()).unwrap();
        change(&connection);
        drop(connection);
        let words = folder.open().unwrap_err().to_string();
        assert!(words.contains(expected), "{words}");
    }
    let folder = Folder::new();
    std::fs::create_dir_all(&folder.0).unwrap();
    std::fs::write(
        folder.database(),
        "not a database, but long enough to be looked at",
    )
    .unwrap();
    let words = folder.open().unwrap_err().to_string();
    assert!(words.contains("is damaged"), "{words}");
    let left = std::fs::read_to_string(folder.database()).unwrap();
    assert!(left.starts_with("not a database"));
}
