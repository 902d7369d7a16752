//! Chat over datagrams, with real processes: one order, exactly once, whatever becomes of the datagrams
//! and whatever carries the conversation.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use bytes::Bytes;
use lamparina_protocol::Instant;
use lamparina_protocol::datagram::{ConnectionId, DatagramConfig, read_retry};
use lamparina_protocol::link::{Input, Link, LinkConfig, Output};
use lamparina_protocol::seal::{IdentityKey, LinkKeys, SEED_BYTES, Transport};
use lamparina_tests::real::order::{assert_committed_as_delivered, assert_one_order};
use lamparina_tests::real::process::resident_bytes;
use lamparina_tests::real::proxy::Proxy;
use lamparina_tests::real::udp_relay::UdpRelay;
use lamparina_tests::real::{Client, Server, wait_for};

/// Nothing is held back: what is tested here is not the pace.
const FREE: &[&str] = &["--rate", "0"];

/// Each says `count` things to all, turn by turn.
fn say(people: &[&Client], words: &str, count: usize) {
    for turn in 0..count {
        for person in people {
            person.say(&format!("{words} {turn} of {}", person.nick()));
        }
    }
}

/// Waits until everybody has seen everything: each of `people` has said `each` things.
#[track_caller]
fn seen(people: &[&Client], each: usize) {
    for person in people {
        person.wait_texts(each * (people.len() - 1));
        person.wait_events("committed", each);
    }
    assert_one_order(people);
    for (author, reader) in people.iter().zip(people.iter().cycle().skip(1)) {
        assert_committed_as_delivered(author, reader);
    }
    for person in people {
        let messages = person.events("message").len();
        assert_eq!(messages, each * (people.len() - 1), "{}", person.nick());
    }
}

/// How often it was without a connection.
fn interruptions(client: &Client) -> usize {
    client.events("disconnected").len()
}

/// Which carriers it was told of, in order.
fn carriers(client: &Client) -> Vec<String> {
    let infos = client.events("info");
    let told = infos.iter().filter(|info| info["about"] == "carrier");
    told.map(|info| info["carrier"].as_str().unwrap_or_default().to_owned())
        .collect()
}

#[test]
fn one_order_over_both_carriers_and_a_clean_end() {
    let mut server = Server::start_udp(FREE);
    let enter = |nick| server.client(nick).over_udp().enter();
    let (ana, mut bob) = (enter("ana"), enter("bob"));
    let carla = server.enter("carla");
    let people = [&ana, &bob, &carla];
    say(&people, "hello", 40);
    seen(&people, 40);
    ana.say("/conn");
    let told = ana.wait_event("info");
    assert!(
        told["text"].as_str().unwrap().contains("to udp://"),
        "{told}"
    );
    assert!(carriers(&ana).is_empty() && interruptions(&ana) == 0);
    assert_eq!(bob.leave(), 0);
    let via = |nick: &str| {
        server.wait_log("entrance", |lines| {
            let came = |line: &&lamparina_tests::real::log::LogLine| {
                line.event == "connected" && line.field("nick") == nick
            };
            let line = lines.iter().find(came)?;
            Some((
                line.fields.get("via").cloned(),
                line.field("addr").contains(':'),
            ))
        })
    };
    assert_eq!(via("ana"), (Some("udp".to_owned()), true));
    assert_eq!(via("carla"), (None, true));
    // It says goodbye to both kinds, and they know why they are alone.
    assert_eq!(server.stop(), 0);
    for person in [&ana, &carla] {
        let told = person.wait_event("disconnected");
        let reason = told["reason"].as_str().unwrap();
        assert!(reason.contains("the server is closing"), "{told}");
    }
}

