//! The limits over real sockets: who keeps to them is never refused, who does not is, in words,
//! and nobody else feels it. Counted, never timed.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use common::{Raw, TestServer, hello};
use lamparina_protocol::control::CloseCode;
use lamparina_protocol::frame::FrameType;
use lamparina_protocol::message::{RefusalCode, ToClient, ToServer};
use lamparina_protocol::{Audience, Epoch, RoomName};
use lamparina_server::limits::{InForce, Limits};
use lamparina_server::{Links, ServerConfig};

/// This machine's own clients are counted, too.
fn counting(change: impl Fn(&mut Limits)) -> ServerConfig {
    let mut limits = Limits::default();
    change(&mut limits);
    ServerConfig {
        limits: InForce::new(limits),
        count_loopback: true,
        ..ServerConfig::new(Links::Clear)
    }
}

/// What is left of the burst when a session enters.
fn left(entered: &ToClient) -> u32 {
    match entered {
        ToClient::Entered { left, .. } => *left,
        other => panic!("{other:?}"),
    }
}

/// The answer to a message: its stamp, or code and words.
async fn answer(raw: &mut Raw) -> Result<u64, (RefusalCode, String)> {
    loop {
        match raw.heard().await {
            ToClient::Committed { stamp, .. } => return Ok(stamp.get()),
            ToClient::Refused { code, text, .. } | ToClient::Error { code, text } => {
                return Err((code, text));
            }
            _ => {}
        }
    }
}

#[tokio::test]
async fn who_ignores_the_pace_is_refused_with_the_count_and_its_place_stays_free() {
    // One in a thousand seconds would need: what is over the burst stays over.
    let server = TestServer::start(counting(|limits| (limits.rate, limits.burst) = (1, 5)));
    let (mut ana, entered) = Raw::enter(server.addr, hello(1, 1), "ana").await;
    let pace = ana.welcome.unwrap().pace;
    assert_eq!((pace.per_second, pace.burst, left(&entered)), (1, 5, 5));
    for pseq in 1..=50 {
        ana.say(pseq, Audience::All, "flood");
    }
    let mut answers = Vec::new();
    for _ in 0..50 {
        answers.push(answer(&mut ana).await);
    }
    let committed = answers.iter().filter(|answer| answer.is_ok()).count();
    let too_fast: Vec<_> = answers
        .iter()
        .filter_map(|answer| match answer {
            Err((RefusalCode::TooFast, text)) => Some(text.as_str()),
            _ => None,
        })
        .collect();
    assert!((5..50).contains(&committed), "{committed}");
    assert!(too_fast[0].starts_with("this is 1 over the 1 messages a second, 5 at once"));
    assert!(
        too_fast
            .iter()
            .any(|text| text.starts_with("this is 2 over"))
    );
    // Nobody else feels it.
    let (mut bob, _) = Raw::enter(server.addr, hello(2, 1), "bob").await;
    bob.say(1, Audience::All, "calm");
    assert!(answer(&mut bob).await.is_ok());
    // The first one that was refused was not settled: sent again until there is room, it has its
    // place, and exactly one.
    let again = committed as u64 + 1;
    let stamp = loop {
        ana.say(again, Audience::All, "flood");
        match answer(&mut ana).await {
            Ok(stamp) => break stamp,
            Err((RefusalCode::TooFast | RefusalCode::Gap, _)) => {}
            Err(other) => panic!("{other:?}"),
        }
    };
    let repeated = loop {
        ana.say(again, Audience::All, "flood");
        if let Ok(stamp) = answer(&mut ana).await {
            break stamp;
        }
    };
    assert_eq!(stamp, repeated);
    server.stop((ana, bob)).await;
}

#[tokio::test]
async fn coming_back_gives_no_new_burst() {
    let server = TestServer::start(counting(|limits| (limits.rate, limits.burst) = (1, 100)));
    let (mut ana, _) = Raw::enter(server.addr, hello(1, 1), "ana").await;
    for pseq in 1..=100 {
        ana.say(pseq, Audience::All, "x");
    }
    for _ in 0..100 {
        answer(&mut ana).await.unwrap();
    }
    let (ana, entered) = Raw::enter(server.addr, hello(1, 2), "ana").await;
    assert!(left(&entered) < 100);
    server.stop(ana).await;
}

#[tokio::test]
async fn on_loopback_nothing_is_counted_unless_asked_for() {
    let config = ServerConfig {
        count_loopback: false,
        ..counting(|limits| (limits.rate, limits.burst, limits.per_address) = (1, 1, 1))
    };
    let server = TestServer::start(config);
    let (mut ana, _) = Raw::enter(server.addr, hello(1, 1), "ana").await;
    assert_eq!(ana.welcome.unwrap().pace.per_second, 0);
    for pseq in 1..=500 {
        ana.say(pseq, Audience::All, "x");
    }
    for _ in 0..500 {
        answer(&mut ana).await.unwrap();
    }
    let (bob, _) = Raw::enter(server.addr, hello(2, 1), "bob").await;
    server.stop((ana, bob)).await;
}

