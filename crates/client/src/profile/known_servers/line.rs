//! One line of `known_servers`.

use std::fmt;

use jiff::Timestamp;
use lamparina_protocol::{AuthorKey, Fingerprint, UnixMicros};

use lamparina_keys::identity::unhex;

/// Bytes of a line, at most.
const LINE_BYTES_MAX: usize = 1_024;
/// Bytes of an address: the longest name of DNS, and a port.
const ADDRESS_BYTES_MAX: usize = 255 + 6;
const KIND: &str = "ed25519";

/// What a server is known by.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Pinned {
    /// Its public key.
    Key([u8; 32]),
    /// Only its key's fingerprint, until the next contact.
    Fingerprint(Fingerprint),
}

impl Pinned {
    /// The fingerprint, either way.
    pub fn fingerprint(&self) -> Fingerprint {
        match self {
            Self::Key(key) => Fingerprint::of(key),
            Self::Fingerprint(fingerprint) => *fingerprint,
        }
    }
}

impl fmt::Display for Pinned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(key) => AuthorKey(*key).fmt(f),
            Self::Fingerprint(fingerprint) => fingerprint.fmt(f),
        }
    }
}

/// A server that is known.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct KnownServer {
    /// Where it is, HOST:PORT in small letters.
    pub address: String,
    /// What it is known by.
    pub pinned: Pinned,
    /// When that was first seen, or accepted; RFC 3339.
    pub first_seen: String,
}

impl KnownServer {
    pub(super) fn new(address: &str, pinned: Pinned, now: UnixMicros) -> Self {
        let seconds = i64::try_from(now.0 / 1_000_000).unwrap_or(i64::MAX);
        let first_seen = Timestamp::from_second(seconds).unwrap_or(Timestamp::MAX);
        Self {
            address: address.to_owned(),
            pinned,
            first_seen: first_seen.to_string(),
        }
    }
}

impl fmt::Display for KnownServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            address,
            pinned,
            first_seen,
        } = self;
        write!(f, "{address} {KIND} {pinned} {first_seen}")
    }
}

/// A line: a server, or what people wrote between.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Line {
    Server(KnownServer),
    Remark(String),
}

impl Line {
    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        if text.len() > LINE_BYTES_MAX {
            return Err("it is too long");
        }
        if text.chars().any(|c| c.is_control() && c != '\t') {
            return Err("it holds control characters");
        }
        if text.trim().is_empty() || text.trim_start().starts_with('#') {
            return Ok(Self::Remark(text.to_owned()));
        }
        let fields: Vec<&str> = text.split_ascii_whitespace().collect();
        let [address, kind, pinned, first_seen] = fields[..] else {
            return Err("it is not `HOST:PORT ed25519 KEY FIRST-SEEN`");
        };
        let address = address.to_ascii_lowercase();
        if !is_address(&address) {
            return Err("its address is not HOST:PORT");
        }
        if kind != KIND {
            return Err("its kind of key is not ed25519");
        }
        let key = unhex(pinned).map(Pinned::Key);
        let pinned = key.or_else(|| pinned.parse().ok().map(Pinned::Fingerprint));
        let pinned = pinned.ok_or("its key is neither 64 hexadecimal digits nor a fingerprint")?;
        first_seen
            .parse::<Timestamp>()
            .map_err(|_other| "when it was first seen is no time")?;
        Ok(Self::Server(KnownServer {
            address,
            pinned,
            first_seen: first_seen.to_owned(),
        }))
    }

    pub(super) const fn server(&self) -> Option<&KnownServer> {
        match self {
            Self::Server(server) => Some(server),
            Self::Remark(_) => None,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        matches!(self, Self::Remark(text) if text.is_empty())
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Server(server) => server.fmt(f),
            Self::Remark(text) => f.write_str(text),
        }
    }
}

/// Whether `text` is HOST:PORT, in small letters, and can be a word of a line.
pub(super) fn is_address(text: &str) -> bool {
    let Some((host, port)) = text.rsplit_once(':') else {
        return false;
    };
    let v6 = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    let host_is_fine = match v6 {
        Some(v6) => v6
            .bytes()
            .all(|byte| byte.is_ascii_hexdigit() || b":.%".contains(&byte)),
        None => !host.contains([':', '[', ']']),
    };
    text.len() <= ADDRESS_BYTES_MAX
        && !host.is_empty()
        && host_is_fine
        && !host.starts_with('#')
        && !host
            .chars()
            .any(|c| c.is_whitespace() || c.is_control() || c.is_ascii_uppercase())
        && port.len() <= 5
        && port.bytes().all(|byte| byte.is_ascii_digit())
        && port.parse::<u16>().is_ok_and(|port| port > 0)
}
