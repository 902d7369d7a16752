//! Real processes over loopback, each test with a server and folders of its own.
//!
//! Nothing here depends on how fast anything is: a condition is waited for, with a bound that only
//! a fault reaches, and what was seen until then is printed. Ports are always 0; every process is
//! killed by its handle when its owner is dropped.
//!
//! | module | holds |
//! |---|---|
//! | [`programs`] | the binaries, built once |
//! | [`folder`] | a folder of one test |
//! | [`process`] | a process, what it said, its signals |
//! | [`transcript`] | lines as they came, and waiting for more of them |
//! | [`server`] | a server and its logger |
//! | [`client`] | a client in JSON lines |
//! | [`peer`] | a peer without a server, in JSON lines |
//! | [`crash`] | a server that is killed under load |
//! | [`log`] | `logs/server.log`, read from its documented form alone |
//! | [`order`] | the promises of one order, checked over what clients printed |
//! | [`raw`] | single frames on a socket, right and wrong ones |
//! | [`light`] | a bare link with a nick: a client of a few KiB |
//! | [`proxy`] | a TCP proxy that drops its connections when told |
//! | [`stranger`] | a scripted program that speaks PyP2P |
//! | [`udp_relay`] | a relay of datagrams with ports of its own: a NAT, a bad line, a thief |
//! | [`netns`] | two machines: network namespaces with a line between them |
//! | [`lan`] | several machines on one network, which may part |
//! | [`readme`] | the commands that the README gives |
#![allow(clippy::unwrap_used, reason = "the helpers of tests are tests")]

use std::time::Duration;

pub mod client;
pub mod crash;
pub mod folder;
pub mod lan;
pub mod light;
pub mod log;
pub mod netns;
pub mod order;
pub mod peer;
pub mod process;
pub mod programs;
pub mod proxy;
pub mod raw;
pub mod readme;
pub mod server;
pub mod stranger;
pub mod transcript;
pub mod udp_relay;

pub use client::{Client, ClientStart};
pub use folder::Folder;
pub use peer::{Peer, PeerStart};
pub use server::Server;

/// How long a condition is waited for. Only a fault reaches it.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// Between two looks at what cannot announce itself (a file, a process).
pub const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(10);

/// Waits until `look` finds what it looks for; panics with `what` when it never does.
#[track_caller]
pub fn wait_for<T>(what: &str, look: impl FnMut() -> Option<T>) -> T {
    try_wait_for(look).unwrap_or_else(|| panic!("waited in vain: {what}"))
}

/// Waits until `look` finds what it looks for; `None` when it never does.
pub fn try_wait_for<T>(mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let begun = std::time::Instant::now();
    while begun.elapsed() < PATIENCE {
        let found = look();
        if found.is_some() {
            return found;
        }
        std::thread::sleep(LOOK_AGAIN_AFTER);
    }
    None
}
