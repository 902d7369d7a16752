//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::mark::MARK_BYTES;

const EXAMPLES: &str = "\
Examples:
  lamparina-bench fanout
  lamparina-bench fanout --subscribers 1000 --size 512 --rounds 5
  lamparina-bench roomchat --clients 20 --seconds 4
  lamparina-bench pingpong --json
  lamparina-bench idle --connections 15000
  lamparina-bench fanout --cleartext --ours-only
  lamparina-bench handshakes
  lamparina-bench all
  lamparina-bench durable
  lamparina-bench durable --sparse --data-in /srv
  lamparina-bench durable --fanout 100
  lamparina-bench stalled
  lamparina-bench startup --messages 10000000
  lamparina-bench peers

What the figures mean:
  deliveries/s   messages received by all recipients together, per second
  ns/delivery    the server's own CPU time (user and system) for each of them; its
                 logger, a process of its own, is stated apart
  cpu s/M        the same: CPU seconds per million deliveries
  p50 p99 p99.9  time from sending to receiving, one delivery in 64 looked at; under
                 saturation it is mostly waiting in the window
  server, load   how busy each side's core was; the one near 100 % is the limit
  of raw         lamparina's figure divided by raw's, median of the rounds' pairs
  commits/s      messages whose author was told that they are on disk, per second
  ns/commit      CPU time for each, the server's and (load ns) the load's; what the kernel
                 does for the disk on threads of its own is in neither
  p50 .. of them time from sending to the commit, of every message
  sync us        what the disk alone took just before, for one such append and its sync:
                 where it differs between rounds, others were writing too
  KiB each       the server's resident memory for each connection (kernel buffers are
                 not in it)

The raw server is this program in another role: it copies length-prefixed frames to all
other connections with large reads and coalesced writes, and does nothing else. Both
servers are processes of their own, started afresh for every round, in alternation.
With our protocol every delivery is checked for place, stamp and `prev`, one in 64 also
for checksum and text. A run in which anything is lost or out of order fails.

For `durable` the raw server appends the frames to one plain file, syncs once for all
that came in a turn of its loop (fdatasync), and only then answers each with 8 bytes.
For `stalled` rounds without and with the client that does not read alternate; the result
is the others' p99 with it divided by that without, and the memory it adds.
For `peers` the baseline's processes copy length-prefixed frames to each other and do nothing
else: no order, no signatures, no seal, no disk. `per core` divides by the CPU time of all of
them, `sent bytes` counts what they wrote to all links.
For `startup` all that was committed must be known again, also after kill -9.";

/// Measures the Lamparina server on loopback, beside a raw baseline on the same machine.
#[derive(Debug, Parser)]
#[command(name = "lamparina-bench", version, after_help = EXAMPLES)]
pub(crate) struct Cli {
    /// What to measure.
    #[command(subcommand)]
    pub(crate) case: Case,
}

/// What to measure.
#[derive(Debug, Subcommand)]
pub(crate) enum Case {
    /// One publisher, many subscribers.
    Fanout {
        /// Connections that receive.
        #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=10_000))]
        subscribers: u16,
        #[command(flatten)]
        common: Common,
    },
    /// Everybody talks to everybody.
    Roomchat {
        /// Connections, all of which send and receive.
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u16).range(2..=2_000))]
        clients: u16,
        #[command(flatten)]
        common: Common,
    },
    /// One message between two clients: the round trip.
    Pingpong {
        #[command(flatten)]
        common: Common,
    },
    /// Many connections that say nothing: memory.
    Idle {
        /// Connections.
        #[arg(long, default_value_t = 5_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
        connections: u32,
        #[command(flatten)]
        common: Common,
    },
    /// Connections that shake hands and go: how many in a second of the server's core.
    Handshakes {
        /// Connections in a round.
        #[arg(long, default_value_t = 4_000, value_parser = clap::value_parser!(u32).range(1..=20_000))]
        connections: u32,
        #[command(flatten)]
        common: Common,
    },
    /// Messages that are answered once they are on disk: commits in a second, and their time.
    Durable {
        #[command(flatten)]
        durable: DurableOptions,
        #[command(flatten)]
        common: Common,
    },
    /// One client that does not read, among many: what it costs the server and the others.
    Stalled {
        #[command(flatten)]
        stalled: StalledOptions,
        #[command(flatten)]
        common: Common,
    },
    /// The time from starting a server with much on disk until it listens.
    Startup {
        #[command(flatten)]
        startup: StartupOptions,
        #[command(flatten)]
        common: Common,
    },
    /// Peers without a server: everybody talks; and two halves that meet again.
    Peers {
        #[command(flatten)]
        peers: PeersOptions,
        #[command(flatten)]
        common: Common,
    },
    /// Fanout, roomchat, pingpong and idle, shortly.
    All {
        #[command(flatten)]
        common: Common,
    },
    /// One of our peers, in a process of its own.
    #[command(hide = true)]
    PeerNode {
        /// Where it keeps its messages.
        folder: PathBuf,
        /// Which one it is.
        index: u16,
    },
    /// One of the baseline's peers.
    #[command(hide = true)]
    PlainNode,
    /// The baseline's own process.
    #[command(hide = true)]
    RawServer,
    /// The baseline's own process when it keeps what it is sent.
    #[command(hide = true)]
    RawDurable {
        /// A new file.
        file: PathBuf,
        /// Copies the frames to the others as well.
        #[arg(long)]
        copies: bool,
    },
}

