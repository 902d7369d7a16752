//! A peer without a server, in JSON lines, with a home of its own.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::client::live_in;
use super::process::Process;
use super::programs;
use super::transcript::{Heard, Transcript};

/// A peer about to start: on loopback at a free port, without beacons, unless told otherwise.
#[derive(Clone, Debug)]
pub struct PeerStart {
    home: PathBuf,
    name: String,
    /// A network namespace, for another machine.
    machine: Option<String>,
    listen: String,
    args: Vec<String>,
}

/// A running peer.
#[derive(Debug)]
pub struct Peer {
    process: Process,
    name: String,
}

/// A line as every peer has it: what places it in history, and what it says.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Line {
    /// Its stamp.
    pub stamp: u64,
    /// Whose it is, in hexadecimal digits.
    pub author: String,
    /// Of which life.
    pub incarnation: u64,
    /// Its place in that life.
    pub n: u64,
    /// Of its bytes.
    pub digest: String,
    /// What it says.
    pub text: String,
}

impl Line {
    /// Of a `message` or `committed` event.
    ///
    /// # Panics
    ///
    /// Where a field is missing, or not what it should be.
    #[track_caller]
    pub fn of(event: &Value) -> Self {
        let text = |name: &str| match event[name].as_str() {
            Some(text) => text.to_owned(),
            None => panic!("no {name} in {event}"),
        };
        let number = |name: &str| match event[name].as_u64() {
            Some(number) => number,
            None => panic!("no {name} in {event}"),
        };
        Self {
            stamp: number("stamp"),
            author: text("author"),
            incarnation: text("incarnation").parse().expect("a number as text"),
            n: number("n"),
            digest: text("digest"),
            text: text("text"),
        }
    }
}

impl PeerStart {
    /// A peer called `name`, with its key and history under `home`.
    pub fn new(home: &Path, name: &str) -> Self {
        Self {
            home: home.to_owned(),
            name: name.to_owned(),
            machine: None,
            listen: "127.0.0.1:0".to_owned(),
            args: vec!["--no-multicast".to_owned()],
        }
    }

    /// Calls another peer.
    #[must_use]
    pub fn calls(self, addr: SocketAddr) -> Self {
        self.args(&["--peer", &addr.to_string()])
    }

    /// On another machine, the namespace `name` (see [`super::netns`]): listens at any address, and finds
    /// others by beacons.
    #[must_use]
    pub fn within(mut self, name: &str) -> Self {
        self.machine = Some(name.to_owned());
        self.args.retain(|arg| arg != "--no-multicast");
        self.listens("0.0.0.0:0")
    }

    /// Listens there.
    #[must_use]
    pub fn listens(mut self, addr: &str) -> Self {
        addr.clone_into(&mut self.listen);
        self
    }

    /// More arguments.
    #[must_use]
    pub fn args(mut self, args: &[&str]) -> Self {
        self.args.extend(args.iter().map(|arg| (*arg).to_owned()));
        self
    }

    /// Starts it in JSON lines, without waiting for anything.
    pub fn start(self) -> Peer {
        self.args(&["--json"]).start_plain()
    }

    /// Starts it for people.
    pub fn start_plain(self) -> Peer {
        let mut command = self.command();
        command.args(["--listen", &self.listen, "--name", &self.name]);
        command.args(&self.args);
        self.run(command)
    }

    /// Starts it with these arguments and no others.
    pub fn start_with(self, args: &[&str]) -> Peer {
        let mut command = self.command();
        command.args(args);
        self.run(command)
    }

    /// Starts it and waits until it knows the clock.
    #[track_caller]
    pub fn enter(self) -> Peer {
        let peer = self.start();
        peer.wait_event("connected");
        peer
    }

    fn command(&self) -> Command {
        let mut command = match &self.machine {
            Some(name) => super::netns::command(name, &programs::peer()),
            None => Command::new(programs::peer()),
        };
        live_in(&mut command, &self.home);
        command
    }

