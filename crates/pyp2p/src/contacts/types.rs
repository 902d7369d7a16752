//! What contacts are told, and what they say.

use std::net::SocketAddr;
use std::time::Duration;

use lamparina_protocol::Instant;
use serde_json::{Map, Value};

use crate::conversation::{Ended, Note, Role, Said};
use crate::ids::{MsgId, PeerId};
use crate::message::Topic;
use crate::record::Record;

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
    /// Says BYE to everybody and dials nobody any more; [`is_done`](super::Contacts::is_done) says when all is closed.
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
