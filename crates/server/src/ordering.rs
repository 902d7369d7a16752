//! The task that orders. It takes what waits, applies it, lays the batch down and rings: it never
//! awaits a client, and the log takes events without waiting.

use lamparina_protocol::message::Delivery;
use lamparina_protocol::{Lamport, Nick, RoomName};

use crate::hub::{Hub, Witness};
use crate::logger::{LogEvent, LogHandle};
use crate::shared::Shared;

/// Orders until the sequencer ends; gives how many messages it stamped.
pub(crate) async fn order(shared: &Shared) -> u64 {
    let mut hub = Hub::default();
    let mut asked = Vec::new();
    let mut witness = Journal {
        log: shared.config.log.clone(),
        messages: 0,
    };
    while shared.sequencer.next(&mut asked).await {
        while !asked.is_empty() {
            let said = hub.apply(&mut asked, &mut witness);
            shared.set_order_clock(hub.clock());
            if let Some((batch, rings)) = said {
                let position = shared.tail.push(batch);
                shared.bells.ring(&rings, position);
            }
            if !asked.is_empty() {
                // Sessions may read what is full before more follows.
                tokio::task::yield_now().await;
            }
        }
        if asked.capacity() > 2 * crate::sequencer::BATCH_REQUESTS {
            asked = Vec::new();
        }
    }
    witness.messages
}

/// Writes decisions to the log.
struct Journal {
    log: LogHandle,
    messages: u64,
}

impl Witness for Journal {
    fn stamped(&mut self, message: &Delivery) {
        self.messages += 1;
        self.log.event(LogEvent::Produced {
            stamp: message.stamp,
            kind: message.audience.kind(),
            from: message.from.as_str(),
            to: (&message.audience).into(),
            bytes: message.text.len(),
            seen: message.seen,
            text: Some(&message.text),
        });
    }

    fn consumed(&mut self, by: &Nick, upto: Lamport, count: u64) {
        let by = by.as_str();
        self.log.event(LogEvent::Consumed { by, upto, count });
    }

    fn renamed(&mut self, from: &Nick, to: &Nick) {
        let (from, to) = (from.as_str(), to.as_str());
        self.log.event(LogEvent::Renamed { from, to });
    }

    fn joined_room(&mut self, nick: &Nick, room: &RoomName) {
        let (nick, room) = (nick.as_str(), room.as_str());
        self.log.event(LogEvent::JoinedRoom { nick, room });
    }

    fn left_room(&mut self, nick: &Nick, room: &RoomName) {
        let (nick, room) = (nick.as_str(), room.as_str());
        self.log.event(LogEvent::LeftRoom { nick, room });
    }
}
