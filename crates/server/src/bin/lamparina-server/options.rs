//! What may be asked of the program.

use std::path::PathBuf;

use clap::{ArgAction, Parser, Subcommand};
use lamparina_server::{logger, tail};
use tracing_subscriber::filter::LevelFilter;

use crate::access::AccessOptions;
use crate::limit_options::LimitOptions;
use crate::operate::Operate;

const EXAMPLES: &str = "\
Examples:
  lamparina-server                            listen on 127.0.0.1:5000, log to logs/server.log
  lamparina-server --listen 127.0.0.1:0       take a free port and print it
  lamparina-server --listen 0.0.0.0:5000      serve the network: links sealed, members by invite
  lamparina-server --udp 127.0.0.1:5000       serve links over UDP too, for bad lines
  lamparina-server --data /srv/chat           keep the order in /srv/chat/lamparina.db
  lamparina-server backup friday.db           copy the order of the running server, checked
  lamparina-server invite new --uses 3 --expires 7d
                                              let three people become members
  lamparina-server ban NICK --reason TEXT     send somebody away for good
  lamparina-server config example             a configuration file, with every setting in it
  lamparina-server config show --origin       what holds, and where it comes from
  lamparina-server --lab                      let clients try /channel loss=20%,delay=80ms

It prints one line `listening on ADDR` for each address once it accepts, and then one line
`listening on udp://ADDR` for each UDP address. SIGTERM or Ctrl-C ends it
with a goodbye to every client, a second one at once; SIGHUP opens the log file again and reads the
configuration again: limits and the log level change at once, other settings with the next start.
Under systemd it takes the sockets that it is passed instead of --listen and --udp, and says when it is ready
(docs/systemd).

Every option is a setting: `--per-address 64`, else LAMPARINA_PER_ADDRESS=64 in the environment,
else `per-address = 64` in the configuration file, else its default.

The order is kept in the data folder (lamparina.db), each message before anybody is told of it. One
server has a data folder at a time. Operators reach it through admin.sock there: invite, members,
who, kick, ban, unban. lamparina-log verifies, explains and exports it.

Exit codes:
  0  done: asked to end, and ended
  1  failed, or asked to end at once; stderr says why
  2  not started: an option, an argument or the configuration is wrong
  7  backup, restore: the order is not as it was written";

const BACKUP_EXAMPLES: &str = "\
Examples:
  lamparina-server backup friday.db
  lamparina-server backup friday.db --data /srv/chat --replace";

const RESTORE_EXAMPLES: &str = "\
Example:
  lamparina-server restore friday.db --data /srv/chat";

const CONFIG_EXAMPLES: &str = "\
Examples:
  lamparina-server config example > server.toml
  lamparina-server config check server.toml
  lamparina-server config show --origin";

