//! `identity` and `servers` as people use them.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use lamparina_protocol::Fingerprint;
use lamparina_protocol::seal::IdentityKey;
use lamparina_server::{Links, Server, ServerConfig};

/// A home that goes with the test.
struct Home(PathBuf);

impl Home {
    fn new(name: &str) -> Self {
        let name = format!("lamparina-{}-keys-{name}", std::process::id());
        let home = std::env::temp_dir().join(name);
        let _ = fs::remove_dir_all(&home);
        fs::create_dir_all(&home).expect("a folder can be made");
        Self(home)
    }

    fn profile(&self) -> PathBuf {
        self.0.join("lamparina/profiles/ana")
    }

    /// Runs the program; gives its code, what it printed and what it said.
    fn run(&self, args: &[&str]) -> (i32, String, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lamparina-client"));
        command
            .env_remove("LAMPARINA_SERVER")
            .env_remove("XDG_RUNTIME_DIR");
        command.env("LAMPARINA_NAME", "ana").env("NO_COLOR", "1");
        for name in ["HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME"] {
            command.env(name, &self.0);
        }
        command.current_dir(&self.0).stdin(Stdio::null()).args(args);
        let Output {
            status,
            stdout,
            stderr,
        } = command.output().expect("the program starts");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("it prints UTF-8");
        (status.code().unwrap_or(-1), text(stdout), text(stderr))
    }

    #[track_caller]
    fn done(&self, args: &[&str]) -> String {
        let (code, printed, said) = self.run(args);
        assert_eq!(code, 0, "{args:?}: {said}");
        printed
    }

    #[track_caller]
    fn refused(&self, args: &[&str], code: i32) -> String {
        let (found, printed, said) = self.run(args);
        assert_eq!((found, printed.as_str()), (code, ""), "{args:?}: {said}");
        said
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn mode(path: &Path) -> u32 {
    let meta = fs::metadata(path).expect("it is there");
    meta.permissions().mode() & 0o777
}

/// The value of a line of `identity show`.
fn shown<'a>(printed: &'a str, name: &str) -> &'a str {
    let line = printed.lines().find_map(|line| line.strip_prefix(name));
    line.unwrap_or_else(|| panic!("no {name} in {printed}"))
        .trim()
}

#[test]
fn a_key_is_shown_and_can_be_checked_by_other_means() {
    let home = Home::new("show");
    assert!(
        home.refused(&["identity", "show"], 1)
            .contains("identity new")
    );
    assert!(!home.profile().exists(), "showing makes nothing");
    home.done(&["identity", "new"]);
    let printed = home.done(&["identity", "show"]);
    let key = shown(&printed, "key").strip_prefix("ed25519 ").unwrap();
    let bytes: Vec<u8> = (0..64)
        .step_by(2)
        .map(|at| u8::from_str_radix(&key[at..at + 2], 16).unwrap())
        .collect();
    let fingerprint = Fingerprint::of(&bytes.try_into().unwrap());
    assert_eq!(shown(&printed, "fingerprint"), fingerprint.to_string());
    assert_eq!(shown(&printed, "words"), fingerprint.spoken());
    let json: serde_json::Value =
        serde_json::from_str(&home.done(&["identity", "show", "--json"])).unwrap();
    assert_eq!(
        (json["v"].as_u64(), json["type"].as_str()),
        (Some(1), Some("identity"))
    );
    assert_eq!(json["fingerprint"], fingerprint.to_string());
    assert_eq!(json["words"].as_array().unwrap().len(), 6);
    assert_eq!(json["key"], key);
    assert_eq!(mode(&home.profile().join("identity")), 0o600);
}

#[test]
fn a_new_key_never_takes_an_old_one_away() {
    let home = Home::new("new");
    let first = home.done(&["identity", "new"]);
    let said = home.refused(&["identity", "new"], 1);
    assert!(
        said.contains("your old nick stays with the old key"),
        "{said}"
    );
    assert!(
        said.contains("--replace") && said.contains(shown(&first, "fingerprint")),
        "{said}"
    );
    assert_eq!(home.done(&["identity", "show"]), first);
    fs::write(home.profile().join("outbox-h_1.db"), "unsent").unwrap();
    let second = home.done(&["identity", "new", "--replace"]);
    assert_ne!(shown(&first, "key"), shown(&second, "key"));
    let names: Vec<String> = fs::read_dir(home.profile())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    let kept = names
        .iter()
        .find(|name| name.starts_with("identity.replaced-"));
    let kept = home.profile().join(kept.expect("the old key is kept"));
    assert_eq!(mode(&kept), 0o600);
    let owner = &shown(&first, "key")["ed25519 ".len()..][..8];
    let aside = format!("outbox-h_1.db.of-{owner}-");
    assert!(
        names.iter().any(|name| name.starts_with(&aside)),
        "{names:?}"
    );
    assert!(!names.contains(&"outbox-h_1.db".to_owned()), "{names:?}");
    // Back again: the kept file is a key like any other.
    home.done(&["identity", "import", kept.to_str().unwrap(), "--replace"]);
    assert_eq!(home.done(&["identity", "show"]), first);
}

