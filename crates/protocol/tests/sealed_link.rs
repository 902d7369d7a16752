//! Sealed links: what opens, what does not, and what an attacker on the way can reach: the end of
//! a connection, never a word in it.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use lamparina_protocol::Instant;
use lamparina_protocol::control::{CloseCode, Disconnect};
use lamparina_protocol::frame::{Frame, FrameType, HEADER_BYTES, Seq, put_frame};
use lamparina_protocol::link::{
    CloseReason, Event, Input, Link, LinkConfig, Outgoing, Output, Repair,
};
use lamparina_protocol::seal::record::SEALED_BYTES_MAX;
use lamparina_protocol::seal::{IdentityKey, LinkKeys, PublicKey, SEED_BYTES, Transport};

const NOW: Instant = Instant::from_millis(100);

fn identity(number: u8) -> IdentityKey {
    IdentityKey::from_seed(&[number; 32])
}

fn keys(number: u8) -> LinkKeys {
    LinkKeys::new(identity(number), [number; SEED_BYTES], Transport::Tcp)
}

fn initiator() -> Link {
    Link::initiate(LinkConfig::new(1), Bytes::from_static(b"hello"), NOW).sealed(keys(1))
}

fn responder() -> Link {
    Link::respond(LinkConfig::new(2), NOW).sealed(keys(2))
}

fn tell(link: &mut Link, input: Input) -> Output {
    let mut out = Output::default();
    link.handle(NOW, input, &mut out).unwrap();
    out
}

fn give(link: &mut Link, bytes: &[u8]) -> Output {
    tell(link, Input::Bytes(Bytes::copy_from_slice(bytes)))
}

fn welcome() -> Input {
    Input::Accept {
        welcome: Bytes::from_static(b"welcome"),
    }
}

/// The three frames of a handshake, and both links before the third.
struct Steps {
    syn: Vec<u8>,
    syn_ack: Vec<u8>,
    third: Vec<u8>,
}

fn steps(ours: &mut Link, theirs: &mut Link) -> Steps {
    let syn = tell(ours, Input::Tick).wire.concat();
    let asked = give(theirs, &syn).events;
    assert!(matches!(asked[..], [Event::Asked { .. }]), "{asked:?}");
    let syn_ack = tell(theirs, welcome()).wire.concat();
    let proven = give(ours, &syn_ack).events;
    let server = identity(2).public();
    assert_eq!(proven, [Event::Proven { server }]);
    let trusted = tell(ours, Input::Trust);
    assert!(matches!(&trusted.events[..],
        [Event::Opened { words, peer: Some(peer), .. }] if words == "welcome" && *peer == server));
    let third = trusted.wire.concat();
    Steps {
        syn,
        syn_ack,
        third,
    }
}

fn pair_of(mut ours: Link, mut theirs: Link) -> (Link, Link) {
    let third = steps(&mut ours, &mut theirs).third;
    let opened = give(&mut theirs, &third).events;
    let client = identity(1).public();
    assert!(matches!(&opened[..],
        [Event::Opened { words, peer: Some(peer), .. }] if words == "hello" && *peer == client));
    (ours, theirs)
}

fn pair() -> (Link, Link) {
    pair_of(initiator(), responder())
}

fn say(link: &mut Link, text: &str) -> Vec<u8> {
    let body = Bytes::copy_from_slice(text.as_bytes());
    link.send(NOW, &Outgoing::own(FrameType::Data, body))
        .unwrap();
    let mut out = Output::default();
    link.flush(NOW, &mut out);
    out.wire.concat()
}

fn heard(events: &[Event]) -> Vec<String> {
    let text = |event: &Event| match event {
        Event::Received { body, .. } => Some(String::from_utf8(body.to_vec()).unwrap()),
        _ => None,
    };
    events.iter().filter_map(text).collect()
}

