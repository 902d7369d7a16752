//! The command line. An address always holds a colon; anything else is a command.

use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};
use lamparina_console::logging::LogLevel;
use lamparina_impair::Settings;
use lamparina_protocol::datagram::Profile;
use lamparina_protocol::link::Repair;
use lamparina_protocol::{Fingerprint, Nick};

use crate::core::carrier::Carrier;
use crate::profile::ProfileName;

/// Where a server is looked for when nobody says where.
pub(super) const DEFAULT_SERVER: &str = "127.0.0.1:5000";

/// How often the link can be looked at.
const WATCH_EVERY: RangeInclusive<Duration> =
    Duration::from_millis(50)..=Duration::from_secs(86_400);

const EXAMPLES: &str = "\
Examples:
  lamparina-client --name ana                        talk at 127.0.0.1:5000
  lamparina-client chat.example:5000 --name ana      talk there
  lamparina-client udp://chat.example:5000 --name ana
                                                     the same over a bad line; over TCP where no
                                                     datagrams pass
  lamparina-client chat.example:5000 --name ana --invite K7Q2M-...
                                                     become a member there, by an invite
  printf 'MSG:bob:hello\\n' | lamparina-client --name ana
                                                     say it, wait until it has its place, leave
  lamparina-client --name ana --json                 one JSON object a line, for programs
  lamparina-client --name ana --impair 'loss=20%,delay=80ms,seed=7'
                                                     over a bad channel: see /link
  lamparina-client --name ana --watch-link           see the link at work, until q
  lamparina-client --name ana --json --watch-link=5  a `link` event every 5 s among the others
  lamparina-client --name ana send --to bob 'hello'  say one thing and print its stamp
  lamparina-client --name bob tail --count 1         wait for one message and print it
  lamparina-client demo                              see it all at work, with nothing else running
  lamparina-client --name ana identity show          your key, and six words to compare it by

Typed lines:
  MSG:ana:hello   MULTICAST:ana,bob:hello   BROADCAST:ALL:hello   BROADCAST:#lab:hello
  Any other line goes to everybody; /help lists the commands.

Exit codes:
  0 done                     3 server not reached    5 time ran out
  1 failed   2 usage         4 refused               6 not committed, or refused with --strict
                                                     7 the demo's proof failed";

const SEND_EXAMPLES: &str = "\
Examples:
  lamparina-client --name ana send --to bob 'hello'
  lamparina-client --name ana send --to bob --to eva 'hello, both'
  lamparina-client --name ana send --to ALL 'hello, all'
  lamparina-client --name ana send --to '#lab' --timeout 5 'hello, lab'
  uptime | lamparina-client --name ana send --to bob -    (one line end at its end is not sent)

Prints the message's stamp. A client of the same profile that is running sends it for us.";

const TAIL_EXAMPLES: &str = "\
Examples:
  lamparina-client --name bob tail                           every message, until interrupted
  lamparina-client --name bob tail --count 1 --timeout 30    the next one, or exit code 5
  lamparina-client --name bob tail --count 3 --json

A client of the same profile that is running lets us listen.";

const IDENTITY_EXAMPLES: &str = "\
Examples:
  lamparina-client --name ana identity show           key, fingerprint, six words to read aloud
  lamparina-client --name ana identity export ana.key for another machine; whoever has it is you
  lamparina-client --name ana identity import ana.key there
  lamparina-client --name ana identity new --replace  be somebody else; the old key is kept

Each profile has a key, made at the first connection: --profile NAME, or that of --name NICK.";

const SERVERS_EXAMPLES: &str = "\
Examples:
  lamparina-client servers list
  lamparina-client servers accept chat.example:5000 \\
    SHA256:Yw3NKWbEM2aRElRIu7JbT/QSpJxzLbLIq8G4WBvXEN0
  lamparina-client servers forget chat.example:5000

They are kept in known_servers in the config folder, one line each, for you to read and edit.";

const DEMO_EXAMPLES: &str = "\
Examples:
  lamparina-client demo                              a bad channel: loss, damage, doubles, delay
  lamparina-client demo --seed 7                     the same conversation and the same fates again
  lamparina-client demo --impair 'loss=40%,burst=8'  another channel; 'off' for none
  lamparina-client demo --repair gbn --window 4      Go-Back-N with a small window

Needs nothing else running: it holds a server with its logging process, and three people.
Exit code 0 only if everybody saw everything meant for them, once, in one order; 7 if not.";

