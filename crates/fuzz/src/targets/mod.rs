//! What is read from outside, and what must hold for any input. A target panics where it does not.

mod captures;
mod clean;
mod codec;
mod commands;
mod control;
mod frames;
mod handshake;
mod impair;
mod journal;
mod link;
mod nick;
mod reassembly;
mod rows;
mod server_log;

pub use captures::captures;
pub use clean::clean;
pub use codec::codec;
pub use commands::commands;
pub use control::control;
pub use frames::frames;
pub use handshake::handshake;
pub use impair::impair;
pub use journal::journal;
pub use link::link;
pub use nick::nick;
pub use reassembly::reassembly;
pub use rows::rows;
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

macro_rules! targets {
    ($($name:ident: $reads:literal, $bytes_max:literal bytes, cost $cost:literal;)*) => {
        /// Every target, by name.
        pub const ALL: &[Target] = &[$(Target {
            name: stringify!($name),
            reads: $reads,
            run: $name,
            seeds: $name::seeds,
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
    frames: "frames of a stream", 2_048 bytes, cost 2;
    handshake: "a link that opens, over a bad channel or with a hostile peer", 1_024 bytes, cost 10;
    impair: "settings of a bad channel", 512 bytes, cost 1;
    journal: "a journal's file, changed anywhere", 256 bytes, cost 1_000;
    link: "an open link with a hostile peer", 1_024 bytes, cost 10;
    nick: "nicks and room names", 96 bytes, cost 1;
    reassembly: "fragments of messages", 512 bytes, cost 1;
    rows: "rows of a journal", 512 bytes, cost 1;
    server_log: "lines of a server's log", 1_024 bytes, cost 1;
}
