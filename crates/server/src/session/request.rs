//! Messages from the client become requests to the order, or answers of the session itself.
//!
//! What cannot be read ends the connection: its checksum was good, so its sender wrote it. What
//! can be read and not be done is answered, and the session goes on.

use bytes::Bytes;
use lamparina_impair::Settings;
use lamparina_order::Action;
use lamparina_protocol::codec;
use lamparina_protocol::control::{CloseCode, Hello};
use lamparina_protocol::frame::FrameType;
use lamparina_protocol::message::{
    ChannelSettings, HISTORY_MESSAGES_MAX, RefusalCode, SetNick, Submit, ToClient, ToServer,
    WORDS_BYTES_MAX,
};
use lamparina_protocol::{Instant, Lamport, Nick};
use serde::Serialize;

use super::loose::{Misnamed, misnamed};
use super::machine::{Session, State};
use super::output::{Act, Logged, Output};
use crate::hub::Ask;
use crate::limits::What;
use crate::reading::{self, Asking, History, Tracing};

/// Bytes of channel settings, at most.
const SPEC_BYTES_MAX: usize = 512;

/// A SET_NICK that was read.
enum Wanted {
    Nick(Nick),
    /// Text that is no nick, and why.
    NoNick(String),
}

impl Session {
    /// A whole message came.
    pub(super) fn received(
        &mut self,
        now: Instant,
        kind: FrameType,
        body: Bytes,
        out: &mut Output,
    ) {
        match &self.state {
            State::Closing { .. } | State::Over | State::AwaitingHello => return,
            State::AwaitingNick(hello) => {
                let hello = *hello;
                return self.first(now, hello, kind, &body, out);
            }
            State::Checking(_) => return self.hold(now, kind, &body, out),
            State::Entering(_) | State::Live(_) => {}
        }
        match kind {
            FrameType::Data => self.data(now, &body, out),
            FrameType::SetNick => self.rename(now, &body, out),
            FrameType::Bulk if self.bulk => self.text_came(now, body, out),
            FrameType::ListRequest if body.is_empty() => self.ask(Ask::List, out),
            FrameType::Channel => self.change_channel(now, &body, out),
            _ => self.misplaced(now, out),
        }
    }

    /// Before there is a name: only a claim, what admits to it, and settings of the channel.
    fn first(
        &mut self,
        now: Instant,
        hello: Hello,
        kind: FrameType,
        body: &[u8],
        out: &mut Output,
    ) {
        match kind {
            FrameType::Channel => return self.change_channel(now, body, out),
            FrameType::SetNick => {}
            FrameType::Data if self.admits(now, body, out) => return,
            _ => {
                let text = "a name comes first: claim one with SET_NICK, then everything else";
                return self.abort(now, CloseCode::BadMessage, text, out);
            }
        }
        match wanted(body) {
            Ok(Wanted::Nick(nick)) => {
                self.claim(hello, nick, out);
            }
            Ok(Wanted::NoNick(why)) => self.abort(now, CloseCode::Nick, &why, out),
            Err(why) => self.unreadable(now, &why, out),
        }
    }

    /// Whether this is something that admits; it is dealt with then.
    fn admits(&mut self, now: Instant, body: &[u8], out: &mut Output) -> bool {
        match codec::decode(body) {
            Ok(ToServer::Invite { code }) => self.gave_invite(&code),
            Ok(ToServer::Password { password }) => self.gave_password(now, password, out),
            _ => return false,
        }
        true
    }

    fn rename(&mut self, now: Instant, body: &[u8], out: &mut Output) {
        match wanted(body) {
            Ok(Wanted::Nick(nick)) => self.act(Action::Rename { nick }, out),
            Ok(Wanted::NoNick(why)) => self.refuse(now, RefusalCode::NickInvalid, why, out),
            Err(why) => self.unreadable(now, &why, out),
        }
    }

