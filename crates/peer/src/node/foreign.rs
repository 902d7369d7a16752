//! Peers that speak PyP2P: what they say enters the order, signed by this peer and marked as theirs; what the
//! program says goes out to them once it is stored; and those that turn out to be ours are dialled by our own
//! frames.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use lamparina_order::membership::{self, Source};
use lamparina_protocol::AuthorKey;
use lamparina_protocol::message::TEXT_BYTES_MAX;
use lamparina_protocol::nick::{Nick, RoomName};
use lamparina_protocol::peer::private::{self, PrivateRecipient, PrivateText};
use lamparina_protocol::peer::{Body, Foreign, MessageName, PeerName};
use lamparina_pyp2p::contacts::{ConnectionId, Contacts, Input, Output, View};
use lamparina_pyp2p::conversation::{Role, Said};
use lamparina_pyp2p::limits::CONTACTS_MAX;
use lamparina_pyp2p::registration::{self, Registration};
use lamparina_pyp2p::{MsgId, PeerId, Topic};
use tokio::sync::mpsc;
use zeroize::Zeroizing;

use super::Node;
use super::names::is_meant;
use super::request::Reply;
use crate::error::PeerError;
use crate::event::{Direction, Event, LinkLine, NamePattern, PeerLine, PeerState, Spoken};
use crate::foreign::{Beginning, ForeignWire, FromForeign, ask, dial};
use crate::store::StoredLine;

/// Own messages that are for foreign peers and not stored yet, at most.
const WAITING_MAX: usize = 1_024;

/// The other protocol's machines and connections.
#[derive(Debug)]
pub(super) struct Foreigners {
    pub(super) contacts: Contacts,
    pub(super) registration: Option<Registration>,
    /// `HOST:PORT` of the rendezvous.
    pub(super) server: String,
    pub(super) node: mpsc::Sender<FromForeign>,
    pub(super) wires: BTreeMap<ConnectionId, ForeignWire>,
    accepted: u64,
    /// Messages for some of them, until they are stored.
    waiting: BTreeMap<MessageName, Vec<PeerId>>,
    /// Who turned out to be ours where we dialled, by key; no more than there are contacts.
    ours: BTreeMap<AuthorKey, PeerId>,
    /// Who wants to know when the registration was taken back.
    unregister: Option<Reply<Result<(), PeerError>>>,
    /// The registration has ended.
    pub(super) is_unregistered: bool,
    /// What was said last that failed.
    failed: Option<String>,
}

impl Foreigners {
    pub(super) fn new(
        contacts: Contacts,
        registration: Option<Registration>,
        server: String,
        node: mpsc::Sender<FromForeign>,
    ) -> Self {
        Self {
            is_unregistered: registration.is_none(),
            contacts,
            registration,
            server,
            node,
            wires: BTreeMap::new(),
            accepted: 0,
            waiting: BTreeMap::new(),
            ours: BTreeMap::new(),
            unregister: None,
            failed: None,
        }
    }

    /// Nothing is connected, and nothing registered.
    pub(super) fn is_done(&self) -> bool {
        self.contacts.is_done() && self.is_unregistered
    }

    /// Whom a name means among those that are connected.
    pub(super) fn resolve(&self, pattern: &NamePattern) -> Vec<(PeerId, PeerName)> {
        let here = self.contacts.views().filter(is_here);
        let named = here.filter_map(|view| Some((view.peer.clone(), name_of(view.peer)?)));
        let no_key = AuthorKey([0; 32]);
        let keyed = matches!(pattern, NamePattern::Key(_));
        let meant = |(_, name): &(PeerId, PeerName)| !keyed && is_meant(pattern, &no_key, name);
        named.filter(meant).collect()
    }

    /// A message that will have this name is for these of them, too.
    pub(super) fn is_for(&mut self, name: MessageName, peers: Vec<PeerId>) {
        if !peers.is_empty() && self.waiting.len() < WAITING_MAX {
            self.waiting.insert(name, peers);
        }
    }

    /// Somebody says under a key to be ours. Who dials us may say so under any number of keys.
    fn is_ours(&mut self, key: AuthorKey, peer: PeerId, role: Role) {
        let is_known = self.ours.contains_key(&key);
        if role == Role::Dialler && (is_known || self.ours.len() < CONTACTS_MAX) {
            self.ours.insert(key, peer);
        }
    }

    /// Whom a message waits for.
    #[cfg(test)]
    pub(super) fn waits_for(&self, name: &MessageName) -> Option<&[PeerId]> {
        self.waiting.get(name).map(Vec::as_slice)
    }
}

fn is_here(view: &View<'_>) -> bool {
    view.inbound + view.outbound > 0
}

