//! A naive second opinion on the order: the promises written down as plainly as possible, on sets and
//! maps, to be compared with what the real order decides.

use std::collections::{BTreeMap, BTreeSet};

use lamparina_order::{Action, Entry};
use lamparina_protocol::audience::AUDIENCE_USERS_MAX;
use lamparina_protocol::message::{RefusalCode, Submit, TEXT_BYTES_MAX};
use lamparina_protocol::nick::NickKey;
use lamparina_protocol::{Audience, AuthorKey, Epoch, Nick, Pseq, SessionNumber};
use lamparina_server::hub::{Ask, Asked, ConnectionId, OperatorAsk, Whom};

use super::check::{Name, Who};
use super::keys;

/// Names that one author may have.
const NAMES_MAX: usize = 16;

/// What becomes of a message.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// It has a place, and these receive it.
    Placed(Name, u64, BTreeSet<Who>),
    /// It has none.
    Refused(Name, RefusalCode),
    /// It was settled before, or is not one, or was not judged.
    Nothing,
}

#[derive(Clone, Debug)]
struct Member {
    nick: Nick,
    names: BTreeSet<NickKey>,
    open: Option<SessionNumber>,
    connection: ConnectionId,
    epoch: Epoch,
    settled: u64,
    rooms: BTreeSet<NickKey>,
    banned: bool,
}

impl Member {
    /// Whether what lasts of it is the same.
    fn lasts_as(&self, other: &Self) -> bool {
        (&self.nick, &self.names, self.epoch) == (&other.nick, &other.names, other.epoch)
            && (self.settled, &self.rooms) == (other.settled, &other.rooms)
            && self.banned == other.banned
    }
}

/// The second opinion.
#[derive(Clone, Debug, Default)]
pub struct Model {
    head: u64,
    members: BTreeMap<Who, Member>,
}

/// The key of a person.
pub fn key_of(who: Who) -> AuthorKey {
    keys::author(who)
}

/// The person behind a key.
pub fn who_has(key: &AuthorKey) -> Who {
    keys::who(key).expect("every author of a world is a person of it")
}

/// The message that a request is, if it is one.
pub fn message_of(asked: &Asked) -> Option<Name> {
    match &asked.ask {
        Ask::Entry(Entry {
            author,
            action: Action::Say(submit),
            ..
        }) => Some(Name {
            who: who_has(author),
            epoch: submit.epoch,
            pseq: submit.pseq,
        }),
        _ => None,
    }
}

impl Model {
    /// The server has started again: nobody is present.
    pub fn restarted(&mut self) {
        for member in self.members.values_mut() {
            member.open = None;
        }
    }

    /// Who is present.
    pub fn present(&self) -> Vec<Who> {
        let open = self
            .members
            .iter()
            .filter(|(_, member)| member.open.is_some());
        open.map(|(who, _)| *who).collect()
    }

    /// Applies the next request while nothing can be stored: what would have to be has not
    /// happened.
    pub fn apply_unstored(&mut self, asked: &Asked) -> Verdict {
        let before = self.clone();
        let verdict = self.apply(asked);
        self.head = before.head;
        let pairs = self.members.iter().zip(&before.members);
        let same = self.members.len() == before.members.len()
            && pairs
                .into_iter()
                .all(|((_, now), (_, then))| now.lasts_as(then));
        if same {
            return verdict;
        }
        *self = before;
        match self.in_known_epoch(asked) {
            // Who comes back with a newer outbox comes in, and the outbox begins with its first message.
            Some(again) => self.apply_unstored(&again),
            None => Verdict::Nothing,
        }
    }

    fn in_known_epoch(&self, asked: &Asked) -> Option<Asked> {
        let mut again = asked.clone();
        let Ask::Entry(Entry { author, action, .. }) = &mut again.ask else {
            return None;
        };
        let Action::Enter { epoch, .. } = action else {
            return None;
        };
        let known = self.members.get(&who_has(author))?.epoch;
        let newer = std::mem::replace(epoch, known);
        (known < newer).then_some(again)
    }

    /// What an operator asked.
    fn operate(&mut self, ask: &OperatorAsk) {
        let (whom, ban) = match ask {
            OperatorAsk::Ban { whom, .. } => (whom, true),
            OperatorAsk::Unban { whom, .. } => (whom, false),
            _ => return,
        };
        let Whom::Key(key) = whom else {
            return;
        };
        if let Some(member) = self.members.get_mut(&who_has(key)) {
            if ban {
                member.open = None;
                member.rooms.clear();
            }
            member.banned = ban;
        }
    }

    /// Applies the next request.
    pub fn apply(&mut self, asked: &Asked) -> Verdict {
        if let Ask::Operate { ask, .. } = &asked.ask {
            self.operate(ask);
            return Verdict::Nothing;
        }
        let Ask::Entry(Entry {
            author,
            session,
            action,
        }) = &asked.ask
        else {
            return Verdict::Nothing;
        };
        let who = who_has(author);
        if let Action::Enter { nick, epoch } = action {
            self.enter(who, *session, nick, *epoch, asked.by);
            return Verdict::Nothing;
        }
        let Some(member) = self.members.get_mut(&who) else {
            return Verdict::Nothing;
        };
        if member.open != Some(*session) {
            return Verdict::Nothing;
        }
        match action {
            Action::Say(submit) => return self.say(who, submit),
            Action::Exit if member.connection == asked.by => member.open = None,
            Action::Rename { nick } => self.rename(who, nick),
            Action::Join { room } => {
                member.rooms.insert(room.key());
            }
            Action::Leave { room } => {
                member.rooms.remove(&room.key());
            }
            // The simulated server is open, and nobody here misspells a name.
            Action::Exit
            | Action::Enter { .. }
            | Action::Return { .. }
            | Action::Redeem { .. }
            | Action::Misaddressed { .. } => {}
        }
        Verdict::Nothing
    }

