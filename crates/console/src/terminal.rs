//! A terminal on which lines arrive while another is typed: what arrives stands above it, and the
//! half-typed line is drawn again. Where stdin or stdout is no terminal there is none of this, and
//! bytes go as they always did. With a picture it has the other screen of the terminal,
//! and what arrives is written to the usual one, where it stays. The terminal is as it was once it is given back.

use std::io::{self, IsTerminal, Read, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::termios::{
    LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcgetwinsize, tcsetattr,
};

use crate::edit::{Done, Editor, Key, Keys, view};
use crate::picture::Picture;

/// Takes the row of the line away.
const CLEAR_ROW: &str = "\r\u{1b}[K";
/// Marks around what is pasted, so that it is taken as text.
const PASTE_MARKED: &str = "\u{1b}[?2004h";
const PASTE_PLAIN: &str = "\u{1b}[?2004l";
/// Columns where the system does not say.
const COLUMNS: u16 = 80;
const ROWS: u16 = 24;
/// Keys that leave a picture: q, Ctrl-C where it is no signal, Ctrl-D.
const LEAVES: &[u8] = b"qQ\x03\x04";
/// No key does this (`_POSIX_VDISABLE`).
const NO_KEY: u8 = if cfg!(target_os = "linux") { 0 } else { 0xff };
/// Bytes read at a time.
const READ_BYTES: usize = 4_096;

/// Where words go.
#[derive(Clone, Copy, Debug)]
pub enum To {
    /// Data.
    Stdout,
    /// Talk.
    Stderr,
}

/// Something that fills the screen.
pub trait Drawing: std::fmt::Debug + Send {
    /// The rows of a screen of `columns` by `rows`, at most. `said` are the newest lines that were written
    /// meanwhile, harmless ones, to stand below as far as there is room.
    fn draw(&self, said: &[&str], columns: usize, rows: usize) -> Vec<String>;
}

/// Gives the terminal back whichever way a conversation ends.
#[derive(Debug)]
pub struct GivenBack(pub Terminal);

impl Drop for GivenBack {
    fn drop(&mut self) {
        self.0.give_back();
    }
}

/// Whether stdout is a terminal on which colours are wanted.
pub fn wants_colour() -> bool {
    io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none()
}

/// A terminal, or none; all copies share it.
#[derive(Clone, Debug, Default)]
pub struct Terminal(Option<Arc<Screen>>);

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
    /// What is drawn instead of the line.
    picture: Option<Picture>,
}

impl Terminal {
    /// Takes the terminal, where there is one on both sides.
    pub fn take() -> Self {
        Self::take_for(None)
    }

    /// Takes the terminal for a picture; keys are no text then.
    pub fn take_for_picture() -> Self {
        Self::take_for(Some(Picture::default()))
    }

    fn take_for(picture: Option<Picture>) -> Self {
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
            if picture.is_some() {
                // Whoever is stopped leaves the terminal on the other screen.
                typing.special_codes[SpecialCodeIndex::VSUSP] = NO_KEY;
                typing.special_codes[SpecialCodeIndex::VQUIT] = NO_KEY;
            }
            tcsetattr(io::stdin(), OptionalActions::Now, &typing).map(|()| before)
        });
        match taken {
            Ok(before) => {
                let mut row = Row {
                    picture,
                    ..Row::default()
                };
                match row.picture.is_some() {
                    true => row.draw(),
                    false => put(To::Stdout, PASTE_MARKED),
                }
                let row = Mutex::new(row);
                Self(Some(Arc::new(Screen { before, row })))
            }
            Err(error) => {
                tracing::debug!(%error, "the terminal stays as it is");
                Self(None)
            }
        }
    }

    /// Whether there is one.
    pub const fn is_taken(&self) -> bool {
        self.0.is_some()
    }

    /// Writes whole lines; the one being typed is drawn again below them.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn write(&self, to: To, lines: &str) -> io::Result<()> {
        let Some(screen) = &self.0 else {
            return write(to, lines);
        };
        let mut row = screen.row();
        row.clear();
        if let Some(picture) = &mut row.picture {
            picture.said(lines);
        }
        let written = write(to, lines);
        row.draw();
        written
    }

    /// Says what stands before the line being typed.
    pub fn set_status(&self, status: &str) {
        if let Some(screen) = &self.0 {
            let mut row = screen.row();
            if row.picture.is_some() {
                // It says so itself.
                return;
            }
            status.clone_into(&mut row.status);
            row.clear();
            row.draw();
        }
    }

    /// Draws the picture anew.
    pub fn show(&self, drawing: Box<dyn Drawing>) {
        if let Some(screen) = &self.0 {
            let mut row = screen.row();
            if let Some(picture) = &mut row.picture {
                picture.set(drawing);
            }
            row.draw();
        }
    }

    /// Waits for the key that leaves a picture, or for the end of input.
    pub fn wait_for_leave(&self) {
        let mut bytes = [0; READ_BYTES];
        loop {
            match io::stdin().lock().read(&mut bytes) {
                Ok(0) => return,
                Ok(read) if bytes[..read].iter().any(|key| LEAVES.contains(key)) => return,
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return,
            }
        }
    }

    /// Reads keys until the next whole line; `None` at the end of input.
    pub(crate) fn read(&self, keys: &mut Keys) -> Option<Vec<String>> {
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
    pub fn give_back(&self) {
        let Some(screen) = &self.0 else {
            return;
        };
        let mut row = screen.row();
        if std::mem::replace(&mut row.over, true) {
            return;
        }
        match row.picture {
            Some(_) => put(To::Stdout, Picture::LEAVE),
            None => put(To::Stdout, &format!("{CLEAR_ROW}{PASTE_PLAIN}")),
        }
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
    fn take_keys(&mut self, keys: &[Key]) -> (Vec<String>, bool) {
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

    fn clear(&mut self) {
        match &mut self.picture {
            _ if self.over => {}
            Some(picture) => put(To::Stdout, &picture.aside()),
            None => put(To::Stdout, CLEAR_ROW),
        }
    }

    fn draw(&mut self) {
        if self.over {
            return;
        }
        let (columns, rows) = size();
        let drawn = match &mut self.picture {
            Some(picture) => picture.drawn(columns, rows),
            None => view(&self.status, self.editor.line(), columns),
        };
        put(To::Stdout, &drawn);
    }
}

/// Columns and rows.
fn size() -> (usize, usize) {
    let size = tcgetwinsize(io::stdout()).map_or((0, 0), |size| (size.ws_col, size.ws_row));
    let known = |size: u16, usual: u16| usize::from(if size == 0 { usual } else { size });
    (known(size.0, COLUMNS), known(size.1, ROWS))
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
