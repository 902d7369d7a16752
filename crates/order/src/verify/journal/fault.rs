//! How a journal can contradict the rules of the order: what is wrong, and what should be there.

use std::fmt;

use lamparina_protocol::message::{RefusalCode, TEXT_BYTES_MAX};
use lamparina_protocol::{Audience, Epoch, Lamport, MemberId, Nick, Pseq, RoomName, Term, clean};

use crate::access::{INVITE_USES_MAX, InviteId, OPERATOR_BYTES_MAX, REASON_BYTES_MAX};
use crate::record::{LogIndex, Record, Recorded, RoomId};

/// Graphemes of a text that [`Brief`] shows, about.
const FIRST_WORDS_CHARS: usize = 48;

/// What is wrong with an entry, judged by the entries before it. Says what should be there.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[allow(missing_docs, reason = "the words of each say what its fields are")]
pub enum Fault {
    #[error("entry {0} should stand here: entries are counted from 1 without a hole")]
    Index(LogIndex),
    #[error("the first entry of a journal should begin a term")]
    NoTerm,
    #[error("a term after {0} should begin here: each start of a server begins a greater one")]
    Term(Term),
    #[error(
        "its stamp should be {expected}: the order's clock stood at {head}, the message's at {clock}, and a stamp is one above the greater"
    )]
    Stamp {
        expected: Lamport,
        head: Lamport,
        clock: Lamport,
    },
    #[error("its stamp should be {0}, the stamp of the message that it follows")]
    Follows(Lamport),
    #[error("its clock is {clock}, and an honest one is at most {most}: the order's clock stood at {}", most.get().saturating_sub(1))]
    ClockAhead { clock: Lamport, most: Lamport },
    #[error("it moves the clock to {to}, and should move it from {head} by one")]
    ClockMove { to: Lamport, head: Lamport },
    #[error(
        "its author says to have been delivered stamp {seen}, and the order's clock stood at {head}: nothing beyond had been said"
    )]
    SeenAhead { seen: Lamport, head: Lamport },
    #[error(
        "its place among its author's messages is {pseq}, which is settled already; {expected} should come"
    )]
    PseqRepeated { pseq: Pseq, expected: Pseq },
    #[error(
        "its place among its author's messages is {pseq}, and {expected} should come: something is missing"
    )]
    PseqGap { pseq: Pseq, expected: Pseq },
    #[error(
        "its epoch {epoch} is older than its author's newest, {newest}: epochs of an author only grow"
    )]
    EpochOrder { epoch: Epoch, newest: Epoch },
    #[error("member {0} has never claimed a nick")]
    UnknownMember(MemberId),
    #[error("the author's first claim should give it member number {0}, the next one free")]
    MemberNumber(MemberId),
    #[error("the author's key belongs to member {0}: it should claim as that one")]
    AnotherMember(MemberId),
    #[error("{author} holds the nick {held}, not {recorded}")]
    NickNotHeld {
        author: MemberId,
        held: Nick,
        recorded: Nick,
    },
    #[error("the nick {nick} belongs to member {owner}: a nick has one owner for ever")]
    NickTaken { nick: Nick, owner: MemberId },
    #[error("it changes nothing, and should not be in the journal")]
    NothingChanged,
    #[error("nobody holds the nick {0}, and a message cannot be for it")]
    UnknownNick(Nick),
    #[error("it is for {nick}, who is called {held} here")]
    AudienceNick { nick: Nick, held: Nick },
    #[error("its author is among its recipients")]
    AuthorReceives,
    #[error("it names {0} twice")]
    NamedTwice(Nick),
    #[error("it is for nobody")]
    NoRecipient,
    #[error("it is for {names}, which is {}, and its recipients are {}", Numbers(.expected), Numbers(.recorded), names = Names(.audience))]
    Recipients {
        audience: Box<Audience>,
        expected: Vec<MemberId>,
        recorded: Vec<MemberId>,
    },
    #[error("it is for {}, and its recipients are of another kind", Names(.0))]
    RecipientsKind(Box<Audience>),
    #[error("there is no room #{0} here")]
    UnknownRoom(RoomName),
    #[error("the room #{name} has number {expected}, not {recorded}", expected = .expected.0, recorded = .recorded.0)]
    RoomNumber {
        name: RoomName,
        expected: RoomId,
        recorded: RoomId,
    },
    #[error("the room is called #{0} here")]
    RoomNamed(RoomName),
    #[error("member {member} is not in the room #{name}")]
    NotInRoom { member: MemberId, name: RoomName },
    #[error("member {member} is in the room #{name} already")]
    InRoom { member: MemberId, name: RoomName },
    #[error("member {0} is banned here: nothing is for it, and nothing of it takes effect")]
    Banned(MemberId),
    #[error("member {0} is not banned here")]
    NotBanned(MemberId),
    #[error("the invite should have number {0}, the next one free")]
    InviteNumber(InviteId),
    #[error("another invite has the same code")]
    InviteTwice,
    #[error(
        "an invite admits 1 to {INVITE_USES_MAX} claims, and expires after it was made or never"
    )]
    InviteTerms,
    #[error("there is no invite {0} here")]
    UnknownInvite(InviteId),
    #[error(
        "invite {invite} was for {uses} and has admitted as many before: it should admit nobody"
    )]
    InviteUsedUp { invite: InviteId, uses: u32 },
    #[error("invite {0} has expired before: it should admit nobody")]
    InviteExpired(InviteId),
    #[error("invite {0} was taken back before: it should admit nobody")]
    InviteRevoked(InviteId),
    #[error("the author is member {0} already: it should need no invite")]
    RedeemedAgain(MemberId),
    #[error("the operator's name should have 1 to {OPERATOR_BYTES_MAX} bytes")]
    OperatorName,
    #[error("the reason has {0} bytes, and at most {REASON_BYTES_MAX} are allowed")]
    ReasonTooLong(usize),
    #[error("its text is empty")]
    TextEmpty,
    #[error("its text has {0} bytes, and at most {TEXT_BYTES_MAX} are allowed")]
    TextTooLong(usize),
    #[error("a message refused as {} is not settled by that, and should not be in the journal", .0.name())]
    SettlesNothing(RefusalCode),
}

