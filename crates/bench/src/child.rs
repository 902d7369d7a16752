//! A server as a process of its own: started on the server's core with a free port, asked for its
//! address, measured through `/proc`, ended when dropped.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::host::{self, Cores};
use crate::proc::{self, CpuReading};
use crate::wire::Fault;

/// The hidden role in which this program is the raw server.
pub(crate) const RAW_SERVER_ROLE: &str = "raw-server";
/// What a server prints before its address.
pub(crate) const LISTENING: &str = "listening on ";
/// The file that takes a server's standard error; shown when a round fails.
const WORDS: &str = "stderr.txt";
/// How long a server may take to end when asked to.
const END_WITHIN: Duration = Duration::from_secs(5);
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

/// A running server.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    addr: SocketAddr,
    /// Data and logs; gone with the server.
    folder: PathBuf,
}

/// CPU time of the server and, apart from it, of the processes it started (its logger).
#[derive(Clone, Debug)]
pub(crate) struct ServerCpu {
    server: CpuReading,
    helpers: Vec<CpuReading>,
}

impl Server {
    /// Starts a server and waits for its address.
    pub(crate) fn start(side: Side, cores: Option<Cores>) -> Result<Self, Fault> {
        let folder = fresh_folder().map_err(Fault::io("making a folder for the server"))?;
        let mut command = program(side)?;
        command.current_dir(&folder);
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let words = File::create(folder.join(WORDS)).map_err(Fault::io("keeping its words"))?;
        command.stderr(words);
        let spawned = Cores::on_server_core(cores, || command.spawn());
        let mut child = spawned.map_err(Fault::io("starting the server"))?;
        let addr = listening_addr(&mut child);
        let server = Self {
            child,
            addr: addr.unwrap_or_else(|| SocketAddr::from(([0; 4], 0))),
            folder,
        };
        if addr.is_none() {
            let (name, words) = (side.name(), server.words());
            return Err(Fault::Broken(format!(
                "the {name} server did not say where it listens. Its words: {words}"
            )));
        }
        Ok(server)
    }

    /// What the server wrote to its standard error.
    pub(crate) fn words(&self) -> String {
        std::fs::read_to_string(self.folder.join(WORDS)).unwrap_or_default()
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

    /// Asks the server to end and waits a little.
    fn end(&mut self) -> io::Result<()> {
        if let Some(pid) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            kill_process(pid, Signal::TERM)?;
        }
        let began = Instant::now();
        while began.elapsed() < END_WITHIN {
            if self.child.try_wait()?.is_some() {
                return Ok(());
            }
            std::thread::sleep(LOOK_EVERY);
        }
        self.child.kill()?;
        self.child.wait().map(|_| ())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.end();
        let _ = std::fs::remove_dir_all(&self.folder);
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
fn program(side: Side) -> Result<Command, Fault> {
    match side {
        Side::Raw => {
            let own = std::env::current_exe().map_err(Fault::io("finding this program"))?;
            let mut command = Command::new(own);
            command.arg(RAW_SERVER_ROLE);
            Ok(command)
        }
        Side::Ours => {
            let mut command = Command::new(host::server_program().map_err(Fault::Broken)?);
            command.args(["--listen", "127.0.0.1:0"]);
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

fn fresh_folder() -> io::Result<PathBuf> {
    static COUNT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    let count = COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let name = format!("lamparina-bench-{}-{count}", std::process::id());
    let folder = std::env::temp_dir().join(name);
    std::fs::create_dir_all(&folder)?;
    Ok(folder)
}
