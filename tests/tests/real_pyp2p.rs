//! `lamparina-peer` and `lamparina-rendezvous` as processes, with scripted programs of others: what
//! `docs/pyp2p.md` promises, over real sockets.

use std::net::{TcpListener, TcpStream};

use lamparina_tests::real::stranger::{Rendezvous, Stranger};
use lamparina_tests::real::{Folder, PeerStart, wait_for};

const SEND: &str = r#"{"type":"SEND","msg_id":"m1","src":"eva@lab","dst":"ana@lab","payload":"bom dia","require_ack":true,"ttl":1}"#;

fn start(folder: &Folder, name: &str) -> PeerStart {
    PeerStart::new(&folder.within(name), name).args(&["--namespace", "lab"])
}

#[test]
fn rules_3_4_5_12_14_a_stranger_and_a_peer_talk() {
    let folder = Folder::new();
    let mut ana = start(&folder, "ana").enter();
    let mut eva = Stranger::greet(ana.addr(), "eva@lab");
    // Said three times, acknowledged three times, shown once.
    for _ in 0..3 {
        eva.say(SEND);
        assert_eq!(eva.until("ACK")["msg_id"], "m1");
    }
    eva.say(r#"{"type":"PUB","msg_id":"p1","dst":"lab","payload":"a todos"}"#);
    let shown = ana.wait_text("a todos");
    assert_eq!(shown["from"], "eva@lab");
    assert!(shown["via"].is_object(), "{shown}");
    let times = ana.events("message");
    let times = times.iter().filter(|event| event["text"] == "bom dia");
    assert_eq!(times.count(), 1);
    // To it alone, to all, and to a namespace; every member is there.
    ana.say("MSG:eva@lab:ol\u{e1}");
    let send = eva.until("SEND");
    assert_eq!(
        (&send["src"], &send["dst"]),
        (&"ana@lab".into(), &"eva@lab".into())
    );
    assert_eq!(
        (&send["payload"], &send["ttl"]),
        (&"ol\u{e1}".into(), &1.into())
    );
    assert_eq!(send["require_ack"], true);
    eva.answer("ACK", &send);
    ana.say("/pub * all hands");
    assert_eq!(eva.until("PUB")["dst"], "*");
    ana.say("/pub #lab in the lab");
    let lab = eva.until("PUB");
    assert_eq!(
        (&lab["dst"], &lab["require_ack"]),
        (&"#lab".into(), &false.into())
    );
    ana.say("/pub #elsewhere nobody here");
    ana.say("the last");
    assert_eq!(eva.until("PUB")["payload"], "the last");
    // BYE comes, is answered, and ends it.
    ana.process().end_input();
    let bye = eva.until("BYE");
    eva.answer("BYE_OK", &bye);
    assert_eq!(eva.hear(), None);
    assert_eq!(ana.leave(), 0);
}

#[test]
fn rules_6_8_9_16_hostile_lines_harm_nobody() {
    let folder = Folder::new();
    let ana = start(&folder, "ana").enter();
    let mut eva = Stranger::greet(ana.addr(), "eva@lab");
    for line in [
        "",
        "   ",
        "hello",
        "{",
        "[]",
        "{}",
        r#"{"type":null}"#,
        r#"{"type":"SEND"}"#,
        r#"{"type":"SEND","msg_id":"x","payload":7,"require_ack":true}"#,
        r#"{"type":"BYE_OK","msg_id":"x"}"#,
        r#"{"type":"HELLO","peer_id":"other@lab"}"#,
        r#"{"type":"HELLO_REJECT","reason":"duplicate"}"#,
        r#"{"type":"RELAY","src":"c@lab","dst":"ana@lab","payload":"x","ttl":3}"#,
        "{\"type\":\"PING\"",
    ] {
        eva.say(line);
        eva.say(r#"{"type":"PING","msg_id":"p"}"#);
        assert_eq!(eva.until("PONG")["msg_id"], "p", "after {line:?}");
    }
    assert!(eva.write(b"\xff\xfe\n{\"type\":\"PI"));
    assert!(eva.write(b"NG\",\"msg_id\":\"q\"}\n"));
    assert_eq!(eva.until("PONG")["msg_id"], "q");
    // HELLO and SEND in one burst.
    let mut fast = Stranger::call(ana.addr());
    let burst = format!("{{\"type\":\"HELLO\",\"peer_id\":\"f@lab\"}}\n{SEND}\n");
    assert!(fast.write(burst.as_bytes()));
    let first = fast.hear();
    assert_eq!(first.expect("it is answered")["type"], "HELLO_OK");
    fast.until("ACK");
    // Too long ends that connection, and no other.
    let mut long = Stranger::call(ana.addr());
    long.write(&vec![b'{'; 40_000]);
    assert_eq!(long.hear(), None);
    eva.write(&vec![b' '; 32_769]);
    while eva.hear().is_some() {}
    // Neither frames nor PyP2P.
    for bytes in [
        b"GET / HTTP/1.1\r\n\r\n".as_slice(),
        b"\0\0\0\0",
        &[0xff; 100],
    ] {
        let mut other = TcpStream::connect(ana.addr()).expect("the peer listens");
        let _ = std::io::Write::write_all(&mut other, bytes);
    }
    fast.say(r#"{"type":"PUB","msg_id":"p","dst":"*","payload":"still here"}"#);
    ana.wait_text("still here");
}

#[test]
fn rules_11_20_two_connections_are_one_peer() {
    let folder = Folder::new();
    let ana = start(&folder, "ana").enter();
    let mut one = Stranger::greet(ana.addr(), "eva@lab");
    let mut two = Stranger::greet(ana.addr(), "eva@lab");
    one.say(SEND);
    one.until("ACK");
    two.say(SEND);
    two.until("ACK");
    // It is spoken to on the newest one, and on the other when that has ended.
    ana.say("MSG:eva@lab:one");
    let send = two.until("SEND");
    one.answer("ACK", &send);
    two.say(r#"{"type":"BYE","msg_id":"b"}"#);
    two.until("BYE_OK");
    drop(two);
    ana.say("MSG:eva@lab:two");
    assert_eq!(one.until("SEND")["payload"], "two");
    let count = |kind: &str| ana.events(kind).len();
    assert_eq!((count("joined"), count("left")), (1, 0));
    drop(one);
    ana.wait_event("left");
    assert_eq!(ana.events("message").len(), 1);
}

#[test]
fn rules_22_39_40_a_rendezvous_leads_to_strangers_and_knows_who_left() {
    let folder = Folder::new();
    let rendezvous = Rendezvous::start(&folder.within("rendezvous"), &["--limit", "0"]);
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    let port = listener.local_addr().expect("it is bound").port();
    rendezvous.ask(&format!(
        r#"{{"type":"REGISTER","namespace":"lab","name":"eva","port":{port}}}"#
    ));
    let server = rendezvous.addr().to_string();
    let mut ana = start(&folder, "ana")
        .args(&["--rendezvous", &server])
        .enter();
    let mut eva = Stranger::accept(&listener, "eva@lab");
    ana.wait_event("joined");
    assert_eq!(rendezvous.names(), ["ana", "eva"]);
    // Its registration is taken back when it leaves, after BYE.
    ana.process().end_input();
    let bye = eva.until("BYE");
    assert_eq!(bye["src"], "ana@lab");
    eva.answer("BYE_OK", &bye);
    assert_eq!(ana.leave(), 0);
    assert_eq!(rendezvous.names(), ["eva"]);
}

#[test]
fn rule_7_two_of_ours_meet_by_a_rendezvous_and_go_on_by_their_own_frames() {
    let folder = Folder::new();
    let rendezvous = Rendezvous::start(&folder.within("rendezvous"), &["--limit", "0"]);
    let server = rendezvous.addr().to_string();
    let ana = start(&folder, "ana")
        .args(&["--rendezvous", &server])
        .enter();
    let registered = || rendezvous.names().contains(&"ana".to_owned()).then_some(());
    wait_for("ana is registered", registered);
    let bob = start(&folder, "bob")
        .args(&["--rendezvous", &server])
        .enter();
    bob.say("oi");
    let line = ana.wait_text("oi");
    assert_eq!(line["from"], "bob@lab");
    assert!(line["via"].is_null(), "{line}");
    // Everything of both is one history.
    ana.say("ol\u{e1}");
    bob.wait_text("ol\u{e1}");
    assert_eq!(ana.wait_history(2), bob.wait_history(2));
}
