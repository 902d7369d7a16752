//! Rules as tables, then random entries against a naive model.

mod access;
mod limits;
mod looks;
mod members;
mod messages;
mod random;
mod records;
mod replay;
mod snapshot;
mod undo;

use lamparina_protocol::message::{RefusalCode, Submit};
use lamparina_protocol::{Audience, UnixMicros};

use super::*;
use crate::access::{InviteHash, InviteId, Operation};
use crate::effect::Recipients;

const ANA: u8 = 1;
const BOB: u8 = 2;
const EVA: u8 = 3;

fn author(who: u8) -> AuthorKey {
    AuthorKey([who; 32])
}

fn nick(text: &str) -> Nick {
    Nick::try_from(text).unwrap()
}

fn room(text: &str) -> RoomName {
    RoomName::try_from(text).unwrap()
}

fn at(stamp: u64) -> Lamport {
    Lamport::new(stamp)
}

fn numbers<const N: usize>(members: [u32; N]) -> Arc<[MemberId]> {
    members.into_iter().map(MemberId).collect()
}

fn entry(who: u8, session: u64, action: Action) -> Entry {
    Entry {
        author: author(who),
        session: SessionNumber(session),
        action,
    }
}

fn enter(name: &str, epoch: u64) -> Action {
    Action::Enter {
        nick: nick(name),
        epoch: Epoch(epoch),
    }
}

fn join(name: &str) -> Action {
    Action::Join { room: room(name) }
}

fn leave(name: &str) -> Action {
    Action::Leave { room: room(name) }
}

fn rename(name: &str) -> Action {
    Action::Rename { nick: nick(name) }
}

/// A message of epoch 1 with an honest clock.
fn message(pseq: u64, audience: Audience) -> Submit {
    Submit {
        epoch: Epoch(1),
        pseq: Pseq(pseq),
        clock: at(1),
        seen: at(0),
        sent_at: UnixMicros::default(),
        audience,
        text: format!("text {pseq}"),
    }
}

fn to(name: &str) -> Audience {
    Audience::Unicast(nick(name))
}

fn to_each<const N: usize>(names: [&str; N]) -> Audience {
    Audience::Multicast(names.into_iter().map(nick).collect())
}

fn in_room(name: &str) -> Audience {
    Audience::Room(room(name))
}

fn refused(
    member: Option<u32>,
    message: Option<(u64, u64)>,
    code: RefusalCode,
    text: &str,
) -> Effect {
    let message = message.map(|(epoch, pseq)| (Epoch(epoch), Pseq(pseq)));
    Effect::Refused {
        member: member.map(MemberId),
        message,
        code,
        text: text.to_owned(),
    }
}

/// Applies one entry, which must have exactly one effect.
#[track_caller]
fn apply(order: &mut Sequenced, entry: Entry) -> Effect {
    let mut out = Vec::new();
    order.apply(entry, &mut out);
    assert_eq!(out.len(), 1);
    out.remove(0)
}

/// Applies one entry and compares the whole effect.
#[track_caller]
fn check(order: &mut Sequenced, entry: Entry, expected: Effect) {
    assert_eq!(apply(order, entry), expected);
}

/// Ana (0), Bob (1) and Eva (2) in session 10 and epoch 1, nothing said.
fn three() -> Sequenced {
    let mut order = Sequenced::default();
    for (who, name) in [(ANA, "ana"), (BOB, "bob"), (EVA, "eva")] {
        apply(&mut order, entry(who, 10, enter(name, 1)));
    }
    order
}
