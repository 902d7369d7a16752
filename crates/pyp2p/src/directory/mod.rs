//! The rendezvous: who is registered and where, for as long as he asked for and no longer, under the
//! address that he was seen at. Each connection has one request and one reply.
//!
//! In: connections, lines and time. Out: reply lines. These are methods that give a reply and no `handle`
//! with outputs, for whatever is asked has exactly one answer.

mod rates;
mod records;
mod request;
mod stored;
#[cfg(test)]
mod tests;

use std::net::{IpAddr, SocketAddr};

use lamparina_protocol::{Instant, UnixMicros};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::json::object;
use crate::limits::{LINE_BYTES_MAX, RATE_LIMIT, RECORDS_MAX, REPLY_BYTES_MAX};
use crate::line;
use rates::Rates;
use records::{Full, Listed, Records};

pub use stored::{Restored, StoredError};

/// What whoever runs a rendezvous may choose.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Connections of one address in 60 s that are answered; 0: all.
    pub limit: u32,
    /// Records, at most.
    pub records_max: usize,
    /// Wall-clock time at [`Instant::ZERO`], for what lasts over a restart.
    pub wall_at_zero: UnixMicros,
}

impl Settings {
    /// The defaults; `wall_at_zero` is the wall-clock time at [`Instant::ZERO`].
    pub const fn new(wall_at_zero: UnixMicros) -> Self {
        Self {
            limit: RATE_LIMIT,
            records_max: RECORDS_MAX,
            wall_at_zero,
        }
    }
}

/// What came by a connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Asked<'a> {
    /// A line, without its newline, or what stood before the end of the stream; perhaps nothing.
    Line(&'a str),
    /// More than a line may have.
    TooLong,
    /// No line in time.
    Silence,
}

/// Why a request is not granted.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
enum Refused {
    #[error("Empty request line")]
    Empty,
    #[error("Unknown command")]
    Unknown,
    #[error("line_too_long")]
    TooLong,
    #[error("Timeout: no data received, closing connection")]
    Silence,
    #[error("bad_name")]
    Name,
    #[error("bad_ttl")]
    Ttl,
    #[error("bad_namespace")]
    Namespace,
    #[error("bad_port")]
    Port,
    #[error("bad_port ({0})")]
    ThatPort(String),
    #[error("namespace_required")]
    NamespaceRequired,
    #[error("peer_not_registered")]
    NotRegistered,
    #[error("peer_credentials_do_not_match")]
    NoMatch,
    #[error("directory_full")]
    DirectoryFull,
    #[error("too_many_records")]
    TooManyRecords,
    #[error("too_many_peers: name a namespace")]
    TooManyPeers,
    #[error(
        "Connection from {from} has been blocked due to excessive login attempts (limit: {limit}). \
         The block will be lifted in {seconds} seconds."
    )]
    Blocked {
        from: SocketAddr,
        limit: u32,
        seconds: u64,
    },
}

/// All records, and who asks how often.
#[derive(Clone, Debug)]
pub struct Directory {
    settings: Settings,
    records: Records,
    rates: Rates,
    changes: u64,
}

impl Directory {
    /// Nobody is registered.
    pub const fn new(settings: Settings) -> Self {
        Self {
            settings,
            records: Records::new(settings.records_max),
            rates: Rates::new(settings.limit),
            changes: 0,
        }
    }

    /// Counts a connection of `from`.
    ///
    /// # Errors
    ///
    /// The reply to send at once, before anything is read, where its address asks too often (rule 35).
    pub fn admit(&mut self, now: Instant, from: SocketAddr) -> Result<(), String> {
        let from = SocketAddr::new(from.ip().to_canonical(), from.port());
        self.rates.count(now, from.ip()).map_err(|seconds| {
            let limit = self.settings.limit;
            let blocked = Refused::Blocked {
                from,
                limit,
                seconds,
            };
            error(&blocked)
        })
    }

    /// The reply to what came from this address: one line, with its newline. That of DISCOVER may be
    /// longer than a request may be; it has at most [`REPLY_BYTES_MAX`] bytes.
    pub fn answer(&mut self, now: Instant, from: IpAddr, asked: Asked<'_>) -> String {
        self.records.expire(now);
        let reply = match asked {
            Asked::Line(line) => self.request(now, from.to_canonical(), line),
            Asked::TooLong => Err(Refused::TooLong),
            Asked::Silence => Err(Refused::Silence),
        };
        reply.unwrap_or_else(|refused| error(&refused))
    }

    /// How often the records were changed by a request: where this has grown, there is something to save.
    pub const fn changes(&self) -> u64 {
        self.changes
    }

    /// How many records there are.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All records as a text, for a restart.
    pub fn save(&mut self, now: Instant) -> String {
        self.records.expire(now);
        stored::write(&self.records, now, self.settings.wall_at_zero)
    }

