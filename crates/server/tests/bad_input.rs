//! What goes wrong, and what the client sees of it. Others feel nothing.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use std::time::Duration;

use bytes::Bytes;
use common::{Raw, TestServer, hello, nick, submit};
use lamparina_protocol::control::CloseCode;
use lamparina_protocol::frame::{FrameType, HEADER_BYTES};
use lamparina_protocol::message::{ChannelSettings, RefusalCode, SetNick, ToClient};
use lamparina_protocol::{Audience, codec};
use lamparina_server::limits::{InForce, Limits};
use lamparina_server::{Links, ServerConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// What the server answers to `bytes` before it closes: the code and the words of a DISCONNECT.
async fn answer_to(addr: std::net::SocketAddr, bytes: &[u8]) -> (u16, String) {
    let mut stream = TcpStream::connect(addr).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    let read = stream.read_to_end(&mut answer);
    tokio::time::timeout(Duration::from_secs(20), read)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(answer[4], FrameType::Disconnect.number());
    let payload = &answer[HEADER_BYTES..];
    let code = u16::from_be_bytes([payload[0], payload[1]]);
    (code, String::from_utf8(payload[5..].to_vec()).unwrap())
}

#[track_caller]
fn says(answer: &(u16, String), code: CloseCode, words: &str) {
    assert_eq!(answer.0, code.number(), "{answer:?}");
    assert!(answer.1.contains(words), "{answer:?}");
}

#[tokio::test]
async fn garbage_and_half_frames_end_their_own_connection_only() {
    let mut config = ServerConfig::new(Links::Clear);
    config.link.handshake_within = Duration::from_millis(300);
    let server = TestServer::start(config);
    let (mut ana, _) = Raw::enter(server.addr, hello(1, 1), "ana").await;
    let (mut bob, _) = Raw::enter(server.addr, hello(2, 1), "bob").await;
    let garbage = answer_to(server.addr, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert!(!garbage.1.is_empty(), "{garbage:?}");
    let half = answer_to(server.addr, &[0, 0, 0, 40, 1, 0, 0]).await;
    says(&half, CloseCode::Timeout, "");
    let silent = answer_to(server.addr, b"").await;
    says(&silent, CloseCode::Timeout, "");
    ana.say(1, Audience::All, "undisturbed");
    assert_eq!(bob.delivered().await.2, "undisturbed");
    server.stop((ana, bob)).await;
}

#[tokio::test]
async fn first_words_that_are_not_a_clients_are_refused() {
    let server = TestServer::start(ServerConfig::new(Links::Clear));
    let mut raw = Raw::dial(server.addr, Bytes::from_static(b"hello?")).await;
    says(
        &raw.ended().await,
        CloseCode::BadControl,
        "lamparina-client",
    );
    server.stop((raw,)).await;
}

#[tokio::test]
async fn names_are_refused_with_what_to_do() {
    let server = TestServer::start(ServerConfig::new(Links::Clear));
    let (mut ana, _) = Raw::enter(server.addr, hello(1, 1), "ana").await;
    let mut second = Raw::open(server.addr, hello(2, 1)).await;
    second.claim("ANA");
    says(&second.ended().await, CloseCode::Nick, "choose another");

    let mut third = Raw::open(server.addr, hello(3, 1)).await;
    third.send(FrameType::SetNick, &"a b");
    says(&third.ended().await, CloseCode::Nick, "no blanks");

    ana.send(FrameType::SetNick, &"#ana");
    let ToClient::Error { code, text } = ana.heard().await else {
        panic!()
    };
    assert_eq!(code, RefusalCode::NickInvalid, "{text}");
    ana.send(
        FrameType::SetNick,
        &SetNick {
            nick: nick("anita"),
        },
    );
    let renamed = ana.heard().await;
    assert!(matches!(&renamed, ToClient::Renamed { to, .. } if to.as_str() == "anita"));
    ana.say(1, Audience::Unicast(nick("nobody")), "?");
    let ToClient::Refused { code, text, .. } = ana.heard().await else {
        panic!()
    };
    assert_eq!(code, RefusalCode::UnknownUser, "{text}");
    server.stop((ana, second, third)).await;
}

#[tokio::test]
async fn an_ill_formed_recipient_costs_that_message_and_not_the_connection() {
    let server = TestServer::start(ServerConfig::new(Links::Clear));
    let (mut ana, _) = Raw::enter(server.addr, hello(1, 1), "ana").await;
    ana.say(1, Audience::All, "first");
    ana.committed().await;
    // The bytes of a message to `bo:b`, which no `Nick` can be made of.
    let good = submit(2, Audience::Unicast(nick("boxb")), "for nobody");
    let good = codec::encode(&good).unwrap();
    let name = good.windows(4).position(|four| four == b"boxb").unwrap();
    let mut bad = good.to_vec();
    bad[name + 2] = b':';
    ana.send_bytes(FrameType::Data, bad.clone().into());
    let refused = ana.heard().await;
    let ToClient::Refused {
        pseq, code, text, ..
    } = &refused
    else {
        panic!("{refused:?}")
    };
    assert_eq!((pseq.0, *code), (2, RefusalCode::NickInvalid), "{text}");
    // Its place is settled: sent again it is answered the same, and the next one follows.
    ana.send_bytes(FrameType::Data, bad.into());
    let again = ana.heard().await;
    assert!(
        matches!(again, ToClient::Refused { pseq, code: RefusalCode::NickInvalid, .. } if pseq.0 == 2)
    );
    ana.say(3, Audience::All, "third");
    ana.committed().await;
    // A room's name, `#lab` for one.
    ana.send(FrameType::Data, &(1_u8, "#lab"));
    let ToClient::Error { code, text } = ana.heard().await else {
        panic!()
    };
    assert_eq!(code, RefusalCode::NickInvalid, "{text}");
    server.stop(ana).await;
}

#[tokio::test]
async fn what_cannot_be_read_or_comes_too_early_ends_the_connection() {
    let server = TestServer::start(ServerConfig::new(Links::Clear));
    let mut early = Raw::open(server.addr, hello(1, 1)).await;
    early.say(1, Audience::All, "me first");
    says(
        &early.ended().await,
        CloseCode::BadMessage,
        "a name comes first",
    );

    let (mut ana, _) = Raw::enter(server.addr, hello(1, 2), "ana").await;
    ana.send_bytes(FrameType::Data, Bytes::from_static(&[99, 1, 2]));
    says(
        &ana.ended().await,
        CloseCode::BadMessage,
        "docs/protocol.md",
    );

    let (mut ana, _) = Raw::enter(server.addr, hello(1, 3), "ana").await;
    ana.send_bytes(FrameType::ListResponse, Bytes::new());
    says(&ana.ended().await, CloseCode::BadMessage, "this type");
    server.stop((early, ana)).await;
}

#[tokio::test]
async fn empty_and_long_texts_are_refused_and_others_still_go() {
    let server = TestServer::start(ServerConfig::new(Links::Clear));
    let (mut ana, _) = Raw::enter(server.addr, hello(1, 1), "ana").await;
    ana.say(1, Audience::All, "");
    ana.say(
        2,
        Audience::All,
        &"x".repeat(lamparina_protocol::message::TEXT_BYTES_MAX + 1),
    );
    ana.say(3, Audience::All, "fine");
    let mut codes = Vec::new();
    for _ in 0..2 {
        let ToClient::Refused { code, .. } = ana.heard().await else {
            panic!()
        };
        codes.push(code);
    }
    assert_eq!(codes, [RefusalCode::EmptyText, RefusalCode::TooLong]);
    ana.committed().await;
    server.stop((ana,)).await;
}

#[tokio::test]
async fn channels_are_changed_in_the_lab_only() {
    let spec = |spec: &str| ChannelSettings {
        spec: spec.to_owned(),
    };
    let server = TestServer::start(ServerConfig::new(Links::Clear));
    let (mut ana, _) = Raw::enter(server.addr, hello(1, 1), "ana").await;
    ana.send(FrameType::Channel, &spec("loss=20%"));
    let ToClient::Error { code, text } = ana.heard().await else {
        panic!()
    };
    assert_eq!(code, RefusalCode::NotAllowed);
    assert!(text.contains("--lab"), "{text}");
    server.stop((ana,)).await;

    let config = ServerConfig {
        lab: true,
        ..ServerConfig::new(Links::Clear)
    };
    let server = TestServer::start(config);
    let (mut ana, _) = Raw::enter(server.addr, hello(1, 1), "ana").await;
    ana.send(FrameType::Channel, &spec("loss=many"));
    let ToClient::Error { code, .. } = ana.heard().await else {
        panic!()
    };
    assert_eq!(code, RefusalCode::Malformed);
    ana.send(FrameType::Channel, &spec("loss=20%,delay=1ms,seed=7"));
    let (kind, body) = ana.received().await;
    assert_eq!(kind, FrameType::Channel);
    let settings: ChannelSettings = codec::decode(&body).unwrap();
    assert_eq!(settings.spec, "loss=20%,delay=1ms,seed=7");
    let (mut bob, _) = Raw::enter(server.addr, hello(2, 1), "bob").await;
    let listening = tokio::spawn(async move {
        let mut texts = Vec::new();
        while texts.len() < 50 {
            texts.push(ana.delivered().await.2);
        }
        texts
    });
    for pseq in 1..=50 {
        bob.say(pseq, Audience::All, &format!("line {pseq}"));
        bob.committed().await;
    }
    let expected: Vec<String> = (1..=50).map(|pseq| format!("line {pseq}")).collect();
    assert_eq!(listening.await.unwrap(), expected);
    server.stop(bob).await;
}

#[tokio::test]
async fn over_the_limit_is_said() {
    let config = ServerConfig {
        limits: InForce::new(Limits {
            connections: 1,
            ..Limits::default()
        }),
        ..ServerConfig::new(Links::Clear)
    };
    let server = TestServer::start(config);
    let (_ana, _) = Raw::enter(server.addr, hello(1, 1), "ana").await;
    let mut second = Raw::dial(server.addr, hello(2, 1).to_bytes()).await;
    says(&second.ended().await, CloseCode::Limit, "try again");
    server.stop((_ana, second)).await;
}

#[tokio::test]
async fn who_does_not_read_is_left_behind_and_costs_others_nothing() {
    let config = ServerConfig {
        tail_bytes: 256 * 1024,
        ..ServerConfig::new(Links::Clear)
    };
    let server = TestServer::start(config);
    let (mut ana, _) = Raw::enter(server.addr, hello(1, 1), "ana").await;
    let (mut slow, _) = Raw::enter(server.addr, hello(2, 1), "slow").await;
    let text = "x".repeat(64 * 1024);
    for pseq in 1..=400 {
        ana.say(pseq, Audience::All, &text);
        ana.committed().await;
    }
    let mut read = 0;
    let (code, words) = loop {
        match slow.event().await {
            lamparina_protocol::link::Event::Received { .. } => read += 1,
            lamparina_protocol::link::Event::Closed(
                lamparina_protocol::link::CloseReason::ByPeer { code, text },
            ) => break (code, text),
            other => panic!("{other:?}"),
        }
    };
    assert!(read < 400, "{read} were read");
    says(&(code, words), CloseCode::TooSlow, "connect again");
    let (mut slow, entered) = Raw::enter(server.addr, hello(2, 2), "slow").await;
    let ToClient::Entered { gap, resumed, .. } = entered else {
        unreachable!()
    };
    assert!(gap);
    let (_, _, _, prev) = slow.delivered().await;
    assert_eq!(prev, resumed.get());
    server.stop((ana, slow)).await;
}
