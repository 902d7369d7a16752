//! The command line: where to listen, who one is, whom to call; all of it also as options, and so as settings
//! of a file.

use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{
    ArgAction, Args as ClapArgs, Command, CommandFactory, Parser, Subcommand, value_parser,
};
use lamparina_console::logging::LogLevel;
use lamparina_protocol::RoomName;

use crate::config::{ADDRESSES_MAX, MULTICAST_GROUP};

const EXAMPLES: &str = "\
Examples:
  lamparina-peer --name ana                           find the others on the LAN, and talk
  lamparina-peer 192.0.2.5 5001 ana                   listen there
  lamparina-peer 192.0.2.6 5002 bob 192.0.2.5 5001    listen, and call ana
  lamparina-peer --listen 0.0.0.0:5003 --name carla --peer 192.0.2.5:5001 --peer 192.0.2.6:5002
                                                      the same by options; as many peers as wanted
  lamparina-peer --name ana --namespace lab           be ana@lab
  lamparina-peer --name ana --iface eth0              look for others on one interface only
  lamparina-peer --name ana --rendezvous 192.0.2.1:8080
                                                      find others by a directory where multicast is
                                                      blocked (PyP2P)
  lamparina-peer --name ana --json                    one JSON object a line, for programs
  printf 'hello\\n' | lamparina-peer --name ana        say it, pass it on, leave
  lamparina-peer --name log --stay < /dev/null        keep the history for others, until SIGTERM
  lamparina-peer --config peer.toml                   every option is a setting: name = \"ana\"
  lamparina-peer doctor                               say in words whether this machine can be found

Typed lines:
  MSG:ana:hello   MULTICAST:ana,bob@lab:hello   BROADCAST:ALL:hello   BROADCAST:#lab:hello
  Any other line goes to everybody; /help lists the commands.

It prints `listening on ADDR` for each address once it accepts. Port 0 takes a free one.

Exit codes:
  0 done                     3 none of the peers named was reached
  1 failed   2 usage         6 not stored, not passed on, or refused with --strict";

const USAGE: &str = "\
lamparina-peer [OPTIONS]
       lamparina-peer HOST PORT NAME [PEER_HOST PEER_PORT] [OPTIONS]
       lamparina-peer doctor [OPTIONS]";

/// Chat with no server: peers find each other, pass on what is said, and agree on its order.
#[derive(Debug, Parser)]
#[command(name = "lamparina-peer", version, after_help = EXAMPLES, override_usage = USAGE)]
pub(crate) struct Args {
    /// Where to listen, your name, and a peer to call; or use --listen, --name and --peer
    #[arg(value_name = "HOST PORT NAME PEER_HOST PEER_PORT", num_args = 0..=5)]
    pub(crate) place: Vec<String>,
    #[command(flatten)]
    pub(crate) options: Options,
    #[command(subcommand)]
    pub(crate) task: Option<Task>,
}

/// What else to do than talk.
#[derive(Clone, Copy, Debug, Subcommand)]
pub(crate) enum Task {
    /// Send a beacon on each interface and listen for it; say in words what works and what does not
    Doctor,
}