impl Fault {
    /// A short name that does not change, for programs.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Index(_) => "index",
            Self::NoTerm | Self::Term(_) => "term",
            Self::Stamp { .. } => "stamp",
            Self::Follows(_) => "follows",
            Self::ClockAhead { .. } => "clock-ahead",
            Self::ClockMove { .. } => "clock-move",
            Self::SeenAhead { .. } => "seen-ahead",
            Self::PseqRepeated { .. } => "pseq-repeated",
            Self::PseqGap { .. } => "pseq-gap",
            Self::EpochOrder { .. } => "epoch-order",
            Self::UnknownMember(_) => "unknown-member",
            Self::MemberNumber(_) => "member-number",
            Self::AnotherMember(_) => "another-member",
            Self::NickNotHeld { .. } => "nick-not-held",
            Self::NickTaken { .. } => "nick-taken",
            Self::NothingChanged => "nothing-changed",
            Self::UnknownNick(_) => "unknown-nick",
            Self::AudienceNick { .. } => "audience-nick",
            Self::AuthorReceives => "author-receives",
            Self::NamedTwice(_) => "named-twice",
            Self::NoRecipient => "no-recipient",
            Self::Recipients { .. } | Self::RecipientsKind(_) => "recipients",
            Self::UnknownRoom(_) => "unknown-room",
            Self::RoomNumber { .. } => "room-number",
            Self::RoomNamed(_) => "room-name",
            Self::NotInRoom { .. } => "not-in-room",
            Self::InRoom { .. } => "in-room",
            Self::Banned(_) => "banned",
            Self::NotBanned(_) => "not-banned",
            Self::InviteNumber(_) => "invite-number",
            Self::InviteTwice => "invite-twice",
            Self::InviteTerms => "invite-terms",
            Self::UnknownInvite(_) => "unknown-invite",
            Self::InviteUsedUp { .. } => "invite-used-up",
            Self::InviteExpired(_) => "invite-expired",
            Self::InviteRevoked(_) => "invite-revoked",
            Self::RedeemedAgain(_) => "redeemed-again",
            Self::OperatorName => "operator-name",
            Self::ReasonTooLong(_) => "reason-too-long",
            Self::TextEmpty => "text-empty",
            Self::TextTooLong(_) => "text-too-long",
            Self::SettlesNothing(_) => "settles-nothing",
        }
    }
}

