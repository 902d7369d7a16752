//! All peers that speak PyP2P, whoever dialled: each is shown once while one of its connections lives,
//! spoken to on the newest one, heard on any; what the rendezvous lists is dialled, with waits that
//! grow and end.
//!
//! In: [`Record`](crate::Record)s from [`registration`](crate::registration), connections and bytes from a shell. Out: whom
//! to dial, what to write, and what to show.

mod contact;
mod events;
mod pending;
mod seen;
mod sending;
mod targets;
#[cfg(test)]
mod tests;
mod types;

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;

use lamparina_protocol::Instant;

use crate::conversation::{self, Conversation, Refusal};
use crate::ids::PeerId;
use crate::limits::{CONNECTIONS_MAX, REMEMBER_GONE};
use crate::random::{Random, SEED_BYTES};
use crate::settings::Settings;
use contact::Contact;
use targets::{Next, Targets};

pub use targets::State;
pub use types::{ConnectionId, Input, Output, View};

/// All of them.
#[derive(Clone, Debug)]
pub struct Contacts {
    settings: Arc<Settings>,
    random: Random,
    connections: BTreeMap<ConnectionId, Connection>,
    /// Connections to be: for whom each was dialled.
    dials: BTreeMap<ConnectionId, (PeerId, SocketAddr)>,
    contacts: BTreeMap<PeerId, Contact>,
    targets: Targets,
    leaving: bool,
}

#[derive(Clone, Debug)]
struct Connection {
    conversation: Conversation,
    addr: SocketAddr,
    /// For whom it was dialled.
    target: Option<PeerId>,
    /// Whose it is, once the handshake is over; nobody's where it was replaced.
    peer: Option<PeerId>,
}

/// Outputs of conversations that have not been dealt with.
type Work = VecDeque<(ConnectionId, conversation::Output)>;

impl Contacts {
    /// Nobody yet; `seed` is random and used once.
    pub fn new(settings: Settings, seed: [u8; SEED_BYTES]) -> Self {
        let settings = Arc::new(settings);
        let mut random = Random::new(seed);
        let targets = Targets::new(settings.clone(), Random::new(random.bytes()));
        Self {
            settings,
            random,
            connections: BTreeMap::new(),
            dials: BTreeMap::new(),
            contacts: BTreeMap::new(),
            targets,
            leaving: false,
        }
    }

    /// Applies one input. Whatever must happen next is pushed to `out`, in order.
    ///
    /// # Errors
    ///
    /// [`Refusal`], of [`Input::Send`] and [`Input::Publish`] only: nothing was sent then.
    pub fn handle(
        &mut self,
        now: Instant,
        input: Input<'_>,
        out: &mut Vec<Output>,
    ) -> Result<(), Refusal> {
        use conversation::Input as To;
        match input {
            Input::Accepted { connection, addr } => self.accepted(now, connection, addr, out),
            Input::Connected { connection } => self.connected(now, connection, out),
            Input::DialFailed { connection } => self.dial_failed(now, connection, out),
            Input::Bytes { connection, bytes } => {
                if let Some(contact) = self.contact_of(connection) {
                    contact.heard = now;
                }
                self.drive(now, connection, To::Bytes(bytes), out);
            }
            Input::Written { connection } => self.drive(now, connection, To::Written, out),
            Input::EndOfStream { connection } => self.drive(now, connection, To::EndOfStream, out),
            Input::Broken { connection } => self.drive(now, connection, To::Broken, out),
            Input::Registered { own } => self.targets.set_own(own),
            Input::Discovered { records, namespace } => {
                let contacts = &self.contacts;
                let is_live = |peer: &PeerId| contacts.get(peer).is_some_and(Contact::is_here);
                self.targets.listed(now, records, namespace, is_live);
            }
            Input::Send { msg_id, to, text } => self.send(now, msg_id, to, text, out)?,
            Input::Publish {
                msg_id,
                topic,
                text,
            } => self.publish(now, msg_id, topic, text, out)?,
            Input::Reconnect => self.targets.again(now),
            Input::Unlinked { peer } => self.targets.unlinked(now, peer),
            Input::Leave { reason } => self.leave(now, reason, out),
            Input::Tick => self.tick(now, out),
        }
        self.resend(now, out);
        self.dial(now, out);
        Ok(())
    }

    /// When to call again with [`Input::Tick`]; `None` while nothing is pending.
    pub fn deadline(&self) -> Option<Instant> {
        let connections = self.connections.values();
        let connections = connections.filter_map(|one| one.conversation.deadline());
        let contacts = self.contacts.values();
        let contacts = contacts.filter_map(|contact| {
            let forgotten = (!contact.is_here()).then(|| contact.since + REMEMBER_GONE);
            let both = [forgotten, contact.pending.deadline()];
            both.into_iter().flatten().min()
        });
        let dial = self.targets.deadline().filter(|_| !self.leaving);
        connections.chain(contacts).chain(dial).min()
    }

