//! Who may become a member, and who may not be one for now: what operators ask of the order, and
//! the values they name. An operator has no session; what it asks has its place like everything else.

use std::fmt;

use lamparina_protocol::{MemberId, UnixMicros};

/// Invites that one log may ever have.
pub const INVITES_MAX: usize = 200_000;
/// First claims that one invite may admit, at most.
pub const INVITE_USES_MAX: u32 = 100_000;
/// Bytes of an operator's name, at most.
pub const OPERATOR_BYTES_MAX: usize = 64;
/// Bytes of the reason for a ban, at most.
pub const REASON_BYTES_MAX: usize = 512;

/// An invite, by its place among all of this log, from 0.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct InviteId(pub u64);

impl fmt::Display for InviteId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What the order knows of an invite's code. The code itself is nowhere but with who was given it.
///
/// A code has more than 100 random bits, so that no table and no search finds it: a fast hash is
/// enough, as it would not be for a password.
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct InviteHash(pub [u8; 32]);

impl fmt::Debug for InviteHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self([a, b, c, d, ..]) = self;
        write!(f, "InviteHash({a:02x}{b:02x}{c:02x}{d:02x}..)")
    }
}

/// An invite as the order has it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Invite {
    /// Of its code.
    pub hash: InviteHash,
    /// First claims that it admits in all; at least 1.
    pub uses: u32,
    /// First claims that it has admitted.
    pub used: u32,
    /// From this time on it admits nobody; 0 for never.
    pub expires_at: UnixMicros,
    /// An operator has taken it back.
    pub revoked: bool,
}

impl Invite {
    /// Whether its time is over at `at`.
    pub const fn is_expired(&self, at: UnixMicros) -> bool {
        self.expires_at.0 != 0 && at.0 >= self.expires_at.0
    }

    /// Whether a first claim at `at` would be admitted.
    pub const fn is_open(&self, at: UnixMicros) -> bool {
        !self.revoked && self.used < self.uses && !self.is_expired(at)
    }
}

/// Where a member stands with those who run the server.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Standing {
    /// It was never banned.
    #[default]
    Free,
    /// Nothing is for it and nothing of it takes effect; its names stay its own.
    Banned,
    /// It was banned and is no more.
    Pardoned,
}

/// What an operator asks for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Operation {
    /// A new invite.
    Invite {
        /// Of its code.
        hash: InviteHash,
        /// First claims that it admits; 1 to [`INVITE_USES_MAX`].
        uses: u32,
        /// From this time on it admits nobody; 0 for never.
        expires_at: UnixMicros,
        /// Who asks; at most [`OPERATOR_BYTES_MAX`].
        by: String,
    },
    /// An invite admits nobody any more.
    Revoke {
        /// Which.
        invite: InviteId,
        /// Who asks.
        by: String,
    },
    /// A member's session ends; it may come back at once.
    Kick {
        /// Whom.
        member: MemberId,
    },
    /// A member's session ends and it may not come back.
    Ban {
        /// Whom.
        member: MemberId,
        /// Who asks.
        by: String,
        /// Why, told to the member; at most [`REASON_BYTES_MAX`], perhaps empty.
        reason: String,
    },
    /// A banned member may come back.
    Unban {
        /// Whom.
        member: MemberId,
        /// Who asks.
        by: String,
    },
}
