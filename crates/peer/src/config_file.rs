//! A file of settings: every option of the program, one a line. The command line comes before the environment,
//! that before the file.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::parser::ValueSource;
use clap::{ArgMatches, FromArgMatches};
use lamparina_console::config_file::Settings;

use crate::cli::args::{Args, command};

/// Options that are not settings.
const NO_SETTINGS: [&str; 3] = ["config", "help", "version"];

/// Why there are no settings.
#[derive(Debug)]
pub(crate) enum Wrong {
    /// An option or a variable: the parser of options says it.
    Option(clap::Error),
    /// The file, in words.
    File(String),
}

/// Reads the command line, and the file that it names; `args` begin with the program's name.
///
/// # Errors
///
/// [`Wrong`].
pub(crate) fn read(args: &[OsString]) -> Result<Args, Wrong> {
    let given = command()
        .try_get_matches_from(args)
        .map_err(Wrong::Option)?;
    let Some(file) = asked(&given).cloned() else {
        return Args::from_arg_matches(&given).map_err(Wrong::Option);
    };
    let merged = merged(args, &given, &file)?;
    let matches = command().try_get_matches_from(merged);
    Args::from_arg_matches(&matches.map_err(Wrong::Option)?).map_err(Wrong::Option)
}

/// The file that is named, before a command or behind it.
fn asked(given: &ArgMatches) -> Option<&PathBuf> {
    given.get_one("config")
}

/// The command line as if the file's lines stood before it, without those that something nearer decides.
fn merged(args: &[OsString], given: &ArgMatches, file: &Path) -> Result<Vec<OsString>, Wrong> {
    let settings = settings();
    let lines = settings.read(file).map_err(Wrong::File)?;
    let names = settings.names();
    let decides = |id: &str| {
        matches!(
            given.value_source(id),
            Some(ValueSource::CommandLine | ValueSource::EnvVariable)
        )
    };
    let mut merged: Vec<OsString> = args.iter().take(1).cloned().collect();
    for (name, options) in lines {
        let id = names.iter().find(|(_, known)| *known == name);
        if id.is_none_or(|(id, _)| !decides(id)) {
            merged.extend(options.into_iter().map(OsString::from));
        }
    }
    merged.extend(args.iter().skip(1).cloned());
    Ok(merged)
}

/// What a file may hold.
fn settings() -> Settings<'static> {
    Settings {
        command: command(),
        not: &NO_SETTINGS,
        listed: "`lamparina-peer --help` lists all there are, without their dashes",
        fractions: true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;
    use std::time::Duration;

    /// The settings of a file that holds `text`, with these arguments.
    fn with(text: &str, args: &[&str]) -> Result<Args, String> {
        let name = format!("lamparina-peer-config-{}-{:p}", std::process::id(), &text);
        let file = std::env::temp_dir().join(name);
        std::fs::write(&file, text).unwrap();
        let mut all: Vec<OsString> = vec!["lamparina-peer".into(), "--config".into()];
        all.push(file.clone().into());
        all.extend(args.iter().map(OsString::from));
        let read = read(&all).map_err(|wrong| match wrong {
            Wrong::Option(error) => error.to_string(),
            Wrong::File(words) => words,
        });
        std::fs::remove_file(file).unwrap();
        read
    }

    #[test]
    fn every_setting_that_the_design_names_can_be_written() {
        let text = "name = \"ana\"\nnamespace = \"lab\"\nlisten = [\"127.0.0.1:0\", \"[::1]:0\"]\n\
                    peer = [\"192.0.2.5:5001\"]\nmulticast = \"239.1.2.3:4000\"\nno-mesh = true\n\
                    iface = \"eth0\"\nrendezvous = \"192.0.2.1:8080\"\nttl = 60\ndiscover-every = 3\n\
                    ack-within = 2\nping-every = 0.5\nping-within = 1.5\nreconnect-attempts = 4\n\
                    backoff-first = 0.1\nbackoff-max = 4\nlog = \"info\"\nno-election = true\nudp = true\n\
                    data = \"here\"\nlog-file = \"logs/peer.log\"\njson = true\nstay = true\n";
        let options = with(text, &[]).unwrap().options;
        assert_eq!(options.name.as_deref(), Some("ana"));
        assert_eq!(options.listen, ["127.0.0.1:0", "[::1]:0"]);
        assert_eq!(options.ping_every, Some(Duration::from_millis(500)));
        assert_eq!(options.reconnect_attempts, Some(4));
        assert!(options.no_election && options.no_mesh && options.udp);
        assert!(options.json && options.stay && !options.no_multicast);
    }

    #[test]
    fn the_example_of_the_page_is_a_file_of_defaults() {
        let page = include_str!("../../../docs/operations.md");
        let (_, part) = page.split_once("## Peers without a server").unwrap();
        let (_, example) = part.split_once("```toml\n").unwrap();
        let (example, _) = example.split_once("```").unwrap();
        let options = with(example, &[]).unwrap().options;
        let seconds = |time: Option<Duration>| time.unwrap_or_default();
        assert_eq!(options.name.as_deref(), Some("ana"));
        assert_eq!(options.multicast, [config::MULTICAST_GROUP]);
        assert_eq!(seconds(options.ttl), config::RENDEZVOUS_TTL);
        assert_eq!(seconds(options.discover_every), config::DISCOVER_EVERY);
        assert_eq!(seconds(options.ack_within), config::ACK_WITHIN);
        assert_eq!(seconds(options.ping_every), config::PING_EVERY);
        assert_eq!(seconds(options.ping_within), config::PING_WITHIN);
        assert_eq!(options.reconnect_attempts, Some(config::RECONNECT_ATTEMPTS));
        assert_eq!(seconds(options.backoff_first), config::BACKOFF_FIRST);
        assert_eq!(seconds(options.backoff_max), config::BACKOFF_MAX);
    }

    #[test]
    fn what_is_nearer_holds() {
        let options = with(
            "name = \"ana\"\nudp = true\npeer = [\"h:1\"]\n",
            &["--name", "eva", "--udp=false"],
        );
        let options = options.unwrap().options;
        assert_eq!(options.name.as_deref(), Some("eva"));
        assert_eq!(options.peer, ["h:1"]);
        assert!(!options.udp);
    }

    #[test]
    fn a_wrong_line_is_refused_with_what_to_write() {
        for (text, part) in [
            ("ping_evry = 2\n", "did you mean ping-every?"),
            ("pings = 2\n", "is no setting"),
            ("zzzz = 2\n", "--help"),
            ("ping-every = \"soon\"\n", "ping-every = \"soon\""),
            ("peer = [\"host\"]\n", "HOST:PORT"),
            ("json = 3\n", "json = 3"),
            ("[peer]\nx = 1\n", "settings stand in none"),
            ("ping-every\n", "is not TOML"),
        ] {
            let error = with(text, &[]).unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
        let nowhere = ["lamparina-peer", "--config", "/nowhere/peer.toml"];
        let read = read(&nowhere.map(OsString::from));
        assert!(matches!(read, Err(Wrong::File(words)) if words.contains("cannot be read")));
    }
}