/// Everything that can be set.
#[derive(ClapArgs, Debug)]
pub(crate) struct Options {
    /// Address to listen at; may be given again (by default any address, any free port)
    #[arg(long, global = true, value_name = "HOST:PORT", value_delimiter = ',', value_parser = address)]
    pub(crate) listen: Vec<String>,
    /// Your name, or name@namespace
    #[arg(long, value_name = "NAME", env = "LAMPARINA_NAME")]
    pub(crate) name: Option<String>,
    /// Your namespace, where the name says none: you are name@namespace
    #[arg(long, value_name = "NAMESPACE", value_parser = namespace)]
    pub(crate) namespace: Option<RoomName>,
    /// A peer to call, again and again until it is there; may be given again
    #[arg(long, global = true, value_name = "HOST:PORT", value_delimiter = ',', value_parser = address)]
    pub(crate) peer: Vec<String>,
    /// Multicast group and port for beacons; may be given again (by default 239.255.76.77:7677, but none
    /// where all addresses to listen at are this machine's own)
    #[arg(long, global = true, value_name = "GROUP:PORT", value_delimiter = ',', value_parser = group)]
    pub(crate) multicast: Vec<std::net::SocketAddr>,
    /// Neither send beacons nor hear them
    #[arg(long, global = true)]
    pub(crate) no_multicast: bool,
    /// Beacons only on this interface; may be given again (by default on all that can)
    #[arg(long, global = true, value_name = "NAME", value_delimiter = ',')]
    pub(crate) iface: Vec<String>,
    /// Link only with the peers named here and those that call: not with all that one hears of
    #[arg(long)]
    pub(crate) no_mesh: bool,
    /// A directory of peers (PyP2P rendezvous) to register with and to ask
    #[arg(long, global = true, value_name = "HOST:PORT", value_parser = address)]
    pub(crate) rendezvous: Option<String>,
    /// A registration lasts so long, and is renewed before [default: 7200]
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub(crate) ttl: Option<Duration>,
    /// The directory is asked so often who is there [default: 10]
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub(crate) discover_every: Option<Duration>,
    /// A message to a PyP2P peer is acknowledged within this, or sent again [default: 5]
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub(crate) ack_within: Option<Duration>,
    /// Links are asked for a sign of life so often [default: 2]
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub(crate) ping_every: Option<Duration>,
    /// A link that gives none for so long is dead [default: 6]
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub(crate) ping_within: Option<Duration>,
    /// Attempts to reach an address that was only heard of; those of --peer are tried for ever [default:
    /// 10]
    #[arg(long, value_name = "N")]
    pub(crate) reconnect_attempts: Option<u32>,
    /// The wait before the second attempt, which doubles from there on [default: 0.25]
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub(crate) backoff_first: Option<Duration>,
    /// The longest wait between two attempts [default: 10]
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub(crate) backoff_max: Option<Duration>,
    /// Take no part in elections: there may be no coordinator, and chat needs none
    #[arg(long)]
    pub(crate) no_election: bool,
    /// Links by UDP, on the same port, and by TCP where no datagrams pass
    #[arg(long)]
    pub(crate) udp: bool,
    /// Folder of your key and your history (by default one for each name in the user's data folder)
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// File to log to, one event a line; missing folders are made
    #[arg(long, value_name = "FILE")]
    pub(crate) log_file: Option<PathBuf>,
    /// Log the texts of messages too
    #[arg(long)]
    pub(crate) log_text: bool,
    /// How much this program says of itself on stderr
    #[arg(long, global = true, value_name = "LEVEL", default_value = "warn", value_parser = levels())]
    pub(crate) log: LogLevel,
    /// One JSON object a line on stdout
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Readable lines on stdout (as without it)
    #[arg(long, conflicts_with = "json")]
    pub(crate) plain: bool,
    /// Exit with 6 when a line was answered by an error
    #[arg(long)]
    pub(crate) strict: bool,
    /// Go on after the end of input, until SIGINT or SIGTERM
    #[arg(long)]
    pub(crate) stay: bool,
    /// A file of settings: an option a line, without its dashes, as `ping-every = 2`
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

/// The parser of the command line. A flag may be given a value, as `--udp=false`: what nearer is said holds,
/// also against a file.
pub(crate) fn command() -> Command {
    Args::command().mut_args(|arg| match arg.get_action() {
        ArgAction::SetTrue => arg
            .action(ArgAction::Set)
            .value_name("BOOL")
            .value_parser(value_parser!(bool))
            .num_args(0..=1)
            .require_equals(true)
            .default_value("false")
            .default_missing_value("true")
            .hide_default_value(true)
            .hide_possible_values(true),
        _ => arg,
    })
}

fn levels() -> impl TypedValueParser<Value = LogLevel> {
    PossibleValuesParser::new(LogLevel::NAMES).try_map(|word| word.parse::<LogLevel>())
}

/// `HOST:PORT`.
fn address(text: &str) -> Result<String, String> {
    let example = "as in 192.0.2.5:5001, lab.example:5001 or [2001:db8::5]:5001";
    match text.rsplit_once(':') {
        None => Err(format!("an address is HOST:PORT, {example}")),
        Some(("", _)) => Err(format!(
            "a host is missing before the colon; write it {example}"
        )),
        Some((host, _))
            if host.contains(':') && !(host.starts_with('[') && host.ends_with(']')) =>
        {
            Err(format!("an IPv6 address stands in brackets, {example}"))
        }
        Some((_, port)) => match port.parse::<u16>() {
            Ok(_) => Ok(text.to_owned()),
            Err(_) => Err(format!("an address ends in a port, 0 to 65535, {example}")),
        },
    }
}

fn group(text: &str) -> Result<std::net::SocketAddr, String> {
    let example = format!("as in {MULTICAST_GROUP}");
    let group: std::net::SocketAddr = text
        .parse()
        .map_err(|_not_one| format!("a multicast group is ADDRESS:PORT, {example}"))?;
    match (group.ip().is_multicast(), group.port()) {
        (false, _) => Err(format!(
            "{} is no multicast address (224.0.0.0 to 239.255.255.255, or ff00::/8), {example}",
            group.ip()
        )),
        (true, 0) => Err(format!("all peers use one port, which is not 0, {example}")),
        (true, _) => Ok(group),
    }
}

fn namespace(text: &str) -> Result<RoomName, String> {
    let bare = text.strip_prefix('#').unwrap_or(text);
    RoomName::try_from(bare).map_err(|error| error.to_string())
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text
        .parse::<f64>()
        .map_err(|_not_one| "give seconds, as 2 or 0.25".to_owned())?;
    Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
}

/// What stands on the command line without dashes.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Place {
    /// `HOST:PORT` to listen at.
    pub(crate) listen: Option<String>,
    /// One's name.
    pub(crate) name: Option<String>,
    /// `HOST:PORT` to call.
    pub(crate) peer: Option<String>,
}