    /// Everybody who is connected, and those who went within the last two minutes (with no connection).
    pub fn views(&self) -> impl Iterator<Item = View<'_>> {
        self.contacts.iter().map(|(peer, contact)| {
            let all = contact.connections.iter();
            let dialled = |one: &&ConnectionId| matches!(one, ConnectionId::Dialled(_));
            let outbound = all.filter(dialled).count();
            View {
                peer,
                addr: contact.addr,
                inbound: contact.connections.len() - outbound,
                outbound,
                heard: contact.heard,
                round_trip: contact.mean_round_trip(),
                waits: !contact.pending.is_empty(),
            }
        })
    }

    /// Everybody whom the rendezvous lists, but us: where, and what is done about it.
    pub fn listed(&self) -> impl Iterator<Item = (&PeerId, SocketAddr, State)> {
        self.targets.states()
    }

    /// Whether this peer is connected.
    pub fn is_here(&self, peer: &PeerId) -> bool {
        self.contacts.get(peer).is_some_and(Contact::is_here)
    }

    /// Nothing is connected, and nothing is being dialled.
    pub fn is_done(&self) -> bool {
        self.connections.is_empty() && self.dials.is_empty()
    }

    fn accepted(
        &mut self,
        now: Instant,
        connection: ConnectionId,
        addr: SocketAddr,
        out: &mut Vec<Output>,
    ) {
        if self.leaving || self.connections.len() >= CONNECTIONS_MAX {
            return out.push(Output::Close { connection });
        }
        let seed = self.random.bytes();
        let conversation = Conversation::accept(self.settings.clone(), seed, now);
        let one = Connection {
            conversation,
            addr,
            target: None,
            peer: None,
        };
        self.connections.insert(connection, one);
    }

    fn connected(&mut self, now: Instant, connection: ConnectionId, out: &mut Vec<Output>) {
        let Some((target, addr)) = self.dials.remove(&connection) else {
            return out.push(Output::Close { connection });
        };
        if self.leaving {
            return out.push(Output::Close { connection });
        }
        let (seed, mut first) = (self.random.bytes(), Vec::new());
        let conversation = Conversation::dial(self.settings.clone(), seed, now, &mut first);
        let one = Connection {
            conversation,
            addr,
            target: Some(target),
            peer: None,
        };
        self.connections.insert(connection, one);
        let first = first.into_iter().map(|output| (connection, output));
        self.work(now, first.collect(), out);
    }

    fn dial_failed(&mut self, now: Instant, connection: ConnectionId, out: &mut Vec<Output>) {
        if let Some((peer, _)) = self.dials.remove(&connection) {
            self.came_to_nothing(now, peer, out);
        }
    }

    /// A dial found nobody, or nobody who answered HELLO.
    fn came_to_nothing(&mut self, now: Instant, peer: PeerId, out: &mut Vec<Output>) {
        match self.targets.failed(now, &peer, self.is_here(&peer)) {
            Next::Nothing => {}
            Next::Dial(connection, addr) => {
                self.dials.insert(connection, (peer, addr));
                out.push(Output::Dial { connection, addr });
            }
            Next::Failed(failed) => {
                let given_up = self.targets.is_given_up(&peer);
                out.push(Output::DialFailed {
                    peer,
                    failed,
                    given_up,
                });
            }
        }
    }

    fn dial(&mut self, now: Instant, out: &mut Vec<Output>) {
        if self.leaving {
            return;
        }
        while let Some((connection, addr, peer)) = self.targets.dial(now) {
            self.dials.insert(connection, (peer, addr));
            out.push(Output::Dial { connection, addr });
        }
    }

    fn leave(&mut self, now: Instant, reason: &str, out: &mut Vec<Output>) {
        self.leaving = true;
        let all: Vec<_> = self.connections.keys().copied().collect();
        for connection in all {
            let input = conversation::Input::Leave { reason };
            self.drive(now, connection, input, out);
        }
        // What comes of these is closed at once.
        self.dials.clear();
    }

    fn tick(&mut self, now: Instant, out: &mut Vec<Output>) {
        let due = self.connections.iter().filter(|(_, one)| {
            let deadline = one.conversation.deadline();
            deadline.is_some_and(|deadline| deadline <= now)
        });
        let due: Vec<_> = due.map(|(&connection, _)| connection).collect();
        for connection in due {
            self.drive(now, connection, conversation::Input::Tick, out);
        }
        self.contacts.retain(|_, contact| {
            contact.is_here() || !contact.pending.is_empty() || now < contact.since + REMEMBER_GONE
        });
    }

    fn contact_of(&mut self, connection: ConnectionId) -> Option<&mut Contact> {
        let peer = self.connections.get(&connection)?.peer.as_ref()?;
        self.contacts.get_mut(peer)
    }

    fn drive(
        &mut self,
        now: Instant,
        connection: ConnectionId,
        input: conversation::Input<'_>,
        out: &mut Vec<Output>,
    ) {
        // Only what is to be sent is refused, and that is given otherwise.
        let _ = self.drive_fallibly(now, connection, input, out);
    }

    fn drive_fallibly(
        &mut self,
        now: Instant,
        connection: ConnectionId,
        input: conversation::Input<'_>,
        out: &mut Vec<Output>,
    ) -> Result<(), Refusal> {
        let one = self.connections.get_mut(&connection);
        let one = one.ok_or(Refusal::NotConnected)?;
        let mut outputs = Vec::new();
        one.conversation.handle(now, input, &mut outputs)?;
        let work = outputs.into_iter().map(|output| (connection, output));
        self.work(now, work.collect(), out);
        Ok(())
    }
}

fn is_live(connections: &BTreeMap<ConnectionId, Connection>, id: ConnectionId) -> bool {
    let one = connections.get(&id);
    one.is_some_and(|one| one.conversation.is_live())
}
