//! Lines on their way out: one at a time, the next one no sooner than the spacing after the one
//! before is written (rule 12), never more waiting than the bounds.

use std::collections::VecDeque;
use std::time::Duration;

use lamparina_protocol::Instant;

use crate::ids::MsgId;
use crate::limits::{QUEUE_BYTES_MAX, QUEUE_LINES_MAX, SETTLE, WRITE_WITHIN};

/// What a line is, where something follows from its being on the way.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum What {
    HelloOk,
    Ping(MsgId),
    Send(MsgId),
    Bye,
    ByeOk,
    /// ACK or PONG: the other side waits for it.
    Answer,
    Other,
}

/// More would wait than is allowed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Full;

#[derive(Clone, Debug)]
pub(super) struct Outgoing {
    queue: VecDeque<(What, String)>,
    bytes: usize,
    spacing: Duration,
    socket: Socket,
    /// Nothing leaves: HELLO is out, and not answered.
    held: bool,
}

#[derive(Clone, Debug)]
enum Socket {
    /// Takes a line from this moment on.
    Free { from: Instant },
    /// HELLO_OK is written: the dialler may drop what comes with it.
    Settling { from: Instant, until: Instant },
    /// Has one.
    Busy { since: Instant, what: What },
}

impl Outgoing {
    pub(super) const fn new(now: Instant, spacing: Duration) -> Self {
        Self {
            queue: VecDeque::new(),
            bytes: 0,
            spacing,
            socket: Socket::Free { from: now },
            held: false,
        }
    }

    /// Takes a line. The last line of a conversation has room even where others have none.
    pub(super) fn push(&mut self, what: What, line: String) -> Result<(), Full> {
        let last = matches!(what, What::Bye | What::ByeOk);
        if last && self.queue.iter().any(|(queued, _)| *queued == what) {
            return Ok(());
        }
        let full = self.queue.len() >= QUEUE_LINES_MAX || self.bytes + line.len() > QUEUE_BYTES_MAX;
        if full && !last {
            return Err(Full);
        }
        self.bytes += line.len();
        self.queue.push_back((what, line));
        Ok(())
    }

    /// Lets nothing leave, or everything in its turn.
    pub(super) const fn hold(&mut self, held: bool) {
        self.held = held;
    }

    /// Forgets what waits but what the other side waits for, too.
    pub(super) fn keep_answers(&mut self) {
        self.queue
            .retain(|(what, _)| matches!(what, What::HelloOk | What::Answer | What::ByeOk));
        self.bytes = self.queue.iter().map(|(_, line)| line.len()).sum();
    }

    /// Forgets what waits.
    pub(super) fn clear(&mut self) {
        self.queue.clear();
        self.bytes = 0;
    }

    /// Nothing waits, and nothing is being written.
    pub(super) fn is_idle(&self) -> bool {
        self.queue.is_empty() && !matches!(self.socket, Socket::Busy { .. })
    }

    /// The line whose turn it is now; it is being written until [`Self::written`].
    pub(super) fn release(&mut self, now: Instant) -> Option<(What, String)> {
        if self.turn().is_none_or(|at| at > now) {
            return None;
        }
        let (what, line) = self.queue.pop_front()?;
        self.bytes -= line.len();
        self.socket = Socket::Busy {
            since: now,
            what: what.clone(),
        };
        Some((what, line))
    }

    /// The line is written: which one it was. `None` where none was being written.
    pub(super) fn written(&mut self, now: Instant) -> Option<What> {
        let from = now + self.spacing;
        let free = Socket::Free { from };
        let Socket::Busy { what, .. } = std::mem::replace(&mut self.socket, free) else {
            return None;
        };
        if what == What::HelloOk {
            let until = now + SETTLE.max(self.spacing);
            self.socket = Socket::Settling { from, until };
        }
        Some(what)
    }

    /// The dialler spoke after HELLO_OK was written: it reads.
    pub(super) fn heard(&mut self) {
        if let Socket::Settling { from, .. } = self.socket {
            self.socket = Socket::Free { from };
        }
    }

    /// A line waits for the socket longer than any reader needs.
    pub(super) fn is_stalled(&self, now: Instant) -> bool {
        matches!(self.socket, Socket::Busy { since, .. } if now >= since + WRITE_WITHIN)
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        match self.socket {
            Socket::Busy { since, .. } => Some(since + WRITE_WITHIN),
            _ => self.turn(),
        }
    }

    /// When the next line may leave; `None` where there is none, or one is being written.
    fn turn(&self) -> Option<Instant> {
        if self.held || self.queue.is_empty() {
            return None;
        }
        match self.socket {
            Socket::Free { from } => Some(from),
            Socket::Settling { until, .. } => Some(until),
            Socket::Busy { .. } => None,
        }
    }
}
