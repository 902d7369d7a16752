//! Ends without warning, and ends with one: of clients, of connections, of the server.

use lamparina_tests::real::order::{assert_one_order, number};
use lamparina_tests::real::process::Process;
use lamparina_tests::real::proxy::Proxy;
use lamparina_tests::real::server::command;
use lamparina_tests::real::{Client, Server};

#[test]
fn a_client_killed_in_the_middle_of_sending_leaves_no_half_message() {
    let server = Server::start();
    let [bob, carla] = ["bob", "carla"].map(|nick| server.enter(nick));
    let mut ana = server.enter("ana");
    let text = |number: usize| format!("{number} {}", "0123456789".repeat(300));
    for number in 0..3_000 {
        ana.say(&text(number));
    }
    bob.wait_texts(10);
    ana.process().kill();

    for person in [&bob, &carla] {
        person.wait("left ana", |heard| {
            heard
                .of_type("left")
                .find(|left| left["nick"] == "ana")
                .cloned()
        });
    }
    bob.say("done");
    carla.wait_text("done");
    carla.say("done too");
    bob.wait_text("done too");
    let heard = [&bob, &carla].map(|person| {
        let mut texts = person.transcript().heard().texts();
        texts.retain(|text| !text.starts_with("done"));
        texts
    });
    assert_eq!(heard[0], heard[1]);
    assert!(
        heard[0]
            .iter()
            .enumerate()
            .all(|(number, came)| *came == text(number)),
        "a whole beginning"
    );
    assert_one_order(&[&bob, &carla]);

    let again = server.enter("ana");
    again.say("back");
    bob.wait_text("back");
    assert_one_order(&[&bob]);
}

#[test]
fn a_reader_killed_and_back_has_missed_nothing() {
    const SAID: usize = 2_000;
    let server = Server::start();
    let ana = server.enter("ana");
    let mut bob = server.enter("bob");
    for number in 0..SAID {
        ana.say(&format!("{number}"));
    }
    bob.wait_texts(SAID / 10);
    bob.process().kill();
    let stamps = |client: &Client| -> Vec<u64> {
        let messages = client.events("message");
        messages
            .iter()
            .map(|message| number(message, "stamp"))
            .collect()
    };
    let before = stamps(&bob);
    let again = server.enter("bob");
    again.wait_text(&format!("{}", SAID - 1));
    let after = stamps(&again);

    // What came twice came last before the end, with the stamps it had.
    let twice = before.iter().filter(|stamp| **stamp >= after[0]).count();
    let all: Vec<u64> = before.iter().chain(&after[twice..]).copied().collect();
    assert_eq!(after[..twice], before[before.len() - twice..]);
    assert_eq!(all.len(), SAID);
    assert!(all.is_sorted_by(|a, b| a < b));
}

#[test]
fn a_lost_connection_loses_and_doubles_nothing_in_either_direction() {
    let server = Server::start();
    let proxies = [Proxy::to(server.addr()), Proxy::to(server.addr())];
    let ana = server.client("ana").through(proxies[0].addr()).enter();
    let bob = server.client("bob").through(proxies[1].addr()).enter();
    let carla = server.enter("carla");
    let mut said = 0;
    for cut in 0..4 {
        for _ in 0..50 {
            ana.say(&format!("ana {said}"));
            bob.say(&format!("bob {said}"));
            said += 1;
        }
        // Some of it is under way, some of it not begun.
        carla.wait_text(&format!("ana {}", said - 40));
        assert_eq!(proxies[cut % 2].cut(), 1);
        let cut_off = [&ana, &bob][cut % 2];
        cut_off.wait_events("disconnected", cut / 2 + 1);
        cut_off.wait_events("connected", cut / 2 + 2);
    }
    for (from, at) in [("ana", &bob), ("bob", &ana)] {
        let expected: Vec<String> = (0..said).map(|number| format!("{from} {number}")).collect();
        at.wait_text(expected.last().unwrap());
        let mut texts = at.transcript().heard().texts();
        texts.retain(|text| text.starts_with(from));
        assert_eq!(texts, expected);
    }
    carla.wait_texts(2 * said);
    assert_one_order(&[&ana, &bob, &carla]);
    let reason = ana.wait_event("disconnected");
    assert!(
        reason["reason"]
            .as_str()
            .is_some_and(|text| !text.is_empty()),
        "{reason}"
    );
    assert!(reason["retry_ms"].is_u64(), "{reason}");
}

#[test]
fn what_is_typed_while_disconnected_goes_out_afterwards() {
    let server = Server::start();
    let bob = server.enter("bob");
    let proxy = Proxy::to(server.addr());
    let mut ana = server.client("ana").through(proxy.addr()).enter();
    proxy.cut();
    for number in 0..20 {
        ana.say(&format!("{number}"));
    }
    assert_eq!(ana.leave(), 0);
    let closed = ana.wait_event("closed");
    assert_eq!(
        (&closed["sent"], &closed["committed"]),
        (&20.into(), &20.into()),
        "{closed}"
    );
    let expected: Vec<String> = (0..20).map(|number| number.to_string()).collect();
    assert_eq!(bob.wait_texts(20), expected);
}

#[test]
fn a_server_asked_to_end_says_goodbye() {
    let mut server = Server::start();
    let people = ["ana", "bob"].map(|nick| server.enter(nick));
    people[0].say("last");
    people[1].wait_text("last");
    people[0].wait_event("committed");
    assert_eq!(server.stop(), 0);
    for person in &people {
        let event = person.wait_event("disconnected");
        let reason = event["reason"].as_str().unwrap_or_default().to_lowercase();
        assert!(
            ["clos", "shut", "stop", "end"]
                .iter()
                .any(|word| reason.contains(word)),
            "{event}"
        );
    }
    let log = server.log();
    assert_eq!(
        log.first().map(|line| line.event.as_str()),
        Some("started"),
        "{log:?}"
    );
    assert_eq!(
        log.last().map(|line| line.event.as_str()),
        Some("stopped"),
        "{log:?}"
    );
    assert_eq!(
        log.iter().filter(|line| line.event == "produced").count(),
        1
    );
}

#[test]
fn clients_come_back_by_themselves_when_the_server_does() {
    let mut server = Server::start();
    let ana = server.enter("ana");
    assert_eq!(server.stop(), 0);
    ana.wait_event("disconnected");
    let listen = server.addr().to_string();
    let again = Process::start("the server again", command(server.folder(), &listen, &[]));
    ana.wait_events("connected", 2);
    let bob: Client = server.enter("bob");
    ana.say("in the new life");
    bob.wait_text("in the new life");
    drop(again);
}

#[test]
fn an_address_in_use_is_said_in_words() {
    let server = Server::start();
    let other = lamparina_tests::real::Folder::new();
    let listen = server.addr().to_string();
    let mut second = Process::start("a second server", command(&other, &listen, &[]));
    assert_eq!(second.wait_code(), 1);
    let said = second.transcript().heard().err.join("\n");
    assert!(
        said.contains(&listen) && said.to_lowercase().contains("in use"),
        "{said}"
    );
    assert!(!said.contains("panicked"), "{said}");
    let [ana, bob] = ["ana", "bob"].map(|nick| server.enter(nick));
    ana.say("the first one lives");
    bob.wait_text("the first one lives");
}
