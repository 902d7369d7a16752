//! What a session wants done. The shell does it, in order, and decides nothing.

use lamparina_impair::Settings;
use lamparina_protocol::link::Input as LinkInput;
use lamparina_protocol::message::RefusalCode;
use lamparina_protocol::{Nick, SessionNumber};

use super::admission::Check;
use crate::hub::Asked;
use crate::reading::ReadAsk;

/// What a call gives back. The caller owns it, reads it and clears it.
#[derive(Debug, Default)]
pub struct Output {
    /// Requests for the order, in order.
    pub asked: Vec<Asked>,
    /// Everything else, in order.
    pub acts: Vec<Act>,
    /// Something to be read: the answer is the session's next [`super::Input::Read`], and until
    /// then it wants nothing else.
    pub read: Option<ReadAsk>,
}

/// Something that the shell does.
#[derive(Clone, Debug)]
pub enum Act {
    /// Accepts the link, with the log and the clock of this moment.
    Welcome,
    /// Checks what a client gave to be admitted: the answer is [`super::Input::Checked`].
    Check(Check),
    /// Gives the link an input.
    Link(LinkInput),
    /// Puts a bad channel between this client and the server.
    Impair(Settings),
    /// Logs.
    Log(Logged),
}

/// What a session logs. The shell adds the address.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Logged {
    /// It has entered.
    Connected {
        /// By what name.
        nick: Nick,
        /// In which session.
        session: SessionNumber,
    },
    /// It, or something that it asked, was refused.
    Refused {
        /// Whom, once it has a name.
        nick: Option<Nick>,
        /// Why.
        code: &'static str,
        /// Why, in words.
        reason: String,
    },
    /// It has ended.
    Disconnected {
        /// Who.
        nick: Nick,
        /// Why.
        reason: &'static str,
    },
    /// It changed its channel.
    Channel {
        /// Who.
        nick: Option<Nick>,
        /// To what.
        settings: String,
    },
}

impl Logged {
    /// A request that was refused.
    pub(super) fn refused(nick: Option<&Nick>, code: RefusalCode, reason: &str) -> Act {
        Act::Log(Self::Refused {
            nick: nick.cloned(),
            code: code.name(),
            reason: reason.to_owned(),
        })
    }
}
