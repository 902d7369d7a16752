//! Clients talk through a server over real sockets.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use common::{Raw, TestServer, hello, nick};
use lamparina_protocol::control::CloseCode;
use lamparina_protocol::frame::FrameType;
use lamparina_protocol::message::{RefusalCode, ToClient, ToServer, UserList};
use lamparina_protocol::{Audience, Lamport, codec};
use lamparina_server::{Links, ServerConfig};

#[tokio::test]
async fn three_ways_one_order_and_a_chain_of_prev() {
    let server = TestServer::start(ServerConfig::new(Links::Clear));
    let (mut ana, _) = Raw::enter(server.addr, hello(1, 1), "ana").await;
    let (mut bob, _) = Raw::enter(server.addr, hello(2, 1), "bob").await;
    let (mut carla, _) = Raw::enter(server.addr, hello(3, 1), "carla").await;
    let joined = ana.heard().await;
    assert!(matches!(&joined, ToClient::Joined { nick, .. } if nick.as_str() == "bob"));

    ana.say(1, Audience::All, "to all");
    ana.say(2, Audience::Unicast(nick("bob")), "to bob");
    ana.say(
        3,
        Audience::Multicast(vec![nick("bob"), nick("carla")]),
        "to both",
    );
    let stamps = [
        ana.committed().await,
        ana.committed().await,
        ana.committed().await,
    ];
    assert!(stamps.is_sorted_by(|a, b| a < b));

    let said = |stamp: usize, text: &str, prev| (stamps[stamp], "ana".into(), text.into(), prev);
    assert_eq!(bob.delivered().await, said(0, "to all", 0));
    assert_eq!(bob.delivered().await, said(1, "to bob", stamps[0]));
    assert_eq!(bob.delivered().await, said(2, "to both", stamps[1]));
    assert_eq!(carla.delivered().await, said(0, "to all", 0));
    assert_eq!(carla.delivered().await, said(2, "to both", stamps[0]));

    bob.leave().await;
    loop {
        if let ToClient::Left { nick, after } = carla.heard().await {
            assert_eq!((nick.as_str(), after.get()), ("bob", stamps[2]));
            break;
        }
    }
    let summary = server.stop((ana, carla)).await;
    assert_eq!(
        (summary.connections, summary.messages, summary.cut),
        (3, 3, 0)
    );
}

#[tokio::test]
async fn who_comes_back_gets_what_was_missed_and_nothing_else() {
    let server = TestServer::start(ServerConfig::new(Links::Clear));
    let (mut ana, _) = Raw::enter(server.addr, hello(1, 1), "ana").await;
    let (mut bob, _) = Raw::enter(server.addr, hello(2, 1), "bob").await;
    ana.say(1, Audience::All, "one");
    let (first, ..) = bob.delivered().await;
    bob.leave().await;
    ana.say(2, Audience::All, "two");
    ana.say(3, Audience::Unicast(nick("bob")), "three");
    let stamps = [
        ana.committed().await,
        ana.committed().await,
        ana.committed().await,
    ];
    assert_eq!(stamps[0], first);

    // With a cursor: after it.
    let mut back = hello(2, 2);
    back.log = ana.welcome.unwrap().log;
    back.cursor = Lamport::new(first);
    let (mut bob, entered) = Raw::enter(server.addr, back, "bob").await;
    let ToClient::Entered {
        resumed,
        gap,
        settled,
        ..
    } = entered
    else {
        unreachable!()
    };
    assert_eq!((resumed.get(), gap, settled.0), (first, false, 0));
    assert_eq!(
        bob.delivered().await,
        (stamps[1], "ana".into(), "two".into(), first)
    );
    assert_eq!(
        bob.delivered().await,
        (stamps[2], "ana".into(), "three".into(), stamps[1])
    );
    let consumed = ToServer::Consumed {
        upto: Lamport::new(stamps[1]),
        count: 1,
    };
    bob.send(FrameType::Data, &consumed);
    bob.say(1, Audience::All, "read two");
    let answer = bob.committed().await;
    bob.leave().await;

    // Without one: after what was consumed.
    let (mut bob, entered) = Raw::enter(server.addr, hello(2, 3), "bob").await;
    let ToClient::Entered {
        resumed, settled, ..
    } = entered
    else {
        unreachable!()
    };
    assert_eq!((resumed.get(), settled.0), (stamps[1], 1));
    assert_eq!(
        bob.delivered().await,
        (stamps[2], "ana".into(), "three".into(), stamps[1])
    );
    assert_eq!(
        ana.delivered().await,
        (answer, "bob".into(), "read two".into(), 0)
    );

    // A new member begins with its entry.
    let (mut carla, entered) = Raw::enter(server.addr, hello(3, 1), "carla").await;
    let ToClient::Entered { resumed, .. } = entered else {
        unreachable!()
    };
    assert_eq!(resumed, Lamport::ZERO);
    ana.say(4, Audience::All, "four");
    let four = ana.committed().await;
    assert_eq!(
        carla.delivered().await,
        (four, "ana".into(), "four".into(), 0)
    );
    server.stop((ana, bob, carla)).await;
}

