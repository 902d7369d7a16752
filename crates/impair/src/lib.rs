//! A bad channel on purpose, from one seed: what becomes of the n-th frame depends only on the
//! settings and on n, never on when it came or what is in it.
//!
//! # Map, along the data flow
//!
//! | module | does |
//! |---|---|
//! | `settings`, `grammar`, `value` | read `loss=20%,delay=80ms,seed=7` and write it back |
//! | `rng` | numbers from a seed, a purpose and a place |
//! | `fate` | decides: lost, twice, damaged, late, held back |
//! | `damage` | flips bits |
//! | `rate` | when a sender of limited speed is done with a frame |
//! | `far_end` | holds frames back until others have gone past |
//! | `channel` | carries frames to their time, within bounds |
//! | `stats` | counts what was done |
//!
//! # The order of troubles
//!
//! A frame that enters is first stopped by a partition, then lost, then doubled. Each copy by itself
//! is then damaged, waits its turn at the rate limit, travels for the delay and its jitter, and may
//! be held back at the far end until others have gone past.
//!
//! # Example
//!
//! ```
//! use lamparina_impair::{Direction, Impaired, Input, Settings};
//! use lamparina_protocol::Instant;
//!
//! let link: Settings = "delay=80ms,dup=100%,seed=7".parse()?;
//! let mut up = Impaired::new(link.for_direction(Direction::Up), true);
//! let mut out = Vec::new();
//! up.handle(Instant::ZERO, Input::Frame(b"a frame".as_slice().into()), &mut out);
//! assert!(out.is_empty());
//! assert_eq!(up.deadline(), Some(Instant::from_millis(80)));
//! up.handle(Instant::from_millis(80), Input::Tick, &mut out);
//! assert_eq!(out, [b"a frame".as_slice(), b"a frame"]);
//! assert_eq!(up.stats().to_string(), "1 in, 2 out, 1 doubled, 2 late");
//! # Ok::<(), lamparina_impair::SettingsError>(())
//! ```
//!
//! # Known limitations
//!
//! - One `Impaired` is one direction; a link has two, from [`Settings::for_direction`].
//! - Jitter may change the order of frames, on a stream too: each frame has its own travelling time.
//!   A jitter larger than the delay is cut off at "at once", which makes its mean a little larger.
//! - What is under way is counted by the frames' own bytes; a frame that is a slice of a larger buffer
//!   keeps all of that buffer alive.
//! - With `reorder=100%` every frame is held back, none goes past another, and the order stays.
//! - The same seed gives the same fates; it gives the same *bytes at the same times* only where the
//!   frames enter at the same times too.

mod channel;
mod damage;
mod far_end;
mod fate;
mod grammar;
mod rate;
mod rng;
mod settings;
mod stats;
mod value;

pub use channel::{HELD_BYTES_MAX, HELD_FRAMES_MAX, Impaired, Input, LENGTH_FIELD_BYTES, Output};
pub use damage::BITS_FLIPPED_MAX;
pub use far_end::HOLD_AT_MOST;
pub use fate::BEHIND_FRAMES_MAX;
pub use settings::{Direction, SETTINGS_BYTES_MAX, Settings, SettingsError};
pub use stats::Stats;
pub use value::{
    BURST_FRAMES_MAX, DELAY_MAX, PARTITION_MAX, QUEUE_BYTES_DEFAULT, QUEUE_BYTES_MAX,
    RATE_BITS_MAX, RATE_BITS_MIN,
};
