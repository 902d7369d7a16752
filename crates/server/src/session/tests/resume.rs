//! Where a returning member goes on: by its cursor, the log's terms, and what the tail holds.

use std::sync::Arc;

use lamparina_protocol::{Lamport, LogId, MemberId, Pseq, Term, UnixMicros};
use lamparina_store::TermBegan;

use crate::hub::Entered;
use crate::session::{Resume, SessionConfig, Source, resume};
use crate::tail::Start;
use crate::testing::{LOG, config, hello, nick};

/// A case: the log is in term 4, at stamp 20; terms began after stamps 0, 6, 9 and 14.
struct Case {
    /// Log, term, cursor.
    cursor: Option<(LogId, u32, u64)>,
    last_addressed: u64,
    /// The tail holds everything after this stamp.
    tail_after: u64,
    store: bool,
    new_member: bool,
    back_since: u64,
}

const CASE: Case = Case {
    cursor: Some((LOG, 4, 10)),
    last_addressed: 15,
    tail_after: 2,
    store: true,
    new_member: false,
    back_since: 0,
};

fn ours(store: bool) -> SessionConfig {
    let began = |(term, after)| TermBegan {
        term: Term(term),
        after: Lamport::new(after),
        at: UnixMicros(0),
    };
    SessionConfig {
        term: Term(4),
        terms: Arc::from([(1, 0), (2, 6), (3, 9), (4, 14)].map(began)),
        ..config(1, store)
    }
}

fn resumed(case: Case) -> Resume {
    let entered = Entered {
        nick: nick("ana"),
        member: MemberId(0),
        clock: Lamport::new(20),
        settled: Pseq(0),
        new_member: case.new_member,
        since: Lamport::new(5),
        back_since: Lamport::new(case.back_since),
        consumed: Lamport::new(8),
        last_addressed: Lamport::new(case.last_addressed),
        after: Lamport::new(20),
    };
    let mut hello = hello(1, 1);
    if let Some((log, term, cursor)) = case.cursor {
        hello.log = log;
        (hello.term, hello.cursor) = (Term(term), Lamport::new(cursor));
    }
    resume(&entered, &hello, &ours(case.store), |_| Start {
        position: 3,
        complete_after: Lamport::new(case.tail_after),
    })
}

#[track_caller]
fn check(case: Case, expected: &str) {
    let got = resumed(case);
    let source = match got.source {
        None => "nothing",
        Some(Source::Tail(3)) => "tail",
        Some(Source::Tail(_)) => "elsewhere",
        Some(Source::Store) => "store",
    };
    let mut shown = format!("prev {} low {} {source}", got.resumed, got.low);
    for (is, name) in [(got.gap, " gap"), (got.rewound, " rewound")] {
        shown.push_str(if is { name } else { "" });
    }
    assert_eq!(shown, expected);
}

fn cursor(term: u32, cursor: u64) -> Case {
    Case {
        cursor: Some((LOG, term, cursor)),
        ..CASE
    }
}

#[test]
fn what_was_missed_comes_from_the_tail_or_from_the_store() {
    check(CASE, "prev 10 low 10 tail");
    check(cursor(4, 15), "prev 15 low 15 nothing");
    let tail_after = |tail_after, store| Case {
        tail_after,
        store,
        ..CASE
    };
    check(tail_after(10, true), "prev 10 low 10 tail");
    check(tail_after(12, true), "prev 10 low 10 store");
    check(tail_after(12, false), "prev 12 low 12 tail gap");
}

#[test]
fn what_came_during_a_ban_is_left_out_by_the_store() {
    let back_since = |back_since, store| Case {
        back_since,
        store,
        ..CASE
    };
    // The tail may hold what was said to all meanwhile.
    check(back_since(12, true), "prev 10 low 10 store");
    check(back_since(12, false), "prev 12 low 12 tail gap");
    // Long ago: the cursor is behind it.
    check(back_since(10, true), "prev 10 low 10 tail");
    check(back_since(10, false), "prev 10 low 10 tail");
}

#[test]
fn without_a_cursor_of_this_log_it_goes_on_after_what_was_consumed() {
    let none = |last_addressed| Case {
        cursor: None,
        last_addressed,
        ..CASE
    };
    check(none(15), "prev 8 low 8 tail");
    check(none(8), "prev 8 low 8 nothing");
    let other = Case {
        cursor: Some((LogId([1; 16]), 9, 99)),
        ..CASE
    };
    check(other, "prev 8 low 8 tail");
}

#[test]
fn nothing_from_before_ones_membership_is_delivered() {
    let first = |last_addressed, tail_after| Case {
        last_addressed,
        tail_after,
        ..cursor(4, 0)
    };
    check(first(15, 2), "prev 0 low 5 tail");
    check(first(0, 9), "prev 0 low 5 nothing");
    let newcomer = Case {
        new_member: true,
        last_addressed: 0,
        cursor: None,
        ..CASE
    };
    check(newcomer, "prev 0 low 5 nothing");
}

#[test]
fn a_cursor_beyond_the_log_is_cut_to_what_is_still_the_same() {
    // An older term, and not beyond what began after it.
    check(cursor(1, 6), "prev 6 low 6 tail");
    check(cursor(2, 9), "prev 9 low 9 tail");
    check(cursor(3, 14), "prev 14 low 14 tail");
    check(cursor(3, 10), "prev 10 low 10 tail");
    // Beyond it.
    check(cursor(1, 7), "prev 6 low 6 tail rewound");
    check(cursor(2, 99), "prev 9 low 9 tail rewound");
    check(cursor(3, 15), "prev 14 low 14 tail rewound");
    // The present one, and no stamp of it.
    check(cursor(4, 20), "prev 20 low 20 nothing");
    check(cursor(4, 21), "prev 20 low 20 nothing rewound");
    // A term that the log has lost: of the present one nothing is known there.
    check(cursor(5, 10), "prev 10 low 10 tail rewound");
    check(cursor(5, 18), "prev 14 low 14 tail rewound");
    check(cursor(5, 99), "prev 14 low 14 tail rewound");
    // One who was delivered nothing has nothing to lose.
    check(cursor(5, 0), "prev 0 low 5 tail");
    check(cursor(0, 0), "prev 0 low 5 tail");
    // A member that the log has forgotten.
    let forgotten = Case {
        new_member: true,
        last_addressed: 0,
        ..cursor(3, 18)
    };
    check(forgotten, "prev 0 low 5 nothing rewound");
}

#[test]
fn what_was_shown_beside_deliveries_is_judged_by_where_the_log_is_the_same() {
    // Nothing was ever delivered, so that the cursor says nothing.
    for (term, same) in [(1, 6), (2, 9), (3, 14), (4, 20), (5, 14)] {
        let got = resumed(cursor(term, 0));
        assert_eq!((got.same.get(), got.rewound), (same, false), "term {term}");
    }
    assert_eq!(resumed(cursor(3, 18)).same.get(), 14);
}