#[tokio::test]
async fn a_long_message_and_a_thousand_equal_ones_arrive_once() {
    let server = TestServer::start(ServerConfig::new(Links::Clear));
    let (mut ana, _) = Raw::enter(server.addr, hello(1, 1), "ana").await;
    let (mut bob, _) = Raw::enter(server.addr, hello(2, 1), "bob").await;
    let long = "x".repeat(lamparina_protocol::message::TEXT_BYTES_MAX);
    ana.say(1, Audience::All, &long);
    let (mut last, _, text, _) = bob.delivered().await;
    assert_eq!(text, long);
    for pseq in 2..1_002 {
        ana.say(pseq, Audience::All, "same");
    }
    for _ in 2..1_002 {
        let (stamp, _, text, prev) = bob.delivered().await;
        assert_eq!((text.as_str(), prev), ("same", last));
        last = stamp;
    }
    server.stop((ana, bob)).await;
}

#[tokio::test]
async fn a_newer_session_takes_over_in_words() {
    let server = TestServer::start(ServerConfig::new(Links::Clear));
    let (mut old, _) = Raw::enter(server.addr, hello(1, 1), "ana").await;
    let (mut new, _) = Raw::enter(server.addr, hello(1, 2), "ana").await;
    let (code, text) = old.ended().await;
    assert_eq!(code, CloseCode::TakenOver.number());
    assert!(text.contains("newer session"), "{text}");
    let (mut bob, _) = Raw::enter(server.addr, hello(2, 1), "bob").await;
    bob.say(1, Audience::All, "still there?");
    assert_eq!(new.delivered().await.2, "still there?");
    server.stop((old, new, bob)).await;
}

#[tokio::test]
async fn the_list_names_who_is_there() {
    let server = TestServer::start(ServerConfig::new(Links::Clear));
    let (_ana, _) = Raw::enter(server.addr, hello(1, 1), "ana").await;
    let (mut bob, _) = Raw::enter(server.addr, hello(2, 1), "bob").await;
    bob.send_bytes(FrameType::ListRequest, bytes::Bytes::new());
    let (kind, body) = bob.received().await;
    assert_eq!(kind, FrameType::ListResponse);
    let list: UserList = codec::decode(&body).unwrap();
    let names: Vec<&str> = list.users.iter().map(|user| user.nick.as_str()).collect();
    assert_eq!((names, list.total), (vec!["ana", "bob"], 2));
    server.stop((_ana, bob)).await;
}

#[tokio::test]
async fn goodbye_follows_the_last_commit() {
    let server = TestServer::start(ServerConfig::new(Links::Clear));
    let (mut ana, _) = Raw::enter(server.addr, hello(1, 1), "ana").await;
    let mut nameless = Raw::open(server.addr, hello(2, 1)).await;
    ana.say(1, Audience::All, "last words");
    // The server has them when it is asked to stop.
    ana.committed().await;
    let stopped = server.ask_to_stop();
    for client in [&mut ana, &mut nameless] {
        let (code, text) = client.ended().await;
        assert_eq!(code, CloseCode::ShuttingDown.number());
        assert!(text.contains("connect again"), "{text}");
    }
    drop((ana, nameless));
    let summary = stopped.await.unwrap().unwrap();
    assert_eq!((summary.messages, summary.cut), (1, 0));
}

#[tokio::test]
async fn rooms_reach_their_members() {
    let server = TestServer::start(ServerConfig::new(Links::Clear));
    let room = || lamparina_protocol::RoomName::try_from("lab").unwrap();
    let mut members = Vec::new();
    for author in 1..=20 {
        let name = format!("user{author}");
        let (mut raw, _) = Raw::enter(server.addr, hello(author, 1), &name).await;
        raw.send(FrameType::Data, &ToServer::Join { room: room() });
        members.push(raw);
    }
    let (mut outsider, _) = Raw::enter(server.addr, hello(99, 1), "outsider").await;
    // A list request is answered behind what was asked before it.
    for member in &mut members {
        member.send_bytes(FrameType::ListRequest, bytes::Bytes::new());
        while member.received().await.0 != FrameType::ListResponse {}
    }
    outsider.say(1, Audience::Room(room()), "hello");
    let refused = loop {
        if let ToClient::Refused { code, .. } = outsider.heard().await {
            break code;
        }
    };
    assert_eq!(refused, RefusalCode::NotInRoom);
    members[0].say(1, Audience::Room(room()), "hello");
    members[1].say(1, Audience::All, "all");
    for member in &mut members[2..] {
        assert_eq!(member.delivered().await.2, "hello");
        assert_eq!(member.delivered().await.2, "all");
    }
    assert_eq!(outsider.delivered().await.2, "all");
    server.stop((members, outsider)).await;
}
