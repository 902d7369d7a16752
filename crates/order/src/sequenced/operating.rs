//! What operators ask: invites, and who may not be here. A refused operation changes nothing:
//! everything is checked first. A ban takes its member out of every audience at its place, and what
//! was addressed to the member before stays so.

use lamparina_protocol::{AuthorKey, Epoch, Lamport, MemberId, Nick, SessionNumber, UnixMicros};

use super::members::Session;
use super::refusal::Refusal;
use super::{Done, Sequenced};
use crate::access::{
    INVITE_USES_MAX, Invite, InviteHash, InviteId, OPERATOR_BYTES_MAX, Operation, REASON_BYTES_MAX,
    Standing,
};
use crate::effect::{Effect, Recipients};
use crate::record::{Lasting, Recorded, RoomId};

impl Sequenced {
    /// Applies what an operator asks for, `at` by the server's clock; pushes exactly one effect and
    /// returns what a journal keeps of it.
    pub fn operate(
        &mut self,
        at: UnixMicros,
        operation: Operation,
        out: &mut Vec<Effect>,
    ) -> Option<Lasting> {
        let done = match operation {
            Operation::Invite {
                hash,
                uses,
                expires_at,
                by,
            } => self.make_invite(at, hash, uses, expires_at, by),
            Operation::Revoke { invite, by } => self.revoke(invite, by),
            Operation::Kick { member } => self.kick(member),
            Operation::Ban { member, by, reason } => self.ban(member, by, reason),
            Operation::Unban { member, by } => self.unban(member, by),
        };
        let (effect, lasting) =
            done.unwrap_or_else(|refusal: Refusal| (refusal.effect(None, None), None));
        out.push(effect);
        lasting
    }

    /// All invites, by number.
    pub fn invites(&self) -> impl DoubleEndedIterator<Item = (InviteId, &Invite)> {
        self.invites.iter()
    }

    /// An invite by its number.
    pub fn invite(&self, invite: InviteId) -> Option<&Invite> {
        self.invites.get(invite)
    }

    /// Where a member stands.
    pub fn standing_of(&self, member: MemberId) -> Standing {
        self.members
            .get(member)
            .map_or(Standing::Free, |found| found.standing)
    }

    /// The last stamp given when a member's last ban ended; 0 where it never was banned. What was
    /// said to all while it was is not for it.
    pub fn back_since_of(&self, member: MemberId) -> Lamport {
        match self.members.get(member) {
            Some(found) if found.standing == Standing::Pardoned => found.all_since,
            _ => Lamport::ZERO,
        }
    }

    /// Who was never here becomes a member, one use of an invite being spent by the same entry.
    pub(super) fn redeem(
        &mut self,
        (author, session): (AuthorKey, SessionNumber),
        (nick, epoch): (Nick, Epoch),
        code: InviteHash,
        at: UnixMicros,
    ) -> Done {
        let admitted = self.invites.open(code, at).and_then(|invite| {
            self.members.may_claim(None, &nick)?;
            let member = self.members.add(author, nick, epoch, self.head)?;
            Ok((member, invite))
        });
        match admitted {
            Ok((member, invite)) => {
                self.spend(invite);
                self.set_session(member, Session::Open(session));
                let found = &self.members[member];
                let redeemed = Recorded::Redeemed {
                    member,
                    author,
                    epoch,
                    nick: found.nick.clone(),
                    invite,
                };
                let effect = self.entered(member, None, None, true);
                (effect, Some(Lasting::Event(redeemed)))
            }
            Err(refusal) => (refusal.effect(None, None), None),
        }
    }

