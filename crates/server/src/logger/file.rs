//! Keeps the file made of whole lines: bytes are appended in order, a line is never cut by a
//! rotation, and what a killed predecessor left unfinished is taken away before the first append.
//!
//! Taking away needs the file for oneself: it is locked, and where another server logs to the same
//! file too, the lock is missing and nothing is ever taken away; both append whole lines.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

use super::event::LINE_BYTES_MAX;
use super::line::looks_like_line_start;
use super::wire::{Orders, REOPEN};

/// What to do with lines next.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Step {
    /// There is no line.
    Nothing,
    /// These many bytes, whole lines, go to the file as it is.
    Write { bytes: usize, lines: u64 },
    /// A new file is needed before the first line.
    Rotate,
    /// The first line asks to open the file again.
    Reopen,
}

/// Decides what to do with `lines` when the file has `size` bytes and should not pass `limit`.
/// A line longer than the limit has a file of its own.
pub(super) fn plan(lines: &[u8], size: u64, limit: u64) -> Step {
    let (mut bytes, mut count) = (0, 0);
    for line in lines.split_inclusive(|byte| *byte == b'\n') {
        let before = size + bytes as u64;
        let full = before > 0 && before + line.len() as u64 > limit;
        if line == REOPEN || full {
            if bytes > 0 {
                break;
            }
            return if line == REOPEN {
                Step::Reopen
            } else {
                Step::Rotate
            };
        }
        bytes += line.len();
        count += 1;
    }
    if bytes == 0 {
        return Step::Nothing;
    }
    Step::Write {
        bytes,
        lines: count,
    }
}

/// The renames of one rotation, in order: the oldest is written over, the file becomes `.1`.
fn moves(file: &Path, keep: u32) -> Vec<(PathBuf, PathBuf)> {
    let name = |number: u32| {
        let mut name = file.as_os_str().to_owned();
        if number > 0 {
            name.push(format!(".{number}"));
        }
        PathBuf::from(name)
    };
    (0..keep)
        .rev()
        .map(|number| (name(number), name(number + 1)))
        .collect()
}

/// The open file.
#[derive(Debug)]
struct Open {
    file: File,
    /// Nobody else appends to it.
    alone: bool,
}

/// The log file, opened when there is something to write and again after every failure.
#[derive(Debug)]
pub(super) struct LogFile {
    orders: Orders,
    open: Option<Open>,
    /// Size at which to rotate next; beyond the ordered one after a rotation failed.
    limit: u64,
}

impl LogFile {
    pub(super) fn new(orders: Orders) -> Self {
        let limit = ordered_limit(&orders);
        Self {
            orders,
            open: None,
            limit,
        }
    }

    /// Opens the file if it is not, and says what to do with `lines`.
    pub(super) fn plan(&mut self, lines: &[u8]) -> io::Result<Step> {
        let size = self.opened()?.file.metadata()?.len();
        Ok(plan(lines, size, self.limit))
    }

    /// Appends `bytes` from `done` on, and advances `done`. After an error, call again.
    pub(super) fn append(&mut self, bytes: &[u8], done: &mut usize) -> io::Result<()> {
        let open = self.opened()?;
        while *done < bytes.len() {
            match open.file.write(&bytes[*done..]) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => *done += written,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.undo(done);
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    /// Closes the file; the next use opens it by its name.
    pub(super) fn close(&mut self) {
        self.open = None;
    }

    /// Begins a new file. When that fails the old one goes on for as long again.
    pub(super) fn rotate(&mut self) -> io::Result<()> {
        // Somebody else may have rotated: then the name already stands for another file.
        if self.is_current()? {
            let size = self.opened()?.file.metadata()?.len();
            if let Err(error) = self.shift() {
                self.limit = size.saturating_add(self.orders.rotate_bytes);
                return Err(error);
            }
        }
        self.limit = ordered_limit(&self.orders);
        self.close();
        Ok(())
    }

    fn shift(&self) -> io::Result<()> {
        if self.orders.keep == 0 {
            return fs::remove_file(&self.orders.file);
        }
        for (from, to) in moves(&self.orders.file, self.orders.keep) {
            match fs::rename(from, to) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    fn is_current(&mut self) -> io::Result<bool> {
        let ours = self.opened()?.file.metadata()?;
        match fs::metadata(&self.orders.file) {
            Ok(named) => Ok((named.dev(), named.ino()) == (ours.dev(), ours.ino())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Takes back what an append wrote before it failed, so that nothing torn stays behind however
    /// long the trouble lasts, and gives the file up: a full disk may be freed by its removal.
    fn undo(&mut self, done: &mut usize) {
        let Some(open) = self.open.take() else { return };
        let undone = *done == 0
            || open.alone
                && open.file.metadata().is_ok_and(|metadata| {
                    let before = metadata.len().saturating_sub(*done as u64);
                    open.file.set_len(before).is_ok()
                });
        if undone {
            *done = 0;
        } else {
            // The rest must follow what is there, in the same file.
            self.open = Some(open);
        }
    }

    fn opened(&mut self) -> io::Result<&mut Open> {
        if self.open.is_none() {
            self.open = Some(open(&self.orders.file)?);
        }
        self.open
            .as_mut()
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

const fn ordered_limit(orders: &Orders) -> u64 {
    match orders.rotate_bytes {
        0 => u64::MAX,
        bytes => bytes,
    }
}

fn open(path: &Path) -> io::Result<Open> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut options = OpenOptions::new();
    let mut file = options.read(true).append(true).create(true).open(path)?;
    let alone = flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok();
    if file.metadata()?.is_file() {
        repair(&mut file, alone)?;
    }
    Ok(Open { file, alone })
}

/// Makes the file end with a whole line. Our own unfinished line is removed: its sender counts it
/// as lost. Text that is not ours is only ended.
fn repair(file: &mut File, alone: bool) -> io::Result<()> {
    let length = file.metadata()?.len();
    let start = length.saturating_sub(LINE_BYTES_MAX as u64);
    file.seek(SeekFrom::Start(start))?;
    let mut tail = Vec::new();
    file.take(LINE_BYTES_MAX as u64).read_to_end(&mut tail)?;
    let newline = tail.iter().rposition(|byte| *byte == b'\n');
    let unfinished = &tail[newline.map_or(0, |newline| newline + 1)..];
    if unfinished.is_empty() {
        return Ok(());
    }
    let known_from = newline.is_some() || start == 0;
    if alone && known_from && looks_like_line_start(unfinished) {
        return file.set_len(length - unfinished.len() as u64);
    }
    file.write_all(b"\n")
}

#[cfg(test)]
mod tests;
