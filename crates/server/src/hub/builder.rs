//! Gathers what a batch says: all bodies in one buffer, each index in the lists of whom it reaches.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use lamparina_order::Recipients;
use lamparina_protocol::codec;
use lamparina_protocol::frame::{FrameType, SharedBody};
use lamparina_protocol::lamport::PREV_BYTES;
use lamparina_protocol::message::{Delivery, ToClient};
use lamparina_protocol::{Lamport, MemberId, Nick};

use super::ask::ConnectionId;
use super::batch::{Batch, Item, Lane, Note, What};
use crate::parted::Parted;

/// Recipients up to which each is listed by itself.
const LISTED_SINGLY_MAX: usize = 16;

/// What a batch costs beside its items, about.
const BATCH_COST_BYTES: usize = 512;
/// What naming one recipient of one item costs.
const LISTED_COST_BYTES: usize = size_of::<(ConnectionId, u32)>();

/// Where an item's bytes are.
#[derive(Debug)]
enum Body {
    Buffered(Range<usize>),
    Shared(SharedBody),
}

/// A batch being made.
#[derive(Debug)]
pub(super) struct Builder {
    after: Lamport,
    buffer: Vec<u8>,
    items: Vec<(What, FrameType, Body)>,
    /// Messages in two parts, by item.
    parted: BTreeMap<u32, Box<Parted>>,
    everyone: Vec<u32>,
    lanes: Vec<Lane>,
    lane_of: BTreeMap<usize, usize>,
    members: Vec<(MemberId, u32)>,
    connections: Vec<(ConnectionId, u32)>,
    /// Memory of what items box.
    boxed_bytes: usize,
    /// Memory of the lanes' lists of members and of items.
    lane_bytes: usize,
}

impl Builder {
    /// A batch that follows `after`, with room for about `items` items and `bytes` bytes.
    pub(super) fn new(after: Lamport, items: usize, bytes: usize) -> Self {
        Self {
            after,
            buffer: Vec::with_capacity(bytes),
            items: Vec::with_capacity(items),
            parted: BTreeMap::new(),
            everyone: Vec::new(),
            lanes: Vec::new(),
            lane_of: BTreeMap::new(),
            members: Vec::new(),
            connections: Vec::new(),
            boxed_bytes: 0,
            lane_bytes: 0,
        }
    }

    /// Memory that the batch holds already, about.
    pub(super) fn cost_bytes(&self) -> usize {
        let listed = self.members.len() + self.connections.len();
        self.buffer.len()
            + self.boxed_bytes
            + self.lane_bytes
            + self.everyone.len() * size_of::<u32>()
            + self.items.len() * size_of::<Item>()
            + listed * LISTED_COST_BYTES
            + BATCH_COST_BYTES
    }

    /// How many items there are.
    pub(super) fn items(&self) -> u32 {
        self.items.len() as u32
    }

    /// Says again to `to` what another batch said in `items`, as far as it was for `to`.
    pub(super) fn repeat(&mut self, to: ConnectionId, other: &Self, items: Range<u32>) {
        for index in items {
            if !other.connections.contains(&(to, index)) {
                continue;
            }
            if let Some((what, kind, body)) = other.items.get(index as usize) {
                let body = match body {
                    Body::Buffered(range) => {
                        let bytes = other.buffer.get(range.clone()).unwrap_or_default();
                        SharedBody::new(Bytes::copy_from_slice(bytes))
                    }
                    Body::Shared(body) => body.clone(),
                };
                let index = self.push(what.clone(), *kind, Body::Shared(body));
                self.connections.push((to, index));
            }
        }
    }

    /// A message, without its last eight bytes. Gives it back.
    pub(super) fn message(
        &mut self,
        mut message: Delivery,
        recipients: &Recipients,
    ) -> Option<Delivery> {
        let (stamp, author) = (message.stamp, message.member);
        let what = What::Message { stamp, author };
        if let Some(parted) = Parted::of(&mut message) {
            self.boxed_bytes += parted.cost_bytes();
            let whole = Body::Shared(parted.whole.clone());
            let index = self.push(what, FrameType::Data, whole);
            self.parted.insert(index, parted);
            self.address(index, recipients);
            return Some(message);
        }
        let message = ToClient::Message(message);
        let mut bytes = self.encode(&message);
        bytes.end = bytes.end.saturating_sub(PREV_BYTES).max(bytes.start);
        self.buffer.truncate(bytes.end);
        let index = self.push(what, FrameType::Data, Body::Buffered(bytes));
        self.address(index, recipients);
        match message {
            ToClient::Message(message) => Some(message),
            _ => None,
        }
    }

