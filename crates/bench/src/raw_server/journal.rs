//! The raw server's plain file: every frame that came in a turn of its loop is appended and synced
//! once, before anybody is told of it.

use std::fs::{File, OpenOptions};
use std::io::{self, IoSlice, Write};
use std::path::Path;

use super::tail::{Cursor, Tail};

/// Pieces handed to one system call, at most.
const PIECES_PER_WRITE: usize = 64;
/// A reader that wrote nothing itself, so that it gets everything.
const NOBODY: usize = usize::MAX;

/// The file and how far it has the tail.
#[derive(Debug)]
pub(crate) struct Journal {
    file: File,
    cursor: Cursor,
}

impl Journal {
    /// A new file at `path`, which begins where `tail` ends.
    pub(crate) fn create(path: &Path, tail: &Tail) -> io::Result<Self> {
        let file = OpenOptions::new()
            .append(true)
            .create_new(true)
            .open(path)?;
        Ok(Self {
            file,
            cursor: tail.end(),
        })
    }

    /// Appends what `tail` has and the file has not, then syncs once.
    pub(crate) fn store(&mut self, tail: &Tail) -> io::Result<()> {
        let mut wrote = false;
        loop {
            let mut slices = [IoSlice::new(&[]); PIECES_PER_WRITE];
            let filled = tail.fill(NOBODY, self.cursor, &mut slices);
            if filled == 0 {
                break;
            }
            let written = self.file.write_vectored(&slices[..filled])?;
            self.cursor = tail.advance(NOBODY, self.cursor, written);
            wrote = true;
        }
        if wrote { self.file.sync_data() } else { Ok(()) }
    }

    /// How far the file has the tail.
    pub(crate) fn cursor(&self) -> Cursor {
        self.cursor
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_has_everything_in_order_however_often_it_is_stored() {
        let name = format!("lamparina-bench-journal-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        let mut tail = Tail::new();
        let mut journal = Journal::create(&path, &tail).unwrap();
        let mut wanted = Vec::new();
        for turn in 0..200u8 {
            // Turns of nothing, of one author, and of more pieces than one call takes.
            for piece in 0..u16::from(turn) {
                let text = [turn, piece as u8];
                tail.room()[..2].copy_from_slice(&text);
                tail.commit(usize::from(piece % 3), 2);
                wanted.extend(text);
            }
            journal.store(&tail).unwrap();
            tail.trim(journal.cursor());
        }
        let stored = std::fs::read(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        assert_eq!(stored, wanted);
    }
}
