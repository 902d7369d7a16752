//! The journal of one start: dead after a power cut or the next start.

use lamparina_order::{LogIndex, Record};

use super::{Call, Disk, Fate, Kept};
use crate::traits::{AppendError, Journal, Position};

/// Snapshots that are kept.
const SNAPSHOTS_KEPT: usize = 2;

/// Writes a [`Disk`].
#[derive(Debug)]
pub struct SimJournal {
    disk: Disk,
    power: u64,
}

impl SimJournal {
    pub(super) fn new(disk: Disk, power: u64) -> Self {
        Self { disk, power }
    }
}

impl Journal for SimJournal {
    fn append(&mut self, records: &[Record], positions: &[Position]) -> Result<(), AppendError> {
        let call = Call::Append {
            records: records.len(),
            positions: positions.len(),
        };
        let mut inner = self.disk.lock();
        inner.store(self.power, call, records, positions, None)
    }

    fn keep_snapshot(&mut self, at: LogIndex, state: Vec<u8>) {
        let mut inner = self.disk.lock();
        if inner.power != self.power || inner.failed.is_some() {
            return;
        }
        match (inner.script)(Call::Snapshot) {
            Fate::Done | Fate::Lie => {}
            // It may be lost.
            Fate::Full | Fate::Failed { .. } => return,
            Fate::CutBefore | Fate::CutAfter => return inner.cut(),
        }
        let place = at.0.checked_sub(1).and_then(|at| usize::try_from(at).ok());
        let chain = place.and_then(|place| inner.files.rows.get(place));
        let Some(&(_, chain)) = chain else {
            return;
        };
        let snapshots = &mut inner.files.snapshots;
        snapshots.push(Kept { at, chain, state });
        let surplus = snapshots.len().saturating_sub(SNAPSHOTS_KEPT);
        snapshots.drain(..surplus);
    }
}
