//! A scripted program that speaks PyP2P, and a rendezvous as a process.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};

use serde_json::Value;

use super::{PATIENCE, client::live_in, programs};

/// One connection of such a program.
#[derive(Debug)]
pub struct Stranger {
    stream: TcpStream,
    lines: BufReader<TcpStream>,
}

impl Stranger {
    /// Calls a peer.
    #[track_caller]
    pub fn call(addr: SocketAddr) -> Self {
        Self::on(TcpStream::connect(addr).expect("the peer listens"))
    }

    /// Calls a peer and says HELLO; it is open.
    #[track_caller]
    pub fn greet(addr: SocketAddr, peer_id: &str) -> Self {
        let mut stranger = Self::call(addr);
        stranger.say(&format!(
            r#"{{"type":"HELLO","peer_id":"{peer_id}","version":"1.0","features":[],"ttl":1}}"#
        ));
        stranger.until("HELLO_OK");
        stranger
    }

    /// Is called by a peer, and answers HELLO.
    #[track_caller]
    pub fn accept(listener: &TcpListener, peer_id: &str) -> Self {
        let (stream, _) = listener.accept().expect("a peer calls");
        let mut stranger = Self::on(stream);
        stranger.until("HELLO");
        stranger.say(&format!(
            r#"{{"type":"HELLO_OK","peer_id":"{peer_id}","version":"1.0","features":[],"ttl":1}}"#
        ));
        stranger
    }

    #[track_caller]
    fn on(stream: TcpStream) -> Self {
        let set = stream.set_read_timeout(Some(PATIENCE));
        set.and_then(|()| stream.set_nodelay(true))
            .expect("a socket has options");
        let reading = stream.try_clone().expect("a socket has two ends");
        Self {
            stream,
            lines: BufReader::new(reading),
        }
    }

    /// Writes bytes; whether the peer still takes them.
    pub fn write(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).is_ok()
    }

    /// Says a line.
    #[track_caller]
    pub fn say(&mut self, line: &str) {
        assert!(self.write(format!("{line}\n").as_bytes()), "it is there");
    }

    /// The next line; `None` at the end.
    #[track_caller]
    pub fn hear(&mut self) -> Option<Value> {
        let mut line = String::new();
        match self.lines.read_line(&mut line) {
            Ok(0) => None,
            Ok(_) => Some(serde_json::from_str(&line).expect("each line is JSON")),
            // A peer that closes with bytes unread resets the connection: an end, too.
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => None,
            Err(error) => panic!("waited in vain: {error}"),
        }
    }

    /// The next message of this type; others are passed over.
    #[track_caller]
    pub fn until(&mut self, kind: &str) -> Value {
        loop {
            let object = self.hear();
            let object = object.unwrap_or_else(|| panic!("the end, before {kind}"));
            if object["type"] == kind {
                return object;
            }
        }
    }

    /// Answers a message with another type and the same id.
    #[track_caller]
    pub fn answer(&mut self, kind: &str, asked: &Value) {
        let msg_id = &asked["msg_id"];
        self.say(&format!(r#"{{"type":"{kind}","msg_id":{msg_id}}}"#));
    }
}

/// A running `lamparina-rendezvous`.
#[derive(Debug)]
pub struct Rendezvous {
    child: Child,
    addr: SocketAddr,
    // It lives on without; held so that nothing reads the test's own input.
    _stdin: Option<ChildStdin>,
}

impl Rendezvous {
    /// Starts one at a free port, with what it keeps under `home`.
    #[track_caller]
    pub fn start(home: &Path, args: &[&str]) -> Self {
        let mut command = Command::new(programs::rendezvous());
        live_in(&mut command, home);
        command.args(["--listen", "127.0.0.1:0"]).args(args);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("it was built");
        let stdout = child.stdout.as_mut().expect("it is piped");
        let mut line = String::new();
        let read = BufReader::new(stdout).read_line(&mut line);
        read.expect("it says where it listens");
        let addr = line.trim().strip_prefix("listening on ");
        let addr = addr.and_then(|addr| addr.parse().ok());
        Self {
            addr: addr.unwrap_or_else(|| panic!("no address: {line:?}")),
            _stdin: child.stdin.take(),
            child,
        }
    }

    /// Where it listens.
    pub const fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Asks it; its reply.
    #[track_caller]
    pub fn ask(&self, line: &str) -> Value {
        let mut stream = TcpStream::connect(self.addr).expect("it listens");
        let asked = stream.write_all(format!("{line}\n").as_bytes());
        let mut reply = String::new();
        let read = asked.and_then(|()| stream.read_to_string(&mut reply));
        read.expect("it answers");
        serde_json::from_str(&reply).expect("a reply is JSON")
    }

    /// Names of those who are registered, as somebody who is registered, too.
    #[track_caller]
    pub fn names(&self) -> Vec<String> {
        let reply = self.ask(r#"{"type":"DISCOVER"}"#);
        let peers = reply["peers"].as_array().cloned().unwrap_or_default();
        let names = peers.iter().filter_map(|peer| peer["name"].as_str());
        names.map(str::to_owned).collect()
    }
}

impl Drop for Rendezvous {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
