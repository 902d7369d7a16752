//! Says when the state is to be kept: often enough that no start has to read much of the journal,
//! also where a server is killed again and again before it has ordered much. Pure.

/// Entries from one snapshot of the state to the next: what a start has to read again, at most, but
/// for what was ordered in the moments before a crash.
const EVERY_ENTRIES: u64 = 100_000;

/// How far the newest snapshot goes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Snapshots {
    upto: u64,
}

impl Snapshots {
    /// A start that found `last` entries and read the last `replayed` of them, for which there was
    /// no snapshot.
    pub(crate) fn new(last: u64, replayed: u64) -> Self {
        Self {
            upto: last.saturating_sub(replayed),
        }
    }

    /// Whether the state after the entry `last` is to be kept while serving. Then it counts as
    /// kept.
    pub(crate) fn is_due(&mut self, last: u64) -> bool {
        let due = last.saturating_sub(self.upto) >= EVERY_ENTRIES;
        if due {
            self.upto = last;
        }
        due
    }

    /// Whether an orderly end has anything to keep.
    pub(crate) fn is_due_at_end(&self, last: u64) -> bool {
        last > self.upto
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_start_reads_much_however_soon_a_server_is_killed() {
        for ordered in [1, 6_000, 99_999, 250_000] {
            let (mut last, mut kept) = (0, 0);
            for _ in 0..1_000 {
                let replayed = last - kept;
                assert!(replayed < EVERY_ENTRIES + 64, "{ordered}: {replayed}");
                let mut snapshots = Snapshots::new(last, replayed);
                // Batches of some size; then it is killed.
                let end = last + ordered;
                while last < end {
                    last = end.min(last + 64);
                    if snapshots.is_due(last) {
                        kept = last;
                    }
                }
            }
        }
    }

    #[test]
    fn an_orderly_end_keeps_what_is_new() {
        let mut snapshots = Snapshots::new(5, 0);
        assert!(!snapshots.is_due(6) && snapshots.is_due_at_end(6));
        assert!(!Snapshots::new(5, 0).is_due_at_end(5));
        assert!(Snapshots::new(5, 5).is_due_at_end(5));
    }
}
