//! Where `send` and `tail` meet a running client of the same profile: a Unix socket for its owner
//! only, JSON lines both ways, one request a connection. Nothing secret travels on it.
//!
//! A request is answered by lines as `--json` prints them: `send` by `committed` or `error`, `tail`
//! by every event from now on.

mod call;
mod desk;
mod listen;

use std::time::Duration;

use serde::{Deserialize, Serialize};

pub(super) use call::{Answers, call};
pub(super) use desk::{Desk, code};
pub(super) use listen::Asked;
use listen::Local;

use lamparina_protocol::message::TEXT_BYTES_MAX;

/// The version of requests.
const VERSION: u8 = 1;
/// Bytes of a request: a text, each byte of it escaped, and what accompanies it.
const REQUEST_BYTES_MAX: u64 = 6 * TEXT_BYTES_MAX as u64 + 256 * 1024;
/// Requests served at a time; more wait.
const REQUESTS_MAX: usize = 16;
/// A request must be there this long after its connection.
const REQUEST_WITHIN: Duration = Duration::from_secs(10);
/// The code of an answer that means: this client talks elsewhere, connect by yourself.
pub(super) const OTHER_SERVER: &str = "other-server";

/// A request.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Request {
    v: u8,
    /// The server meant, as on the command line.
    server: String,
    #[serde(flatten)]
    task: Task,
}

/// What is wanted.
#[derive(Debug, Deserialize, Serialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub(super) enum Task {
    /// Send this, and say what came of it.
    Send {
        /// For whom, as `send --to` takes it.
        to: Vec<String>,
        /// The text.
        text: String,
    },
    /// Every event from now on.
    Tail,
}

impl Request {
    pub(super) fn new(server: &str, task: Task) -> Self {
        let server = server.to_owned();
        Self {
            v: VERSION,
            server,
            task,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_simple_lines() {
        let to = vec!["bob".to_owned()];
        let text = "a\n\"b\"".to_owned();
        let send = Request::new("127.0.0.1:5000", Task::Send { to, text });
        let line =
            r#"{"v":1,"server":"127.0.0.1:5000","do":"send","to":["bob"],"text":"a\n\"b\""}"#;
        assert_eq!(serde_json::to_string(&send).unwrap(), line);
        let tail = Request::new("127.0.0.1:5000", Task::Tail);
        let line = r#"{"v":1,"server":"127.0.0.1:5000","do":"tail"}"#;
        assert_eq!(serde_json::to_string(&tail).unwrap(), line);
        assert!(serde_json::from_str::<Request>(line).is_ok());
    }
}