fn closed(events: &[Event]) -> Option<(CloseCode, &str)> {
    match events {
        [.., Event::Closed(CloseReason::ByUs { code, text })] => Some((*code, text)),
        [.., Event::Closed(CloseReason::Unproven { code, text })] => {
            Some((CloseCode::from_number(*code)?, text))
        }
        _ => None,
    }
}

#[test]
fn nothing_but_the_handshake_is_in_clear() {
    let (mut ours, mut theirs) = pair();
    let wire = say(&mut ours, "a secret");
    assert_eq!(wire[4], FrameType::Sealed.number());
    assert!(!wire.windows(8).any(|bytes| bytes == b"a secret"));
    assert_eq!(heard(&give(&mut theirs, &wire).events), ["a secret"]);
    let (mut ours, _) = pair();
    let close = Input::Close {
        code: CloseCode::Goodbye,
        text: "goodbye".to_owned(),
    };
    let wire = tell(&mut ours, close).wire.concat();
    assert_eq!(wire[4], FrameType::Sealed.number());
}

#[test]
fn the_hello_and_who_calls_are_never_in_clear() {
    let steps = steps(&mut initiator(), &mut responder());
    let all = [steps.syn, steps.syn_ack, steps.third].concat();
    let shows = |what: &[u8]| all.windows(what.len()).any(|bytes| bytes == what);
    assert!(!shows(b"hello") && !shows(b"welcome"));
    assert!(!shows(&identity(1).public().0) && !shows(&identity(2).public().0));
}

#[test]
fn an_abort_before_trust_says_nothing_of_who_called() {
    let (mut ours, mut theirs) = (initiator(), responder());
    let syn = tell(&mut ours, Input::Tick).wire.concat();
    give(&mut theirs, &syn);
    let syn_ack = tell(&mut theirs, welcome()).wire.concat();
    give(&mut ours, &syn_ack);
    let abort = Input::Abort {
        code: CloseCode::Unproven,
        text: "another key".to_owned(),
    };
    let wire = tell(&mut ours, abort).wire.concat();
    assert_eq!(wire[4], FrameType::Disconnect.number());
    let events = give(&mut theirs, &wire).events;
    // In clear, so that the server does not believe it either.
    assert!(matches!(&events[..],
        [Event::Closed(CloseReason::Unproven { code: 22, text })] if text == "another key"));
}

/// Gives `theirs` a handshake frame with one bit flipped at every place, then the good one: only the
/// good one goes on, whatever came before.
fn flip_each(bytes: &[u8], mut fresh: impl FnMut() -> Link, opens: impl Fn(&[Event]) -> bool) {
    for at in 4..bytes.len() {
        let mut link = fresh();
        let mut flipped = bytes.to_vec();
        flipped[at] ^= 1 << (at % 8);
        let out = give(&mut link, &flipped);
        assert!(out.events.is_empty(), "byte {at}: {:?}", out.events);
        let events = give(&mut link, bytes).events;
        assert!(opens(&events), "byte {at}: {events:?}");
    }
}

#[test]
fn a_handshake_frame_damaged_anywhere_is_tried_again() {
    let steps = steps(&mut initiator(), &mut responder());
    flip_each(&steps.syn, responder, |events| {
        matches!(events, [Event::Asked { .. }])
    });
    let calling = || {
        let mut link = initiator();
        tell(&mut link, Input::Tick);
        link
    };
    flip_each(&steps.syn_ack, calling, |events| {
        matches!(events, [Event::Proven { .. }])
    });
    let answered = || {
        let mut link = responder();
        give(&mut link, &steps.syn);
        tell(&mut link, welcome());
        link
    };
    flip_each(&steps.third, answered, |events| {
        matches!(events, [Event::Opened { peer: Some(_), .. }])
    });
}

/// The same frame with one bit of its payload flipped and a good checksum: an attacker's work.
fn forged(bytes: &[u8], at: usize) -> Vec<u8> {
    let mut payload = bytes[HEADER_BYTES..].to_vec();
    payload[at] ^= 1 << (at % 8);
    let kind = FrameType::from_number(bytes[4]).unwrap();
    let mut out = BytesMut::new();
    put_frame(&mut out, kind, Seq::FIRST, true, &payload);
    out.to_vec()
}

