//! Settings are always within their bounds: the only way in is the grammar.

use crate::rng::{Purpose, Stream};
use crate::value::{Partition, QueueBytes, Rate, Share, Span};

/// Bytes of settings as text, at most: what a CHANNEL message carries.
pub const SETTINGS_BYTES_MAX: usize = 512;

/// A direction of a link.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Direction {
    /// Towards the server.
    Up,
    /// From the server.
    Down,
}

/// How bad the channel is, in one direction. Read from and written as
/// `loss=20%,corrupt=1%,dup=2%,delay=80ms,jitter=20ms,reorder=5%,seed=7`, or `off`.
///
/// | key | value | |
/// |---|---|---|
/// | `loss` | `20%`, `0.2` | share of frames that vanish |
/// | `burst` | `8` | losses come in bursts of this average length, with `loss` still the average |
/// | `corrupt` | share | frames with 1 to 8 flipped bits |
/// | `dup` | share | frames that come twice |
/// | `delay` | `80ms`, `1.5s`, `250us` | travelling time, at most 60 s |
/// | `jitter` | time | travelling time is the delay give or take up to this; may change the order |
/// | `reorder` | share | frames that are held back until 1 to 4 others have gone past |
/// | `rate` | `64kbit/s`, `1Mbit/s` | frames go one after another at this speed |
/// | `queue` | `64KiB`, `9000` | bytes that wait for the rate; what finds no room is dropped |
/// | `partition` | `2s..5s`, `2s..` | nothing passes, counted from when the settings came into force |
/// | `down` | | nothing ever passes |
/// | `way` | `up`, `down` | only towards or only from the server is bad; both unless told |
/// | `seed` | `7` | what chance decides, it decides from this |
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Settings {
    pub(crate) loss: Share,
    pub(crate) burst: Option<u32>,
    pub(crate) corrupt: Share,
    pub(crate) dup: Share,
    pub(crate) delay: Span,
    pub(crate) jitter: Span,
    pub(crate) reorder: Share,
    pub(crate) rate: Option<Rate>,
    pub(crate) queue: QueueBytes,
    pub(crate) partition: Option<Partition>,
    pub(crate) way: Option<Direction>,
    pub(crate) seed: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            loss: Share::NONE,
            burst: None,
            corrupt: Share::NONE,
            dup: Share::NONE,
            delay: Span::ZERO,
            jitter: Span::ZERO,
            reorder: Share::NONE,
            rate: None,
            queue: QueueBytes::DEFAULT,
            partition: None,
            way: None,
            seed: 0,
        }
    }
}

/// Why a text is not a channel's settings, in words for whoever wrote it.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{0}")]
pub struct SettingsError(pub(crate) String);

impl Settings {
    /// Whether frames pass as they are, at once, whatever the seed.
    pub fn is_off(&self) -> bool {
        *self
            == Self {
                seed: self.seed,
                way: self.way,
                ..Self::default()
            }
    }

    /// The seed.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// The same settings from another seed.
    #[must_use]
    pub fn with_seed(self, seed: u64) -> Self {
        Self { seed, ..self }
    }

    /// The settings of one direction of a link that has these: a seed of its own, so that the
    /// directions do not fail together; or `off` where `way` names the other direction.
    #[must_use]
    pub fn for_direction(&self, direction: Direction) -> Self {
        if self.way.is_some_and(|way| way != direction) {
            return Self::default();
        }
        let purpose = match direction {
            Direction::Up => Purpose::Up,
            Direction::Down => Purpose::Down,
        };
        self.clone()
            .with_seed(Stream::new(self.seed, purpose).at(0))
    }
}