    fn data(&mut self, now: Instant, body: &[u8], out: &mut Output) {
        match codec::decode(body) {
            Ok(ToServer::Submit(message)) => self.submit(now, message, out),
            Ok(ToServer::SubmitParted(message)) if self.bulk => {
                self.parted_came(now, *message, out);
            }
            Ok(ToServer::SubmitParted(_)) => self.misplaced(now, out),
            Ok(ToServer::Join { room }) => self.move_room(now, Action::Join { room }, out),
            Ok(ToServer::Leave { room }) => self.move_room(now, Action::Leave { room }, out),
            Ok(ToServer::Consumed { upto, count }) => self.consumed(upto, count, out),
            Ok(ToServer::History { before, count }) => match counted(count) {
                Ok(count) => {
                    let history = History::asked(before, count);
                    self.question(now, reading::Wanted::History(Box::new(history)), out);
                }
                Err(why) => self.refuse(now, RefusalCode::Malformed, why, out),
            },
            Ok(ToServer::Find {
                words,
                before,
                count,
            }) => self.find(now, words, before, count, out),
            Ok(ToServer::Trace { stamp }) => {
                let wanted = reading::Wanted::Trace(Box::new(Tracing::new(stamp)));
                self.question(now, wanted, out);
            }
            Ok(ToServer::Why { a, b }) => {
                self.question(now, reading::Wanted::Why(Box::new(Asking::new(a, b))), out);
            }
            Ok(ToServer::Invite { .. } | ToServer::Password { .. }) => {
                let text = "you have a name already: an invite or a password comes before it";
                self.abort(now, CloseCode::BadMessage, text, out);
            }
            Err(error) => match misnamed(body) {
                Some(Misnamed::Message(action)) => self.act(action, out),
                Some(Misnamed::Parted(action)) if self.bulk => {
                    self.misaddressed_came(now, action, out);
                }
                Some(Misnamed::Parted(_)) => self.misplaced(now, out),
                Some(Misnamed::Room(why)) => {
                    let text = format!("this is no room's name: {why}");
                    self.refuse(now, RefusalCode::NickInvalid, text, out);
                }
                None => self.unreadable(now, &error.to_string(), out),
            },
        }
    }

    /// A message over the pace does not reach the order: it is not judged and its place stays free,
    /// so that what is behind it is a gap until it has been sent again.
    pub(super) fn submit(&mut self, now: Instant, message: Submit, out: &mut Output) {
        let Err(over) = self.count(What::Message, now) else {
            return self.act(Action::Say(message), out);
        };
        let (code, text) = (RefusalCode::TooFast, over.to_string());
        // One line of the log for a whole flood.
        if over.over == 1 {
            out.acts.push(Logged::refused(self.nick(), code, &text));
        }
        let refused = ToClient::Refused {
            epoch: message.epoch,
            pseq: message.pseq,
            code,
            text,
        };
        self.say(now, FrameType::Data, &refused, out);
    }

    fn move_room(&mut self, now: Instant, action: Action, out: &mut Output) {
        match self.count(What::RoomChange, now) {
            Ok(()) => self.act(action, out),
            Err(over) => self.refuse(now, RefusalCode::Limit, over.to_string(), out),
        }
    }

    fn find(&mut self, now: Instant, words: String, before: Lamport, count: u32, out: &mut Output) {
        let count = match counted(count) {
            Ok(count) => count,
            Err(why) => return self.refuse(now, RefusalCode::Malformed, why, out),
        };
        if words.len() > WORDS_BYTES_MAX {
            let text = format!("words to find have at most {WORDS_BYTES_MAX} bytes together");
            return self.refuse(now, RefusalCode::TooLong, text, out);
        }
        if words.trim().is_empty() {
            let text = "say which words to find".to_owned();
            return self.refuse(now, RefusalCode::EmptyText, text, out);
        }
        let wanted = reading::Wanted::Find {
            words,
            before,
            count,
        };
        self.question(now, wanted, out);
    }

    pub(super) fn act(&mut self, action: Action, out: &mut Output) {
        let hello = match &self.state {
            State::Entering(hello) => hello,
            State::Live(live) => &live.hello,
            _ => return,
        };
        self.ask(self.entry(hello, action), out);
    }

