//! Every event as it is printed, against a file of lines that must not change.

use super::*;
use crate::core::event::Ending;
use crate::core::testing::{delivery, nick};
use crate::show::testing::{no_link, over_tcp, over_udp};
use lamparina_protocol::message::{ChainLink, Hit, Mark, Trace, UserLine, WhyOrdered};
use lamparina_protocol::{
    Audience, AuthorKey, Epoch, Lamport, LogId, MemberId, Pseq, RoomName, UnixMicros,
};
use std::time::Duration;

fn trace() -> Trace {
    let mark = |name, consumed, at| Mark {
        member: MemberId(1),
        nick: nick(name),
        consumed: Lamport::new(consumed),
        at: UnixMicros(at),
    };
    Trace {
        stamp: Lamport::new(7),
        from: nick("ana"),
        epoch: Epoch(70),
        pseq: Pseq(1),
        audience: Audience::All,
        sent_at: UnixMicros(1_000_000),
        stored_at: UnixMicros(2_000_000),
        entry: 12,
        chain: [0xcd; 32],
        of: 3,
        delivered: 1,
        marks: vec![mark("bob", 7, 3_000_000), mark("eva", 0, 0)],
    }
}

fn samples() -> Vec<Event> {
    let room = || RoomName::try_from("lab").unwrap();
    let after = Lamport::new(41);
    let name = MessageName {
        epoch: Epoch(70),
        pseq: Pseq(1),
    };
    let commit = |was| {
        Event::Committed(Commit {
            name,
            was,
            stamp: Lamport::new(42),
            audience: Audience::All,
            text: "hi".to_owned(),
        })
    };
    let mut old = delivery(0, 3, "old");
    old.history = true;
    let summary = Summary {
        sent: 5,
        committed: 3,
        refused: 1,
        pending: 1,
    };
    vec![
        Event::Connected {
            server: "127.0.0.1:5000".to_owned(),
            nick: nick("ana"),
            member: MemberId(2),
            log: LogId([0xab; 16]),
            stamp: after,
        },
        commit(None),
        commit(Some(MessageName {
            epoch: Epoch(60),
            pseq: Pseq(9),
        })),
        Event::Message(delivery(
            40,
            42,
            "tab\t quote\" bell\u{7} rtl\u{202e} é 👩‍👧\n",
        )),
        Event::Message(old),
        Event::Users {
            users: vec![UserLine {
                nick: nick("bob"),
                member: MemberId(1),
                author: AuthorKey([7; 32]),
            }],
            total: 1,
            after,
        },
        Event::Joined {
            nick: nick("bob"),
            member: MemberId(1),
            after,
        },
        Event::Left {
            nick: nick("bob"),
            after,
        },
        Event::Renamed {
            from: nick("bob"),
            to: nick("rob"),
            own: false,
            after,
        },
        Event::RoomJoined {
            nick: nick("ana"),
            room: room(),
            own: true,
            after,
        },
        Event::RoomLeft {
            nick: nick("bob"),
            room: room(),
            own: false,
            after,
        },
        Event::Channel {
            spec: "off".to_owned(),
        },
        Event::NewLog {
            log: LogId([1; 16]),
            epoch: Epoch(71),
            again: 3,
            kept: 2,
        },
        Event::Error {
            code: "unknown-user".to_owned(),
            text: "nobody is called bo".to_owned(),
            message: Some(name),
        },
        Event::Error {
            code: "gap".to_owned(),
            text: "x".to_owned(),
            message: None,
        },
        Event::Disconnected {
            reason: "the connection was cut".to_owned(),
            retry: Some(Duration::from_micros(212_900)),
        },
        Event::Disconnected {
            reason: "taken over".to_owned(),
            retry: None,
        },
        Event::Queued { name, number: 4 },
        Event::Cancelled { name, number: 4 },
        Event::Requeued { was: name, name },
        Event::Rewound {
            from: after,
            to: Lamport::new(30),
        },
        Event::CatchUp {
            from: Lamport::new(30),
            to: after,
        },
        Event::CaughtUp {
            count: 3,
            upto: after,
        },
        Event::History {
            count: 20,
            more: true,
            asked: true,
        },
        Event::Found {
            hits: vec![Hit {
                stamp: Lamport::new(7),
                from: nick("bob"),
                sent_at: UnixMicros(1_000_000),
                audience: Audience::Room(room()),
                text: "pump\u{1b}".to_owned(),
            }],
            more: false,
            upto: after,
        },
        Event::Trace(Box::new(trace())),
        Event::Why {
            earlier: Lamport::new(3),
            later: Lamport::new(9),
            reason: WhyOrdered::Seen,
            chain: vec![ChainLink {
                stamp: Lamport::new(3),
                from: nick("bob"),
                seen: Lamport::new(2),
            }],
            hidden: vec![Lamport::new(6)],
            left_out: 0,
        },
        Event::Why {
            earlier: Lamport::new(3),
            later: Lamport::new(9),
            reason: WhyOrdered::SameAuthor,
            chain: Vec::new(),
            hidden: Vec::new(),
            left_out: 0,
        },
        Event::Why {
            earlier: Lamport::new(3),
            later: Lamport::new(9),
            reason: WhyOrdered::Concurrent,
            chain: Vec::new(),
            hidden: Vec::new(),
            left_out: 0,
        },
        Event::Receipt {
            stamp: after,
            by: nick("bob"),
            member: MemberId(1),
            delivered: 1,
            of: 2,
        },
        Event::Closed {
            summary,
            ending: Ending::Left,
        },
    ]
}

#[test]
fn golden_lines() {
    let lines: Vec<_> = samples().iter().map(event).collect();
    let mut got = lines.join("\n");
    got.push('\n');
    got.push_str(&error("unknown-command", "/x is no command"));
    got.push('\n');
    for status in [over_udp(), over_tcp(), no_link()] {
        got.push_str(&link(&status));
        got.push('\n');
    }
    assert_eq!(got, include_str!("../json.golden"));
}

/// docs/scripting.md is what programs are written from.
#[test]
fn the_page_for_scripts_names_every_event_and_every_field() {
    let page = include_str!("../../../../../docs/scripting.md");
    for line in include_str!("../json.golden").lines() {
        let event: serde_json::Value = serde_json::from_str(line).unwrap();
        let kind = format!("`{}`", event["type"].as_str().unwrap());
        let mut rows = page.lines().filter(|row| row.starts_with('|'));
        let row = rows.find(|row| row.split('|').nth(1).unwrap().contains(&kind));
        let row = row.unwrap_or_else(|| panic!("{kind} has no row"));
        for field in event.as_object().unwrap().keys() {
            let known = ["v", "type"].contains(&field.as_str());
            assert!(
                known
                    || row.contains(&format!("`{field}`"))
                    || row.contains(&format!("\"{field}\"")),
                "{kind}: {field}"
            );
        }
    }
}
