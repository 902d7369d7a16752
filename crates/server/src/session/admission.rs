//! How a session gets in where access is by invite: what its client gave before its name, and what
//! the order is asked then. A member needs nothing, and nothing that it gives can keep it out.

use std::collections::VecDeque;

use bytes::Bytes;
use lamparina_order::{Action, InviteHash};
use lamparina_protocol::control::{CloseCode, Hello};
use lamparina_protocol::frame::FrameType;
use lamparina_protocol::message::{INVITE_CODE_BYTES_MAX, PASSWORD_BYTES_MAX};
use lamparina_protocol::{Instant, Nick, UnixMicros};

use super::machine::{Session, State};
use super::output::{Act, Output};
use crate::access::InviteCode;

/// Messages that may come behind a claim while what was given is checked.
const HELD_MAX: usize = 64;
/// Their bytes.
const HELD_BYTES_MAX: usize = 64 * 1024;

/// Who may become a member, as far as one session is concerned.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Admission {
    /// A new key needs an invite, or a password.
    pub by_invite: bool,
    /// There is a password file.
    pub passwords: bool,
    /// Nobody between can read what the client sends.
    pub private: bool,
}

/// What is to be checked before the order is asked.
#[derive(Clone, Eq, PartialEq)]
pub struct Check {
    /// The name claimed.
    pub nick: Nick,
    /// Its password, where one was given.
    pub password: Option<String>,
}

impl std::fmt::Debug for Check {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let with = if self.password.is_some() {
            "a password"
        } else {
            "an invite"
        };
        write!(f, "Check({}, {with})", self.nick)
    }
}

/// What came of it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// The address may try an invite.
    MayTry,
    /// The password is the one of the name.
    Right,
    /// It is not.
    Wrong,
    /// Too many passwords are being checked.
    Busy,
    /// Too many wrong tries came from this address.
    TooMany,
}

/// What a client gave before its name.
#[derive(Debug, Default)]
pub(super) struct Pass {
    invite: Option<InviteHash>,
    /// The name claimed, while what was given is checked.
    nick: Option<Nick>,
    password: Option<String>,
    /// Why what it gave is not good, for who turns out not to be a member.
    why_not: Option<String>,
    /// What came behind the claim while it was checked.
    held: VecDeque<(FrameType, Bytes)>,
    held_bytes: usize,
}

impl Session {
    /// The code of an invite came. An open server does not look at it.
    pub(super) fn gave_invite(&mut self, code: &str) {
        if !self.config.admission.by_invite {
            return;
        }
        let read = match code.len() > INVITE_CODE_BYTES_MAX {
            true => Err(format!(
                "an invite's code has at most {INVITE_CODE_BYTES_MAX} bytes"
            )),
            false => InviteCode::parse(code).map_err(|error| error.to_string()),
        };
        let pass = self.pass.get_or_insert_default();
        match read {
            Ok(code) => pass.invite = Some(code.hash()),
            Err(why) => pass.why_not = Some(why),
        }
    }

    /// A password came.
    pub(super) fn gave_password(&mut self, now: Instant, password: String, out: &mut Output) {
        let admission = self.config.admission;
        if !admission.private {
            let text = "passwords are not taken over a link that others can read, and this one is \
                        not sealed: connect without --cleartext, and change that password";
            return self.abort(now, CloseCode::NotAdmitted, text, out);
        }
        if !admission.passwords {
            return;
        }
        let pass = self.pass.get_or_insert_default();
        match password.len() {
            1..=PASSWORD_BYTES_MAX => pass.password = Some(password),
            _ => pass.why_not = Some(format!("a password has 1 to {PASSWORD_BYTES_MAX} bytes")),
        }
    }

    /// A name is claimed: asks the order, after what was given has been checked.
    pub(super) fn claim(&mut self, hello: Hello, nick: Nick, out: &mut Output) {
        if !self.config.admission.by_invite {
            let epoch = hello.epoch;
            return self.ask_in(hello, Action::Enter { nick, epoch }, out);
        }
        match &mut self.pass {
            Some(pass) if pass.invite.is_some() || pass.password.is_some() => {
                let password = pass.password.take();
                pass.nick = Some(nick.clone());
                self.state = State::Checking(hello);
                out.acts.push(Act::Check(Check { nick, password }));
            }
            _ => {
                let epoch = hello.epoch;
                self.ask_in(hello, Action::Return { nick, epoch }, out);
            }
        }
    }

    /// Something came behind the claim.
    pub(super) fn hold(&mut self, now: Instant, kind: FrameType, body: &[u8], out: &mut Output) {
        let pass = self.pass.get_or_insert_default();
        pass.held_bytes += body.len();
        if pass.held.len() >= HELD_MAX || pass.held_bytes > HELD_BYTES_MAX {
            let text = "wait for the answer to your name before you say so much";
            return self.abort(now, CloseCode::BadMessage, text, out);
        }
        pass.held.push_back((kind, Bytes::copy_from_slice(body)));
    }

    /// What was given has been checked.
    pub(super) fn checked(&mut self, now: Instant, verdict: Verdict, out: &mut Output) {
        let State::Checking(hello) = self.state else {
            return; // It has ended meanwhile.
        };
        let pass = self.pass.get_or_insert_default();
        let Some(nick) = pass.nick.take() else {
            return; // Whoever is checked has claimed.
        };
        let epoch = hello.epoch;
        let (action, why_not) = match (verdict, pass.invite) {
            (Verdict::Right, _) => (Action::Enter { nick, epoch }, None),
            (Verdict::MayTry | Verdict::Wrong, Some(code)) => {
                let at = UnixMicros(0); // Set by whoever orders.
                let redeem = Action::Redeem {
                    nick,
                    epoch,
                    code,
                    at,
                };
                (redeem, None)
            }
            (Verdict::MayTry, None) => (Action::Return { nick, epoch }, None),
            (Verdict::Wrong, None) => {
                let why = format!(
                    "this is not the password of {nick}: check both, or ask who runs this server"
                );
                (Action::Return { nick, epoch }, Some(why))
            }
            (Verdict::Busy, _) => {
                let why = "too many passwords are being checked now: try again in a while";
                (Action::Return { nick, epoch }, Some(why.to_owned()))
            }
            (Verdict::TooMany, _) => {
                let why = "too many codes and passwords were tried from your address: wait a \
                           minute, then try again";
                (Action::Return { nick, epoch }, Some(why.to_owned()))
            }
        };
        if why_not.is_some() {
            pass.why_not = why_not;
        }
        let held = std::mem::take(&mut pass.held);
        self.ask_in(hello, action, out);
        for (kind, body) in held {
            self.received(now, kind, body, out);
        }
    }

    fn ask_in(&mut self, hello: Hello, action: Action, out: &mut Output) {
        self.ask(self.entry(&hello, action), out);
        self.claiming(hello);
    }

    /// The words for who is not admitted: what was wrong with what it gave, else what the order says.
    pub(super) fn why_not_admitted(&mut self, words: &str) -> String {
        let why_not = self.pass.take().and_then(|pass| pass.why_not);
        let passwords = match self.config.admission.passwords {
            true => "; or, if you were given a password, with --password-file FILE",
            false => "",
        };
        why_not.unwrap_or_else(|| format!("{words}{passwords}"))
    }
}