    /// Believed only as far as it can be true.
    fn consumed(&mut self, upto: Lamport, count: u64, out: &mut Output) {
        let State::Live(live) = &mut self.state else {
            return;
        };
        let upto = upto.min(live.prev.0);
        if upto <= live.consumed {
            return;
        }
        let count = count.min(live.unconsumed);
        live.unconsumed -= count;
        live.consumed = upto;
        let member = live.member;
        self.ask(
            Ask::Consumed {
                member,
                upto,
                count,
            },
            out,
        );
    }

    fn change_channel(&mut self, now: Instant, body: &[u8], out: &mut Output) {
        let spec = match codec::decode(body) {
            Ok(ChannelSettings { spec }) => spec,
            Err(error) => return self.unreadable(now, &error.to_string(), out),
        };
        if !self.config.lab {
            let text = "this server leaves channels alone: start it with --lab to allow /channel";
            return self.refuse(now, RefusalCode::NotAllowed, text.to_owned(), out);
        }
        if spec.len() > SPEC_BYTES_MAX {
            let text = format!("channel settings have at most {SPEC_BYTES_MAX} bytes");
            return self.refuse(now, RefusalCode::TooLong, text, out);
        }
        // Nothing asked for: only says what is in force.
        if !spec.is_empty() {
            match spec.parse::<Settings>() {
                Ok(settings) => self.set_channel(settings, out),
                Err(error) => {
                    let text = error.to_string();
                    return self.refuse(now, RefusalCode::Malformed, text, out);
                }
            }
        }
        let spec = self.channel.as_deref().unwrap_or("off").to_owned();
        self.say(now, FrameType::Channel, &ChannelSettings { spec }, out);
    }

    fn set_channel(&mut self, settings: Settings, out: &mut Output) {
        let spec = settings.to_string();
        self.channel = Some(spec.as_str().into());
        out.acts.push(Act::Impair(settings));
        out.acts.push(Act::Log(Logged::Channel {
            nick: self.nick().cloned(),
            settings: spec,
        }));
    }

    /// A request other than a message is not done.
    pub(super) fn refuse(
        &mut self,
        now: Instant,
        code: RefusalCode,
        text: String,
        out: &mut Output,
    ) {
        out.acts.push(Logged::refused(self.nick(), code, &text));
        self.say(now, FrameType::Data, &ToClient::Error { code, text }, out);
    }

    pub(super) fn say(
        &mut self,
        now: Instant,
        kind: FrameType,
        answer: &impl Serialize,
        out: &mut Output,
    ) {
        // An answer is a few hundred bytes; none is too long.
        if let Ok(body) = codec::encode(answer) {
            self.answer(now, kind, body, out);
        }
    }

    fn unreadable(&mut self, now: Instant, why: &str, out: &mut Output) {
        let text = format!("{why}: see docs/protocol.md for what may be sent");
        self.abort(now, CloseCode::BadMessage, &text, out);
    }

    fn misplaced(&mut self, now: Instant, out: &mut Output) {
        let text = "a client does not send messages of this type: see docs/protocol.md";
        self.abort(now, CloseCode::BadMessage, text, out);
    }
}

/// How many messages may come, of so many asked for.
fn counted(count: u32) -> Result<u32, String> {
    match count {
        0 => Err(format!("ask for 1 to {HISTORY_MESSAGES_MAX} messages")),
        count => Ok(count.min(HISTORY_MESSAGES_MAX)),
    }
}

/// Reads a SET_NICK. An ill-formed name is a person's mistake, anything else the program's.
fn wanted(body: &[u8]) -> Result<Wanted, String> {
    match codec::decode(body) {
        Ok(SetNick { nick }) => Ok(Wanted::Nick(nick)),
        Err(error) => match codec::decode::<String>(body) {
            Ok(text) => match Nick::try_from(text) {
                Ok(nick) => Ok(Wanted::Nick(nick)),
                Err(why) => Ok(Wanted::NoNick(why.to_string())),
            },
            Err(_) => Err(error.to_string()),
        },
    }
}
