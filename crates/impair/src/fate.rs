//! Decides what becomes of each frame, from the settings and the frame's place alone. Neither time
//! nor contents come in here, so they cannot matter.

use std::time::Duration;

use crate::rng::{Purpose, Stream};
use crate::settings::Settings;
use crate::value::{Share, Span};

/// A frame that is held back lets at most this many others go past.
pub const BEHIND_FRAMES_MAX: usize = 4;

/// What becomes of one frame.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Fate {
    /// It vanishes.
    Lost,
    /// It is carried, once or twice.
    Carried(Journey, Option<Journey>),
}

/// What becomes of one copy.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Journey {
    /// The seed of its damage, if it is damaged.
    pub(crate) damage: Option<u64>,
    /// How long it travels.
    pub(crate) travel: Duration,
    /// How many others go past it at the far end: 0 to [`BEHIND_FRAMES_MAX`].
    pub(crate) behind: usize,
}

/// The fates of a channel's frames, one after another.
#[derive(Debug)]
pub(crate) struct Fates {
    loss: Loss,
    corrupt: Share,
    dup: Share,
    reorder: Share,
    delay: Span,
    jitter: Span,
    seed: u64,
    /// Frames decided so far.
    place: u64,
}

impl Fates {
    /// The fates that `settings` decide, from the first frame on.
    pub(crate) fn new(settings: &Settings) -> Self {
        Self {
            loss: Loss::new(settings),
            corrupt: settings.corrupt,
            dup: settings.dup,
            reorder: settings.reorder,
            delay: settings.delay,
            jitter: settings.jitter,
            seed: settings.seed(),
            place: 0,
        }
    }

    /// The fate of the next frame.
    pub(crate) fn next(&mut self) -> Fate {
        let place = self.place;
        self.place = self.place.wrapping_add(1);
        if self.loss.next(place) {
            return Fate::Lost;
        }
        let copies = place.wrapping_mul(2);
        let twice = self.happens(Purpose::Duplicate, place, self.dup);
        Fate::Carried(
            self.journey(copies),
            twice.then(|| self.journey(copies.wrapping_add(1))),
        )
    }

    /// What becomes of one copy; `place` is its place among all copies.
    fn journey(&self, place: u64) -> Journey {
        let numbers = |purpose| Stream::new(self.seed, purpose);
        let damaged = self.happens(Purpose::Damage, place, self.corrupt);
        let held = self.happens(Purpose::Hold, place, self.reorder);
        let jitter = self.jitter.duration();
        // From the least to the most, both included, each microsecond as likely as another.
        let spread = numbers(Purpose::Jitter).below(place, 2 * jitter.as_micros() as u64 + 1);
        let latest = self.delay.duration() + Duration::from_micros(spread);
        let behind = numbers(Purpose::Behind).below(place, BEHIND_FRAMES_MAX as u64) as usize;
        Journey {
            damage: damaged.then(|| numbers(Purpose::Bits).at(place)),
            travel: latest.saturating_sub(jitter),
            behind: if held { 1 + behind } else { 0 },
        }
    }

    fn happens(&self, purpose: Purpose, place: u64, share: Share) -> bool {
        Stream::new(self.seed, purpose).below(place, Share::WHOLE) < share.millionths()
    }
}

/// Which frames are lost.
///
/// In bursts: E. N. Gilbert, *Capacity of a Burst-Noise Channel*, 1960, as E. O. Elliott, *Estimates
/// of Error Rates for Codes on Burst-Noise Channels*, 1963, generalised it; here a good channel
/// loses nothing and a bad one everything. It turns good with the chance `1 / burst`, so that bursts
/// last `burst` frames on average, and bad with the chance `loss / (burst * (1 - loss))`, so that
/// `loss` is the share of frames that find it bad. It begins as if it had always been running.
#[derive(Debug)]
struct Loss {
    numbers: Stream,
    share: Share,
    /// Average burst and whether the channel is bad now, once the first frame has found out.
    burst: Option<(u64, Option<bool>)>,
}

impl Loss {
    fn new(settings: &Settings) -> Self {
        Self {
            numbers: Stream::new(settings.seed(), Purpose::Loss),
            share: settings.loss,
            burst: settings.burst.map(|burst| (u64::from(burst), None)),
        }
    }

    /// Whether the frame at `place` is lost. Must be asked for each place once, in order.
    fn next(&mut self, place: u64) -> bool {
        let (loss, pass) = (
            self.share.millionths(),
            Share::WHOLE - self.share.millionths(),
        );
        let by_chance = || self.numbers.below(place, Share::WHOLE) < loss;
        let Some((burst, was_bad)) = self.burst else {
            return by_chance();
        };
        let bad = match was_bad {
            None => by_chance(),
            Some(true) => self.numbers.below(place, burst) > 0,
            Some(false) => self.numbers.below(place, burst * pass) < loss,
        };
        self.burst = Some((burst, Some(bad)));
        bad
    }
}
