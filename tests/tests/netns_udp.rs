//! Two machines with a line between them that loses real packets: over UDP and over TCP nothing is lost
//! and nothing comes twice. Where namespaces cannot be made (no root, no `ip`, no `nft`), each test says
//! so and passes.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::net::SocketAddr;
use std::time::Duration;

use lamparina_tests::real::netns::{Line, SERVER};
use lamparina_tests::real::order::{assert_committed_as_delivered, assert_one_order};
use lamparina_tests::real::{Client, ClientStart, Server};

/// Of each direction.
const LOST_PERCENT: u8 = 10;
/// A body that takes hundreds of packets.
const BIG_BYTES: usize = 200_000;

/// The line and a server at its far end, or why not.
struct World {
    server: Server,
    line: Line,
}

impl World {
    fn try_new() -> Option<Self> {
        let line = match Line::try_new() {
            Ok(line) => line,
            Err(why) => {
                eprintln!("skipped: no network namespaces with filters here: {why}");
                return None;
            }
        };
        let (listen, open) = (format!("{SERVER}:0"), ["--access", "open", "--rate", "0"]);
        let args = [&["--udp", listen.as_str()], &open[..]].concat();
        let server = Server::start_within(line.server(), &listen, &args);
        Some(Self { server, line })
    }

    /// Two people on the client's machine, by one carrier.
    fn people(&self, udp: bool) -> [Client; 2] {
        ["ana", "bob"].map(|nick| {
            let start = self.start(nick);
            match udp {
                true => start.over_udp().enter(),
                false => start.enter(),
            }
        })
    }

    fn start(&self, nick: &str) -> ClientStart {
        self.server.client(nick).within(self.line.client())
    }
}

fn say(people: &[Client; 2], words: &str, count: usize) {
    for turn in 0..count {
        for person in people {
            person.say(&format!("{words} {turn} of {}", person.nick()));
        }
    }
}

/// Everything said has come to the other one, once and in order.
#[track_caller]
fn seen(people: &[Client; 2], each: usize) {
    let [ana, bob] = people;
    for person in people {
        person.wait_texts(each);
        person.wait_events("committed", each);
        assert_eq!(person.events("message").len(), each, "{}", person.nick());
    }
    assert_one_order(&[ana, bob]);
    assert_committed_as_delivered(ana, bob);
    assert_committed_as_delivered(bob, ana);
}

#[track_caller]
fn through_loss(udp: bool) {
    let Some(world) = World::try_new() else {
        return;
    };
    world.line.drop_percent(LOST_PERCENT).unwrap();
    let people = world.people(udp);
    say(&people, "chat", 100);
    let big = "x".repeat(BIG_BYTES);
    for (number, person) in people.iter().enumerate() {
        person.say(&format!("{number}{big}"));
    }
    say(&people, "behind it", 20);
    seen(&people, 121);
}

#[test]
fn chat_and_bulk_over_udp_through_loss() {
    through_loss(true);
}

#[test]
fn chat_and_bulk_over_tcp_through_loss() {
    through_loss(false);
}

#[track_caller]
fn through_an_outage(udp: bool) {
    let Some(world) = World::try_new() else {
        return;
    };
    let people = world.people(udp);
    say(&people, "before", 20);
    seen(&people, 20);
    world.line.drop_percent(100).unwrap();
    say(&people, "meanwhile", 20);
    std::thread::sleep(Duration::from_secs(10));
    world.line.drop_percent(0).unwrap();
    say(&people, "after", 20);
    seen(&people, 60);
}

#[test]
fn ten_seconds_without_a_way_over_udp() {
    through_an_outage(true);
}

#[test]
fn ten_seconds_without_a_way_over_tcp() {
    through_an_outage(false);
}

#[track_caller]
fn at_another_address(udp: bool) {
    let Some(world) = World::try_new() else {
        return;
    };
    let people = world.people(udp);
    say(&people, "before", 20);
    seen(&people, 20);
    world.line.move_client().unwrap();
    say(&people, "moved", 20);
    if !udp {
        // A stream is bound to its addresses, and says nothing of it for a minute: who sees that does this.
        people.iter().for_each(|person| person.say("/reconnect"));
    }
    seen(&people, 40);
    if udp {
        for person in &people {
            let away = person.events("disconnected");
            assert!(away.is_empty(), "the link goes on: {away:?}");
        }
    }
}

#[test]
fn at_another_address_over_udp() {
    at_another_address(true);
}

#[test]
fn at_another_address_over_tcp() {
    at_another_address(false);
}

#[test]
fn no_datagrams_pass() {
    let Some(world) = World::try_new() else {
        return;
    };
    let server: SocketAddr = world.server.addr();
    assert_eq!(server.ip().to_string(), SERVER);
    world.line.drop_udp().unwrap();
    let people = world.people(true);
    for person in &people {
        let infos = person.events("info");
        let told = infos.iter().find(|info| info["about"] == "carrier");
        assert_eq!(told.map(|info| &info["carrier"]), Some(&"tcp".into()));
    }
    say(&people, "over tcp", 20);
    seen(&people, 20);
}