/// The name of a foreign peer, where it is one that we could have.
fn name_of(peer: &PeerId) -> Option<PeerName> {
    Some(PeerName {
        name: Nick::try_from(peer.name()).ok()?,
        namespace: RoomName::try_from(peer.namespace()).ok()?,
    })
}

impl Node {
    /// What the sockets tell.
    pub(super) fn foreign_tells(&mut self, from: FromForeign) {
        match from {
            FromForeign::Accepted(stream, addr, permit) => {
                let connection = ConnectionId::Accepted(self.foreign.accepted);
                self.foreign.accepted += 1;
                self.serve_foreign(connection, stream, addr, Some(permit));
                self.contacts(Input::Accepted { connection, addr });
            }
            FromForeign::Connected(connection, stream, addr) => {
                self.serve_foreign(connection, stream, addr, None);
                self.contacts(Input::Connected { connection });
            }
            FromForeign::NotDialled(connection) => self.contacts(Input::DialFailed { connection }),
            FromForeign::Came(connection, bytes) => {
                let bytes = &bytes[..];
                self.contacts(Input::Bytes { connection, bytes });
            }
            FromForeign::Written(connection) => self.contacts(Input::Written { connection }),
            FromForeign::Ended(connection) => self.contacts(Input::EndOfStream { connection }),
            FromForeign::Broken(connection) => self.contacts(Input::Broken { connection }),
            FromForeign::Reply(bytes) => self.registration(registration::Input::Reply(&bytes)),
            FromForeign::Unreachable => self.registration(registration::Input::Unreachable),
        }
    }

    fn serve_foreign(
        &mut self,
        connection: ConnectionId,
        stream: tokio::net::TcpStream,
        addr: SocketAddr,
        permit: Option<tokio::sync::OwnedSemaphorePermit>,
    ) {
        let wire = ForeignWire::serve(
            &self.runtime,
            connection,
            stream,
            permit,
            self.foreign.node.clone(),
            Beginning {
                number: self.common.numbers.next(),
                since: self.now(),
                addr,
            },
        );
        self.foreign.wires.insert(connection, wire);
    }

    /// Gives the contacts an input and does what they want.
    pub(super) fn contacts(&mut self, input: Input<'_>) {
        let (now, mut out) = (self.now(), Vec::new());
        if let Err(refusal) = self.foreign.contacts.handle(now, input, &mut out) {
            let text = format!("a PyP2P peer does not get this: {refusal}");
            self.warn("pyp2p_refused", text);
        }
        for output in out {
            self.do_contacts(output);
        }
    }

    fn do_contacts(&mut self, output: Output) {
        match output {
            Output::Dial { connection, addr } => {
                let node = self.foreign.node.clone();
                self.runtime.spawn(dial(connection, addr, node));
            }
            Output::Write { connection, line } => {
                if let Some(wire) = self.foreign.wires.get(&connection) {
                    wire.write(line);
                }
            }
            Output::Close { connection } => drop(self.foreign.wires.remove(&connection)),
            Output::Appeared { peer, .. } => {
                let line = self.foreign_line(&peer);
                self.tell(Event::Joined(line));
            }
            Output::Gone { peer, .. } => {
                let line = self.foreign_line(&peer);
                self.tell(Event::Left(line));
            }
            Output::Said { from, addr, said } => self.foreign_said(&from, addr, said),
            Output::Unacknowledged { to, .. } => {
                let text = format!("{to} never acknowledged a message: it may have come or not");
                self.warn("unacknowledged", text);
            }
            Output::Published { left_out, .. } => {
                for peer in left_out {
                    let text = format!("{peer} does not get a message: too much waits for it");
                    self.warn("pyp2p_full", text);
                }
            }
            Output::Ours {
                addr,
                role,
                lamparina,
                peer,
            } => self.turned_out_ours(peer, addr, role, &lamparina),
            Output::Noted {
                addr, note, count, ..
            } => tracing::debug!(%addr, count, "PyP2P: {note}"),
            Output::Acknowledged { .. } | Output::RoundTrip { .. } | Output::DialFailed { .. } => {}
        }
    }

    fn warn(&mut self, code: &'static str, text: String) {
        self.tell(Event::Warning { code, text });
    }

