//! The program as it is started: what it says when it is told wrongly. (That these tests exist has cargo build the
//! program together with all tests, so that those of the whole system find it built.)

use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

/// A home that goes with the test.
struct Home(PathBuf);

impl Home {
    fn new(name: &str) -> Self {
        let name = format!("lamparina-peer-{}-{name}", std::process::id());
        let home = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&home).expect("a folder can be made");
        Self(home)
    }

    fn run(&self, args: &[&str]) -> Output {
        let mut peer = Command::new(env!("CARGO_BIN_EXE_lamparina-peer"));
        peer.env_remove("LAMPARINA_NAME").args(args);
        for name in ["HOME", "XDG_DATA_HOME"] {
            peer.env(name, &self.0);
        }
        peer.stdin(Stdio::null())
            .output()
            .expect("the program runs")
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn help_and_version_are_told_on_standard_output() {
    let home = Home::new("help");
    for (arg, word) in [
        ("--help", "Exit codes:"),
        ("--version", env!("CARGO_PKG_VERSION")),
    ] {
        let output = home.run(&[arg]);
        assert!(output.status.success(), "{arg}");
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.contains(word), "{arg}: {text}");
    }
}

#[test]
fn whoever_tells_it_wrongly_hears_what_to_write() {
    let home = Home::new("usage");
    let file = home.0.join("peer.toml");
    std::fs::write(&file, "ping-evry = 2\n").unwrap();
    let file = file.to_str().unwrap();
    for (args, part) in [
        (&[][..], "--name NICK or LAMPARINA_NAME"),
        (&["ana"], "or nothing and --name NAME"),
        (&["127.0.0.1", "0", "a b"], "\"a b\" is no name"),
        (&["127.0.0.1", "0", "a@b@c"], "is no name"),
        (
            &["127.0.0.1", "0", "ana@lab", "--namespace", "lan"],
            "leave one of them out",
        ),
        (&["127.0.0.1", "99999", "ana"], "a port, 0 to 65535"),
        (&["--name", "ana", "--peer", "host"], "HOST:PORT"),
        (
            &["--name", "ana", "--config", file],
            "did you mean ping-every?",
        ),
        (&["--nam", "ana"], "--name"),
    ] {
        let output = home.run(args);
        let words = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{args:?}: {words}");
        assert!(words.contains(part), "{args:?}: {words}");
        assert!(output.stdout.is_empty(), "{args:?}");
    }
}
