//! Peers that lie. They keep the machine of an honest one, to know what others take, and send what it would not.

use std::sync::Arc;

use bytes::Bytes;
use lamparina_protocol::peer::message::Incarnation;
use lamparina_protocol::peer::{
    Announcement, Body, Chain, Content, Digest, LinkMessage, MessageName, Signed,
    SignedAnnouncement,
};
use lamparina_protocol::{Lamport, UnixMicros};

use super::node::Node;
use crate::sim::dice::Dice;

/// One thing that a liar sends a neighbour.
pub fn lie(node: &Node, number: usize, dice: &mut Dice) -> Bytes {
    let messages = |all: &[Signed]| {
        LinkMessage::Messages(all.iter().map(|m| m.bytes().clone()).collect()).encode()
    };
    match dice.roll() % 8 {
        0 | 1 => messages(&[fork(node, number, dice)]),
        // A life of its own that begins nowhere: as far back in history as can be.
        2 => messages(&[backdated(node, number, dice)]),
        3 => {
            let mut digest = [0; 32];
            digest[..8].copy_from_slice(&dice.roll().to_be_bytes());
            let unknown = content(node, number, dice, 1, None, vec![Digest(digest)]);
            messages(&[signed(node, unknown)])
        }
        4 => garbage(node, dice),
        5 => announcement(node, number, dice),
        6 => LinkMessage::PageEnd { more: true }.encode(),
        _ => {
            let has = node.log.iter().map(|message| message.digest());
            let has = has.filter(|_| dice.percent(50)).collect();
            let limit = dice.roll() as u32 % 3;
            LinkMessage::Want { has, limit }.encode()
        }
    }
}

fn content(
    node: &Node,
    number: usize,
    dice: &mut Dice,
    n: u64,
    prev: Option<Digest>,
    heads: Vec<Digest>,
) -> Content {
    let chain = Chain {
        author: node.author,
        incarnation: Incarnation(node.life),
    };
    Content {
        name: MessageName { chain, n },
        prev,
        heads,
        sent_at: UnixMicros(dice.roll()),
        from: Node::name(number),
        addr: None,
        body: Body::All(format!("lie {}", dice.roll())),
        foreign: None,
    }
}

fn signed(node: &Node, content: Content) -> Signed {
    Signed::sign(&node.identity, content).expect("its author signs what has a form")
}

/// Another message of a name that it has given already, or a first one.
fn fork(node: &Node, number: usize, dice: &mut Dice) -> Signed {
    let own = |message: &&Arc<Signed>| message.content().name.chain.author == node.author;
    let own: Vec<&Arc<Signed>> = node.log.iter().filter(own).collect();
    let of_life = |m: &&&Arc<Signed>| m.content().name.chain.incarnation.0 == node.life;
    let Some(twin) = own.iter().rev().find(of_life) else {
        let first = content(node, number, dice, 1, None, Vec::new());
        return signed(node, first);
    };
    let mut content = twin.content().clone();
    content.body = Body::All(format!("twin {}", dice.roll()));
    if dice.percent(50) {
        content.heads.clear();
    }
    if dice.percent(30) {
        // Its branch goes on.
        content.name.n += 1;
        content.prev = Some(twin.digest());
        content.heads.clear();
    }
    signed(node, content)
}

fn backdated(node: &Node, number: usize, dice: &mut Dice) -> Signed {
    let mut content = content(node, number, dice, 1, None, Vec::new());
    content.name.chain.incarnation = Incarnation(dice.within(1_000..1_000_000));
    signed(node, content)
}

fn garbage(node: &Node, dice: &mut Dice) -> Bytes {
    let honest = match node.log.is_empty() {
        true => LinkMessage::Bye.encode(),
        false => {
            let message = &node.log[dice.index(node.log.len())];
            LinkMessage::Messages(vec![message.bytes().clone()]).encode()
        }
    };
    let mut bytes = honest.to_vec();
    let at = dice.index(bytes.len());
    bytes[at] ^= 1 << (dice.roll() % 8);
    bytes.into()
}

/// A clock that is nobody's.
fn announcement(node: &Node, number: usize, dice: &mut Dice) -> Bytes {
    let last = node.log.last().map(|message| message.digest());
    let announcement = Announcement {
        author: node.author,
        incarnation: Incarnation(node.life),
        beat: dice.within(1..1_000),
        last: last.filter(|_| dice.percent(50)),
        clock: Lamport::new(match dice.percent(50) {
            true => dice.roll(),
            false => dice.roll() % 50,
        }),
        name: Node::name(number),
        addr: None,
        sealing: [0; 32],
        gone: dice.percent(20),
    };
    let signed = SignedAnnouncement::sign(&node.identity, announcement);
    let signed = signed.expect("its author signs");
    LinkMessage::Announcements(vec![signed.bytes().clone()]).encode()
}