#[test]
fn a_second_message_forged_anywhere_is_not_believed() {
    let steps = steps(&mut initiator(), &mut responder());
    for at in 0..steps.syn_ack.len() - HEADER_BYTES {
        let mut link = initiator();
        tell(&mut link, Input::Tick);
        let out = give(&mut link, &forged(&steps.syn_ack, at));
        let believed = |event: &Event| matches!(event, Event::Proven { .. } | Event::Opened { .. });
        assert!(
            !out.events.iter().any(believed),
            "byte {at}: {:?}",
            out.events
        );
        // What was said in clear is bound by the seal, the rest by the seal itself; only a token
        // that is not ours is taken for another call's.
        match closed(&out.events) {
            None => assert!((20..24).contains(&at), "byte {at}"),
            Some((code, _)) => assert!(at < 32 || code == CloseCode::Damaged, "byte {at}"),
        }
    }
}

#[test]
fn a_third_message_forged_anywhere_is_not_believed() {
    let steps = steps(&mut initiator(), &mut responder());
    for at in 0..steps.third.len() - HEADER_BYTES {
        let mut link = responder();
        give(&mut link, &steps.syn);
        tell(&mut link, welcome());
        let out = give(&mut link, &forged(&steps.third, at));
        match closed(&out.events) {
            None => assert!(at < 4, "byte {at}: another call's token"),
            Some((code, _)) => assert_eq!(code, CloseCode::Damaged, "byte {at}"),
        }
        let opened = |event: &Event| matches!(event, Event::Opened { .. });
        assert!(!out.events.iter().any(opened), "byte {at}");
    }
}

#[test]
fn a_first_message_changed_on_the_way_leads_nowhere() {
    let syn = tell(&mut initiator(), Input::Tick).wire.concat();
    for at in 0..syn.len() - HEADER_BYTES {
        let (mut ours, mut theirs) = (initiator(), responder());
        tell(&mut ours, Input::Tick);
        let out = give(&mut theirs, &forged(&syn, at));
        if !matches!(out.events[..], [Event::Asked { .. }]) {
            continue;
        }
        let syn_ack = tell(&mut theirs, welcome()).wire.concat();
        let events = give(&mut ours, &syn_ack).events;
        let believed = |event: &Event| matches!(event, Event::Proven { .. } | Event::Opened { .. });
        assert!(!events.iter().any(believed), "byte {at}: {events:?}");
    }
}

#[test]
fn terms_cannot_be_lowered_on_the_way() {
    // Go-Back-N asked for in the client's name.
    let (mut ours, mut theirs) = (initiator(), responder());
    let syn = tell(&mut ours, Input::Tick).wire.concat();
    let mut payload = syn[HEADER_BYTES..].to_vec();
    payload[7] |= 1;
    let mut changed = BytesMut::new();
    put_frame(&mut changed, FrameType::Syn, Seq::FIRST, true, &payload);
    let asked = give(&mut theirs, &changed).events;
    assert!(matches!(asked[..], [Event::Asked { terms }] if terms.repair == Repair::GoBackN));
    let syn_ack = tell(&mut theirs, welcome()).wire.concat();
    let out = give(&mut ours, &syn_ack);
    assert_eq!(closed(&out.events).unwrap().0, CloseCode::Damaged);
}

#[test]
fn another_transport_is_another_link() {
    let ws = LinkKeys::new(identity(2), [2; SEED_BYTES], Transport::WebSocket);
    let mut theirs = Link::respond(LinkConfig::new(2), NOW).sealed(ws);
    let mut ours = initiator();
    let syn = tell(&mut ours, Input::Tick).wire.concat();
    give(&mut theirs, &syn);
    let syn_ack = tell(&mut theirs, welcome()).wire.concat();
    let out = give(&mut ours, &syn_ack);
    assert_eq!(closed(&out.events).unwrap().0, CloseCode::Damaged);
}

