//! What a rendezvous answers, read generously.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use serde_json::{Map, Value};

use crate::json::{object, shortened};
use crate::limits::{BLOCKED_FOR, REASON_CHARS_MAX, REPLY_BYTES_MAX};
use crate::record::Record;

/// The longest time that a rendezvous is left alone because it said so.
const BLOCKED_MOST: Duration = Duration::from_secs(3_600);

/// What a reply says.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Reply {
    Ok(Map<String, Value>),
    /// The words of an error.
    Error(String),
    /// Nothing is answered for so long.
    Blocked(Duration, String),
    /// No reply of this protocol: why.
    Foreign(&'static str),
}

/// Reads a reply; an empty one may mean that we are blocked (rule 36).
pub(super) fn read(bytes: &[u8]) -> Reply {
    if bytes.len() > REPLY_BYTES_MAX {
        return Reply::Foreign("its answer is too long");
    }
    let text = String::from_utf8_lossy(bytes);
    let line = text.trim_start().lines().next().unwrap_or_default();
    if line.is_empty() {
        let words = "it closed without an answer, as it does with who asks too often";
        return Reply::Blocked(BLOCKED_FOR, words.to_owned());
    }
    let Ok(object) = object(line) else {
        return Reply::Foreign("its answer is no JSON object; is it a PyP2P rendezvous?");
    };
    let word = |member: &str| object.get(member).and_then(Value::as_str);
    match word("status") {
        Some(status) if status.eq_ignore_ascii_case("ok") => Reply::Ok(object),
        Some(_) => {
            let message = word("message").unwrap_or("an error without words");
            let message = shortened(message, REASON_CHARS_MAX);
            match blocked_for(&message) {
                Some(wait) => Reply::Blocked(wait, message),
                None => Reply::Error(message),
            }
        }
        None => Reply::Foreign("its answer has no status; is it a PyP2P rendezvous?"),
    }
}

/// How long a block lasts, where the message speaks of one.
fn blocked_for(message: &str) -> Option<Duration> {
    if !message.contains("blocked") {
        return None;
    }
    let seconds = message.split("lifted in ").nth(1);
    let seconds = seconds.and_then(|rest| rest.split(' ').next()?.parse().ok());
    let wait = seconds.map_or(BLOCKED_FOR, Duration::from_secs);
    Some(wait.clamp(Duration::from_secs(1), BLOCKED_MOST))
}

/// Our own address, as REGISTER's reply tells it.
pub(super) fn own(reply: &Map<String, Value>, port: u16) -> Option<SocketAddr> {
    let ip: IpAddr = reply.get("ip")?.as_str()?.parse().ok()?;
    Some(SocketAddr::new(ip.to_canonical(), port))
}

/// The seconds that a registration lasts, as REGISTER's reply tells them.
pub(super) fn ttl(reply: &Map<String, Value>) -> Option<u64> {
    reply.get("ttl").and_then(Value::as_u64)
}

/// The records of DISCOVER's reply that can be dialled.
pub(super) fn records(reply: &Map<String, Value>) -> Vec<Record> {
    let peers = reply.get("peers").and_then(Value::as_array);
    let peers = peers.into_iter().flatten();
    peers.filter_map(Record::read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_are_told_apart() {
        #[track_caller]
        fn check(bytes: &[u8], words: &str) {
            let found = match read(bytes) {
                Reply::Ok(object) => format!("ok {}", object.len()),
                Reply::Error(words) => format!("error {words}"),
                Reply::Blocked(wait, _) => format!("blocked {}", wait.as_secs()),
                Reply::Foreign(why) => format!("foreign {}", &why[..20]),
            };
            assert_eq!(found, words);
        }
        check(b"{\"status\":\"OK\",\"peers\":[]}\n", "ok 2");
        check(b"  {\"status\":\"ok\"}", "ok 1");
        check(b"{\"status\":\"OK\"}\ngarbage\n", "ok 1");
        check(
            br#"{"status":"ERROR","message":"bad_name"}"#,
            "error bad_name",
        );
        check(br#"{"status":"ERROR"}"#, "error an error without words");
        check(b"", "blocked 60");
        check(b"\r\n", "blocked 60");
        let blocked = br#"{"status":"ERROR","message":"Connection from 1.2.3.4:5 has been blocked due to excessive login attempts (limit: 50). The block will be lifted in 42 seconds."}"#;
        check(blocked, "blocked 42");
        check(br#"{"status":"ERROR","message":"blocked"}"#, "blocked 60");
        check(
            br#"{"status":"ERROR","message":"blocked, lifted in 0 seconds"}"#,
            "blocked 1",
        );
        check(b"HTTP/1.1 400 Bad Request", "foreign its answer is no JSO");
        check(b"{}", "foreign its answer has no st");
    }
}
