//! Keeps invites and bans, as the journal says: an invite admits no more than it may, none after it
//! expired or was taken back, and of a banned member nothing takes effect.

use std::collections::BTreeMap;

use lamparina_protocol::{MemberId, UnixMicros};

use super::fault::Fault;
use super::members::Members;
use super::rooms::Rooms;
use super::{Against, Judged};
use crate::access::{INVITE_USES_MAX, InviteHash, InviteId, OPERATOR_BYTES_MAX, REASON_BYTES_MAX};
use crate::record::LogIndex;

/// One invite.
#[derive(Clone, Copy, Debug)]
struct Invite {
    made: LogIndex,
    uses: u32,
    used: u32,
    /// The entry that spent it last.
    spent: LogIndex,
    expires_at: UnixMicros,
    revoked: Option<LogIndex>,
}

/// All invites.
#[derive(Clone, Debug, Default)]
pub(super) struct Invites {
    list: Vec<Invite>,
    hashes: BTreeMap<InviteHash, LogIndex>,
}

impl Invites {
    pub(super) fn make(
        &mut self,
        (index, at): (LogIndex, UnixMicros),
        invite: InviteId,
        hash: InviteHash,
        (uses, expires_at): (u32, UnixMicros),
        by: &str,
    ) -> Judged<()> {
        operator(by)?;
        let next = InviteId(self.list.len() as u64);
        if invite != next {
            let last = self.list.last().map(|last| last.made);
            return Err(Fault::InviteNumber(next).against(last.unwrap_or_default()));
        }
        if let Some(before) = self.hashes.insert(hash, index) {
            return Err(Fault::InviteTwice.against(before));
        }
        let over = expires_at.0 != 0 && expires_at <= at;
        if over || !(1..=INVITE_USES_MAX).contains(&uses) {
            return Err(Fault::InviteTerms.alone());
        }
        self.list.push(Invite {
            made: index,
            uses,
            used: 0,
            spent: index,
            expires_at,
            revoked: None,
        });
        Ok(())
    }

    fn known(&mut self, invite: InviteId) -> Judged<&mut Invite> {
        let place = usize::try_from(invite.0).unwrap_or(usize::MAX);
        let found = self.list.get_mut(place);
        found.ok_or_else(|| Fault::UnknownInvite(invite).alone())
    }

    pub(super) fn revoke(&mut self, index: LogIndex, invite: InviteId, by: &str) -> Judged<()> {
        operator(by)?;
        let found = self.known(invite)?;
        if let Some(before) = found.revoked {
            return Err(Fault::NothingChanged.against(before));
        }
        found.revoked = Some(index);
        Ok(())
    }

    /// One first claim by it.
    pub(super) fn spend(
        &mut self,
        (index, at): (LogIndex, UnixMicros),
        invite: InviteId,
    ) -> Judged<()> {
        let found = self.known(invite)?;
        if let Some(revoked) = found.revoked {
            return Err(Fault::InviteRevoked(invite).against(revoked));
        }
        if found.used >= found.uses {
            let uses = found.uses;
            return Err(Fault::InviteUsedUp { invite, uses }.against(found.spent));
        }
        if found.expires_at.0 != 0 && at >= found.expires_at {
            return Err(Fault::InviteExpired(invite).against(found.made));
        }
        found.used += 1;
        found.spent = index;
        Ok(())
    }
}

/// A member is out of everything from here on.
pub(super) fn ban(
    index: LogIndex,
    members: &mut Members,
    rooms: &mut Rooms,
    member: MemberId,
    (by, reason): (&str, &str),
) -> Judged<()> {
    operator(by)?;
    if reason.len() > REASON_BYTES_MAX {
        return Err(Fault::ReasonTooLong(reason.len()).alone());
    }
    let found = members.known_mut(member)?;
    if let Some(before) = found.banned {
        return Err(Fault::NothingChanged.against(before));
    }
    found.banned = Some(index);
    for room in std::mem::take(&mut found.rooms).into_keys() {
        rooms.go_out(room, member);
    }
    Ok(())
}

/// A banned member is one like the others from here on.
pub(super) fn unban(members: &mut Members, member: MemberId, by: &str) -> Judged<()> {
    operator(by)?;
    let found = members.known_mut(member)?;
    match found.banned.take() {
        Some(_) => Ok(()),
        None => Err(Fault::NotBanned(member).against(found.named)),
    }
}

fn operator(by: &str) -> Judged<()> {
    match by.len() {
        1..=OPERATOR_BYTES_MAX => Ok(()),
        _ => Err(Fault::OperatorName.alone()),
    }
}
