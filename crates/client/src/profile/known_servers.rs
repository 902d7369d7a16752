//! The servers whose keys are known, as SSH keeps them: a server is pinned at first contact, and
//! another key at the same address is never taken in silence.
//!
//! `known_servers` in the config folder, one line each, for people to read and edit:
//!
//! ```text
//! chat.example:5000 ed25519 1f0e..(64 digits) 2026-11-29T02:00:00Z
//! ```
//!
//! In the place of the key may stand its fingerprint, `SHA256:..`: the key with it is taken at the
//! next contact. Lines that are empty or begin with `#` are kept. A file that cannot be understood
//! is an error for every server in it: guessing is what an attacker would like. It is written whole
//! and by one process at a time.

mod line;
#[cfg(test)]
mod tests;

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use lamparina_keys::files;
use lamparina_protocol::{Fingerprint, UnixMicros};

use super::ProfileLock;
use line::Line;
pub use line::{KnownServer, Pinned};

/// Bytes of the file, at most.
pub const FILE_BYTES_MAX: u64 = 1 << 20;
/// Servers in it, at most.
pub const SERVERS_MAX: usize = 4_096;
/// How long another process that writes is waited for.
const LOCK_WITHIN: Duration = Duration::from_secs(5);
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// What is known of a server that shows a key.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// This is its key.
    Known,
    /// Nothing is known of it.
    New,
    /// Another key is.
    Changed {
        /// The fingerprint of that one.
        known: Fingerprint,
    },
}

/// Why the file cannot be used. It stays as it is.
#[derive(Debug, thiserror::Error)]
pub enum KnownServersError {
    /// The disk says no.
    #[error("cannot use {path}: {source}", path = path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// What came of it.
        source: io::Error,
    },
    /// A line that nobody of ours wrote.
    #[error(
        "{path}, line {number}: {why}. No server is trusted by a file that is not understood: mend \
         or remove that line",
        path = path.display()
    )]
    Line {
        /// Which.
        path: PathBuf,
        /// Which line, from 1.
        number: usize,
        /// What is wrong with it.
        why: &'static str,
    },
    /// Others may write it.
    #[error("{path} may be written by others (mode {mode:o}); run: chmod 600 {path}", path = path.display())]
    Exposed {
        /// Which.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// Too large.
    #[error(
        "{path} holds more than {SERVERS_MAX} servers or {FILE_BYTES_MAX} bytes: take out those no longer needed",
        path = path.display()
    )]
    Full {
        /// Which.
        path: PathBuf,
    },
    /// Another process writes it for too long.
    #[error("another program is writing {path}; try again", path = path.display())]
    Busy {
        /// Which.
        path: PathBuf,
    },
    /// No address.
    #[error("{0:?} is no address: give HOST:PORT, as in chat.example:5000 or [::1]:5000")]
    Address(String),
}

/// The file. It is read anew for every question.
#[derive(Clone, Debug)]
pub struct KnownServers {
    path: PathBuf,
}

impl KnownServers {
    /// The file at `path`, which may be missing.
    pub const fn open(path: PathBuf) -> Self {
        Self { path }
    }

    /// Which file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What is known of the server at `address` that shows `key`.
    ///
    /// # Errors
    ///
    /// [`KnownServersError`], here and below.
    pub fn check(&self, address: &str, key: &[u8; 32]) -> Result<Verdict, KnownServersError> {
        let address = normal(address)?;
        Ok(judge(find(&self.read()?, &address), key))
    }

    /// The same, and a server of which nothing is known is known from now on; so is the key of one
    /// of which only the fingerprint was. A changed key changes nothing.
    pub fn pin(
        &self,
        address: &str,
        key: &[u8; 32],
        now: UnixMicros,
    ) -> Result<Verdict, KnownServersError> {
        let address = normal(address)?;
        self.change(|lines| {
            let verdict = judge(find(lines, &address), key);
            let by_key = find(lines, &address).is_some_and(|it| it.pinned == Pinned::Key(*key));
            if !by_key && !matches!(verdict, Verdict::Changed { .. }) {
                put(lines, &address, Pinned::Key(*key), now);
            }
            verdict
        })
    }

    /// From now on the server at `address` has this key, or the one with this fingerprint; gives
    /// what was known before.
    pub fn accept(
        &self,
        address: &str,
        pinned: Pinned,
        now: UnixMicros,
    ) -> Result<Option<KnownServer>, KnownServersError> {
        let address = normal(address)?;
        self.change(|lines| {
            let before = find(lines, &address).cloned();
            put(lines, &address, pinned, now);
            before
        })
    }

    /// Nothing is known of the server at `address` any more; gives what was.
    pub fn forget(&self, address: &str) -> Result<Option<KnownServer>, KnownServersError> {
        let address = normal(address)?;
        self.change(|lines| {
            let before = find(lines, &address).cloned();
            lines.retain(|line| line.server().is_none_or(|it| it.address != address));
            before
        })
    }

    /// All servers, in the file's order.
    pub fn list(&self) -> Result<Vec<KnownServer>, KnownServersError> {
        let lines = self.read()?;
        Ok(lines.iter().filter_map(Line::server).cloned().collect())
    }

