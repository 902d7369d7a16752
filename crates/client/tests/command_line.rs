//! The program as scripts see it: what it takes for its server, and how it ends.

use std::fs::OpenOptions;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use lamparina_protocol::control::Disconnect;
use lamparina_protocol::frame::{Frame, FrameType, Seq};
use lamparina_server::{Links, Server, ServerConfig, identity};

/// A home that goes with the test.
struct Home(PathBuf);

impl Home {
    fn new(name: &str) -> Self {
        let name = format!("lamparina-{}-{name}", std::process::id());
        let home = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&home).expect("a folder can be made");
        Self(home)
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// An address at which nobody listens.
fn nobody() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    listener.local_addr().expect("it is bound")
}

fn client(home: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lamparina-client"));
    for name in ["LAMPARINA_SERVER", "XDG_RUNTIME_DIR"] {
        command.env_remove(name);
    }
    command.env("LAMPARINA_NAME", "ana").env("NO_COLOR", "1");
    for name in ["HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME"] {
        command.env(name, home);
    }
    command.stdin(Stdio::null());
    command
}

/// A server on a thread of its own, until the tests end.
fn server() -> SocketAddr {
    server_with(sealed())
}

fn server_with(config: ServerConfig) -> SocketAddr {
    let (tell, told) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime can be made");
        runtime.block_on(async {
            let any = SocketAddr::from(([127, 0, 0, 1], 0));
            let server = Server::bind(&[any], config).expect("a port is free");
            let addrs = server.local_addrs().expect("it is bound");
            tell.send(addrs[0]).expect("the test waits for it");
            server.run(std::future::pending()).await
        })
    });
    told.recv().expect("the server is there")
}

fn ended(command: &mut Command) -> (i32, String) {
    let Output { status, stderr, .. } = command.output().expect("the program starts");
    let said = String::from_utf8_lossy(&stderr).into_owned();
    (status.code().unwrap_or(-1), said)
}

#[test]
fn an_address_goes_before_every_command_but_the_demo() {
    let home = Home::new("address");
    let addr = nobody().to_string();
    for task in [
        &["send", "--to", "bob", "x"][..],
        &["tail", "--timeout", "30"],
        &[],
    ] {
        let (code, said) = ended(client(&home.0).arg(&addr).args(task));
        assert_eq!(code, 3, "{task:?}: {said}");
        assert!(said.contains(&addr), "{task:?}: {said}");
    }
    let (code, said) = ended(client(&home.0).args([&addr, "demo"]));
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("address"), "{said}");
}

#[test]
fn a_sealed_end_and_one_in_clear_say_what_to_do() {
    let home = Home::new("clear");
    let (sealed, clear) = (server(), server_with(ServerConfig::new(Links::Clear)));
    let (sealed, clear) = (sealed.to_string(), clear.to_string());
    let send = ["send", "--to", "ALL", "hello"];
    let (code, said) = ended(client(&home.0).arg(&sealed).args(send));
    assert_eq!(code, 0, "{said}");
    let (code, said) = ended(client(&home.0).arg(&sealed).arg("--cleartext").args(send));
    assert_eq!(code, 4, "{said}");
    assert!(said.contains("without --cleartext"), "{said}");
    let (code, said) = ended(client(&home.0).arg(&clear).args(send));
    assert_eq!(code, 4, "{said}");
    assert!(said.contains("with --cleartext"), "{said}");
    let (code, said) = ended(client(&home.0).arg(&clear).arg("--cleartext").args(send));
    assert_eq!(code, 0, "{said}");
}

#[test]
fn time_that_ran_out_has_its_code() {
    let home = Home::new("time");
    let channel = ["demo", "--impair", "loss=100%", "--timeout", "1"];
    let (code, said) = ended(client(&home.0).args(channel));
    assert_eq!(code, 5, "{said}");
    let addr = nobody().to_string();
    let send = [&addr, "send", "--to", "bob", "--timeout", "0", "x"];
    let (code, said) = ended(client(&home.0).args(send));
    assert_eq!(code, 5, "{said}");
}

#[test]
fn an_output_that_nobody_reads_costs_no_message() {
    let home = Home::new("unread");
    for json in [true, false] {
        let mut ana = client(&home.0);
        ana.arg(server().to_string()).args(json.then_some("--json"));
        ana.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut ana = ana.stderr(Stdio::piped()).spawn().unwrap();
        drop(ana.stdout.take());
        ana.stdin.take().unwrap().write_all(b"1\n2\n3\n").unwrap();
        let Output { status, stderr, .. } = ana.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&stderr);
        assert_eq!(status.code(), Some(0), "{said}");
        assert!(said.contains("committed 3, pending 0"), "{said}");
    }
}

