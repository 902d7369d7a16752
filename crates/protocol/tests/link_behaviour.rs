//! What a link does and when, one behaviour at a time.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use lamparina_protocol::Instant;
use lamparina_protocol::control::{CloseCode, Syn, SynAck};
use lamparina_protocol::frame::{Decoded, Frame, FrameDecoder, FrameType, Seq, put_frame};
use lamparina_protocol::link::{
    CloseReason, Event, Input, Link, LinkConfig, Outgoing, Output, Repair, SendError, UseError,
};

fn ms(millis: u64) -> Instant {
    Instant::from_millis(millis)
}

fn handle(link: &mut Link, now: Instant, input: Input) -> (Vec<Frame>, Vec<Event>) {
    let mut out = Output::default();
    link.handle(now, input, &mut out).unwrap();
    (frames(&out.wire), out.events)
}

fn tick(link: &mut Link, now: Instant) -> Vec<FrameType> {
    kinds(&handle(link, now, Input::Tick).0)
}

fn frames(wire: &[Bytes]) -> Vec<Frame> {
    let mut decoder = FrameDecoder::default();
    decoder.push(wire.concat().into());
    let mut frames = Vec::new();
    while let Some(decoded) = decoder.next().unwrap() {
        match decoded {
            Decoded::Frame(frame) => frames.push(frame),
            other => panic!("{other:?}"),
        }
    }
    assert!(!decoder.is_mid_frame());
    frames
}

fn kinds(frames: &[Frame]) -> Vec<FrameType> {
    frames.iter().map(|frame| frame.kind).collect()
}

fn bytes_of(frames: &[Frame]) -> Input {
    let mut out = BytesMut::new();
    frames.iter().for_each(|frame| frame.encode_into(&mut out));
    Input::Bytes(out.freeze())
}

fn data(places: impl IntoIterator<Item = u16>) -> Input {
    let mut out = BytesMut::new();
    for place in places {
        put_frame(&mut out, FrameType::Data, Seq::new(place), true, b"text");
    }
    Input::Bytes(out.freeze())
}

fn message(bytes: usize) -> Outgoing {
    Outgoing::own(FrameType::Data, Bytes::from(vec![7; bytes]))
}

fn accept() -> Input {
    Input::Accept {
        welcome: Bytes::from_static(b"welcome"),
    }
}

/// Both ends open, the round trip being 20 ms, at 20 ms.
fn pair_with(ours: LinkConfig, theirs: LinkConfig) -> (Link, Link) {
    let hello = Bytes::from_static(b"hello");
    let mut ours = Link::initiate(ours, hello, Instant::ZERO);
    let mut theirs = Link::respond(theirs, Instant::ZERO);
    let (syn, _) = handle(&mut ours, ms(0), Input::Tick);
    handle(&mut theirs, ms(0), bytes_of(&syn));
    let (syn_ack, _) = handle(&mut theirs, ms(0), accept());
    let (ack, _) = handle(&mut ours, ms(20), bytes_of(&syn_ack));
    let (none, opened) = handle(&mut theirs, ms(20), bytes_of(&ack));
    assert!(none.is_empty());
    assert!(matches!(opened[..], [Event::Opened { .. }]));
    (ours, theirs)
}

fn pair() -> (Link, Link) {
    pair_with(LinkConfig::new(1), LinkConfig::new(2))
}

#[test]
fn the_lower_limits_hold() {
    let ours = LinkConfig {
        fragment_bytes: 0,
        window_frames: 100,
        window_bytes: 5_000,
        ..LinkConfig::new(1)
    };
    let theirs = LinkConfig {
        fragment_bytes: u16::MAX,
        window_frames: 200,
        message_bytes_max: 3_000,
        repair: Repair::GoBackN,
        ..LinkConfig::new(2)
    };
    let (ours, theirs) = pair_with(ours, theirs);
    let terms = ours.terms().unwrap();
    assert_eq!(theirs.terms(), Some(terms));
    assert_eq!((terms.fragment_bytes, terms.window_frames), (64, 100));
    assert_eq!(
        (terms.window_bytes, terms.message_bytes_max),
        (5_000, 3_000)
    );
    assert_eq!(terms.repair, Repair::GoBackN);
}

