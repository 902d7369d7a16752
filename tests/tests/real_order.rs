//! Several clients, all ways to address a message, one order.

use lamparina_tests::real::order::{assert_committed_as_delivered, assert_one_order, number};
use lamparina_tests::real::{Client, Server};

/// Rounds in which everybody says something in every way.
const ROUNDS: usize = 12;

#[test]
fn everyone_sees_the_same_order_whatever_the_audience() {
    let server = Server::start();
    let people = ["ana", "bob", "carla", "dora"].map(|nick| server.enter(nick));
    let [ana, bob, carla, dora] = &people;
    join_room(&[ana, bob], "lab");

    for round in 0..ROUNDS {
        for person in &people {
            person.say(&format!("BROADCAST:ALL:all {round} of {}", person.nick()));
        }
        ana.say(&format!("MSG:bob:one {round}"));
        dora.say(&format!("MULTICAST:ana,carla,ana,dora:some {round}"));
        bob.say(&format!("BROADCAST:#lab:room {round}"));
        carla.say(&format!("plain {round}"));
    }

    // Per round: broadcasts of three others, one plain line of carla's, and what is named.
    ana.wait_texts(ROUNDS * (3 + 1 + 1 + 1));
    bob.wait_texts(ROUNDS * (3 + 1 + 1));
    carla.wait_texts(ROUNDS * (3 + 1));
    dora.wait_texts(ROUNDS * (3 + 1));
    for (person, said) in people.iter().zip([2, 2, 2, 2]) {
        person.wait_events("committed", ROUNDS * said);
    }
    let everybody: Vec<&Client> = people.iter().collect();
    assert_one_order(&everybody);
    for person in &people {
        let heard = person.transcript().heard();
        let errors: Vec<_> = heard.of_type("error").collect();
        assert!(errors.is_empty(), "{}: {errors:?}", person.nick());
    }
    audiences_are_named(ana, dora);
    assert_committed_as_delivered(carla, dora);
}

#[track_caller]
fn audiences_are_named(ana: &Client, dora: &Client) {
    let some = ana.wait_text("some 0");
    assert_eq!(some["kind"], "multicast", "{some}");
    assert_eq!(some["to"], serde_json::json!(["ana", "carla"]), "{some}");
    let room = ana.wait_text("room 0");
    assert_eq!(room["kind"], "broadcast", "{room}");
    assert_eq!(room["to"], serde_json::json!(["#lab"]), "{room}");
    let plain = dora.wait_text("plain 0");
    assert_eq!(plain["kind"], "broadcast", "{plain}");
    assert_eq!(plain["to"], serde_json::json!(["ALL"]), "{plain}");
    assert_eq!(plain["from"], "carla", "{plain}");
    assert!(plain["sent_at"].is_string(), "{plain}");
}

/// Takes everybody into a room; the first of them sees the last one come.
#[track_caller]
fn join_room(people: &[&Client], room: &str) {
    let (first, others) = people.split_first().expect("somebody");
    let came = |by: &Client, who: &str| {
        by.wait(&format!("{who} in #{room}"), |heard| {
            let lines = heard.out.iter();
            let mut lines = lines.map(|line| line.json.to_string());
            lines.find(|line| line.contains("room") && line.contains(who) && line.contains(room))
        });
    };
    first.say(&format!("/join #{room}"));
    came(first, first.nick());
    for other in others {
        other.say(&format!("/join #{room}"));
        came(first, other.nick());
    }
}

#[test]
fn a_cause_comes_before_its_effect() {
    let server = Server::start();
    let [ana, bob, carla] = ["ana", "bob", "carla"].map(|nick| server.enter(nick));
    for round in 0..20 {
        ana.say(&format!("question {round}"));
        bob.wait_text(&format!("question {round}"));
        bob.say(&format!("answer {round}"));
        ana.wait_text(&format!("answer {round}"));
    }
    let texts = carla.wait_texts(40);
    let expected = (0..20).flat_map(|n| [format!("question {n}"), format!("answer {n}")]);
    assert_eq!(texts, expected.collect::<Vec<_>>());
    assert_one_order(&[&ana, &bob, &carla]);
}

