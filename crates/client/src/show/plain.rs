//! Events as readable lines: data for stdout, talk for stderr. Remote text is cleaned.

use lamparina_protocol::{Audience, MemberId, Nick};

use super::{answers, clean};
use crate::core::event::{Commit, Event};

/// How lines look, and for whom.
#[derive(Clone, Debug)]
pub struct Style {
    /// The reader's own nick: it is shown as `you`.
    pub own: Nick,
    /// The reader's own number, once known: what it said under an earlier nick is its own too.
    pub member: Option<MemberId>,
    /// Whether colours are wanted.
    pub colour: bool,
}

impl Style {
    /// A name as the reader sees it: its own is `you`.
    pub(super) fn name(&self, name: &str) -> String {
        match Nick::try_from(name) {
            Ok(nick) if nick.key() == self.own.key() => "you".to_owned(),
            _ => clean::line(name),
        }
    }
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
            let from = match style.member == Some(delivery.member) {
                true => style.own.as_str(),
                false => delivery.from.as_str(),
            };
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
        Event::Carried { text, .. } => Line::Talk(clean::text(text)),
        Event::Channel { spec } => {
            Line::Talk(format!("the server's channel: {}", clean::line(spec)))
        }
        Event::NewLog { again, kept, .. } => {
            let again = match again {
                0 => String::new(),
                again => format!("; {again} messages without a place go to it"),
            };
            let kept = match kept {
                0 => String::new(),
                kept => format!(
                    "; {kept} that wait for another order are kept and not sent: /queue lists them, \
                     /queue send sends them here, /queue forget drops them"
                ),
            };
            Line::Talk(format!(
                "this server has another order than before: stamps are others from now on{again}{kept}"
            ))
        }
        Event::Error { code, text, .. } => Line::Talk(format!(
            "error {}: {}",
            clean::line(code),
            clean::text(text)
        )),
        Event::Cancelled { number, .. } => Line::Talk(format!(
            "cancelled: number {number} of the queue is not sent"
        )),
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
    let mut names = commit.audience.names();
    if let Audience::Multicast(_) = commit.audience {
        // As the order takes it: each once, and oneself not at all.
        let mut known = vec![style.own.key()];
        names.retain(|name| match Nick::try_from(name.as_str()) {
            Ok(nick) if known.contains(&nick.key()) => false,
            Ok(nick) => {
                known.push(nick.key());
                true
            }
            Err(_) => true,
        });
    }
    let head = head("you", commit.audience.kind(), &names, style);
    data(commit.stamp.get(), &head, &commit.text, style)
}

/// Who said it, and to whom: `kind` and `to` are as in JSON.
pub fn head(from: &str, kind: &str, to: &[String], style: &Style) -> String {
    let names = to.iter().map(|name| style.name(name));
    let names = names.collect::<Vec<_>>().join(",");
    let from = style.name(from);
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
    use lamparina_protocol::{Epoch, Lamport, Pseq, RoomName};

    fn style(colour: bool) -> Style {
        Style {
            own: nick("rui"),
            member: Some(MemberId(3)),
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
        let mut commit = Commit {
            name,
            was: None,
            stamp: Lamport::new(46),
            audience: Audience::Unicast(nick("bob")),
            text: "text".to_owned(),
        };
        assert_eq!(committed(&commit, &style(false)), "[46] you -> bob: text");
        let names = ["bob", "BOB", "rui", "eva", "bob"].map(nick);
        commit.audience = Audience::Multicast(names.to_vec());
        assert_eq!(
            committed(&commit, &style(false)),
            "[46] you -> bob,eva: text"
        );
    }

    #[test]
    fn what_the_reader_said_earlier_is_its_own_also_under_another_name() {
        let said = |from: &str, member| {
            let mut message = delivery(0, 9, "hi");
            (message.from, message.member, message.history) = (nick(from), MemberId(member), true);
            event(&Event::Message(message), &style(false))
        };
        let own = Some(Line::Data("[9] (earlier) you: hi".to_owned()));
        assert_eq!(said("RUI", 3), own);
        assert_eq!(said("rute", 3), own, "its nick of then");
        assert_eq!(
            said("eva", 4),
            Some(Line::Data("[9] (earlier) eva: hi".to_owned()))
        );
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
