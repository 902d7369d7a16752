//! Who wrote what: a message is named `(author, epoch, pseq)` and by nothing else, so a retried
//! message is recognised whatever its text, and equal texts stay two messages.

use std::fmt;

/// A profile's Ed25519 public key. Its possession is proved once links are sealed.
#[derive(
    Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd, serde::Serialize, serde::Deserialize,
)]
pub struct AuthorKey(pub [u8; 32]);

impl fmt::Debug for AuthorKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AuthorKey({self})")
    }
}

impl fmt::Display for AuthorKey {
    /// Lower-case hexadecimal, all 64 digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

macro_rules! numbers {
    ($($(#[$doc:meta])* $name:ident($inner:ty);)*) => {$(
        $(#[$doc])*
        #[derive(
            Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd,
            serde::Serialize, serde::Deserialize,
        )]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    )*};
}

numbers! {
    /// Life of one outbox: begins when a profile's outbox is created or lost, not on reconnect.
    /// Later epochs of one author have greater numbers (Unix microseconds at its creation).
    Epoch(u64);
    /// Place of a message among those of its epoch, from 1; 0 is "none yet".
    Pseq(u64);
    /// A session of an author, chosen by its client and greater than all earlier ones
    /// (Unix microseconds at the connection attempt). The greatest is the only live one.
    SessionNumber(u64);
    /// A member's place in the order of first nick claims, from 0. Stable for the log's life.
    MemberId(u32);
    /// A life of a log: each start of its server begins a greater one (the Unix seconds of the
    /// start, as a rule). Where a log lost its end
    /// (restored from a backup, or by a disk that lied), terms tell whose cursors were beyond it.
    Term(u32);
}

/// Names one log (one server's order, from its creation on). A cursor means something only
/// within the log that gave it.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub struct LogId(pub [u8; 16]);

impl fmt::Display for LogId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}