const PASSWORD_EXAMPLES: &str = "\
Examples:
  lamparina-server password hash ana >> passwords
  lamparina-server --password-file passwords";

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
    /// UDP address to serve too; may be given again. Clients call udp://HOST:PORT, and go over to TCP
    /// at the same HOST:PORT where no datagrams pass. Port 0 takes that of --listen
    #[arg(
        long,
        value_name = "HOST:PORT",
        env = "LAMPARINA_UDP",
        value_delimiter = ',',
        value_parser = host_and_port
    )]
    pub(crate) udp: Vec<String>,
    /// Folder of the order and what is derived from it, made where it is missing; by default
    /// `lamparina` in the user's data folder (XDG_DATA_HOME, else ~/.local/share)
    #[arg(long, value_name = "DIR", env = "LAMPARINA_DATA", global = true)]
    pub(crate) data: Option<PathBuf>,
    /// Keep nothing on disk: the order ends with this server
    #[arg(long, env = "LAMPARINA_IN_MEMORY", value_name = "BOOL", default_value_t = false,
        default_missing_value = "true", num_args = 0..=1, require_equals = true, hide_default_value = true, action = ArgAction::Set)]
    pub(crate) in_memory: bool,
    /// Start although the newest entries of the order are missing, as its search file shows (that is
    /// kept beside it under another name). Nothing is done where none is missing
    #[arg(long, conflicts_with = "in_memory")]
    pub(crate) accept_shorter_log: bool,
    /// File to log to; missing folders are made
    #[arg(
        long,
        value_name = "FILE",
        default_value = "logs/server.log",
        env = "LAMPARINA_LOG_FILE"
    )]
    pub(crate) log_file: PathBuf,
    /// Log the texts of messages too
    #[arg(long, env = "LAMPARINA_LOG_TEXT", value_name = "BOOL", default_value_t = false,
        default_missing_value = "true", num_args = 0..=1, require_equals = true, hide_default_value = true, action = ArgAction::Set)]
    pub(crate) log_text: bool,
    /// Bytes after which the log file is rotated; 0 for never
    #[arg(long, env = "LAMPARINA_LOG_ROTATE", value_name = "BYTES", default_value_t = logger::ROTATE_BYTES)]
    pub(crate) log_rotate: u64,
    /// Rotated log files that are kept
    #[arg(long, env = "LAMPARINA_LOG_KEEP", value_name = "N", default_value_t = logger::ROTATED_KEPT)]
    pub(crate) log_keep: u32,
    /// How much is said on stderr: off, error, warn, info, debug or trace
    #[arg(long, env = "LAMPARINA_LOG", value_name = "LEVEL", default_value = "info", value_parser = level)]
    pub(crate) log_level: LevelFilter,
    /// Let clients make their own channel bad, with /channel
    #[arg(long, env = "LAMPARINA_LAB", value_name = "BOOL", default_value_t = false,
        default_missing_value = "true", num_args = 0..=1, require_equals = true, hide_default_value = true, action = ArgAction::Set)]
    pub(crate) lab: bool,
    /// Links in clear, for teaching and measuring: clients need --cleartext too
    #[arg(long, env = "LAMPARINA_CLEARTEXT", value_name = "BOOL", default_value_t = false,
        default_missing_value = "true", num_args = 0..=1, require_equals = true, hide_default_value = true, action = ArgAction::Set)]
    pub(crate) cleartext: bool,
    /// With --cleartext: also on addresses that other machines can reach, where everybody on the way
    /// can read and change what is said
    #[arg(long, requires_if("true", "cleartext"), env = "LAMPARINA_CLEARTEXT_ANYWHERE", value_name = "BOOL", default_value_t = false,
        default_missing_value = "true", num_args = 0..=1, require_equals = true, hide_default_value = true, action = ArgAction::Set)]
    pub(crate) cleartext_anywhere: bool,
    #[command(flatten)]
    pub(crate) access: AccessOptions,
    /// Memory of the newest messages, from which slow and returning clients are served, in MiB
    #[arg(long, env = "LAMPARINA_TAIL", value_name = "MIB", default_value_t = tail::TAIL_BYTES >> 20)]
    pub(crate) tail: usize,
    /// Threads that serve clients; by default one for each processor
    #[arg(long, env = "LAMPARINA_THREADS", value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) threads: Option<u16>,
    /// Hold this machine's own clients to the limits by address and by author too: behind a proxy on
    /// this machine all clients come from it
    #[arg(long, env = "LAMPARINA_COUNT_LOOPBACK", value_name = "BOOL", default_value_t = false,
        default_missing_value = "true", num_args = 0..=1, require_equals = true, hide_default_value = true, action = ArgAction::Set)]
    pub(crate) count_loopback: bool,
    #[command(flatten)]
    pub(crate) limits: LimitOptions,
    /// Configuration file (TOML); by default lamparina/server.toml in the user's configuration
    /// folder (XDG_CONFIG_HOME, else ~/.config), where there is one
    #[arg(long, value_name = "FILE", env = "LAMPARINA_CONFIG", global = true)]
    pub(crate) config: Option<PathBuf>,
}

/// What else this program does.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Copy the order, of a running server too, into one file
    ///
    /// The copy is of one moment, complete, and on the disk when this ends. It can be restored, or
    /// read with lamparina-log, like the original.
    #[command(after_help = BACKUP_EXAMPLES)]
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
    #[command(after_help = RESTORE_EXAMPLES)]
    Restore {
        /// The backup
        file: PathBuf,
    },
    /// Look at the configuration: what holds, and whether a file is right
    #[command(subcommand, after_help = CONFIG_EXAMPLES)]
    Config(ConfigCommand),
    #[command(flatten)]
    Operate(Operate),
    /// Lines for a password file
    #[command(subcommand, after_help = PASSWORD_EXAMPLES)]
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

/// What to do with the configuration.
#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Read a configuration file and say what is wrong in it
    Check {
        /// The file; by default the one that the server would read
        file: Option<PathBuf>,
    },
    /// Print every setting with its value
    Show {
        /// Say where each value comes from
        #[arg(long)]
        origin: bool,
    },
    /// Print a configuration file with every setting, each at its default
    Example,
}

fn level(text: &str) -> Result<LevelFilter, String> {
    text.parse()
        .map_err(|_error| "use off, error, warn, info, debug or trace".to_owned())
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
