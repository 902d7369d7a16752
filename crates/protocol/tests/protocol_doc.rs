//! The worked conversations of `docs/protocol.md`, sections 9 and 10, are what two links really say, and
//! the messages of sections 12 and 13 are what peers do.
//!
//! `UPDATE_EXPECT=1 cargo test -p lamparina-protocol --test protocol_doc` writes it anew.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(
    clippy::disallowed_methods,
    reason = "this test reads and writes the document"
)]

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::time::Duration;

use bytes::Bytes;
use lamparina_protocol::control::{CloseCode, Hello, Pace, Welcome};
use lamparina_protocol::frame::{Decoded, Frame, FrameDecoder, FrameType, HEADER_BYTES};
use lamparina_protocol::link::{Event, Input, Link, LinkConfig, Outgoing, Output};
use lamparina_protocol::message::{Delivery, SetNick, Submit, ToClient, ToServer};
use lamparina_protocol::peer::control::{
    Announced, Candidacy, Cause, JoinAnswer, Parting, Sighting,
};
use lamparina_protocol::peer::private::SealingKey;
use lamparina_protocol::peer::{
    Announcement, Attested, Beacon, BeaconKind, Body, Chain, Content, Control, Coordinator,
    ElectionEpoch, Incarnation, LinkMessage, MessageName, PeerId, PeerName, PeerRecord, Signed,
    SignedAnnouncement,
};
use lamparina_protocol::seal::{IdentityKey, LinkKeys, SEED_BYTES, Transport};
use lamparina_protocol::{
    Audience, AuthorKey, Epoch, Instant, Lamport, LogId, MemberId, Nick, Prev, Pseq, RoomName,
    SessionNumber, Term, UnixMicros, codec,
};

const DOC: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/protocol.md");
const BEGIN: &str = "<!-- conversation: begin -->\n";
const END: &str = "<!-- conversation: end -->\n";
const SEALED_BEGIN: &str = "<!-- sealed conversation: begin -->\n";
const SEALED_END: &str = "<!-- sealed conversation: end -->\n";
const MEMBERSHIP_BEGIN: &str = "<!-- membership: begin -->\n";
const MEMBERSHIP_END: &str = "<!-- membership: end -->\n";
const PEERS_BEGIN: &str = "<!-- peer messages: begin -->\n";
const PEERS_END: &str = "<!-- peer messages: end -->\n";

/// Two links and what was said between them.
struct Talk {
    now: Instant,
    client: Link,
    server: Link,
    text: String,
    /// Frames on their way, each with whether the client sent it.
    under_way: VecDeque<(bool, Bytes)>,
}

/// The identity with this seed, and its Noise keys.
fn keys(identity: u8, fixed: u8, ephemeral: u8) -> LinkKeys {
    let mut seed = [fixed; SEED_BYTES];
    seed[32..].fill(ephemeral);
    LinkKeys::new(
        IdentityKey::from_seed(&[identity; 32]),
        seed,
        Transport::Tcp,
    )
}

impl Talk {
    /// The same with both links sealed; an author is the key that signs.
    fn sealed() -> Self {
        let client = keys(1, 0x11, 0x12);
        let author = IdentityKey::from_seed(&[1; 32]).public();
        let mut talk = Self::with(AuthorKey(author.0));
        talk.client = talk.client.sealed(client);
        talk.server = talk.server.sealed(keys(2, 0x21, 0x22));
        talk
    }

    fn begin() -> Self {
        Self::with(AuthorKey(std::array::from_fn(|i| i as u8)))
    }

    fn with(author: AuthorKey) -> Self {
        let now = Instant::ZERO;
        let hello = Hello {
            author,
            epoch: Epoch(1_700_000_000_000_000),
            session: SessionNumber(1_700_000_000_000_001),
            log: LogId::default(),
            term: Term(0),
            cursor: Lamport::ZERO,
        };
        Self {
            now,
            client: Link::initiate(LinkConfig::new(0x0a0b_0c0d), hello.to_bytes(), now),
            server: Link::respond(LinkConfig::new(0x0102_0304), now),
            text: String::new(),
            under_way: VecDeque::new(),
        }
    }

    fn note(&mut self, words: &str) {
        let _ = writeln!(self.text, "{words}");
    }

