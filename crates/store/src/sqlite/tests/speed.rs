//! How many records a second, printed and never judged:
//! `cargo test -p lamparina-store --lib speed -- --ignored --nocapture`. `LAMPARINA_SPEED_DIR` says
//! where; on a memory file system it shows what a record costs without the disk.

use std::time::{Duration, Instant};

use lamparina_order::{Record, Recorded};

use super::{Folder, journal};
use crate::testing::{message, record};
use crate::traits::Journal;

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

/// What this thread used of a processor: other programs do not count.
fn used() -> Duration {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanos = stat.split(' ').next().and_then(|field| field.parse().ok());
    Duration::from_nanos(nanos.unwrap_or(0))
}

#[test]
#[ignore = "prints figures"]
fn speed() {
    let place = std::env::var_os("LAMPARINA_SPEED_DIR");
    let place = place.map_or_else(std::env::temp_dir, Into::into);
    for size in [1, 64, 512] {
        let folder = Folder::under(&place);
        let mut journal = journal(&folder);
        let (mut next, mut spent, mut cpu, mut slow) =
            (1, Duration::ZERO, Duration::ZERO, Vec::new());
        let began = Instant::now();
        while began.elapsed() < Duration::from_secs(4) && next < 3_000_000 {
            let records = batch(next, size);
            let (before, used_before) = (Instant::now(), used());
            journal.append(&records, &[]).unwrap();
            slow.push(before.elapsed());
            spent += before.elapsed();
            cpu += used() - used_before;
            next += size;
        }
        slow.sort();
        let at = |part: usize| slow[(slow.len() - 1) * part / 1000];
        let wal = std::fs::metadata(folder.path().join("lamparina.db-wal"))
            .unwrap()
            .len();
        println!(
            "batches of {size}: {:.0} records/s, {} ns of processor each; a batch: p50 {:?}, p99 {:?}, p99.9 {:?}; {} records, wal {} MiB",
            (next - 1) as f64 / spent.as_secs_f64(),
            cpu.as_nanos() as u64 / (next - 1),
            at(500),
            at(990),
            at(999),
            next - 1,
            wal >> 20,
        );
    }
}