#[test]
fn an_output_that_cannot_be_written_is_a_failure_in_words() {
    let home = Home::new("full");
    let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
    let mut ana = client(&home.0);
    ana.arg(server().to_string()).arg("--json").stdout(full);
    let ana = ana.stdin(Stdio::null()).stderr(Stdio::piped());
    let Output { status, stderr, .. } = ana.spawn().unwrap().wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&stderr);
    assert_eq!(status.code(), Some(1), "{said}");
    assert!(said.contains("stdout"), "{said}");
}

#[test]
fn sends_of_one_profile_at_the_same_time_all_get_their_place() {
    let home = Home::new("parallel");
    let server = server().to_string();
    let send = |number: usize| {
        let mut send = client(&home.0);
        send.args([&server, "send", "--to", "ALL", &number.to_string()]);
        send.stdout(Stdio::piped()).stderr(Stdio::piped());
        send.spawn().unwrap()
    };
    let sends: Vec<_> = (0..8).map(send).collect();
    for send in sends {
        let Output { status, stderr, .. } = send.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&stderr);
        assert_eq!(status.code(), Some(0), "{said}");
    }
}

#[test]
fn a_send_goes_through_the_tail_of_the_profile_and_leaves_it_running() {
    let home = Home::new("tail");
    let server = server().to_string();
    let mut tail = client(&home.0);
    tail.args([&server, "tail", "--count", "1", "--timeout", "20"]);
    let tail = tail.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let tail = tail.unwrap();
    let socket = home.0.join("lamparina/ana.sock");
    for _ in 0..1_000 {
        if socket.exists() {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    let (code, said) = ended(client(&home.0).args([&server, "send", "--to", "ALL", "by ana"]));
    assert_eq!(code, 0, "{said}");
    let bob = ["--name", "bob", "send", "--to", "ana", "by bob"];
    let (code, said) = ended(client(&home.0).arg(&server).args(bob));
    assert_eq!(code, 0, "{said}");
    let Output { status, stdout, .. } = tail.wait_with_output().unwrap();
    let shown = String::from_utf8_lossy(&stdout);
    assert_eq!(status.code(), Some(0), "{shown}");
    assert!(shown.contains("by bob"), "{shown}");
}

#[test]
fn everybody_is_written_in_capitals() {
    let home = Home::new("all");
    let addr = nobody().to_string();
    let send = [&addr, "send", "--to", "all", "x"];
    let (code, said) = ended(client(&home.0).args(send));
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("--to ALL"), "{said}");
}

#[test]
fn a_system_that_ends_it_lets_it_settle_what_it_has() {
    let home = Home::new("term");
    let mut ana = client(&home.0);
    ana.arg(server().to_string()).arg("--json");
    ana.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut ana = ana.stderr(Stdio::piped()).spawn().unwrap();
    ana.stdin.as_mut().unwrap().write_all(b"1\n").unwrap();
    let mut lines = BufReader::new(ana.stdout.take().unwrap()).lines();
    let committed = |line: &String| line.contains("\"type\":\"committed\"");
    lines.by_ref().map(Result::unwrap).find(committed).unwrap();
    let pid = ana.id().to_string();
    assert!(Command::new("kill").arg(&pid).status().unwrap().success());
    let last = lines.map(Result::unwrap).last().unwrap();
    assert!(last.contains("\"type\":\"closed\""), "{last}");
    assert_eq!(ana.wait().unwrap().code(), Some(0));
}

/// A server that programs would start: its links are sealed.
fn sealed() -> ServerConfig {
    let identity = identity::generate().expect("the system gives randomness");
    ServerConfig::new(Links::Sealed(identity))
}

#[test]
fn the_words_of_a_server_that_refuses_are_cleaned_whoever_hears_them() {
    let home = Home::new("words");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap().to_string();
    let refusal = Disconnect {
        code: 2,
        orderly: false,
        next: Seq::FIRST,
        text: "\u{1b}[2J\u{202e}gone\nerror: forged".to_owned(),
    };
    let refusal = Frame {
        kind: FrameType::Disconnect,
        seq: Seq::FIRST,
        last: true,
        payload: refusal.to_bytes().into(),
    };
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            // Its SYN first: an answer to nothing is none.
            let heard = stream.read(&mut [0; 1_024]).unwrap();
            assert!(heard > 0);
            stream.write_all(&refusal.to_bytes()).unwrap();
        }
    });
    for task in [
        &["send", "--to", "ALL", "x"][..],
        &["tail"],
        &[],
        &["--json"],
    ] {
        let args = [&[addr.as_str(), "--cleartext"][..], task].concat();
        let (code, said) = ended(client(&home.0).args(args));
        assert_eq!(code, 4, "{task:?}: {said}");
        assert!(!said.contains(['\u{1b}', '\u{202e}']), "{task:?}: {said:?}");
        assert!(!said.contains("\nerror: forged"), "{task:?}: {said:?}");
    }
}
