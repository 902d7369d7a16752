//! Whole lines: what programs rely on.

use super::*;
use crate::show::testing::{self, foreign, key};

const AUTHOR: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
const BOB: &str = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";
const DIGEST: &str = "d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0";

/// `AUTHOR` .. in `expected` stand for these.
#[track_caller]
fn check(shown: &str, expected: &str) {
    let expected = expected
        .replace("AUTHOR", AUTHOR)
        .replace("BOB", BOB)
        .replace("DIGEST", DIGEST);
    assert_eq!(shown, expected);
}

fn shown(event: &Event) -> String {
    let name = testing::name("rui@lan");
    let listening = ["127.0.0.1:5000".parse().unwrap()];
    let own = Own {
        name: &name,
        listening: &listening,
    };
    super::event(event, &own)
}

#[test]
fn a_message() {
    check(
        &shown(&Event::Message(testing::line(42, "h\u{1b}i"))),
        r#"{"v":1,"type":"message","stamp":42,"from":"ana@lab","addr":"192.0.2.5:5001","kind":"broadcast","to":["ALL"],"text":"h\u001bi","sent_at":"2026-11-20T18:42:01.123456Z","author":"AUTHOR","incarnation":"117650000000000000","n":3,"digest":"DIGEST","final":false,"late":false,"history":false,"own":false,"via":null}"#,
    );
}

#[test]
fn a_message_from_another_protocol_is_its_own_author_and_marked() {
    let mut line = testing::line(42, "hi");
    (line.via, line.late) = (Some(foreign()), true);
    check(
        &message(&line),
        r#"{"v":1,"type":"message","stamp":42,"from":"kim@there","addr":"192.0.2.9:4000","kind":"broadcast","to":["ALL"],"text":"hi","sent_at":"2026-11-20T18:42:01.123456Z","author":"AUTHOR","incarnation":"117650000000000000","n":3,"digest":"DIGEST","final":false,"late":true,"history":false,"own":false,"via":{"protocol":"PyP2P","by":"ana@lab","msg_id":"m-1"}}"#,
    );
}

#[test]
fn what_one_says_and_its_end() {
    let (to, text) = (vec!["bob@lan".to_owned()], "hi".to_owned());
    let kind = Kind::Unicast;
    let key = key(7, 0xaa);
    check(
        &shown(&Event::Committed {
            key,
            kind,
            to,
            text,
        }),
        r##"{"v":1,"type":"committed","epoch":117650000000000000,"pseq":3,"stamp":7,"author":"AUTHOR","incarnation":"117650000000000000","n":3,"digest":"DIGEST","kind":"unicast","to":["bob@lan"],"text":"hi"}"##,
    );
    check(
        &shown(&Event::Final { upto: key }),
        r#"{"v":1,"type":"final","upto":7,"author":"AUTHOR","incarnation":"117650000000000000","n":3,"digest":"DIGEST"}"#,
    );
    let summary = Summary {
        sent: 3,
        committed: 2,
        pending: 1,
    };
    check(
        &shown(&Event::Closed(summary)),
        r#"{"v":1,"type":"closed","sent":3,"committed":2,"pending":1}"#,
    );
}

#[test]
fn the_beginning() {
    check(
        &shown(&Event::Listening("127.0.0.1:5000".parse().unwrap())),
        r#"{"v":1,"type":"listening","addr":"127.0.0.1:5000"}"#,
    );
    check(
        &shown(&Event::Ready {
            stamp: Lamport::new(9),
        }),
        r#"{"v":1,"type":"connected","server":"127.0.0.1:5000","as":"rui@lan","stamp":9}"#,
    );
}

