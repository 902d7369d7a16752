//! Every reason to refuse, in one place: its code for programs, its words for people. The words
//! say what to do next.

use lamparina_protocol::audience::AUDIENCE_USERS_MAX;
use lamparina_protocol::message::{RefusalCode, TEXT_BYTES_MAX};
use lamparina_protocol::nick::NickError;
use lamparina_protocol::{Epoch, Lamport, MemberId, Nick, Pseq, RoomName};

use super::outcomes::OUTCOMES_KEPT;
use super::{MEMBERS_MAX, NICKS_PER_MEMBER_MAX, ROOMS_MAX};
use crate::access::{INVITE_USES_MAX, INVITES_MAX, InviteId, OPERATOR_BYTES_MAX, REASON_BYTES_MAX};
use crate::effect::Effect;

/// Names listed in a text, at most; the others are counted.
const NAMES_IN_TEXT: usize = 8;

/// Why an entry was not done. The state is as it was, but for the clock and the `pseq` settled.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub(super) enum Refusal {
    #[error("claim a name first, with --name NAME; then everything else")]
    NotEntered,
    #[error("this session has ended: connect again")]
    SessionEnded,
    #[error("a newer session of this profile has taken over: go on there, or connect again here")]
    TakenOver,
    #[error(
        "a newer session of this profile is active: close it, or check that this machine's clock \
         is right, and connect again"
    )]
    NewerActive,
    #[error(
        "another session of this profile is newer: its outbox has epoch {newest}, this one {epoch}; \
         go on there, or start again here"
    )]
    StaleEpoch { epoch: Epoch, newest: Epoch },
    #[error("{0} belongs to somebody else: choose another name")]
    NickTaken(Nick),
    #[error(
        "{0} looks like a name that belongs to somebody else: choose one that cannot be taken for it"
    )]
    NickLooksTaken(Nick),
    #[error("{0}")]
    NickInvalid(NickError),
    #[error(
        "#{name} looks like #{there}, which is another room: /join #{there}, or choose another name"
    )]
    RoomLooksLike { name: RoomName, there: RoomName },
    #[error("you are already called {0}")]
    SameNick(Nick),
    #[error(
        "nobody may have more than {NICKS_PER_MEMBER_MAX} names: keep {held}, or take back one of \
         these with /nick NAME: {former}"
    )]
    NicksUsedUp { held: Nick, former: String },
    #[error(
        "this server has its {MEMBERS_MAX} members and takes no more: ask who runs it, or use a \
         profile that is a member"
    )]
    MembersFull,
    #[error("there are {ROOMS_MAX} rooms and no more can be made: join one that exists")]
    RoomsFull,
    #[error("you are in {0} rooms, the most there may be: /leave one first")]
    TooManyRooms(usize),
    #[error("you are not in #{0}: /join #{0} first")]
    NotInRoom(RoomName),
    #[error("messages are counted from 1, not 0")]
    PseqZero,
    #[error(
        "message {got} came before message {expected} of this outbox: send {expected} first, then \
         what follows"
    )]
    Gap { got: Pseq, expected: Pseq },
    #[error(
        "message {0} was settled long ago and is not judged again; the answers to the newest \
         {OUTCOMES_KEPT} messages are kept: look for it with /history"
    )]
    LongSettled(Pseq),
    #[error(
        "this message's clock is {clock} and the order's is {head}: at most one more is honest; \
         reconnect to take the current clock"
    )]
    ClockAhead { clock: Lamport, head: Lamport },
    #[error(
        "this message claims to have seen stamp {seen} and the order's clock is {head}: reconnect \
         to take the current clock"
    )]
    SeenAhead { seen: Lamport, head: Lamport },
    #[error(
        "the order's clock is at its last value: this log takes no more messages; start a new one"
    )]
    EndOfTime,
    #[error("the text is empty: write something after the last colon")]
    EmptyText,
    #[error("the text has {0} bytes and may have {TEXT_BYTES_MAX}: send it in parts")]
    TextTooLong(usize),
    #[error("{0} recipients are named and there may be {AUDIENCE_USERS_MAX}: use a room, or ALL")]
    TooManyRecipients(usize),
    #[error("nobody is left to send to: name somebody other than yourself")]
    NoRecipient,
    #[error("a recipient's name is none: {0}. Nothing was sent to anybody")]
    Misaddressed(NickError),
    #[error("nobody was ever called {0}: nothing was sent to anybody; /who lists who is connected")]
    UnknownUsers(String),
    #[error("{0} was banned by who runs this server: nothing was sent to anybody")]
    BannedUsers(String),
    #[error("you were banned by who runs this server: ask there")]
    Banned,
    #[error(
        "this server is by invitation: ask who runs it for a code, and give it with --invite CODE \
         (once; your key is known from then on)"
    )]
    InviteNeeded,
    #[error("no invite has this code: check that all of it is there, or ask for another one")]
    NoSuchInvite,
    #[error("this invite has been used up: ask for another one")]
    InviteUsedUp,
    #[error("this invite has expired: ask for another one")]
    InviteExpired,
    #[error("this invite has been taken back: ask for another one")]
    InviteRevoked,
    #[error("an invite is for 1 to {INVITE_USES_MAX} uses, and expires in the future or never")]
    InviteTerms,
    #[error("this log has had its {INVITES_MAX} invites and takes no more: use a password file")]
    InvitesFull,
    #[error("there is no invite {0}: lamparina-server invite list shows them")]
    UnknownInvite(InviteId),
    #[error("invite {0} has been taken back before")]
    RevokedBefore(InviteId),
    #[error("there is no such member")]
    UnknownMember,
    #[error("{0} is not connected: there is nobody to send away")]
    NotPresent(Nick),
    #[error("{0} is banned already")]
    BannedBefore(Nick),
    #[error("{0} is not banned")]
    NotBanned(Nick),
    #[error("the reason has {0} bytes and may have {REASON_BYTES_MAX}: say it shorter")]
    ReasonTooLong(usize),
    #[error("an operator's name has 1 to {OPERATOR_BYTES_MAX} bytes")]
    OperatorName,
}

