//! Events as lines, and lines read back.

use std::net::SocketAddr;

use lamparina_protocol::{Audience, Lamport, Nick, RoomName, SessionNumber, UnixMicros};
use proptest::prelude::*;

use super::event::LINE_BYTES_MAX;
use super::line::{LineWriter, looks_like_line_start};
use super::parse::parse;
use super::*;

/// 2026-11-20T18:42:01.123456Z.
const AT: UnixMicros = UnixMicros(1_795_200_121_123_456);

fn line(event: &LogEvent<'_>, with_text: bool) -> String {
    let mut out = Vec::new();
    LineWriter::default().push(&mut out, AT, event, with_text);
    String::from_utf8(out).unwrap()
}

#[track_caller]
fn check(event: &LogEvent<'_>, expected: &str) {
    let expected = format!("2026-11-20T18:42:01.123456Z event={expected}\n");
    assert_eq!(line(event, true), expected);
}

fn produced<'a>(to: To<'a>, text: Option<&'a str>) -> LogEvent<'a> {
    LogEvent::Produced {
        stamp: Lamport::new(42),
        kind: "multicast",
        from: "ana",
        to,
        bytes: 5,
        seen: Lamport::new(40),
        text,
    }
}

fn addr(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

#[test]
fn messages_as_lines() {
    let (bob, carla) = (
        Nick::try_from("bob").unwrap(),
        Nick::try_from("carla").unwrap(),
    );
    let both = Audience::Multicast(vec![bob.clone(), carla]);
    let named = "produced stamp=42 kind=multicast from=ana to=bob,carla bytes=5 seen=40";
    check(&produced(To::from(&both), None), named);
    check(
        &produced(To::from(["bob", "carla"].as_slice()), None),
        named,
    );
    let names = ["bob".to_owned(), "carla".to_owned()];
    check(&produced(To::from(names.as_slice()), None), named);
    check(
        &produced(To::from(&both), Some("olá, \"mundo\"\n")),
        &format!(r#"{named} text="olá, \"mundo\"\n""#),
    );
    for (audience, to) in [
        (Audience::Unicast(bob), "bob"),
        (Audience::All, "ALL"),
        (Audience::Room(RoomName::try_from("lab").unwrap()), "#lab"),
    ] {
        check(
            &produced(To::from(&audience), None),
            &format!("produced stamp=42 kind=multicast from=ana to={to} bytes=5 seen=40"),
        );
    }
    check(
        &LogEvent::Consumed {
            by: "bob",
            upto: Lamport::new(42),
            count: 3,
        },
        "consumed by=bob upto=42 count=3",
    );
}

#[test]
fn other_events_as_lines() {
    let local = addr("127.0.0.1:5000");
    let (nick, room) = ("ana", "lab");
    let (code, reason) = ("nick-taken", "`ana` is taken");
    let session = SessionNumber(7);
    let (count, cause) = (9, DropCause::Stalled);
    #[rustfmt::skip]
    let table = [
        (LogEvent::Started { addr: local, version: "0.1.0", pid: 77, via: Via::Tcp }, "started addr=127.0.0.1:5000 version=0.1.0 pid=77"),
        (LogEvent::Started { addr: local, version: "0.1.0", pid: 77, via: Via::Udp }, "started addr=127.0.0.1:5000 version=0.1.0 pid=77 via=udp"),
        (LogEvent::Connected { nick, addr: addr("[::1]:9"), session, via: Via::Tcp }, "connected nick=ana addr=[::1]:9 session=7"),
        (LogEvent::Connected { nick, addr: addr("[::1]:9"), session, via: Via::Udp }, "connected nick=ana addr=[::1]:9 session=7 via=udp"),
        (LogEvent::Refused { addr: local, nick: Some(nick), code, reason }, "refused addr=127.0.0.1:5000 nick=ana code=nick-taken reason=\"`ana` is taken\""),
        (LogEvent::Refused { addr: local, nick: None, code, reason: "" }, "refused addr=127.0.0.1:5000 code=nick-taken reason=\"\""),
        (LogEvent::Renamed { from: "a=b", to: "a\"b" }, r#"renamed from="a=b" to="a\"b""#),
        (LogEvent::Disconnected { nick, reason: "timeout" }, "disconnected nick=ana reason=timeout"),
        (LogEvent::JoinedRoom { nick, room }, "room_joined nick=ana room=#lab"),
        (
            LogEvent::Operated {
                what: "invite 3 made",
                by: "uid 7",
            },
            "operated what=\"invite 3 made\" by=\"uid 7\"",
        ),
        (LogEvent::Redeemed { nick, invite: 3 }, "redeemed nick=ana invite=3"),
        (
            LogEvent::Banned {
                nick,
                by: "uid 7",
                reason: "a\nb",
            },
            "banned nick=ana by=\"uid 7\" reason=\"a\\nb\"",
        ),
        (LogEvent::Unbanned { nick, by: "uid" }, "unbanned nick=ana by=uid"),
        (LogEvent::LeftRoom { nick, room }, "room_left nick=ana room=#lab"),
        (LogEvent::Channel { nick, settings: "loss=20%" }, "channel nick=ana settings=\"loss=20%\""),
        (LogEvent::Coordinator { nick: "ana@lan", epoch: 3 }, "coordinator nick=ana@lan epoch=3"),
        (LogEvent::Merged { lines: 12, inserted: 9, late: 2 }, "merged lines=12 inserted=9 late=2"),
        (LogEvent::Equivocation { nick: "ana@lan", number: 3 }, "equivocation nick=ana@lan n=3"),
        (LogEvent::Dropped { count, cause }, "dropped count=9 cause=stalled"),
        (LogEvent::Stopped { reason: "signal" }, "stopped reason=signal"),
    ];
    for (event, expected) in table {
        check(&event, expected);
    }
}

#[test]
fn texts_are_kept_only_on_request() {
    let names = To::Strs(&["bob"]);
    assert!(!line(&produced(names, Some("secret")), false).contains("secret"));
}

#[test]
fn times_as_text() {
    #[track_caller]
    fn check(writer: &mut LineWriter, micros: u64, expected: &str) {
        let mut out = Vec::new();
        writer.push(
            &mut out,
            UnixMicros(micros),
            &LogEvent::Stopped { reason: "x" },
            false,
        );
        let text = String::from_utf8(out).unwrap();
        assert_eq!(text.split_once(' ').unwrap().0, expected);
        assert!(looks_like_line_start(text.as_bytes()));
    }
    let mut writer = LineWriter::default();
    check(&mut writer, 0, "1970-01-01T00:00:00.000000Z");
    check(&mut writer, 1, "1970-01-01T00:00:00.000001Z");
    check(
        &mut writer,
        951_827_696_999_999,
        "2000-02-29T12:34:56.999999Z",
    );
    check(
        &mut writer,
        951_827_696_000_000,
        "2000-02-29T12:34:56.000000Z",
    );
    check(&mut writer, AT.0, "2026-11-20T18:42:01.123456Z");
    check(
        &mut writer,
        4_107_542_399_100_000,
        "2100-02-28T23:59:59.100000Z",
    );
    check(
        &mut writer,
        4_107_542_400_000_000,
        "2100-03-01T00:00:00.000000Z",
    );
    check(&mut writer, u64::MAX, "9999-12-30T22:00:00.551615Z");
}

#[test]
fn what_is_cut_is_said() {
    let text = "é".repeat(3_000);
    let names: Vec<String> = (0..40).map(|number| format!("n{number}")).collect();
    let line = line(&produced(To::from(names.as_slice()), Some(&text)), true);
    let (_, pairs) = parse(line.trim_end()).unwrap();
    let value = |key: &str| &pairs.iter().find(|(found, _)| found == key).unwrap().1;
    assert_eq!(value("to").split(',').count(), NAMES_LOGGED_MAX);
    assert_eq!(value("to_more"), "8");
    assert_eq!(value("text").len(), TEXT_LOGGED_MAX);
    assert_eq!(value("text_more"), "1904");
}

#[test]
fn the_longest_line_is_bounded() {
    let evil = "\u{7f}".repeat(TEXT_LOGGED_MAX + 1);
    let names = vec![evil.clone(); NAMES_LOGGED_MAX + 1];
    let event = LogEvent::Produced {
        stamp: Lamport::new(u64::MAX),
        kind: &evil,
        from: &evil,
        to: To::from(names.as_slice()),
        bytes: usize::MAX,
        seen: Lamport::new(u64::MAX),
        text: Some(&evil),
    };
    assert!(line(&event, true).len() <= LINE_BYTES_MAX);
}

/// Texts made of what makes lines go wrong.
fn evil() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        "[ =\"\\\\,\\r\\n\\t\u{0}-\u{1f}\u{7f}-\u{a0}]",
        "[\u{200b}-\u{200f}\u{2028}-\u{202e}\u{2060}-\u{206f}\u{feff}\u{fe0f}\u{301}\u{e0020}-\u{e007f}]",
        "[a-z👩🚀🏴é]",
        any::<char>().prop_map(String::from),
    ];
    proptest::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn a_line_reads_back(from in evil(), text in evil()) {
        let event = LogEvent::Produced {
            stamp: Lamport::new(1),
            kind: "unicast",
            from: &from,
            to: To::Strs(&["bob", "a=\""]),
            bytes: text.len(),
            seen: Lamport::ZERO,
            text: Some(&text),
        };
        let line = line(&event, true);
        prop_assert_eq!(line.matches('\n').count(), 1);
        let acts = |c: char| c.is_control() && c != '\n'
            || matches!(c, '\u{200b}' | '\u{200e}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
        prop_assert!(!line.contains(acts));
        let (time, pairs) = parse(line.trim_end_matches('\n')).unwrap();
        prop_assert_eq!(time, "2026-11-20T18:42:01.123456Z");
        let expected = [
            ("event", "produced"), ("stamp", "1"), ("kind", "unicast"), ("from", &*from),
            ("to", "bob,a=\""), ("bytes", &*text.len().to_string()), ("seen", "0"), ("text", &*text),
        ];
        let pairs: Vec<_> = pairs.iter().map(|(key, value)| (&**key, &**value)).collect();
        prop_assert_eq!(pairs, expected);
    }
}
