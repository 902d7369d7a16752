//! What waits for each link. The order emits no more than it is given room for, and that room is given again
//! when the link's queue is empty: a slow link costs that much memory, and its cursor.

use std::collections::VecDeque;

use bytes::Bytes;
use lamparina_order::converging::{BUNDLE_BYTES, Position, Telling};
use lamparina_protocol::control::CloseCode;
use lamparina_protocol::peer::link::{BUNDLE_MAX, ITEM_EXTRA_BYTES};
use lamparina_protocol::peer::{LinkMessage, PeerName};
use lamparina_protocol::{AuthorKey, Instant, UnixMicros};

use crate::event::{Direction, LinkLine, Spoken};
use crate::links::LinkHandle;

/// Bytes of messages that the order may emit for a link before its queue is empty again.
pub(super) const ROOM_BYTES: u32 = 256 * 1024;
/// Messages that wait for a link. What membership says is no part of the room, and little; a link that lets so
/// much wait is closed.
pub(super) const WAITING_MAX: usize = 2_048;
/// And bytes of them: a single answer to a neighbour that needs what was only named may be long.
const WAITING_BYTES_MAX: usize = 32 << 20;

/// A link, as the node sees it.
#[derive(Debug)]
pub(super) struct Wire {
    handle: LinkHandle,
    pub(super) direction: Direction,
    pub(super) spoken: Spoken,
    pub(super) addr: std::net::SocketAddr,
    pub(super) key: AuthorKey,
    pub(super) name: PeerName,
    pub(super) since: UnixMicros,
    /// Messages of one run that go into bundles together.
    tellings: Vec<Telling>,
    /// Link messages that the queue had no room for.
    waiting: Waiting,
    /// Something came last, as far as membership was told.
    pub(super) heard_told_at: Option<Instant>,
    /// Bytes that had come when it was looked at last.
    seen_bytes: u64,
    /// Everything before this position was said, or is known to be there.
    covered: u64,
    /// It is told everything from here on as it comes.
    subscribed: bool,
}

/// Link messages that wait, the first first.
#[derive(Debug, Default)]
struct Waiting {
    messages: VecDeque<Bytes>,
    bytes: usize,
}

impl Waiting {
    fn push(&mut self, message: Bytes) {
        self.bytes += message.len();
        self.messages.push_back(message);
    }

    fn pop(&mut self) {
        let first = self.messages.pop_front();
        self.bytes -= first.map_or(0, |first| first.len());
    }

    fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    fn is_too_much(&self) -> bool {
        self.messages.len() > WAITING_MAX || self.bytes > WAITING_BYTES_MAX
    }
}

impl Wire {
    pub(super) fn new(opened: crate::links::Opened, since: UnixMicros) -> Self {
        Self {
            direction: opened.direction,
            spoken: opened.spoken,
            addr: opened.addr,
            key: opened.key,
            name: opened.hello.name.clone(),
            handle: opened.handle,
            since,
            tellings: Vec::new(),
            waiting: Waiting::default(),
            heard_told_at: None,
            seen_bytes: 0,
            covered: 0,
            subscribed: false,
        }
    }

    /// Messages to say, behind everything before.
    pub(super) fn push_tellings(&mut self, tellings: &[Telling]) {
        if let (Some(last), true) = (tellings.last(), self.subscribed) {
            self.covered = self.covered.max(u64::from(last.position().0) + 1);
        }
        self.tellings.extend_from_slice(tellings);
    }

    /// Whether something came since it was asked last, be it a part of a message.
    pub(super) fn has_moved(&mut self) -> bool {
        let (_, received) = self.handle.bytes();
        received > std::mem::replace(&mut self.seen_bytes, received)
    }

    /// A page is over: with nothing more, the neighbour has all that was delivered before `delivered`.
    pub(super) fn page_ended(&mut self, more: bool, delivered: u64) {
        if !more {
            self.subscribed = true;
            self.covered = self.covered.max(delivered);
        }
    }

    /// Everything before this position has been handed to the link.
    pub(super) fn handed(&self) -> u64 {
        match self.is_idle() {
            true => self.covered,
            false => 0,
        }
    }

