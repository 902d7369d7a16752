//! What is typed to a peer: the common commands of [`lamparina_console::command`], names that may say their
//! namespace, and a few commands of its own. Pure.

use lamparina_console::command::{self, CommandError, CommandOf, Dialect, To, needed, room};
use lamparina_protocol::RoomName;

use crate::event::{NamePattern, Recipients};

/// Bytes of a word that names a message, at most: a digest's digits.
const MESSAGE_WORD_MAX: usize = 64;

/// What `/help` says.
pub(super) const HELP: &str = "\
MSG:ana:hello              say hello to ana alone; nobody else can read it
MSG:ana@lab:hello          to the ana of the namespace lab
MULTICAST:ana,bob@lab:hi   to both, and nobody else
BROADCAST:ALL:hello        to everybody
BROADCAST:#lab:hello       to everybody in the namespace or room lab
hello                      to everybody; `//hello` says `/hello`
/msg ana hello             as MSG:
/pub * hello               as BROADCAST:ALL:, and /pub #lab hello as BROADCAST:#lab:
/who                       who is linked with you
/peers                     everybody known, with addresses; /peers #lab for a namespace
/join #lab  /leave #lab    show what is said in a room, and show it no more; /leave the last joined
/history 20                the last 20 lines; `/history 20 before 1234` for what was before that
/find pump off             lines that hold all these words
/trace 42                  what became here of message 42, and its causes
/why 42 57                 why 42 stands before 57: cause, or only arrangement
/conn                      links, inbound and outbound
/rtt                       the mean round trip of each peer
/reconnect                 try all addresses again, now
/coordinator               who coordinates
/unregister                take the registration at the rendezvous back
/log debug                 how much this program says of itself: off error warn info debug trace
/help                      this
/quit                      leave, once what you said is stored, and passed on where somebody is there
In /trace and /why a message is named by its stamp, or where several have it by the first digits of its
digest; ~0123abcd names somebody by the first digits of a key.";

/// A line, as a command.
pub(super) type Command = CommandOf<AmongPeers>;

/// A command that only a peer has.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Own {
    /// `/peers [* | #ns]`; none for all.
    Peers(Option<RoomName>),
    /// `/unregister`
    Unregister,
    /// `/coordinator`
    Coordinator,
    /// `/leave` of the room joined last.
    LeaveLast,
    /// `/trace MESSAGE`
    Trace(String),
    /// `/why MESSAGE MESSAGE`
    Why(String, String),
}

/// How lines to a peer are read.
#[derive(Debug)]
pub(super) struct AmongPeers;

impl Dialect for AmongPeers {
    type Name = NamePattern;
    type Audience = Recipients;
    type Own = Own;

    fn name(text: &str) -> Result<NamePattern, CommandError> {
        let name = text.trim_matches(' ');
        if name == "ALL" {
            // The same words as for every name that is none.
            command::nick(name)?;
        }
        NamePattern::parse(name).map_err(|error| {
            CommandError::new("nick-invalid", format!("{text:?} is no name: {error}"))
        })
    }

    fn own(word: &str, argument: &str) -> Result<Option<Own>, CommandError> {
        let alone = |own| command::alone(word, argument).map(|()| Some(own));
        match word {
            "peers" => peers(argument).map(Some),
            "unregister" => alone(Own::Unregister),
            "coordinator" => alone(Own::Coordinator),
            "leave" if argument.is_empty() => Ok(Some(Own::LeaveLast)),
            "trace" => message(needed(argument, "/trace 42")?).map(|which| Some(Own::Trace(which))),
            "why" => why(argument).map(Some),
            _ => match only_server(word) {
                Some(words) => Err(CommandError::new("no-server", words)),
                None => Ok(None),
            },
        }
    }
}

impl From<To<NamePattern>> for Recipients {
    fn from(to: To<NamePattern>) -> Self {
        match to {
            To::All => Self::All,
            To::One(one) => Self::Some(vec![one]),
            To::Many(many) => Self::Some(many),
            To::Room(room) => Self::Room(room),
        }
    }
}

/// Reads one line, without its end. `None` where nothing is on it.
pub(super) fn parse(line: &str) -> Result<Option<Command>, CommandError> {
    command::parse::<AmongPeers>(line)
}

fn peers(argument: &str) -> Result<Own, CommandError> {
    match argument {
        "" | "*" => Ok(Own::Peers(None)),
        namespace if namespace.starts_with('#') => room(namespace).map(|ns| Own::Peers(Some(ns))),
        other => Err(CommandError::new(
            "malformed",
            format!(
                "{other:?} is neither * nor a #namespace; write /peers, /peers * or /peers #lab"
            ),
        )),
    }
}

fn why(argument: &str) -> Result<Own, CommandError> {
    let words: Vec<_> = argument.split_whitespace().collect();
    match words[..] {
        [one, other] => Ok(Own::Why(message(one)?, message(other)?)),
        _ => Err(CommandError::new("malformed", "write /why 42 57")),
    }
}

/// A stamp as it stands before a message, `[~42]`, or without brackets and sign; or digits of a digest.
fn message(word: &str) -> Result<String, CommandError> {
    let bare = word
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(word);
    let bare = bare.strip_prefix('~').unwrap_or(bare);
    let well_formed = (1..=MESSAGE_WORD_MAX).contains(&bare.len())
        && bare.bytes().all(|digit| digit.is_ascii_hexdigit());
    match well_formed {
        true => Ok(bare.to_ascii_lowercase()),
        false => Err(CommandError::new(
            "malformed",
            format!(
                "{word:?} names no message: write its stamp, or the first digits of its digest"
            ),
        )),
    }
}