    fn read(&self) -> Result<Vec<Line>, KnownServersError> {
        let (bytes, found) = match files::read_bounded(&self.path, FILE_BYTES_MAX + 1) {
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(self.io(error)),
        };
        let mode = found.permissions().mode() & 0o777;
        if mode & 0o022 != 0 {
            let path = self.path.clone();
            return Err(KnownServersError::Exposed { path, mode });
        }
        parse(&bytes).map_err(|fault| self.told(fault))
    }

    /// Reads, changes and writes the file while no other process does.
    fn change<T>(&self, change: impl FnOnce(&mut Vec<Line>) -> T) -> Result<T, KnownServersError> {
        let _alone = self.lock()?;
        let mut lines = self.read()?;
        let before = lines.clone();
        let done = change(&mut lines);
        if lines != before {
            let text = write(&lines);
            // What could not be read again must not be written.
            parse(text.as_bytes()).map_err(|fault| self.told(fault))?;
            files::write_whole(&self.path, text.as_bytes(), false)
                .map_err(|error| self.io(error))?;
        }
        Ok(done)
    }

    fn lock(&self) -> Result<ProfileLock, KnownServersError> {
        let mut path = self.path.as_os_str().to_owned();
        path.push(".lock");
        let path = PathBuf::from(path);
        let tries = LOCK_WITHIN.as_millis() / LOOK_AGAIN.as_millis();
        for _ in 0..tries {
            if let Some(lock) = ProfileLock::try_take(&path).map_err(|error| self.io(error))? {
                return Ok(lock);
            }
            std::thread::sleep(LOOK_AGAIN);
        }
        let path = self.path.clone();
        Err(KnownServersError::Busy { path })
    }

    fn io(&self, source: io::Error) -> KnownServersError {
        let path = self.path.clone();
        KnownServersError::Io { path, source }
    }

    fn told(&self, fault: Fault) -> KnownServersError {
        let path = self.path.clone();
        match fault {
            Fault::Line { number, why } => KnownServersError::Line { path, number, why },
            Fault::Full => KnownServersError::Full { path },
        }
    }
}

/// Why bytes are no such file.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Fault {
    Line { number: usize, why: &'static str },
    Full,
}

/// Reads a whole file.
fn parse(bytes: &[u8]) -> Result<Vec<Line>, Fault> {
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(Fault::Full);
    }
    let mut lines: Vec<Line> = Vec::new();
    let mut seen = std::collections::BTreeSet::new();
    for (place, bytes) in bytes.split(|byte| *byte == b'\n').enumerate() {
        let fault = |why| Fault::Line {
            number: place + 1,
            why,
        };
        let text = str::from_utf8(bytes).map_err(|_other| fault("it is not UTF-8"))?;
        let line = Line::parse(text).map_err(fault)?;
        if let Some(server) = line.server() {
            if !seen.insert(server.address.clone()) {
                return Err(fault("this address stands in it twice"));
            }
            if seen.len() > SERVERS_MAX {
                return Err(Fault::Full);
            }
        }
        lines.push(line);
    }
    // What follows the last line end is no line.
    if lines.last().is_some_and(Line::is_empty) {
        lines.pop();
    }
    Ok(lines)
}

fn write(lines: &[Line]) -> String {
    let mut text = String::new();
    for line in lines {
        text.push_str(&line.to_string());
        text.push('\n');
    }
    text
}

fn find<'a>(lines: &'a [Line], address: &str) -> Option<&'a KnownServer> {
    let mut servers = lines.iter().filter_map(Line::server);
    servers.find(|server| server.address == address)
}

fn judge(known: Option<&KnownServer>, key: &[u8; 32]) -> Verdict {
    let shown = Fingerprint::of(key);
    match known.map(|known| known.pinned.fingerprint()) {
        None => Verdict::New,
        Some(known) if known == shown => Verdict::Known,
        Some(known) => Verdict::Changed { known },
    }
}

/// Puts a server in the place of the line it has, or at the end.
fn put(lines: &mut Vec<Line>, address: &str, pinned: Pinned, now: UnixMicros) {
    let server = KnownServer::new(address, pinned, now);
    let place = lines
        .iter_mut()
        .find(|line| line.server().is_some_and(|it| it.address == address));
    match place {
        Some(line) => *line = Line::Server(server),
        None => lines.push(Line::Server(server)),
    }
}

/// An address as the file has it: in small letters, with a port.
fn normal(address: &str) -> Result<String, KnownServersError> {
    let normal = address.to_ascii_lowercase();
    match line::is_address(&normal) {
        true => Ok(normal),
        false => Err(KnownServersError::Address(
            address.chars().take(80).collect(),
        )),
    }
}

/// Whether any bytes are read as a file that is written and read again as itself: for those who
/// look for bytes that are not.
#[doc(hidden)]
pub fn is_kept(bytes: &[u8]) -> bool {
    let Ok(lines) = parse(bytes) else {
        return true;
    };
    let written = write(&lines);
    parse(written.as_bytes()) == Ok(lines) && written.len() <= bytes.len() + 1
}
