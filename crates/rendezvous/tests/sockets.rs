//! The rendezvous over real sockets, in this process: hostile input, and ends that destroy no reply.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::net::SocketAddr;
use std::time::Duration;

use lamparina_rendezvous::{Config, Summary, run};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// Everything awaited comes within this, or the test fails.
const WITHIN: Duration = Duration::from_secs(30);
const DISCOVER: &[u8] = b"{\"type\":\"DISCOVER\"}\n";
const ANA: &[u8] =
    b"{\"type\":\"REGISTER\",\"namespace\":\"lab\",\"name\":\"ana\",\"port\":4100}\n";

struct Running {
    addr: SocketAddr,
    stop: oneshot::Sender<()>,
    task: JoinHandle<std::io::Result<Summary>>,
}

impl Running {
    async fn start(change: impl Fn(&mut Config)) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let mut config = Config {
            limit: 0,
            idle: WITHIN,
            ..Config::default()
        };
        change(&mut config);
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(run(listener, config, async {
            let _ = stopped.await;
        }));
        Self { addr, stop, task }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.addr).await.unwrap()
    }

    /// Sends these pieces and closes this direction; the reply.
    async fn ask(&self, pieces: &[&[u8]]) -> Value {
        let mut stream = self.connect().await;
        stream.set_nodelay(true).unwrap();
        for piece in pieces {
            stream.write_all(piece).await.unwrap();
        }
        stream.shutdown().await.unwrap();
        reply(stream).await
    }

    async fn stop(self) -> Summary {
        self.stop.send(()).unwrap();
        timeout(WITHIN, self.task).await.unwrap().unwrap().unwrap()
    }
}

/// All that comes, which must be one line.
async fn reply(mut stream: TcpStream) -> Value {
    let mut text = String::new();
    let read = timeout(WITHIN, stream.read_to_string(&mut text)).await;
    read.unwrap().unwrap();
    assert!(
        text.ends_with('\n') && text.lines().count() == 1,
        "{text:?}"
    );
    serde_json::from_str(&text).unwrap()
}

fn error(message: &str) -> Value {
    json!({"status": "ERROR", "message": message})
}

#[tokio::test]
async fn rule_26_one_request_and_one_reply() {
    let running = Running::start(|_| {}).await;
    let registered = running.ask(&[ANA]).await;
    let expect = json!({"status": "OK", "ttl": 7200, "ip": "127.0.0.1", "port": 4100});
    assert_eq!(registered, expect);
    // The reply comes without the end of the stream, and a second line is not answered.
    let mut stream = running.connect().await;
    let two = [
        DISCOVER,
        b"{\"type\":\"UNREGISTER\",\"namespace\":\"lab\"}\n",
    ]
    .concat();
    stream.write_all(&two).await.unwrap();
    assert_eq!(reply(stream).await["peers"][0]["name"], "ana");
    assert_eq!(running.ask(&[DISCOVER]).await["status"], "OK");
    let taken = running
        .ask(&[b"{\"type\":\"UNREGISTER\",\"namespace\":\"lab\"}\n"])
        .await;
    assert_eq!(taken, json!({"status": "OK"}));
    assert_eq!(running.ask(&[DISCOVER]).await, error("peer_not_registered"));
    let summary = running.stop().await;
    assert_eq!((summary.connections, summary.records), (5, 0));
}

#[tokio::test]
async fn rule_27_a_request_may_be_cut_padded_and_end_with_the_stream() {
    let running = Running::start(|_| {}).await;
    running.ask(&[ANA]).await;
    let byte_by_byte: Vec<&[u8]> = DISCOVER.chunks(1).collect();
    for pieces in [
        vec![b"{\"type\":\"DISCOVER\"}\r\n".as_slice()],
        vec![b"  \t{ \"type\" : \"discover\" }  \r\n"],
        vec![b"{\"type\":\"DISCOVER\"}"],
        vec![b"{\"type\":\"DIS", b"COVER\",\"x\":[1,", b"{}]}", b"\n"],
        vec![b"{\"type\":\"DISCOVER\",\"x\":\"\xff\xfe\"}\n"],
        vec![b"{\"type\":\"DISCOVER\"}\nnothing more is read\n\xff"],
        byte_by_byte,
    ] {
        let reply = running.ask(&pieces).await;
        assert_eq!(reply["status"], "OK", "{pieces:?}");
    }
    running.stop().await;
}

