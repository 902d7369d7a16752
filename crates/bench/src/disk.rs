//! What the disk can do at this moment, without any server: rounds beside others' writing are not
//! comparable, and the reader must see that.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use crate::histogram::Histogram;

/// Appends looked at, at most, and the time they may take together.
const APPENDS_MAX: u64 = 64;
const WITHIN: Duration = Duration::from_millis(300);
/// The probe's file.
const NAME: &str = "probe";

/// Nanoseconds of appending `bytes` bytes to a new file in `folder` and syncing it, again and again.
pub(crate) fn probe(folder: &Path, bytes: usize) -> io::Result<Histogram> {
    let path = folder.join(NAME);
    let mut file = OpenOptions::new()
        .append(true)
        .create_new(true)
        .open(&path)?;
    let (text, mut times, all) = (vec![b'.'; bytes], Histogram::default(), Instant::now());
    while times.total() < APPENDS_MAX && all.elapsed() < WITHIN {
        let began = Instant::now();
        file.write_all(&text)?;
        file.sync_data()?;
        times.record(u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX));
    }
    std::fs::remove_file(&path)?;
    Ok(times)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::folder::Folder;

    #[test]
    fn probing_is_bounded_and_leaves_nothing() {
        let folder = Folder::fresh(&std::env::temp_dir()).unwrap();
        let times = probe(folder.path(), 128).unwrap();
        assert!((1..=APPENDS_MAX).contains(&times.total()));
        assert!(times.quantile(0.5) > 0);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        assert!(probe(&folder.path().join("none"), 128).is_err());
    }
}