    /// A text of a foreign peer enters the order, signed by this peer.
    fn foreign_said(&mut self, from: &PeerId, addr: SocketAddr, said: Said) {
        if said.text.is_empty() || said.text.len() > TEXT_BYTES_MAX || self.leaving.is_some() {
            return;
        }
        let msg_id = said.msg_id.map_or_else(|| new_id().ok(), Some);
        let Some(msg_id) = msg_id else { return };
        let foreign = Foreign {
            peer_id: from.as_str().to_owned(),
            msg_id: msg_id.as_str().to_owned(),
            addr: Some(addr),
        };
        let body = match said.topic {
            None => self.for_us_alone(said.text),
            Some(Topic::All) => Ok(Body::All(said.text)),
            // A namespace that is no name of ours is one that none of us is in.
            Some(Topic::Namespace(namespace)) => Ok(match RoomName::try_from(&namespace[..]) {
                Ok(room) => Body::Room(room, said.text),
                Err(_) => Body::All(said.text),
            }),
        };
        let entered = body.and_then(|body| self.enter(body, Some(foreign)));
        if let Err(error) = entered {
            self.warn(
                "pyp2p_lost",
                format!("a message of {from} is lost: {error}"),
            );
        }
    }

    fn for_us_alone(&self, text: String) -> Result<Body, PeerError> {
        let to = vec![self.own.name.clone()];
        self.seal_for(Vec::new(), PrivateText { to, text })
    }

    /// Seals a text for some, and for this peer.
    pub(super) fn seal_for(
        &self,
        mut recipients: Vec<PrivateRecipient>,
        said: PrivateText,
    ) -> Result<Body, PeerError> {
        recipients.push(PrivateRecipient {
            author: self.reader.own,
            sealing: self.reader.sealing.public(),
        });
        let mut seed = Zeroizing::new([0; 32]);
        getrandom::fill(&mut *seed)?;
        let sealed = private::seal(&self.order.next_name(), &seed, &recipients, &said);
        sealed.map_err(|error| PeerError::Refused(error.to_string()))
    }

    /// An own message is stored: foreign peers that it is for get it.
    pub(super) fn pass_to_foreigners(&mut self, line: &StoredLine) {
        if line.via.is_some() {
            return;
        }
        let (Some(text), Ok(msg_id)) = (&line.text, new_id()) else {
            return;
        };
        let msg_id = &msg_id;
        match (line.to.first().map(String::as_str), &line.room) {
            (Some(room), Some(_)) => {
                let room = room.trim_start_matches('#').to_owned();
                let topic = &Topic::Namespace(room);
                self.contacts(Input::Publish {
                    msg_id,
                    topic,
                    text,
                });
            }
            (Some("ALL"), None) => {
                let topic = &Topic::All;
                self.contacts(Input::Publish {
                    msg_id,
                    topic,
                    text,
                });
            }
            _ => {
                let peers = self.foreign.waiting.remove(&line.key.name());
                for to in &peers.unwrap_or_default() {
                    self.contacts(Input::Send { msg_id, to, text });
                }
            }
        }
    }

    /// The other side is a program of ours: it is called by our own frames.
    fn turned_out_ours(
        &mut self,
        peer: PeerId,
        addr: SocketAddr,
        role: Role,
        said: &serde_json::Map<String, serde_json::Value>,
    ) {
        let key = said.get("key").and_then(|key| key.as_str());
        if let Some(key) = key.and_then(lamparina_keys::identity::unhex) {
            self.foreign.is_ours(AuthorKey(key), peer, role);
        }
        let port = said.get("port").and_then(serde_json::Value::as_u64);
        let port = port.and_then(|port| u16::try_from(port).ok());
        if let (Role::Dialler, Some(port @ 1..)) = (role, port) {
            let addr = SocketAddr::new(addr.ip(), port);
            let source = Source::Rendezvous;
            self.membership(membership::Input::Address { addr, source });
        }
    }

    /// A link by our own frames is gone: the rendezvous may be asked for its peer again.
    pub(super) fn foreign_unlinked(&mut self, key: &AuthorKey) {
        let linked = |wire: &super::Wire| wire.key == *key;
        if !self.wires.values().any(linked)
            && let Some(peer) = self.foreign.ours.remove(key)
        {
            self.contacts(Input::Unlinked { peer: &peer });
        }
    }

    /// Gives the registration an input and does what it wants.
    pub(super) fn registration(&mut self, input: registration::Input<'_>) {
        let (now, mut out) = (self.now(), Vec::new());
        if let Some(registration) = &mut self.foreign.registration {
            registration.handle(now, input, &mut out);
        }
        for output in out {
            self.do_registration(output);
        }
    }