#[test]
fn a_record_with_any_bit_flipped_ends_the_link_as_damaged() {
    let (mut ours, mut theirs) = pair();
    let wire = say(&mut ours, "a secret");
    let bits = 8 * wire.len();
    for bit in 0..bits {
        let mut flipped = wire.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let (_, mut link) = pair();
        let out = give(&mut link, &flipped);
        assert_eq!(heard(&out.events), [""; 0]);
        match closed(&out.events) {
            Some((code, text)) => {
                assert_eq!(code, CloseCode::Damaged, "bit {bit}");
                assert!(text.contains("connect again"), "{text}");
                // The last word is sealed too.
                assert_eq!(out.wire.concat()[4], FrameType::Sealed.number());
            }
            // A length that is possible: more bytes are awaited, for a while.
            None => {
                assert!(bit < 32, "bit {bit}");
                let mut out = Output::default();
                link.handle(NOW + Duration::from_secs(5), Input::Tick, &mut out)
                    .unwrap();
                assert_eq!(closed(&out.events).unwrap().0, CloseCode::Damaged);
            }
        }
    }
    assert_eq!(heard(&give(&mut theirs, &wire).events), ["a secret"]);
}

#[test]
fn a_record_cut_anywhere_says_nothing() {
    let (mut ours, mut theirs) = pair();
    let wire = say(&mut ours, "a secret");
    for end in 0..wire.len() {
        let (_, mut link) = pair();
        assert_eq!(give(&mut link, &wire[..end]).events, []);
        let events = give(&mut link, &wire[end..]).events;
        assert_eq!(heard(&events), ["a secret"], "cut at {end}");
    }
    assert_eq!(heard(&give(&mut theirs, &wire).events), ["a secret"]);
}

#[test]
fn a_record_that_comes_again_or_late_ends_the_link_as_damaged() {
    let (mut ours, mut theirs) = pair();
    let records = ["one", "two"].map(|text| say(&mut ours, text));
    assert_eq!(heard(&give(&mut theirs, &records[0]).events), ["one"]);
    let out = give(&mut theirs, &records[0]);
    assert_eq!(closed(&out.events).unwrap().0, CloseCode::Damaged);

    let (mut ours, mut theirs) = pair();
    let records = ["one", "two"].map(|text| say(&mut ours, text));
    // The later one is early inside, and kept; the earlier one then has no place below.
    assert_eq!(heard(&give(&mut theirs, &records[1]).events), [""; 0]);
    let out = give(&mut theirs, &records[0]);
    assert_eq!(closed(&out.events).unwrap().0, CloseCode::Damaged);
}

#[test]
fn a_record_of_another_link_or_direction_ends_the_link_as_damaged() {
    let (mut ours, mut theirs) = pair();
    let reflected = say(&mut ours, "one");
    let out = give(&mut ours, &reflected);
    assert_eq!(closed(&out.events).unwrap().0, CloseCode::Damaged);
    let other = Link::initiate(LinkConfig::new(1), Bytes::from_static(b"hello"), NOW)
        .sealed(LinkKeys::new(identity(1), [9; SEED_BYTES], Transport::Tcp));
    let (mut other, _) = pair_of(other, responder());
    let out = give(&mut theirs, &say(&mut other, "one"));
    assert_eq!(closed(&out.events).unwrap().0, CloseCode::Damaged);
}

#[test]
fn frames_in_clear_end_an_open_link_but_those_of_the_handshake() {
    for kind in FrameType::ALL {
        let handshake = matches!(
            kind,
            FrameType::Syn | FrameType::SynAck | FrameType::HandshakeAck
        );
        let frame = Frame {
            kind,
            seq: Seq::FIRST,
            last: true,
            payload: Bytes::from_static(&[0; 30]),
        };
        for initiator in [true, false] {
            let (ours, theirs) = pair();
            let mut link = if initiator { ours } else { theirs };
            let out = give(&mut link, &frame.to_bytes());
            match closed(&out.events) {
                Some((code, _)) => assert_eq!((code, handshake), (CloseCode::Damaged, false)),
                None => assert!(handshake, "{kind:?}"),
            }
        }
    }
}

