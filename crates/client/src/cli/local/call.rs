//! The side of `send` and `tail`.

use std::io;
use std::path::Path;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;

use super::{REQUEST_BYTES_MAX, Request};

/// Bytes of an answer's line.
const ANSWER_BYTES_MAX: u64 = REQUEST_BYTES_MAX;

/// The running client's answers.
#[derive(Debug)]
pub(crate) struct Answers(BufReader<UnixStream>);

/// Asks the running client. `None` where none runs.
pub(crate) async fn call(path: Option<&Path>, request: &Request) -> Option<Answers> {
    let mut stream = UnixStream::connect(path?).await.ok()?;
    let mut line = serde_json::to_vec(request).ok()?;
    line.push(b'\n');
    stream.write_all(&line).await.ok()?;
    Some(Answers(BufReader::new(stream)))
}

impl Answers {
    /// The next line and what it says; `None` where the running client has ended.
    pub(crate) async fn next(&mut self) -> io::Result<Option<(String, Value)>> {
        let mut line = String::new();
        (&mut self.0)
            .take(ANSWER_BYTES_MAX)
            .read_line(&mut line)
            .await?;
        if !line.ends_with('\n') {
            return Ok(None);
        }
        line.pop();
        let value = serde_json::from_str(&line)?;
        Ok(Some((line, value)))
    }
}
