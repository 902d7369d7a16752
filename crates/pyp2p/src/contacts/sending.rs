//! What goes out to peers: on the newest connection that lives, again where its ACK is late (rules 12 and
//! 20).

use lamparina_protocol::Instant;

use super::pending::Late;
use super::{ConnectionId, Contacts, Output, is_live};
use crate::conversation::{self, Refusal};
use crate::ids::{MsgId, PeerId};
use crate::message::Topic;

impl Contacts {
    pub(super) fn send(
        &mut self,
        now: Instant,
        msg_id: &MsgId,
        to: &PeerId,
        text: &str,
        out: &mut Vec<Output>,
    ) -> Result<(), Refusal> {
        let contact = self.contacts.get_mut(to).ok_or(Refusal::NotConnected)?;
        if !contact.pending.has_room(text) {
            return Err(Refusal::Full);
        }
        let live = |id: &&ConnectionId| is_live(&self.connections, **id);
        let newest = contact.connections.iter().rev().find(live).copied();
        let connection = newest.ok_or(Refusal::NotConnected)?;
        // Before its output is dealt with, which may say that it is out already.
        contact.pending.begin(msg_id, text, connection);
        let input = conversation::Input::Send { msg_id, text };
        let sent = self.drive_fallibly(now, connection, input, out);
        if sent.is_err()
            && let Some(contact) = self.contacts.get_mut(to)
        {
            contact.pending.acknowledged(msg_id, now);
        }
        sent
    }

    pub(super) fn publish(
        &mut self,
        now: Instant,
        msg_id: &MsgId,
        topic: &Topic,
        text: &str,
        out: &mut Vec<Output>,
    ) -> Result<(), Refusal> {
        let (mut peers, mut left_out) = (0, Vec::new());
        let all = self.contacts.iter().filter_map(|(peer, contact)| {
            let meant = match topic {
                Topic::All => true,
                Topic::Namespace(namespace) => peer.namespace() == namespace,
            };
            let live = |id: &&ConnectionId| is_live(&self.connections, **id);
            let newest = contact.connections.iter().rev().find(live).copied();
            meant.then_some((peer.clone(), newest?))
        });
        for (peer, connection) in all.collect::<Vec<_>>() {
            let input = conversation::Input::Publish {
                msg_id,
                topic,
                text,
            };
            match self.drive_fallibly(now, connection, input, out) {
                Ok(()) => {
                    peers += 1;
                    if let Some(contact) = self.contacts.get_mut(&peer) {
                        contact.published = Some(now);
                    }
                }
                // It is as long for the next one.
                Err(Refusal::TooLong(long)) => return Err(long.into()),
                Err(_) => left_out.push(peer),
            }
        }
        let msg_id = msg_id.clone();
        out.push(Output::Published {
            msg_id,
            peers,
            left_out,
        });
        Ok(())
    }

    /// SENDs whose ACK is late go out again, on whatever connection there is (rules 12 and 20).
    pub(super) fn resend(&mut self, now: Instant, out: &mut Vec<Output>) {
        let due = self.contacts.iter().filter(|(_, contact)| {
            let deadline = contact.pending.deadline();
            deadline.is_some_and(|deadline| deadline <= now)
        });
        let due: Vec<_> = due.map(|(peer, _)| peer.clone()).collect();
        for peer in due {
            while let Some(contact) = self.contacts.get_mut(&peer) {
                match contact.pending.late(now, self.settings.ack_within) {
                    None => break,
                    Some(Late::GiveUp { msg_id }) => {
                        let to = peer.clone();
                        out.push(Output::Unacknowledged { msg_id, to });
                    }
                    Some(Late::Again { msg_id, text }) => {
                        self.send_again(now, &peer, &msg_id, &text, out);
                    }
                }
            }
        }
    }

    fn send_again(
        &mut self,
        now: Instant,
        peer: &PeerId,
        msg_id: &MsgId,
        text: &str,
        out: &mut Vec<Output>,
    ) {
        let Some(connection) = self.newest(peer) else {
            return;
        };
        if let Some(contact) = self.contacts.get_mut(peer) {
            contact.pending.handed(msg_id, connection);
        }
        let input = conversation::Input::Send { msg_id, text };
        let sent = self.drive_fallibly(now, connection, input, out);
        if let (Err(_), Some(contact)) = (sent, self.contacts.get_mut(peer)) {
            // Nothing went out; it is late again in a while.
            contact.pending.sent(msg_id, now, self.settings.ack_within);
        }
    }

    /// The newest connection on which something can be sent to a peer.
    fn newest(&self, peer: &PeerId) -> Option<ConnectionId> {
        let contact = self.contacts.get(peer)?;
        let mut all = contact.connections.iter().rev();
        all.find(|id| is_live(&self.connections, **id)).copied()
    }
}