#[test]
fn where_nothing_answers_datagrams_tcp_carries_and_that_is_said() {
    let server = Server::start();
    let ana = server.client("ana").over_udp().enter();
    let bob = server.enter("bob");
    assert_eq!(carriers(&ana), ["tcp"]);
    say(&[&ana, &bob], "hello", 5);
    seen(&[&ana, &bob], 5);
    let mut carla = server.client("carla").over_udp().start_plain();
    carla.say("MSG:bob:from carla");
    assert_eq!(carla.leave(), 0);
    bob.wait_text("from carla");
    let talk = carla.talk();
    assert!(talk.contains("nothing answers over UDP"), "{talk}");
    let mut once = server
        .client("dora")
        .over_udp()
        .subcommand(&["send", "--to", "bob", "hi"]);
    assert_eq!(once.process().wait_code(), 0);
}

#[test]
fn a_conversation_moves_between_udp_and_tcp_and_loses_and_repeats_nothing() {
    let server = Server::start_udp(FREE);
    let proxy = Proxy::to(server.addr());
    let relay = UdpRelay::start(proxy.addr(), server.addr(), Duration::ZERO);
    let ana = server
        .client("ana")
        .through(proxy.addr())
        .over_udp()
        .enter();
    let bob = server.client("bob").over_udp().enter();
    let people = [&ana, &bob];
    let mut said = 0;
    let mut talk = |words: &str| {
        say(&people, words, 20);
        said += 20;
        said
    };
    talk("over udp");
    // Datagrams are swallowed from now on; what was under way is lost with them.
    relay.block(true);
    ana.say("/reconnect");
    talk("going over");
    wait_for("tcp", || (carriers(&ana) == ["tcp"]).then_some(()));
    seen(&people, talk("over tcp"));
    relay.block(false);
    // Datagrams are tried again after a while.
    wait_for("udp again", || {
        ana.say("/reconnect");
        std::thread::sleep(Duration::from_secs(1));
        (carriers(&ana).last()? == "udp").then_some(())
    });
    seen(&people, talk("over udp again"));
    assert_eq!(carriers(&ana), ["tcp", "udp"]);
    assert_eq!(interruptions(&bob), 0);
}

#[test]
fn a_client_keeps_its_link_when_its_address_changes() {
    let server = Server::start_udp(FREE);
    let relay = relay(&server);
    let ana = server
        .client("ana")
        .through(relay.addr())
        .over_udp()
        .enter();
    let bob = server.client("bob").over_udp().enter();
    let people = [&ana, &bob];
    for round in 1..=5 {
        say(&people, &format!("round {round}"), 10);
        relay.move_ports();
        say(&people, &format!("then {round}"), 10);
        seen(&people, 20 * round);
    }
    assert_eq!(interruptions(&ana), 0, "it is one link all the time");
    let entrances = server
        .log()
        .iter()
        .filter(|line| line.event == "connected")
        .count();
    assert_eq!(entrances, 2);
}

fn relay(server: &Server) -> UdpRelay {
    let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
    UdpRelay::start(any, server.addr(), Duration::ZERO)
}

#[test]
fn damaged_repeated_and_stolen_datagrams_change_nothing() {
    let server = Server::start_udp(FREE);
    let relay = relay(&server);
    let ana = server
        .client("ana")
        .through(relay.addr())
        .over_udp()
        .enter();
    let bob = server.client("bob").over_udp().enter();
    let people = [&ana, &bob];
    relay.damage_every(7);
    relay.repeat_every(3);
    say(&people, "through all that", 100);
    seen(&people, 100);
    // All of it comes again, from somebody else's address.
    assert!(relay.replay() > 50);
    say(&people, "and then", 20);
    seen(&people, 120);
    assert_eq!(interruptions(&ana), 0);
    // A copy that was faster than the original brings a challenge, which is small, and nothing of what is said.
    assert!(relay.caught() as u64 <= relay.carried() / 3);
}

#[test]
fn after_a_server_was_killed_everything_goes_on_where_it_was() {
    let mut server = Server::start_udp(FREE);
    let enter = |nick| server.client(nick).over_udp().enter();
    let (ana, bob) = (enter("ana"), enter("bob"));
    let people = [&ana, &bob];
    say(&people, "before", 20);
    ana.wait_events("committed", 10);
    server.kill();
    say(&people, "meanwhile", 10);
    let at = server.addr().to_string();
    server.start_again(&[&["--udp", at.as_str()], FREE].concat());
    say(&people, "after", 10);
    seen(&people, 40);
}

