//! A terminal on which lines arrive while another is typed: what arrives stands above it, and the
//! half-typed line is drawn again. Where stdin or stdout is no terminal there is none of this, and
//! bytes go as they always did. The terminal is as it was when this is dropped.

use std::io::{self, IsTerminal, Read, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::termios::{
    LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcgetwinsize, tcsetattr,
};

use super::edit::{Done, Editor, Keys, view};

/// Takes the row of the line away.
const CLEAR_ROW: &str = "\r\u{1b}[K";
/// Marks around what is pasted, so that it is taken as text.
const PASTE_MARKED: &str = "\u{1b}[?2004h";
const PASTE_PLAIN: &str = "\u{1b}[?2004l";
/// Columns where the system does not say.
const COLUMNS: u16 = 80;
/// Bytes read at a time.
const READ_BYTES: usize = 4_096;

/// Where words go.
#[derive(Clone, Copy, Debug)]
pub(super) enum To {
    /// Data.
    Stdout,
    /// Talk.
    Stderr,
}

/// A terminal, or none; all copies share it.
#[derive(Clone, Debug, Default)]
pub(super) struct Terminal(Option<Arc<Screen>>);

#[derive(Debug)]
struct Screen {
    before: Termios,
    row: Mutex<Row>,
}

#[derive(Debug, Default)]
struct Row {
    editor: Editor,
    /// What stands before the line.
    status: String,
    /// Nothing is typed any more.
    over: bool,
}

impl Terminal {
    /// Takes the terminal, where there is one on both sides.
    pub(super) fn take() -> Self {
        let dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
        if dumb || !io::stdin().is_terminal() || !io::stdout().is_terminal() {
            return Self(None);
        }
        let taken = tcgetattr(io::stdin()).and_then(|before| {
            let mut typing = before.clone();
            // Keys come one by one and are shown by us; signals stay the system's.
            typing
                .local_modes
                .remove(LocalModes::ICANON | LocalModes::ECHO);
            typing.special_codes[SpecialCodeIndex::VMIN] = 1;
            typing.special_codes[SpecialCodeIndex::VTIME] = 0;
            tcsetattr(io::stdin(), OptionalActions::Now, &typing).map(|()| before)
        });
        match taken {
            Ok(before) => {
                put(To::Stdout, PASTE_MARKED);
                let row = Mutex::default();
                Self(Some(Arc::new(Screen { before, row })))
            }
            Err(error) => {
                tracing::debug!(%error, "the terminal stays as it is");
                Self(None)
            }
        }
    }

    /// Whether there is one.
    pub(super) const fn is_taken(&self) -> bool {
        self.0.is_some()
    }

    /// Writes whole lines; the one being typed is drawn again below them.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub(super) fn write(&self, to: To, lines: &str) -> io::Result<()> {
        let Some(screen) = &self.0 else {
            return write(to, lines);
        };
        let row = screen.row();
        row.clear();
        let written = write(to, lines);
        row.draw();
        written
    }

    /// Says what stands before the line being typed.
    pub(super) fn set_status(&self, status: &str) {
        if let Some(screen) = &self.0 {
            let mut row = screen.row();
            status.clone_into(&mut row.status);
            row.clear();
            row.draw();
        }
    }

    /// Reads keys until the next whole line; `None` at the end of input.
    pub(super) fn read(&self, keys: &mut Keys) -> Option<Vec<String>> {
        let screen = self.0.as_ref()?;
        let (mut bytes, mut typed) = ([0; READ_BYTES], Vec::new());
        loop {
            let read = match io::stdin().lock().read(&mut bytes) {
                Ok(0) => return None,
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(_) => return None,
            };
            typed.clear();
            keys.push(&bytes[..read], &mut typed);
            let (lines, end) = screen.row().take_keys(&typed);
            if end && lines.is_empty() {
                return None;
            }
            if !lines.is_empty() {
                return Some(lines);
            }
        }
    }

    /// Gives the terminal back as it was; nothing is drawn any more.
    pub(super) fn give_back(&self) {
        let Some(screen) = &self.0 else {
            return;
        };
        let mut row = screen.row();
        if std::mem::replace(&mut row.over, true) {
            return;
        }
        put(To::Stdout, &format!("{CLEAR_ROW}{PASTE_PLAIN}"));
        // Whoever took the terminal away has it as he wants it.
        let _ = tcsetattr(io::stdin(), OptionalActions::Now, &screen.before);
    }
}

impl Screen {
    fn row(&self) -> MutexGuard<'_, Row> {
        // A panic inside would leave at worst a line drawn in part.
        self.row.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Row {
    /// Gives the lines that these keys complete, and whether the input is at its end.
    fn take_keys(&mut self, keys: &[super::edit::Key]) -> (Vec<String>, bool) {
        let (mut lines, mut end) = (Vec::new(), false);
        for key in keys {
            match self.editor.key(*key) {
                Done::Edited => {}
                Done::Line(line) => lines.push(line),
                Done::End => end = true,
            }
        }
        self.clear();
        self.draw();
        (lines, end)
    }

    fn clear(&self) {
        if !self.over {
            put(To::Stdout, CLEAR_ROW);
        }
    }

    fn draw(&self) {
        if !self.over {
            let columns = tcgetwinsize(io::stdout()).map_or(COLUMNS, |size| size.ws_col);
            let columns = if columns == 0 { COLUMNS } else { columns };
            let drawn = view(&self.status, self.editor.line(), usize::from(columns));
            put(To::Stdout, &drawn);
        }
    }
}

fn write(to: To, text: &str) -> io::Result<()> {
    match to {
        To::Stdout => {
            let mut out = io::stdout().lock();
            out.write_all(text.as_bytes())?;
            out.flush()
        }
        // In one piece, for stderr is not buffered and stdout may share the terminal.
        To::Stderr => io::stderr().lock().write_all(text.as_bytes()),
    }
}

/// Writes what nobody waits for: whoever closed the terminal does not want to know.
fn put(to: To, text: &str) {
    let _ = write(to, text);
}