/// Talks at a Lamparina server: every message has one place in an order that everybody can check.
#[derive(Debug, Parser)]
#[command(name = "lamparina-client", version, after_help = EXAMPLES, subcommand_negates_reqs = true)]
pub(super) struct Args {
    /// The server, HOST:PORT, or udp://HOST:PORT for a bad line; goes before --server
    #[arg(value_name = "HOST:PORT", value_parser = address)]
    pub(super) address: Option<String>,
    #[command(flatten)]
    pub(super) common: Common,
    #[command(flatten)]
    pub(super) chat: ChatArgs,
    #[command(subcommand)]
    pub(super) task: Option<Task>,
}

/// What every command understands.
#[derive(ClapArgs, Debug)]
pub(super) struct Common {
    /// The server; udp://HOST:PORT calls it over UDP, and over TCP where nothing answers
    #[arg(long, global = true, value_name = "HOST:PORT", env = "LAMPARINA_SERVER", value_parser = address)]
    pub(super) server: Option<String>,
    /// Your name there
    #[arg(long, global = true, value_name = "NICK", env = "LAMPARINA_NAME", value_parser = nick)]
    pub(super) name: Option<Nick>,
    /// What kind of line udp:// goes by
    #[arg(long, global = true, value_name = "LINE", default_value = "usual")]
    pub(super) link: LineArg,
    /// Whose key to use; by default each name has its own
    #[arg(long, global = true, value_name = "NAME")]
    pub(super) profile: Option<ProfileName>,
    /// The only key that a server of which nothing is known may have, as its operator tells it
    #[arg(long, global = true, value_name = "FINGERPRINT")]
    pub(super) pin: Option<Fingerprint>,
    /// The code of an invite, to become a member where one is needed; once is enough
    #[arg(
        long,
        global = true,
        value_name = "CODE",
        env = "LAMPARINA_INVITE",
        hide_env_values = true
    )]
    pub(super) invite: Option<String>,
    /// Ask for the password of your name, to become a member where there is one; or set
    /// LAMPARINA_PASSWORD
    #[arg(long, global = true, conflicts_with = "password_file")]
    pub(super) password: bool,
    /// File whose first line is the password of your name
    #[arg(long, global = true, value_name = "FILE")]
    pub(super) password_file: Option<PathBuf>,
    /// Make the channel bad on purpose, both ways, as 'loss=20%,corrupt=1%,delay=80ms,seed=7'
    #[arg(
        long,
        global = true,
        value_name = "SPEC",
        help_heading = "For those who teach"
    )]
    pub(super) impair: Option<Settings>,
    /// How the window is repaired
    #[arg(
        long,
        global = true,
        value_name = "HOW",
        help_heading = "For those who teach"
    )]
    pub(super) repair: Option<RepairArg>,
    /// Frames in flight, at most (1 is stop-and-wait)
    #[arg(long, global = true, value_name = "FRAMES", help_heading = "For those who teach",
          value_parser = clap::value_parser!(u16).range(1..=16_384))]
    pub(super) window: Option<u16>,
    /// Payload bytes of a frame, at most
    #[arg(long, global = true, value_name = "BYTES", help_heading = "For those who teach",
          value_parser = clap::value_parser!(u16).range(64..=8_180))]
    pub(super) fragment: Option<u16>,
    /// Links in clear, to a server that wants them so: everybody on the way can read and change what
    /// is said
    #[arg(long, global = true, help_heading = "For those who teach")]
    pub(super) cleartext: bool,
    /// With --cleartext: also to a server on another machine
    #[arg(
        long,
        global = true,
        requires = "cleartext",
        help_heading = "For those who teach"
    )]
    pub(super) cleartext_anywhere: bool,
    /// How much this program says of itself on stderr
    #[arg(long, global = true, value_name = "LEVEL", default_value = "warn", value_parser = levels())]
    pub(super) log: LogLevel,
}

/// What only a conversation understands.
#[derive(ClapArgs, Debug)]
pub(super) struct ChatArgs {
    /// One JSON object a line on stdout
    #[arg(long, conflicts_with = "plain")]
    pub(super) json: bool,
    /// Readable lines on stdout (as without it, for now)
    #[arg(long)]
    pub(super) plain: bool,
    /// Exit with 6 when a line was answered by an error
    #[arg(long)]
    pub(super) strict: bool,
    /// Go on trying when no server is there at first
    #[arg(long, conflicts_with = "no_reconnect")]
    pub(super) retry: bool,
    /// Leave when the connection is lost
    #[arg(long)]
    pub(super) no_reconnect: bool,
    /// Show how the link is, all the time: drawn on a terminal until q, with --json an event `link`
    /// each SECONDS (by default 1, drawn 0.25)
    #[arg(
        long,
        value_name = "SECONDS",
        num_args = 0..=1,
        require_equals = true,
        value_parser = interval,
        conflicts_with = "plain"
    )]
    #[expect(
        clippy::option_option,
        reason = "the form in which the parser tells both"
    )]
    pub(super) watch_link: Option<Option<Duration>>,
    /// Leave after this long without a connection (by default never on a terminal, else after 60)
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub(super) give_up_after: Option<Duration>,
}

