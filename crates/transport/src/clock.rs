//! The one place where a real clock becomes the machines' [`Instant`].

use std::time::Duration;

use lamparina_protocol::Instant;

/// A running clock: microseconds since it was made.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    began: tokio::time::Instant,
}

impl Clock {
    /// Begins now.
    pub fn start() -> Self {
        Self {
            began: tokio::time::Instant::now(),
        }
    }

    /// Time since it began.
    pub fn now(&self) -> Instant {
        let micros = self.began.elapsed().as_micros();
        // Half a million years fit.
        Instant::from_micros(u64::try_from(micros).unwrap_or(u64::MAX))
    }

    /// The timer's own form of `at`.
    pub fn timer_at(&self, at: Instant) -> tokio::time::Instant {
        // A timer further off than a year never fires within a run; saturating keeps it sane.
        let year = Duration::from_secs(365 * 24 * 3_600);
        self.began + Duration::from_micros(at.as_micros()).min(self.began.elapsed() + year)
    }
}
