//! What a logger is started with.

use std::path::PathBuf;

/// Bytes after which the file is rotated, unless told otherwise.
pub const ROTATE_BYTES: u64 = 64 * 1024 * 1024;
/// Rotated files kept, unless told otherwise.
pub const ROTATED_KEPT: u32 = 5;
/// Lines that may wait for the subprocess, unless told otherwise: 40 ms of the busiest server.
pub const QUEUE_LINES: usize = 8_192;
/// Bytes at which no further line is queued, unless told otherwise.
pub const QUEUE_BYTES: usize = 4 * 1024 * 1024;

/// Where and how to log.
#[derive(Clone, Debug)]
pub struct LoggerConfig {
    /// The file; missing folders above it are made. Rotated files stand beside it: `server.log.1`
    /// is the newest of them.
    pub file: PathBuf,
    /// A line that would make the file longer than this begins a new one; 0 never rotates.
    pub rotate_bytes: u64,
    /// Rotated files kept; with 0 a full file is removed.
    pub keep: u32,
    /// Lines that may wait. As many again may be on their way into the pipe.
    pub queue_lines: usize,
    /// Bytes of waiting lines from which on no further one is accepted; the last accepted one may
    /// reach beyond by its own length. As many again may be on their way into the pipe.
    pub queue_bytes: usize,
    /// Whether the texts of messages are logged.
    pub with_text: bool,
    /// The program to start, whose `main` begins with [`run_if_logger`](super::run_if_logger).
    /// `None` is the program that is running.
    pub executable: Option<PathBuf>,
}

impl LoggerConfig {
    /// Logs to `file`, with everything else as by default and without texts.
    pub fn new(file: impl Into<PathBuf>) -> Self {
        Self {
            file: file.into(),
            rotate_bytes: ROTATE_BYTES,
            keep: ROTATED_KEPT,
            queue_lines: QUEUE_LINES,
            queue_bytes: QUEUE_BYTES,
            with_text: false,
            executable: None,
        }
    }
}
