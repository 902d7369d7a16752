//! The whole way with the raw server: processes, sockets, counts and order. Never timing.

use std::process::Command;

fn bench(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_lamparina-bench"))
        .args(arguments)
        .output()
        .expect("the program was just built");
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{words}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The program itself fails when a message is lost, comes twice, or comes out of order.
#[track_caller]
fn check(case: &[&str], shown: &str) {
    let short = ["--raw-only", "--rounds", "1", "--seconds", "0.1", "--json"];
    let told = bench(&[case, &short].concat());
    assert!(told.contains(shown), "{told}");
    assert!(told.contains(r#""type":"result""#), "{told}");
}

#[test]
fn each_case_runs_and_loses_nothing() {
    check(
        &["fanout", "--subscribers", "5"],
        "1 publisher, 5 subscribers",
    );
    check(&["roomchat", "--clients", "4", "--size", "32"], "4 clients");
    check(&["pingpong"], "round_trips");
    check(&["idle", "--connections", "40"], "40 connections");
}

#[test]
fn what_is_kept_is_committed_and_where_asked_for_delivered() {
    check(&["durable", "--authors", "3"], "3 authors, window 64 each");
    check(&["durable", "--sparse"], "one 128-byte message at a time");
    check(
        &["durable", "--fanout", "4", "--window-each", "9"],
        "deliveries/s",
    );
}

#[test]
fn a_folder_that_is_none_is_named() {
    let output = Command::new(env!("CARGO_BIN_EXE_lamparina-bench"))
        .args(["durable", "--raw-only", "--data-in", "/no such folder"])
        .output()
        .expect("the program was just built");
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(words.contains("--data-in /no such folder"), "{words}");
    assert_eq!(output.status.code(), Some(1));
}
