//! Records as a text that lasts over a restart: a line that says what it is, then one line of JSON each.
//! Times are wall-clock times, for nothing else goes on while nobody runs.

use std::net::IpAddr;
use std::time::Duration;

use lamparina_protocol::{Instant, UnixMicros};
use serde::{Deserialize, Serialize};

use super::records::{Entry, Records};
use crate::ids::is_name;
use crate::limits::TTL_SECONDS;
use crate::line;

/// What the first line says.
const HEADER: &str = r#"{"records of":"lamparina-rendezvous","version":1}"#;

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    ip: IpAddr,
    namespace: String,
    name: String,
    port: u16,
    ttl: u32,
    /// Microseconds since 1970.
    ends_at: u64,
}

/// What became of stored records.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Restored {
    /// There again.
    pub kept: usize,
    /// Over meanwhile.
    pub over: usize,
    /// More than there may be now.
    pub left_out: usize,
}

/// A text has not been written by a rendezvous, or was changed since.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("line {line} is no {what}")]
pub struct StoredError {
    /// Which line, from 1.
    pub line: usize,
    /// What it should be.
    pub what: &'static str,
}

pub(super) fn write(records: &Records, now: Instant, wall_at_zero: UnixMicros) -> String {
    let mut text = format!("{HEADER}\n");
    let zero = wall_at_zero.0.saturating_add(now.as_micros());
    for ((ip, namespace, name), entry) in records.all() {
        let left = entry.end.saturating_since(now).as_micros();
        let left = u64::try_from(left).unwrap_or(u64::MAX);
        text.push_str(&line::write_long(&Stored {
            ip,
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            port: entry.port,
            ttl: entry.ttl,
            ends_at: zero.saturating_add(left),
        }));
    }
    text
}

pub(super) fn read(
    text: &str,
    records: &mut Records,
    now: Instant,
    wall_at_zero: UnixMicros,
) -> Result<Restored, StoredError> {
    let error = |line, what| StoredError { line, what };
    let mut lines = text.lines().enumerate();
    if lines.next().is_none_or(|(_, first)| first != HEADER) {
        return Err(error(
            1,
            "beginning of a file of a rendezvous of this version",
        ));
    }
    let wall = wall_at_zero.0.saturating_add(now.as_micros());
    let mut restored = Restored::default();
    for (at, line) in lines {
        let stored: Option<Stored> = serde_json::from_str(line).ok();
        let stored = stored.filter(is_sound);
        let stored = stored.ok_or_else(|| error(at + 1, "record"))?;
        let left = Duration::from_micros(stored.ends_at.saturating_sub(wall));
        // A clock that went back gives nobody more than he asked for.
        let left = left.min(Duration::from_secs(stored.ttl.into()));
        let Stored { port, ttl, .. } = stored;
        let end = now + left;
        let key = (stored.ip.to_canonical(), &*stored.namespace, &*stored.name);
        if left.is_zero() {
            restored.over += 1;
        } else if records.insert(key, Entry { port, ttl, end }).is_ok() {
            restored.kept += 1;
        } else {
            restored.left_out += 1;
        }
    }
    Ok(restored)
}

fn is_sound(stored: &Stored) -> bool {
    let (_, most) = TTL_SECONDS;
    let names = is_name(&stored.name) && is_name(&stored.namespace);
    names && stored.port != 0 && (1..=most).contains(&stored.ttl)
}
