mod dialling;

use super::*;
use crate::limits::{CONNECTIONS_PER_PEER_MAX, LINE_BYTES_MAX};
use crate::{MsgId, Record, Topic};
use lamparina_protocol::UnixMicros;
use serde_json::Value;

/// The peers of ana@lab, in virtual milliseconds. Accepted connections are numbered by the test, dials
/// answered by it; each line is written at once.
struct Crowd {
    now: Instant,
    contacts: Contacts,
    log: Vec<String>,
}

fn peer(text: &str) -> PeerId {
    PeerId::received(text).unwrap()
}

fn id(text: &str) -> MsgId {
    MsgId::received(text).unwrap()
}

fn record(peer_id: &str, addr: &str, expires_in: u64) -> Record {
    Record {
        peer: peer(peer_id),
        addr: addr.parse().unwrap(),
        expires_in,
    }
}

const A1: ConnectionId = ConnectionId::Accepted(1);
const A2: ConnectionId = ConnectionId::Accepted(2);
const D1: ConnectionId = ConnectionId::Dialled(1);
const D2: ConnectionId = ConnectionId::Dialled(2);
const RUI: &str = "198.51.100.7:4200";

impl Crowd {
    fn new() -> Self {
        let me = PeerId::own("ana", "lab").unwrap();
        Self::with(Settings::new(me, UnixMicros(1_770_113_472_000_000)))
    }

    fn with(settings: Settings) -> Self {
        Self {
            now: Instant::ZERO,
            contacts: Contacts::new(settings, [3; 16]),
            log: Vec::new(),
        }
    }

    /// rui@lab has dialled us.
    fn with_rui() -> Self {
        let mut crowd = Self::new();
        crowd.accept(A1, "rui@lab");
        crowd.until(100);
        crowd.log.clear();
        crowd
    }

    fn give(&mut self, input: Input<'_>) {
        self.try_give(input).unwrap();
    }

    fn try_give(&mut self, input: Input<'_>) -> Result<(), Refusal> {
        let mut out = Vec::new();
        self.contacts.handle(self.now, input, &mut out)?;
        for output in out {
            let words = match output {
                Output::Write { connection, line } => {
                    self.note(&format!("{} > {}", short(connection), brief(&line)));
                    self.give(Input::Written { connection });
                    continue;
                }
                Output::Dial { connection, addr } => format!("{} dial {addr}", short(connection)),
                Output::Close { connection } => format!("{} close", short(connection)),
                Output::Appeared { peer, .. } => format!("here {peer}"),
                Output::Gone { peer, why } => format!("gone {peer}: {why}"),
                Output::Said { from, said, .. } => {
                    let topic = said
                        .topic
                        .map_or_else(String::new, |topic| format!(" to {topic}"));
                    format!("{from}{topic}: {}", said.text)
                }
                Output::Acknowledged { msg_id, by, after } => {
                    format!("acked {msg_id} by {by} after {}", after.as_millis())
                }
                Output::Unacknowledged { msg_id, to } => format!("never acked {msg_id} by {to}"),
                Output::Published {
                    msg_id,
                    peers,
                    left_out,
                } => format!("pub {msg_id} to {peers}, not {}", left_out.len()),
                Output::RoundTrip { peer, time } => format!("rtt {peer} {}", time.as_millis()),
                Output::Ours { peer, role, .. } => format!("ours {peer} {role:?}"),
                Output::DialFailed {
                    peer,
                    failed,
                    given_up,
                } => format!("failed {peer} {failed} {given_up}"),
                Output::Noted { note, .. } => format!("note {note}"),
            };
            self.note(&words);
        }
        Ok(())
    }

    fn note(&mut self, words: &str) {
        self.log
            .push(format!("{} {words}", self.now.as_micros() / 1_000));
    }