    /// Gives one side an input; what it says is queued.
    fn give(&mut self, to_client: bool, input: Input) {
        let mut out = Output::default();
        let link = if to_client {
            &mut self.client
        } else {
            &mut self.server
        };
        link.handle(self.now, input, &mut out).unwrap();
        let asked = out
            .events
            .iter()
            .any(|event| matches!(event, Event::Asked { .. }));
        let proven = out
            .events
            .iter()
            .any(|event| matches!(event, Event::Proven { .. }));
        self.say(to_client, &out);
        if proven {
            self.give(to_client, Input::Trust);
        }
        if asked {
            let welcome = Welcome {
                log: LogId([0x11; 16]),
                term: Term(1),
                clock: Lamport::new(6),
                pace: Pace {
                    per_second: 20,
                    burst: 100,
                },
            };
            self.give(
                to_client,
                Input::Accept {
                    welcome: welcome.to_bytes(),
                },
            );
        }
    }

    fn say(&mut self, from_client: bool, out: &Output) {
        let frames = out.wire.iter().flat_map(frames);
        self.under_way
            .extend(frames.map(|frame| (from_client, frame)));
    }

    /// Lets time pass and both sides speak until neither has anything to say; the frame numbered
    /// `damage` of this exchange (from 0) loses a bit on its way.
    fn exchange(&mut self, damage: Option<usize>) {
        let mut count = 0;
        loop {
            while let Some((from_client, frame)) = self.under_way.pop_front() {
                print(&mut self.text, from_client, &frame);
                let mut bytes = frame.to_vec();
                if damage == Some(count) {
                    bytes[HEADER_BYTES] ^= 1;
                    self.note("          (the lowest bit of the payload's first byte is flipped on the way)");
                }
                count += 1;
                // What a record holds is read by passing it through a channel that does nothing.
                let to_client = !from_client;
                let link = match to_client {
                    true => &mut self.client,
                    false => &mut self.server,
                };
                if bytes[4] != FrameType::Sealed.number() {
                    self.give(to_client, Input::Bytes(bytes.into()));
                    continue;
                }
                let mut out = Output::default();
                link.set_channel(true);
                let input = Input::Bytes(bytes.into());
                link.handle(self.now, input, &mut out).unwrap();
                link.set_channel(false);
                assert!(out.frames.is_empty(), "a record by itself is not answered");
                for inner in std::mem::take(&mut out.opened) {
                    for frame in frames(&inner) {
                        print_inside(&mut self.text, &frame);
                    }
                    self.give(to_client, Input::Frames(inner));
                }
            }
            self.now += Duration::from_millis(5);
            self.give(true, Input::Tick);
            self.give(false, Input::Tick);
            if self.under_way.is_empty() {
                return;
            }
        }
    }

    fn client_says(&mut self, kind: FrameType, body: Bytes) {
        self.client
            .send(self.now, &Outgoing::own(kind, body))
            .unwrap();
    }

    fn server_says(&mut self, message: &ToClient) {
        let body = codec::encode(message).unwrap();
        self.server
            .send(self.now, &Outgoing::own(FrameType::Data, body))
            .unwrap();
    }
}

fn frames(piece: &Bytes) -> Vec<Bytes> {
    let mut rest = piece.clone();
    let mut frames = Vec::new();
    while let Some(length) = rest.first_chunk::<4>() {
        frames.push(rest.split_to(HEADER_BYTES + u32::from_be_bytes(*length) as usize));
    }
    frames
}

