//! Keeps who there is: a member per author key, for ever, its number being its place in the
//! order of first claims; at most one open session each; every nick ever claimed with one owner.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::{Index, IndexMut};
use std::sync::Arc;

use lamparina_protocol::nick::{NickKey, NickLook};
use lamparina_protocol::{AuthorKey, Epoch, Lamport, MemberId, Nick, SessionNumber};

use super::outcomes::Outcomes;
use super::refusal::Refusal;
use super::{MEMBERS_MAX, NICKS_PER_MEMBER_MAX};
use crate::access::Standing;
use crate::record::RoomId;

/// An author's newest session.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Session {
    /// None since this server started.
    Never,
    /// What it asks for takes effect.
    Open(SessionNumber),
    /// Nothing takes effect until another one enters.
    Ended(SessionNumber),
}

/// One member.
#[derive(Clone, Debug)]
pub(super) struct Member {
    /// Its number, as the recipients of all that is said to it alone: they share one list.
    pub(super) alone: Arc<[MemberId]>,
    pub(super) author: AuthorKey,
    /// The nick held.
    pub(super) nick: Nick,
    /// Nicks held before: they stay this member's, and messages to them reach it.
    pub(super) former: Vec<Nick>,
    pub(super) session: Session,
    /// The newest epoch, and what is settled in it.
    pub(super) epoch: Epoch,
    pub(super) outcomes: Outcomes,
    /// The order's clock at the first claim.
    pub(super) since: Lamport,
    pub(super) standing: Standing,
    /// Unless it is banned, later messages to all are for this member too: `since`, or the last
    /// stamp when its last ban began or ended.
    pub(super) all_since: Lamport,
    /// The newest stamp for this member that its present audiences do not account for: said to
    /// it by name, or in a room that it has left.
    pub(super) direct: Lamport,
    /// Rooms it is in, with the order's clock when it came.
    pub(super) rooms: BTreeMap<RoomId, Lamport>,
    /// The last undo scope in which it was noted.
    pub(super) noted: u64,
}

/// What a claim added: to be taken back.
#[derive(Clone, Debug)]
pub(super) struct Claim {
    key: NickKey,
    looks: Vec<NickLook>,
}

/// All members.
#[derive(Clone, Debug, Default)]
pub(super) struct Members {
    list: Vec<Member>,
    by_author: BTreeMap<AuthorKey, MemberId>,
    by_nick: BTreeMap<NickKey, MemberId>,
    /// Who first had a nick of this look. Nothing but a claim asks for it.
    by_look: BTreeMap<NickLook, MemberId>,
    present: BTreeSet<MemberId>,
}

impl Members {
    /// The number behind a key.
    pub(super) fn by_author(&self, author: &AuthorKey) -> Option<MemberId> {
        self.by_author.get(author).copied()
    }

    /// Whose nick this is or was.
    pub(super) fn by_nick(&self, nick: &Nick) -> Option<MemberId> {
        self.by_nick.get(&*nick.folded()).copied()
    }

    /// One member, where the number is one.
    pub(super) fn get(&self, member: MemberId) -> Option<&Member> {
        self.list.get(member.0 as usize)
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.list.len()
    }

    /// Those whose session is open, by number.
    pub(super) fn present(&self) -> &BTreeSet<MemberId> {
        &self.present
    }

    /// The member behind an open session: nothing of any other session takes effect.
    pub(super) fn fence(
        &self,
        author: &AuthorKey,
        session: SessionNumber,
    ) -> Result<MemberId, (Option<MemberId>, Refusal)> {
        let Some(member) = self.by_author(author) else {
            return Err((None, Refusal::NotEntered));
        };
        if self[member].standing == Standing::Banned {
            return Err((Some(member), Refusal::Banned));
        }
        let refusal = match self[member].session {
            Session::Open(open) if open == session => return Ok(member),
            Session::Open(newest) | Session::Ended(newest) if session < newest => {
                Refusal::TakenOver
            }
            Session::Ended(ended) if ended == session => Refusal::SessionEnded,
            Session::Never | Session::Open(_) | Session::Ended(_) => Refusal::NotEntered,
        };
        Err((Some(member), refusal))
    }

    /// A new member with its first nick.
    pub(super) fn add(
        &mut self,
        author: AuthorKey,
        nick: Nick,
        epoch: Epoch,
        since: Lamport,
    ) -> Result<MemberId, Refusal> {
        let key = nick.key();
        if self.by_nick.contains_key(&key) {
            return Err(Refusal::NickTaken(nick));
        }
        let number = u32::try_from(self.list.len()).unwrap_or(u32::MAX);
        if number >= MEMBERS_MAX {
            return Err(Refusal::MembersFull);
        }
        let member = MemberId(number);
        self.by_nick.insert(key, member);
        self.note_looks(&nick, member);
        self.by_author.insert(author, member);
        self.list
            .push(Member::new(member, author, nick, Vec::new(), epoch, since));
        Ok(member)
    }

