//! A server whose terminal is gone goes on, and ends as it should when asked.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

#[test]
fn with_stdout_and_stderr_gone_it_still_says_goodbye_and_stopped() {
    let name = format!("lamparina-gone-terminal-{}", std::process::id());
    let folder = std::env::temp_dir().join(name);
    std::fs::create_dir_all(&folder).unwrap();
    let mut server = Command::new(env!("CARGO_BIN_EXE_lamparina-server"))
        .args(["--listen", "127.0.0.1:0"])
        .current_dir(&folder)
        .env_remove("LAMPARINA_LOG")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let mut stdout = BufReader::new(server.stdout.take().unwrap());
    stdout.read_line(&mut line).unwrap();
    assert!(line.starts_with("listening on "), "{line}");
    // The terminal is closed: every write from now on fails.
    drop(stdout);
    drop(server.stderr.take());
    let pid = rustix::process::Pid::from_child(&server);
    rustix::process::kill_process(pid, rustix::process::Signal::HUP).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    assert_eq!(server.wait().unwrap().code(), Some(0));
    let log = std::fs::read_to_string(folder.join("logs/server.log")).unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
    let last = log.lines().last().unwrap();
    assert!(last.contains("event=stopped"), "{log}");
}
