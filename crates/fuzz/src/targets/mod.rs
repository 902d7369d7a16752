//! What is read from outside, and what must hold for any input. A target panics where it does not.

mod captures;
mod clean;
mod codec;
mod commands;
mod control;
mod datagrams;
mod directory;
mod frames;
mod handshake;
mod impair;
mod journal;
mod known_servers;
mod link;
mod nick;
mod packet_ack;
mod peers;
mod pyp2p;
mod reassembly;
mod rows;
mod sealed;
mod server_log;

pub use captures::captures;
pub use clean::clean;
pub use codec::codec;
pub use commands::commands;
pub use control::control;
pub use datagrams::{datagram_handshake, datagram_pairs, datagrams};
pub use directory::directory;
pub use frames::frames;
pub use handshake::handshake;
pub use impair::impair;
pub use journal::journal;
pub use known_servers::known_servers;
pub use link::link;
pub use nick::nick;
pub use packet_ack::packet_ack;
pub use peers::peers;
pub use pyp2p::pyp2p;
pub use reassembly::reassembly;
pub use rows::rows;
pub use sealed::sealed;
pub use server_log::server_log;

/// One reader.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// What it is called on the command line; its corpus has the same name.
    pub name: &'static str,
    /// What it reads.
    pub reads: &'static str,
    /// Asserts what must hold.
    pub run: fn(&[u8]),
    /// Inputs that a corpus begins with.
    pub seeds: fn() -> Vec<Vec<u8>>,
    /// Bytes of an input, at most.
    pub bytes_max: usize,
    /// One execution costs about as much as this many of the cheapest; as many times fewer are made.
    pub cost: u64,
}

/// Inputs that the corpora begin with, by the name of their target.
mod seeds {
    pub(super) use super::captures::seeds as captures;
    pub(super) use super::clean::seeds as clean;
    pub(super) use super::codec::seeds as codec;
    pub(super) use super::commands::seeds as commands;
    pub(super) use super::control::seeds as control;
    pub(super) use super::datagrams::seeds::handshake as datagram_handshake;
    pub(super) use super::datagrams::seeds::open as datagrams;
    pub(super) use super::datagrams::seeds::pairs as datagram_pairs;
    pub(super) use super::directory::seeds as directory;
    pub(super) use super::frames::seeds as frames;
    pub(super) use super::handshake::seeds as handshake;
    pub(super) use super::impair::seeds as impair;
    pub(super) use super::journal::seeds as journal;
    pub(super) use super::known_servers::seeds as known_servers;
    pub(super) use super::link::seeds as link;
    pub(super) use super::nick::seeds as nick;
    pub(super) use super::packet_ack::seeds as packet_ack;
    pub(super) use super::peers::seeds as peers;
    pub(super) use super::pyp2p::seeds as pyp2p;
    pub(super) use super::reassembly::seeds as reassembly;
    pub(super) use super::rows::seeds as rows;
    pub(super) use super::sealed::seeds as sealed;
    pub(super) use super::server_log::seeds as server_log;
}

macro_rules! targets {
    ($($name:ident: $reads:literal, $bytes_max:literal bytes, cost $cost:literal;)*) => {
        /// Every target, by name.
        pub const ALL: &[Target] = &[$(Target {
            name: stringify!($name),
            reads: $reads,
            run: $name,
            seeds: seeds::$name,
            bytes_max: $bytes_max,
            cost: $cost,
        },)*];
    };
}

targets! {
    captures: "clients' --json output, as lamparina-log reads it", 4_096 bytes, cost 50;
    clean: "remote text for a terminal", 512 bytes, cost 1;
    codec: "messages inside frames", 2_048 bytes, cost 1;
    commands: "typed and piped lines", 1_024 bytes, cost 1;
    control: "payloads of control frames", 1_200 bytes, cost 1;
    datagram_handshake: "a link over datagrams that opens, with a stranger or a hostile peer", 1_024 bytes, cost 60;
    datagram_pairs: "two links over datagrams with somebody between them", 1_024 bytes, cost 100;
    datagrams: "an open link over datagrams with a stranger or a hostile peer", 1_024 bytes, cost 100;
    directory: "requests to a PyP2P rendezvous, and its file", 1_024 bytes, cost 20;
    frames: "frames of a stream", 2_048 bytes, cost 2;
    handshake: "a link that opens, over a bad channel or with a hostile peer", 1_024 bytes, cost 10;
    impair: "settings of a bad channel", 512 bytes, cost 1;
    journal: "a journal's file, changed anywhere", 256 bytes, cost 1_000;
    known_servers: "the file of known servers, and fingerprints", 1_024 bytes, cost 1;
    link: "an open link with a hostile peer", 1_024 bytes, cost 10;
    nick: "nicks and room names", 96 bytes, cost 1;
    packet_ack: "acknowledgements of datagrams, and those that belong to no link", 1_024 bytes, cost 1;
    peers: "what peers without a server say", 2_048 bytes, cost 20;
    pyp2p: "lines of PyP2P peers", 1_024 bytes, cost 20;
    reassembly: "fragments of messages", 512 bytes, cost 1;
    rows: "rows of a journal", 512 bytes, cost 1;
    sealed: "a sealed link with an attacker on the way", 1_024 bytes, cost 250;
    server_log: "lines of a server's log", 1_024 bytes, cost 1;
}