    fn accept(&mut self, connection: ConnectionId, who: &str) {
        let addr = "198.51.100.9:50000".parse().unwrap();
        self.give(Input::Accepted { connection, addr });
        self.says(
            connection,
            &format!(r#"{{"type":"HELLO","peer_id":"{who}"}}"#),
        );
    }

    fn answers(&mut self, connection: ConnectionId, who: &str) {
        self.give(Input::Connected { connection });
        self.says(
            connection,
            &format!(r#"{{"type":"HELLO_OK","peer_id":"{who}"}}"#),
        );
    }

    fn says(&mut self, connection: ConnectionId, line: &str) {
        let bytes = format!("{line}\n");
        let bytes = bytes.as_bytes();
        self.give(Input::Bytes { connection, bytes });
    }

    fn discover(&mut self, records: &[Record]) {
        let namespace = None;
        self.give(Input::Discovered { records, namespace });
    }

    fn send(&mut self, msg_id: &str, to: &str) -> Result<(), Refusal> {
        let (msg_id, to) = (&id(msg_id), &peer(to));
        self.try_give(Input::Send {
            msg_id,
            to,
            text: "oi",
        })
    }

    fn publish(&mut self, msg_id: &str, topic: &str) {
        let (msg_id, topic) = (&id(msg_id), &Topic::read(topic));
        self.give(Input::Publish {
            msg_id,
            topic,
            text: "oi",
        });
    }

    fn until(&mut self, millis: u64) {
        let end = Instant::from_millis(millis);
        while let Some(at) = self.contacts.deadline().filter(|&at| at <= end) {
            self.now = self.now.max(at);
            self.give(Input::Tick);
        }
        self.now = end;
    }

    #[track_caller]
    fn expect(&mut self, lines: &[&str]) {
        assert_eq!(std::mem::take(&mut self.log), lines);
    }

    fn views(&self) -> Vec<(String, usize, usize)> {
        let views = self.contacts.views();
        let views = views.map(|view| (view.peer.to_string(), view.inbound, view.outbound));
        views.collect()
    }
}

fn short(connection: ConnectionId) -> String {
    match connection {
        ConnectionId::Accepted(n) => format!("a{n}"),
        ConnectionId::Dialled(n) => format!("d{n}"),
    }
}

/// The type, and the id where it is not one of ours.
fn brief(line: &str) -> String {
    let object: Value = serde_json::from_str(line).unwrap();
    let kind = object["type"].as_str().unwrap();
    match object["msg_id"].as_str() {
        Some(msg_id) if msg_id.len() < 36 => format!("{kind} {msg_id}"),
        _ => kind.to_owned(),
    }
}

#[test]
fn rule_3_the_sender_is_whose_connection_it_is() {
    let mut crowd = Crowd::with_rui();
    crowd.says(A1, r#"{"type":"SEND","msg_id":"1","payload":"oi"}"#);
    crowd.says(
        A1,
        r#"{"type":"SEND","msg_id":"2","src":"eva@lab","payload":"oi"}"#,
    );
    crowd.says(
        A1,
        r#"{"type":"PUB","msg_id":"3","dst":"lab","payload":"oi"}"#,
    );
    crowd.expect(&[
        "100 rui@lab: oi",
        "100 rui@lab: oi",
        "100 rui@lab to #lab: oi",
    ]);
}

#[test]
fn rule_5_a_repeated_message_is_acknowledged_each_time_and_shown_once() {
    let send = r#"{"type":"SEND","msg_id":"m","src":"rui@lab","dst":"ana@lab","payload":"oi","require_ack":true}"#;
    let mut crowd = Crowd::with_rui();
    for at in [100, 6_000, 13_000, 20_000] {
        crowd.until(at);
        crowd.says(A1, send);
    }
    crowd.expect(&[
        "100 rui@lab: oi",
        "100 a1 > ACK m",
        "6000 a1 > ACK m",
        "13000 a1 > ACK m",
        "20000 a1 > ACK m",
    ]);
    // Also on another connection, and after the first one has ended.
    crowd.accept(A2, "rui@lab");
    crowd.give(Input::Broken { connection: A1 });
    crowd.give(Input::Broken { connection: A2 });
    crowd.until(30_000);
    crowd.log.clear();
    crowd.accept(ConnectionId::Accepted(3), "rui@lab");
    crowd.says(ConnectionId::Accepted(3), send);
    crowd.until(30_100);
    crowd.expect(&[
        "30000 here rui@lab",
        "30000 a3 > HELLO_OK",
        "30005 a3 > ACK m",
    ]);
    // A message without a name cannot be told from another one.
    let nameless = r#"{"type":"PUB","payload":"oi"}"#;
    crowd.says(ConnectionId::Accepted(3), nameless);
    crowd.says(ConnectionId::Accepted(3), nameless);
    crowd.expect(&["30100 rui@lab to *: oi", "30100 rui@lab to *: oi"]);
}

#[test]
fn rule_12_a_send_without_ack_goes_out_3_times_with_one_id() {
    let mut crowd = Crowd::with_rui();
    crowd.send("m", "rui@lab").unwrap();
    crowd.until(25_000);
    crowd.expect(&[
        "100 a1 > SEND m",
        "5100 a1 > SEND m",
        "10100 a1 > SEND m",
        "15100 never acked m by rui@lab",
    ]);
    crowd.says(A1, r#"{"type":"ACK","msg_id":"m"}"#);
    crowd.expect(&[]);
    crowd.send("n", "rui@lab").unwrap();
    crowd.until(25_040);
    crowd.says(A1, r#"{"type":"ACK","msg_id":"n"}"#);
    crowd.says(A1, r#"{"type":"ACK","msg_id":"n"}"#);
    crowd.expect(&[
        "25000 a1 > SEND n",
        "25040 acked n by rui@lab after 40",
        "25040 rtt rui@lab 40",
    ]);
    // Of the second try nobody knows how long it took.
    crowd.send("o", "rui@lab").unwrap();
    crowd.until(30_060);
    crowd.says(A1, r#"{"type":"ACK","msg_id":"o"}"#);
    crowd.log.retain(|line| !line.contains("PING"));
    crowd.expect(&[
        "25040 a1 > SEND o",
        "30040 a1 > SEND o",
        "30060 acked o by rui@lab after 5020",
    ]);
}

#[test]
fn rule_20_both_connections_are_kept_and_the_peer_is_shown_once() {
    let mut crowd = Crowd::new();
    crowd.discover(&[record("rui@lab", RUI, 900)]);
    crowd.accept(A1, "rui@lab");
    crowd.answers(D1, "rui@lab");
    crowd.until(60);
    crowd.expect(&[
        "0 d1 dial 198.51.100.7:4200",
        "0 here rui@lab",
        "0 a1 > HELLO_OK",
        "0 d1 > HELLO",
    ]);
    assert_eq!(crowd.views(), [("rui@lab".to_owned(), 1, 1)]);
    // Sent on the newest one, answered on the one that was asked by.
    crowd.send("m", "rui@lab").unwrap();
    crowd.says(
        A1,
        r#"{"type":"SEND","msg_id":"x","payload":"oi","require_ack":true}"#,
    );
    crowd.says(
        D1,
        r#"{"type":"SEND","msg_id":"x","payload":"oi","require_ack":true}"#,
    );
    crowd.until(70);
    crowd.says(A1, r#"{"type":"ACK","msg_id":"m"}"#);
    crowd.expect(&[
        "60 d1 > SEND m",
        "60 rui@lab: oi",
        "60 a1 > ACK x",
        "65 d1 > ACK x",
        "70 acked m by rui@lab after 10",
        "70 rtt rui@lab 10",
    ]);
    // The newest one ends: the other one goes on.
    crowd.give(Input::Broken { connection: D1 });
    crowd.send("n", "rui@lab").unwrap();
    crowd.expect(&["70 d1 close", "70 a1 > SEND n"]);
    crowd.says(A1, r#"{"type":"BYE","msg_id":"b","reason":"fim"}"#);
    crowd.give(Input::EndOfStream { connection: A1 });
    crowd.until(80);
    crowd.expect(&[
        "75 a1 > BYE_OK b",
        "75 a1 close",
        "75 gone rui@lab: it left: fim",
    ]);
    assert_eq!(crowd.send("o", "rui@lab"), Err(Refusal::NotConnected));
    assert_eq!(crowd.send("o", "eva@lab"), Err(Refusal::NotConnected));
}

#[test]
fn rule_20_what_a_lost_connection_did_not_carry_goes_by_the_other() {
    let mut crowd = Crowd::with_rui();
    crowd.accept(A2, "rui@lab");
    // Its 50 ms are not over: this waits.
    crowd.send("m", "rui@lab").unwrap();
    crowd.give(Input::Broken { connection: A2 });
    crowd.until(200);
    crowd.expect(&["100 a2 > HELLO_OK", "100 a2 close", "100 a1 > SEND m"]);
    // One that went out is late on the connection that is left.
    crowd.accept(ConnectionId::Accepted(3), "rui@lab");
    crowd.until(300);
    crowd.send("n", "rui@lab").unwrap();
    crowd.says(A1, r#"{"type":"ACK","msg_id":"m"}"#);
    crowd.give(Input::Broken {
        connection: ConnectionId::Accepted(3),
    });
    crowd.log.clear();
    crowd.until(5_400);
    crowd.expect(&["5300 a1 > SEND n"]);
    // With none it is given up in time.
    crowd.give(Input::Broken { connection: A1 });
    crowd.until(30_000);
    crowd.expect(&[
        "5400 a1 close",
        "5400 gone rui@lab: the connection ended without BYE",
        "15300 never acked n by rui@lab",
    ]);
}

#[test]
fn rule_20_a_pong_may_come_by_another_connection() {
    let mut crowd = Crowd::with_rui();
    crowd.until(20_000);
    crowd.accept(A2, "rui@lab");
    let mut out = Vec::new();
    crowd.until(29_999);
    crowd.now = Instant::from_millis(30_000);
    crowd
        .contacts
        .handle(crowd.now, Input::Tick, &mut out)
        .unwrap();
    let Some(Output::Write { line, .. }) = out.first() else {
        panic!("{out:?}");
    };
    let pong = line.replace("PING", "PONG");
    crowd.log.clear();
    crowd.now = Instant::from_millis(30_050);
    crowd.says(A2, pong.trim());
    crowd.says(A2, pong.trim());
    crowd.expect(&["30050 rtt rui@lab 50"]);
}

#[test]
fn rule_20_more_connections_than_anybody_needs_are_left() {
    let mut crowd = Crowd::new();
    let most = CONNECTIONS_PER_PEER_MAX as u64;
    for n in 0..=most {
        crowd.accept(ConnectionId::Accepted(n), "rui@lab");
    }
    crowd.until(100);
    crowd
        .log
        .retain(|line| line.contains("BYE") || line.contains("here"));
    crowd.expect(&["0 here rui@lab", "50 a0 > BYE"]);
}

#[test]
fn rule_18_who_closes_after_pub_is_dialled_again_calmly() {
    let mut crowd = Crowd::new();
    crowd.discover(&[record("d@lab", RUI, 900)]);
    for n in 1..20 {
        let connection = ConnectionId::Dialled(n);
        crowd.answers(connection, "d@lab");
        crowd.publish("p", "*");
        crowd.give(Input::Broken { connection });
        let at = crowd.now.as_micros() / 1_000;
        crowd.until(at + 1_000);
        let dialled = format!("d{} dial 198.51.100.7:4200", n + 1);
        assert!(
            crowd.log.last().unwrap().ends_with(&dialled),
            "{n}: {:?}",
            crowd.log
        );
    }
    assert!(!crowd.log.iter().any(|line| line.contains("failed")));
    // Without PUB a connection that ends at once is a failure, and waits grow.
    let mut crowd = Crowd::new();
    crowd.discover(&[record("d@lab", RUI, 900)]);
    for n in 1..=8 {
        let connection = ConnectionId::Dialled(n);
        crowd.answers(connection, "d@lab");
        crowd.give(Input::Broken { connection });
        crowd.until(n * 200_000);
    }
    crowd.until(10_000_000);
    assert_eq!(
        crowd
            .log
            .iter()
            .filter(|line| line.contains("dial"))
            .count(),
        8
    );
}

#[test]
fn rule_4_pub_goes_once_to_each_peer_that_is_meant() {
    let mut crowd = Crowd::with_rui();
    crowd.accept(A2, "eva@mar");
    crowd.accept(ConnectionId::Accepted(3), "rui@lab");
    crowd.until(200);
    crowd.log.clear();
    crowd.publish("all", "*");
    crowd.expect(&[
        "200 a2 > PUB all",
        "200 a3 > PUB all",
        "200 pub all to 2, not 0",
    ]);
    crowd.until(300);
    crowd.publish("lab", "#lab");
    crowd.publish("none", "#other");
    crowd.expect(&[
        "300 a3 > PUB lab",
        "300 pub lab to 1, not 0",
        "300 pub none to 0, not 0",
    ]);
    let (msg_id, text) = (&id("long"), &"x".repeat(LINE_BYTES_MAX));
    let topic = &Topic::All;
    let refused = crowd.try_give(Input::Publish {
        msg_id,
        topic,
        text,
    });
    assert!(matches!(refused, Err(Refusal::TooLong(_))));
}

#[test]
fn rule_7_programs_of_ours_leave_for_their_own_frames() {
    let member = |port: u16| [("port".to_owned(), port.into())].into_iter().collect();
    let me = PeerId::own("ana", "lab").unwrap();
    let mut settings = Settings::new(me, UnixMicros(0));
    settings.lamparina = Some(member(4_100));
    let mut crowd = Crowd::with(settings.clone());
    let listed = [record("rui@lab", RUI, 900)];
    crowd.discover(&listed);
    crowd.give(Input::Connected { connection: D1 });
    crowd.says(
        D1,
        r#"{"type":"HELLO_OK","peer_id":"rui@lab","lamparina":{"port":4200}}"#,
    );
    crowd.until(20);
    crowd.says(D1, r#"{"type":"BYE_OK","msg_id":"x"}"#);
    crowd.discover(&listed);
    crowd.until(100_000);
    crowd.expect(&[
        "0 d1 dial 198.51.100.7:4200",
        "0 d1 > HELLO",
        "0 ours rui@lab Dialler",
        "5 d1 > BYE",
        "20 d1 close",
    ]);
    assert!(crowd.views().is_empty());
    // Our own link is gone: the record is used again.
    crowd.give(Input::Unlinked {
        peer: &peer("rui@lab"),
    });
    crowd.until(102_000);
    assert_eq!(crowd.log.len(), 1, "{:?}", crowd.log);
    assert!(crowd.log[0].ends_with("d2 dial 198.51.100.7:4200"));
    // The acceptor waits for BYE, and what is said there is nobody's.
    let mut crowd = Crowd::with(settings);
    let addr = "198.51.100.9:50000".parse().unwrap();
    crowd.give(Input::Accepted {
        connection: A1,
        addr,
    });
    crowd.says(
        A1,
        r#"{"type":"HELLO","peer_id":"rui@lab","lamparina":{"port":4200}}"#,
    );
    crowd.says(
        A1,
        r#"{"type":"PUB","msg_id":"p","dst":"*","payload":"oi"}"#,
    );
    crowd.says(A1, r#"{"type":"BYE","msg_id":"b"}"#);
    crowd.give(Input::EndOfStream { connection: A1 });
    crowd.until(100);
    crowd.expect(&[
        "0 ours rui@lab Acceptor",
        "0 a1 > HELLO_OK",
        "5 a1 > BYE_OK b",
        "5 a1 close",
    ]);
}

#[test]
fn rule_17_leaving_says_bye_to_everybody_and_dials_nobody() {
    let mut crowd = Crowd::with_rui();
    crowd.discover(&[record("eva@lab", "198.51.100.3:4100", 900)]);
    crowd.discover(&[record("ivo@lab", "198.51.100.4:4100", 900)]);
    crowd.give(Input::Leave { reason: "fim" });
    crowd.give(Input::Connected { connection: D1 });
    crowd.give(Input::Accepted {
        connection: A2,
        addr: RUI.parse().unwrap(),
    });
    crowd.until(300);
    crowd.says(A1, r#"{"type":"BYE_OK","msg_id":"x"}"#);
    crowd.discover(&[record("lea@lab", "198.51.100.5:4100", 900)]);
    crowd.until(90_000);
    crowd.expect(&[
        "100 d1 dial 198.51.100.3:4100",
        "100 d2 dial 198.51.100.4:4100",
        "100 a1 > BYE",
        "100 d1 close",
        "100 a2 close",
        "300 a1 close",
        "300 gone rui@lab: we left",
    ]);
    assert!(crowd.contacts.is_done());
}

#[test]
fn who_went_is_forgotten_in_time() {
    let mut crowd = Crowd::with_rui();
    crowd.give(Input::Broken { connection: A1 });
    assert_eq!(crowd.views(), [("rui@lab".to_owned(), 0, 0)]);
    crowd.until(200_000);
    assert!(crowd.views().is_empty());
    assert_eq!(crowd.contacts.deadline(), None);
}
