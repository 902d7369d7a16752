//! How what happened can contradict the promises: each violation says who, what and where.

use lamparina_order::verify;

use super::{Name, Who};

/// How what happened contradicts the promises.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Violation {
    /// The order gave a stamp that is not above the one before.
    #[error("the order gave {stamp} to {name:?} after {before}")]
    OrderNotIncreasing {
        /// What got it.
        name: Name,
        /// The stamp.
        stamp: u64,
        /// The one before.
        before: u64,
    },
    /// Something got a place that nobody said.
    #[error("{0:?} has a place, and nobody said it")]
    NeverSaid(Name),
    /// A message got a second place.
    #[error("{name:?} has the places {first} and {second}")]
    TwoPlaces {
        /// Which.
        name: Name,
        /// Its place.
        first: u64,
        /// The other.
        second: u64,
    },
    /// A message stands before one that its author said earlier.
    #[error("{0:?} stands behind what its author said later")]
    AuthorOrder(Name),
    /// A message stands at or before something that its author knew of.
    #[error("{name:?} at {stamp} stands before its cause at {cause}")]
    BeforeCause {
        /// Which.
        name: Name,
        /// Its place.
        stamp: u64,
        /// What its author knew of.
        cause: u64,
    },
    /// Somebody was told of a place where the order has nothing, or something else.
    #[error("{viewer} was told of {name:?} at {stamp}, where the order has {there:?}")]
    NotTheOrder {
        /// Who.
        viewer: Who,
        /// What it was told of.
        name: Name,
        /// Where.
        stamp: u64,
        /// What is there.
        there: Option<Name>,
    },
    /// A text, or what its author had seen, is not what was said.
    #[error("{viewer} was delivered {name:?}, and it is not what was said")]
    Altered {
        /// Who.
        viewer: Who,
        /// What.
        name: Name,
    },
    /// Somebody was delivered what it had said itself.
    #[error("{0} was delivered its own {1:?}")]
    Own(Who, Name),
    /// Somebody was delivered what was not for it.
    #[error("{viewer} was delivered {name:?}, which is not for it")]
    WrongAudience {
        /// Who.
        viewer: Who,
        /// What.
        name: Name,
    },
    /// Somebody was delivered something twice, or out of order.
    #[error("{viewer} was delivered {stamp} after {upto}")]
    NotIncreasing {
        /// Who.
        viewer: Who,
        /// What.
        stamp: u64,
        /// After what.
        upto: u64,
    },
    /// Something for somebody was left out without a word.
    #[error("{viewer} went from {upto} to {next}, and {missing} was for it")]
    SilentGap {
        /// Who.
        viewer: Who,
        /// From where.
        upto: u64,
        /// To where.
        next: u64,
        /// What was left out.
        missing: u64,
    },
    /// A delivery names another one before it than there was.
    #[error("{viewer} was delivered {stamp} with prev {prev}, after {chain}")]
    WrongPrev {
        /// Who.
        viewer: Who,
        /// What.
        stamp: u64,
        /// What it names.
        prev: u64,
        /// What there was.
        chain: u64,
    },
    /// An event names a stamp that it cannot follow.
    #[error(
        "{viewer} was told of an event after {after}, with {upto} delivered and {next:?} to come"
    )]
    OutOfPlace {
        /// Who.
        viewer: Who,
        /// The stamp that the event follows.
        after: u64,
        /// What has been delivered.
        upto: u64,
        /// What comes next.
        next: Option<u64>,
    },
    /// A message was settled twice, in two ways.
    #[error("{name:?} was settled {first}, and then {second}")]
    SettledTwice {
        /// Which.
        name: Name,
        /// How.
        first: String,
        /// How then.
        second: String,
    },
    /// A refusal that the order did not decide on.
    #[error("{name:?} was refused as {code}, and the order decided {decided:?}")]
    NotDecided {
        /// Which.
        name: Name,
        /// As what.
        code: String,
        /// What was decided.
        decided: Option<String>,
    },
    /// An honest clock was refused.
    #[error("the honest clock of {0:?} was refused as ahead")]
    ClockAhead(Name),
    /// At the end something is not settled.
    #[error("{0:?} was never settled")]
    Unsettled(Name),
    /// At the end somebody lacks something.
    #[error("{viewer} has been delivered up to {upto} and {missing} is for it")]
    Missing {
        /// Who.
        viewer: Who,
        /// Up to where.
        upto: u64,
        /// What it lacks.
        missing: u64,
    },
    /// Somebody was told of a message before the disk had it.
    #[error("{viewer} was told of {name:?} at {stamp} before it was durable")]
    BeforeDurable {
        /// Who.
        viewer: Who,
        /// What it was told of.
        name: Name,
        /// Where.
        stamp: u64,
    },
    /// An author was told that a message has no place before that was decided and durable.
    #[error("{name:?} was told to be refused as {code} before that was durable")]
    RefusedBeforeDurable {
        /// Which.
        name: Name,
        /// As what.
        code: &'static str,
    },
    /// Somebody was let in before the disk had its claim.
    #[error("{0} was let in before its claim was durable")]
    EnteredBeforeDurable(Who),
    /// A stamp was told for two messages.
    #[error("{stamp} was told for {first:?} and then for {second:?}")]
    StampTwice {
        /// The stamp.
        stamp: u64,
        /// What it was told for.
        first: Name,
        /// And then.
        second: Name,
    },
    /// After a restart the disk has not what it had.
    #[error("the disk had {was:?} at {stamp}, and after a restart it has {is:?} there")]
    Lost {
        /// The place.
        stamp: u64,
        /// What was there.
        was: Option<Name>,
        /// What is.
        is: Option<Name>,
    },
    /// The product's own check says so.
    #[error("{0}")]
    Second(#[from] verify::Violation),
}