    /// Nothing waits here, nor in the queue.
    fn is_idle(&self) -> bool {
        self.tellings.is_empty()
            && self.waiting.is_empty()
            && self.handle.room() == crate::links::QUEUE_MAX
    }

    /// Bundles what was pushed; `bytes_of` gives the messages' bytes.
    pub(super) fn bundle<E>(
        &mut self,
        mut bytes_of: impl FnMut(Position) -> Result<Bytes, E>,
    ) -> Result<(), E> {
        if self.tellings.is_empty() {
            return Ok(());
        }
        let (mut items, mut size) = (Vec::new(), 0);
        for telling in std::mem::take(&mut self.tellings) {
            let item = telling.item(&mut bytes_of)?;
            let extra = item.len() + ITEM_EXTRA_BYTES;
            let full = size + extra > BUNDLE_BYTES as usize || items.len() == BUNDLE_MAX;
            if full && !items.is_empty() {
                self.say(&LinkMessage::Messages(std::mem::take(&mut items)));
                size = 0;
            }
            size += extra;
            items.push(item);
        }
        self.say(&LinkMessage::Messages(items));
        Ok(())
    }

    /// Says something; what was pushed before must have been bundled.
    pub(super) fn say(&mut self, message: &LinkMessage) {
        debug_assert!(self.tellings.is_empty(), "first in, first out");
        let bytes = message.encode();
        if !self.waiting.is_empty() || !self.handle.say(bytes.clone()) {
            self.waiting.push(bytes);
        }
    }

    /// The queue has room: moves what waits. Whether nothing waits any more.
    pub(super) fn move_on(&mut self) -> bool {
        while let Some(next) = self.waiting.messages.front() {
            if self.handle.room() == 0 || !self.handle.say(next.clone()) {
                return false;
            }
            self.waiting.pop();
        }
        true
    }

    /// Whether more waits than should.
    pub(super) fn is_too_slow(&self) -> bool {
        self.waiting.is_too_much()
    }

    /// Closes it, once what is in its queue has left.
    pub(super) fn close(mut self, code: CloseCode, text: String) {
        self.move_on();
        self.handle.close(code, text);
    }

    pub(super) fn line(&self) -> LinkLine {
        let (sent_bytes, received_bytes) = self.handle.bytes();
        LinkLine {
            number: self.handle.number,
            direction: self.direction,
            spoken: self.spoken,
            addr: self.addr,
            key: Some(self.key),
            name: Some(self.name.to_string()),
            since: self.since,
            rtt: self.handle.rtt(),
            sent_bytes,
            received_bytes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::links::{LinkHandle, Opened};
    use lamparina_protocol::peer::{Incarnation, PeerHello};

    #[test]
    fn a_part_of_a_great_message_is_a_sign_of_life() {
        let (handle, came) = LinkHandle::unattended();
        let name = crate::show::testing::name("bob@lan");
        let opened = Opened {
            handle,
            direction: Direction::Inbound,
            attempt: None,
            spoken: Spoken::Tcp,
            addr: "192.0.2.6:5002".parse().unwrap(),
            key: AuthorKey([1; 32]),
            hello: PeerHello {
                version: 1,
                name,
                incarnation: Incarnation(1),
                port: 0,
            },
        };
        let mut wire = Wire::new(opened, UnixMicros(0));
        assert!(!wire.has_moved());
        for (bytes, expected) in [
            (1_400, true),
            (1_400, false),
            (1_401, true),
            (262_144, true),
        ] {
            came(bytes);
            assert_eq!(wire.has_moved(), expected, "{bytes}");
        }
        assert!(!wire.has_moved(), "silence is no sign of life");
    }

    #[test]
    fn what_waits_is_bounded_by_its_number_and_its_bytes() {
        for (bytes, most) in [(1, WAITING_MAX), (1 << 20, WAITING_BYTES_MAX >> 20)] {
            let message = Bytes::from(vec![0; bytes]);
            let mut waiting = Waiting::default();
            (0..most).for_each(|_| waiting.push(message.clone()));
            assert!(!waiting.is_too_much());
            waiting.push(message);
            assert!(waiting.is_too_much());
            waiting.pop();
            assert!(!waiting.is_too_much());
            (0..most).for_each(|_| waiting.pop());
            assert!(waiting.is_empty());
            assert_eq!(waiting.bytes, 0);
        }
    }
}
