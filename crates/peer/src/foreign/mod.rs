//! Sockets of PyP2P: tasks that move bytes between connections and the node, and ask a rendezvous. Nothing is
//! decided here; `lamparina_pyp2p` decides.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use lamparina_protocol::Instant;
use lamparina_pyp2p::contacts::ConnectionId;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::time::timeout;

/// What connections have for the node, and it has not taken; then they read no more.
pub(crate) const INPUTS_MAX: usize = 64;
/// A dial, a written line, and a rendezvous's answer take at most so long.
const WITHIN: Duration = Duration::from_secs(10);
/// Bytes of one read.
const READ_BYTES: usize = 16 * 1024;
/// Bytes of a rendezvous's answer: thousands of records, on one line.
const REPLY_BYTES_MAX: u64 = 4 << 20;

/// What the other protocol's sockets tell the node.
#[derive(Debug)]
pub(crate) enum FromForeign {
    /// A connection was accepted, and takes the place of one inbound.
    Accepted(TcpStream, SocketAddr, OwnedSemaphorePermit),
    /// A dial succeeded.
    Connected(ConnectionId, TcpStream, SocketAddr),
    /// A dial failed.
    NotDialled(ConnectionId),
    /// Bytes came.
    Came(ConnectionId, Bytes),
    /// A line was written.
    Written(ConnectionId),
    /// Nothing more comes.
    Ended(ConnectionId),
    /// It broke.
    Broken(ConnectionId),
    /// A rendezvous answered, with so many bytes.
    Reply(Vec<u8>),
    /// It did not.
    Unreachable,
}

/// The node's end of a connection. Dropped, it closes after the line that is being written.
#[derive(Debug)]
pub(crate) struct ForeignWire {
    pub(crate) number: u64,
    pub(crate) addr: SocketAddr,
    pub(crate) since: Instant,
    lines: mpsc::Sender<String>,
    reading: tokio::task::JoinHandle<()>,
    _permit: Option<OwnedSemaphorePermit>,
}

/// A connection's number, beginning, and other end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Beginning {
    pub(crate) number: u64,
    pub(crate) since: Instant,
    pub(crate) addr: SocketAddr,
}

impl Drop for ForeignWire {
    fn drop(&mut self) {
        self.reading.abort();
    }
}

impl ForeignWire {
    /// Serves a connection, on `runtime`.
    pub(crate) fn serve(
        runtime: &tokio::runtime::Handle,
        id: ConnectionId,
        stream: TcpStream,
        permit: Option<OwnedSemaphorePermit>,
        node: mpsc::Sender<FromForeign>,
        beginning: Beginning,
    ) -> Self {
        // Lines leave one by one, each at once: some programs read no second one in a segment.
        let _ = stream.set_nodelay(true);
        let (from, to) = stream.into_split();
        let (lines, waiting) = mpsc::channel(1);
        let reading = runtime.spawn(read(id, from, node.clone()));
        runtime.spawn(write(id, to, waiting, node));
        Self {
            number: beginning.number,
            addr: beginning.addr,
            since: beginning.since,
            lines,
            reading,
            _permit: permit,
        }
    }

    /// Writes a line; there is never more than one at a time.
    pub(crate) fn write(&self, line: String) {
        // One that is broken says so itself.
        let _ = self.lines.try_send(line);
    }
}

async fn read(id: ConnectionId, mut from: OwnedReadHalf, node: mpsc::Sender<FromForeign>) {
    let mut buffer = vec![0; READ_BYTES];
    loop {
        let (told, last) = match from.read(&mut buffer).await {
            Ok(0) => (FromForeign::Ended(id), true),
            Ok(count) => {
                let bytes = Bytes::copy_from_slice(&buffer[..count]);
                (FromForeign::Came(id, bytes), false)
            }
            Err(_) => (FromForeign::Broken(id), true),
        };
        if node.send(told).await.is_err() || last {
            return;
        }
    }
}

async fn write(
    id: ConnectionId,
    mut to: OwnedWriteHalf,
    mut lines: mpsc::Receiver<String>,
    node: mpsc::Sender<FromForeign>,
) {
    while let Some(line) = lines.recv().await {
        let told = match timeout(WITHIN, to.write_all(line.as_bytes())).await {
            Ok(Ok(())) => FromForeign::Written(id),
            _ => FromForeign::Broken(id),
        };
        if node.send(told).await.is_err() {
            return;
        }
    }
    // What fails here is over anyway.
    let _ = to.shutdown().await;
}

/// Connects to a peer.
pub(crate) async fn dial(id: ConnectionId, addr: SocketAddr, node: mpsc::Sender<FromForeign>) {
    let told = match timeout(WITHIN, TcpStream::connect(addr)).await {
        Ok(Ok(stream)) => FromForeign::Connected(id, stream, addr),
        _ => FromForeign::NotDialled(id),
    };
    // The node may have ended.
    let _ = node.send(told).await;
}

/// Asks a rendezvous at `HOST:PORT`.
pub(crate) async fn ask(server: String, line: String, node: mpsc::Sender<FromForeign>) {
    let told = match timeout(WITHIN, try_ask(&server, &line)).await {
        Ok(Ok(reply)) => FromForeign::Reply(reply),
        _ => FromForeign::Unreachable,
    };
    // The node may have ended.
    let _ = node.send(told).await;
}

async fn try_ask(server: &str, line: &str) -> std::io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(server).await?;
    stream.set_nodelay(true)?;
    // One that blocks us may close before it has read: what it said is there nevertheless.
    let _ = stream.write_all(line.as_bytes()).await;
    let mut reply = Vec::new();
    let mut bounded = stream.take(REPLY_BYTES_MAX);
    let mut buffer = [0; 4_096];
    while !reply.contains(&b'\n') {
        match bounded.read(&mut buffer).await {
            Ok(0) => break,
            Ok(count) => reply.extend_from_slice(&buffer[..count]),
            // A reset: an empty answer, by which a rendezvous may mean a block.
            Err(_) => break,
        }
    }
    Ok(reply)
}