/// Words for what needs a server, where `/word` is such a thing.
fn only_server(word: &str) -> Option<&'static str> {
    Some(match word {
        "nick" => {
            "a peer is called as it was started: leave, and start it again with --name NAME. Nothing was \
             changed"
        }
        "queue" => {
            "there is no server to wait for: what you say is stored here at once, and passed on to whoever \
             is there. /conn shows the links"
        }
        "channel" => "only a server has a channel to make bad; nothing was changed",
        "link" => "a peer has several links: /conn shows them, /rtt their round trips",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::RECIPIENTS_MAX;
    use lamparina_console::command::LINE_BYTES_MAX;
    use lamparina_protocol::message::TEXT_BYTES_MAX;
    use lamparina_protocol::nick::NICK_BYTES_MAX;

    fn show(line: &str) -> String {
        match parse(line) {
            Ok(None) => "nothing".to_owned(),
            Ok(Some(Command::Say { audience, text })) => {
                let to = match audience {
                    Recipients::All => "ALL".to_owned(),
                    Recipients::Room(room) => format!("#{room}"),
                    Recipients::Some(names) => {
                        let names: Vec<_> = names.iter().map(ToString::to_string).collect();
                        names.join(" ")
                    }
                };
                format!("{to} {text:?}")
            }
            Ok(Some(Command::Own(own))) => format!("{own:?}"),
            Ok(Some(command)) => format!("{command:?}"),
            Err(error) => format!("error {}", error.code),
        }
    }

    #[test]
    fn every_form_of_line_that_only_a_peer_has() {
        for (line, expected) in [
            ("hello", r#"ALL "hello""#),
            ("MSG:bob:hi", r#"bob "hi""#),
            ("MSG:bob@lab:a:b", r#"bob@lab "a:b""#),
            ("MSG: bob@lab :hi", r#"bob@lab "hi""#),
            ("MSG:~0123ABCD:hi", r#"~0123abcd "hi""#),
            ("MSG:~0123:hi", "error nick-invalid"),
            ("MSG:ALL:hi", "error nick-invalid"),
            ("MSG:bob@:hi", "error nick-invalid"),
            ("MSG:bob@a@b:hi", "error nick-invalid"),
            ("MSG:bob:", "error empty-text"),
            ("MSG:bob", "error malformed"),
            ("MULTICAST:bob, eva@lab:hi", r#"bob eva@lab "hi""#),
            ("MULTICAST:bob,,eva:hi", "error nick-invalid"),
            ("BROADCAST:ALL:hi", r#"ALL "hi""#),
            ("BROADCAST:#lab:hi", r##"#lab "hi""##),
            ("/msg bob@lab hi there", r#"bob@lab "hi there""#),
            ("/pub * hi", r#"ALL "hi""#),
            ("/pub #lab hi", r##"#lab "hi""##),
            ("/pub lab hi", "error malformed"),
            ("/peers", "Peers(None)"),
            ("/peers *", "Peers(None)"),
            ("/peers #lab", r#"Peers(Some(RoomName("lab")))"#),
            ("/peers lab", "error malformed"),
            ("/unregister", "Unregister"),
            ("/unregister now", "error malformed"),
            ("/coordinator", "Coordinator"),
            ("/leave", "LeaveLast"),
            ("/leave #lab", r#"Leave(RoomName("lab"))"#),
            ("/join #lab", r#"Join(RoomName("lab"))"#),
            ("/trace [~42]", r#"Trace("42")"#),
            ("/trace ~42", r#"Trace("42")"#),
            ("/trace D0d0", r#"Trace("d0d0")"#),
            ("/trace", "error malformed"),
            ("/trace x", "error malformed"),
            ("/why 3 [9]", r#"Why("3", "9")"#),
            ("/why 3", "error malformed"),
            (
                "/history 5 before [42]",
                "History { count: 5, before: Lamport(42) }",
            ),
            ("/who", "Who"),
            ("/nick eva", "error no-server"),
            ("/queue", "error no-server"),
            ("/channel loss=20%", "error no-server"),
            ("/link", "error no-server"),
            ("/x", "error unknown-command"),
            ("//peers", r#"ALL "/peers""#),
        ] {
            assert_eq!(show(line), expected, "for the line {line:?}");
        }
    }

    #[test]
    fn the_longest_list_of_names_fits_a_line() {
        let name = format!("{0}@{0}", "x".repeat(NICK_BYTES_MAX));
        let names = vec![name; RECIPIENTS_MAX].join(",");
        assert!("MULTICAST:".len() + names.len() + 1 + TEXT_BYTES_MAX <= LINE_BYTES_MAX);
    }

    #[test]
    fn help_names_every_command() {
        for word in [
            "MSG:",
            "MULTICAST:",
            "BROADCAST:",
            "/msg",
            "/pub *",
            "/pub #",
            "/who",
            "/peers",
            "/join",
            "/leave",
            "/history",
            "/find",
            "/trace",
            "/why",
            "/conn",
            "/rtt",
            "/reconnect",
            "/coordinator",
            "/unregister",
            "/log",
            "/help",
            "/quit",
        ] {
            assert!(HELP.contains(word), "{word}");
        }
    }
}