#[test]
fn peers_links_and_coordinators() {
    let bob = testing::peer("bob@lan", false);
    let fields = r#""nick":"bob@lan","author":"BOB","addrs":["192.0.2.6:5002"],"state":"ACTIVE","id":"bbbb.3.1","last_seen_at":"2026-11-20T18:42:01.123456Z","successes":2,"failures":1,"rtt_mean_ms":0.412,"rtt_last_ms":0.38,"coordinator":true,"own":false,"pyp2p":false"#;
    check(
        &shown(&Event::Joined(bob.clone())),
        &format!(r#"{{"v":1,"type":"joined",{fields}}}"#),
    );
    check(
        &shown(&Event::Left(bob.clone())),
        &format!(r#"{{"v":1,"type":"left",{fields}}}"#),
    );
    let two = [bob.clone(), bob.clone()];
    check(
        &peers(&two),
        &format!(r#"{{"v":1,"type":"peers","peers":[{{{fields}}},{{{fields}}}]}}"#),
    );
    check(
        &users(&two[..1]),
        &format!(r#"{{"v":1,"type":"users","users":[{{{fields}}}],"total":1}}"#),
    );
    check(
        &rtt(&two[..1]),
        r#"{"v":1,"type":"rtt","peers":[{"nick":"bob@lan","mean_ms":0.412,"last_ms":0.38}]}"#,
    );
    let links = [(1, Direction::Inbound), (2, Direction::Outbound)];
    let links = links.map(|(number, direction)| testing::link(number, direction));
    let link = |number: u64, word: &str| {
        format!(
            r#"{{"number":{number},"direction":"{word}","spoken":"tcp","addr":"192.0.2.6:5002","nick":"bob@lan","author":"BOB","since":"2026-11-20T18:42:01.123456Z","rtt_ms":0.38}}"#
        )
    };
    let (inbound, outbound) = (link(1, "inbound"), link(2, "outbound"));
    check(
        &connections(&links),
        &format!(r#"{{"v":1,"type":"conn","inbound":[{inbound}],"outbound":[{outbound}]}}"#),
    );
    let [first, _] = links;
    let reason = "no sign of life".to_owned();
    check(
        &shown(&Event::LinkDown {
            link: first,
            reason,
        }),
        &format!(r#"{{"v":1,"type":"link_down","reason":"no sign of life","link":{inbound}}}"#),
    );
    let who = CoordinatorLine {
        key: key(1, 0xbb).author,
        name: bob.name,
        epoch: 3,
        own: false,
    };
    check(
        &coordinator(Some(&who)),
        r#"{"v":1,"type":"coordinator","nick":"bob@lan","author":"BOB","epoch":3,"own":false}"#,
    );
    check(
        &coordinator(None),
        r#"{"v":1,"type":"coordinator","nick":null,"author":null,"epoch":null,"own":false}"#,
    );
}

#[test]
fn merges_and_equivocations() {
    let ranges = vec![crate::event::Merged {
        first: key(4, 1),
        last: key(17, 2),
        count: 9,
    }];
    let report = MergeReport {
        lines: 12,
        inserted: 9,
        late: 2,
        ranges,
    };
    check(
        &shown(&Event::Merged(report)),
        r#"{"v":1,"type":"merged","lines":12,"inserted":9,"late":2,"ranges":[{"first":4,"last":17,"count":9}]}"#,
    );
    let key = key(4, 0xaa);
    let found = Equivocation {
        name: key.name(),
        from: testing::name("ana@lab"),
        digests: [key.digest, key.digest],
    };
    check(
        &shown(&Event::Equivocation(found)),
        r#"{"v":1,"type":"equivocation","from":"ana@lab","message":{"author":"AUTHOR","incarnation":"117650000000000000","n":3},"digests":["DIGEST","DIGEST"]}"#,
    );
}

#[test]
fn answers() {
    check(
        &history(2, true),
        r#"{"v":1,"type":"history","count":2,"more":true,"asked":true}"#,
    );
    check(
        &error("malformed", "write it so"),
        r#"{"v":1,"type":"error","code":"malformed","text":"write it so"}"#,
    );
    let (first, second) = (testing::line(3, "a"), testing::line(9, "b"));
    let path = vec![first.name(), second.name()];
    let place = r#"{"author":"AUTHOR","incarnation":"117650000000000000","n":3,"digest":"DIGEST"}"#;
    let name = r#"{"author":"AUTHOR","incarnation":"117650000000000000","n":3}"#;
    check(
        &why(&Why {
            first,
            second,
            path,
        }),
        &format!(
            r#"{{"v":1,"type":"why","earlier":3,"later":9,"reason":"seen","first":{place},"second":{place},"path":[{name},{name}]}}"#
        ),
    );
}

/// Lines of all types.
fn samples() -> Vec<String> {
    let (line, bob, link) = (
        testing::line(4, "hi"),
        testing::peer("bob@lan", false),
        testing::link(1, Direction::Inbound),
    );
    let key = line.key;
    let mut out: Vec<String> = [
        Event::Listening("127.0.0.1:5000".parse().unwrap()),
        Event::Ready {
            stamp: Lamport::new(9),
        },
        Event::Committed {
            key,
            kind: Kind::Broadcast,
            to: Vec::new(),
            text: String::new(),
        },
        Event::Message(line.clone()),
        Event::Final { upto: key },
        Event::Merged(MergeReport {
            lines: 0,
            inserted: 0,
            late: 0,
            ranges: Vec::new(),
        }),
        Event::Equivocation(Equivocation {
            name: key.name(),
            from: testing::name("ana@lab"),
            digests: [key.digest; 2],
        }),
        Event::Joined(bob.clone()),
        Event::Left(bob),
        Event::LinkUp(link.clone()),
        Event::LinkDown {
            link,
            reason: String::new(),
        },
        Event::Coordinator(None),
        Event::Warning {
            code: "x",
            text: String::new(),
        },
        Event::Closed(Summary::default()),
    ]
    .iter()
    .map(shown)
    .collect();
    out.extend([
        info("help", "x"),
        history(0, false),
        found(&[]),
        peers(&[]),
        users(&[]),
        connections(&[]),
        rtt(&[]),
        doctor(&Report::default()),
        trace(&Trace {
            received_at: line.sent_at,
            position: 1,
            causes: Vec::new(),
            known_to: Vec::new(),
            line: line.clone(),
        }),
        why(&Why {
            first: line.clone(),
            second: line,
            path: Vec::new(),
        }),
    ]);
    out
}

/// docs/scripting.md is what programs are written from.
#[test]
fn the_page_for_scripts_names_every_event_and_every_field_and_no_others() {
    let page = include_str!("../../../../../docs/scripting.md");
    let (_, page) = page
        .split_once("## `lamparina-peer --json`")
        .expect("a part about peers");
    let (page, _) = page.split_once("\n## ").expect("a part behind it");
    let rows = || page.lines().filter(|row| row.starts_with("| `"));
    let mut known = Vec::new();
    for line in samples() {
        let event: serde_json::Value = serde_json::from_str(&line).unwrap();
        let kind = format!("`{}`", event["type"].as_str().unwrap());
        let cell = |row: &str, at: usize| row.split('|').nth(at).unwrap_or_default().to_owned();
        let row = rows().find(|row| cell(row, 1).contains(&kind));
        let row = row.unwrap_or_else(|| panic!("{kind} has no row"));
        for field in event.as_object().unwrap().keys() {
            let is_common = ["v", "type"].contains(&field.as_str());
            let named = cell(row, 2).contains(&format!("`{field}`"));
            assert!(is_common || named, "{kind}: {field}");
        }
        known.push(kind);
    }
    for row in rows() {
        let kinds = row.split('|').nth(1).unwrap_or_default().trim();
        for kind in kinds.split(", ") {
            assert!(
                known.iter().any(|known| known == kind),
                "{kind} is never told"
            );
        }
    }
}
