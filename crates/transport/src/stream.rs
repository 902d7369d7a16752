//! A TCP stream and what waits to be written to it.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;

use crate::datagrams::Arrived;
use crate::socket;
use crate::write_queue::WriteQueue;

/// Bytes taken from a socket by one system call, at most.
const READ_BYTES: usize = 64 * 1024;

thread_local! {
    /// One read buffer a thread: between reads no connection owns one.
    static SCRATCH: RefCell<Vec<u8>> = RefCell::new(vec![0; READ_BYTES]);
}

/// A stream.
#[derive(Debug)]
pub(crate) struct Stream {
    pub(crate) tcp: TcpStream,
    pub(crate) waiting: WriteQueue,
}

impl Stream {
    /// For a link that is dead after `dead_after` of silence.
    pub(crate) fn new(tcp: TcpStream, dead_after: Duration) -> io::Result<Self> {
        socket::prepare(&tcp, dead_after)?;
        let waiting = WriteQueue::default();
        Ok(Self { tcp, waiting })
    }

    /// Waits until the stream takes bytes, where any wait.
    pub(crate) async fn room(&self) -> io::Result<()> {
        match self.waiting.is_empty() {
            true => std::future::pending().await,
            false => self.tcp.writable().await,
        }
    }

    /// Says that nothing follows, and waits until the peer has said so too.
    pub(crate) async fn end(&mut self) {
        // Closing with unread input would reset the stream and destroy our last words on the way.
        if self.tcp.shutdown().await.is_err() {
            return;
        }
        let mut sink = [0; 4_096];
        while let Ok(1..) = self.tcp.read(&mut sink).await {}
    }
}

/// What is done with bytes that came.
#[derive(Clone, Copy)]
pub(crate) enum Reading {
    /// They are taken.
    Take,
    /// They are left in the socket.
    Look,
}

/// What became possible at the socket.
pub(crate) enum Moved {
    /// Bytes came, or the end, and were left where they are.
    Waits,
    /// These bytes came; none at the end.
    Came(Bytes),
    /// These datagrams came; none where the socket said something else.
    Datagrams(Vec<Arrived>),
    /// It takes bytes again.
    Writable,
}

/// Waits for bytes and takes them, or for room. A read that leaves room in the buffer tells the
/// runtime that nothing is left; to wait first and then read would cost another system call.
pub(crate) async fn moved(
    stream: &mut TcpStream,
    reading: Option<Reading>,
    writing: bool,
) -> io::Result<Moved> {
    std::future::poll_fn(|context| {
        if let Some(Reading::Look) = reading {
            let ready = stream.poll_read_ready(context);
            if ready.is_ready() {
                return ready.map_ok(|()| Moved::Waits);
            }
        }
        if let Some(Reading::Take) = reading {
            let came = SCRATCH.with_borrow_mut(|scratch| {
                let mut buffer = ReadBuf::new(scratch);
                let read = Pin::new(&mut *stream).poll_read(context, &mut buffer);
                read.map_ok(|()| Bytes::copy_from_slice(buffer.filled()))
            });
            if came.is_ready() {
                return came.map_ok(Moved::Came);
            }
        }
        if writing {
            return stream
                .poll_write_ready(context)
                .map_ok(|()| Moved::Writable);
        }
        Poll::Pending
    })
    .await
}
