//! What clients printed: a capture is taken or refused in words; a whole one of honest events is
//! taken, and counted as it is.

use std::io::BufReader;
use std::path::Path;

use lamparina_log::captures::Captures;
use lamparina_log::lines::Lines;
use serde_json::json;

use crate::choices::Choices;

/// Reads the bytes as a capture, twice in one set; then an honest one made of choices.
pub fn captures(input: &[u8]) {
    let mut captures = Captures::default();
    let first = take(&mut captures, "first", input);
    let seen = captures.seen();
    assert_eq!(seen.files, 1);
    let lines = input.split(|byte| *byte == b'\n').count();
    assert!(seen.messages <= lines && seen.sightings <= lines as u64);
    if first.is_ok() {
        let again = take(&mut captures, "again", input);
        assert_eq!(again, Ok(()), "who saw the same agrees");
        let twice = captures.seen();
        assert_eq!((twice.files, twice.messages), (2, seen.messages));
    }
    honest(&mut Choices::new(input));
}

fn honest(choices: &mut Choices<'_>) {
    let mut capture =
        String::from("{\"v\":1,\"type\":\"connected\",\"member\":1,\"log\":\"ab\"}\n");
    let (mut stamp, mut messages) = (0_u64, 0);
    while !choices.is_empty() && messages < 20 {
        let prev = stamp;
        stamp += 1 + u64::from(choices.byte());
        messages += 1;
        let nick = choices.nick();
        let (kind, to) = match choices.below(3) {
            0 => ("unicast", vec![choices.nick().to_string()]),
            1 => (
                "multicast",
                vec!["eva".to_owned(), choices.nick().to_string()],
            ),
            _ => ("broadcast", vec!["ALL".to_owned()]),
        };
        let event = json!({
            "v": 1, "type": "message", "stamp": stamp, "prev": prev, "from": nick.as_str(),
            "kind": kind, "to": to, "text": choices.text(40), "clock": stamp - 1, "seen": prev,
            "member": 2, "epoch": 1, "pseq": messages,
        });
        capture.push_str(&event.to_string());
        capture.push('\n');
    }
    let mut captures = Captures::default();
    assert_eq!(take(&mut captures, "honest", capture.as_bytes()), Ok(()));
    assert_eq!(captures.seen().messages, messages);
}

fn take(captures: &mut Captures, name: &str, bytes: &[u8]) -> Result<(), String> {
    let lines = Lines::over(Path::new(name), BufReader::new(bytes));
    captures.take_lines(lines).map_err(|stop| {
        let words = stop.to_string();
        assert!(!words.is_empty());
        words
    })
}

pub(super) fn seeds() -> Vec<Vec<u8>> {
    let connected =
        r#"{"v":1,"type":"connected","server":"x","as":"ana","stamp":41,"member":2,"log":"ab"}"#;
    let message = r##"{"v":1,"type":"message","stamp":42,"prev":40,"from":"bob","kind":"broadcast","to":["#lab"],"text":"x","sent_at":"","clock":41,"seen":0,"member":7,"epoch":70,"pseq":42}"##;
    let next = r#"{"v":1,"type":"message","stamp":44,"prev":42,"from":"bob","kind":"multicast","to":["ana","eva"],"text":"y","clock":43,"seen":40,"member":7,"epoch":70,"pseq":43}"#;
    let history = r#"{"v":1,"type":"message","stamp":3,"from":"eva","kind":"broadcast","to":["ALL"],"text":"z","clock":2,"seen":0,"member":9,"epoch":7,"pseq":1,"history":true}"#;
    let committed = r#"{"v":1,"type":"committed","epoch":5,"pseq":1,"stamp":43}"#;
    let rewound = r#"{"v":1,"type":"rewound","to":42}"#;
    let new_log = r#"{"v":1,"type":"new_log","log":"cd"}"#;
    let other = r#"{"v":1,"type":"joined","nick":"bob","after":4}"#;
    let sets = [
        vec![connected, message, committed, next],
        vec![connected, history, message, rewound, connected, message],
        vec![connected, message, new_log, other, message],
        vec![message, message],
        vec![next, message],
    ];
    let mut seeds: Vec<Vec<u8>> = sets
        .iter()
        .map(|lines| (lines.join("\n") + "\n").into_bytes())
        .collect();
    seeds.push(format!("{connected}\n{{\"v\":1,\"ty").into_bytes());
    seeds
}