#[test]
fn a_key_goes_to_another_machine() {
    let (home, other) = (Home::new("export"), Home::new("import"));
    let shown = home.done(&["identity", "new"]);
    let (code, _, said) = home.run(&["identity", "export", "ana.key"]);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("whoever has this key is you"), "{said}");
    let file = home.0.join("ana.key");
    assert_eq!(mode(&file), 0o600);
    assert!(
        home.refused(&["identity", "export", "ana.key"], 1)
            .contains("ana.key")
    );
    assert_eq!(
        home.done(&["identity", "export", "-"]),
        fs::read_to_string(&file).unwrap()
    );
    let there = other.done(&["identity", "import", file.to_str().unwrap()]);
    let key = |shown: &str| shown.lines().nth(1).map(str::to_owned);
    assert_eq!(key(&there), key(&shown));
    fs::write(&file, "nothing of the kind").unwrap();
    let said = other.refused(&["identity", "import", file.to_str().unwrap()], 1);
    assert!(said.contains("holds no key"), "{said}");
}

#[test]
fn a_key_is_not_changed_under_a_running_client() {
    let home = Home::new("running");
    home.done(&["identity", "new"]);
    let lock = fs::File::open(home.profile().join("lock")).unwrap();
    lock.lock().unwrap();
    let said = home.refused(&["identity", "new", "--replace"], 1);
    assert!(said.contains("running"), "{said}");
}

#[test]
fn servers_are_listed_accepted_and_forgotten() {
    let home = Home::new("servers");
    assert_eq!(home.done(&["servers", "list"]), "");
    let (one, two) = (Fingerprint::of(&[1; 32]), Fingerprint::of(&[2; 32]));
    home.done(&["servers", "accept", "Chat.example:5000", &one.to_string()]);
    let printed = home.done(&["servers", "accept", "chat.example:5000", &two.to_string()]);
    assert!(printed.contains(&two.spoken()), "{printed}");
    assert!(
        printed.contains(&format!("no longer with {one}")),
        "{printed}"
    );
    let listed = home.done(&["servers", "list", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&listed).unwrap();
    assert_eq!(json["server"], "chat.example:5000");
    assert_eq!(json["fingerprint"], two.to_string());
    let file = home.0.join("lamparina/known_servers");
    assert_eq!(mode(&file), 0o600);
    assert!(
        home.refused(&["servers", "accept", "chat.example:5000", "SHA256:x"], 2)
            .contains("SHA256")
    );
    home.done(&["servers", "forget", "chat.example:5000"]);
    assert!(
        home.refused(&["servers", "forget", "chat.example:5000"], 1)
            .contains("nothing is known")
    );
    fs::write(&file, "chat.example:5000 rsa x y\n").unwrap();
    assert!(home.refused(&["servers", "list"], 1).contains("line 1"));
}

/// A server with this key, on a thread of its own, until the tests end.
fn serve(seed: [u8; 32], at: &str) -> SocketAddr {
    let listener = TcpListener::bind(at).expect("the address is free");
    let addr = listener.local_addr().expect("it is bound");
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime can be made");
        runtime.block_on(async {
            let links = Links::Sealed(IdentityKey::from_seed(&seed));
            let config = ServerConfig::new(links);
            let server = Server::over(vec![listener], config).expect("it listens");
            server.run(std::future::pending()).await
        })
    });
    addr
}

fn fingerprint_of(seed: [u8; 32]) -> Fingerprint {
    Fingerprint::of(&IdentityKey::from_seed(&seed).public().0)
}

#[test]
fn a_server_is_pinned_at_first_contact_and_another_key_stops_everything() {
    let home = Home::new("pinned");
    let (old, new) = ([7; 32], [8; 32]);
    // The same name for both, as an attacker on the way has it: a name that leads elsewhere.
    let addr = serve(old, "127.0.0.1:0").to_string();
    let send = [&addr, "send", "--to", "ALL", "hello"];
    let (code, _, said) = home.run(&send);
    assert_eq!(code, 0, "{said}");
    assert!(
        said.contains("first contact") && said.contains(&fingerprint_of(old).to_string()),
        "{said}"
    );
    assert!(said.contains(&fingerprint_of(old).spoken()), "{said}");
    let (code, _, said) = home.run(&send);
    assert_eq!((code, said.contains("first contact")), (0, false), "{said}");

    let other = serve(new, "127.0.0.1:0").to_string();
    let file = home.0.join("lamparina/known_servers");
    let text = fs::read_to_string(&file).unwrap().replace(&addr, &other);
    fs::write(&file, &text).unwrap();
    let send = [&other, "send", "--to", "ALL", "secret"];
    let said = home.refused(&send, 4);
    for part in [fingerprint_of(old), fingerprint_of(new)] {
        assert!(
            said.contains(&part.to_string()) && said.contains(&part.spoken()),
            "{said}"
        );
    }
    assert_eq!(
        fs::read_to_string(&file).unwrap(),
        text,
        "nothing is taken in silence"
    );
    // The one command that it names.
    let command = said
        .lines()
        .find_map(|line| line.trim().strip_prefix("lamparina-client "));
    let command: Vec<&str> = command.expect("it names one").split(' ').collect();
    home.done(&command);
    let (code, _, said) = home.run(&send);
    assert_eq!(code, 0, "{said}");
}

#[test]
fn a_pin_refuses_any_other_server_at_first_contact() {
    let home = Home::new("pin");
    let addr = serve([9; 32], "127.0.0.1:0").to_string();
    let send = |pin: Fingerprint| {
        let pin = pin.to_string();
        home.run(&[&addr, "--pin", &pin, "send", "--to", "ALL", "hello"])
    };
    let (code, _, said) = send(fingerprint_of([10; 32]));
    assert_eq!(code, 4, "{said}");
    assert!(said.contains("--pin asks for"), "{said}");
    assert!(
        !home.0.join("lamparina/known_servers").exists(),
        "nothing is remembered"
    );
    let (code, _, said) = send(fingerprint_of([9; 32]));
    assert_eq!(code, 0, "{said}");
}
