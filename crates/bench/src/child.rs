//! A server as a process of its own: started on the server's core with a free port, asked for its
//! address, measured through `/proc`, ended when dropped.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::rc::Rc;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::folder::Folder;
use crate::host::{self, Cores};
use crate::proc::{self, CpuReading};
use crate::wire::Fault;

/// What a server prints before its address.
pub(crate) const LISTENING: &str = "listening on ";
/// The file that takes a server's standard error; shown when a round fails.
const WORDS: &str = "stderr.txt";
/// Where a Lamparina server keeps its data, in its folder.
pub(crate) const DATA: &str = "data";
/// How long a server may take to end when nothing depends on it.
const END_WITHIN: Duration = Duration::from_secs(5);
/// How long a server that is to be started again may take to end.
const STOP_WITHIN: Duration = Duration::from_secs(120);
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Which server.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Side {
    /// The baseline.
    Raw,
    /// Lamparina's.
    Ours,
}

impl Side {
    /// As the report names it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Ours => "lamparina",
        }
    }
}

/// What the baseline does with what it is sent.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum RawKind {
    /// Copies it to the others.
    Copies,
    /// Keeps it in a file and commits it.
    Keeps,
    /// Both, in this order.
    KeepsAndCopies,
}

/// What is started, and where it runs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Launch {
    /// Which server.
    pub(crate) side: Side,
    /// Which baseline, when it is that.
    pub(crate) raw: RawKind,
    /// On which core.
    pub(crate) cores: Option<Cores>,
    /// Whether links to ours are sealed.
    pub(crate) sealed: bool,
    /// Whether ours keeps its data on the disk, and not in memory alone.
    pub(crate) stores: bool,
}

/// A running server.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    addr: SocketAddr,
    started_in: Duration,
    /// Data and logs.
    folder: Rc<Folder>,
}

/// CPU time of the server and, apart from it, of the processes it started (its logger).
#[derive(Clone, Debug)]
pub(crate) struct ServerCpu {
    server: CpuReading,
    helpers: Vec<CpuReading>,
}

impl Server {
    /// Starts a server in `folder` and waits for its address.
    pub(crate) fn start(launch: Launch, folder: Rc<Folder>) -> Result<Self, Fault> {
        let mut command = program(launch)?;
        command.current_dir(folder.path());
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let words = File::create(folder.path().join(WORDS));
        command.stderr(words.map_err(Fault::io("keeping its words"))?);
        let began = Instant::now();
        let spawned = Cores::on_server_core(launch.cores, || command.spawn());
        let mut child = spawned.map_err(Fault::io("starting the server"))?;
        let addr = listening_addr(&mut child);
        let server = Self {
            child,
            addr: addr.unwrap_or_else(|| SocketAddr::from(([0; 4], 0))),
            started_in: began.elapsed(),
            folder,
        };
        if addr.is_none() {
            let (name, words) = (launch.side.name(), server.words());
            return Err(Fault::Broken(format!(
                "the {name} server did not say where it listens. Its words: {words}"
            )));
        }
        Ok(server)
    }

    /// Time from starting the process until it said where it listens.
    pub(crate) fn started_in(&self) -> Duration {
        self.started_in
    }

    /// What the server wrote to its standard error.
    pub(crate) fn words(&self) -> String {
        std::fs::read_to_string(self.folder.path().join(WORDS)).unwrap_or_default()
    }

    /// Its folder.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Where it listens.
    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// CPU time until now.
    pub(crate) fn cpu(&self) -> Result<ServerCpu, Fault> {
        let pid = self.child.id();
        let helpers = proc::children(pid).into_iter().map(CpuReading::of);
        Ok(ServerCpu {
            server: CpuReading::of(pid).map_err(Fault::io("reading the server's CPU time"))?,
            helpers: helpers.flatten().collect(),
        })
    }

    /// Resident bytes now, without the processes it started.
    pub(crate) fn rss_bytes(&self) -> Result<u64, Fault> {
        proc::rss_bytes(self.child.id()).map_err(Fault::io("reading the server's memory"))
    }

    /// Ends it orderly: what it keeps must be whole afterwards. Gives how long that took.
    pub(crate) fn stop(mut self) -> Result<Duration, Fault> {
        let began = Instant::now();
        let status = self
            .ask_and_wait(STOP_WITHIN)
            .map_err(Fault::io("ending"))?;
        match status {
            Some(status) if status.success() => Ok(began.elapsed()),
            other => Err(Fault::Broken(format!(
                "asked to end, the server ended with {other:?}. Its words: {}",
                self.words()
            ))),
        }
    }

    /// Ends it as a crash would.
    pub(crate) fn kill(mut self) -> Result<(), Fault> {
        let killed = self.child.kill().and_then(|()| self.child.wait());
        killed.map(|_| ()).map_err(Fault::io("killing the server"))
    }

    /// Asks the server to end and waits for its exit; `None` when it does not come.
    fn ask_and_wait(&mut self, within: Duration) -> io::Result<Option<ExitStatus>> {
        if let Some(status) = self.child.try_wait()? {
            return Ok(Some(status));
        }
        if let Some(pid) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            kill_process(pid, Signal::TERM)?;
        }
        let began = Instant::now();
        while began.elapsed() < within {
            if let Some(status) = self.child.try_wait()? {
                return Ok(Some(status));
            }
            std::thread::sleep(LOOK_EVERY);
        }
        Ok(None)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if !matches!(self.ask_and_wait(END_WITHIN), Ok(Some(_))) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

impl ServerCpu {
    /// CPU time of the server, and of its helpers, since `before`.
    pub(crate) fn since(&self, before: &Self) -> (Duration, Duration) {
        let helpers = self.helpers.iter().zip(&before.helpers);
        (
            self.server.since(&before.server),
            helpers.map(|(now, then)| now.since(then)).sum(),
        )
    }
}

/// What starts a server that listens on a free port; data and log stand where it is started.
fn program(launch: Launch) -> Result<Command, Fault> {
    match launch.side {
        Side::Raw => {
            let own = std::env::current_exe().map_err(Fault::io("finding this program"))?;
            let mut command = Command::new(own);
            command.args(match launch.raw {
                RawKind::Copies => &["raw-server"][..],
                RawKind::Keeps => &["raw-durable", "frames"],
                RawKind::KeepsAndCopies => &["raw-durable", "frames", "--copies"],
            });
            Ok(command)
        }
        Side::Ours => {
            let mut command = Command::new(host::server_program().map_err(Fault::Broken)?);
            command.args(["--listen", "127.0.0.1:0"]);
            match launch.stores {
                true => command.args(["--data", DATA]),
                false => command.arg("--in-memory"),
            };
            if !launch.sealed {
                command.arg("--cleartext");
            }
            Ok(command)
        }
    }
}

/// Reads the server's first lines; a thread goes on reading, so that its pipe never fills.
fn listening_addr(child: &mut Child) -> Option<SocketAddr> {
    let mut lines = BufReader::new(child.stdout.take()?).lines();
    let addr = lines.by_ref().map_while(Result::ok).find_map(|line| {
        let addr = line.strip_prefix(LISTENING)?.split_whitespace().next()?;
        addr.parse().ok()
    })?;
    std::thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
    Some(addr)
}
