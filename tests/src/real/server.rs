//! A server with a folder of its own, its logger, and the clients that connect to it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;

use super::client::{ClientStart, live_in};
use super::folder::Folder;
use super::log::{self, LogLine};
use super::process::{Process, Signal, children_of, send_signal};
use super::{programs, try_wait_for, wait_for};

/// A running server.
#[derive(Debug)]
pub struct Server {
    process: Process,
    addr: SocketAddr,
    folder: Folder,
    /// Its links are in clear.
    clear: bool,
}

impl Server {
    /// A server on a free port of loopback.
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// The same with more arguments.
    pub fn start_with(args: &[&str]) -> Self {
        let folder = Folder::new();
        let command = command(&folder, "127.0.0.1:0", args);
        Self::run(folder, command)
    }

    /// A server with links in clear, for peers that frame by hand; its clients know.
    pub fn start_clear() -> Self {
        Self::start_with(&["--cleartext"])
    }

    /// A server that may open no more than `files` files.
    pub fn start_limited(files: u32) -> Self {
        let folder = Folder::new();
        let plain = command(&folder, "127.0.0.1:0", &["--cleartext"]);
        let mut limited = Command::new("sh");
        let script = format!("ulimit -n {files} && exec \"$0\" \"$@\"");
        limited
            .arg("-c")
            .arg(script)
            .arg(plain.get_program())
            .args(plain.get_args());
        live_in(&mut limited, &folder.within("server"));
        limited.current_dir(folder.within("server"));
        Self::run(folder, limited)
    }

    /// A server that also takes datagrams, at the same port.
    pub fn start_udp(args: &[&str]) -> Self {
        Self::start_with(&[&["--udp", "127.0.0.1:0"], args].concat())
    }

    /// The same folder served again at the same address, after [`Server::kill`].
    pub fn start_again(&mut self, args: &[&str]) {
        let listen = self.addr.to_string();
        let command = command(&self.folder, &listen, args);
        self.process = Process::start("server", command);
        let words = "`listening on` again";
        self.process.transcript().wait(words, |heard| {
            let lines = heard.out.iter();
            let mut lines = lines.map(|line| String::from_utf8_lossy(&line.bytes).into_owned());
            lines.find(|line| line.starts_with("listening on "))
        });
    }

    /// Kills it, without a word to anybody.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// A server on another machine, the namespace `name` (see [`super::netns`]), at an address there.
    pub fn start_within(name: &str, listen: &str, args: &[&str]) -> Self {
        let folder = Folder::new();
        let plain = command(&folder, listen, args);
        let mut within = super::netns::command(name, &programs::server());
        within.args(plain.get_args());
        live_in(&mut within, &folder.within("server"));
        within.current_dir(folder.within("server"));
        Self::run(folder, within)
    }

    fn run(folder: Folder, command: Command) -> Self {
        let clear = command.get_args().any(|arg| arg == "--cleartext");
        let process = Process::start("server", command);
        let addr = process.transcript().wait("`listening on`", |heard| {
            let lines = heard.out.iter();
            let mut lines = lines.map(|line| String::from_utf8_lossy(&line.bytes));
            lines.find_map(|line| line.strip_prefix("listening on ")?.trim().parse().ok())
        });
        Self {
            process,
            addr,
            folder,
            clear,
        }
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The process.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// Its number.
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// The test's folder.
    pub fn folder(&self) -> &Folder {
        &self.folder
    }

    /// A client of a profile named like its nick.
    pub fn client(&self, nick: &str) -> ClientStart {
        let home = self.folder.within(&format!("profile-{nick}"));
        let client = ClientStart::new(&home, self.addr).name(nick);
        match self.clear {
            true => client.arg("--cleartext"),
            false => client,
        }
    }

    /// A client that has entered.
    #[track_caller]
    pub fn enter(&self, nick: &str) -> super::Client {
        self.client(nick).enter()
    }

    /// The log's file.
    pub fn log_file(&self) -> PathBuf {
        self.folder.path().join("server/logs/server.log")
    }

    /// The whole lines that the log holds now.
    pub fn log(&self) -> Vec<LogLine> {
        log::read(&self.log_file())
    }

    /// Waits until the log holds what `look` looks for.
    #[track_caller]
    pub fn wait_log<T>(&self, what: &str, mut look: impl FnMut(&[LogLine]) -> Option<T>) -> T {
        let found = try_wait_for(|| look(&self.log()));
        found.unwrap_or_else(|| panic!("the log has no {what}:\n{}", log::shown(&self.log())))
    }

    /// The logger's number, once there is one other than `not`.
    #[track_caller]
    pub fn logger_other_than(&self, not: Option<u32>) -> u32 {
        wait_for("a logger", || {
            let children = children_of(self.pid());
            children.into_iter().find(|&child| Some(child) != not)
        })
    }

    /// Asks it to end, and gives its exit code.
    #[track_caller]
    pub fn stop(&mut self) -> i32 {
        self.process.signal(Signal::TERM);
        self.process.wait_code()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // A logger ends with its server; one that was stopped cannot.
        let loggers = children_of(self.pid());
        self.process.kill();
        for logger in loggers {
            send_signal(logger, Signal::CONT);
        }
    }
}

/// The command that starts a server at `listen` in a folder.
pub fn command(folder: &Folder, listen: &str, args: &[&str]) -> Command {
    let home = folder.within("server");
    let mut command = Command::new(programs::server());
    live_in(&mut command, &home);
    command
        .current_dir(&home)
        .args(["--listen", listen])
        .args(args);
    command
}
