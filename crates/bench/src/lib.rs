//! Measures the Lamparina server on loopback beside a raw baseline, both as processes of their
//! own, in alternation, under the same load. A run in which anything is lost fails.
//!
//! # Map, along the data flow
//!
//! | module | does |
//! |---|---|
//! | `args`, `cases` | the command line; pairs of rounds and their result |
//! | `child`, `folder`, `disk` | a server process; where it keeps its data; how fast that is |
//! | `host`, `proc` | cores and limits; what Linux says of a process |
//! | `raw_server` | the baseline, in hidden roles of this program |
//! | `peers` | peers without a server, and their baseline, in hidden roles of this program |
//! | `load` | the loads: saturate (fanout, roomchat), pingpong, idle, durable (and startup's) |
//! | `flock`, `wire`, `mark` | many connections on one thread; the two protocols; what a text carries |
//! | `histogram`, `report` | figures |
//!
//! # Known limitations
//!
//! Load and server share one machine; with fewer than two cores they share one core. Under
//! saturation the latency is mostly that of the window. Kernel memory of sockets is not counted.
//! Figures of a disk are those of a file that grows, on a file system that others use as well.

mod args;
mod cases;
mod child;
mod disk;
mod flock;
mod folder;
mod histogram;
mod host;
mod load;
mod mark;
mod peers;
mod proc;
mod raw_server;
mod report;
mod wire;

use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::ExitCode;

use clap::Parser;

use crate::raw_server::RawServer;

/// The program: reads the command line, measures, prints. Exit code 1 when a run is worth nothing.
pub fn main() -> ExitCode {
    let cli = args::Cli::parse();
    let done = match cli.case {
        args::Case::PeerNode { folder, index } => host::end_with_parent()
            .map_err(|error| error.to_string())
            .and_then(|()| peers::serve_node(&folder, index)),
        args::Case::PlainNode => host::end_with_parent()
            .map_err(|error| error.to_string())
            .and_then(|()| peers::serve_plain()),
        args::Case::RawServer => serve_raw(None).map_err(|error| error.to_string()),
        args::Case::RawDurable { file, copies } => {
            serve_raw(Some((&file, copies))).map_err(|error| error.to_string())
        }
        case => cases::run(case).map_err(|fault| fault.to_string()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(text) => {
            eprintln!("lamparina-bench: {text}");
            ExitCode::FAILURE
        }
    }
}

/// The hidden roles. They end with the program that started them. `kept`: in which file, and whether
/// the others get it as well.
fn serve_raw(kept: Option<(&Path, bool)>) -> std::io::Result<()> {
    host::end_with_parent()?;
    host::raise_open_files();
    let mut server = RawServer::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
    if let Some((file, copies)) = kept {
        server.keep(file, copies)?;
    }
    println!("{}{}", child::LISTENING, server.addr()?);
    std::io::stdout().flush()?;
    server.run()
}
