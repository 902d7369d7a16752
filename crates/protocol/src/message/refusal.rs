//! Why a request was not done: codes for programs. A new one goes to the end.

use serde::{Deserialize, Serialize};

/// Why a request was not done. The number is the place.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub enum RefusalCode {
    /// The nick belongs to somebody else.
    NickTaken,
    /// The nick is ill-formed.
    NickInvalid,
    /// A recipient was never heard of.
    UnknownUser,
    /// Nobody is left to send to.
    NoRecipient,
    /// The text is empty.
    EmptyText,
    /// The text or its list of recipients is too long.
    TooLong,
    /// The clock is ahead of any honest one.
    ClockAhead,
    /// A `pseq` was left out.
    Gap,
    /// The epoch is older than the author's newest.
    StaleEpoch,
    /// A newer session of the same author is active.
    TakenOver,
    /// No such room, or not a member of it.
    NotInRoom,
    /// A documented limit is reached.
    Limit,
    /// The server does not allow it.
    NotAllowed,
    /// The request is not one of this protocol at this point.
    Malformed,
    /// The server is closing.
    ShuttingDown,
    /// The server's disk is full: nothing was kept, and nothing is settled by this.
    StorageFull,
    /// There is no such message, or one may not see it.
    NotFound,
    /// More than the pace that the welcome announced: not judged, and nothing is settled by this.
    TooFast,
    /// A recipient, or oneself, was banned by who runs the server.
    Banned,
    /// Who was never here needs an invite or a password, and has none that is good.
    NotAdmitted,
}

impl RefusalCode {
    /// The code as events and logs write it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NickTaken => "nick-taken",
            Self::NickInvalid => "nick-invalid",
            Self::UnknownUser => "unknown-user",
            Self::NoRecipient => "no-recipient",
            Self::EmptyText => "empty-text",
            Self::TooLong => "too-long",
            Self::ClockAhead => "clock-ahead",
            Self::Gap => "gap",
            Self::StaleEpoch => "stale-epoch",
            Self::TakenOver => "taken-over",
            Self::NotInRoom => "not-in-room",
            Self::Limit => "limit",
            Self::NotAllowed => "not-allowed",
            Self::Malformed => "malformed",
            Self::ShuttingDown => "shutting-down",
            Self::StorageFull => "storage-full",
            Self::NotFound => "not-found",
            Self::TooFast => "too-fast",
            Self::Banned => "banned",
            Self::NotAdmitted => "not-admitted",
        }
    }
}
