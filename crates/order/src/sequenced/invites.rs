//! Keeps the invites: each one number for ever, each hash one invite, and none spent more often
//! than it may be. Nothing is forgotten, so that who comes with an old code is told what became of it.

use std::collections::BTreeMap;

use lamparina_protocol::UnixMicros;

use super::refusal::Refusal;
use crate::access::{INVITES_MAX, Invite, InviteHash, InviteId};

/// All invites of a log.
#[derive(Clone, Debug, Default)]
pub(super) struct Invites {
    list: Vec<Invite>,
    by_hash: BTreeMap<InviteHash, InviteId>,
}

impl Invites {
    /// How many were ever made: the number of the next one.
    pub(super) const fn len(&self) -> usize {
        self.list.len()
    }

    pub(super) fn get(&self, invite: InviteId) -> Option<&Invite> {
        self.list.get(usize::try_from(invite.0).ok()?)
    }

    pub(super) fn get_mut(&mut self, invite: InviteId) -> Option<&mut Invite> {
        self.list.get_mut(usize::try_from(invite.0).ok()?)
    }

    /// All, by number.
    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = (InviteId, &Invite)> {
        let numbered = self.list.iter().enumerate();
        numbered.map(|(number, invite)| (InviteId(number as u64), invite))
    }

    /// Adds one; `None` where its hash is not new or there are too many.
    pub(super) fn add(&mut self, invite: Invite) -> Option<InviteId> {
        if self.list.len() >= INVITES_MAX || self.by_hash.contains_key(&invite.hash) {
            return None;
        }
        let id = InviteId(self.list.len() as u64);
        self.by_hash.insert(invite.hash, id);
        self.list.push(invite);
        Some(id)
    }

    /// The invite of a code that admits a first claim at `at`.
    pub(super) fn open(&self, code: InviteHash, at: UnixMicros) -> Result<InviteId, Refusal> {
        let id = self.by_hash.get(&code).ok_or(Refusal::NoSuchInvite)?;
        self.may_admit(*id, at)?;
        Ok(*id)
    }

    /// Whether an invite admits a first claim at `at`.
    pub(super) fn may_admit(&self, id: InviteId, at: UnixMicros) -> Result<(), Refusal> {
        let invite = self.get(id).ok_or(Refusal::NoSuchInvite)?;
        if invite.revoked {
            return Err(Refusal::InviteRevoked);
        }
        if invite.used >= invite.uses {
            return Err(Refusal::InviteUsedUp);
        }
        if invite.is_expired(at) {
            return Err(Refusal::InviteExpired);
        }
        Ok(())
    }

    /// One use more.
    pub(super) fn spend(&mut self, id: InviteId) {
        if let Some(invite) = self.get_mut(id) {
            invite.used = invite.used.saturating_add(1);
        }
    }

    /// One use less: what spent it has not happened.
    pub(super) fn unspend(&mut self, id: InviteId) {
        if let Some(invite) = self.get_mut(id) {
            invite.used = invite.used.saturating_sub(1);
        }
    }

    /// Forgets the invites of this number and later ones.
    pub(super) fn forget_from(&mut self, made: usize) {
        for invite in self.list.drain(made.min(self.list.len())..) {
            self.by_hash.remove(&invite.hash);
        }
    }
}
