//! A peer and programs that speak PyP2P: scripted lines over real sockets.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use std::net::SocketAddr;

use lamparina_peer::{Event, PeerState, Recipients, Spoken};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use common::{Folder, PATIENCE, Running};

/// A stranger's program.
struct Stranger {
    stream: BufReader<TcpStream>,
}

impl Stranger {
    /// Comes in and says who it is.
    async fn call(addr: SocketAddr, peer_id: &str) -> Self {
        let stream = TcpStream::connect(addr).await.unwrap();
        let mut stranger = Self::on(stream);
        let hello = json!({"type": "HELLO", "peer_id": peer_id, "version": "1.0",
            "features": ["ack", "metrics"], "ttl": 1});
        stranger.say(&hello).await;
        stranger.until("HELLO_OK").await;
        stranger
    }

    fn on(stream: TcpStream) -> Self {
        let stream = BufReader::new(stream);
        Self { stream }
    }

    async fn say(&mut self, line: &Value) {
        let line = format!("{line}\n");
        self.stream.write_all(line.as_bytes()).await.unwrap();
    }

    /// The next line of a type; answers PINGs on the way.
    async fn until(&mut self, kind: &str) -> Value {
        loop {
            let mut line = String::new();
            let read = timeout(PATIENCE, self.stream.read_line(&mut line)).await;
            let read = read.unwrap_or_else(|_| panic!("no {kind} came"));
            assert!(read.unwrap() > 0, "the end came before {kind}");
            let line: Value = serde_json::from_str(&line).unwrap();
            if line["type"] == kind {
                return line;
            }
        }
    }
}

async fn appeared(at: &mut Running, peer_id: &str) {
    let joined = |event: &Event| match event {
        Event::Joined(line) if line.foreign.as_deref() == Some(peer_id) => Some(()),
        _ => None,
    };
    at.until("that a stranger is here", joined).await;
}

#[tokio::test]
async fn what_a_stranger_says_enters_the_order_once_and_marked() {
    let mut ana = Running::start("ana", &[]).await;
    let mut rui = Running::start("rui", &[ana.addr()]).await;
    rui.is_linked().await;
    let mut eva = Stranger::call(ana.addr(), "eva@lab").await;
    appeared(&mut ana, "eva@lab").await;
    let all = json!({"type": "PUB", "msg_id": "0f4f0a52-50a1-4f6e-8a8e-3b8a2f5d7c21", "src": "eva@lab",
        "dst": "*", "payload": "bom dia", "require_ack": false, "ttl": 1});
    eva.say(&all).await;
    // Over another connection, to another peer of ours, the same again.
    let mut twin = Stranger::call(rui.addr(), "eva@lab").await;
    twin.say(&all).await;
    for at in [&mut ana, &mut rui] {
        let line = at.hears("bom dia").await;
        let via = line.via.unwrap();
        assert_eq!(via.peer_id, "eva@lab");
        assert_eq!(via.msg_id, "0f4f0a52-50a1-4f6e-8a8e-3b8a2f5d7c21");
    }
    let alone = json!({"type": "SEND", "msg_id": "6b0d1c1e-8f0a-4a67-9a57-0c6f0f3a9b11", "src": "eva@lab",
        "dst": "ana@lab", "payload": "for ana", "require_ack": true, "ttl": 1});
    eva.say(&alone).await;
    let ack = eva.until("ACK").await;
    assert_eq!(ack["msg_id"], "6b0d1c1e-8f0a-4a67-9a57-0c6f0f3a9b11");
    // Said again, it is acknowledged again and shown once.
    eva.say(&alone).await;
    eva.until("ACK").await;
    let line = ana.hears("for ana").await;
    assert_eq!(
        (line.kind.word(), &line.to[..]),
        ("unicast", &["ana@lab".to_owned()][..])
    );
    ana.says("after").await;
    rui.hears("after").await;
    assert_eq!(ana.history().await, ["bom dia", "for ana", "after"]);
    assert_eq!(rui.history().await, ["bom dia", "after"]);
    assert_eq!(
        (ana.times_told("for ana"), rui.times_told("for ana")),
        (1, 0)
    );
    assert_eq!(
        (ana.times_told("bom dia"), rui.times_told("bom dia")),
        (1, 1)
    );
}

