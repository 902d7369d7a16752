//! The program: what it prints, what it keeps, how it ends.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

const PROGRAM: &str = env!("CARGO_BIN_EXE_lamparina-rendezvous");

/// A folder of one test, gone with it.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let name = format!("lamparina-rendezvous-{}-{name}", std::process::id());
        let path = std::env::temp_dir().join(name);
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

struct Running {
    child: Child,
    addr: SocketAddr,
}

impl Running {
    fn start(folder: &Path, args: &[&str]) -> Self {
        let mut child = command(folder, args)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let stdout = child.stdout.as_mut().unwrap();
        BufReader::new(stdout).read_line(&mut line).unwrap();
        let addr = line.trim().strip_prefix("listening on ");
        let addr = addr.unwrap_or_else(|| panic!("{line:?}")).parse().unwrap();
        Self { child, addr }
    }

    fn ask(&self, line: &str) -> String {
        let mut stream = TcpStream::connect(self.addr).unwrap();
        stream.write_all(format!("{line}\n").as_bytes()).unwrap();
        let mut reply = String::new();
        stream.read_to_string(&mut reply).unwrap();
        reply
    }

    fn end(mut self, signal: &str) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args([signal, &pid]).status();
        assert!(sent.unwrap().success());
        assert_eq!(self.child.wait().unwrap().code(), Some(0), "{signal}");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn command(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(PROGRAM);
    command
        .args(args)
        .env("XDG_DATA_HOME", folder)
        .env("LAMPARINA_LOG", "off")
        .stdin(Stdio::null());
    command
}

fn fails(folder: &Path, args: &[&str]) -> (Option<i32>, String) {
    let Output { status, stderr, .. } = command(folder, args).output().unwrap();
    (status.code(), String::from_utf8_lossy(&stderr).into_owned())
}

const ANA: &str = r#"{"type":"REGISTER","namespace":"lab","name":"ana","port":4100}"#;
const DISCOVER: &str = r#"{"type":"DISCOVER"}"#;

#[test]
fn it_takes_a_free_port_says_it_and_ends_with_0_on_both_signals() {
    let folder = Folder::new("signals");
    for signal in ["-TERM", "-INT"] {
        let running = Running::start(&folder.0, &["--listen", "127.0.0.1:0", "--in-memory"]);
        assert_ne!(running.addr.port(), 0);
        assert!(running.ask(ANA).contains(r#""status":"OK""#));
        running.end(signal);
    }
    assert_eq!(std::fs::read_dir(&folder.0).unwrap().count(), 0);
}

#[test]
fn rule_37_records_last_over_a_restart_of_the_program() {
    let folder = Folder::new("restart");
    // In a file of the port that it had, and in one that is named.
    let named = folder.0.join("deep/peers");
    let named = named.to_str().unwrap();
    for with in [&[][..], &["--data", named]] {
        let args = |listen| [&["--listen", listen], with].concat();
        let running = Running::start(&folder.0, &args("127.0.0.1:0"));
        let addr = running.addr.to_string();
        running.ask(ANA);
        running.end("-TERM");
        let running = Running::start(&folder.0, &args(&addr));
        assert!(running.ask(DISCOVER).contains(r#""name":"ana""#));
        running.ask(&ANA.replace("ana", "rui"));
        running.end("-TERM");
        let running = Running::start(&folder.0, &args(&addr));
        assert!(running.ask(DISCOVER).contains(r#""name":"rui""#));
        assert!(
            running
                .ask(r#"{"type":"UNREGISTER","namespace":"lab"}"#)
                .contains("OK")
        );
        running.end("-INT");
        let running = Running::start(&folder.0, &args(&addr));
        assert!(running.ask(DISCOVER).contains("peer_not_registered"));
    }
}

#[test]
fn rule_37_records_are_on_disk_soon_also_when_nobody_ends_it() {
    let folder = Folder::new("killed");
    let file = folder.0.join("peers");
    let args = ["--listen", "127.0.0.1:0", "--data", file.to_str().unwrap()];
    let mut running = Running::start(&folder.0, &args);
    running.ask(ANA);
    let begun = std::time::Instant::now();
    let written = || std::fs::read_to_string(&file).is_ok_and(|text| text.contains("\"ana\""));
    while !written() {
        assert!(begun.elapsed().as_secs() < 60, "it is never written");
        std::thread::yield_now();
    }
    running.child.kill().unwrap();
    running.child.wait().unwrap();
    let running = Running::start(&folder.0, &args);
    assert!(running.ask(DISCOVER).contains(r#""name":"ana""#));
}

#[test]
fn a_file_of_something_else_is_refused_and_stays() {
    let folder = Folder::new("foreign");
    let file = folder.0.join("letter");
    std::fs::write(&file, "dear ana\n").unwrap();
    let path = file.to_str().unwrap();
    let (code, stderr) = fails(&folder.0, &["--listen", "127.0.0.1:0", "--data", path]);
    assert_eq!(code, Some(1));
    assert!(
        stderr.contains("holds no records") && stderr.contains("move it away"),
        "{stderr}"
    );
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "dear ana\n");
    let folder_path = folder.0.to_str().unwrap();
    let (code, stderr) = fails(
        &folder.0,
        &["--listen", "127.0.0.1:0", "--data", folder_path],
    );
    assert_eq!(code, Some(1));
    assert!(stderr.contains("cannot read the records"), "{stderr}");
}

#[test]
fn bad_options_say_what_to_do() {
    let folder = Folder::new("options");
    for (args, code, words) in [
        (&["--listen", "nowhere"][..], 2, "HOST:PORT"),
        (&["--listen", ":8080"], 2, "HOST:PORT"),
        (&["--listen", "127.0.0.1:99999"], 2, "HOST:PORT"),
        (&["--limit", "many"], 2, "--limit"),
        (&["--what"], 2, "--help"),
        (&["--in-memory", "--data", "x"], 2, "cannot be used with"),
        (
            &["--listen", "192.0.2.1:8080"],
            1,
            "an address that this machine has",
        ),
    ] {
        let (found, stderr) = fails(&folder.0, args);
        assert_eq!(found, Some(code), "{args:?}: {stderr}");
        assert!(stderr.contains(words), "{stderr}");
    }
    let running = Running::start(&folder.0, &["--listen", "127.0.0.1:0", "--in-memory"]);
    let (code, stderr) = fails(&folder.0, &["--listen", &running.addr.to_string()]);
    assert_eq!(code, Some(1));
    assert!(
        stderr.contains("stop the program that has the port"),
        "{stderr}"
    );
}

#[test]
fn rule_35_the_limit_can_be_switched_off() {
    let folder = Folder::new("limit");
    let args = ["--listen", "127.0.0.1:0", "--in-memory", "--limit"];
    let running = Running::start(&folder.0, &[&args[..], &["0"]].concat());
    assert!((0..120).all(|_| running.ask(ANA).contains(r#""status":"OK""#)));
    let running = Running::start(&folder.0, &args[..3]);
    assert!((0..50).all(|_| running.ask(ANA).contains(r#""status":"OK""#)));
    assert!(running.ask(ANA).contains("has been blocked"));
}