/// What else to do than talk.
#[derive(Debug, Subcommand)]
pub(super) enum Task {
    /// Send one message and print its stamp
    #[command(after_help = SEND_EXAMPLES)]
    Send(SendArgs),
    /// Print the messages that come
    #[command(after_help = TAIL_EXAMPLES)]
    Tail(TailArgs),
    /// Show a whole chat over a bad channel, and prove that all saw one order
    #[command(after_help = DEMO_EXAMPLES)]
    Demo(DemoArgs),
    /// Your key: show it, make a new one, take it elsewhere
    #[command(after_help = IDENTITY_EXAMPLES)]
    Identity(IdentityArgs),
    /// The servers whose keys are known
    #[command(after_help = SERVERS_EXAMPLES)]
    Servers(ServersArgs),
}

/// `identity`
#[derive(ClapArgs, Debug)]
pub(super) struct IdentityArgs {
    #[command(subcommand)]
    pub(super) task: IdentityTask,
}

/// What to do with one's key.
#[derive(Debug, Subcommand)]
pub(super) enum IdentityTask {
    /// Print the public key, its fingerprint and the six words for it
    Show {
        /// As one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Make a new key: you are somebody else then, and your nick stays with the old key
    New {
        /// Where there is a key already; it is kept beside the new one
        #[arg(long)]
        replace: bool,
    },
    /// Write the key, secret half and all, to a file or to stdout
    Export {
        /// The file; it must not be there yet. `-` is stdout
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Show the key on a terminal
        #[arg(long)]
        force: bool,
    },
    /// Take a key that `export` wrote
    Import {
        /// The file; `-` is stdin
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Where there is a key already; it is kept beside the new one
        #[arg(long)]
        replace: bool,
    },
}

/// `servers`
#[derive(ClapArgs, Debug)]
pub(super) struct ServersArgs {
    #[command(subcommand)]
    pub(super) task: ServersTask,
}

/// What to do with what is known.
#[derive(Debug, Subcommand)]
pub(super) enum ServersTask {
    /// Print them
    List {
        /// One JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// Trust a server with the key of this fingerprint from now on, and with no other
    Accept {
        /// The server
        #[arg(value_name = "HOST:PORT", value_parser = bare_address)]
        address: String,
        /// `SHA256:..`, as its operator tells it
        #[arg(value_name = "FINGERPRINT")]
        fingerprint: Fingerprint,
    },
    /// Know nothing of a server any more: the next contact is the first
    Forget {
        /// The server
        #[arg(value_name = "HOST:PORT", value_parser = bare_address)]
        address: String,
    },
}

/// `send`
#[derive(ClapArgs, Debug)]
pub(super) struct SendArgs {
    /// For whom: a name (repeatable), ALL, or '#room'
    #[arg(long, required = true, value_name = "WHO")]
    pub(super) to: Vec<String>,
    /// The text; `-` for what stdin holds
    #[arg(value_name = "TEXT", allow_hyphen_values = true)]
    pub(super) text: String,
    /// Give up after this long
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = seconds)]
    pub(super) timeout: Duration,
    /// Print the whole event, as JSON
    #[arg(long)]
    pub(super) json: bool,
}

/// `tail`
#[derive(ClapArgs, Debug)]
pub(super) struct TailArgs {
    /// Leave after this many messages
    #[arg(long, value_name = "N")]
    pub(super) count: Option<u64>,
    /// Leave after this long, with code 5
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub(super) timeout: Option<Duration>,
    /// One JSON object a line
    #[arg(long)]
    pub(super) json: bool,
}

/// `demo`
#[derive(ClapArgs, Debug)]
pub(super) struct DemoArgs {
    /// Decides what is said and the fate of every frame; by default the seed in --impair, or a random one
    #[arg(long, value_name = "NUMBER")]
    pub(super) seed: Option<u64>,
    /// How many messages are said
    #[arg(long, value_name = "N", default_value_t = 12, value_parser = clap::value_parser!(u16).range(1..=i64::from(crate::demo::MESSAGES_MAX)))]
    pub(super) messages: u16,
    /// Give up after this long, with code 5
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = seconds)]
    pub(super) timeout: Duration,
}

/// `--repair`
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum RepairArg {
    /// Selective repeat: only what is missing goes again
    Sr,
    /// Go-Back-N: everything from the hole on goes again
    Gbn,
}

