//! The rendezvous: any requests of any addresses at any time are answered with one line of ASCII JSON that
//! says OK or ERROR; records never outlast their `ttl`; and what is saved is what comes back.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use lamparina_protocol::{Instant, UnixMicros};
use lamparina_pyp2p::directory::{Asked, Directory, Settings};
use serde_json::Value;

use crate::choices::Choices;

const RECORDS_MAX: usize = 6;

/// Asks by the choices.
pub fn directory(input: &[u8]) {
    let mut settings = Settings::new(UnixMicros(1_000_000));
    (settings.limit, settings.records_max) = (3, RECORDS_MAX);
    let mut directory = Directory::new(settings);
    let mut choices = Choices::new(input);
    let mut now = Instant::ZERO;
    while !choices.is_empty() {
        now += Duration::from_millis(u64::from(choices.byte()).pow(3));
        let from = IpAddr::from([203, 0, 113, choices.below(3) as u8]);
        if let Err(reply) = directory.admit(now, SocketAddr::new(from, 1)) {
            let reply = judge(&reply);
            assert!(
                reply["message"]
                    .as_str()
                    .is_some_and(|words| words.contains("blocked"))
            );
        }
        let line = match choices.below(4) {
            0 => choices.text(200),
            _ => request(&mut choices),
        };
        let before = directory.changes();
        let reply = judge(&directory.answer(now, from, Asked::Line(&line)));
        let changed = directory.changes() != before;
        assert!(!changed || reply["status"] == "OK");
        assert!(directory.len() <= RECORDS_MAX);
        for peer in reply["peers"].as_array().into_iter().flatten() {
            let (left, ttl) = (peer["expires_in"].as_u64(), peer["ttl"].as_u64());
            assert!(left >= Some(1) && left <= ttl, "{peer}");
        }
        let saved = directory.save(now);
        let mut again = Directory::new(settings);
        let restored = again
            .restore(now, &saved)
            .expect("what is saved comes back");
        assert_eq!(
            (restored.kept, restored.over, restored.left_out),
            (directory.len(), 0, 0)
        );
        assert_eq!(again.save(now), saved);
    }
    // As a file, the input is refused or is one.
    let text = String::from_utf8_lossy(input);
    let mut other = Directory::new(settings);
    if other.restore(now, &text).is_err() {
        assert!(other.is_empty());
    }
}

fn judge(reply: &str) -> Value {
    assert!(reply.is_ascii());
    assert_eq!(reply.find('\n'), Some(reply.len() - 1));
    let value: Value = serde_json::from_str(reply).expect("a reply is JSON");
    let status = value["status"].as_str();
    let words = value["message"].is_string();
    assert!(
        status == Some("OK") && !words || status == Some("ERROR") && words,
        "{value}"
    );
    value
}

/// A request that may well be granted.
fn request(choices: &mut Choices<'_>) -> String {
    const VALUES: [&str; 12] = [
        "1", "\"1\"", "65535", "0", "3.7", "null", "\"lab\"", "\"ana\"", "\"\"", "[]", "true", "60",
    ];
    let kind = ["REGISTER", "DISCOVER", "unregister"][choices.below(3)];
    let mut line = format!("{{\"type\":\"{kind}\"");
    for (member, usual) in [("namespace", 6), ("name", 7), ("port", 0), ("ttl", 11)] {
        let value = match choices.below(4) {
            0 => continue,
            1 => VALUES[choices.below(VALUES.len())],
            _ => VALUES[usual],
        };
        line.push_str(&format!(",\"{member}\":{value}"));
    }
    line + "}"
}

pub(super) fn seeds() -> Vec<Vec<u8>> {
    let ask = |from: u8, line: &str| {
        let length = u16::try_from(line.len()).unwrap_or(0).to_be_bytes();
        [&[2, from, 0][..], &length, line.as_bytes()].concat()
    };
    let ana = r#"{"type":"REGISTER","namespace":"lab","name":"ana","port":4100,"ttl":900}"#;
    let mut saved = Directory::new(Settings::new(UnixMicros(0)));
    saved.answer(Instant::ZERO, IpAddr::from([1, 2, 3, 4]), Asked::Line(ana));
    vec![
        [
            ask(0, ana),
            ask(0, r#"{"type":"DISCOVER"}"#),
            ask(1, r#"{"type":"DISCOVER"}"#),
        ]
        .concat(),
        [
            ask(0, ana),
            ask(0, r#"{"type":"UNREGISTER","namespace":"lab","port":"abc"}"#),
        ]
        .concat(),
        (0..200).map(|n: u8| n.wrapping_mul(37)).collect(),
        saved.save(Instant::ZERO).into_bytes(),
    ]
}
