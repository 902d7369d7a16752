//! Reads the simulated disk as a reader of a file does.

use lamparina_order::{LogIndex, Record};
use lamparina_protocol::{Lamport, MemberId};

use super::{Disk, Inner};
use crate::rows::Rows;
use crate::stays::Stays;
use crate::traits::{Chain, Found, Position, ReadError, Reader};

/// Reads a [`Disk`].
#[derive(Debug)]
pub struct SimReader {
    disk: Disk,
}

impl SimReader {
    pub(super) fn new(disk: Disk) -> Self {
        Self { disk }
    }

    fn read<T>(
        &self,
        read: impl FnOnce(&mut Rows<'_, (Record, Chain)>) -> Result<T, ReadError>,
    ) -> Result<T, ReadError> {
        let mut inner = self.disk.lock();
        inner.read()?;
        let Inner { files, .. } = &*inner;
        read(&mut Rows::new(&files.rows, &files.positions))
    }
}

impl Reader for SimReader {
    fn entries(
        &mut self,
        after: LogIndex,
        count_max: usize,
        bytes_max: usize,
    ) -> Result<Vec<Record>, ReadError> {
        self.read(|rows| rows.entries(after, count_max, bytes_max))
    }

    fn entries_before(
        &mut self,
        before: LogIndex,
        count_max: usize,
        bytes_max: usize,
    ) -> Result<Vec<Record>, ReadError> {
        self.read(|rows| rows.entries_before(before, count_max, bytes_max))
    }

    fn index_of(&mut self, stamp: Lamport) -> Result<LogIndex, ReadError> {
        self.read(|rows| rows.index_of(stamp))
    }

    fn message(&mut self, stamp: Lamport) -> Result<Option<(Record, Chain)>, ReadError> {
        self.read(|rows| rows.message(stamp))
    }

    fn stays(&mut self, member: MemberId) -> Result<Stays, ReadError> {
        self.read(|rows| rows.stays(member))
    }

    fn positions(&mut self, members: &[MemberId]) -> Result<Vec<Position>, ReadError> {
        self.read(|rows| rows.positions(members))
    }

    fn find(
        &mut self,
        words: &str,
        before: Lamport,
        count_max: usize,
        bytes_max: usize,
        may_see: &dyn Fn(&Record) -> bool,
    ) -> Result<Found, ReadError> {
        self.read(|rows| rows.find(words, before, count_max, bytes_max, may_see))
    }
}
