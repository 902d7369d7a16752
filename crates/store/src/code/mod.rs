//! A record is one row of the journal and back. Every record has exactly one row, and a row that
//! is not the one a record has is refused: what was changed by hand does not pass for an entry.
//!
//! | kind | | member | from | to | detail | text |
//! |---|---|---|---|---|---|---|
//! | 1 | a server began | | | | term | |
//! | 2 | the clock moved | | | | clock | |
//! | 3 | an author claimed | number | nick | | key (32 bytes), epoch | |
//! | 4 | renamed | number | nick before | nick after | | |
//! | 5 | joined a room | number | nick | `#room` | room | |
//! | 6 | left a room | number | nick | `#room` | room | |
//! | 7 | a message | author | nick | below | below | the text |
//! | 8 | a message refused | author | | | epoch, pseq, clock, code (1 byte) | |
//! | 9 | an invite made | | | | invite, hash (32 bytes), uses, expires at, by | |
//! | 10 | an invite taken back | | | | invite, by | |
//! | 11 | an author claimed by invite | number | nick | | key (32 bytes), epoch, invite | |
//! | 12 | banned | number | nick | | by, reason | |
//! | 13 | banned no more | number | nick | | by | |
//!
//! An operator's name (`by`) and a reason stand in `detail` as their length in bytes and UTF-8. An
//! invite's hash is BLAKE3 of its code, with a context of its own: the code is nowhere.
//!
//! Numbers in `detail` are varints: seven bits a byte, lowest first, the eighth bit says that more
//! follow, no byte more than needed.
//!
//! A message's `to` is `ALL`, `#room`, one nick, or nicks with commas between. Its `detail` is:
//! one byte for the audience (0 one nick, 1 several named, 2 all, 3 a room); epoch, pseq, clock,
//! seen, when it was written; then, for nicks, how many members they are and their numbers, each
//! as the difference from the one before (the first from 0); for a room its number.

mod decode;
mod encode;
mod varint;

#[cfg(test)]
mod tests;

pub use encode::Encoder;

use lamparina_protocol::audience::AUDIENCE_USERS_MAX;
use lamparina_protocol::message::RefusalCode;

/// Members whom one message names, at most.
const MEMBERS_MAX: usize = AUDIENCE_USERS_MAX;

/// The kinds of rows. They are stored: a number is never used for anything else.
pub(crate) mod kind {
    pub(crate) const BEGAN: i64 = 1;
    pub(crate) const CLOCK: i64 = 2;
    pub(crate) const CLAIMED: i64 = 3;
    pub(crate) const RENAMED: i64 = 4;
    pub(crate) const ROOM_JOINED: i64 = 5;
    pub(crate) const ROOM_LEFT: i64 = 6;
    pub(crate) const MESSAGE: i64 = 7;
    pub(crate) const REFUSED: i64 = 8;
    pub(crate) const INVITE_MADE: i64 = 9;
    pub(crate) const INVITE_REVOKED: i64 = 10;
    pub(crate) const REDEEMED: i64 = 11;
    pub(crate) const BANNED: i64 = 12;
    pub(crate) const UNBANNED: i64 = 13;
}

/// The first byte of a message's detail.
mod audience {
    pub(super) const UNICAST: u8 = 0;
    pub(super) const MULTICAST: u8 = 1;
    pub(super) const ALL: u8 = 2;
    pub(super) const ROOM: u8 = 3;
}

/// What stands in the `to` column of a message to all.
const ALL: &str = "ALL";

/// A row as it stands in the table, all but its chain. Texts are bytes: what was changed by hand
/// need not be UTF-8, and still has a chain.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Columns<'a> {
    /// `log_index`.
    pub index: i64,
    /// `kind`.
    pub kind: i64,
    /// `stamp`.
    pub stamp: i64,
    /// `at`.
    pub at: i64,
    /// `member`.
    pub member: Option<i64>,
    /// `from`.
    pub from: Option<&'a [u8]>,
    /// `to`.
    pub to: Option<&'a [u8]>,
    /// `detail`.
    pub detail: &'a [u8],
    /// `text`.
    pub text: Option<&'a [u8]>,
}

/// Why a row is not one that a record has, or a record has no row.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum CodeError {
    /// A number that its place cannot hold.
    #[error("{0} is out of range")]
    Range(&'static str),
    /// A column that this kind does not have, or lacks one that it has.
    #[error("the column `{0}` does not belong to a row of kind {1}")]
    Column(&'static str, i64),
    /// No such kind.
    #[error("there is no kind {0}: a newer version may have written it")]
    Kind(i64),
    /// A text that is not UTF-8.
    #[error("the column `{0}` is not UTF-8")]
    Utf8(&'static str),
    /// A name that is none, or is not written as names are kept.
    #[error("the column `{0}` holds {1:?}, which is not a name as names are kept")]
    Name(&'static str, String),
    /// The detail ends too early, is too long, or is not the only way to say it.
    #[error("the detail is not well-formed: {0}")]
    Detail(&'static str),
}

macro_rules! codes {
    ($($number:literal $code:ident,)*) => {
        /// The number by which a refusal's code is stored.
        const fn number_of(code: RefusalCode) -> u8 {
            match code { $(RefusalCode::$code => $number,)* }
        }

        fn code_of(number: u8) -> Option<RefusalCode> {
            Some(match number { $($number => RefusalCode::$code,)* _ => return None })
        }
    };
}

// Stored: a number is never used for anything else.
codes! {
    1 NickTaken,
    2 NickInvalid,
    3 UnknownUser,
    4 NoRecipient,
    5 EmptyText,
    6 TooLong,
    7 ClockAhead,
    8 Gap,
    9 StaleEpoch,
    10 TakenOver,
    11 NotInRoom,
    12 Limit,
    13 NotAllowed,
    14 Malformed,
    15 ShuttingDown,
    16 StorageFull,
    17 NotFound,
    18 TooFast,
    19 Banned,
    20 NotAdmitted,
}