#[test]
fn a_lost_third_message_is_said_again_as_it_was() {
    let (mut ours, mut theirs) = (initiator(), responder());
    let steps = steps(&mut ours, &mut theirs);
    // It is lost, and what follows it cannot be read yet.
    let early = say(&mut ours, "one");
    assert_eq!(give(&mut theirs, &early).events, []);
    assert_eq!(theirs.state(), "answered");
    let mut out = Output::default();
    let later = NOW + Duration::from_secs(1);
    theirs.handle(later, Input::Tick, &mut out).unwrap();
    assert_eq!(out.wire.concat(), steps.syn_ack);
    let again = give(&mut ours, &steps.syn_ack).wire.concat();
    assert_eq!(again, steps.third);
    let events = give(&mut theirs, &again).events;
    assert!(matches!(events[..], [Event::Opened { .. }]));
    // What was lost goes again under other numbers.
    let mut out = Output::default();
    ours.handle(later, Input::Tick, &mut out).unwrap();
    let events = give(&mut theirs, &out.wire.concat()).events;
    assert_eq!(heard(&events), ["one"]);
    // Once a record has come from there, it is not said again.
    let wire = say(&mut theirs, "two");
    assert_eq!(heard(&give(&mut ours, &wire).events), ["two"]);
    let out = give(&mut ours, &steps.syn_ack);
    assert_eq!((out.wire.len(), out.events.len()), (0, 0));
}

#[test]
fn a_sealed_end_and_one_in_clear_tell_each_other_what_to_do() {
    let clear = || Link::initiate(LinkConfig::new(1), Bytes::from_static(b"hello"), NOW);
    let mut theirs = responder();
    let mut ours = clear();
    let syn = tell(&mut ours, Input::Tick).wire.concat();
    let out = give(&mut theirs, &syn);
    let (code, text) = closed(&out.events).unwrap();
    assert_eq!(code, CloseCode::SealedOnly);
    assert!(text.contains("without --cleartext"), "{text}");
    let events = give(&mut ours, &out.wire.concat()).events;
    assert!(matches!(
        events[..],
        [Event::Closed(CloseReason::ByPeer { code: 20, .. })]
    ));

    let mut theirs = Link::respond(LinkConfig::new(2), NOW);
    let mut ours = initiator();
    let syn = tell(&mut ours, Input::Tick).wire.concat();
    let out = give(&mut theirs, &syn);
    let (code, text) = closed(&out.events).unwrap();
    assert_eq!(code, CloseCode::ClearOnly);
    assert!(text.contains("with --cleartext"), "{text}");
    // Nobody has proved anything: the attempt has failed, and that is all.
    let events = give(&mut ours, &out.wire.concat()).events;
    assert!(matches!(
        events[..],
        [Event::Closed(CloseReason::Unproven { code: 21, .. })]
    ));
}

#[test]
fn a_word_in_clear_before_the_keys_is_not_believed() {
    let mut ours = initiator();
    tell(&mut ours, Input::Tick);
    let bye = Disconnect {
        code: CloseCode::TakenOver.number(),
        orderly: false,
        next: Seq::FIRST,
        text: "go away".to_owned(),
    };
    let mut bytes = BytesMut::new();
    let payload = bye.to_bytes();
    put_frame(
        &mut bytes,
        FrameType::Disconnect,
        Seq::FIRST,
        true,
        &payload,
    );
    let events = give(&mut ours, &bytes).events;
    let code = CloseCode::TakenOver.number();
    let text = "go away".to_owned();
    let unproven = CloseReason::Unproven { code, text };
    assert_eq!(events, [Event::Closed(unproven)]);
}

