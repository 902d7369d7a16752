//! The program told wrongly: it says what to do, and its exit code says that it never began.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::process::{Command, Output};

fn server(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_lamparina-server"))
        .args(args)
        .env_remove("LAMPARINA_LISTEN")
        .output()
        .unwrap()
}

#[test]
fn an_address_that_is_none_is_a_matter_of_usage() {
    let wrong = [
        "nonsense",
        "127.0.0.1",
        "127.0.0.1:",
        ":5000",
        "::1",
        "[::1",
        "127.0.0.1:65536",
    ];
    for address in wrong {
        let output = server(&["--listen", address]);
        let words = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{address}: {words}");
        assert!(words.contains("as in 127.0.0.1:5000"), "{words}");
        assert!(output.stdout.is_empty());
    }
}

#[test]
fn help_lists_the_exit_codes() {
    let output = server(&["--help"]);
    let words = String::from_utf8(output.stdout).unwrap();
    assert!(words.contains("Exit codes:"), "{words}");
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn links_in_clear_leave_this_machine_only_when_asked_for_twice() {
    let output = server(&["--listen", "0.0.0.0:0", "--in-memory", "--cleartext"]);
    let words = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{words}");
    assert!(words.contains("--cleartext-anywhere"), "{words}");
    assert!(output.stdout.is_empty());
    let output = server(&["--cleartext-anywhere"]);
    assert_eq!(output.status.code(), Some(2));
}
