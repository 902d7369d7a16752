//! Why a link ends without being asked to. Each has its code on the wire; its text says what to do
//! where there is something to do.

use crate::control::{CloseCode, ControlError, TermsFault, VERSION};
use crate::fragment::FragmentFault;
use crate::frame::{FrameFault, FrameType, LostBoundary};
use crate::seal::SealFault;

/// What ended the link.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(super) enum LinkFault {
    #[error(
        "these bytes are not Lamparina's protocol (version {VERSION} is spoken here): check the address and port, and connect with lamparina-client"
    )]
    WrongProtocol,
    #[error(
        "version {0} of Lamparina's protocol was asked for and version {VERSION} is spoken here: use a program of the same version on both sides"
    )]
    WrongVersion(u16),
    #[error("the terms cannot be met: {0}")]
    BadTerms(TermsFault),
    #[error("{0:?} has no place in this state")]
    Unexpected(FrameType),
    #[error("{0}")]
    Foreign(FrameFault),
    #[error("{0:?} is not spoken on this link")]
    NotSpoken(FrameType),
    #[error("the acknowledgement names frames that were never sent")]
    AckUnsent,
    #[error("a frame lies beyond the window agreed on")]
    BeyondWindow,
    #[error("{0:?} cannot be read: {1}")]
    BadControl(FrameType, ControlError),
    #[error("a frame or message is longer than agreed")]
    TooLong,
    #[error("fragments of different types do not make a message")]
    MixedTypes,
    #[error("{0}; connect again and resume")]
    LostBoundary(LostBoundary),
    #[error("a frame was not completed in time; connect again and resume")]
    HalfFrame,
    #[error("nothing was heard for too long; connect again and resume")]
    Silence,
    #[error("the handshake took too long; try again")]
    SlowHandshake,
    #[error("what was sent again and again was not acknowledged; connect again and resume")]
    GaveUp,
    #[error("the first words are longer than a SYN can carry")]
    HelloTooLong,
    #[error("links must be sealed here and this one is in clear: connect without --cleartext")]
    SealedOnly,
    #[error(
        "links are in clear here and this one is sealed: connect with --cleartext, or start the server without it"
    )]
    ClearOnly,
    #[error("the other side cannot show who it is: {0}; connect again")]
    Handshake(SealFault),
    #[error("{0:?} came in clear on a sealed link; connect again and resume")]
    InClear(FrameType),
    #[error("something on the way changed a sealed link; connect again and resume")]
    Broken,
    #[error("a sealed record is not taken: {0}; connect again and resume")]
    NotOpened(SealFault),
    #[error("a sealed record ends inside a frame")]
    CutRecord,
}

impl LinkFault {
    pub(super) const fn code(self) -> CloseCode {
        match self {
            Self::WrongProtocol => CloseCode::WrongProtocol,
            Self::WrongVersion(_) => CloseCode::WrongVersion,
            Self::BadTerms(_) => CloseCode::BadTerms,
            Self::Unexpected(_) => CloseCode::Unexpected,
            Self::Foreign(FrameFault::BadLast(_)) => CloseCode::BadLast,
            Self::Foreign(FrameFault::UnknownType(_)) | Self::NotSpoken(_) => {
                CloseCode::UnknownType
            }
            Self::AckUnsent => CloseCode::AckUnsent,
            Self::BeyondWindow => CloseCode::BeyondWindow,
            Self::BadControl(..) => CloseCode::BadControl,
            Self::TooLong | Self::HelloTooLong => CloseCode::TooLong,
            Self::MixedTypes => CloseCode::BadMessage,
            Self::LostBoundary(_)
            | Self::HalfFrame
            | Self::InClear(_)
            | Self::Broken
            | Self::NotOpened(_)
            | Self::Handshake(SealFault::NotOpened) => CloseCode::Damaged,
            Self::CutRecord => CloseCode::BadControl,
            Self::SealedOnly => CloseCode::SealedOnly,
            Self::ClearOnly => CloseCode::ClearOnly,
            Self::Handshake(_) => CloseCode::Unproven,
            Self::Silence | Self::SlowHandshake => CloseCode::Timeout,
            Self::GaveUp => CloseCode::GaveUp,
        }
    }

    /// The fault of a control payload that cannot be read.
    pub(super) const fn control(kind: FrameType, error: ControlError) -> Self {
        match error {
            ControlError::Magic => Self::WrongProtocol,
            ControlError::Version(version) => Self::WrongVersion(version),
            error => Self::BadControl(kind, error),
        }
    }
}

impl From<FragmentFault> for LinkFault {
    fn from(fault: FragmentFault) -> Self {
        match fault {
            FragmentFault::TooLong => Self::TooLong,
            FragmentFault::MixedTypes => Self::MixedTypes,
        }
    }
}