#[test]
fn every_step_of_the_handshake_may_be_lost() {
    let mut ours = Link::initiate(LinkConfig::new(1), Bytes::from_static(b"hello"), ms(0));
    let mut theirs = Link::respond(LinkConfig::new(2), ms(0));
    assert_eq!(ours.deadline(), Some(ms(0)));
    // The first SYN is lost, the second comes twice.
    assert_eq!(tick(&mut ours, ms(0)), [FrameType::Syn]);
    assert_eq!(ours.deadline(), Some(ms(1_000)));
    let (syn, _) = handle(&mut ours, ms(1_000), Input::Tick);
    assert_eq!(Syn::from_bytes(&syn[0].payload).unwrap().hello, "hello");
    let (_, asked) = handle(&mut theirs, ms(1_010), bytes_of(&syn));
    assert!(matches!(&asked[..], [Event::Asked { .. }]));
    assert_eq!(
        handle(&mut theirs, ms(1_010), bytes_of(&syn)),
        (vec![], vec![])
    );
    // The first SYN_ACK is lost; a repeated SYN brings the second.
    let (lost, _) = handle(&mut theirs, ms(1_020), accept());
    assert_eq!(kinds(&lost), [FrameType::SynAck]);
    let (syn_ack, _) = handle(&mut theirs, ms(1_100), bytes_of(&syn));
    assert_eq!(
        SynAck::from_bytes(&syn_ack[0].payload).unwrap().welcome,
        "welcome"
    );
    // The first HANDSHAKE_ACK is lost; what follows it brings SYN_ACK and so the second.
    let (lost, opened) = handle(&mut ours, ms(1_110), bytes_of(&syn_ack));
    assert_eq!(kinds(&lost), [FrameType::HandshakeAck]);
    assert!(matches!(&opened[..], [Event::Opened { words, .. }] if words == "welcome"));
    let (syn_ack, _) = handle(&mut theirs, ms(1_200), data([0]));
    assert_eq!(kinds(&syn_ack), [FrameType::SynAck]);
    assert_eq!(handle(&mut theirs, ms(1_201), data([0])), (vec![], vec![]));
    let (ack, again) = handle(&mut ours, ms(1_210), bytes_of(&syn_ack));
    assert_eq!(again, []);
    let (_, opened) = handle(&mut theirs, ms(1_220), bytes_of(&ack));
    assert!(matches!(opened[..], [Event::Opened { .. }]));
    assert_eq!(
        handle(&mut theirs, ms(1_221), bytes_of(&ack)),
        (vec![], vec![])
    );
}

#[test]
fn words_have_a_limit() {
    let mut theirs = Link::respond(LinkConfig::new(2), ms(0));
    let mut ours = Link::initiate(LinkConfig::new(1), Bytes::from(vec![0; 1_024]), ms(0));
    let (syn, _) = handle(&mut ours, ms(0), Input::Tick);
    handle(&mut theirs, ms(0), bytes_of(&syn));
    let welcome = Bytes::from(vec![0; 1_025]);
    let refused = theirs.handle(ms(0), Input::Accept { welcome }, &mut Output::default());
    assert_eq!(refused, Err(UseError::WordsTooLong));
    let mut ours = Link::initiate(LinkConfig::new(1), Bytes::from(vec![0; 1_025]), ms(0));
    let (_, events) = handle(&mut ours, ms(0), Input::Tick);
    let code = CloseCode::TooLong;
    assert!(
        matches!(&events[..], [Event::Closed(CloseReason::ByUs { code: c, .. })] if *c == code)
    );
}

