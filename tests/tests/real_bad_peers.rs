//! Bytes that nobody of ours would write. Each is closed with its code; a healthy pair beside it
//! feels nothing.

use std::thread;

use lamparina_protocol::control::{Ack, CloseCode};
use lamparina_protocol::frame::FrameType;
use lamparina_tests::real::raw::{Raw, foreign_frame, frame, syn};
use lamparina_tests::real::{Client, Server};

/// Where the bytes come in.
#[derive(Clone, Copy)]
enum When {
    /// As the first bytes of the connection.
    First,
    /// On an open link.
    Open,
    /// From a session that has entered.
    Entered,
}

type Case = (&'static str, When, Vec<u8>, CloseCode);

fn cases() -> Vec<Case> {
    use When::{Entered, First, Open};
    let mut wrong_version = syn().to_bytes();
    wrong_version[5] = 99;
    let mut bad_terms = syn();
    bad_terms.terms.fragment_bytes = 1;
    let control = |kind, payload: &[u8]| frame(kind, 0, true, payload).to_vec();
    let unsent = Ack {
        next: lamparina_protocol::frame::Seq::new(9_000),
        ranges: Vec::new(),
    };
    let half = frame(FrameType::Data, 0, true, &[0; 100]);
    vec![
        (
            "garbage",
            First,
            b"\xff\xfe\x00garbage of no kind\n".repeat(9),
            CloseCode::WrongProtocol,
        ),
        ("zeros", First, vec![0; 4_000], CloseCode::WrongProtocol),
        (
            "HTTP",
            First,
            b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(),
            CloseCode::WrongProtocol,
        ),
        (
            "TLS",
            First,
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".repeat(40),
            CloseCode::WrongProtocol,
        ),
        (
            "other version",
            First,
            control(FrameType::Syn, &wrong_version),
            CloseCode::WrongVersion,
        ),
        (
            "bad terms",
            First,
            control(FrameType::Syn, &bad_terms.to_bytes()),
            CloseCode::BadTerms,
        ),
        (
            "data first",
            First,
            control(FrameType::Data, b"x"),
            CloseCode::Unexpected,
        ),
        ("nothing", First, Vec::new(), CloseCode::Timeout),
        (
            "half a SYN",
            First,
            frame(FrameType::Syn, 0, true, &syn().to_bytes())[..20].to_vec(),
            CloseCode::Damaged,
        ),
        (
            "unknown type",
            Open,
            foreign_frame(77, 1, b"x"),
            CloseCode::UnknownType,
        ),
        (
            "reserved type",
            Open,
            foreign_frame(13, 1, b"x"),
            CloseCode::UnknownType,
        ),
        (
            "last 2",
            Open,
            foreign_frame(4, 2, b"x"),
            CloseCode::BadLast,
        ),
        (
            "ACK of unsent",
            Entered,
            control(FrameType::Ack, &unsent.to_bytes()),
            CloseCode::AckUnsent,
        ),
        (
            "beyond the window",
            Open,
            frame(FrameType::Data, 20_000, true, b"x").to_vec(),
            CloseCode::BeyondWindow,
        ),
        (
            "half a frame",
            Entered,
            half[..60].to_vec(),
            CloseCode::Damaged,
        ),
        (
            "lost boundary",
            Entered,
            b"\xff".repeat(40),
            CloseCode::Damaged,
        ),
        (
            "ill-formed PING",
            Open,
            control(FrameType::Ping, b"x"),
            CloseCode::BadControl,
        ),
        ("endless message", Entered, endless(), CloseCode::TooLong),
        (
            "unreadable message",
            Entered,
            frame(FrameType::Data, 1, true, &[250; 9]).to_vec(),
            CloseCode::BadMessage,
        ),
        (
            "message before a nick",
            Open,
            frame(FrameType::Data, 0, true, &[3, 0, 0]).to_vec(),
            CloseCode::BadMessage,
        ),
    ]
}

/// Fragments without an end, a little more than a message may have.
fn endless() -> Vec<u8> {
    let fragment = |n| frame(FrameType::Data, n, false, &[b'x'; 8_180]);
    (1..60).flat_map(fragment).collect()
}

#[test]
fn each_fault_is_closed_with_its_code_and_nobody_else_feels_it() {
    beside_a_healthy_pair(&Server::start_clear(), false, cases());
}

/// What an open link is told wrongly is judged under a seal as it is in clear, but for what a seal
/// changes.
#[test]
fn so_it_is_under_a_seal() {
    let mut cases = cases();
    cases.retain(|(_, when, ..)| !matches!(when, When::First));
    for (name, .., code) in &mut cases {
        match *name {
            // A record is a type there, and has no place inside another one.
            "reserved type" => *code = CloseCode::Unexpected,
            // Nothing can have damaged what a seal held together (10.14).
            "half a frame" => *code = CloseCode::BadControl,
            _ => {}
        }
    }
    beside_a_healthy_pair(&Server::start(), true, cases);
}

fn beside_a_healthy_pair(server: &Server, sealed: bool, cases: Vec<Case>) {
    let [ana, bob] = ["ana", "bob"].map(|nick| server.enter(nick));
    let addr = server.addr();
    thread::scope(|scope| {
        let running: Vec<_> = cases
            .into_iter()
            .enumerate()
            .map(|(number, case)| scope.spawn(move || meet(addr, sealed, number, case)))
            .collect();
        // The pair talks while all that goes on.
        let mut said = 0;
        for case in running {
            said += 1;
            exchange(&ana, &bob, said);
            if let Err(panic) = case.join() {
                std::panic::resume_unwind(panic);
            }
        }
        exchange(&ana, &bob, said + 1);
        assert_eq!(bob.wait_texts(said + 1).len(), said + 1);
    });
    for person in [&ana, &bob] {
        assert!(
            person.events("disconnected").is_empty(),
            "{} felt it",
            person.nick()
        );
        assert!(
            person.events("error").is_empty(),
            "{} felt it",
            person.nick()
        );
    }
}

fn meet(addr: std::net::SocketAddr, sealed: bool, number: usize, (name, when, bytes, code): Case) {
    let nick = format!("bad-{number}");
    let mut raw = match (when, sealed) {
        (When::First, _) => Raw::connect(addr),
        (When::Open, false) => Raw::open(addr),
        (When::Open, true) => Raw::open_sealed(addr),
        (When::Entered, false) => Raw::enter(addr, &nick),
        (When::Entered, true) => Raw::enter_sealed(addr, &nick),
    };
    raw.send(&bytes);
    let Some((number, words)) = raw.last_words() else {
        panic!("{name}: closed without a word, not with {code:?}");
    };
    assert_eq!(
        CloseCode::from_number(number),
        Some(code),
        "{name}: {words}"
    );
    assert!(words.len() > 10, "{name}: no words in {words:?}");
}

#[track_caller]
fn exchange(ana: &Client, bob: &Client, number: usize) {
    ana.say(&format!("MSG:bob:ping {number}"));
    bob.wait_text(&format!("ping {number}"));
    bob.say(&format!("MSG:ana:pong {number}"));
    ana.wait_text(&format!("pong {number}"));
}

#[test]
fn a_connection_that_vanishes_at_any_point_leaves_the_server_well() {
    let server = Server::start_clear();
    let whole = [
        frame(FrameType::Syn, 0, true, &syn().to_bytes()),
        frame(FrameType::Data, 0, true, b"x"),
    ]
    .concat();
    for end in 0..whole.len() {
        let mut raw = Raw::connect(server.addr());
        raw.send(&whole[..end]);
    }
    let [ana, bob] = ["ana", "bob"].map(|nick| server.enter(nick));
    exchange(&ana, &bob, 0);
}
