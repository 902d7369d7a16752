//! Where a reader is in one log. Keeps two promises: no message is shown twice, and none is
//! missing between two that are shown without a word about it.

use lamparina_protocol::message::Delivery;
use lamparina_protocol::{Lamport, LogId, Term};

use super::keep::Place;

/// A reader's place.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Cursor {
    log: LogId,
    /// The log's term when one was let in there last; 0 for never.
    term: Term,
    /// The stamp that the next delivery must name as its `prev`.
    chain: Lamport,
    /// The last stamp shown; never smaller than any shown before in this log.
    shown: Lamport,
}

/// Where deliveries go on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Resumed {
    /// Where the reader was, or where a newcomer begins.
    There,
    /// Later: what lies between these is lost.
    Lost {
        /// The last stamp shown.
        from: Lamport,
        /// The stamp after which they go on.
        to: Lamport,
    },
    /// Earlier: the log has lost its end, and its stamps after `to` may name others now.
    Rewound {
        /// The last stamp shown.
        from: Lamport,
        /// The stamp after which they go on.
        to: Lamport,
    },
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
    /// One that was kept.
    pub const fn at(place: Place) -> Self {
        Self {
            log: place.log,
            term: place.term,
            chain: place.shown,
            shown: place.shown,
        }
    }

    /// The log's term when one was let in there last.
    pub const fn term(&self) -> Term {
        self.term
    }

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

    /// Let in, in `term`: deliveries go on after `resumed`. The server says whether it knows of a
    /// `gap`, and whether the log has been `rewound` before the last stamp shown.
    pub fn resume(&mut self, term: Term, resumed: Lamport, gap: bool, rewound: bool) -> Resumed {
        let from = self.shown;
        let known = from > Lamport::ZERO;
        (self.term, self.chain) = (term, resumed);
        if rewound {
            self.shown = resumed;
            return Resumed::Rewound { from, to: resumed };
        }
        self.shown = self.shown.max(resumed);
        match gap || (known && resumed > from) {
            true => Resumed::Lost { from, to: resumed },
            false => Resumed::There,
        }
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
        cursor.resume(Term(1), Lamport::new(resumed), false, false);
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
        let resumed = cursor.resume(Term(1), Lamport::ZERO, false, false);
        assert_eq!(resumed, Resumed::There);
        check(&mut cursor, 0, 3, Judged::Again);
        check(&mut cursor, 3, 4, Judged::Next);
    }

    /// A reader who was shown `shown`, let in again: what is told, and the last stamp shown then.
    #[track_caller]
    fn check_resume(shown: u64, resumed: u64, told: (bool, bool), expected: Resumed, then: u64) {
        let mut cursor = Cursor::at(Place {
            log: LOG,
            term: Term(3),
            shown: Lamport::new(shown),
            highest: Lamport::ZERO,
        });
        let (gap, rewound) = told;
        let got = cursor.resume(Term(4), Lamport::new(resumed), gap, rewound);
        assert_eq!(got, expected);
        assert_eq!((cursor.shown().get(), cursor.term()), (then, Term(4)));
        check(&mut cursor, resumed, then + 1, Judged::Next);
    }

    #[test]
    fn every_way_to_go_on() {
        let stretch = |from, to| (Lamport::new(from), Lamport::new(to));
        let lost = |from, to| {
            let (from, to) = stretch(from, to);
            Resumed::Lost { from, to }
        };
        let rewound = |from, to| {
            let (from, to) = stretch(from, to);
            Resumed::Rewound { from, to }
        };
        check_resume(0, 0, (false, false), Resumed::There, 0);
        check_resume(0, 9, (false, false), Resumed::There, 9);
        check_resume(5, 5, (false, false), Resumed::There, 5);
        check_resume(5, 3, (false, false), Resumed::There, 5);
        check_resume(5, 9, (false, false), lost(5, 9), 9);
        check_resume(5, 9, (true, false), lost(5, 9), 9);
        check_resume(0, 9, (true, false), lost(0, 9), 9);
        check_resume(5, 3, (false, true), rewound(5, 3), 3);
        check_resume(5, 0, (false, true), rewound(5, 0), 0);
        check_resume(5, 3, (true, true), rewound(5, 3), 3);
    }

    #[test]
    fn stamps_of_a_rewound_log_are_shown_again() {
        let mut cursor = at(LOG, 0);
        check(&mut cursor, 0, 3, Judged::Next);
        check(&mut cursor, 3, 7, Judged::Next);
        cursor.resume(Term(2), Lamport::new(3), false, true);
        check(&mut cursor, 3, 6, Judged::Next);
        check(&mut cursor, 6, 7, Judged::Next);
    }

    #[test]
    fn another_log_begins_anew() {
        let mut cursor = at(LOG, 5);
        assert!(!cursor.enter_log(LOG));
        assert!(cursor.enter_log(LogId([2; 16])));
        assert_eq!(cursor.shown(), Lamport::ZERO);
    }
}
