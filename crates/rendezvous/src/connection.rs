//! One connection: its request is read as far as a line may go, its reply is written whole, and it ends
//! so that the reply arrives also where more came than was read (rules 26 and 36).

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use lamparina_pyp2p::directory::Asked;
use lamparina_pyp2p::line::LineReader;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};

use crate::serve::Shared;

/// Bytes that are read at a time.
const READ_BYTES: usize = 4_096;
/// A request that comes byte by byte is not waited for any longer.
const REQUEST_WITHIN: Duration = Duration::from_secs(30);
/// Who does not read its reply is not waited for any longer.
const REPLY_WITHIN: Duration = Duration::from_secs(10);
/// What comes behind the request is read and forgotten so long, and so much of it.
const DRAIN_WITHIN: Duration = Duration::from_secs(1);
const DRAIN_BYTES_MAX: usize = 1 << 20;

/// What was read.
enum Request {
    Line(String),
    TooLong,
    Silence,
}

/// Serves one connection.
pub(crate) async fn serve(mut stream: TcpStream, from: SocketAddr, shared: &Shared) {
    // A reply is one write; there is nothing to wait for.
    let _ = stream.set_nodelay(true);
    let reply = match shared.admit(from) {
        Err(blocked) => blocked,
        Ok(()) => match read(&mut stream, shared.idle()).await {
            // Nobody is there to hear a reply.
            Err(_gone) => return,
            Ok(request) => shared.answer(from.ip(), request.asked()),
        },
    };
    let written = timeout(REPLY_WITHIN, stream.write_all(reply.as_bytes())).await;
    if matches!(written, Ok(Ok(()))) && stream.shutdown().await.is_ok() {
        drain(stream).await;
    }
}

impl Request {
    fn asked(&self) -> Asked<'_> {
        match self {
            Self::Line(line) => Asked::Line(line),
            Self::TooLong => Asked::TooLong,
            Self::Silence => Asked::Silence,
        }
    }
}

/// The first line, or what stands before the end of the stream.
async fn read(stream: &mut TcpStream, idle: Duration) -> io::Result<Request> {
    let until = Instant::now() + REQUEST_WITHIN;
    let (mut reader, mut lines) = (LineReader::default(), Vec::new());
    let mut bytes = [0; READ_BYTES];
    loop {
        let at = until.min(Instant::now() + idle);
        let Ok(count) = timeout_at(at, stream.read(&mut bytes)).await else {
            return Ok(Request::Silence);
        };
        let count = count?;
        if count == 0 {
            return Ok(Request::Line(reader.end().unwrap_or_default()));
        }
        let read = reader.push(&bytes[..count], &mut lines);
        // What follows the first line is of no interest, however long it is.
        if let Some(line) = lines.drain(..).next() {
            return Ok(Request::Line(line));
        }
        if read.is_err() {
            return Ok(Request::TooLong);
        }
    }
}

/// Reads and forgets: a connection that is closed with bytes unread is reset, and with it the reply.
async fn drain(mut stream: TcpStream) {
    let until = Instant::now() + DRAIN_WITHIN;
    let (mut bytes, mut left) = ([0; READ_BYTES], DRAIN_BYTES_MAX);
    while let Ok(Ok(count)) = timeout_at(until, stream.read(&mut bytes)).await {
        if count == 0 || count > left {
            return;
        }
        left -= count;
    }
}