    fn run(self, command: Command) -> Peer {
        Peer {
            process: Process::start(&self.name, command),
            name: self.name,
        }
    }
}

impl Peer {
    /// The process.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// What it says.
    pub fn transcript(&self) -> &Transcript {
        self.process.transcript()
    }

    /// Where it listens.
    #[track_caller]
    pub fn addr(&self) -> SocketAddr {
        let event = self.wait_event("listening");
        let addr = event["addr"].as_str().unwrap_or_default();
        addr.parse()
            .unwrap_or_else(|_| panic!("no address: {event}"))
    }

    /// Types a line.
    pub fn say(&self, line: &str) {
        self.process.write(format!("{line}\n").as_bytes());
    }

    /// Waits for something in what it has said.
    #[track_caller]
    pub fn wait<T>(&self, what: &str, look: impl FnMut(&Heard) -> Option<T>) -> T {
        let what = format!("{what} at {}", self.name);
        self.transcript().wait(&what, look)
    }

    /// Waits for the first event of a type.
    #[track_caller]
    pub fn wait_event(&self, kind: &str) -> Value {
        self.wait_events(kind, 1)
    }

    /// Waits until there are `count` events of a type; gives the last of them.
    #[track_caller]
    pub fn wait_events(&self, kind: &str, count: usize) -> Value {
        let what = format!("{count} times {kind}");
        self.wait(&what, |heard| {
            heard.of_type(kind).nth(count.saturating_sub(1)).cloned()
        })
    }

    /// Waits for the first event of a type that has this text in a field.
    #[track_caller]
    pub fn wait_where(&self, kind: &str, field: &str, text: &str) -> Value {
        let what = format!("{kind} with {field} {text:?}");
        self.wait(&what, |heard| {
            heard
                .of_type(kind)
                .find(|event| event[field] == text)
                .cloned()
        })
    }

    /// Waits until somebody's message with this text has come.
    #[track_caller]
    pub fn wait_text(&self, text: &str) -> Value {
        self.wait_where("message", "text", text)
    }

    /// Asks for the history once more; gives it.
    #[track_caller]
    pub fn history(&self) -> Vec<Line> {
        let asked = self.events("history").len();
        self.say("/history 1000");
        self.wait("the history", |heard| {
            let (mut answers, mut lines) = (0, Vec::new());
            for event in heard.out.iter().map(|line| &line.json) {
                match event["type"].as_str() {
                    Some("message") if event["history"] == true => lines.push(Line::of(event)),
                    Some("history") if answers == asked => {
                        let count = event["count"].as_u64().unwrap_or_default();
                        let count = usize::try_from(count).unwrap_or(usize::MAX);
                        let begin = lines.len().saturating_sub(count);
                        return Some(lines.split_off(begin));
                    }
                    Some("history") => answers += 1,
                    _ => {}
                }
            }
            None
        })
    }

    /// Asks for the history until it holds `count` lines; gives it.
    #[track_caller]
    pub fn wait_history(&self, count: usize) -> Vec<Line> {
        super::wait_for(&format!("{count} lines at {}", self.name), || {
            let history = self.history();
            (history.len() >= count).then_some(history)
        })
    }

    /// Events of a type until now.
    pub fn events(&self, kind: &str) -> Vec<Value> {
        self.transcript().heard().of_type(kind).cloned().collect()
    }

    /// Ends its input, waits until it has left; gives its exit code.
    #[track_caller]
    pub fn leave(&mut self) -> i32 {
        self.process.end_input();
        self.process.wait_code()
    }

    /// What it wrote to standard output until now, as text.
    pub fn out(&self) -> String {
        let heard = self.transcript().heard();
        let lines = heard.out.iter();
        let lines = lines.map(|line| String::from_utf8_lossy(&line.bytes).into_owned());
        lines.collect::<Vec<_>>().join("\n")
    }

    /// What it wrote to standard error until now.
    pub fn talk(&self) -> String {
        self.transcript().heard().err.join("\n")
    }
}
