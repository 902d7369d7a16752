//! Where a setting's value comes from, what a wrong file says, and what a running server does with
//! another one.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Output, Stdio};

/// A folder that lives as long as its test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let folder = format!("lamparina-config-{name}-{}", std::process::id());
        let folder = std::env::temp_dir().join(folder);
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(folder.join("config/lamparina")).unwrap();
        Self(folder)
    }

    fn default_file(&self) -> PathBuf {
        self.0.join("config/lamparina/server.toml")
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, text).unwrap();
        path
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lamparina-server"));
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("LAMPARINA_") {
                command.env_remove(name);
            }
        }
        command
            .args(args)
            .current_dir(&self.0)
            .env("XDG_CONFIG_HOME", self.0.join("config"))
            .env("XDG_DATA_HOME", self.0.join("data"))
            .env("NO_COLOR", "1");
        command
    }

    #[track_caller]
    fn run(&self, args: &[&str]) -> (i32, String, String) {
        said(self.command(args).output().unwrap())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn said(output: Output) -> (i32, String, String) {
    (
        output.status.code().unwrap(),
        String::from_utf8(output.stdout).unwrap(),
        String::from_utf8(output.stderr).unwrap(),
    )
}

#[track_caller]
fn line(shown: &str, name: &str) -> String {
    let found = shown
        .lines()
        .find(|line| line.starts_with(&format!("{name} = ")));
    found
        .unwrap_or_else(|| panic!("no {name} in\n{shown}"))
        .to_owned()
}

#[test]
fn the_command_line_then_the_environment_then_the_file_then_the_default() {
    let folder = Folder::new("precedence");
    fs::write(
        folder.default_file(),
        "per-address = 3\nhalf-open = 3\nconnections = 3\nlab = true\nlisten = [\"127.0.0.1:1\", \"127.0.0.1:2\"]\n",
    )
    .unwrap();
    let mut command = folder.command(&["--per-address", "1", "config", "show", "--origin"]);
    command.env("LAMPARINA_PER_ADDRESS", "2");
    command.env("LAMPARINA_HALF_OPEN", "2");
    let (code, shown, words) = said(command.output().unwrap());
    assert_eq!((code, words.as_str()), (0, ""));
    let file = folder.default_file();
    let file = file.display();
    for (name, expected) in [
        ("per-address", "per-address = 1  # command line".to_owned()),
        (
            "half-open",
            "half-open = 2  # environment, LAMPARINA_HALF_OPEN".to_owned(),
        ),
        ("connections", format!("connections = 3  # {file}")),
        ("lab", format!("lab = true  # {file}")),
        (
            "listen",
            format!("listen = [\"127.0.0.1:1\", \"127.0.0.1:2\"]  # {file}"),
        ),
        ("rate", "rate = 20  # default".to_owned()),
    ] {
        assert_eq!(line(&shown, name), expected);
    }
    // What a switch of the file says can be taken back; a list is replaced whole.
    let (_, shown, _) = folder.run(&["--lab=false", "--listen", "127.0.0.1:9", "config", "show"]);
    assert_eq!(line(&shown, "lab"), "lab = false");
    assert_eq!(line(&shown, "listen"), "listen = [\"127.0.0.1:9\"]");
    // What is shown is a configuration file.
    let whole = folder.file("shown.toml", &shown);
    let (code, checked, words) = folder.run(&["config", "check", whole.to_str().unwrap()]);
    assert_eq!((code, words.as_str()), (0, ""));
    assert!(checked.contains("settings, nothing wrong"), "{checked}");
}

#[test]
fn another_file_may_be_named_and_must_be_there() {
    let folder = Folder::new("named");
    fs::write(folder.default_file(), "rate = 5\n").unwrap();
    let other = folder.file("other.toml", "burst = 7\n");
    let other = other.to_str().unwrap();
    for args in [
        ["--config", other, "config", "show"],
        ["config", "show", "--config", other],
    ] {
        let (_, shown, _) = folder.run(&args);
        assert_eq!(line(&shown, "rate"), "rate = 20");
        assert_eq!(line(&shown, "burst"), "burst = 7");
    }
    let (code, _, words) = folder.run(&["--config", "nowhere.toml"]);
    assert_eq!(code, 2);
    assert!(words.contains("nowhere.toml: cannot be read"), "{words}");
    fs::remove_file(folder.default_file()).unwrap();
    let (code, shown, _) = folder.run(&["config", "show"]);
    assert_eq!((code, line(&shown, "rate")), (0, "rate = 20".to_owned()));
}

#[test]
fn a_wrong_file_is_refused_with_the_line_to_change() {
    let folder = Folder::new("wrong");
    for (text, expected) in [
        (
            "per-adress = 3\n",
            "per-adress is no setting; did you mean per-address?",
        ),
        ("per_address = 3\n", "did you mean per-address?"),
        ("listen_on = \"x\"\n", "did you mean listen?"),
        (
            "qqqq = 1\n",
            "`lamparina-server config example` lists all there are",
        ),
        ("config = \"x\"\n", "config is no setting"),
        ("per-address = 0\n", "per-address = 0: invalid value '0'"),
        (
            "per-address = \"many\"\n",
            "per-address = \"many\": invalid value 'many'",
        ),
        ("rate = 1.5\n", "give a text, a whole number, true or false"),
        ("[limits]\nrate = 1\n", "limits is no setting"),
        (
            "[rate]\nx = 1\n",
            "settings stand in none: write rate = VALUE",
        ),
        ("lab = 3\n", "lab = 3: invalid value '3'"),
        (
            "log-level = \"loud\"\n",
            "use off, error, warn, info, debug or trace",
        ),
        ("listen = [\"nonsense\"]\n", "as in 127.0.0.1:5000"),
        ("rate = 1\nrate = 2\n", "is not TOML"),
        ("rate\n", "is not TOML"),
        ("in-memory = true\ndata = \"x\"\n", ""),
        ("\"a\\u001b[31m\" = 1\n", "a␛[31m"),
    ] {
        let file = folder.file("wrong.toml", text);
        let file = file.to_str().unwrap();
        let (code, out, words) = folder.run(&["config", "check", file]);
        if expected.is_empty() {
            // Each line is right; both together are not.
            assert_eq!(code, 0, "{words}");
        } else {
            assert_eq!((code, out.as_str()), (2, ""), "{text}: {words}");
            assert!(words.contains(expected), "{text}: {words}");
            assert!(words.contains("wrong.toml: "), "{text}: {words}");
        }
        // No server starts with it.
        let (code, out, _) = folder.run(&["--config", file, "--listen", "127.0.0.1:0"]);
        assert_eq!((code, out.as_str()), (2, ""), "{text}");
    }
}

#[test]
fn memory_alone_and_a_folder_what_is_nearer_holds() {
    let folder = Folder::new("memory");
    fs::write(folder.default_file(), "data = \"here\"\n").unwrap();
    let (_, shown, _) = folder.run(&["--in-memory", "config", "show"]);
    assert_eq!(line(&shown, "in-memory"), "in-memory = true");
    fs::write(folder.default_file(), "in-memory = true\n").unwrap();
    let (_, shown, _) = folder.run(&["--data", "here", "config", "show"]);
    assert_eq!(line(&shown, "in-memory"), "in-memory = false");
    assert_eq!(line(&shown, "data"), "data = \"here\"");
    let (code, _, words) = folder.run(&["--data", "here", "--in-memory"]);
    assert_eq!(code, 2, "{words}");
}

#[test]
fn the_example_is_a_configuration_of_defaults() {
    let folder = Folder::new("example");
    let (code, example, _) = folder.run(&["config", "example"]);
    assert_eq!(code, 0);
    let lines = example.lines().filter_map(|line| line.strip_prefix("# "));
    let settings = lines.filter(|line| line.contains(" = ") && !line.contains(".."));
    let all: String = settings.map(|line| format!("{line}\n")).collect();
    fs::write(folder.default_file(), &all).unwrap();
    let (code, with, words) = folder.run(&["config", "show"]);
    assert_eq!(code, 0, "{words}");
    fs::remove_file(folder.default_file()).unwrap();
    assert_eq!(with, folder.run(&["config", "show"]).1);
    assert!(all.lines().count() > 20, "{all}");
}

/// A running server, and what it says.
struct Running {
    child: Child,
    said: BufReader<ChildStderr>,
}

impl Running {
    fn start(folder: &Folder, file: &Path) -> Self {
        let file = file.to_str().unwrap();
        let mut child = folder
            .command(&["--listen", "127.0.0.1:0", "--in-memory", "--config", file])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        out.read_line(&mut line).unwrap();
        assert!(line.starts_with("listening on "), "{line}");
        let said = BufReader::new(child.stderr.take().unwrap());
        Self { child, said }
    }

    fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, signal).unwrap();
    }

    /// The next line on stderr that holds `what`.
    fn wait_said(&mut self, what: &str) -> String {
        loop {
            let mut line = String::new();
            assert_ne!(
                self.said.read_line(&mut line).unwrap(),
                0,
                "nothing said of {what}"
            );
            if line.contains(what) {
                return line;
            }
        }
    }

    fn reload(&mut self, what: &str) -> String {
        self.signal(rustix::process::Signal::HUP);
        self.wait_said(what)
    }
}