#[test]
fn acknowledgements_wait_for_company() {
    let (_, mut theirs) = pair();
    assert_eq!(handle(&mut theirs, ms(30), data([0])).0, []);
    assert_eq!(theirs.deadline(), Some(ms(35)));
    assert_eq!(handle(&mut theirs, ms(33), data([1])).0, []);
    assert_eq!(theirs.deadline(), Some(ms(35)));
    assert_eq!(tick(&mut theirs, ms(35)), [FrameType::Ack]);
    // Many at once are acknowledged at once, by one frame.
    let (acks, _) = handle(&mut theirs, ms(36), data(2..200));
    assert_eq!(kinds(&acks), [FrameType::Ack]);
    assert_eq!(&acks[0].payload[..], [0, 200]);
    // What goes out anyway takes the acknowledgement along.
    handle(&mut theirs, ms(37), data([200]));
    theirs.send(ms(38), &message(5)).unwrap();
    let mut out = Output::default();
    theirs.flush(ms(38), &mut out);
    assert_eq!(kinds(&frames(&out.wire)), [FrameType::Data, FrameType::Ack]);
    assert_eq!(out.wire.len(), 1);
    // A frame that came before says that our word was lost.
    assert_eq!(
        kinds(&handle(&mut theirs, ms(39), data([3, 4])).0),
        [FrameType::Ack]
    );
    assert_eq!(theirs.stats().duplicates, 2);
}

#[test]
fn a_hole_is_asked_for_once_per_round_trip() {
    let (_, mut theirs) = pair();
    let (nack, _) = handle(&mut theirs, ms(30), data([0, 2, 3, 6]));
    assert_eq!(kinds(&nack), [FrameType::Nack, FrameType::Ack]);
    assert_eq!(&nack[0].payload[..], [0, 1, 0, 1, 0, 4, 0, 2]);
    assert_eq!(&nack[1].payload[..], [0, 1, 0, 2, 0, 2, 0, 6, 0, 1]);
    assert_eq!(tick(&mut theirs, ms(49)), []);
    assert_eq!(theirs.deadline(), Some(ms(50)));
    assert_eq!(tick(&mut theirs, ms(50)), [FrameType::Nack]);
    // What fills a hole is acknowledged at once.
    let (acks, events) = handle(&mut theirs, ms(51), data([1]));
    assert_eq!(kinds(&acks), [FrameType::Ack]);
    assert_eq!(&acks[0].payload[..], [0, 4, 0, 6, 0, 1]);
    assert_eq!(events.len(), 3);
    assert_eq!(theirs.stats().nacks_sent, 2);
}

#[test]
fn what_is_asked_for_is_sent_again_once_per_round_trip() {
    for (repair, again) in [(Repair::SelectiveRepeat, 1), (Repair::GoBackN, 4)] {
        let config = LinkConfig {
            repair,
            ..LinkConfig::new(1)
        };
        let (mut ours, mut theirs) = pair_with(config, LinkConfig::new(2));
        let mut out = Output::default();
        for _ in 0..5 {
            ours.send(ms(30), &message(9)).unwrap();
        }
        ours.flush(ms(30), &mut out);
        assert_eq!(out.wire.len(), 1);
        let mut sent = frames(&out.wire);
        sent.remove(1);
        let (nack, _) = handle(&mut theirs, ms(40), bytes_of(&sent));
        assert_eq!(nack[0].kind, FrameType::Nack);
        let (resent, _) = handle(&mut ours, ms(50), bytes_of(&nack[..1]));
        assert_eq!(kinds(&resent), vec![FrameType::Data; again]);
        assert_eq!(handle(&mut ours, ms(51), bytes_of(&nack[..1])).0, []);
        let (_, events) = handle(&mut theirs, ms(60), bytes_of(&resent));
        assert_eq!(events.len(), 4);
        assert_eq!(ours.stats().retransmitted, again as u64);
    }
}