/// The first entry that contradicts the rules.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{fault} ({}; against entry {against})", Brief(entry))]
pub struct Violation {
    /// What is wrong.
    pub fault: Fault,
    /// With which entry.
    pub entry: Box<Record>,
    /// The earlier entry that it contradicts; 0 where it is the rules alone.
    pub against: LogIndex,
}

/// An entry on one line, for people: index, stamp, who, first words. Cleaned.
#[derive(Clone, Copy, Debug)]
pub struct Brief<'a>(pub &'a Record);

impl fmt::Display for Brief<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Record {
            index,
            stamp,
            event,
            ..
        } = self.0;
        write!(f, "entry {index}, stamp {stamp}: ")?;
        match event {
            Recorded::Began { term } => write!(f, "term {term} begins"),
            Recorded::Clock { clock } => write!(f, "the clock moves to {clock}"),
            Recorded::Claimed {
                member,
                epoch,
                nick,
                ..
            } => write!(f, "member {member} claims {nick}, epoch {epoch}"),
            Recorded::Renamed { member, from, to } => {
                write!(f, "member {member}, {from}, is {to} from here on")
            }
            Recorded::RoomJoined {
                member, nick, name, ..
            } => write!(f, "{nick} (member {member}) comes into #{name}"),
            Recorded::RoomLeft {
                member, nick, name, ..
            } => write!(f, "{nick} (member {member}) goes out of #{name}"),
            Recorded::InviteMade {
                invite, uses, by, ..
            } => write!(f, "{} makes invite {invite}, for {uses}", clean::line(by)),
            Recorded::InviteRevoked { invite, by } => {
                write!(f, "{} takes invite {invite} back", clean::line(by))
            }
            Recorded::Redeemed {
                member,
                epoch,
                nick,
                invite,
                ..
            } => write!(
                f,
                "member {member} claims {nick}, epoch {epoch}, by invite {invite}"
            ),
            Recorded::Banned {
                member, nick, by, ..
            } => write!(
                f,
                "{nick} (member {member}) is banned by {}",
                clean::line(by)
            ),
            Recorded::Unbanned { member, nick, by } => {
                write!(
                    f,
                    "{nick} (member {member}) is pardoned by {}",
                    clean::line(by)
                )
            }
            Recorded::Refused {
                member,
                epoch,
                pseq,
                code,
                ..
            } => write!(
                f,
                "message {pseq} of member {member} (epoch {epoch}) is refused, {}",
                code.name()
            ),
            Recorded::Message(message) => write!(
                f,
                "{} (member {}, message {} of epoch {}) to {}: {}",
                message.from,
                message.member,
                message.pseq,
                message.epoch,
                Names(&message.audience),
                FirstWords(&message.text)
            ),
        }
    }
}

/// The beginning of a text in quotes, cleaned and on one line.
#[derive(Clone, Copy, Debug)]
pub struct FirstWords<'a>(pub &'a str);

impl fmt::Display for FirstWords<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let end = self.0.char_indices().nth(FIRST_WORDS_CHARS);
        let first = end.map_or(self.0, |(end, _)| &self.0[..end]);
        let more = if end.is_some() { " .." } else { "" };
        write!(f, "\"{}\"{more}", clean::line(first))
    }
}

/// An audience as people write it; of a long one the beginning.
struct Names<'a>(&'a Audience);

impl fmt::Display for Names<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.0.names();
        let shown = names.len().min(LISTED_MAX);
        f.write_str(&names[..shown].join(","))?;
        more(f, names.len() - shown)
    }
}

/// Members by number; of many the first ones.
struct Numbers<'a>(&'a [MemberId]);

/// Names or numbers that one line lists.
const LISTED_MAX: usize = 8;

impl fmt::Display for Numbers<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("nobody");
        }
        let shown = self.0.len().min(LISTED_MAX);
        for (place, member) in self.0[..shown].iter().enumerate() {
            let before = if place == 0 { "member " } else { "," };
            write!(f, "{before}{member}")?;
        }
        more(f, self.0.len() - shown)
    }
}

fn more(f: &mut fmt::Formatter<'_>, left: usize) -> fmt::Result {
    match left {
        0 => Ok(()),
        left => write!(f, " and {left} more"),
    }
}
