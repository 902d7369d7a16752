//! Events as readable lines: data for stdout, talk for stderr. Remote text is cleaned.

use lamparina_protocol::Nick;

use super::{answers, clean};
use crate::core::event::{Commit, Event};

/// How lines look, and for whom.
#[derive(Clone, Debug)]
pub struct Style {
    /// The reader's own nick: it is shown as `you`.
    pub own: Nick,
    /// Whether colours are wanted.
    pub colour: bool,
}

/// A line, and where it belongs.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Line {
    /// stdout.
    Data(String),
    /// stderr, behind `* `.
    Talk(String),
}

const DIM: &str = "\u{1b}[2m";
const BOLD: &str = "\u{1b}[1m";
const RESET: &str = "\u{1b}[0m";

/// `event` as a line; `None` for what the shell itself shows (the end, the countdown).
pub fn event(event: &Event, style: &Style) -> Option<Line> {
    Some(match event {
        Event::Message(delivery) => {
            let names = delivery.audience.names();
            let from = delivery.from.as_str();
            let head = head(from, delivery.audience.kind(), &names, style);
            let head = match delivery.history {
                true => format!("(earlier) {head}"),
                false => head,
            };
            Line::Data(data(delivery.stamp.get(), &head, &delivery.text, style))
        }
        Event::Committed(commit) => Line::Data(committed(commit, style)),
        Event::Connected {
            server,
            nick,
            stamp,
            ..
        } => {
            let server = clean::line(server);
            Line::Talk(format!(
                "connected to {server} as {nick}; the order is at {stamp}"
            ))
        }
        Event::Users { users, total, .. } => {
            let names: Vec<_> = users.iter().map(|line| line.nick.as_str()).collect();
            Line::Talk(format!("{total} here: {}", names.join(", ")))
        }
        Event::Joined { nick, .. } => Line::Talk(format!("{nick} is here")),
        Event::Left { nick, .. } => Line::Talk(format!("{nick} is gone")),
        Event::Renamed { from, to, own, .. } => Line::Talk(match own {
            true => format!("you are {to} from now on"),
            false => format!("{from} is {to} from now on"),
        }),
        Event::RoomJoined {
            nick, room, own, ..
        } => Line::Talk(match own {
            true => format!("you are in #{room}"),
            false => format!("{nick} came into #{room}"),
        }),
        Event::RoomLeft {
            nick, room, own, ..
        } => Line::Talk(match own {
            true => format!("you are out of #{room}"),
            false => format!("{nick} went out of #{room}"),
        }),
        Event::Channel { spec } => {
            Line::Talk(format!("the server's channel: {}", clean::line(spec)))
        }
        Event::NewLog { again, .. } => {
            let again = match again {
                0 => String::new(),
                again => format!("; {again} messages without a place go again"),
            };
            Line::Talk(format!(
                "this server was started again and has begun a new order: stamps begin anew{again}"
            ))
        }
        Event::Error { code, text, .. } => Line::Talk(format!(
            "error {}: {}",
            clean::line(code),
            clean::text(text)
        )),
        Event::Cancelled { name } => {
            Line::Talk(format!("cancelled: message {} is not sent", name.pseq))
        }
        Event::Queued { .. }
        | Event::Requeued { .. }
        | Event::Disconnected { .. }
        | Event::Closed { .. } => return None,
        other => return answers::event(other, style),
    })
}

/// Whether the talk of this event has its place between messages: before some and behind others.
pub const fn is_between(event: &Event) -> bool {
    matches!(
        event,
        Event::CatchUp { .. }
            | Event::CaughtUp { .. }
            | Event::History { .. }
            | Event::Rewound { .. }
            | Event::NewLog { .. }
    )
}

fn committed(commit: &Commit, style: &Style) -> String {
    let names = commit.audience.names();
    let head = head("you", commit.audience.kind(), &names, style);
    data(commit.stamp.get(), &head, &commit.text, style)
}

/// Who said it, and to whom: `kind` and `to` are as in JSON.
pub fn head(from: &str, kind: &str, to: &[String], style: &Style) -> String {
    let own = style.own.key();
    let name = |name: &String| match Nick::try_from(name.as_str()) {
        Ok(nick) if nick.key() == own => "you".to_owned(),
        _ => clean::line(name),
    };
    let names = to.iter().map(name).collect::<Vec<_>>().join(",");
    let from = clean::line(from);
    match (kind, names.as_str()) {
        ("broadcast", "ALL") => format!("{from}:"),
        ("broadcast", room) => format!("{from} {room}:"),
        _ => format!("{from} -> {names}:"),
    }
}

/// A message as a line; `text` is cleaned here.
pub fn data(stamp: u64, head: &str, text: &str, style: &Style) -> String {
    let text = clean::text(text);
    match style.colour {
        true => format!("{DIM}[{stamp}]{RESET} {BOLD}{head}{RESET} {text}"),
        false => format!("[{stamp}] {head} {text}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::event::MessageName;
    use crate::core::testing::{delivery, nick};
    use lamparina_protocol::{Audience, Epoch, Lamport, Pseq, RoomName};

    fn style(colour: bool) -> Style {
        Style {
            own: nick("rui"),
            colour,
        }
    }

    #[track_caller]
    fn check(audience: Audience, text: &str, expected: &str) {
        let mut message = delivery(40, 42, text);
        message.audience = audience;
        let line = event(&Event::Message(message), &style(false));
        assert_eq!(line, Some(Line::Data(expected.to_owned())));
    }

    #[test]
    fn messages_show_place_author_and_audience() {
        let room = RoomName::try_from("lab").unwrap();
        check(Audience::All, "hi", "[42] bob: hi");
        check(Audience::Unicast(nick("Rui")), "hi", "[42] bob -> you: hi");
        let both = vec![nick("rui"), nick("eva")];
        check(Audience::Multicast(both), "hi", "[42] bob -> you,eva: hi");
        check(Audience::Room(room), "hi", "[42] bob #lab: hi");
        check(
            Audience::All,
            "a\n[43] eva: b\u{1b}[2J",
            "[42] bob: a\n    [43] eva: b␛[2J",
        );
    }

    #[test]
    fn own_commits_show_their_place() {
        let name = MessageName {
            epoch: Epoch(1),
            pseq: Pseq(1),
        };
        let commit = Commit {
            name,
            was: None,
            stamp: Lamport::new(46),
            audience: Audience::Unicast(nick("bob")),
            text: "text".to_owned(),
        };
        assert_eq!(committed(&commit, &style(false)), "[46] you -> bob: text");
    }

    #[test]
    fn colours_only_where_wanted() {
        let message = Event::Message(delivery(0, 1, "hi"));
        let shown = |colour| match event(&message, &style(colour)) {
            Some(Line::Data(line)) => line,
            other => panic!("{other:?}"),
        };
        assert!(shown(true).contains('\u{1b}'));
        assert!(!shown(false).contains('\u{1b}'));
    }

    #[test]
    fn talk_is_cleaned_too() {
        let error = Event::Error {
            code: "x".to_owned(),
            text: "a\nb\u{1b}".to_owned(),
            message: None,
        };
        let expected = Line::Talk("error x: a\n    b␛".to_owned());
        assert_eq!(event(&error, &style(true)), Some(expected));
    }
}