/// What `durable` measures.
#[derive(Clone, Debug, Args)]
pub(crate) struct DurableOptions {
    /// Connections that send.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=1_000))]
    pub(crate) authors: u16,
    /// Messages of one author that wait for their commit, at most.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=16_000))]
    pub(crate) window_each: u32,
    /// Connections that receive everything; with none, all is for one who is not there.
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u16).range(0..=10_000))]
    pub(crate) fanout: u16,
    /// One author, one message at a time.
    #[arg(long, conflicts_with_all = ["authors", "window_each", "fanout"])]
    pub(crate) sparse: bool,
    /// A folder on the disk to be measured [default: the folder for temporary files].
    #[arg(long, value_name = "DIR")]
    pub(crate) data_in: Option<PathBuf>,
}

/// What `stalled` measures.
#[derive(Clone, Debug, Args)]
pub(crate) struct StalledOptions {
    /// Connections, the one that stands still among them.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u16).range(3..=10_000))]
    pub(crate) clients: u16,
    /// Messages a second, each to all.
    #[arg(long, default_value_t = 40, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    pub(crate) rate: u16,
}

/// What `peers` measures.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct PeersOptions {
    /// Peers, each linked to all others.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u16).range(2..=16))]
    pub(crate) peers: u16,
    /// Messages that each of them says.
    #[arg(long, default_value_t = 2_000, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    pub(crate) messages: u64,
    /// Messages on each side before two that went on alone meet.
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    pub(crate) heal: u64,
}

/// What `startup` measures.
#[derive(Clone, Debug, Args)]
pub(crate) struct StartupOptions {
    /// Messages on disk.
    #[arg(long, default_value_t = 10_000_000, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) messages: u64,
    /// Messages more before each crash.
    #[arg(long, default_value_t = 100_000)]
    pub(crate) crash_after: u64,
    /// Connections that send them.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=1_000))]
    pub(crate) authors: u16,
    /// Messages of one author that wait for their commit, at most.
    #[arg(long, default_value_t = 1_024, value_parser = clap::value_parser!(u32).range(1..=16_000))]
    pub(crate) window_each: u32,
    /// Has the kernel forget the files before each start, as after a reboot.
    #[arg(long)]
    pub(crate) cold: bool,
    /// A folder on the disk to be measured [default: the folder for temporary files].
    #[arg(long, value_name = "DIR")]
    pub(crate) data_in: Option<PathBuf>,
}

/// What all cases share.
#[derive(Clone, Debug, Args)]
pub(crate) struct Common {
    /// Pairs of rounds, raw and lamparina in alternation [default: 3; idle and all: 1].
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub(crate) rounds: Option<u32>,
    /// Seconds measured in a round [default: 2; all: 1].
    #[arg(long)]
    pub(crate) seconds: Option<f64>,
    /// Bytes of a message's text.
    #[arg(long, default_value_t = 128, value_parser = clap::value_parser!(u16).range(MARK_BYTES as i64..=7_900))]
    pub(crate) size: u16,
    /// Messages in flight, at most: sent and not yet received by the slowest recipient.
    #[arg(long, default_value_t = 2_048)]
    pub(crate) window: u32,
    /// Measures the raw server only.
    #[arg(long, conflicts_with = "ours_only")]
    pub(crate) raw_only: bool,
    /// Measures the Lamparina server only.
    #[arg(long)]
    pub(crate) ours_only: bool,
    /// Links in clear, as they are always with durable and startup.
    #[arg(long)]
    pub(crate) cleartext: bool,
    /// Prints a JSON object for each round and for the result as well.
    #[arg(long)]
    pub(crate) json: bool,
    /// Leaves server and load to all cores instead of one for each.
    #[arg(long)]
    pub(crate) unpinned: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn options_of_every_case_fit_together() {
        Cli::command().debug_assert();
        let told = Cli::try_parse_from(["lamparina-bench", "durable", "--sparse", "--fanout", "3"]);
        assert!(told.unwrap_err().to_string().contains("cannot be used"));
    }
}
