//! How many records a second, printed and never judged:
//! `cargo test -p lamparina-store --lib speed -- --ignored --nocapture`. `LAMPARINA_SPEED_DIR` says
//! where; on a memory file system it shows what a record costs without the disk.

use std::time::{Duration, Instant};

use lamparina_order::{LogIndex, Record, Recorded};
use lamparina_protocol::{Lamport, LogId, UnixMicros};

use super::Folder;
use crate::sqlite::lock::Lock;
use crate::sqlite::schema::Meta;
use crate::sqlite::writer::{SqliteJournal, Tip, connect};
use crate::testing::{message, record};
use crate::traits::{Chain, Journal};

fn journal(folder: &Folder) -> SqliteJournal {
    let lock = Lock::take(folder.path()).unwrap();
    let meta = Meta {
        log: LogId([7; 16]),
        created_at: UnixMicros(1),
    };
    let (connection, meta) = connect(folder.path(), meta).unwrap();
    let tip = Tip {
        index: LogIndex(0),
        stamp: Lamport::ZERO,
        chain: Chain::genesis(meta.log),
    };
    SqliteJournal::new(folder.path(), lock, connection, tip).unwrap()
}

fn batch(from: u64, count: u64) -> Vec<Record> {
    let text = "x".repeat(128);
    let records = (from..from + count).map(|n| {
        record(
            n,
            n,
            Recorded::Message(message((n % 8) as u32, n, n, &text)),
        )
    });
    records.collect()
}

#[test]
#[ignore = "prints figures"]
fn speed() {
    let place = std::env::var_os("LAMPARINA_SPEED_DIR");
    let place = place.map_or_else(std::env::temp_dir, Into::into);
    for size in [1, 64, 512, 4096] {
        let folder = Folder::under(&place);
        let mut journal = journal(&folder);
        let (mut next, mut spent, mut slow) = (1, Duration::ZERO, Vec::new());
        let began = Instant::now();
        while began.elapsed() < Duration::from_secs(4) && next < 3_000_000 {
            let records = batch(next, size);
            let before = Instant::now();
            journal.append(&records, &[]).unwrap();
            slow.push(before.elapsed());
            spent += before.elapsed();
            next += size;
        }
        slow.sort();
        let at = |part: usize| slow[(slow.len() - 1) * part / 1000];
        let wal = std::fs::metadata(folder.path().join("lamparina.db-wal"))
            .unwrap()
            .len();
        println!(
            "batches of {size}: {:.0} records/s; a batch: p50 {:?}, p99 {:?}, p99.9 {:?}; {} records, wal {} MiB",
            (next - 1) as f64 / spent.as_secs_f64(),
            at(500),
            at(990),
            at(999),
            next - 1,
            wal >> 20,
        );
    }
}