    pub(super) fn make_invite(
        &mut self,
        at: UnixMicros,
        hash: InviteHash,
        uses: u32,
        expires_at: UnixMicros,
        by: String,
    ) -> Result<Done, Refusal> {
        check_operator(&by)?;
        let invite = Invite {
            hash,
            uses,
            used: 0,
            expires_at,
            revoked: false,
        };
        if !(1..=INVITE_USES_MAX).contains(&uses) || invite.is_expired(at) {
            return Err(Refusal::InviteTerms);
        }
        let invite = self.invites.add(invite).ok_or(Refusal::InvitesFull)?;
        let made = Recorded::InviteMade {
            invite,
            hash,
            uses,
            expires_at,
            by,
        };
        Ok((Effect::InviteMade(invite), Some(Lasting::Event(made))))
    }

    pub(super) fn revoke(&mut self, invite: InviteId, by: String) -> Result<Done, Refusal> {
        check_operator(&by)?;
        match self.invites.get(invite) {
            None => return Err(Refusal::UnknownInvite(invite)),
            Some(found) if found.revoked => return Err(Refusal::RevokedBefore(invite)),
            Some(_) => self.set_revoked(invite),
        }
        let revoked = Recorded::InviteRevoked { invite, by };
        let effect = Effect::InviteRevoked(invite);
        Ok((effect, Some(Lasting::Event(revoked))))
    }

    fn kick(&mut self, member: MemberId) -> Result<Done, Refusal> {
        let found = self.members.get(member).ok_or(Refusal::UnknownMember)?;
        match found.session {
            Session::Open(session) => Ok((self.exit(member, session), None)),
            Session::Never | Session::Ended(_) => Err(Refusal::NotPresent(found.nick.clone())),
        }
    }

    pub(super) fn ban(
        &mut self,
        member: MemberId,
        by: String,
        reason: String,
    ) -> Result<Done, Refusal> {
        check_operator(&by)?;
        if reason.len() > REASON_BYTES_MAX {
            return Err(Refusal::ReasonTooLong(reason.len()));
        }
        let found = self.members.get(member).ok_or(Refusal::UnknownMember)?;
        if found.standing == Standing::Banned {
            return Err(Refusal::BannedBefore(found.nick.clone()));
        }
        let (nick, session) = (found.nick.clone(), found.session);
        let inside: Vec<(RoomId, Lamport)> = found
            .rooms
            .iter()
            .map(|(room, since)| (*room, *since))
            .collect();
        let rooms = inside.into_iter().map(|(room, since)| {
            let (name, told) = self.go_out(member, room, since);
            (name, Recipients::Members(told))
        });
        let rooms = rooms.collect();
        if let Session::Open(session) = session {
            self.set_session(member, Session::Ended(session));
        }
        // What was said to all until now was for it; what comes is not.
        let (all_since, all) = (self.members[member].all_since, self.all);
        let banned = self.member_mut(member);
        banned.direct = banned.direct.max(all.for_member(member, all_since));
        self.set_standing(member, Standing::Banned, self.last_stamp);
        let recorded = Recorded::Banned {
            member,
            nick: nick.clone(),
            by,
            reason: reason.clone(),
        };
        let effect = Effect::Banned {
            member,
            nick,
            was_present: matches!(session, Session::Open(_)),
            reason,
            after: self.last_stamp,
            rooms,
        };
        Ok((effect, Some(Lasting::Event(recorded))))
    }

    pub(super) fn unban(&mut self, member: MemberId, by: String) -> Result<Done, Refusal> {
        check_operator(&by)?;
        let found = self.members.get(member).ok_or(Refusal::UnknownMember)?;
        let nick = found.nick.clone();
        if found.standing != Standing::Banned {
            return Err(Refusal::NotBanned(nick));
        }
        self.set_standing(member, Standing::Pardoned, self.last_stamp);
        let recorded = Recorded::Unbanned {
            member,
            nick: nick.clone(),
            by,
        };
        let effect = Effect::Unbanned { member, nick };
        Ok((effect, Some(Lasting::Event(recorded))))
    }
}

fn check_operator(by: &str) -> Result<(), Refusal> {
    match by.len() {
        1..=OPERATOR_BYTES_MAX => Ok(()),
        _ => Err(Refusal::OperatorName),
    }
}