impl From<RepairArg> for Repair {
    fn from(repair: RepairArg) -> Self {
        match repair {
            RepairArg::Sr => Self::SelectiveRepeat,
            RepairArg::Gbn => Self::GoBackN,
        }
    }
}

/// `--link`
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub(super) enum LineArg {
    /// 16 kbit/s and more
    #[default]
    Usual,
    /// 1 to 10 kbit/s and seconds of delay: small datagrams, long timers, no chatter
    Slow,
}

impl From<LineArg> for Profile {
    fn from(line: LineArg) -> Self {
        match line {
            LineArg::Usual => Self::Usual,
            LineArg::Slow => Self::Slow,
        }
    }
}

/// `--log`
fn levels() -> impl TypedValueParser<Value = LogLevel> {
    PossibleValuesParser::new(LogLevel::NAMES).try_map(|word| word.parse::<LogLevel>())
}

/// An address whose carrier does not matter.
fn bare_address(text: &str) -> Result<String, String> {
    let text = address(text)?;
    Ok(Carrier::of_address(&text).1.to_owned())
}

fn address(text: &str) -> Result<String, String> {
    let (_, bare) = Carrier::of_address(text);
    if bare.contains("://") {
        return Err("an address is HOST:PORT, or udp://HOST:PORT".to_owned());
    }
    let parts = bare.rsplit_once(':');
    let port = parts.map(|(_, port)| port.parse::<u16>());
    match port {
        Some(Ok(_)) if parts.is_some_and(|(host, _)| host.is_empty()) => {
            Err("a host is missing before the colon; write 127.0.0.1:5000".to_owned())
        }
        Some(Ok(_)) => Ok(text.to_owned()),
        Some(Err(_)) => Err("an address ends in a port number, as 127.0.0.1:5000".to_owned()),
        None => Err(
            "neither an address (HOST:PORT, with a colon) nor a command (send, tail, demo, identity, servers, help)"
                .to_owned(),
        ),
    }
}

fn nick(text: &str) -> Result<Nick, String> {
    Nick::try_from(text).map_err(|error| error.to_string())
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse::<f64>().map_err(|error| error.to_string())?;
    Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
}

fn interval(text: &str) -> Result<Duration, String> {
    let every = seconds(text)?;
    match WATCH_EVERY.contains(&every) {
        true => Ok(every),
        false => Err("every 0.05 to 86400 seconds".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_definition_holds_together() {
        Args::command().debug_assert();
    }

    #[test]
    fn a_colon_makes_an_address() {
        let parse = |args: &[&str]| {
            Args::try_parse_from([&["lamparina-client"], args].concat())
                .map_err(|error| error.to_string())
        };
        let args = parse(&["[::1]:5000", "--name", "ana"]).unwrap();
        assert_eq!(args.address.as_deref(), Some("[::1]:5000"));
        let args = parse(&["send", "--to", "bob", "-x", "--name", "ana"]).unwrap();
        assert!(matches!(args.task, Some(Task::Send(send)) if send.text == "-x"));
        assert!(
            parse(&["localhost"])
                .unwrap_err()
                .contains("neither an address")
        );
        assert!(parse(&[":5000"]).unwrap_err().contains("host is missing"));
        for server in ["udp://h:1", "tcp://h:1"] {
            assert!(parse(&[server, "--name", "ana", "--link", "slow"]).is_ok());
            assert_eq!(bare_address(server).unwrap(), "h:1");
        }
        assert!(
            parse(&["http://h:1"])
                .unwrap_err()
                .contains("udp://HOST:PORT")
        );
        assert!(
            parse(&["udp://:1"])
                .unwrap_err()
                .contains("host is missing")
        );
        assert!(parse(&["a:b"]).unwrap_err().contains("port number"));
        let watch = |args: &[&str]| parse(args).unwrap().chat.watch_link;
        assert_eq!(watch(&[]), None);
        assert_eq!(watch(&["--watch-link", "h:1"]), Some(None));
        let half = Duration::from_millis(500);
        assert_eq!(watch(&["--watch-link=0.5"]), Some(Some(half)));
        for every in ["0", "0.01", "100000", "-1", "x", "NaN"] {
            assert!(
                parse(&[&format!("--watch-link={every}")]).is_err(),
                "{every}"
            );
        }
        assert!(parse(&["--watch-link", "--plain"]).is_err());
        assert!(parse(&["--tui"]).is_err());
        assert!(parse(&["--json", "--plain"]).is_err());
        assert!(parse(&["--name", "a b"]).unwrap_err().contains("no blanks"));
    }
}
