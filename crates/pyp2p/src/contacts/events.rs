//! What happens in conversations, and what that means for the peers they are with.

use std::collections::VecDeque;

use lamparina_protocol::Instant;
use serde_json::{Map, Value};

use super::contact::Contact;
use super::targets::{Lost, State};
use super::{ConnectionId, Contacts, Output, Work, is_live};
use crate::conversation::{self, Ended, Role};
use crate::ids::{MsgId, PeerId};
use crate::limits::{CONNECTIONS_PER_PEER_MAX, CONTACTS_MAX, PUB_BREAKS_WITHIN, STEADY_AFTER};

impl Contacts {
    /// Deals with what conversations say until there is nothing more.
    pub(super) fn work(&mut self, now: Instant, mut work: Work, out: &mut Vec<Output>) {
        while let Some((connection, output)) = work.pop_front() {
            self.one(now, connection, output, &mut work, out);
        }
    }

    fn one(
        &mut self,
        now: Instant,
        connection: ConnectionId,
        output: conversation::Output,
        work: &mut Work,
        out: &mut Vec<Output>,
    ) {
        use conversation::Output as Of;
        match output {
            Of::Write(line) => out.push(Output::Write { connection, line }),
            Of::Opened { peer, lamparina } => match lamparina {
                None => self.opened(now, connection, peer, work, out),
                Some(lamparina) => self.ours(now, connection, peer, lamparina, work, out),
            },
            Of::Said(said) => self.said(connection, said, out),
            Of::Sent(msg_id) => {
                let within = self.settings.ack_within;
                if let Some(contact) = self.contact_of(connection) {
                    contact.pending.sent(&msg_id, now, within);
                }
            }
            Of::Acknowledged(msg_id) => self.acknowledged(now, connection, msg_id, out),
            Of::RoundTrip(time) => self.round_trip(connection, time, out),
            Of::StrayPong(msg_id) => self.stray_pong(now, connection, &msg_id, work),
            Of::Noted { note, count } => {
                if let Some(one) = self.connections.get(&connection) {
                    let (peer, addr) = (one.peer.clone(), one.addr);
                    out.push(Output::Noted {
                        peer,
                        addr,
                        note,
                        count,
                    });
                }
            }
            Of::Closed(why) => self.closed(now, connection, why, out),
        }
    }

    fn opened(
        &mut self,
        now: Instant,
        connection: ConnectionId,
        peer: PeerId,
        work: &mut Work,
        out: &mut Vec<Output>,
    ) {
        if !self.contacts.contains_key(&peer) && !self.make_room() {
            return self.leave_one(now, connection, "I know too many peers", work);
        }
        let Some(one) = self.connections.get_mut(&connection) else {
            return;
        };
        one.peer = Some(peer.clone());
        let (addr, target) = (one.addr, one.target.clone());
        self.targets.linked(&peer, target.as_ref());
        let contact = self.contacts.entry(peer.clone());
        let contact = contact.or_insert_with(|| Contact::new(now, addr));
        if !contact.is_here() {
            (contact.since, contact.said_bye, contact.published) = (now, false, None);
            out.push(Output::Appeared { peer, addr });
        }
        (contact.addr, contact.heard) = (addr, now);
        contact.connections.push(connection);
        let all = contact.connections.iter().copied();
        let live: Vec<_> = all.filter(|&id| is_live(&self.connections, id)).collect();
        if live.len() > CONNECTIONS_PER_PEER_MAX {
            self.leave_one(now, live[0], "you have newer connections", work);
        }
    }

    /// Forgets the peer that went first where there are too many; whether there is room then.
    fn make_room(&mut self) -> bool {
        if self.contacts.len() < CONTACTS_MAX {
            return true;
        }
        let gone = self
            .contacts
            .iter()
            .filter(|(_, contact)| !contact.is_here());
        let first = gone.min_by_key(|(_, contact)| contact.since);
        let Some(first) = first.map(|(peer, _)| peer.clone()) else {
            return false;
        };
        self.contacts.remove(&first);
        true
    }

    /// The other side is one of our programs: what follows goes by our own frames.
    fn ours(
        &mut self,
        now: Instant,
        connection: ConnectionId,
        peer: PeerId,
        lamparina: Map<String, Value>,
        work: &mut Work,
        out: &mut Vec<Output>,
    ) {
        let Some(one) = self.connections.get(&connection) else {
            return;
        };
        let (addr, role) = (one.addr, one.conversation.role());
        if let Some(target) = &one.target {
            self.targets.settle(target, State::Replaced);
        }
        self.targets.settle(&peer, State::Replaced);
        out.push(Output::Ours {
            peer,
            addr,
            role,
            lamparina,
        });
        if role == Role::Dialler {
            self.leave_one(now, connection, "we go on by our own frames", work);
        }
    }

