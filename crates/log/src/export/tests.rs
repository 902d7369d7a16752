//! Every form of one small journal, whole.

use super::*;
use crate::testing::{BEGIN, STEP, nick, room, story};
use lamparina_protocol::UnixMicros;

fn export(form: Form, all: bool, filter: &Filter) -> String {
    let records = story().records;
    let mut owners = Owners::default();
    records.iter().for_each(|record| owners.note(record));
    let mut out = Vec::new();
    let mut export = Export::begin(form, all, "a <title>", &mut out).unwrap();
    for record in records
        .iter()
        .filter(|record| filter.admits(record, &owners))
    {
        export.entry(record).unwrap();
    }
    export.end().unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn text_is_as_the_client_shows_it() {
    let got = export(Form::Text, true, &Filter::default());
    let expected = "\
* the server started, term 1
* ana is member 0
* bob is member 1
* eva is member 2
[2] ana: hello, all
";
    assert!(got.starts_with(expected), "{got}");
    assert!(
        got.contains("[5] bob #lab: in the lab\n* eva is Evi from now on\n"),
        "{got}"
    );
    assert!(
        got.contains("Evi: <b>bold</b> ␛[31m\n    second & last\n"),
        "{got}"
    );
    let messages = export(Form::Text, false, &Filter::default());
    assert!(
        messages
            .lines()
            .all(|line| line.starts_with('[') || line.starts_with("    "))
    );
}

#[test]
fn json_has_the_fields_of_a_clients_message() {
    let got = export(Form::Json, true, &Filter::default());
    let lines: Vec<_> = got.lines().collect();
    assert_eq!(
        lines[0],
        r#"{"v":1,"type":"began","term":1,"after":0,"index":1,"at":"2026-11-20T18:42:01.000000Z"}"#
    );
    assert_eq!(
        lines[4],
        r#"{"v":1,"type":"message","stamp":2,"from":"ana","kind":"broadcast","to":["ALL"],"text":"hello, all","sent_at":"2026-11-20T18:42:01.000000Z","clock":1,"seen":0,"member":0,"epoch":1,"pseq":1,"history":true,"index":5,"at":"2026-11-20T22:42:01.000000Z"}"#
    );
    assert!(
        got.contains(r#""text":"<b>bold</b> \u001b[31m\nsecond & last""#),
        "{got}"
    );
    assert_eq!(
        visible("\"a\u{202e}\u{e0041}é\"".to_owned()),
        "\"a\\u202e\\udb40\\udc41é\""
    );
}

#[test]
fn a_page_is_whole_escaped_and_has_anchors_and_days() {
    let got = export(Form::Html, true, &Filter::default());
    assert!(got.starts_with("<!doctype html>") && got.ends_with("</html>\n"));
    assert!(got.contains("<title>a &lt;title&gt;</title>"));
    assert!(
        got.contains("<p dir=\"auto\">&lt;b&gt;bold&lt;/b&gt; ␛[31m\nsecond &amp; last</p>"),
        "{got}"
    );
    assert!(got.contains("<article id=\"s2\"><a href=\"#s2\">2</a>"));
    assert!(!got.contains("<script") && !got.contains("<b>bold"));
    assert_eq!(got.matches("<h2>").count(), 2);
    assert!(got.contains("<h2>2026-11-20</h2>") && got.contains("<h2>2026-11-21</h2>"));
}

/// The stamps that pass.
#[track_caller]
fn check(filter: Filter, expected: &str) {
    let got = export(Form::Text, false, &filter);
    let stamps = got
        .lines()
        .filter_map(|line| line.strip_prefix('[')?.split(']').next());
    assert_eq!(stamps.collect::<Vec<_>>().join(" "), expected, "{filter:?}");
}

#[test]
fn all_conditions_hold() {
    let none = Filter::default;
    let all: Vec<_> = story()
        .records
        .iter()
        .filter(|record| matches!(record.event, Recorded::Message(_)))
        .map(|record| record.stamp.to_string())
        .collect();
    check(none(), &all.join(" "));
    let from = |name| Some(nick(name));
    check(
        Filter {
            from: from("bob"),
            ..none()
        },
        "3 5",
    );
    // By any name that its author has or had.
    check(
        Filter {
            from: from("EVA"),
            ..none()
        },
        "6",
    );
    check(
        Filter {
            from: from("evi"),
            ..none()
        },
        "6",
    );
    let to = |whom: &str| Some(whom.parse::<Whom>().unwrap());
    check(
        Filter {
            to: to("eva"),
            ..none()
        },
        "4 8",
    );
    check(
        Filter {
            to: to("#LAB"),
            ..none()
        },
        "5",
    );
    check(
        Filter {
            to: to("ALL"),
            from: from("ana"),
            ..none()
        },
        "2 9",
    );
    let text = |pattern: &str| Some(pattern.parse::<Pattern>().unwrap());
    check(
        Filter {
            text: text("HELLO a"),
            ..none()
        },
        "2 3",
    );
    check(
        Filter {
            text: text("/^hello, (ana|both)$/"),
            ..none()
        },
        "3 4",
    );
    check(
        Filter {
            text: text("/"),
            ..none()
        },
        "6",
    );
    let at = |entry: u64| Some(UnixMicros(BEGIN + (entry - 1) * STEP));
    check(
        Filter {
            since: at(5),
            until: at(7),
            ..none()
        },
        "2 3",
    );
}

#[test]
fn what_is_no_message_passes_by_time_and_author() {
    let filter = Filter {
        from: Some(nick("eva")),
        ..Filter::default()
    };
    let got = export(Form::Text, true, &filter);
    let expected = "* eva is member 2\n* eva is Evi from now on\n[6] Evi:";
    assert!(got.starts_with(expected), "{got}");
    let filter = Filter {
        to: Some(Whom::Room(room("lab"))),
        ..Filter::default()
    };
    assert_eq!(
        export(Form::Text, true, &filter),
        "[5] bob #lab: in the lab\n"
    );
    let mut owners = Owners::default();
    story()
        .records
        .iter()
        .for_each(|record| owners.note(record));
    let filter = Filter {
        from: Some(nick("nobody")),
        ..Filter::default()
    };
    assert_eq!(filter.unknown(&owners), Some(&nick("nobody")));
    assert!(
        "a b".parse::<Whom>().is_err()
            && " ".parse::<Pattern>().is_err()
            && "/(/".parse::<Pattern>().is_err()
    );
}
