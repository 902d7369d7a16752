//! The server is killed under load, twenty times.

use lamparina_tests::real::crash;

#[test]
fn nothing_committed_is_lost_repeated_or_moved_by_twenty_kills() {
    let tally = crash::run(20, 1, |_, _| {});
    assert_eq!(tally.kills, 20);
    // A kill of an idle server would prove nothing.
    assert!(tally.under_load >= 15, "{tally:?}");
    assert!(tally.committed >= 200, "{tally:?}");
}
