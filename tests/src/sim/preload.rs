//! A new tail from the journal: one batch for each message, so that who comes back after a restart
//! finds what it missed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use lamparina_order::{Record, Recorded, RecordedMessage, RoomId, To};
use lamparina_protocol::frame::{FrameType, SharedBody};
use lamparina_protocol::message::{Delivery, ToClient};
use lamparina_protocol::{Lamport, MemberId, Prev, codec};
use lamparina_server::hub::{Batch, Item, Lane, What};
use lamparina_server::tail::Tail;

/// Bytes of `prev`, which differ for each recipient.
const PREV_BYTES: usize = 8;

/// Lays what the journal holds into `tail`.
pub fn preload(tail: &Tail, records: &[Record]) {
    let mut rooms: BTreeMap<RoomId, BTreeSet<MemberId>> = BTreeMap::new();
    let mut after = Lamport::ZERO;
    for record in records {
        match &record.event {
            Recorded::RoomJoined { member, room, .. } => {
                rooms.entry(*room).or_default().insert(*member);
            }
            Recorded::RoomLeft { member, room, .. } => {
                if let Some(members) = rooms.get_mut(room) {
                    members.remove(member);
                }
            }
            Recorded::Message(message) => {
                tail.push(batch(record.stamp, message, after, &rooms));
                after = record.stamp;
            }
            Recorded::Began { .. }
            | Recorded::Clock { .. }
            | Recorded::Claimed { .. }
            | Recorded::Renamed { .. }
            | Recorded::Refused { .. } => {}
        }
    }
}

fn batch(
    stamp: Lamport,
    message: &RecordedMessage,
    after: Lamport,
    rooms: &BTreeMap<RoomId, BTreeSet<MemberId>>,
) -> Batch {
    let body = body(stamp, message);
    let to: Arc<[MemberId]> = match &message.to {
        To::All => Arc::from([]),
        To::Members(members) => Arc::clone(members),
        To::Room(room) => rooms[room].iter().copied().collect(),
    };
    Batch {
        after,
        cost_bytes: body.bytes().len(),
        items: vec![Item {
            what: What::Message {
                stamp,
                author: message.member,
            },
            kind: FrameType::Data,
            body,
        }],
        everyone: match message.to {
            To::All => vec![0],
            To::Members(_) | To::Room(_) => Vec::new(),
        },
        lanes: vec![Lane {
            members: to,
            items: vec![0],
        }],
        members: Vec::new(),
        connections: Vec::new(),
    }
}

/// As it was encoded when it was new: without its last eight bytes.
fn body(stamp: Lamport, message: &RecordedMessage) -> SharedBody {
    let delivery = ToClient::Message(Delivery {
        stamp,
        member: message.member,
        from: message.from.clone(),
        epoch: message.epoch,
        pseq: message.pseq,
        clock: message.clock,
        seen: message.seen,
        sent_at: message.sent_at,
        audience: message.audience.clone(),
        history: false,
        text: message.text.clone(),
        prev: Prev(Lamport::ZERO),
    });
    let bytes = codec::encode(&delivery).expect("what was told once can be encoded");
    let end = bytes.len() - PREV_BYTES;
    SharedBody::new(bytes.slice(..end))
}