#[test]
fn a_running_server_reads_its_file_again() {
    let folder = Folder::new("reload");
    let file = folder.file("server.toml", "rate = 5\ntail = 32\n");
    let mut server = Running::start(&folder, &file);
    let same = server.reload("read again");
    assert!(
        same.contains("nothing that can change now has changed"),
        "{same}"
    );

    folder.file("server.toml", "rate = 9\nhalf-open = 7\nlab = true\n");
    let live = server.reload("read again");
    assert!(
        live.contains("rate from 5 to 9, half-open from 4096 to 7") || live.contains("half-open"),
        "{live}"
    );
    let restart = server.wait_said("after a restart");
    assert!(restart.contains("lab from false to true"), "{restart}");
    assert!(restart.contains("tail from 32 to "), "{restart}");
    assert!(!restart.contains("rate"), "{restart}");

    folder.file("server.toml", "rate = 9000000000\n");
    let broken = server.reload("nothing was changed");
    assert!(broken.contains("rate = 9000000000"), "{broken}");
    // What was not taken over is still to be changed from what holds.
    folder.file("server.toml", "rate = 10\nhalf-open = 7\ntail = 32\n");
    let live = server.reload("read again");
    assert!(live.contains("rate from 9 to 10"), "{live}");
    assert!(!live.contains("half-open"), "{live}");

    // The log level, too: from here on only warnings are said.
    folder.file(
        "server.toml",
        "rate = 11\nlog-level = \"warn\"\ntail = 64\nlab = true\n",
    );
    let quiet = server.reload("after a restart");
    assert!(quiet.contains("tail from 32 to 64"), "{quiet}");
    server.signal(rustix::process::Signal::TERM);
    assert_eq!(server.child.wait().unwrap().code(), Some(0));
    let mut rest = String::new();
    std::io::Read::read_to_string(&mut server.said, &mut rest).unwrap();
    assert!(!rest.contains("INFO"), "{rest}");
}