#[tokio::test]
async fn rule_28_hostile_input_gets_the_error_that_belongs_to_it() {
    let running = Running::start(|_| {}).await;
    let full = |bytes: usize| [vec![b' '; bytes - 1], vec![b'\n']].concat();
    let too_long = json!({"status": "ERROR", "message": "line_too_long", "limit": 32_768});
    for (input, expect) in [
        (b"".to_vec(), error("Empty request line")),
        (b"\n".to_vec(), error("Empty request line")),
        (
            b" \r\n{\"type\":\"DISCOVER\"}\n".to_vec(),
            error("Empty request line"),
        ),
        (full(32_768), error("Empty request line")),
        (full(32_769), too_long.clone()),
        (vec![b'x'; 32_768], error("Unknown command")),
        (vec![b'x'; 32_769], too_long.clone()),
        (vec![b'{'; 500_000], too_long),
        (b"GET / HTTP/1.1\r\n\r\n".to_vec(), error("Unknown command")),
        (
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\n".to_vec(),
            error("Unknown command"),
        ),
        (b"\0\0\0\0\n".to_vec(), error("Unknown command")),
        (b"[]\n".to_vec(), error("Unknown command")),
        (DISCOVER.to_vec(), error("peer_not_registered")),
    ] {
        assert_eq!(running.ask(&[&input]).await, expect, "{}", input.len());
    }
    running.stop().await;
}

#[tokio::test]
async fn rule_28_silence_is_answered() {
    let running = Running::start(|config| config.idle = Duration::from_millis(100)).await;
    let silence = error("Timeout: no data received, closing connection");
    assert_eq!(reply(running.connect().await).await, silence);
    let mut stream = running.connect().await;
    stream.write_all(b"{\"type\":").await.unwrap();
    assert_eq!(reply(stream).await, silence);
    running.stop().await;
}

#[tokio::test]
async fn rules_35_36_who_is_blocked_reads_the_message_though_he_was_not_read() {
    let running = Running::start(|config| config.limit = 3).await;
    for _ in 0..3 {
        assert_eq!(running.ask(&[ANA]).await["status"], "OK");
    }
    for _ in 0..3 {
        let mut stream = running.connect().await;
        let from = stream.local_addr().unwrap();
        // More than the system takes for a connection that nobody reads would be reset at the end.
        stream.write_all(&vec![b'x'; 100_000]).await.unwrap();
        let message = reply(stream).await["message"].as_str().unwrap().to_owned();
        let (before, after) = message.split_once("lifted in ").unwrap();
        assert_eq!(
            before,
            format!(
                "Connection from {from} has been blocked due to excessive login attempts (limit: 3). The block will be "
            )
        );
        let seconds: u64 = after.strip_suffix(" seconds.").unwrap().parse().unwrap();
        assert!((1..=60).contains(&seconds));
    }
    // Who only listens is told at once, and another address is served.
    assert_eq!(reply(running.connect().await).await["status"], "ERROR");
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.2:0".parse().unwrap()).unwrap();
    let mut stream = socket.connect(running.addr).await.unwrap();
    stream.write_all(ANA).await.unwrap();
    assert_eq!(reply(stream).await["ip"], "127.0.0.2");
    running.stop().await;
}

#[tokio::test]
async fn rule_38_many_at_once_and_silent_ones_among_them() {
    let running = Running::start(|_| {}).await;
    let mut silent = Vec::new();
    for _ in 0..100 {
        silent.push(running.connect().await);
    }
    let asked = (0..200).map(|n| {
        let addr = running.addr;
        tokio::spawn(async move {
            let mut stream = TcpStream::connect(addr).await.unwrap();
            let line = format!(
                "{{\"type\":\"REGISTER\",\"namespace\":\"lab\",\"name\":\"{n}\",\"port\":1}}\n"
            );
            stream.write_all(line.as_bytes()).await.unwrap();
            reply(stream).await["status"] == "OK"
        })
    });
    for asked in asked.collect::<Vec<_>>() {
        assert!(asked.await.unwrap());
    }
    let listed = running.ask(&[DISCOVER]).await;
    assert_eq!(listed["peers"].as_array().unwrap().len(), 200);
    // Those who are silent do not hold up the end.
    assert_eq!(running.stop().await.records, 200);
    drop(silent);
}