    /// An event for every member, except perhaps one.
    pub(super) fn tell_everyone(&mut self, event: &ToClient, except: Option<MemberId>) {
        let index = self.data(What::Event { except }, event);
        self.everyone.push(index);
    }

    /// A member's new name, for every member or for that one alone.
    pub(super) fn tell_renamed(
        &mut self,
        event: &ToClient,
        member: MemberId,
        to: Nick,
        everyone: bool,
    ) {
        let index = self.data(What::Renamed(Box::new((member, to))), event);
        if everyone {
            self.everyone.push(index);
        } else {
            self.members.push((member, index));
        }
    }

    /// What `by` asked for, for some.
    pub(super) fn tell_done(&mut self, event: &ToClient, by: MemberId, recipients: &Recipients) {
        let index = self.data(What::Done { by }, event);
        self.address(index, recipients);
    }

    /// An answer.
    pub(super) fn reply(&mut self, to: ConnectionId, what: What, answer: &ToClient) {
        let index = self.data(what, answer);
        self.connections.push((to, index));
    }

    /// An answer that is encoded already.
    pub(super) fn reply_shared(&mut self, to: ConnectionId, kind: FrameType, body: SharedBody) {
        let index = self.push(What::Reply, kind, Body::Shared(body));
        self.connections.push((to, index));
    }

    /// Something for the session itself.
    pub(super) fn note(&mut self, to: ConnectionId, note: Note) {
        let nothing = Body::Buffered(0..0);
        let index = self.push(What::Note(Box::new(note)), FrameType::Data, nothing);
        self.connections.push((to, index));
    }

    /// The batch, unless it says nothing. `extra_bytes` were made for it elsewhere.
    pub(super) fn finish(mut self, extra_bytes: usize) -> Option<Batch> {
        if self.items.is_empty() {
            return None;
        }
        self.members.sort_unstable();
        self.connections.sort_unstable();
        self.members.shrink_to_fit();
        self.connections.shrink_to_fit();
        let unused = self.buffer.capacity() - self.buffer.len();
        let cost_bytes = self.cost_bytes() + unused + extra_bytes;
        let buffer = Bytes::from(self.buffer);
        let mut parted = self.parted;
        let whole = |(index, (what, kind, body))| Item {
            what,
            kind,
            parted: parted.remove(&(index as u32)),
            body: match body {
                Body::Buffered(range) => SharedBody::within(&buffer, range),
                Body::Shared(body) => body,
            },
        };
        Some(Batch {
            after: self.after,
            items: self.items.into_iter().enumerate().map(whole).collect(),
            everyone: self.everyone,
            lanes: self.lanes,
            members: self.members,
            connections: self.connections,
            cost_bytes,
        })
    }

    fn data(&mut self, what: What, message: &ToClient) -> u32 {
        let bytes = self.encode(message);
        self.push(what, FrameType::Data, Body::Buffered(bytes))
    }

    fn encode(&mut self, message: &ToClient) -> Range<usize> {
        let start = self.buffer.len();
        let written = codec::encode_into(message, &mut self.buffer);
        debug_assert!(written.is_ok(), "the order takes nothing that is too long");
        start..self.buffer.len()
    }

    fn push(&mut self, what: What, kind: FrameType, body: Body) -> u32 {
        let index = self.items.len() as u32;
        self.boxed_bytes += what.boxed_bytes();
        self.items.push((what, kind, body));
        index
    }

    fn address(&mut self, index: u32, recipients: &Recipients) {
        match recipients {
            Recipients::AllExcept(_) => self.everyone.push(index),
            Recipients::Members(members) => self.address_members(index, members, None),
            Recipients::MembersExcept { members, author } => {
                self.address_members(index, members, Some(*author));
            }
        }
    }

    fn address_members(&mut self, index: u32, to: &Arc<[MemberId]>, except: Option<MemberId>) {
        if to.len() <= LISTED_SINGLY_MAX {
            for member in to.iter().filter(|member| Some(**member) != except) {
                self.members.push((*member, index));
            }
            return;
        }
        // One room's messages share one list, so its address names the lane; it stays alive in it.
        let address = to.as_ptr().addr();
        let lane = *self.lane_of.entry(address).or_insert_with(|| {
            // A room's list is another one after each coming and going, and kept by its lane.
            self.lane_bytes += size_of::<Lane>() + size_of_val(&**to);
            self.lanes.push(Lane {
                members: to.clone(),
                items: Vec::new(),
            });
            self.lanes.len() - 1
        });
        if let Some(lane) = self.lanes.get_mut(lane) {
            lane.items.push(index);
            self.lane_bytes += size_of::<u32>();
        }
    }
}
