//! Lines from stdin, read by a thread of its own and handed over a few at a time: who does not
//! take them holds up the reading, and nothing else.

use std::io::Read;

use tokio::sync::mpsc;

use crate::edit::Keys;
use crate::lines::{Line, LineCutter};
use crate::terminal::Terminal;

/// Lines that wait to be taken.
const LINES_WAITING_MAX: usize = 64;
/// Bytes taken from stdin at a time.
const READ_BYTES: usize = 64 * 1024;

/// Begins to read stdin. The channel ends where stdin does.
pub fn start(terminal: Terminal) -> mpsc::Receiver<Line> {
    let (lines, taken) = mpsc::channel(LINES_WAITING_MAX);
    std::thread::spawn(move || match terminal.is_taken() {
        true => type_lines(&terminal, &lines),
        false => read(&lines),
    });
    taken
}

/// Lines typed, each as long as a line may be: the editor sees to that.
fn type_lines(terminal: &Terminal, lines: &mpsc::Sender<Line>) {
    let mut keys = Keys::default();
    while let Some(typed) = terminal.read(&mut keys) {
        for line in typed {
            if lines.blocking_send(Ok(line)).is_err() {
                return;
            }
        }
    }
}

fn read(lines: &mpsc::Sender<Line>) {
    let mut stdin = std::io::stdin().lock();
    let mut bytes = vec![0; READ_BYTES];
    let (mut cutter, mut out) = (LineCutter::default(), Vec::new());
    loop {
        let ended = match stdin.read(&mut bytes) {
            Ok(0) => true,
            Ok(read) => {
                cutter.push(&bytes[..read], &mut out);
                false
            }
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => false,
            Err(error) => {
                tracing::warn!(%error, "stdin cannot be read; what was read so far counts");
                true
            }
        };
        if ended {
            cutter.finish(&mut out);
        }
        for line in out.drain(..) {
            if lines.blocking_send(line).is_err() {
                return;
            }
        }
        if ended {
            return;
        }
    }
}