impl Place {
    /// Reads the words.
    ///
    /// # Errors
    ///
    /// In words, where there are too few or one is not what it should be.
    pub(crate) fn read(words: &[String]) -> Result<Self, String> {
        let host_port = |host: &str, port: &str| {
            let host = match host.contains(':') && !host.starts_with('[') {
                true => format!("[{host}]"),
                false => host.to_owned(),
            };
            address(&format!("{host}:{port}")).map_err(|error| format!("{host} {port}: {error}"))
        };
        let words: Vec<_> = words.iter().map(String::as_str).collect();
        let (listen, name, peer) = match words[..] {
            [] => return Ok(Self::default()),
            [host, port, name] => (host_port(host, port)?, name, None),
            [host, port, name, peer_host, peer_port] => (
                host_port(host, port)?,
                name,
                Some(host_port(peer_host, peer_port)?),
            ),
            _ => {
                return Err(format!(
                    "{} words are too few or too many: write HOST PORT NAME, or HOST PORT NAME PEER_HOST \
                     PEER_PORT, or nothing and --name NAME to find the others on the LAN",
                    words.len()
                ));
            }
        };
        let (listen, name) = (Some(listen), Some(name.to_owned()));
        Ok(Self { listen, name, peer })
    }
}

/// Whether more addresses are named than a peer takes.
pub(crate) fn too_many(what: &str, count: usize) -> Result<(), String> {
    match count > ADDRESSES_MAX {
        true => Err(format!(
            "{count} addresses to {what}, and at most {ADDRESSES_MAX} are taken"
        )),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;
    use clap::FromArgMatches;

    fn parse(args: &[&str]) -> Result<Args, String> {
        let matches = command().try_get_matches_from([&["lamparina-peer"], args].concat());
        matches
            .and_then(|matches| Args::from_arg_matches(&matches))
            .map_err(|error| error.to_string())
    }

    #[test]
    fn the_definition_holds_together() {
        command().debug_assert();
    }

    #[test]
    fn words_are_a_place_a_name_and_a_peer() {
        let place = |args: &[&str]| Place::read(&parse(args).unwrap().place);
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(place(&[]), Ok(Place::default()));
        let three = Place {
            listen: some("127.0.0.1:5001"),
            name: some("ana"),
            peer: None,
        };
        assert_eq!(place(&["127.0.0.1", "5001", "ana"]), Ok(three.clone()));
        let five = Place {
            peer: some("[::1]:5002"),
            ..three
        };
        let words = ["127.0.0.1", "5001", "ana", "::1", "5002"];
        assert_eq!(place(&words), Ok(five));
        for (words, part) in [
            (&["ana"][..], "--name NAME"),
            (&["127.0.0.1", "5001"], "too few or too many"),
            (&["127.0.0.1", "x", "ana"], "a port, 0 to 65535"),
            (&["127.0.0.1", "5001", "ana", "h"], "too few or too many"),
            (&["127.0.0.1", "5001", "ana", "h", "70000"], "h 70000"),
        ] {
            let error = place(words).unwrap_err();
            assert!(error.contains(part), "{words:?}: {error}");
        }
        assert!(parse(&["1", "2", "3", "4", "5", "6"]).is_err());
        // A name may be a command's.
        let doctor = parse(&["127.0.0.1", "5001", "doctor"]).unwrap();
        assert!(doctor.task.is_none());
        assert_eq!(doctor.place[2], "doctor");
        let doctor = parse(&["doctor", "--iface", "eth0"]).unwrap();
        assert!(matches!(doctor.task, Some(Task::Doctor)));
        assert_eq!(doctor.options.iface, ["eth0"]);
    }

    #[test]
    fn what_is_wrong_is_said_with_what_to_write() {
        for (args, part) in [
            (&["--peer", "host"][..], "HOST:PORT"),
            (&["--peer", ":5001"], "a host is missing"),
            (&["--peer", "::1:5001"], "in brackets"),
            (&["--listen", "h:x"], "0 to 65535"),
            (&["--multicast", "10.0.0.1:7677"], "no multicast address"),
            (&["--multicast", "239.1.2.3:0"], "not 0"),
            (&["--multicast", "239.1.2.3"], "239.255.76.77:7677"),
            (&["--namespace", "a b"], "no blanks"),
            (&["--ping-every", "soon"], "2 or 0.25"),
            (&["--ping-every=-1"], "--ping-every"),
            (&["--log", "loud"], "possible values"),
            (&["--json", "--plain"], "cannot be used with"),
        ] {
            let error = parse(args).unwrap_err();
            assert!(error.contains(part), "{args:?}: {error}");
        }
        let args = parse(&["--peer", "a:1,b:2", "--peer", "[::1]:3"]).unwrap();
        assert_eq!(args.options.peer, ["a:1", "b:2", "[::1]:3"]);
        assert!(parse(&["--no-multicast"]).unwrap().options.no_multicast);
    }

    #[test]
    fn the_defaults_in_the_help_are_those_that_hold() {
        let command = command();
        let help = |name: &str| {
            let option = command
                .get_arguments()
                .find(|option| option.get_long() == Some(name));
            let help = option.and_then(clap::Arg::get_help);
            help.map(ToString::to_string).unwrap_or_default()
        };
        let seconds = |time: Duration| format!("[default: {}]", time.as_secs_f64());
        for (name, default) in [
            ("ttl", config::RENDEZVOUS_TTL),
            ("discover-every", config::DISCOVER_EVERY),
            ("ack-within", config::ACK_WITHIN),
            ("ping-every", config::PING_EVERY),
            ("ping-within", config::PING_WITHIN),
            ("backoff-first", config::BACKOFF_FIRST),
            ("backoff-max", config::BACKOFF_MAX),
        ] {
            assert!(help(name).ends_with(&seconds(default)), "{name}");
        }
        let attempts = format!("[default: {}]", config::RECONNECT_ATTEMPTS);
        assert!(help("reconnect-attempts").ends_with(&attempts));
        assert!(help("multicast").contains(&MULTICAST_GROUP.to_string()));
    }
}