    /// All, by number.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Member> {
        self.list.iter()
    }

    /// The next member as it was, without a session. Returns whether its key and its nicks were
    /// free, as they must be.
    pub(super) fn restore(&mut self, member: Member) -> bool {
        // `MEMBERS_MAX` fits.
        let id = MemberId(self.list.len() as u32);
        let mut free = self.by_author.insert(member.author, id).is_none();
        for nick in member.former.iter().chain([&member.nick]) {
            free &= self.by_nick.insert(nick.key(), id).is_none();
            self.note_looks(nick, id);
        }
        self.list.push(member);
        free
    }

    /// Opens or ends a session of a member.
    pub(super) fn set_session(&mut self, member: MemberId, session: Session) {
        self[member].session = session;
        match session {
            Session::Open(_) => self.present.insert(member),
            Session::Never | Session::Ended(_) => self.present.remove(&member),
        };
    }

    /// Forgets the members of this number and later ones, who hold their first nick.
    pub(super) fn forget_from(&mut self, members: usize) {
        for member in self.list.drain(members..) {
            if let Some(id) = self.by_author.remove(&member.author) {
                self.present.remove(&id);
            }
            self.by_nick.remove(&member.nick.key());
            for look in member.nick.looks() {
                // An older name of the same look keeps it.
                if self
                    .by_look
                    .get(&look)
                    .is_some_and(|of| of.0 as usize >= members)
                {
                    self.by_look.remove(&look);
                }
            }
        }
    }

    /// What a claim of this nick would add; `None` where somebody has it.
    pub(super) fn unclaimed(&self, nick: &Nick) -> Option<Claim> {
        let key = nick.key();
        if self.by_nick.contains_key(&key) {
            return None;
        }
        let mut looks = nick.looks().to_vec();
        looks.retain(|look| !self.by_look.contains_key(look));
        Some(Claim { key, looks })
    }

    /// Forgets that a nick was ever claimed.
    pub(super) fn unclaim(&mut self, claim: &Claim) {
        self.by_nick.remove(&claim.key);
        for look in &claim.looks {
            self.by_look.remove(look);
        }
    }

    /// Whether `member`, or somebody new, may claim a nick now. A nick that it has already may be
    /// taken again, whatever it looks like: names of old journals stay their owners'.
    pub(super) fn may_claim(&self, member: Option<MemberId>, nick: &Nick) -> Result<(), Refusal> {
        if let Some(owner) = self.by_nick(nick) {
            return match Some(owner) == member {
                true => Ok(()),
                false => Err(Refusal::NickTaken(nick.clone())),
            };
        }
        nick.claimable().map_err(Refusal::NickInvalid)?;
        let looks = nick.looks();
        let owners = looks.iter().filter_map(|look| self.by_look.get(look));
        match owners.copied().find(|owner| Some(*owner) != member) {
            Some(_) => Err(Refusal::NickLooksTaken(nick.clone())),
            None => Ok(()),
        }
    }

    fn note_looks(&mut self, nick: &Nick, member: MemberId) {
        for look in nick.looks() {
            self.by_look.entry(look).or_insert(member);
        }
    }

    /// Gives `member` the nick, spelt like this. Returns the one held before.
    pub(super) fn rename(&mut self, member: MemberId, nick: Nick) -> Result<Nick, Refusal> {
        let key = nick.key();
        match self.by_nick.get(&key) {
            Some(owner) if *owner != member => return Err(Refusal::NickTaken(nick)),
            Some(_) => {}
            None => {
                let Member {
                    nick: held, former, ..
                } = &self[member];
                if former.len() + 1 >= NICKS_PER_MEMBER_MAX {
                    return Err(Refusal::nicks_used_up(held, former));
                }
                self.by_nick.insert(key.clone(), member);
                self.note_looks(&nick, member);
            }
        }
        Ok(self[member].take_nick(nick, &key))
    }
}

impl Index<MemberId> for Members {
    type Output = Member;

    /// For numbers that this table gave.
    fn index(&self, member: MemberId) -> &Member {
        &self.list[member.0 as usize]
    }
}

impl IndexMut<MemberId> for Members {
    fn index_mut(&mut self, member: MemberId) -> &mut Member {
        &mut self.list[member.0 as usize]
    }
}

impl Member {
    /// A member that never entered, and said and was told nothing.
    pub(super) fn new(
        number: MemberId,
        author: AuthorKey,
        nick: Nick,
        former: Vec<Nick>,
        epoch: Epoch,
        since: Lamport,
    ) -> Self {
        Self {
            alone: Arc::new([number]),
            author,
            nick,
            former,
            session: Session::Never,
            epoch,
            outcomes: Outcomes::default(),
            since,
            standing: Standing::Free,
            all_since: since,
            direct: Lamport::ZERO,
            rooms: BTreeMap::new(),
            noted: 0,
        }
    }

    fn take_nick(&mut self, nick: Nick, key: &NickKey) -> Nick {
        let before = std::mem::replace(&mut self.nick, nick);
        if before.key() != *key {
            self.former.retain(|former| former.key() != *key);
            self.former.push(before.clone());
        }
        before
    }

    /// Whether session `number` may begin, and which open one it then takes over from.
    ///
    /// While a session is open, only a greater number may take over. Once it has ended any number
    /// may enter: two machines of one profile may disagree about the time, and that must not lock
    /// a person out.
    pub(super) fn may_enter(
        &self,
        number: SessionNumber,
    ) -> Result<Option<SessionNumber>, Refusal> {
        if self.standing == Standing::Banned {
            return Err(Refusal::Banned);
        }
        match self.session {
            Session::Open(open) if number < open => Err(Refusal::NewerActive),
            Session::Open(open) if number > open => Ok(Some(open)),
            Session::Never | Session::Open(_) | Session::Ended(_) => Ok(None),
        }
    }
}