#[test]
fn silence_is_broken_and_then_ends_the_link() {
    let (mut ours, mut theirs) = pair();
    assert_eq!(ours.deadline(), Some(ms(20_020)));
    let (ping, _) = handle(&mut ours, ms(20_020), Input::Tick);
    assert_eq!(kinds(&ping), [FrameType::Ping]);
    let (pong, _) = handle(&mut theirs, ms(20_030), bytes_of(&ping));
    assert_eq!(kinds(&pong), [FrameType::Pong]);
    assert_eq!(handle(&mut ours, ms(20_040), bytes_of(&pong)).0, []);
    assert_eq!(ours.stats().rtt, Some(Duration::from_millis(20)));
    assert_eq!(ours.deadline(), Some(ms(40_040)));
    // Unanswered, it is repeated every 2 s, until the link is dead.
    let mut pings = 0;
    loop {
        let at = ours.deadline().unwrap();
        let (frames, events) = handle(&mut ours, at, Input::Tick);
        match &events[..] {
            [] => assert_eq!(kinds(&frames), [FrameType::Ping]),
            [Event::Closed(CloseReason::ByUs { code, .. })] => {
                assert_eq!((*code, at), (CloseCode::Timeout, ms(80_040)));
                break;
            }
            other => panic!("{other:?}"),
        }
        pings += 1;
    }
    assert_eq!(pings, 20);
}

#[test]
fn half_a_frame_is_waited_for() {
    let (mut ours, _) = pair();
    let Input::Bytes(bytes) = data([0, 1]) else {
        panic!();
    };
    let half = |from, to| Input::Bytes(bytes.slice(from..to));
    // A frame begins before the first ends, and comes byte by byte.
    assert_eq!(handle(&mut ours, ms(30), half(0, 20)).1.len(), 1);
    assert!(handle(&mut ours, ms(4_000), half(20, 25)).1.is_empty());
    assert_eq!(ours.deadline(), Some(ms(5_030)));
    assert!(handle(&mut ours, ms(5_029), half(25, 31)).1.is_empty());
    let (_, events) = handle(&mut ours, ms(5_030), Input::Tick);
    assert!(
        matches!(
            &events[..],
            [Event::Closed(CloseReason::ByUs {
                code: CloseCode::Damaged,
                ..
            })]
        ),
        "{events:?}"
    );
}

#[test]
fn a_peer_that_never_acknowledges_is_given_up() {
    let (mut ours, _) = pair();
    let mut out = Output::default();
    for _ in 0..1_000 {
        ours.send(ms(30), &message(100)).unwrap();
    }
    ours.flush(ms(30), &mut out);
    let mut ping = BytesMut::new();
    put_frame(&mut ping, FrameType::Ping, Seq::FIRST, true, b"12345678");
    let ping = ping.freeze();
    let mut now = ms(30);
    let reason = loop {
        now = ours.deadline().unwrap().min(now + Duration::from_secs(10));
        let (_, events) = handle(&mut ours, now, Input::Bytes(ping.clone()));
        if let [Event::Closed(reason)] = &events[..] {
            break reason.clone();
        }
    };
    let gave_up = CloseCode::GaveUp;
    assert!(matches!(reason, CloseReason::ByUs { code, .. } if code == gave_up));
    assert!((60..70).contains(&(now.as_micros() / 1_000_000)), "{now}");
    // A peer that only reads slowly was sent little twice.
    let stats = ours.stats();
    assert!(stats.timeouts >= 10, "{}", stats.timeouts);
    assert!(stats.retransmitted < 80, "{}", stats.retransmitted);
}