impl Refusal {
    /// All names of one's own that can be taken back.
    pub(super) fn nicks_used_up(held: &Nick, former: &[Nick]) -> Self {
        let former = former
            .iter()
            .map(Nick::as_str)
            .collect::<Vec<_>>()
            .join(", ");
        Self::NicksUsedUp {
            held: held.clone(),
            former,
        }
    }

    /// Names nobody has: the first few, the others counted.
    pub(super) fn unknown_users(nicks: &[&Nick]) -> Self {
        Self::UnknownUsers(first_names(nicks))
    }

    /// Names of banned members: the first few, the others counted.
    pub(super) fn banned_users(nicks: &[&Nick]) -> Self {
        Self::BannedUsers(first_names(nicks))
    }

    /// The code for programs.
    pub(super) const fn code(&self) -> RefusalCode {
        match self {
            Self::NotEntered | Self::SessionEnded | Self::PseqZero => RefusalCode::Malformed,
            Self::TakenOver | Self::NewerActive => RefusalCode::TakenOver,
            Self::StaleEpoch { .. } => RefusalCode::StaleEpoch,
            Self::NickTaken(_) | Self::NickLooksTaken(_) => RefusalCode::NickTaken,
            // Not `NickTaken`: a program that then tries `ana_` would rename its user.
            Self::SameNick(_) | Self::RoomLooksLike { .. } => RefusalCode::NotAllowed,
            Self::NickInvalid(_) => RefusalCode::NickInvalid,
            Self::NicksUsedUp { .. }
            | Self::MembersFull
            | Self::RoomsFull
            | Self::TooManyRooms(_)
            | Self::LongSettled(_)
            | Self::EndOfTime => RefusalCode::Limit,
            Self::NotInRoom(_) => RefusalCode::NotInRoom,
            Self::Gap { .. } => RefusalCode::Gap,
            Self::ClockAhead { .. } | Self::SeenAhead { .. } => RefusalCode::ClockAhead,
            Self::EmptyText => RefusalCode::EmptyText,
            Self::TextTooLong(_) | Self::TooManyRecipients(_) => RefusalCode::TooLong,
            Self::NoRecipient => RefusalCode::NoRecipient,
            Self::UnknownUsers(_) => RefusalCode::UnknownUser,
            Self::Misaddressed(_) => RefusalCode::NickInvalid,
            Self::Banned | Self::BannedUsers(_) => RefusalCode::Banned,
            Self::InviteNeeded
            | Self::NoSuchInvite
            | Self::InviteUsedUp
            | Self::InviteExpired
            | Self::InviteRevoked => RefusalCode::NotAdmitted,
            Self::InvitesFull => RefusalCode::Limit,
            Self::InviteTerms | Self::OperatorName => RefusalCode::Malformed,
            Self::ReasonTooLong(_) => RefusalCode::TooLong,
            Self::UnknownInvite(_) | Self::UnknownMember => RefusalCode::NotFound,
            Self::RevokedBefore(_)
            | Self::NotPresent(_)
            | Self::BannedBefore(_)
            | Self::NotBanned(_) => RefusalCode::NotAllowed,
        }
    }

    /// The effect that tells the author; `message` names the message refused, if it was one.
    #[cold]
    pub(super) fn effect(self, member: Option<MemberId>, message: Option<(Epoch, Pseq)>) -> Effect {
        Effect::Refused {
            member,
            message,
            code: self.code(),
            text: self.to_string(),
        }
    }
}

fn first_names(nicks: &[&Nick]) -> String {
    let more = nicks.len().saturating_sub(NAMES_IN_TEXT);
    let first = nicks.iter().take(NAMES_IN_TEXT).map(|nick| nick.as_str());
    let mut text = first.collect::<Vec<_>>().join(", ");
    if more > 0 {
        text.push_str(&format!(" and {more} more"));
    }
    text
}
