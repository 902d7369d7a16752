//! What is read alike for every program: with names that have two parts, and a command of one's own.

use super::*;

#[derive(Debug, Eq, PartialEq)]
struct Pair(String, String);

#[derive(Debug, Eq, PartialEq)]
enum Heard {
    All,
    These(Vec<Pair>),
    In(RoomName),
}

impl From<To<Pair>> for Heard {
    fn from(to: To<Pair>) -> Self {
        match to {
            To::All => Self::All,
            To::One(one) => Self::These(vec![one]),
            To::Many(these) => Self::These(these),
            To::Room(room) => Self::In(room),
        }
    }
}

struct Pairs;

impl Dialect for Pairs {
    type Name = Pair;
    type Audience = Heard;
    type Own = String;

    fn name(text: &str) -> Result<Pair, CommandError> {
        let pair = text.trim_matches(' ').split_once('@');
        let (a, b) = pair.ok_or_else(|| CommandError::new("no-pair", text))?;
        Ok(Pair(a.to_owned(), b.to_owned()))
    }

    fn own(word: &str, argument: &str) -> Result<Option<String>, CommandError> {
        match (word, argument) {
            ("leave", "") => Ok(Some("leave".to_owned())),
            ("lamp", argument) => Ok(Some(needed(argument, "/lamp OIL")?.to_owned())),
            _ => Ok(None),
        }
    }
}

fn show(line: &str) -> String {
    match parse::<Pairs>(line) {
        Ok(None) => "nothing".to_owned(),
        Ok(Some(Command::Say { audience, text })) => format!("{audience:?} {text:?}"),
        Ok(Some(command)) => format!("{command:?}"),
        Err(error) => format!("error {}", error.code),
    }
}

#[test]
fn names_and_commands_are_the_programs_own_and_the_rest_is_common() {
    for (line, expected) in [
        ("hi", r#"All "hi""#),
        ("MSG:a@b:hi", r#"These([Pair("a", "b")]) "hi""#),
        ("MSG:a:hi", "error no-pair"),
        (
            "MULTICAST:a@b, c@d:x:y",
            r#"These([Pair("a", "b"), Pair("c", "d")]) "x:y""#,
        ),
        ("MULTICAST:a@b,:x", "error no-pair"),
        ("BROADCAST:#lab:hi", r#"In(RoomName("lab")) "hi""#),
        ("/msg a@b  hi", r#"These([Pair("a", "b")]) " hi""#),
        ("/pub #lab hi", r#"In(RoomName("lab")) "hi""#),
        ("/lamp  whale ", r#"Own("whale")"#),
        ("/lamp", "error malformed"),
        ("/leave", r#"Own("leave")"#),
        ("/leave #lab", r#"Leave(RoomName("lab"))"#),
        ("/who", "Who"),
        ("/why [3] 9", "Why(Lamport(3), Lamport(9))"),
        ("/nick eva", "error unknown-command"),
        ("//lamp", r#"All "/lamp""#),
    ] {
        assert_eq!(show(line), expected, "for the line {line:?}");
    }
}

#[test]
fn recipients_go_together_or_are_refused() {
    let of = |to: &[&str]| audience::<Pairs>(to).map_err(|error| error.code);
    let pair = |a: &str, b: &str| Pair(a.to_owned(), b.to_owned());
    assert_eq!(of(&["ALL"]), Ok(Heard::All));
    assert_eq!(of(&["a@b"]), Ok(Heard::These(vec![pair("a", "b")])));
    let both = vec![pair("a", "b"), pair("c", "d")];
    assert_eq!(of(&["a@b", "c@d"]), Ok(Heard::These(both)));
    assert_eq!(of(&["a@b", "#lab"]), Err("malformed"));
    assert_eq!(of(&[]), Err("malformed"));
}
