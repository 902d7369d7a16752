//! Fixes an audience at a message's place: from the names its author wrote to the members they
//! mean here. Decides only; what was said to whom is noted once the message has its stamp.

use std::collections::BTreeSet;
use std::sync::Arc;

use lamparina_protocol::audience::AUDIENCE_USERS_MAX;
use lamparina_protocol::{Audience, MemberId, Nick, RoomName};

use super::Sequenced;
use super::members::Members;
use super::refusal::Refusal;
use crate::access::Standing;
use crate::effect::Recipients;
use crate::record::{RoomId, To};

/// For whom a message is.
#[derive(Debug)]
pub(super) struct Resolved {
    /// With the names held now, duplicates and the author dropped.
    pub(super) audience: Audience,
    pub(super) recipients: Recipients,
    /// The room, where it is said in one.
    pub(super) room: Option<RoomId>,
}

impl Resolved {
    /// The recipients as a journal keeps them.
    pub(super) fn to(&self) -> To {
        match (&self.recipients, self.room) {
            (_, Some(room)) => To::Room(room),
            (Recipients::Members(members) | Recipients::MembersExcept { members, .. }, None) => {
                To::Members(Arc::clone(members))
            }
            (Recipients::AllExcept(_), None) => To::All,
        }
    }
}

impl Sequenced {
    /// Whom `author` means by `audience`.
    pub(super) fn resolve(
        &self,
        author: MemberId,
        audience: &Audience,
    ) -> Result<Resolved, Refusal> {
        let (audience, recipients, room) = match audience {
            Audience::All => (Audience::All, Recipients::AllExcept(author), None),
            Audience::Unicast(nick) => {
                let to = self.members.by_nick(nick);
                let to = to.ok_or_else(|| Refusal::unknown_users(&[nick]))?;
                if to == author {
                    return Err(Refusal::NoRecipient);
                }
                if self.members[to].standing == Standing::Banned {
                    return Err(Refusal::banned_users(&[&self.members[to].nick]));
                }
                let to = &self.members[to];
                let recipients = Recipients::Members(Arc::clone(&to.alone));
                (Audience::Unicast(to.nick.clone()), recipients, None)
            }
            Audience::Multicast(nicks) => {
                let (nicks, members) = named(&self.members, author, nicks)?;
                (
                    Audience::Multicast(nicks),
                    Recipients::Members(members),
                    None,
                )
            }
            Audience::Room(name) => self.resolve_room(author, name)?,
        };
        Ok(Resolved {
            audience,
            recipients,
            room,
        })
    }

    fn resolve_room(
        &self,
        author: MemberId,
        name: &RoomName,
    ) -> Result<(Audience, Recipients, Option<RoomId>), Refusal> {
        let found = self.rooms.by_name(name);
        let id = found
            .filter(|id| self.members[author].rooms.contains_key(id))
            .ok_or_else(|| Refusal::NotInRoom(name.clone()))?;
        let room = &self.rooms[id];
        let recipients = Recipients::MembersExcept {
            members: Arc::clone(room.list()),
            author,
        };
        Ok((Audience::Room(room.name.clone()), recipients, Some(id)))
    }
}

/// The members named, as they are called now (in the order named) and by number.
///
/// One unknown name refuses all, as does one of a banned member. Duplicates and the author are dropped, by owner: two names of
/// one member are that member once.
fn named(
    members: &Members,
    author: MemberId,
    nicks: &[Nick],
) -> Result<(Vec<Nick>, Arc<[MemberId]>), Refusal> {
    if nicks.len() > AUDIENCE_USERS_MAX {
        return Err(Refusal::TooManyRecipients(nicks.len()));
    }
    let (mut unknown, mut banned) = (Vec::new(), Vec::new());
    let (mut names, mut numbers) = (Vec::new(), BTreeSet::new());
    for nick in nicks {
        match members.by_nick(nick) {
            None => unknown.push(nick),
            Some(owner) if members[owner].standing == Standing::Banned => {
                banned.push(&members[owner].nick);
            }
            Some(owner) if owner != author && numbers.insert(owner) => {
                names.push(members[owner].nick.clone());
            }
            Some(_) => {}
        }
    }
    if !unknown.is_empty() {
        return Err(Refusal::unknown_users(&unknown));
    }
    if !banned.is_empty() {
        return Err(Refusal::banned_users(&banned));
    }
    if numbers.is_empty() {
        return Err(Refusal::NoRecipient);
    }
    Ok((names, numbers.into_iter().collect()))
}
