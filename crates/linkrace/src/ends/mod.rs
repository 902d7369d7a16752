//! The transports that race, each behind [`End`].
//!
//! | module | transport |
//! |---|---|
//! | `ours` | `lamparina_protocol::link::Link` over datagrams, sealed |
//! | `quic`, `quic_setup` | QUIC by `quinn-proto`, with CUBIC or BBR |
//! | `kcp` | KCP by the crate `kcp`, in its fastest mode |

mod kcp;
mod ours;
mod quic;
mod quic_setup;

use lamparina_protocol::Instant;

use crate::end::{End, Side};
pub use quic_setup::Congestion;

/// Who races.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Contender {
    /// Our link.
    Ours {
        /// Whether frames may leave unasked more than once.
        copies: bool,
    },
    /// Our link with its profile for slow lines.
    OursSlow,
    /// QUIC.
    Quic {
        /// Its congestion control.
        congestion: Congestion,
        /// Whether bulk has a stream of its own, below that of small messages.
        two_streams: bool,
    },
    /// KCP, turbo mode.
    Kcp {
        /// Segments in flight.
        window: u16,
    },
}

impl Contender {
    /// Two ends that begin at `now`; what they draw by lot comes from `seed`.
    pub fn pair(self, seed: u64, now: Instant) -> [Box<dyn End>; 2] {
        Side::BOTH.map(|side| self.end(side, seed, now))
    }

    fn end(self, side: Side, seed: u64, now: Instant) -> Box<dyn End> {
        match self {
            Self::Ours { copies } => Box::new(ours::Ours::new(side, seed, now, copies)),
            Self::OursSlow => Box::new(ours::Ours::slow(side, seed, now)),
            Self::Quic {
                congestion,
                two_streams,
            } => Box::new(quic::Quic::new(side, seed, now, congestion, two_streams)),
            Self::Kcp { window } => Box::new(kcp::KcpEnd::new(now, window)),
        }
    }
}