    /// Takes the records of such a text. Those that are over meanwhile are left away.
    ///
    /// # Errors
    ///
    /// [`StoredError`]: the text is not one that [`Self::save`] gave; nothing is taken then.
    pub fn restore(&mut self, now: Instant, text: &str) -> Result<Restored, StoredError> {
        let mut records = self.records.clone();
        let wall_at_zero = self.settings.wall_at_zero;
        let restored = stored::read(text, &mut records, now, wall_at_zero)?;
        self.records = records;
        Ok(restored)
    }

    fn request(&mut self, now: Instant, from: IpAddr, line: &str) -> Result<String, Refused> {
        if line.trim().is_empty() {
            return Err(Refused::Empty);
        }
        let request = object(line).map_err(|_not| Refused::Unknown)?;
        let kind = request.get("type").and_then(Value::as_str);
        match kind.unwrap_or_default().to_ascii_uppercase().as_str() {
            "REGISTER" => self.register(now, from, &request),
            "DISCOVER" => self.discover(now, from, &request),
            "UNREGISTER" => self.unregister(from, &request),
            _ => Err(Refused::Unknown),
        }
    }

    fn register(
        &mut self,
        now: Instant,
        from: IpAddr,
        request: &Map<String, Value>,
    ) -> Result<String, Refused> {
        // In this order: of several that are wrong the first is named (rule 30).
        let name = request::name(request, "name").ok_or(Refused::Name)?;
        let ttl = request::ttl(request).ok_or(Refused::Ttl)?;
        let namespace = request::name(request, "namespace").ok_or(Refused::Namespace)?;
        let port = request.get("port").and_then(request::port);
        let port = port.ok_or(Refused::Port)?;
        let registered = self.records.put(now, (from, namespace, name), port, ttl);
        registered.map_err(|full| match full {
            Full::All => Refused::DirectoryFull,
            Full::Address => Refused::TooManyRecords,
        })?;
        self.changes += 1;
        Ok(ok(Granted::Registered {
            ttl,
            ip: from,
            port,
        }))
    }

    fn discover(
        &self,
        now: Instant,
        from: IpAddr,
        request: &Map<String, Value>,
    ) -> Result<String, Refused> {
        if !self.records.has(from) {
            return Err(Refused::NotRegistered);
        }
        let namespace = match request.get("namespace") {
            None | Some(Value::Null) => None,
            Some(_) => {
                let namespace = request::name(request, "namespace");
                Some(namespace.ok_or(Refused::Namespace)?)
            }
        };
        let peers = self.records.list(now, namespace, REPLY_BYTES_MAX);
        let peers = peers.ok_or(Refused::TooManyPeers)?;
        Ok(ok(Granted::Listed { peers }))
    }

    fn unregister(
        &mut self,
        from: IpAddr,
        request: &Map<String, Value>,
    ) -> Result<String, Refused> {
        if !self.records.has(from) {
            return Err(Refused::NotRegistered);
        }
        let namespace = request.get("namespace").and_then(Value::as_str);
        let namespace = namespace.filter(|namespace| !namespace.is_empty());
        let namespace = namespace.ok_or(Refused::NamespaceRequired)?;
        let given = |member| request.get(member).filter(|value| !value.is_null());
        let port = match given("port") {
            None => None,
            Some(value) => {
                let port = request::port(value);
                Some(port.ok_or_else(|| Refused::ThatPort(request::shown(value)))?)
            }
        };
        let name = match given("name") {
            None => None,
            // What is no text is nobody's name.
            Some(value) => Some(value.as_str().ok_or(Refused::NoMatch)?),
        };
        if self.records.remove(from, namespace, name, port) == 0 {
            return Err(Refused::NoMatch);
        }
        self.changes += 1;
        Ok(ok(Granted::Unregistered {}))
    }
}

/// A reply, its members in the order in which they are written.
#[derive(Serialize)]
struct Reply<T: Serialize> {
    status: &'static str,
    #[serde(flatten)]
    rest: T,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Granted<'a> {
    Registered { ttl: u32, ip: IpAddr, port: u16 },
    Listed { peers: Vec<Listed<'a>> },
    Unregistered {},
}

#[derive(Serialize)]
struct Message {
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    limit: Option<usize>,
}

fn ok(rest: Granted<'_>) -> String {
    let status = "OK";
    line::write_long(&Reply { status, rest })
}

fn error(refused: &Refused) -> String {
    let status = "ERROR";
    let message = refused.to_string();
    let limit = (*refused == Refused::TooLong).then_some(LINE_BYTES_MAX);
    let rest = Message { message, limit };
    line::write_long(&Reply { status, rest })
}