#[test]
fn a_full_window_says_so() {
    let config = LinkConfig {
        window_bytes: 10_000,
        ..LinkConfig::new(1)
    };
    let (mut ours, mut theirs) = pair_with(config, LinkConfig::new(2));
    let mut out = Output::default();
    let mut taken = 0;
    while ours.has_room() {
        ours.send(ms(30), &message(1_000)).unwrap();
        taken += 1;
    }
    // The window is full, the queue behind it is not.
    assert_eq!(taken, 10);
    while ours.send(ms(30), &message(1_000)).is_ok() {
        taken += 1;
    }
    assert_eq!(ours.send(ms(30), &message(1)), Err(SendError::Full));
    assert!((17..=20).contains(&taken), "{taken}");
    assert_eq!(
        ours.send(ms(30), &message(400_000)),
        Err(SendError::TooLong)
    );
    let ping = Outgoing::own(FrameType::Ping, Bytes::new());
    assert_eq!(ours.send(ms(30), &ping), Err(SendError::NotSequenced));
    ours.flush(ms(30), &mut out);
    assert!(ours.stats().in_flight_bytes <= 10_000);
    let mut heard = 0;
    while !ours.is_drained() {
        let (acks, events) = handle(&mut theirs, ms(40), bytes_of(&frames(&out.wire)));
        heard += events.len();
        out.wire.clear();
        ours.handle(ms(50), bytes_of(&acks), &mut out).unwrap();
        if out.wire.is_empty() {
            let (acks, _) = handle(&mut theirs, ms(60), Input::Tick);
            ours.handle(ms(60), bytes_of(&acks), &mut out).unwrap();
        }
    }
    assert_eq!(heard, taken);
    assert_eq!(ours.stats().in_flight_bytes, 0);
    assert!(ours.has_room());
}

#[test]
fn an_orderly_end_waits_for_what_is_pending() {
    let (mut ours, mut theirs) = pair();
    let mut out = Output::default();
    ours.send(ms(30), &message(5)).unwrap();
    let close = Input::Close {
        code: CloseCode::Goodbye,
        text: "done".to_owned(),
    };
    ours.handle(ms(30), close, &mut out).unwrap();
    assert_eq!(ours.send(ms(30), &message(5)), Err(SendError::NotOpen));
    assert_eq!(kinds(&frames(&out.wire)), [FrameType::Data]);
    let (_, events) = handle(&mut theirs, ms(40), bytes_of(&frames(&out.wire)));
    assert_eq!(events.len(), 1);
    // The answer has something pending too.
    theirs.send(ms(41), &message(6)).unwrap();
    out.wire.clear();
    theirs.flush(ms(41), &mut out);
    let (bye, _) = handle(&mut ours, ms(50), bytes_of(&frames(&out.wire)));
    assert_eq!(kinds(&bye), [FrameType::Disconnect, FrameType::Ack]);
    let (answer, events) = handle(&mut theirs, ms(60), bytes_of(&bye));
    let closing = Event::PeerClosing {
        code: 0,
        text: "done".to_owned(),
    };
    assert_eq!(events, [closing, Event::Closed(CloseReason::Orderly)]);
    assert_eq!(kinds(&answer), [FrameType::Disconnect]);
    let (_, events) = handle(&mut ours, ms(70), bytes_of(&answer));
    assert_eq!(events, [Event::Closed(CloseReason::Orderly)]);
}

#[test]
fn a_goodbye_without_answer_is_repeated_and_then_enough() {
    let (mut ours, _) = pair();
    let close = Input::Close {
        code: CloseCode::Goodbye,
        text: String::new(),
    };
    let (first, _) = handle(&mut ours, ms(30), close);
    assert_eq!(kinds(&first), [FrameType::Disconnect]);
    let mut said = 1;
    loop {
        let at = ours.deadline().unwrap();
        let (frames, events) = handle(&mut ours, at, Input::Tick);
        if events == [Event::Closed(CloseReason::Orderly)] {
            assert!(at < ms(20_000), "{at}");
            break;
        }
        said += frames.len();
    }
    assert_eq!(said, 8);
}