#[test]
fn one_unknown_name_refuses_the_whole_multicast_and_nothing_else() {
    let server = Server::start();
    let mut ana = server.enter("ana");
    let bob = server.enter("bob");
    ana.say("MULTICAST:bob,nobody:never");
    ana.say("MSG:nobody:never");
    ana.say("MSG:ana:never");
    ana.say("MSG:bob:after");
    assert_eq!(bob.wait_texts(1), ["after"]);
    let error = ana.wait_event("error");
    assert_eq!(error["code"], "unknown-user", "{error}");
    assert!(
        error["text"]
            .as_str()
            .is_some_and(|text| text.contains("nobody")),
        "{error}"
    );
    assert_eq!(ana.leave(), 0);
    assert_eq!(ana.events("error").len(), 3);
    let closed = ana.wait_event("closed");
    assert_eq!(
        (&closed["committed"], &closed["pending"]),
        (&1.into(), &0.into()),
        "{closed}"
    );
}

#[test]
fn a_member_that_was_away_gets_what_it_missed_in_order() {
    let server = Server::start();
    let ana = server.enter("ana");
    let mut bob = server.enter("bob");
    ana.say("MSG:bob:before");
    let before = number(&bob.wait_text("before"), "stamp");
    assert_eq!(bob.leave(), 0);
    ana.wait_event("left");
    for missed in 0..5 {
        ana.say(&format!("MSG:bob:missed {missed}"));
        ana.say(&format!("to all {missed}"));
    }
    ana.wait_events("committed", 11);

    let again = server.enter("bob");
    ana.say("MSG:bob:after");
    again.wait_text("after");
    let heard = again.transcript().heard();
    let missed = heard
        .messages()
        .filter(|message| number(message, "stamp") > before);
    let missed: Vec<String> = missed
        .map(|m| m["text"].as_str().unwrap().to_owned())
        .collect();
    let expected = (0..5).flat_map(|n| [format!("missed {n}"), format!("to all {n}")]);
    assert_eq!(
        missed,
        expected.chain(["after".to_owned()]).collect::<Vec<_>>()
    );
    let first = heard.messages().next().unwrap();
    assert!(number(first, "prev") <= before, "a gap before {first}");
}

#[test]
fn a_nick_has_one_owner_whatever_its_spelling_and_a_rename_is_seen() {
    let server = Server::start();
    let ana = server.enter("ana");
    let bob = server.enter("bob");
    bob.say("/nick ANA");
    let error = bob.wait_event("error");
    assert_eq!(error["code"], "nick-taken", "{error}");
    bob.say("/nick robert");
    let renamed = ana.wait_event("renamed");
    assert_eq!(
        (&renamed["from"], &renamed["to"]),
        (&"bob".into(), &"robert".into())
    );
    bob.wait_event("renamed");
    ana.say("MSG:robert:hi");
    bob.wait_text("hi");
    bob.say("from a new name");
    assert_eq!(ana.wait_text("from a new name")["from"], "robert");
}

#[test]
fn who_is_connected_is_told() {
    let server = Server::start();
    let ana = server.enter("ana");
    let mut bob = server.enter("bob");
    assert_eq!(ana.wait_event("joined")["nick"], "bob");
    ana.say("/who");
    let users = ana.wait_event("users");
    let nicks: Vec<&str> = users["users"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|user| user["nick"].as_str())
        .collect();
    assert_eq!(nicks, ["ana", "bob"], "{users}");
    bob.leave();
    assert_eq!(ana.wait_event("left")["nick"], "bob");
}

#[test]
fn a_room_is_heard_by_those_in_it_and_by_nobody_else() {
    let server = Server::start();
    let [ana, bob, carla] = ["ana", "bob", "carla"].map(|nick| server.enter(nick));
    join_room(&[&ana, &bob, &carla], "lab");
    ana.say("BROADCAST:#lab:all three");
    carla.wait_text("all three");
    carla.say("/leave #lab");
    ana.wait_event("left_room");
    ana.say("BROADCAST:#LAB:without carla");
    ana.say("to all");
    bob.wait_text("to all");
    carla.wait_text("to all");
    assert_eq!(bob.wait_texts(3), ["all three", "without carla", "to all"]);
    assert_eq!(carla.wait_texts(2), ["all three", "to all"]);
    carla.say("BROADCAST:#lab:from outside");
    assert_eq!(carla.wait_event("error")["code"], "not-in-room");
    assert_one_order(&[&ana, &bob, &carla]);
}
