//! Many connections, and one that does not read.

use std::net::SocketAddr;
use std::sync::Arc;

use lamparina_protocol::Audience;
use lamparina_protocol::control::CloseCode;
use lamparina_tests::real::light::Light;
use lamparina_tests::real::order::assert_one_order;
use lamparina_tests::real::process::{Signal, allow_open_files, resident_bytes, send_signal};
use lamparina_tests::real::raw::Raw;
use lamparina_tests::real::{Client, Server};
use tokio::sync::{Barrier, watch};

/// Connections beside the two real clients.
const CROWD: usize = 1_000;
/// Broadcasts that everybody must get.
const BROADCASTS: usize = 5;
/// Messages that a reader stands still before, and bytes of each: far more than any queue holds.
const STALLED_MESSAGES: usize = 120;
const STALLED_BYTES: usize = 200 * 1024;
/// Memory that a server with one stalled reader stays below.
const RESIDENT_BYTES_MAX: u64 = 400 * 1024 * 1024;

#[test]
fn a_thousand_connections_see_one_order_while_two_people_talk() {
    if let Err(why) = allow_open_files(4 * CROWD as u64) {
        eprintln!("skipped: {why}");
        return;
    }
    let server = Server::start_clear();
    let [ana, bob] = ["ana", "bob"].map(|nick| server.enter(nick));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let (end, ended) = watch::channel(false);
    let entered = Arc::new(Barrier::new(CROWD + 1));
    let heard = Arc::new(Barrier::new(CROWD + 1));
    let crowd: Vec<_> = (0..CROWD)
        .map(|number| {
            let meetings = [entered.clone(), heard.clone()];
            runtime.spawn(listen(server.addr(), number, meetings, ended.clone()))
        })
        .collect();
    talk(&ana, &bob, "while they come");
    runtime.block_on(entered.wait());

    ana.say("/who");
    let users = ana.wait_event("users");
    assert_eq!(users["users"].as_array().map(Vec::len), Some(CROWD + 2));
    for number in 0..BROADCASTS {
        ana.say(&format!("to everybody {number}"));
    }
    runtime.block_on(heard.wait());
    talk(&ana, &bob, "while they listen");
    end.send(true).unwrap();
    let mut stamps = crowd.into_iter().map(|one| runtime.block_on(one).unwrap());
    let first = stamps.next().unwrap();
    assert!(
        stamps.all(|stamps| stamps == first),
        "all agree on the stamps"
    );
    talk(&ana, &bob, "after they left");
}

/// Enters, hears every broadcast, stays until the end; gives the stamps of what it heard.
async fn listen(
    addr: SocketAddr,
    number: usize,
    [entered, heard]: [Arc<Barrier>; 2],
    mut ended: watch::Receiver<bool>,
) -> Vec<u64> {
    let mut light = Light::enter(addr, &format!("crowd-{number}")).await;
    step_until(&mut light, entered.wait()).await;
    while light.delivered.len() < BROADCASTS {
        light.step().await;
    }
    step_until(&mut light, heard.wait()).await;
    step_until(&mut light, ended.changed()).await;
    let texts = light
        .delivered
        .iter()
        .map(|delivery| delivery.text.as_str());
    assert!(texts.eq((0..BROADCASTS).map(|n| format!("to everybody {n}"))));
    let stamps = light.delivered.iter().map(|delivery| delivery.stamp.get());
    stamps.collect()
}

/// Goes on reading, as a client does, until `something` has happened.
async fn step_until<T>(light: &mut Light, something: impl Future<Output = T>) {
    tokio::pin!(something);
    loop {
        tokio::select! {
            _ = &mut something => return,
            () = light.step() => {}
        }
    }
}

#[track_caller]
fn talk(ana: &Client, bob: &Client, what: &str) {
    for number in 0..10 {
        ana.say(&format!("MSG:bob:{what} {number}"));
        bob.wait_text(&format!("{what} {number}"));
        bob.say(&format!("MSG:ana:{what} too {number}"));
        ana.wait_text(&format!("{what} too {number}"));
    }
}

#[test]
fn a_reader_that_stands_still_costs_the_others_nothing() {
    let server = Server::start_clear();
    let bob = server.enter("bob");
    let stalled = Raw::enter(server.addr(), "stalled");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let text = "x".repeat(STALLED_BYTES);
    runtime.block_on(async {
        let mut ana = Light::enter(server.addr(), "ana").await;
        for _ in 0..STALLED_MESSAGES {
            ana.say(Audience::All, &text).await;
        }
        while ana.committed < STALLED_MESSAGES as u64 {
            ana.step().await;
        }
    });
    let texts = bob.wait_texts(STALLED_MESSAGES);
    assert!(texts.iter().all(|came| *came == text), "whole, every one");
    let resident = resident_bytes(server.pid());
    assert!(resident < RESIDENT_BYTES_MAX, "{resident} bytes");
    drop(stalled);
}

#[test]
fn a_client_that_stood_still_gets_everything_afterwards() {
    let server = Server::start_clear();
    let [ana, bob, carla] = ["ana", "bob", "carla"].map(|nick| server.enter(nick));
    let text = |number: usize| format!("{number} {}", "y".repeat(STALLED_BYTES));
    send_signal(bob.pid(), Signal::STOP);
    for number in 0..STALLED_MESSAGES {
        ana.say(&text(number));
    }
    ana.wait_events("committed", STALLED_MESSAGES);
    carla.wait_texts(STALLED_MESSAGES);
    send_signal(bob.pid(), Signal::CONT);
    let texts = bob.wait_texts(STALLED_MESSAGES);
    assert!(
        texts
            .iter()
            .enumerate()
            .all(|(number, came)| *came == text(number))
    );
    assert_one_order(&[&ana, &bob, &carla]);
}

#[test]
fn a_server_that_is_full_says_so_and_has_room_again_later() {
    let server = Server::start_with(&["--cleartext", "--connections", "4"]);
    let mut ana = server.enter("ana");
    let inside: Vec<Raw> = (0..3).map(|_| Raw::open(server.addr())).collect();
    for _ in 0..5 {
        let refused = Raw::connect(server.addr()).last_words();
        let (code, words) = refused.expect("a word of why");
        assert_eq!(code, CloseCode::Limit.number(), "{words}");
        assert!(words.contains("connections"), "{words}");
    }
    drop(inside);
    let bob = server.client("bob").arg("--retry").enter();
    ana.say("room again");
    bob.wait_text("room again");
    assert_eq!(ana.leave(), 0);
}

#[test]
fn a_server_short_of_files_serves_those_it_has() {
    let server = Server::start_limited(100);
    let ana = server.enter("ana");
    let mut crowd: Vec<Raw> = (0..150).map(|_| Raw::connect(server.addr())).collect();
    let bob_at_last = server.client("bob").arg("--retry").start();
    ana.say("/who");
    ana.wait_event("users");
    crowd.clear();
    bob_at_last.wait_event("connected");
    ana.say("MSG:bob:all well");
    bob_at_last.wait_text("all well");
}