#[test]
fn keys_change_on_time_in_both_directions_and_no_number_is_used_twice() {
    let [ours, theirs] = [keys(1), keys(2)].map(|keys| keys.with_rekey_every(3));
    let ours = Link::initiate(LinkConfig::new(1), Bytes::from_static(b"hello"), NOW).sealed(ours);
    let theirs = Link::respond(LinkConfig::new(2), NOW).sealed(theirs);
    let (mut ours, mut theirs) = pair_of(ours, theirs);
    let (mut there, mut back) = (BTreeSet::new(), BTreeSet::new());
    for number in 0..20 {
        let text = number.to_string();
        let wire = say(&mut ours, &text);
        assert!(there.insert(wire[12..20].to_vec()));
        assert_eq!(
            heard(&give(&mut theirs, &wire).events),
            std::slice::from_ref(&text)
        );
        if number % 2 == 0 {
            let wire = say(&mut theirs, &text);
            assert!(back.insert(wire[12..20].to_vec()));
            assert_eq!(heard(&give(&mut ours, &wire).events), [text]);
        }
    }
    // What is sent again leaves under a new number.
    say(&mut ours, "lost");
    let mut out = Output::default();
    ours.handle(NOW + Duration::from_secs(3), Input::Tick, &mut out)
        .unwrap();
    let wire = out.wire.concat();
    assert!(there.insert(wire[12..20].to_vec()));
    let events = give(&mut theirs, &wire).events;
    assert_eq!(heard(&events), ["lost"]);
    // Both mean the same interval, or nothing opens beyond it.
    let ours = keys(1).with_rekey_every(3);
    let ours = Link::initiate(LinkConfig::new(1), Bytes::from_static(b"hello"), NOW).sealed(ours);
    let (mut ours, mut theirs) = pair_of(ours, responder());
    for number in 0..3 {
        let wire = say(&mut ours, &number.to_string());
        assert_eq!(heard(&give(&mut theirs, &wire).events).len(), 1);
    }
    let out = give(&mut theirs, &say(&mut ours, "3"));
    assert_eq!(closed(&out.events).unwrap().0, CloseCode::Damaged);
}

#[test]
fn many_frames_make_few_records_of_whole_frames() {
    let (mut ours, mut theirs) = pair();
    let texts: Vec<String> = (0..1_000).map(|number| format!("{number:0128}")).collect();
    for text in &texts {
        let body = Bytes::copy_from_slice(text.as_bytes());
        ours.send(NOW, &Outgoing::own(FrameType::Data, body))
            .unwrap();
    }
    let mut out = Output::default();
    ours.flush(NOW, &mut out);
    let wire = out.wire.concat();
    let (mut rest, mut records) = (&wire[..], 0);
    while let Some(length) = rest.first_chunk::<4>() {
        let length = u32::from_be_bytes(*length) as usize;
        assert!(length <= SEALED_BYTES_MAX);
        assert_eq!((length - 8 - 16) % 140, 0, "whole frames");
        rest = &rest[HEADER_BYTES + length..];
        records += 1;
    }
    assert_eq!(records, 1_000usize.div_ceil(16_384 / 140));
    assert_eq!(heard(&give(&mut theirs, &wire).events), texts);
}

#[test]
fn an_identity_is_printed_as_its_public_half() {
    let text = format!("{:?} {:?}", identity(1), PublicKey([0x0f; 32]));
    assert!(text.starts_with("IdentityKey(8a88e3dd"), "{text}");
    assert!(text.contains("PublicKey(0f0f"), "{text}");
}

#[test]
fn the_third_message_of_another_handshake_ends_the_link() {
    let (mut ours, mut theirs) = (initiator(), responder());
    steps(&mut ours, &mut theirs);
    let keys = LinkKeys::new(identity(1), [8; SEED_BYTES], Transport::Tcp);
    let mut other =
        Link::initiate(LinkConfig::new(1), Bytes::from_static(b"hello"), NOW).sealed(keys);
    let elsewhere = steps(&mut other, &mut responder());
    let out = give(&mut theirs, &elsewhere.third);
    assert_eq!(closed(&out.events).unwrap().0, CloseCode::Damaged);
}