    fn said(&mut self, connection: ConnectionId, said: conversation::Said, out: &mut Vec<Output>) {
        let Some(one) = self.connections.get(&connection) else {
            return;
        };
        // Nobody's: it goes on by our own frames.
        let Some(from) = one.peer.clone() else { return };
        let addr = one.addr;
        let Some(contact) = self.contacts.get_mut(&from) else {
            return;
        };
        // A message without a name cannot be told from another one.
        let msg_id = said.msg_id.as_ref();
        if msg_id.is_none_or(|msg_id| contact.seen.is_new(msg_id)) {
            out.push(Output::Said { from, addr, said });
        }
    }

    fn acknowledged(
        &mut self,
        now: Instant,
        connection: ConnectionId,
        msg_id: MsgId,
        out: &mut Vec<Output>,
    ) {
        let Some(contact) = self.contact_of(connection) else {
            return;
        };
        let Some((after, tries)) = contact.pending.acknowledged(&msg_id, now) else {
            return;
        };
        let Some(by) = self.peer_of(connection) else {
            return;
        };
        out.push(Output::Acknowledged { msg_id, by, after });
        // Of more than one try nobody knows which one this answers.
        if tries == 1 {
            self.round_trip(connection, after, out);
        }
    }

    fn round_trip(
        &mut self,
        connection: ConnectionId,
        time: std::time::Duration,
        out: &mut Vec<Output>,
    ) {
        if let Some(contact) = self.contact_of(connection) {
            contact.round_trip(time);
        }
        if let Some(peer) = self.peer_of(connection) {
            out.push(Output::RoundTrip { peer, time });
        }
    }

    /// Answers may come by another connection of the peer than their question (rule 20).
    fn stray_pong(
        &mut self,
        now: Instant,
        connection: ConnectionId,
        msg_id: &MsgId,
        work: &mut Work,
    ) {
        let others = match self.contact_of(connection) {
            Some(contact) => contact.connections.clone(),
            None => return,
        };
        for other in others.into_iter().filter(|&other| other != connection) {
            let input = conversation::Input::PongElsewhere(msg_id);
            let mut outputs = Vec::new();
            if let Some(one) = self.connections.get_mut(&other) {
                let _ = one.conversation.handle(now, input, &mut outputs);
            }
            // That it is not theirs either is no news: it would go round for ever.
            outputs.retain(|output| !matches!(output, conversation::Output::StrayPong(_)));
            work.extend(outputs.into_iter().map(|output| (other, output)));
        }
    }

    fn closed(
        &mut self,
        now: Instant,
        connection: ConnectionId,
        why: Ended,
        out: &mut Vec<Output>,
    ) {
        out.push(Output::Close { connection });
        let Some(one) = self.connections.remove(&connection) else {
            return;
        };
        let Some(peer) = one.peer else {
            match (why, one.target) {
                (Ended::Ourselves, Some(target)) => {
                    self.targets.settle(&target, State::GivenUp);
                }
                (_, Some(target)) if !self.leaving => self.came_to_nothing(now, target, out),
                _ => {}
            }
            return;
        };
        let Some(contact) = self.contacts.get_mut(&peer) else {
            return;
        };
        contact.connections.retain(|&id| id != connection);
        contact.pending.closed(connection, now);
        contact.said_bye |= matches!(why, Ended::TheyLeft { .. });
        if contact.is_here() {
            return;
        }
        let how = match contact {
            _ if contact.said_bye => Lost::Bye,
            _ if now >= contact.since + STEADY_AFTER => Lost::Calmly,
            Contact {
                published: Some(at),
                ..
            } if now < *at + PUB_BREAKS_WITHIN => Lost::Calmly,
            _ => Lost::Soon,
        };
        contact.since = now;
        self.targets.lost(now, &peer, one.addr, how);
        out.push(Output::Gone { peer, why });
    }

    fn leave_one(&mut self, now: Instant, connection: ConnectionId, reason: &str, work: &mut Work) {
        let mut outputs = Vec::new();
        if let Some(one) = self.connections.get_mut(&connection) {
            let input = conversation::Input::Leave { reason };
            // Leaving is never refused.
            let _ = one.conversation.handle(now, input, &mut outputs);
        }
        let outputs: VecDeque<_> = outputs.into();
        work.extend(outputs.into_iter().map(|output| (connection, output)));
    }

    fn peer_of(&self, connection: ConnectionId) -> Option<PeerId> {
        self.connections.get(&connection)?.peer.clone()
    }
}
