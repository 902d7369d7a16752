//! A client in JSON lines, with a profile of its own.

use std::ffi::OsStr;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::process::Process;
use super::programs;
use super::transcript::{Heard, Transcript};

/// A client about to start.
#[derive(Clone, Debug)]
pub struct ClientStart {
    home: PathBuf,
    nick: Option<String>,
    server: String,
    args: Vec<String>,
    namespace: Option<String>,
}

/// A running client.
#[derive(Debug)]
pub struct Client {
    process: Process,
    nick: String,
}

impl ClientStart {
    /// A client with the profile in `home`, without a name.
    pub fn new(home: &Path, server: SocketAddr) -> Self {
        Self {
            home: home.to_owned(),
            nick: None,
            server: server.to_string(),
            args: Vec::new(),
            namespace: None,
        }
    }

    /// The nick it claims.
    #[must_use]
    pub fn name(mut self, nick: &str) -> Self {
        self.nick = Some(nick.to_owned());
        self
    }

    /// Another server than the one it was made by, such as a proxy.
    #[must_use]
    pub fn through(mut self, addr: SocketAddr) -> Self {
        self.server = addr.to_string();
        self
    }

    /// By datagrams, where they are answered.
    #[must_use]
    pub fn over_udp(mut self) -> Self {
        self.server = format!("udp://{}", self.server);
        self
    }

    /// On another machine: the namespace `name` (see [`super::netns`]).
    #[must_use]
    pub fn within(mut self, name: &str) -> Self {
        self.namespace = Some(name.to_owned());
        self
    }

    /// Another argument.
    #[must_use]
    pub fn arg(mut self, arg: &str) -> Self {
        self.args.push(arg.to_owned());
        self
    }

    /// Starts the conversation in JSON lines, without waiting for anything.
    pub fn start(self) -> Client {
        let mut command = self.command();
        command.arg(&self.server).arg("--json").args(&self.args);
        self.run(command)
    }

    /// Starts the conversation without JSON: for people.
    pub fn start_plain(self) -> Client {
        let mut command = self.command();
        command.arg(&self.server).args(&self.args);
        self.run(command)
    }

    /// Starts the conversation and waits until it has entered.
    #[track_caller]
    pub fn enter(self) -> Client {
        let client = self.start();
        client.wait_event("connected");
        client
    }

    /// Starts a subcommand, such as `send`, with its arguments.
    pub fn subcommand(self, args: &[&str]) -> Client {
        let mut command = self.command();
        command.args(args).args(&self.args);
        command.args(["--server", &self.server]);
        self.run(command)
    }

    /// Starts the conversation with a standard output that nobody reads.
    pub fn start_unheard(self) -> Client {
        let mut command = self.command();
        command.arg(&self.server).arg("--json").args(&self.args);
        let nick = self.nick.unwrap_or_default();
        Client {
            process: Process::start_unheard(&nick, command),
            nick,
        }
    }

    fn command(&self) -> Command {
        let mut command = match &self.namespace {
            Some(name) => super::netns::command(name, &programs::client()),
            None => Command::new(programs::client()),
        };
        live_in(&mut command, &self.home);
        if let Some(nick) = &self.nick {
            command.args(["--name", nick]);
        }
        command
    }

    fn run(self, command: Command) -> Client {
        let nick = self.nick.unwrap_or_default();
        Client {
            process: Process::start(&nick, command),
            nick,
        }
    }
}

impl Client {
    /// The nick it was started with.
    pub fn nick(&self) -> &str {
        &self.nick
    }

    /// Its process's number.
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// The process.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// What it says.
    pub fn transcript(&self) -> &Transcript {
        self.process.transcript()
    }

    /// Types a line.
    pub fn say(&self, line: &str) {
        self.process.write(format!("{line}\n").as_bytes());
    }

    /// Gives it bytes that need not be a line, nor text.
    pub fn write(&self, bytes: &[u8]) {
        self.process.write(bytes);
    }

    /// Waits for something in what it has said.
    #[track_caller]
    pub fn wait<T>(&self, what: &str, look: impl FnMut(&Heard) -> Option<T>) -> T {
        let what = format!("{what} at {}", self.nick);
        self.transcript().wait(&what, look)
    }

    /// Waits for the first event of a type.
    #[track_caller]
    pub fn wait_event(&self, kind: &str) -> Value {
        self.wait(kind, |heard| heard.of_type(kind).next().cloned())
    }

    /// Waits until there are `count` events of a type; gives the last of them.
    #[track_caller]
    pub fn wait_events(&self, kind: &str, count: usize) -> Value {
        let what = format!("{count} times {kind}");
        self.wait(&what, |heard| {
            heard.of_type(kind).nth(count.saturating_sub(1)).cloned()
        })
    }

    /// Waits until somebody else's message with this text has come.
    #[track_caller]
    pub fn wait_text(&self, text: &str) -> Value {
        let what: String = text.chars().take(80).collect();
        self.wait(&format!("{what:?}"), |heard| {
            heard
                .messages()
                .find(|message| message["text"] == text)
                .cloned()
        })
    }

    /// Waits until `count` messages have come, and gives their texts.
    #[track_caller]
    pub fn wait_texts(&self, count: usize) -> Vec<String> {
        self.wait(&format!("{count} messages"), |heard| {
            (heard.messages().count() >= count).then(|| heard.texts())
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

    /// Everything it wrote until now, to standard output and error.
    pub fn words(&self) -> String {
        self.transcript().heard().to_string()
    }

    /// What it wrote to standard error until now.
    pub fn talk(&self) -> String {
        self.transcript().heard().err.join("\n")
    }
}

/// Gives a process a home in which it finds nobody else's files.
pub(super) fn live_in(command: &mut Command, home: &Path) {
    for (name, _) in std::env::vars_os() {
        if name.as_encoded_bytes().starts_with(b"LAMPARINA_") {
            command.env_remove(name);
        }
    }
    let folders = [
        ("HOME", "home"),
        ("XDG_CONFIG_HOME", "config"),
        ("XDG_DATA_HOME", "data"),
        ("XDG_STATE_HOME", "state"),
        ("XDG_CACHE_HOME", "cache"),
        ("XDG_RUNTIME_DIR", "run"),
    ];
    for (variable, name) in folders {
        let folder = home.join(name);
        std::fs::create_dir_all(&folder).expect("a home can be made");
        command.env(variable, folder);
    }
    command.env("NO_COLOR", OsStr::new("1"));
}
