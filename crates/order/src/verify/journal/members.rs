//! Keeps who there is, as the journal says: each author one number, each nick one owner, epochs that
//! grow, and messages settled without a hole.

use std::collections::BTreeMap;

use lamparina_protocol::nick::NickKey;
use lamparina_protocol::{AuthorKey, Epoch, Lamport, MemberId, Nick, Pseq};

use super::fault::Fault;
use super::{Against, Judged};
use crate::record::{LogIndex, RoomId};

/// One member.
#[derive(Clone, Debug)]
pub(super) struct Member {
    pub(super) nick: Nick,
    /// The entry that gave it the nick.
    pub(super) named: LogIndex,
    author: AuthorKey,
    epoch: Epoch,
    settled: Pseq,
    /// The entry that began the epoch or settled its last message.
    settled_by: LogIndex,
    /// What it had seen when it wrote its last message of this epoch.
    pub(super) seen: Lamport,
    /// The entry that banned it, while it is.
    pub(super) banned: Option<LogIndex>,
    /// The rooms it is in, and by which entry it came.
    pub(super) rooms: BTreeMap<RoomId, LogIndex>,
}

/// All members.
#[derive(Clone, Debug, Default)]
pub(super) struct Members {
    list: Vec<Member>,
    by_author: BTreeMap<AuthorKey, MemberId>,
    by_nick: BTreeMap<NickKey, (MemberId, LogIndex)>,
}

impl Members {
    pub(super) fn len(&self) -> usize {
        self.list.len()
    }

    pub(super) fn get(&self, member: MemberId) -> Option<&Member> {
        self.list.get(member.0 as usize)
    }

    pub(super) fn known(&self, member: MemberId) -> Judged<&Member> {
        self.get(member)
            .ok_or_else(|| Fault::UnknownMember(member).alone())
    }

    pub(super) fn known_mut(&mut self, member: MemberId) -> Judged<&mut Member> {
        self.list
            .get_mut(member.0 as usize)
            .ok_or_else(|| Fault::UnknownMember(member).alone())
    }

    /// The member is not banned: something of it may take effect.
    pub(super) fn free(&self, member: MemberId) -> Judged<()> {
        match self.known(member)?.banned {
            Some(by) => Err(Fault::Banned(member).against(by)),
            None => Ok(()),
        }
    }

    /// A claim of an author who was never here.
    pub(super) fn claim_first(
        &mut self,
        at: LogIndex,
        member: MemberId,
        author: AuthorKey,
        epoch: Epoch,
        nick: &Nick,
    ) -> Judged<()> {
        if let Some(known) = self.by_author.get(&author).copied() {
            let named = self.known(known)?.named;
            return Err(Fault::RedeemedAgain(known).against(named));
        }
        self.first_claim(at, member, author, epoch, nick)
    }

    /// Whose nick this is or was, and since which entry.
    pub(super) fn owner(&self, nick: &Nick) -> Option<(MemberId, LogIndex)> {
        self.by_nick.get(&nick.key()).copied()
    }

    /// The member holds this very nick.
    pub(super) fn holds(&self, member: MemberId, nick: &Nick) -> Judged<&Member> {
        let found = self.known(member)?;
        if found.nick == *nick {
            return Ok(found);
        }
        let fault = Fault::NickNotHeld {
            author: member,
            held: found.nick.clone(),
            recorded: nick.clone(),
        };
        Err(fault.against(found.named))
    }

    /// A first claim, or one that brings a newer epoch or another nick.
    pub(super) fn claim(
        &mut self,
        at: LogIndex,
        member: MemberId,
        author: AuthorKey,
        epoch: Epoch,
        nick: &Nick,
    ) -> Judged<()> {
        let Some(known) = self.by_author.get(&author).copied() else {
            return self.first_claim(at, member, author, epoch, nick);
        };
        let found = self.known(known)?;
        if known != member {
            return Err(Fault::AnotherMember(known).against(found.named));
        }
        let newest = found.epoch;
        if epoch < newest {
            return Err(Fault::EpochOrder { epoch, newest }.against(found.settled_by));
        }
        if epoch == newest && found.nick == *nick {
            return Err(Fault::NothingChanged.against(found.settled_by));
        }
        if found.nick != *nick {
            self.take_nick(at, member, nick)?;
        }
        if epoch > newest {
            self.known_mut(member)?.begin_epoch(at, epoch);
        }
        Ok(())
    }

    fn first_claim(
        &mut self,
        at: LogIndex,
        member: MemberId,
        author: AuthorKey,
        epoch: Epoch,
        nick: &Nick,
    ) -> Judged<()> {
        let next = MemberId(u32::try_from(self.list.len()).unwrap_or(u32::MAX));
        if member != next {
            let against = self.get(member).map(|other| other.named);
            return Err(Fault::MemberNumber(next).against(against.unwrap_or_default()));
        }
        self.free_for(member, nick)?;
        self.by_author.insert(author, member);
        self.by_nick.insert(nick.key(), (member, at));
        self.list.push(Member {
            nick: nick.clone(),
            named: at,
            author,
            epoch,
            settled: Pseq(0),
            settled_by: at,
            seen: Lamport::ZERO,
            banned: None,
            rooms: BTreeMap::new(),
        });
        Ok(())
    }

    /// The member is called so from here on.
    pub(super) fn take_nick(&mut self, at: LogIndex, member: MemberId, nick: &Nick) -> Judged<()> {
        self.free_for(member, nick)?;
        let found = self.known_mut(member)?;
        (found.nick, found.named) = (nick.clone(), at);
        self.by_nick.entry(nick.key()).or_insert((member, at));
        Ok(())
    }

    fn free_for(&self, member: MemberId, nick: &Nick) -> Judged<()> {
        match self.owner(nick) {
            Some((owner, since)) if owner != member => {
                let nick = nick.clone();
                Err(Fault::NickTaken { nick, owner }.against(since))
            }
            _ => Ok(()),
        }
    }

    /// The author's next message is settled, the first one of a newer epoch included.
    pub(super) fn settle(
        &mut self,
        at: LogIndex,
        member: MemberId,
        epoch: Epoch,
        pseq: Pseq,
    ) -> Judged<()> {
        let found = self.known_mut(member)?;
        let (newest, by) = (found.epoch, found.settled_by);
        if epoch < newest {
            return Err(Fault::EpochOrder { epoch, newest }.against(by));
        }
        let settled = if epoch > newest { 0 } else { found.settled.0 };
        let expected = Pseq(settled.saturating_add(1));
        if pseq < expected {
            return Err(Fault::PseqRepeated { pseq, expected }.against(by));
        }
        if pseq > expected {
            return Err(Fault::PseqGap { pseq, expected }.against(by));
        }
        if epoch > newest {
            found.begin_epoch(at, epoch);
        }
        (found.settled, found.settled_by) = (pseq, at);
        Ok(())
    }
}

impl Member {
    fn begin_epoch(&mut self, at: LogIndex, epoch: Epoch) {
        (self.epoch, self.settled, self.settled_by) = (epoch, Pseq(0), at);
        self.seen = Lamport::ZERO;
    }

    pub(super) const fn author(&self) -> &AuthorKey {
        &self.author
    }
}
