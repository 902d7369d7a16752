//! SENDs of ours to one peer that have no ACK: each goes out again with the same id when its ACK is
//! late, and is given up after the last try (rule 12).

use std::collections::BTreeMap;
use std::time::Duration;

use lamparina_protocol::Instant;

use super::ConnectionId;
use crate::ids::MsgId;
use crate::limits::{QUEUE_BYTES_MAX, SEND_TRIES_MAX, UNACKNOWLEDGED_MAX};

#[derive(Clone, Debug, Default)]
pub(super) struct Pending {
    all: BTreeMap<MsgId, Unacknowledged>,
    bytes: usize,
}

#[derive(Clone, Debug)]
struct Unacknowledged {
    text: String,
    /// Where it was handed over last.
    on: ConnectionId,
    tries: u32,
    first_sent: Option<Instant>,
    /// When its ACK is late; `None` while it waits to go out.
    due: Option<Instant>,
}

/// What to do with a SEND whose ACK is late.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Late {
    Again { msg_id: MsgId, text: String },
    GiveUp { msg_id: MsgId },
}

impl Pending {
    pub(super) fn has_room(&self, text: &str) -> bool {
        self.all.len() < UNACKNOWLEDGED_MAX && self.bytes + text.len() <= QUEUE_BYTES_MAX
    }

    /// One was handed to a connection for the first time.
    pub(super) fn begin(&mut self, msg_id: &MsgId, text: &str, on: ConnectionId) {
        self.bytes += text.len();
        let new = Unacknowledged {
            text: text.to_owned(),
            on,
            tries: 1,
            first_sent: None,
            due: None,
        };
        if let Some(old) = self.all.insert(msg_id.clone(), new) {
            self.bytes -= old.text.len();
        }
    }

    /// One goes out now.
    pub(super) fn sent(&mut self, msg_id: &MsgId, now: Instant, within: Duration) {
        if let Some(one) = self.all.get_mut(msg_id) {
            one.first_sent.get_or_insert(now);
            one.due = Some(now + within);
        }
    }

    /// The peer has it: the time since it first went out and how often it did; `None` where it was not
    /// waited for any more.
    pub(super) fn acknowledged(&mut self, msg_id: &MsgId, now: Instant) -> Option<(Duration, u32)> {
        let one = self.all.remove(msg_id)?;
        self.bytes -= one.text.len();
        Some((now - one.first_sent.unwrap_or(now), one.tries))
    }

    /// A connection is gone: what waited on it to go out is due on another one at once.
    pub(super) fn closed(&mut self, on: ConnectionId, now: Instant) {
        for one in self.all.values_mut() {
            if one.on == on && one.due.is_none() {
                one.tries -= 1;
                one.due = Some(now);
            }
        }
    }

    /// One that is late now. It counts as tried again, and is late again after `within`, whether or not
    /// there is a connection to try.
    pub(super) fn late(&mut self, now: Instant, within: Duration) -> Option<Late> {
        let mut all = self.all.iter_mut();
        let (msg_id, one) = all.find(|(_, one)| one.due.is_some_and(|due| due <= now))?;
        let msg_id = msg_id.clone();
        if one.tries >= SEND_TRIES_MAX {
            self.acknowledged(&msg_id, now);
            return Some(Late::GiveUp { msg_id });
        }
        one.tries += 1;
        one.due = Some(now + within);
        let text = one.text.clone();
        Some(Late::Again { msg_id, text })
    }

    /// One that was late was handed to this connection.
    pub(super) fn handed(&mut self, msg_id: &MsgId, on: ConnectionId) {
        if let Some(one) = self.all.get_mut(msg_id) {
            (one.on, one.due) = (on, None);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.all.values().filter_map(|one| one.due).min()
    }
}
