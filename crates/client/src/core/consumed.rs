//! Says which deliveries have been handed over, seldom: at most one report per
//! [`REPORT_EVERY`], and none that says nothing new.

use std::time::Duration;

use lamparina_protocol::message::ToServer;
use lamparina_protocol::{Instant, Lamport};

/// Time between two reports, at least.
pub const REPORT_EVERY: Duration = Duration::from_millis(100);

/// What has been handed over and not yet reported.
#[derive(Clone, Debug, Default)]
pub struct Consumed {
    upto: Lamport,
    count: u64,
    reported: Option<Instant>,
}

impl Consumed {
    /// The last stamp handed over.
    pub const fn upto(&self) -> Lamport {
        self.upto
    }

    /// `count` more deliveries, up to `upto`, are in the hands of the person or program.
    pub fn note(&mut self, upto: Lamport, count: u64) {
        self.upto = self.upto.max(upto);
        self.count = self.count.saturating_add(count);
    }

    /// When the next report is due; `None` while there is nothing to say.
    pub fn due(&self) -> Option<Instant> {
        let earliest = self.reported.map_or(Instant::ZERO, |at| at + REPORT_EVERY);
        (self.count > 0).then_some(earliest)
    }

    /// The report, where one is due (or wanted at once).
    pub fn report(&mut self, now: Instant, at_once: bool) -> Option<ToServer> {
        let due = self.due()?;
        if now < due && !at_once {
            return None;
        }
        self.reported = Some(now);
        Some(ToServer::Consumed {
            upto: self.upto,
            count: std::mem::take(&mut self.count),
        })
    }

    /// The log ends at `to` now: nothing after it was handed over.
    pub fn rewind(&mut self, to: Lamport) {
        self.upto = self.upto.min(to);
    }

    /// Another log: its stamps are others.
    pub fn forget(&mut self) {
        (self.upto, self.count) = (Lamport::ZERO, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(upto: u64, count: u64) -> Option<ToServer> {
        let upto = Lamport::new(upto);
        Some(ToServer::Consumed { upto, count })
    }

    #[test]
    fn reports_are_few_and_say_something() {
        let at = Instant::from_millis;
        let mut consumed = Consumed::default();
        assert_eq!(consumed.report(at(1_000), false), None);
        consumed.note(Lamport::new(4), 1);
        assert_eq!(consumed.report(at(1_000), false), report(4, 1));
        consumed.note(Lamport::new(5), 1);
        consumed.note(Lamport::new(9), 2);
        assert_eq!(consumed.report(at(1_099), false), None);
        assert_eq!(consumed.due(), Some(at(1_100)));
        assert_eq!(consumed.report(at(1_100), false), report(9, 3));
        assert_eq!(consumed.due(), None);
        consumed.note(Lamport::new(10), 1);
        assert_eq!(consumed.report(at(1_101), true), report(10, 1));
        assert_eq!(consumed.report(at(2_000), true), None);
    }
}
