//! Drives one link: what the node says goes out while the socket takes it, what comes is read, proved
//! and handed to the node. While the node takes nothing, nothing is read.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use lamparina_protocol::AuthorKey;
use lamparina_protocol::codec;
use lamparina_protocol::control::CloseCode;
use lamparina_protocol::frame::FrameType;
use lamparina_protocol::link::{CloseReason, Event, Input, Outgoing};
use lamparina_protocol::peer::PeerHello;
use lamparina_transport::Connection;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::said::Said;
use super::{CLOSE_WITHIN, Common, FromLink, LinkHandle, Measures, Opened, QUEUE_MAX, VERSION};
use crate::event::{Direction, Spoken};

/// Why a link is over before it was one, in words; the node is told by whoever made it.
pub(super) type NotOpened = String;

/// How a link came about.
#[derive(Clone, Copy, Debug)]
pub(super) struct Origin {
    pub(super) direction: Direction,
    pub(super) attempt: Option<u64>,
}

/// A link on which both sides know who the other one is.
#[derive(Debug)]
pub(super) struct Open {
    connection: Connection,
    /// What came with the last of the handshake.
    events: Vec<Event>,
    addr: SocketAddr,
    hello: PeerHello,
    key: AuthorKey,
}

/// Waits until a link is open.
///
/// # Errors
///
/// Why it is over before it was one.
pub(super) async fn open(mut connection: Connection, common: &Common) -> Result<Open, NotOpened> {
    let mut events = Vec::new();
    let (words, key) = shake_hands(&mut connection, common, &mut events).await?;
    let Some((hello, key)) = read_hello(&words).zip(key) else {
        let text = "these are no first words of a peer".to_owned();
        abort(connection, CloseCode::WrongProtocol, text.clone()).await;
        return Err(text);
    };
    if hello.version != VERSION {
        let text = format!(
            "version {} of what peers say is not spoken here",
            hello.version
        );
        abort(connection, CloseCode::WrongVersion, text.clone()).await;
        return Err(text);
    }
    let addr = connection.peer_addr().map_err(|error| error.to_string())?;
    Ok(Open {
        connection,
        events,
        addr,
        hello,
        key,
    })
}

/// Drives an open link until it ends. The node hears of it from now on.
pub(super) async fn drive(mut open: Open, common: &Common, origin: Origin) {
    let events = std::mem::take(&mut open.events);
    let (task, opened) = Task::new(open, common, origin);
    if common.node.send(FromLink::Opened(opened)).await.is_ok() {
        task.run(events).await;
    }
}

/// Answers what the handshake asks.
async fn shake_hands(
    connection: &mut Connection,
    common: &Common,
    events: &mut Vec<Event>,
) -> Result<(Bytes, Option<AuthorKey>), NotOpened> {
    loop {
        connection.step(events).await;
        if connection.is_refused() {
            return Err("nothing listens there".to_owned());
        }
        let came = std::mem::take(events);
        let mut came = came.into_iter();
        while let Some(event) = came.next() {
            let answer = match event {
                Event::Asked { .. } => Input::Accept {
                    welcome: common.words(),
                },
                // Whoever is there is let in: the key is who it is.
                Event::Proven { .. } => Input::Trust,
                Event::Opened { words, peer, .. } => {
                    events.extend(came);
                    return Ok((words, peer.map(|key| AuthorKey(key.0))));
                }
                Event::Closed(reason) => return Err(words_of(&reason)),
                Event::Received { .. } | Event::PeerClosing { .. } => continue,
            };
            let answered = connection.input(answer);
            answered.map_err(|error| error.to_string())?;
        }
    }
}

fn read_hello(words: &[u8]) -> Option<PeerHello> {
    codec::decode(words).ok()
}

async fn abort(mut connection: Connection, code: CloseCode, text: String) {
    // It is open, so that nothing has to be answered first.
    let _ = connection.input(Input::Abort { code, text });
    connection.finish().await;
}

struct Task<'a> {
    connection: Connection,
    common: &'a Common,
    number: u64,
    queue: mpsc::Receiver<Bytes>,
    closing: Arc<OnceLock<(CloseCode, String)>>,
    measures: Arc<Measures>,
    /// Taken from the queue, and the link had no room for it.
    held: Option<Outgoing>,
    /// The node has let go of it: it closes once the queue is empty.
    let_go: bool,
}

impl<'a> Task<'a> {
    fn new(open: Open, common: &'a Common, origin: Origin) -> (Self, Box<Opened>) {
        let Open {
            connection,
            addr,
            hello,
            key,
            ..
        } = open;
        let (sender, queue) = mpsc::channel(QUEUE_MAX);
        let spoken = match connection.is_over_datagrams() {
            true => Spoken::Udp,
            false => Spoken::Tcp,
        };
        let task = Self {
            number: common.numbers.next(),
            queue,
            closing: Arc::default(),
            measures: Arc::default(),
            held: None,
            let_go: false,
            common,
            connection,
        };
        let opened = Opened {
            handle: LinkHandle {
                number: task.number,
                queue: sender,
                closing: task.closing.clone(),
                measures: task.measures.clone(),
            },
            direction: origin.direction,
            attempt: origin.attempt,
            spoken,
            addr,
            key,
            hello,
        };
        (task, Box::new(opened))
    }

