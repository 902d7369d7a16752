//! What may be asked of the program.

use std::path::PathBuf;

use crate::access::AccessOptions;
use crate::operate::Operate;
use clap::{Parser, Subcommand};
use lamparina_server::{limits, logger, tail};

const EXAMPLES: &str = "\
Examples:
  lamparina-server                            listen on 127.0.0.1:5000, log to logs/server.log
  lamparina-server --listen 127.0.0.1:0       take a free port and print it
  lamparina-server --listen 0.0.0.0:5000 --cleartext
                                              serve the network; links are not sealed yet
  lamparina-server --data /srv/chat           keep the order in /srv/chat/lamparina.db
  lamparina-server backup friday.db           copy the order of the running server, checked
  lamparina-server invite new --uses 3 --expires 7d
                                              let three people become members
  lamparina-server ban NICK --reason TEXT     send somebody away for good
  lamparina-server --lab                      let clients try /channel loss=20%,delay=80ms

It prints one line `listening on ADDR` for each address once it accepts. SIGTERM or Ctrl-C ends it
with a goodbye to every client, a second one at once; SIGHUP opens the log file again.

The order is kept in the data folder (lamparina.db), each message before anybody is told of it. One
server has a data folder at a time. Operators reach it through admin.sock there: invite, members, who,
kick, ban, unban. lamparina-log verifies, explains and exports it.

Exit codes:
  0  done: asked to end, and ended
  1  failed, or asked to end at once; stderr says why
  2  not started: an option or an argument is wrong
  7  backup, restore: the order is not as it was written";

/// Chat in which every message has one place in an order that everybody can check.
#[derive(Debug, Parser)]
#[command(version, after_help = EXAMPLES, args_conflicts_with_subcommands = false)]
pub(crate) struct Options {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    /// Address to listen on; may be given again. Port 0 takes a free one
    #[arg(
        long,
        value_name = "HOST:PORT",
        default_value = "127.0.0.1:5000",
        env = "LAMPARINA_LISTEN",
        value_delimiter = ',',
        value_parser = host_and_port
    )]
    pub(crate) listen: Vec<String>,
    /// Folder of the order and what is derived from it, made where it is missing; by default
    /// `lamparina` in the user's data folder (XDG_DATA_HOME, else ~/.local/share)
    #[arg(long, value_name = "DIR", env = "LAMPARINA_DATA", global = true)]
    pub(crate) data: Option<PathBuf>,
    /// Keep nothing on disk: the order ends with this server
    #[arg(long, conflicts_with = "data")]
    pub(crate) in_memory: bool,
    /// File to log to; missing folders are made
    #[arg(
        long,
        value_name = "FILE",
        default_value = "logs/server.log",
        env = "LAMPARINA_LOG_FILE"
    )]
    pub(crate) log_file: PathBuf,
    /// Log the texts of messages too
    #[arg(long)]
    pub(crate) log_text: bool,
    /// Bytes after which the log file is rotated; 0 for never
    #[arg(long, value_name = "BYTES", default_value_t = logger::ROTATE_BYTES)]
    pub(crate) log_rotate: u64,
    /// Rotated log files that are kept
    #[arg(long, value_name = "N", default_value_t = logger::ROTATED_KEPT)]
    pub(crate) log_keep: u32,
    /// Let clients make their own channel bad, with /channel
    #[arg(long)]
    pub(crate) lab: bool,
    /// Serve addresses that other machines can reach, although links are not sealed yet
    #[arg(long)]
    pub(crate) cleartext: bool,
    #[command(flatten)]
    pub(crate) access: AccessOptions,
    /// Connections at a time
    #[arg(long, value_name = "N", default_value_t = limits::CONNECTIONS_MAX)]
    pub(crate) connections: usize,
    /// Connections at a time from one address; this machine's own are not counted
    #[arg(long, value_name = "N", default_value_t = limits::CONNECTIONS_PER_ADDRESS_MAX)]
    pub(crate) per_address: usize,
    /// Memory of the newest messages, from which slow and returning clients are served, in MiB
    #[arg(long, value_name = "MIB", default_value_t = tail::TAIL_BYTES >> 20)]
    pub(crate) tail: usize,
    /// Threads that serve clients; by default one for each processor
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) threads: Option<u16>,
}

/// What else this program does.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Copy the order, of a running server too, into one file
    ///
    /// The copy is of one moment, complete, and on the disk when this ends. It can be restored, or
    /// read with lamparina-log, like the original.
    Backup {
        /// Where to; a file that exists is left alone unless --replace
        file: PathBuf,
        /// Replace a file that exists
        #[arg(long)]
        replace: bool,
    },
    /// Put the order of a backup in the place of the present one
    ///
    /// The server must not run. The backup is verified first; what was there before is kept beside
    /// it under another name. Clients that had been told more than the backup holds are told so.
    Restore {
        /// The backup
        file: PathBuf,
    },
    #[command(flatten)]
    Operate(Operate),
    /// Lines for a password file
    #[command(subcommand)]
    Password(Password),
}

/// Lines for a password file.
#[derive(Debug, Subcommand)]
pub(crate) enum Password {
    /// Read a password (asked for on a terminal, else from stdin) and print its line
    Hash {
        /// The nick that it is for
        nick: String,
    },
}

/// Whether a text is a host and a port; whether the host exists is found out later.
fn host_and_port(text: &str) -> Result<String, String> {
    let well_formed = text.rsplit_once(':').is_some_and(|(host, port)| {
        let bare = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'));
        let is_host = match bare {
            Some(v6) => v6.parse::<std::net::Ipv6Addr>().is_ok(),
            None => !host.is_empty() && !host.contains(':'),
        };
        is_host && port.parse::<u16>().is_ok()
    });
    if well_formed {
        Ok(text.to_owned())
    } else {
        Err(
            "give HOST:PORT, as in 127.0.0.1:5000 or [::1]:5000; port 0 takes a free one"
                .to_owned(),
        )
    }
}
