//! What whoever runs a peer may choose, and who it is.

use std::time::Duration;

use lamparina_protocol::{Instant, UnixMicros};
use serde_json::{Map, Value};

use crate::ids::PeerId;

/// Of all conversations of one peer.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Who we are.
    pub me: PeerId,
    /// The member `lamparina` of our HELLO and HELLO_OK: what another program of ours needs to replace
    /// the connection by our own frames. It must be unlike that of any other peer (a key, say): one that
    /// is ours word for word is an echo and proves nothing (rule 7). `None`: none is sent or understood.
    pub lamparina: Option<Map<String, Value>>,
    /// Wall-clock time at [`Instant::ZERO`], for timestamps.
    pub wall_at_zero: UnixMicros,
    /// Between two lines to one peer (rule 12): 5 ms unless all peers are known to need none.
    pub line_spacing: Duration,
    /// Between two PINGs on one connection: 30 s.
    pub ping_every: Duration,
    /// How long a PONG may take: 10 s.
    pub pong_within: Duration,
    /// How long an ACK may take: 5 s.
    pub ack_within: Duration,
    /// The first wait before a peer is dialled again, at most: 1 s. It doubles.
    pub reconnect_first: Duration,
    /// Each such wait, at most: 60 s.
    pub reconnect_most: Duration,
    /// Dials of one peer that fail in a row until it is given up: 8. Its next registration, or being
    /// asked to, begins anew.
    pub reconnect_attempts: u32,
}

impl Settings {
    /// The defaults for `me`; `wall_at_zero` is the wall-clock time at [`Instant::ZERO`].
    pub const fn new(me: PeerId, wall_at_zero: UnixMicros) -> Self {
        Self {
            me,
            lamparina: None,
            wall_at_zero,
            line_spacing: Duration::from_millis(5),
            ping_every: Duration::from_secs(30),
            pong_within: Duration::from_secs(10),
            ack_within: Duration::from_secs(5),
            reconnect_first: Duration::from_secs(1),
            reconnect_most: Duration::from_secs(60),
            reconnect_attempts: 8,
        }
    }

    /// Wall-clock time at `now`.
    pub(crate) const fn wall(&self, now: Instant) -> UnixMicros {
        UnixMicros(self.wall_at_zero.0.saturating_add(now.as_micros()))
    }
}