    fn do_registration(&mut self, output: registration::Output) {
        use registration::Output as Out;
        match output {
            Out::Request(line) => {
                let (server, node) = (self.foreign.server.clone(), self.foreign.node.clone());
                self.runtime.spawn(ask(server, line, node));
            }
            Out::Registered { own, ttl } => {
                self.foreign.failed = None;
                tracing::info!(ttl, "registered at the rendezvous");
                if let Some(own) = own {
                    self.contacts(Input::Registered { own });
                }
            }
            Out::Discovered { records, namespace } => {
                self.foreign.failed = None;
                let (records, namespace) = (&records[..], namespace.as_deref());
                self.contacts(Input::Discovered { records, namespace });
            }
            Out::Refused { words } => self.warn("rendezvous_refused", words),
            Out::Failed { words, .. } => self.rendezvous_fails(words),
            Out::Blocked { words, wait } => {
                let seconds = wait.as_secs();
                self.rendezvous_fails(format!("{words}; it is left alone for {seconds} s"));
            }
            Out::Done { unregistered } => {
                self.foreign.is_unregistered = true;
                if let Some(reply) = self.foreign.unregister.take() {
                    let words = "the rendezvous did not take it back: it ends by itself";
                    // Who asked may have gone.
                    let _ = reply.send(match unregistered {
                        true => Ok(()),
                        false => Err(PeerError::Refused(words.to_owned())),
                    });
                }
            }
        }
    }

    /// Says once what fails in the same way again and again.
    fn rendezvous_fails(&mut self, words: String) {
        if self.foreign.failed.as_ref() != Some(&words) {
            let text = format!("rendezvous {}: {words}", self.foreign.server);
            self.foreign.failed = Some(words);
            self.warn("rendezvous_failed", text);
        }
    }

    /// The program wants the registration taken back.
    pub(super) fn unregister(&mut self, reply: Reply<Result<(), PeerError>>) {
        let refused = match &self.foreign.registration {
            None => Some("this peer registers nowhere: there is no `--rendezvous`"),
            Some(_) if self.foreign.is_unregistered => {
                Some("the registration was taken back already")
            }
            Some(_) => None,
        };
        if let Some(words) = refused {
            // Who asked may have gone.
            let _ = reply.send(Err(PeerError::Refused(words.to_owned())));
            return;
        }
        self.foreign.unregister = Some(reply);
        self.registration(registration::Input::Unregister);
    }

    pub(super) fn foreign_line(&self, peer: &PeerId) -> PeerLine {
        let view = self.foreign.contacts.views().find(|view| view.peer == peer);
        let here = view.as_ref().is_some_and(is_here);
        PeerLine {
            key: None,
            name: name_of(peer),
            foreign: Some(peer.as_str().to_owned()),
            addrs: view.iter().map(|view| view.addr).collect(),
            state: if here {
                PeerState::Active
            } else {
                PeerState::Stale
            },
            id: None,
            last_seen_at: view.as_ref().map(|view| self.wall_at(view.heard)),
            successes: 0,
            failures: 0,
            rtt_mean: view.as_ref().and_then(|view| view.round_trip),
            rtt_last: None,
            is_coordinator: false,
            own: false,
        }
    }

    /// All of them that are connected, or were a short while ago.
    pub(super) fn foreign_lines(&self) -> Vec<PeerLine> {
        let views = self.foreign.contacts.views();
        views.map(|view| self.foreign_line(view.peer)).collect()
    }

    /// Their connections.
    pub(super) fn foreign_links(&self) -> Vec<LinkLine> {
        let views: Vec<View<'_>> = self.foreign.contacts.views().collect();
        let line = |(connection, wire): (&ConnectionId, &ForeignWire)| {
            // A peer's newest connection is known by where it leads.
            let view = views.iter().find(|view| view.addr == wire.addr);
            LinkLine {
                number: wire.number,
                direction: match connection {
                    ConnectionId::Accepted(_) => Direction::Inbound,
                    ConnectionId::Dialled(_) => Direction::Outbound,
                },
                spoken: Spoken::Pyp2p,
                addr: wire.addr,
                key: None,
                name: view.map(|view| view.peer.as_str().to_owned()),
                since: self.wall_at(wire.since),
                rtt: view.and_then(|view| view.round_trip),
                sent_bytes: 0,
                received_bytes: 0,
            }
        };
        self.foreign.wires.iter().map(line).collect()
    }
}

fn new_id() -> Result<MsgId, getrandom::Error> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)?;
    Ok(MsgId::from_random(bytes))
}

#[cfg(test)]
mod tests {
    use super::super::testing::Held;
    use super::*;

    #[tokio::test]
    async fn who_says_to_be_ours_is_kept_where_we_dialled_and_bounded() {
        let mut held = Held::open().await;
        let node = &mut held.node;
        let addr = "192.0.2.9:4200".parse().unwrap();
        for (role, kept) in [(Role::Acceptor, 0), (Role::Dialler, CONTACTS_MAX)] {
            for number in 0..=CONTACTS_MAX {
                let said = [("key".to_owned(), format!("{number:064x}").into())];
                let peer = PeerId::received("eva@lab").unwrap();
                node.turned_out_ours(peer, addr, role, &said.into_iter().collect());
            }
            assert_eq!(node.foreign.ours.len(), kept, "{role:?}");
        }
    }
}
