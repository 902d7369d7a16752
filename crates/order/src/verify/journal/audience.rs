//! Compares for whom a message is by name with who receives it by number, both at its place.

use std::collections::BTreeSet;

use lamparina_protocol::audience::AUDIENCE_USERS_MAX;
use lamparina_protocol::{Audience, MemberId, Nick};

use super::fault::Fault;
use super::members::Members;
use super::rooms::Rooms;
use super::{Against, Judged};
use crate::record::{RecordedMessage, To};

/// Names and numbers agree, and the author is not among them.
pub(super) fn check(members: &Members, rooms: &Rooms, message: &RecordedMessage) -> Judged<()> {
    match (&message.audience, &message.to) {
        (Audience::All, To::All) => Ok(()),
        (Audience::Room(name), To::Room(room)) => rooms.known(*room, name)?.holds(message.member),
        (Audience::Unicast(nick), To::Members(numbers)) => {
            named(members, message, std::slice::from_ref(nick), numbers)
        }
        (Audience::Multicast(nicks), To::Members(numbers)) => {
            named(members, message, nicks, numbers)
        }
        (audience, _) => Err(Fault::RecipientsKind(Box::new(audience.clone())).alone()),
    }
}

fn named(
    members: &Members,
    message: &RecordedMessage,
    nicks: &[Nick],
    recorded: &[MemberId],
) -> Judged<()> {
    if nicks.is_empty() {
        return Err(Fault::NoRecipient.alone());
    }
    let mut expected = BTreeSet::new();
    for nick in nicks {
        let (owner, _) = members
            .owner(nick)
            .ok_or_else(|| Fault::UnknownNick(nick.clone()).alone())?;
        let found = members.known(owner)?;
        if found.nick != *nick {
            let (nick, held) = (nick.clone(), found.nick.clone());
            return Err(Fault::AudienceNick { nick, held }.against(found.named));
        }
        members.free(owner)?;
        if owner == message.member {
            return Err(Fault::AuthorReceives.against(found.named));
        }
        if !expected.insert(owner) {
            return Err(Fault::NamedTwice(nick.clone()).against(found.named));
        }
    }
    // Also where they are out of order, or too many: such a list is none that an order makes.
    if expected.len() > AUDIENCE_USERS_MAX || !expected.iter().eq(recorded) {
        let fault = Fault::Recipients {
            audience: Box::new(message.audience.clone()),
            expected: expected.into_iter().collect(),
            recorded: recorded.to_vec(),
        };
        return Err(fault.alone());
    }
    Ok(())
}
