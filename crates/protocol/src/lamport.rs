//! Logical time. Stamps and clocks are the same kind of number (Lamport, *Time, Clocks, and the
//! Ordering of Events in a Distributed System*, 1978); a peer may send any value, so only checked
//! arithmetic touches it.

use std::fmt;

/// A Lamport time: an author's clock, or the stamp that is a message's place in the order.
///
/// Stamps begin at 1; `Lamport::ZERO` is "before every message".
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    Eq,
    Hash,
    Ord,
    PartialEq,
    PartialOrd,
    serde::Serialize,
    serde::Deserialize,
)]
pub struct Lamport(u64);

impl Lamport {
    /// Before every message.
    pub const ZERO: Self = Self(0);

    /// The time `value`.
    pub const fn new(value: u64) -> Self {
        Self(value)
    }

    /// The number.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// A time later than both, or `None` when there is no room for one.
    #[must_use]
    pub fn after(self, seen: Self) -> Option<Self> {
        self.0.max(seen.0).checked_add(1).map(Self)
    }

    /// The next tick, or `None` at the end of time.
    #[must_use]
    pub const fn tick(self) -> Option<Self> {
        match self.0.checked_add(1) {
            Some(next) => Some(Self(next)),
            None => None,
        }
    }
}

impl fmt::Display for Lamport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The stamp of the message delivered to the same recipient before this one.
///
/// On the wire it is the last thing in a delivery and always eight bytes, big-endian, so that
/// all recipients share the bytes (and the checksum) of everything before it.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Prev(pub Lamport);

/// Bytes that a [`Prev`] takes on the wire.
pub const PREV_BYTES: usize = 8;

impl Prev {
    /// The eight bytes on the wire.
    pub const fn to_bytes(self) -> [u8; PREV_BYTES] {
        self.0.0.to_be_bytes()
    }
}

impl serde::Serialize for Prev {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.to_bytes().serialize(serializer)
    }
}

impl<'de> serde::Deserialize<'de> for Prev {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bytes = <[u8; PREV_BYTES]>::deserialize(deserializer)?;
        Ok(Self(Lamport(u64::from_be_bytes(bytes))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(own: u64, seen: u64, after: Option<u64>) {
        assert_eq!(Lamport(own).after(Lamport(seen)), after.map(Lamport));
        assert_eq!(Lamport(seen).after(Lamport(own)), after.map(Lamport));
    }

    #[test]
    fn later_than_both_or_no_room() {
        check(0, 0, Some(1));
        check(3, 9, Some(10));
        check(u64::MAX - 1, 0, Some(u64::MAX));
        check(u64::MAX, 0, None);
    }
}