/// One frame: its header's fields apart, then its payload, 40 bytes a line.
fn print(text: &mut String, from_client: bool, frame: &Bytes) {
    let arrow = if from_client {
        "client ->"
    } else {
        "<- server"
    };
    let decoded = print_header(text, arrow, frame);
    for line in decoded.payload.chunks(40) {
        let _ = writeln!(text, "          {}", hex(line));
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn print_header(text: &mut String, arrow: &str, frame: &Bytes) -> Frame {
    let mut decoder = FrameDecoder::sealed();
    decoder.push(frame.clone());
    let Ok(Some(Decoded::Frame(decoded))) = decoder.next() else {
        panic!("a link sent what is no frame: {frame:02x?}");
    };
    let _ = writeln!(
        text,
        "{arrow} {:<13} {} {} {} {} {}",
        name(decoded.kind),
        hex(&frame[..4]),
        hex(&frame[4..5]),
        hex(&frame[5..7]),
        hex(&frame[7..11]),
        hex(&frame[11..12]),
    );
    decoded
}

/// A frame of those inside a record, on one line where that is enough.
fn print_inside(text: &mut String, frame: &Bytes) {
    let decoded = print_header(text, "   inside", frame);
    for line in decoded.payload.chunks(40) {
        let _ = writeln!(text, "            {}", hex(line));
    }
}

fn name(kind: FrameType) -> &'static str {
    match kind {
        FrameType::Syn => "SYN",
        FrameType::SynAck => "SYN_ACK",
        FrameType::HandshakeAck => "HANDSHAKE_ACK",
        FrameType::Ack => "ACK",
        FrameType::Nack => "NACK",
        FrameType::Data => "DATA",
        FrameType::SetNick => "SET_NICK",
        FrameType::Disconnect => "DISCONNECT",
        FrameType::Sealed => "SEALED",
        other => panic!("no {other:?} in this conversation"),
    }
}

fn nick(text: &str) -> Nick {
    Nick::try_from(text).unwrap()
}

fn sealed_conversation() -> String {
    let mut talk = Talk::sealed();
    talk.note("The client calls, and the server proves who it is before it learns who calls.");
    talk.exchange(None);
    talk.note("\n\"I am ana.\"");
    let set_nick = codec::encode(&SetNick { nick: nick("ana") }).unwrap();
    talk.client_says(FrameType::SetNick, set_nick);
    talk.exchange(None);
    talk.note("\nana leaves.");
    let bye = Input::Close {
        code: CloseCode::Goodbye,
        text: "bye".to_owned(),
    };
    talk.give(true, bye);
    talk.exchange(None);
    talk.text
}

fn conversation() -> String {
    let mut talk = Talk::begin();
    talk.note("The client calls; the server's clock stands at 6.");
    talk.exchange(None);

    talk.note(
        "\n\"I am ana.\" The answer: Entered, member 2, clock 6, nothing settled, resumed after 0.",
    );
    let set_nick = codec::encode(&SetNick { nick: nick("ana") }).unwrap();
    talk.client_says(FrameType::SetNick, set_nick);
    talk.exchange(None);
    talk.server_says(&ToClient::Entered {
        nick: nick("ana"),
        member: MemberId(2),
        clock: Lamport::new(6),
        settled: Pseq(0),
        resumed: Lamport::ZERO,
        gap: false,
        newest: Lamport::ZERO,
        rewound: false,
        same: Lamport::new(6),
        left: 100,
    });
    talk.exchange(None);

    talk.note("\nMSG:bob:hello, with clock 7; committed at max(6, 7) + 1 = 8.");
    let submit = ToServer::Submit(Submit {
        epoch: Epoch(1_700_000_000_000_000),
        pseq: Pseq(1),
        clock: Lamport::new(7),
        seen: Lamport::ZERO,
        sent_at: UnixMicros(1_700_000_000_500_000),
        audience: Audience::Unicast(nick("bob")),
        text: "hello".to_owned(),
    });
    talk.client_says(FrameType::Data, codec::encode(&submit).unwrap());
    talk.exchange(None);
    talk.server_says(&ToClient::Committed {
        epoch: Epoch(1_700_000_000_000_000),
        pseq: Pseq(1),
        stamp: Lamport::new(8),
    });
    talk.exchange(None);

    talk.note("\nbob's answer, stamp 10, the first message delivered to ana (prev 0), is damaged, asked for again and repeated.");
    talk.server_says(&ToClient::Message(Delivery {
        stamp: Lamport::new(10),
        member: MemberId(1),
        from: nick("bob"),
        epoch: Epoch(1_699_999_999_000_000),
        pseq: Pseq(1),
        clock: Lamport::new(9),
        seen: Lamport::new(8),
        sent_at: UnixMicros(1_700_000_000_900_000),
        audience: Audience::Unicast(nick("ana")),
        history: false,
        text: "hi, ana".to_owned(),
        prev: Prev(Lamport::ZERO),
    }));
    talk.exchange(Some(0));

    talk.note("\nana leaves.");
    let bye = Input::Close {
        code: CloseCode::Goodbye,
        text: "bye".to_owned(),
    };
    talk.give(true, bye);
    talk.exchange(None);
    talk.text
}

/// A signed message, a signed announcement, and the link messages that carry them.
fn peer_messages() -> String {
    let key = IdentityKey::from_seed(&[1; 32]);
    let lan = RoomName::try_from("lan").unwrap();
    let name = PeerName::parse("ana", &lan).unwrap();
    let author = AuthorKey(key.public().0);
    let incarnation = Incarnation(1_700_000_000_000 << 16);
    let chain = Chain {
        author,
        incarnation,
    };
    let addr = Some("192.0.2.1:7001".parse().unwrap());
    let content = Content {
        name: MessageName { chain, n: 1 },
        prev: None,
        heads: Vec::new(),
        sent_at: UnixMicros(1_700_000_000_500_000),
        from: name.clone(),
        addr,
        body: Body::All("hello".to_owned()),
        foreign: None,
    };
    let signed = Signed::sign(&key, content).unwrap();
    let announcement = Announcement {
        author,
        incarnation,
        beat: 1,
        last: Some(signed.digest()),
        clock: Lamport::new(1),
        name,
        addr,
        sealing: SealingKey::of(&key).public(),
        gone: false,
    };
    let announced = SignedAnnouncement::sign(&key, announcement).unwrap();
    let want = LinkMessage::Want {
        has: vec![signed.digest()],
        limit: 1_024,
    };
    let lines = [
        ("digest", Bytes::copy_from_slice(&signed.digest().0)),
        (
            "MESSAGES",
            LinkMessage::Messages(vec![signed.bytes().clone()]).encode(),
        ),
        (
            "ANNOUNCEMENTS",
            LinkMessage::Announcements(vec![announced.bytes().clone()]).encode(),
        ),
        ("WANT", want.encode()),
        ("PAGE_END", LinkMessage::PageEnd { more: false }.encode()),
        ("NEED", LinkMessage::Need(vec![signed.digest()]).encode()),
        ("NAME_ONLY", LinkMessage::NameOnly(vec![author]).encode()),
    ];
    digits(&lines)
}

/// A beacon, and what membership says on links.
fn membership() -> String {
    let [one, two] = [1, 2].map(|seed| IdentityKey::from_seed(&[seed; 32]));
    let key = AuthorKey(one.public().0);
    let incarnation = Incarnation(1_700_000_000_000 << 16);
    let (epoch, leader) = (ElectionEpoch(7), AuthorKey(two.public().0));
    let coordinator = Coordinator { epoch, key: leader };
    let id = PeerId {
        by: coordinator,
        n: 3,
    };
    let lan = RoomName::try_from("lan").unwrap();
    let record = PeerRecord {
        key,
        incarnation,
        beat: 1,
        name: PeerName::parse("ana", &lan).unwrap(),
        port: 7_001,
        udp: false,
        addrs: vec!["192.0.2.1:7001".parse().unwrap()],
        id: Some(id),
        gone: false,
    };
    let record = Attested::sign(&one, record);
    let candidacy = Candidacy {
        key,
        incarnation,
        round: 1,
        epoch: ElectionEpoch(6),
        cause: Cause::Lost,
    };
    let announced = Announced {
        coordinator,
        beat: 1,
    };
    let answer = JoinAnswer {
        key,
        incarnation,
        id,
        history: vec![leader],
    };
    let at = "192.0.2.1:7001".parse().ok();
    let here = Control::Here(Sighting {
        record: record.clone(),
        at,
    });
    let lost = Control::Lost {
        key,
        incarnation,
        beat: 1,
    };
    let heartbeat = Control::Heartbeat {
        beat: 2,
        echo: 1,
        held_micros: 250_000,
        coordinator: Some(coordinator),
    };
    let beacon = Beacon {
        kind: BeaconKind::JoinRequest,
        record,
        coordinator: None,
    };
    let lines = [
        ("beacon JOIN_REQUEST", beacon.to_bytes()),
        ("HEARTBEAT", heartbeat.to_bytes()),
        ("PEER_UPDATE, here", here.to_bytes()),
        ("PEER_UPDATE, lost", lost.to_bytes()),
        (
            "ELECTION",
            Control::Election(Attested::sign(&one, candidacy)).to_bytes(),
        ),
        (
            "COORDINATOR_ANNOUNCEMENT",
            Control::Announcement(Attested::sign(&two, announced)).to_bytes(),
        ),
        ("JOIN", Control::Join { key, incarnation }.to_bytes()),
        (
            "JOIN_ANSWER",
            Control::Joined(Attested::sign(&two, answer)).to_bytes(),
        ),
        ("PARTING", Control::Parting(Parting::Full).to_bytes()),
    ];
    digits(&lines)
}

fn digits(lines: &[(&str, Bytes)]) -> String {
    let mut text = String::new();
    for (what, bytes) in lines {
        let _ = writeln!(text, "{what}");
        for line in bytes.chunks(40) {
            let _ = writeln!(text, "    {}", hex(line));
        }
    }
    text
}

/// Compares what stands between two marks of the document with what is said, or writes it anew.
#[track_caller]
fn check(begin: &str, end: &str, said: &str) {
    let doc = std::fs::read_to_string(DOC).unwrap();
    let (before, rest) = doc
        .split_once(begin)
        .expect("the document marks where the conversation begins");
    let (shown, after) = rest.split_once(end).expect("and where it ends");
    let real = format!("```text\n{said}```\n");
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::write(DOC, format!("{before}{begin}{real}{end}{after}")).unwrap();
    } else {
        assert_eq!(
            shown, real,
            "run again with UPDATE_EXPECT=1 and look at the difference"
        );
    }
}

#[test]
fn the_worked_conversations_are_what_links_say() {
    check(BEGIN, END, &conversation());
    check(SEALED_BEGIN, SEALED_END, &sealed_conversation());
    check(PEERS_BEGIN, PEERS_END, &peer_messages());
    check(MEMBERSHIP_BEGIN, MEMBERSHIP_END, &membership());
}