#[tokio::test]
async fn strangers_get_what_is_for_them() {
    let mut ana = Running::start("ana", &[]).await;
    let mut eva = Stranger::call(ana.addr(), "eva@sea").await;
    appeared(&mut ana, "eva@sea").await;
    let lines = ana.peer.peers().await;
    let line = lines.iter().find(|line| line.foreign.is_some()).unwrap();
    assert_eq!(line.state, PeerState::Active);
    let links = ana.peer.links().await;
    assert_eq!((links.len(), links[0].spoken), (1, Spoken::Pyp2p));
    assert_eq!(links[0].name.as_deref(), Some("eva@sea"));
    ana.says("for all").await;
    let came = eva.until("PUB").await;
    assert_eq!(
        (&came["payload"], &came["dst"]),
        (&json!("for all"), &json!("*"))
    );
    assert_eq!(came["src"], "ana@lab");
    ana.says_to(&["eva"], "for eva").await.unwrap();
    let came = eva.until("SEND").await;
    assert_eq!(
        (&came["payload"], &came["dst"]),
        (&json!("for eva"), &json!("eva@sea"))
    );
    let ack = json!({"type": "ACK", "msg_id": came["msg_id"], "timestamp": "2026-02-03T10:11:12Z", "ttl": 1});
    eva.say(&ack).await;
    let sea = lamparina_protocol::RoomName::try_from("sea").unwrap();
    let said = ana
        .peer
        .send(Recipients::Room(sea), "for the sea".to_owned())
        .await;
    said.unwrap();
    let came = eva.until("PUB").await;
    assert_eq!(
        (&came["payload"], &came["dst"]),
        (&json!("for the sea"), &json!("#sea"))
    );
    let (_, summary) = ana.close().await;
    assert_eq!(
        (summary.sent, summary.committed, summary.pending),
        (3, 3, 0)
    );
    eva.until("BYE").await;
}

#[tokio::test]
async fn lines_that_are_none_do_no_harm() {
    let mut ana = Running::start("ana", &[]).await;
    let mut eva = Stranger::call(ana.addr(), "eva@lab").await;
    for line in [
        "[1,2]\n",
        "\n",
        "{\"type\":\"RELAY\",\"ttl\":3}\n",
        "{nonsense\n",
    ] {
        eva.stream.write_all(line.as_bytes()).await.unwrap();
    }
    let all = json!({"type": "PUB", "msg_id": "1", "src": "eva@lab", "dst": "*", "payload": "still here"});
    eva.say(&all).await;
    ana.hears("still here").await;
    let mut long = TcpStream::connect(ana.addr()).await.unwrap();
    // The other side closes in the midst of it.
    let _ = long.write_all(&vec![b'{'; 40_000]).await;
    let mut line = String::new();
    let closed = timeout(PATIENCE, BufReader::new(long).read_line(&mut line)).await;
    assert!(matches!(closed, Ok(Ok(0) | Err(_))));
}

/// A rendezvous that answers one request after the other and tells what was asked.
async fn rendezvous(
    peers: Vec<(String, SocketAddr)>,
) -> (SocketAddr, tokio::sync::mpsc::Receiver<Value>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let (asked, requests) = tokio::sync::mpsc::channel(64);
    tokio::spawn(async move {
        loop {
            let Ok((stream, _)) = listener.accept().await else {
                return;
            };
            let mut stream = BufReader::new(stream);
            let mut line = String::new();
            stream.read_line(&mut line).await.unwrap();
            let request: Value = serde_json::from_str(&line).unwrap();
            let records = peers.iter().map(|(name, addr)| {
                json!({"ip": addr.ip().to_string(), "port": addr.port(), "name": name,
                    "namespace": "lab", "ttl": 900, "expires_in": 871})
            });
            let reply = match request["type"].as_str() {
                Some("DISCOVER") => json!({"status": "OK", "peers": records.collect::<Vec<_>>()}),
                Some("REGISTER") => {
                    json!({"status": "OK", "ttl": request["ttl"], "ip": "127.0.0.1",
                    "port": request["port"]})
                }
                _ => json!({"status": "OK"}),
            };
            stream
                .write_all(format!("{reply}\n").as_bytes())
                .await
                .unwrap();
            if asked.send(request).await.is_err() {
                return;
            }
        }
    });
    (addr, requests)
}

#[tokio::test]
async fn a_rendezvous_leads_to_strangers_and_to_ours() {
    let stranger = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut ana = Running::start("ana", &[]).await;
    let listed = vec![
        ("eva".to_owned(), stranger.local_addr().unwrap()),
        ("ana".to_owned(), ana.addr()),
    ];
    let (server, mut requests) = rendezvous(listed).await;
    let mut rui = Running::start_in(Folder::new(), "rui", &[], |config| {
        let rendezvous = lamparina_peer::RendezvousConfig::new(server.to_string());
        config.rendezvous = Some(rendezvous);
    })
    .await;
    let asked = requests.recv().await.unwrap();
    assert_eq!(asked["type"], "REGISTER");
    assert_eq!(asked["port"], rui.addr().port());
    let (stream, _) = timeout(PATIENCE, stranger.accept()).await.unwrap().unwrap();
    let mut eva = Stranger::on(stream);
    let hello = eva.until("HELLO").await;
    assert_eq!(hello["peer_id"], "rui@lab");
    eva.say(
        &json!({"type": "HELLO_OK", "peer_id": "eva@lab", "version": "1.0",
        "features": ["ack", "metrics"], "ttl": 1}),
    )
    .await;
    appeared(&mut rui, "eva@lab").await;
    // The one that is ours is called by our own frames.
    ana.is_linked().await;
    rui.says("hello").await;
    ana.hears("hello").await;
    assert_eq!(eva.until("PUB").await["payload"], "hello");
    rui.peer.unregister().await.unwrap();
    let unregistered = async { while requests.recv().await.unwrap()["type"] != "UNREGISTER" {} };
    timeout(PATIENCE, unregistered).await.unwrap();
}
