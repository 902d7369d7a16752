//! All peers that speak PyP2P, whoever dialled: each is shown once while one of its connections lives,
//! spoken to on the newest one, heard on any; what the rendezvous lists is dialled, with waits that
//! grow and end.
//!
//! In: [`Record`]s from [`registration`](crate::registration), connections and bytes from a shell. Out: whom
//! to dial, what to write, and what to show.

mod contact;
mod events;
mod pending;
mod seen;
mod targets;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use lamparina_protocol::Instant;
use serde_json::{Map, Value};

use crate::conversation::{self, Conversation, Ended, Note, Refusal, Role, Said};
use crate::ids::{MsgId, PeerId};
use crate::limits::{CONNECTIONS_MAX, REMEMBER_GONE};
use crate::message::Topic;
use crate::random::{Random, SEED_BYTES};
use crate::record::Record;
use crate::settings::Settings;
use contact::Contact;
use pending::Late;
use targets::{Next, Targets};

pub use targets::State;

/// What a connection is called, from its beginning to its end, and nothing else is ever called.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum ConnectionId {
    /// One that the shell accepted, and numbered.
    Accepted(u64),
    /// One that was dialled because [`Output::Dial`] said so.
    Dialled(u64),
}

/// What happens.
#[derive(Clone, Copy, Debug)]
pub enum Input<'a> {
    /// A connection was accepted whose first byte says that it is PyP2P. The bytes read so far come as
    /// [`Input::Bytes`] next.
    Accepted {
        /// [`ConnectionId::Accepted`], with a number that was not used before.
        connection: ConnectionId,
        /// Where it comes from.
        addr: SocketAddr,
    },
    /// A dial succeeded.
    Connected {
        /// Which one.
        connection: ConnectionId,
    },
    /// A dial failed, or took too long: 10 s are enough.
    DialFailed {
        /// Which one.
        connection: ConnectionId,
    },
    /// These bytes came.
    Bytes {
        /// By which connection.
        connection: ConnectionId,
        /// As many as the shell likes to read at a time.
        bytes: &'a [u8],
    },
    /// The line that [`Output::Write`] gave last to this connection is written.
    Written {
        /// Which one.
        connection: ConnectionId,
    },
    /// Nothing more will come; lines may still be written.
    EndOfStream {
        /// By which connection.
        connection: ConnectionId,
    },
    /// The connection broke: nothing comes, and nothing can be written.
    Broken {
        /// Which one.
        connection: ConnectionId,
    },
    /// The rendezvous has registered us as this.
    Registered {
        /// Our address as it sees it, and our port.
        own: SocketAddr,
    },
    /// The rendezvous lists these peers.
    Discovered {
        /// The records.
        records: &'a [Record],
        /// Of which namespace alone; `None`: of all.
        namespace: Option<&'a str>,
    },
    /// Sends a text to one peer.
    Send {
        /// What it is called; made from random bytes, used once.
        msg_id: &'a MsgId,
        /// Whom it is for.
        to: &'a PeerId,
        /// The text.
        text: &'a str,
    },
    /// Sends a text to every peer that is connected, or to those of one namespace.
    Publish {
        /// What it is called; made from random bytes, used once.
        msg_id: &'a MsgId,
        /// Whom it is for.
        topic: &'a Topic,
        /// The text.
        text: &'a str,
    },
    /// Dials everybody who is listed and not connected, also those that were given up.
    Reconnect,
    /// Our own link with this peer, which replaced one of these connections ([`Output::Ours`]), is gone.
    Unlinked {
        /// Who it is.
        peer: &'a PeerId,
    },
    /// Says BYE to everybody and dials nobody any more; [`Contacts::is_done`] says when all is closed.
    Leave {
        /// Why.
        reason: &'a str,
    },
    /// Time has passed.
    Tick,
}

/// What follows, in order.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// Connect to `addr`, then say [`Input::Connected`] or [`Input::DialFailed`].
    Dial {
        /// What the connection will be called.
        connection: ConnectionId,
        /// Where it leads.
        addr: SocketAddr,
    },
    /// Write this line by itself, without delay, then say [`Input::Written`]. For each connection there
    /// is never more than one at a time.
    Write {
        /// To which connection.
        connection: ConnectionId,
        /// The line, with its newline.
        line: String,
    },
    /// Close the connection, after what is being written. Nothing is said of it any more.
    Close {
        /// Which one.
        connection: ConnectionId,
    },
    /// A peer is here.
    Appeared {
        /// Who.
        peer: PeerId,
        /// Where its connection leads.
        addr: SocketAddr,
    },
    /// A peer is gone: its last connection has ended.
    Gone {
        /// Who.
        peer: PeerId,
        /// How that connection ended.
        why: Ended,
    },
    /// A peer says something, for the first time.
    Said {
        /// Who.
        from: PeerId,
        /// Where the connection leads that it came by.
        addr: SocketAddr,
        /// What.
        said: Said,
    },
    /// A peer has this SEND.
    Acknowledged {
        /// Which one.
        msg_id: MsgId,
        /// Who.
        by: PeerId,
        /// Time since it first went out.
        after: Duration,
    },
    /// A SEND was tried for the last time and never acknowledged: it may have arrived or not.
    Unacknowledged {
        /// Which one.
        msg_id: MsgId,
        /// Whom it was for.
        to: PeerId,
    },
    /// A PUB is on its way.
    Published {
        /// Which one.
        msg_id: MsgId,
        /// To how many peers.
        peers: usize,
        /// Those to whom it is not, because too much waits for them already.
        left_out: Vec<PeerId>,
    },
    /// A PING and its PONG, or a SEND and its ACK, took this long.
    RoundTrip {
        /// With whom.
        peer: PeerId,
        /// How long.
        time: Duration,
    },
    /// The other side is a program of ours: where we are [`Role::Dialler`], the shell now connects to it by
    /// our own frames. This connection says BYE by itself and is no contact.
    Ours {
        /// Who it is.
        peer: PeerId,
        /// Where the connection leads.
        addr: SocketAddr,
        /// Who dialled.
        role: Role,
        /// Its member `lamparina`, as received: nothing in it is proved.
        lamparina: Map<String, Value>,
    },
    /// A dial failed.
    DialFailed {
        /// Whom it was for.
        peer: PeerId,
        /// How often in a row.
        failed: u32,
        /// It was the last one, until the peer registers itself again or [`Input::Reconnect`].
        given_up: bool,
    },
    /// Something for the log, thinned out.
    Noted {
        /// Whose connection, where the handshake is over.
        peer: Option<PeerId>,
        /// Where it leads.
        addr: SocketAddr,
        /// What.
        note: Note,
        /// How many notes there were of this connection.
        count: u64,
    },
}

/// A peer that is connected, or was a short while ago.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct View<'a> {
    /// Who.
    pub peer: &'a PeerId,
    /// Where its newest connection leads.
    pub addr: SocketAddr,
    /// Connections that it made.
    pub inbound: usize,
    /// Connections that we made.
    pub outbound: usize,
    /// When something came from it last.
    pub heard: Instant,
    /// The mean of the last round trips.
    pub round_trip: Option<Duration>,
    /// Whether a SEND to it has no ACK yet.
    pub waits: bool,
}

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

    fn send(
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

    fn publish(
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

    /// SENDs whose ACK is late go out again, on whatever connection there is (rules 12 and 20).
    fn resend(&mut self, now: Instant, out: &mut Vec<Output>) {
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
