//! Where a reader is in one log. Keeps two promises: no message is shown twice, and none is
//! missing between two that are shown without a word about it.

use lamparina_protocol::message::Delivery;
use lamparina_protocol::{Lamport, LogId};

/// A reader's place.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Cursor {
    log: LogId,
    /// The stamp that the next delivery must name as its `prev`.
    chain: Lamport,
    /// The last stamp shown; never smaller than any shown before in this log.
    shown: Lamport,
}

/// What a delivery is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Judged {
    /// The next one.
    Next,
    /// Shown before: not again.
    Again,
    /// Something is missing before it. The cursor stays.
    Gap {
        /// The stamp after which deliveries should have gone on.
        expected: Lamport,
        /// The stamp after which they do.
        got: Lamport,
    },
    /// Its stamp does not come after its `prev`: no order at all. The cursor stays.
    Backwards,
}

impl Cursor {
    /// The log that it belongs to; all zero for none yet.
    pub const fn log(&self) -> LogId {
        self.log
    }

    /// The last stamp shown.
    pub const fn shown(&self) -> Lamport {
        self.shown
    }

    /// Belongs to `log` from now on; back to the start where it was in another one.
    /// Says whether it was.
    pub fn enter_log(&mut self, log: LogId) -> bool {
        let other = self.log != LogId::default() && self.log != log;
        if other {
            *self = Self::default();
        }
        self.log = log;
        other
    }

    /// Deliveries go on after `resumed`. Gives the stretch that is lost, if one is.
    pub fn resume(&mut self, resumed: Lamport, gap: bool) -> Option<(Lamport, Lamport)> {
        let from = self.shown;
        let known = from > Lamport::ZERO;
        self.chain = resumed;
        self.shown = self.shown.max(resumed);
        (gap || (known && resumed > from)).then_some((from, resumed))
    }

    /// Judges a delivery, and moves on where it can.
    pub fn judge(&mut self, delivery: &Delivery) -> Judged {
        let (stamp, prev) = (delivery.stamp, delivery.prev.0);
        if delivery.history {
            // From before one's membership: its `prev` says nothing, and it moves nothing.
            return Judged::Next;
        }
        if prev != self.chain && stamp <= self.shown {
            return Judged::Again;
        }
        if prev != self.chain {
            return Judged::Gap {
                expected: self.chain,
                got: prev,
            };
        }
        if stamp <= prev {
            return Judged::Backwards;
        }
        self.chain = stamp;
        if stamp <= self.shown {
            return Judged::Again;
        }
        self.shown = stamp;
        Judged::Next
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::testing::delivery;

    const LOG: LogId = LogId([1; 16]);

    fn at(log: LogId, resumed: u64) -> Cursor {
        let mut cursor = Cursor::default();
        cursor.enter_log(log);
        cursor.resume(Lamport::new(resumed), false);
        cursor
    }

    #[track_caller]
    fn check(cursor: &mut Cursor, prev: u64, stamp: u64, expected: Judged) {
        assert_eq!(cursor.judge(&delivery(prev, stamp, "x")), expected);
    }

    #[test]
    fn a_chain_is_followed_and_its_breaks_are_seen() {
        let mut cursor = at(LOG, 5);
        check(&mut cursor, 5, 7, Judged::Next);
        check(&mut cursor, 7, 8, Judged::Next);
        check(&mut cursor, 7, 8, Judged::Again);
        check(&mut cursor, 5, 7, Judged::Again);
        let gap = |expected, got| Judged::Gap {
            expected: Lamport::new(expected),
            got: Lamport::new(got),
        };
        check(&mut cursor, 9, 12, gap(8, 9));
        check(&mut cursor, 0, 12, gap(8, 0));
        check(&mut cursor, 8, 8, Judged::Backwards);
        assert_eq!(cursor.shown(), Lamport::new(8));
        check(&mut cursor, 8, 9, Judged::Next);
    }

    #[test]
    fn a_stamp_that_does_not_rise_is_no_order() {
        let mut cursor = at(LOG, 5);
        cursor.shown = Lamport::ZERO;
        check(&mut cursor, 5, 5, Judged::Backwards);
        check(&mut cursor, 5, 4, Judged::Backwards);
    }

    #[test]
    fn what_was_shown_is_passed_over_after_an_earlier_resume() {
        let mut cursor = at(LOG, 0);
        check(&mut cursor, 0, 3, Judged::Next);
        assert_eq!(cursor.resume(Lamport::ZERO, false), None);
        check(&mut cursor, 0, 3, Judged::Again);
        check(&mut cursor, 3, 4, Judged::Next);
    }

    #[test]
    fn a_later_resume_is_a_loss() {
        let mut cursor = at(LOG, 0);
        check(&mut cursor, 0, 3, Judged::Next);
        let lost = Some((Lamport::new(3), Lamport::new(9)));
        assert_eq!(cursor.resume(Lamport::new(9), true), lost);
        check(&mut cursor, 9, 10, Judged::Next);
    }

    #[test]
    fn another_log_begins_anew() {
        let mut cursor = at(LOG, 5);
        assert!(!cursor.enter_log(LOG));
        assert!(cursor.enter_log(LogId([2; 16])));
        assert_eq!(cursor.shown(), Lamport::ZERO);
    }
}
