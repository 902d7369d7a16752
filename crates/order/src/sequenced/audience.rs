//! Fixes an audience at a message's place: from the names its author wrote to the members they
//! mean here. Decides only; what was said to whom is noted once the message has its stamp.

use std::collections::BTreeSet;
use std::sync::Arc;

use lamparina_protocol::audience::AUDIENCE_USERS_MAX;
use lamparina_protocol::{Audience, MemberId, Nick, RoomName};

use super::Sequenced;
use super::members::Members;
use super::refusal::Refusal;
use super::rooms::RoomId;
use crate::effect::Recipients;

/// For whom a message is.
#[derive(Debug)]
pub(super) struct Resolved {
    /// With the names held now, duplicates and the author dropped.
    pub(super) audience: Audience,
    pub(super) recipients: Recipients,
    /// The room, where it is said in one.
    pub(super) room: Option<RoomId>,
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
                let (mut nicks, members) =
                    named(&self.members, author, std::slice::from_ref(nick))?;
                // One name is known and not the author's: one is left.
                let nick = nicks.pop().ok_or(Refusal::NoRecipient)?;
                (Audience::Unicast(nick), Recipients::Members(members), None)
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
        let (id, room) = self
            .rooms
            .by_name(name)
            .filter(|id| self.members[author].rooms.contains_key(id))
            .and_then(|id| self.rooms.get(id).map(|room| (id, room)))
            .ok_or_else(|| Refusal::NotInRoom(name.clone()))?;
        let recipients = Recipients::MembersExcept {
            members: Arc::clone(&room.members),
            author,
        };
        Ok((Audience::Room(room.name.clone()), recipients, Some(id)))
    }
}

/// The members named, as they are called now (in the order named) and by number.
///
/// One unknown name refuses all. Duplicates and the author are dropped, by owner: two names of
/// one member are that member once.
fn named(
    members: &Members,
    author: MemberId,
    nicks: &[Nick],
) -> Result<(Vec<Nick>, Arc<[MemberId]>), Refusal> {
    if nicks.len() > AUDIENCE_USERS_MAX {
        return Err(Refusal::TooManyRecipients(nicks.len()));
    }
    let (mut unknown, mut names, mut numbers) = (Vec::new(), Vec::new(), BTreeSet::new());
    for nick in nicks {
        match members.by_nick(nick) {
            None => unknown.push(nick),
            Some(owner) if owner != author && numbers.insert(owner) => {
                names.push(members[owner].nick.clone());
            }
            Some(_) => {}
        }
    }
    if !unknown.is_empty() {
        return Err(Refusal::UnknownUsers(Refusal::names(unknown.into_iter())));
    }
    if numbers.is_empty() {
        return Err(Refusal::NoRecipient);
    }
    Ok((names, numbers.into_iter().collect()))
}