#[tokio::test]
async fn one_address_has_its_number_of_connections() {
    let server = TestServer::start(counting(|limits| limits.per_address = 2));
    let (one, _) = Raw::enter(server.addr, hello(1, 1), "ana").await;
    let (two, _) = Raw::enter(server.addr, hello(2, 1), "bob").await;
    let mut third = Raw::dial(server.addr, hello(3, 1).to_bytes()).await;
    let (code, text) = third.ended().await;
    assert_eq!(code, CloseCode::Limit as u16);
    assert!(
        text.contains("your address has its 2 connections"),
        "{text}"
    );
    one.leave().await;
    // The place is free once the first one has ended here too.
    let third = loop {
        let mut third = Raw::dial(server.addr, hello(3, 1).to_bytes()).await;
        match third.event().await {
            lamparina_protocol::link::Event::Opened { .. } => break third,
            _ => tokio::task::yield_now().await,
        }
    };
    server.stop((two, third)).await;
}

#[tokio::test]
async fn the_oldest_handshake_makes_room_and_is_told_so() {
    let server = TestServer::start(counting(|limits| limits.half_open_per_address = 3));
    let (ana, _) = Raw::enter(server.addr, hello(1, 1), "ana").await;
    let mut silent = Vec::new();
    for _ in 0..3 {
        silent.push(tokio::net::TcpStream::connect(server.addr).await.unwrap());
    }
    // Who shakes hands comes in, however many do not.
    for who in 2..6 {
        let (raw, _) = Raw::enter(server.addr, hello(who, 1), &format!("nick{who}")).await;
        raw.leave().await;
    }
    let mut heard = Vec::new();
    use tokio::io::AsyncReadExt;
    silent[0].read_to_end(&mut heard).await.unwrap();
    let words = String::from_utf8_lossy(&heard);
    assert!(
        words.contains("too many handshakes are under way"),
        "{words}"
    );
    server.stop((ana, silent)).await;
}

#[tokio::test]
async fn rooms_and_outboxes_are_counted_by_the_minute() {
    let config =
        counting(|limits| (limits.room_changes, limits.epochs, limits.rooms_per_user) = (4, 2, 2));
    let server = TestServer::start(config);
    let (mut ana, _) = Raw::enter(server.addr, hello(1, 1), "ana").await;
    let mut said = Vec::new();
    for name in ["one", "two", "three", "four", "five"] {
        let room = RoomName::try_from(name).unwrap();
        ana.send(FrameType::Data, &ToServer::Join { room });
        said.push(match ana.heard().await {
            ToClient::RoomJoined { .. } => "joined".to_owned(),
            ToClient::Error { code, text } => {
                assert_eq!(code, RefusalCode::Limit);
                text
            }
            other => panic!("{other:?}"),
        });
    }
    assert_eq!(said[..2], ["joined", "joined"]);
    assert!(said[2].starts_with("you are in 2 rooms"), "{}", said[2]);
    assert!(
        said[4].starts_with("this is 1 over the 4 joins and leaves"),
        "{}",
        said[4]
    );
    let epoch = |epoch| {
        let hello = hello(1, 1 + epoch);
        lamparina_protocol::control::Hello {
            epoch: Epoch(epoch),
            ..hello
        }
    };
    let (ana, _) = Raw::enter(server.addr, epoch(2), "ana").await;
    let mut third = Raw::dial(server.addr, epoch(3).to_bytes()).await;
    let (code, text) = third.ended().await;
    assert_eq!(code, CloseCode::Limit as u16);
    assert!(
        text.contains("1 over the 2 new outboxes a minute"),
        "{text}"
    );
    server.stop((ana, third)).await;
}

#[tokio::test]
async fn limits_change_while_the_server_runs() {
    let config = counting(|limits| limits.per_address = 1);
    let limits = config.limits.clone();
    let server = TestServer::start(config);
    let (ana, _) = Raw::enter(server.addr, hello(1, 1), "ana").await;
    let mut second = Raw::dial(server.addr, hello(2, 1).to_bytes()).await;
    assert_eq!(second.ended().await.0, CloseCode::Limit as u16);
    limits.set(Limits {
        per_address: 2,
        ..limits.get()
    });
    let (bob, _) = Raw::enter(server.addr, hello(2, 1), "bob").await;
    server.stop((ana, bob, second)).await;
}

#[tokio::test]
async fn a_name_that_looks_like_anothers_is_refused_at_the_door() {
    let server = TestServer::start(ServerConfig::new(Links::Clear));
    let (ana, _) = Raw::enter(server.addr, hello(1, 1), "coco").await;
    for (name, words) in [
        ("сосо", "looks like a name that belongs to somebody else"),
        ("аna", "written in one script"),
    ] {
        let mut other = Raw::open(server.addr, hello(2, 1)).await;
        other.claim(name);
        let (code, text) = other.ended().await;
        assert_eq!(code, CloseCode::Nick as u16);
        assert!(text.contains(words), "{text}");
    }
    // One's own is taken back at once.
    let (again, _) = Raw::enter(server.addr, hello(1, 2), "coco").await;
    server.stop((ana, again)).await;
}
