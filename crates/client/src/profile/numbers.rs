//! Numbers that only grow, also over restarts and when the wall clock is set back: the last one
//! used is in a small file. Best effort: a file that cannot be read or written is no error, and
//! then the wall clock alone decides.

use std::fs;
use std::path::PathBuf;

use lamparina_keys::files;

/// The last number used, and where it is kept.
#[derive(Debug)]
pub struct Numbers {
    last: u64,
    path: Option<PathBuf>,
}

impl Numbers {
    /// Goes on from what `path` says.
    pub fn open(path: PathBuf) -> Self {
        let kept = fs::read_to_string(&path).ok();
        let last = kept.and_then(|text| text.trim().parse().ok()).unwrap_or(0);
        Self {
            last,
            path: Some(path),
        }
    }

    /// Begins at zero and is not kept.
    pub const fn in_memory() -> Self {
        Self {
            last: 0,
            path: None,
        }
    }

    /// A number greater than all before: `now`, where that is one.
    pub fn next(&mut self, now: u64) -> u64 {
        let next = now.max(self.last.saturating_add(1));
        self.used(next);
        next
    }

    /// Notes that `number` is in use.
    pub fn used(&mut self, number: u64) {
        self.last = self.last.max(number);
        if let Some(path) = &self.path
            && let Err(error) =
                files::write_whole(path, format!("{}\n", self.last).as_bytes(), false)
        {
            tracing::debug!(path = %path.display(), %error, "the last number used is not kept");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_grow_over_restarts_and_clocks_set_back() {
        let folder = std::env::temp_dir().join(format!("lamparina-{}-numbers", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        let path = folder.join("numbers");
        let mut numbers = Numbers::open(path.clone());
        assert_eq!(numbers.next(1_000), 1_000);
        assert_eq!(numbers.next(1_000), 1_001);
        numbers.used(5_000);
        assert_eq!(Numbers::open(path.clone()).next(2_000), 5_001);
        fs::write(&path, "nonsense").unwrap();
        assert_eq!(Numbers::open(path).next(2_000), 2_000);
    }
}