    fn owner(&self, nick: &Nick) -> Option<Who> {
        let key = nick.key();
        let mut owners = self.members.iter();
        owners.find_map(|(who, member)| member.names.contains(&key).then_some(*who))
    }

    fn enter(
        &mut self,
        who: Who,
        session: SessionNumber,
        nick: &Nick,
        epoch: Epoch,
        connection: ConnectionId,
    ) {
        if !self.may_have(who, nick) {
            return;
        }
        let member = self.members.entry(who).or_insert_with(|| Member {
            nick: nick.clone(),
            names: BTreeSet::new(),
            open: None,
            connection,
            epoch,
            settled: 0,
            rooms: BTreeSet::new(),
            banned: false,
        });
        let may_not = member.banned || epoch < member.epoch;
        if may_not || member.open.is_some_and(|open| session < open) {
            return;
        }
        if epoch > member.epoch {
            (member.epoch, member.settled) = (epoch, 0);
        }
        (member.open, member.connection) = (Some(session), connection);
        member.nick = nick.clone();
        member.names.insert(nick.key());
    }

    fn may_have(&self, who: Who, nick: &Nick) -> bool {
        let own = self
            .members
            .get(&who)
            .map_or(0, |member| member.names.len());
        match self.owner(nick) {
            Some(owner) => owner == who,
            None => own < NAMES_MAX,
        }
    }

    fn rename(&mut self, who: Who, nick: &Nick) {
        if self.may_have(who, nick)
            && let Some(member) = self.members.get_mut(&who)
        {
            member.nick = nick.clone();
            member.names.insert(nick.key());
        }
    }

    fn say(&mut self, who: Who, submit: &Submit) -> Verdict {
        let head = self.head;
        let clock = submit.clock.get();
        if clock <= head + 1 {
            self.head = head.max(clock);
        }
        let name = Name {
            who,
            epoch: submit.epoch,
            pseq: submit.pseq,
        };
        let member = &self.members[&who];
        let settled = match submit.epoch.cmp(&member.epoch) {
            std::cmp::Ordering::Less => return Verdict::Refused(name, RefusalCode::StaleEpoch),
            std::cmp::Ordering::Equal => member.settled,
            std::cmp::Ordering::Greater => 0,
        };
        match submit.pseq {
            Pseq(place) if place == 0 || place <= settled => return Verdict::Nothing,
            Pseq(place) if place > settled + 1 => return Verdict::Refused(name, RefusalCode::Gap),
            Pseq(_) => {}
        }
        let verdict = match self.judge(who, submit, head) {
            Err(code) => Verdict::Refused(name, code),
            Ok(recipients) => {
                self.head = head.max(clock) + 1;
                Verdict::Placed(name, self.head, recipients)
            }
        };
        if let Some(member) = self.members.get_mut(&who) {
            (member.epoch, member.settled) = (submit.epoch, settled + 1);
        }
        verdict
    }

    fn judge(&self, who: Who, submit: &Submit, head: u64) -> Result<BTreeSet<Who>, RefusalCode> {
        if submit.clock.get() > head + 1 || submit.seen.get() > head {
            return Err(RefusalCode::ClockAhead);
        }
        match submit.text.len() {
            0 => return Err(RefusalCode::EmptyText),
            bytes if bytes > TEXT_BYTES_MAX => return Err(RefusalCode::TooLong),
            _ => {}
        }
        let mut recipients = match &submit.audience {
            Audience::All => {
                let others = self.members.iter();
                let others = others.filter(|(other, member)| **other != who && !member.banned);
                return Ok(others.map(|(other, _)| *other).collect());
            }
            Audience::Room(room) => {
                let key = room.key();
                if !self.members[&who].rooms.contains(&key) {
                    return Err(RefusalCode::NotInRoom);
                }
                let inside = |(_, member): &(&Who, &Member)| member.rooms.contains(&key);
                let others = self.members.iter().filter(inside).map(|(other, _)| *other);
                return Ok(others.filter(|other| *other != who).collect());
            }
            Audience::Unicast(nick) => self.named(std::slice::from_ref(nick))?,
            Audience::Multicast(nicks) => self.named(nicks)?,
        };
        recipients.remove(&who);
        if recipients.is_empty() {
            return Err(RefusalCode::NoRecipient);
        }
        Ok(recipients)
    }

    fn named(&self, nicks: &[Nick]) -> Result<BTreeSet<Who>, RefusalCode> {
        if nicks.len() > AUDIENCE_USERS_MAX {
            return Err(RefusalCode::TooLong);
        }
        let owners = nicks.iter().map(|nick| self.owner(nick));
        let owners: Option<BTreeSet<Who>> = owners.collect();
        let owners = owners.ok_or(RefusalCode::UnknownUser)?;
        if owners.iter().any(|owner| self.members[owner].banned) {
            return Err(RefusalCode::Banned);
        }
        Ok(owners)
    }
}