#[test]
fn over_a_slow_line_with_seconds_of_delay() {
    let server = Server::start_udp(FREE);
    let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
    let relay = UdpRelay::start(any, server.addr(), Duration::from_secs(1));
    let slow = server.client("ana").through(relay.addr()).over_udp();
    let ana = slow.arg("--link").arg("slow").enter();
    let bob = server.client("bob").over_udp().enter();
    let before = relay.carried();
    say(&[&ana, &bob], "far away", 10);
    seen(&[&ana, &bob], 10);
    assert!(carriers(&ana).is_empty() && interruptions(&ana) == 0);
    // Twenty messages, their commits, receipts and acknowledgements, both ways.
    let carried = relay.carried() - before;
    assert!(carried < 200, "{carried} datagrams: it chatters");
}

/// Somebody's first datagram for the link `id`.
fn syn(id: u64) -> Bytes {
    let mut seed = [7; SEED_BYTES];
    seed[..8].copy_from_slice(&id.to_be_bytes());
    let keys = LinkKeys::new(IdentityKey::from_seed(&[9; 32]), seed, Transport::Udp);
    let link = Link::initiate(LinkConfig::default(), Bytes::new(), Instant::ZERO);
    let config = DatagramConfig::new(ConnectionId(id), 1);
    let mut link = link.sealed(keys).over_datagrams(config);
    let mut out = Output::default();
    link.handle(Instant::ZERO, Input::Tick, &mut out).unwrap();
    out.wire.remove(0)
}

#[test]
fn a_flood_of_first_datagrams_takes_little_and_keeps_nobody_out() {
    const FLOOD: u64 = 20_000;
    const SOCKETS: u64 = 50;
    let server = Server::start_udp(&["--rate", "0", "--half-open", "32"]);
    let ana = server.client("ana").over_udp().enter();
    let flooding: Vec<_> = (0..SOCKETS)
        .map(|_| {
            let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
            socket.set_nonblocking(true).unwrap();
            socket
        })
        .collect();
    let before = resident_bytes(server.pid());
    let first = syn(0);
    let (mut sent, mut got, mut cookies) = (0, 0, 0);
    let mut late = Vec::new();
    for id in 1..=FLOOD {
        let socket = &flooding[usize::try_from(id % SOCKETS).unwrap()];
        let mut datagram = first.to_vec();
        datagram[..8].copy_from_slice(&id.to_be_bytes());
        sent += socket.send_to(&datagram, server.addr()).unwrap_or(0);
        if id % 256 == 0 {
            (got, cookies) = hear(&flooding, got, cookies);
        }
        // In the middle of it others come in.
        if id % (FLOOD / 4) == 0 {
            late.push(server.client(&format!("late{id}")).over_udp().enter());
        }
    }
    let everybody: Vec<_> = std::iter::once(&ana).chain(&late).collect();
    say(&[&ana], "are you here", 5);
    for person in &late {
        person.wait_texts(5);
    }
    assert_one_order(&everybody);
    assert!(everybody.iter().all(|person| carriers(person).is_empty()));
    (got, cookies) = hear(&flooding, got, cookies);
    assert!(cookies > 1_000, "{cookies} cookies");
    assert!(got <= sent, "{got} bytes for {sent}");
    let grown = resident_bytes(server.pid()).saturating_sub(before);
    assert!(grown < 64 << 20, "{grown} bytes more");
}

/// Bytes and cookies that came back.
fn hear(sockets: &[UdpSocket], mut got: usize, mut cookies: usize) -> (usize, usize) {
    let mut buffer = [0; 2_048];
    for socket in sockets {
        while let Ok(size) = socket.recv(&mut buffer) {
            got += size;
            cookies += usize::from(read_retry(&buffer[..size]).is_some());
        }
    }
    (got, cookies)
}
