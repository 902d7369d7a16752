//! The program as it is started. (That this test exists has cargo build the program together with
//! all tests, so that those of the whole system find it built.)

use std::process::Command;

#[test]
fn help_and_version_are_told_on_standard_output() {
    for (arg, word) in [
        ("--help", "Exit codes:"),
        ("--version", env!("CARGO_PKG_VERSION")),
    ] {
        let mut client = Command::new(env!("CARGO_BIN_EXE_lamparina-client"));
        let output = client.arg(arg).output().unwrap();
        assert!(output.status.success(), "{arg}");
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.contains(word), "{arg}: {text}");
    }
}
