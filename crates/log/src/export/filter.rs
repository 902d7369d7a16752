//! Which entries are wanted: all conditions given hold.

use std::collections::BTreeMap;
use std::str::FromStr;

use lamparina_order::{Record, Recorded, RecordedMessage, To};
use lamparina_protocol::nick::NickKey;
use lamparina_protocol::{Audience, MemberId, Nick, RoomName, UnixMicros};
use regex::Regex;

/// Conditions on entries. By default everything passes.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Ordered at this moment or later.
    pub since: Option<UnixMicros>,
    /// Ordered before this moment.
    pub until: Option<UnixMicros>,
    /// Written by whoever holds or held this nick.
    pub from: Option<Nick>,
    /// For these.
    pub to: Option<Whom>,
    /// What the text holds.
    pub text: Option<Pattern>,
}

/// For whom a message is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Whom {
    /// Said to all.
    All,
    /// Said in this room.
    Room(RoomName),
    /// Said by name to whoever holds or held this nick.
    Nick(Nick),
}

impl FromStr for Whom {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "ALL" {
            return Ok(Self::All);
        }
        match text.strip_prefix('#') {
            Some(room) => RoomName::try_from(room).map(Self::Room),
            None => Nick::try_from(text).map(Self::Nick),
        }
        .map_err(|error| error.to_string())
    }
}

/// What a text must hold.
#[derive(Clone, Debug)]
pub enum Pattern {
    /// All of these, folded, anywhere.
    Words(Vec<String>),
    /// A match of this.
    Expression(Regex),
}

impl FromStr for Pattern {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expression = text
            .strip_prefix('/')
            .and_then(|rest| rest.strip_suffix('/'));
        if let Some(expression) = expression.filter(|expression| !expression.is_empty()) {
            let made = Regex::new(expression);
            return made
                .map(Self::Expression)
                .map_err(|error| error.to_string());
        }
        let words: Vec<_> = text.split_whitespace().map(str::to_lowercase).collect();
        match words.is_empty() {
            true => Err("give words, or a regular expression between slashes: /hel+o/".to_owned()),
            false => Ok(Self::Words(words)),
        }
    }
}

impl Pattern {
    fn is_in(&self, text: &str) -> bool {
        match self {
            Self::Words(words) => {
                let text = text.to_lowercase();
                words.iter().all(|word| text.contains(word))
            }
            Self::Expression(expression) => expression.is_match(text),
        }
    }
}

/// Who holds or held each nick: a nick has one owner for ever.
#[derive(Clone, Debug, Default)]
pub struct Owners(BTreeMap<NickKey, MemberId>);

impl Owners {
    /// Learns from an entry.
    pub fn note(&mut self, record: &Record) {
        if let Recorded::Claimed { member, nick, .. }
        | Recorded::Redeemed { member, nick, .. }
        | Recorded::Renamed {
            member, to: nick, ..
        } = &record.event
        {
            self.0.insert(nick.key(), *member);
        }
    }

    /// The owner of a nick.
    pub fn of(&self, nick: &Nick) -> Option<MemberId> {
        self.0.get(&nick.key()).copied()
    }
}

impl Filter {
    /// Whether people are to be known by number first.
    pub const fn names_people(&self) -> bool {
        self.from.is_some() || matches!(self.to, Some(Whom::Nick(_)))
    }

    /// A nick of the conditions that nobody ever had.
    pub fn unknown<'a>(&'a self, owners: &Owners) -> Option<&'a Nick> {
        let to = match &self.to {
            Some(Whom::Nick(nick)) => Some(nick),
            _ => None,
        };
        self.from
            .iter()
            .chain(to)
            .find(|nick| owners.of(nick).is_none())
    }

    /// Whether an entry is wanted. What is no message is wanted by its time and by who did it, and
    /// never where something is asked of an audience or a text.
    pub fn admits(&self, record: &Record, owners: &Owners) -> bool {
        let time = self.since.is_none_or(|since| record.at >= since)
            && self.until.is_none_or(|until| record.at < until);
        let from = || match &self.from {
            None => true,
            Some(nick) => member_of(&record.event).is_some_and(|by| owners.of(nick) == Some(by)),
        };
        let said = || match &record.event {
            Recorded::Message(message) => {
                self.to
                    .as_ref()
                    .is_none_or(|whom| is_for(message, whom, owners))
                    && self
                        .text
                        .as_ref()
                        .is_none_or(|pattern| pattern.is_in(&message.text))
            }
            _ => self.to.is_none() && self.text.is_none(),
        };
        time && from() && said()
    }
}

fn is_for(message: &RecordedMessage, whom: &Whom, owners: &Owners) -> bool {
    match (whom, &message.audience, &message.to) {
        (Whom::All, Audience::All, _) => true,
        (Whom::Room(wanted), Audience::Room(room), _) => wanted.key() == room.key(),
        (Whom::Nick(nick), _, To::Members(members)) => owners
            .of(nick)
            .is_some_and(|member| members.contains(&member)),
        _ => false,
    }
}

const fn member_of(event: &Recorded) -> Option<MemberId> {
    match event {
        Recorded::Began { .. }
        | Recorded::Clock { .. }
        | Recorded::InviteMade { .. }
        | Recorded::InviteRevoked { .. } => None,
        Recorded::Message(message) => Some(message.member),
        Recorded::Claimed { member, .. }
        | Recorded::Renamed { member, .. }
        | Recorded::RoomJoined { member, .. }
        | Recorded::RoomLeft { member, .. }
        | Recorded::Redeemed { member, .. }
        | Recorded::Banned { member, .. }
        | Recorded::Unbanned { member, .. }
        | Recorded::Refused { member, .. } => Some(*member),
    }
}