    async fn run(mut self, mut events: Vec<Event>) {
        let reason = loop {
            match self.hand_on(&mut events).await {
                Ok(None) => {}
                Ok(Some(reason)) => break reason,
                Err(NodeGone) => return,
            }
            if self.let_go {
                break self.close().await;
            }
            let takes = self.connection.has_room();
            tokio::select! {
                () = self.connection.step(&mut events) => {}
                message = self.queue.recv(), if takes && self.held.is_none() => self.take(message),
            }
            if self.pump()
                && self
                    .tell(FromLink::Room {
                        number: self.number,
                    })
                    .await
                    .is_err()
            {
                return;
            }
            self.measure();
        };
        let number = self.number;
        // The node may be gone; then nobody asks.
        let _ = self.tell(FromLink::Ended { number, reason }).await;
        self.connection.finish().await;
    }

    fn take(&mut self, message: Option<Bytes>) {
        match message {
            Some(body) => self.held = Some(Outgoing::own(FrameType::Data, body)),
            None => self.let_go = true,
        }
    }

    /// Gives the link what it has room for; whether the queue became empty by that.
    fn pump(&mut self) -> bool {
        let now = self.common.clock.now();
        let mut moved = false;
        while self.connection.has_room() && !self.let_go {
            let Some(message) = self.held.take() else {
                match self.queue.try_recv() {
                    Ok(body) => self.take(Some(body)),
                    Err(mpsc::error::TryRecvError::Empty) => break,
                    Err(mpsc::error::TryRecvError::Disconnected) => self.let_go = true,
                }
                continue;
            };
            if self.connection.send(now, &message).is_err() {
                self.held = Some(message);
                break;
            }
            moved = true;
        }
        if moved {
            self.connection.flush();
        }
        moved && self.held.is_none() && self.queue.is_empty()
    }

    /// Hands what the link says to the node; the reason where it has ended.
    async fn hand_on(&self, events: &mut Vec<Event>) -> Result<Option<String>, NodeGone> {
        let number = self.number;
        for event in events.drain(..) {
            match event {
                Event::Received { kind, body } => {
                    let said = match kind {
                        FrameType::Data => Said::read(&body, &self.common.proven)
                            .map_err(|error| error.to_string()),
                        other => Err(format!("peers say nothing in frames of type {other:?}")),
                    };
                    let input = match said {
                        Ok(said) => FromLink::Said { number, said },
                        Err(words) => FromLink::Fault { number, words },
                    };
                    self.tell(input).await?;
                }
                Event::Closed(reason) => return Ok(Some(words_of(&reason))),
                Event::Asked { .. }
                | Event::Proven { .. }
                | Event::Opened { .. }
                | Event::PeerClosing { .. } => {}
            }
        }
        Ok(None)
    }

    async fn tell(&self, input: FromLink) -> Result<(), NodeGone> {
        self.common
            .node
            .send(input)
            .await
            .map_err(|_unsent| NodeGone)
    }

    /// Says goodbye and waits a little for the other side to have everything.
    async fn close(&mut self) -> String {
        let asked = self.closing.get().cloned();
        let (code, text) = asked.unwrap_or((CloseCode::Goodbye, String::new()));
        let reason = match text.is_empty() {
            true => "closed here".to_owned(),
            false => format!("closed here: {text}"),
        };
        // A link that has ended meanwhile ignores it.
        let _ = self.connection.input(Input::Close { code, text });
        let mut events = Vec::new();
        let over = async {
            while !is_over(&mut events) {
                self.connection.step(&mut events).await;
            }
        };
        // Who does not take its last words is not waited for.
        let _ = timeout(CLOSE_WITHIN, over).await;
        reason
    }

    fn measure(&self) {
        let stats = self.connection.link().stats();
        let micros = |rtt: Duration| u64::try_from(rtt.as_micros()).unwrap_or(u64::MAX);
        let set = |at: &AtomicU64, value| at.store(value, Ordering::Relaxed);
        set(&self.measures.rtt_micros, stats.rtt.map_or(0, micros));
        set(&self.measures.sent_bytes, stats.bytes_sent);
        set(&self.measures.received_bytes, stats.bytes_received);
    }
}

/// The node has ended: nobody hears what is said.
#[derive(Debug)]
struct NodeGone;

/// Whether a link that closes has ended; whatever else it says is forgotten, as nobody hears it any more.
fn is_over(events: &mut Vec<Event>) -> bool {
    let is_over = events.iter().any(|event| matches!(event, Event::Closed(_)));
    events.clear();
    is_over
}

fn words_of(reason: &CloseReason) -> String {
    match reason {
        CloseReason::Orderly => "the other side took leave".to_owned(),
        CloseReason::ByPeer { text, .. } | CloseReason::Unproven { text, .. } => {
            format!("the other side ended it: {text}")
        }
        CloseReason::ByUs { text, .. } => text.clone(),
        CloseReason::Eof => "the connection broke".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_while_a_link_closes_is_not_collected() {
        let received = || Event::Received {
            kind: FrameType::Data,
            body: Bytes::from_static(b"x"),
        };
        let mut events = vec![received(), received()];
        assert!(!is_over(&mut events));
        assert!(events.is_empty());
        events.extend([received(), Event::Closed(CloseReason::Orderly), received()]);
        assert!(is_over(&mut events));
    }
}
