//! Reads bytes that may be anything: nothing is allocated for a length that the bytes left do not
//! hold, and what was read always says where it went wrong.

use lamparina_protocol::{Lamport, Nick, RoomName};

/// Why bytes are not a state.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum SnapshotError {
    /// Of another version of this program.
    #[error(
        "the snapshot has version {found}, this program reads {known}: replay the journal instead"
    )]
    Version {
        /// Its version.
        found: u8,
        /// The one known here.
        known: u8,
    },
    /// Cut off.
    #[error("the snapshot ends within {0}: replay the journal instead")]
    Short(&'static str),
    /// Longer than the state it holds.
    #[error("the snapshot goes on for {0} bytes after its end: replay the journal instead")]
    Trailing(usize),
    /// Not something that entries can lead to.
    #[error("the snapshot is damaged at byte {at}, in {what}: replay the journal instead")]
    Damaged {
        /// What is not possible.
        what: &'static str,
        /// Where reading had come to.
        at: usize,
    },
}

/// Bytes, read from the front.
pub(super) struct Source<'a> {
    rest: &'a [u8],
    whole: usize,
}

impl<'a> Source<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self {
            rest: bytes,
            whole: bytes.len(),
        }
    }

    pub(super) const fn damaged(&self, what: &'static str) -> SnapshotError {
        SnapshotError::Damaged {
            what,
            at: self.whole - self.rest.len(),
        }
    }

    /// `fine`, or damage in `what`.
    pub(super) fn check(&self, fine: bool, what: &'static str) -> Result<(), SnapshotError> {
        if fine {
            Ok(())
        } else {
            Err(self.damaged(what))
        }
    }

    pub(super) fn take(
        &mut self,
        bytes: usize,
        what: &'static str,
    ) -> Result<&'a [u8], SnapshotError> {
        let split = self.rest.split_at_checked(bytes);
        let (taken, rest) = split.ok_or(SnapshotError::Short(what))?;
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], SnapshotError> {
        let split = self.rest.split_first_chunk();
        let (taken, rest) = split.ok_or(SnapshotError::Short(what))?;
        self.rest = rest;
        Ok(*taken)
    }

    pub(super) fn key(&mut self, what: &'static str) -> Result<[u8; 32], SnapshotError> {
        self.array(what)
    }

    pub(super) fn u8(&mut self, what: &'static str) -> Result<u8, SnapshotError> {
        self.array(what).map(u8::from_be_bytes)
    }

    pub(super) fn u16(&mut self, what: &'static str) -> Result<u16, SnapshotError> {
        self.array(what).map(u16::from_be_bytes)
    }

    pub(super) fn u32(&mut self, what: &'static str) -> Result<u32, SnapshotError> {
        self.array(what).map(u32::from_be_bytes)
    }

    pub(super) fn u64(&mut self, what: &'static str) -> Result<u64, SnapshotError> {
        self.array(what).map(u64::from_be_bytes)
    }

    /// A time not after `latest`.
    pub(super) fn time(
        &mut self,
        latest: Lamport,
        what: &'static str,
    ) -> Result<Lamport, SnapshotError> {
        let time = Lamport::new(self.u64(what)?);
        self.check(time <= latest, what)?;
        Ok(time)
    }

    fn name(&mut self, what: &'static str) -> Result<&'a str, SnapshotError> {
        let bytes = usize::from(self.u8(what)?);
        let text = self.take(bytes, what)?;
        std::str::from_utf8(text).map_err(|_not_text| self.damaged(what))
    }

    pub(super) fn nick(&mut self, what: &'static str) -> Result<Nick, SnapshotError> {
        let text = self.name(what)?;
        let nick = Nick::try_from(text)
            .ok()
            .filter(|nick| nick.as_str() == text);
        nick.ok_or_else(|| self.damaged(what))
    }

    pub(super) fn room(&mut self, what: &'static str) -> Result<RoomName, SnapshotError> {
        let text = self.name(what)?;
        let room = RoomName::try_from(text).ok();
        let room = room.filter(|room| room.as_str() == text);
        room.ok_or_else(|| self.damaged(what))
    }

    /// Nothing may follow.
    pub(super) const fn finish(&self) -> Result<(), SnapshotError> {
        match self.rest.len() {
            0 => Ok(()),
            more => Err(SnapshotError::Trailing(more)),
        }
    }
}

/// A name behind its length, which fits: a name has at most 64 bytes.
pub(super) fn put_name(name: &str, out: &mut Vec<u8>) {
    out.push(u8::try_from(name.len()).unwrap_or(u8::MAX));
    out.extend_from_slice(name.as_bytes());
}

/// A number, big-endian.
pub(super) fn put_u64(number: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(&number.to_be_bytes());
}

/// How many of something there are, which all have limits far below this one's.
pub(super) fn put_count(count: usize, out: &mut Vec<u8>) {
    let count = u32::try_from(count).unwrap_or(u32::MAX);
    out.extend_from_slice(&count.to_be_bytes());
}
