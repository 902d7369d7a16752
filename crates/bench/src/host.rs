//! This machine: one core for the server and another for the load where there are two; as many
//! open files as allowed; where the server's program is.

use std::path::PathBuf;
use std::process::Command;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// Cores looked at, at most.
const CORES_MAX: usize = 1_024;

/// Which core serves and which loads.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Cores {
    server: usize,
    load: usize,
}

impl Cores {
    /// The first two cores that this process may use, or `None` when there is only one.
    pub(crate) fn two() -> Option<Self> {
        let allowed = sched_getaffinity(None).ok()?;
        let mut cores = (0..CORES_MAX).filter(|core| allowed.is_set(*core));
        let cores = Self {
            server: cores.next()?,
            load: cores.next()?,
        };
        pin(cores.load).then_some(cores)
    }

    /// Runs `spawn` on the server's core, which what it starts inherits, and comes back.
    pub(crate) fn on_server_core<T>(cores: Option<Self>, spawn: impl FnOnce() -> T) -> T {
        let Some(cores) = cores else { return spawn() };
        pin(cores.server);
        let result = spawn();
        pin(cores.load);
        result
    }

    /// One sentence for the report.
    pub(crate) fn describe(cores: Option<Self>) -> String {
        match cores {
            Some(Self { server, load }) => {
                format!("server pinned to core {server}, load to core {load}")
            }
            None => {
                "server and load unpinned (asked for, one core, or pinning not allowed)".to_owned()
            }
        }
    }
}

fn pin(core: usize) -> bool {
    let mut set = CpuSet::new();
    set.set(core);
    sched_setaffinity(None, &set).is_ok()
}

/// Raises the limit of open files to what is allowed; gives that limit.
pub(crate) fn raise_open_files() -> u64 {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: maximum,
        maximum,
    };
    let limit = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => maximum,
        Err(_) => current,
    };
    limit.unwrap_or(u64::MAX)
}

/// Where `lamparina-server` is: beside this program, or built now. A program of an earlier build
/// would be measured in silence, so its age is part of the report.
pub(crate) fn server_program() -> Result<PathBuf, String> {
    let own = std::env::current_exe().map_err(|error| format!("where am I? {error}"))?;
    let beside = own.with_file_name("lamparina-server");
    if beside.is_file() {
        return Ok(beside);
    }
    let release = own
        .parent()
        .is_some_and(|folder| folder.ends_with("release"));
    let mut cargo = Command::new("cargo");
    cargo.args(["build", "--bin", "lamparina-server"]);
    if release {
        cargo.arg("--release");
    }
    eprintln!("{} is missing: building it with cargo", beside.display());
    match cargo.status() {
        Ok(status) if status.success() && beside.is_file() => Ok(beside),
        Ok(_) => Err(format!(
            "cargo built no {}; build lamparina-server and start again",
            beside.display()
        )),
        Err(error) => Err(format!(
            "cargo could not be started ({error}); put lamparina-server beside this program"
        )),
    }
}

/// How long ago `program` was built, in words.
pub(crate) fn age(program: &std::path::Path) -> String {
    let changed = program.metadata().and_then(|data| data.modified());
    match changed.map(|changed| changed.elapsed().unwrap_or_default().as_secs()) {
        Ok(seconds) => format!("built {}:{:02} h ago", seconds / 3_600, seconds / 60 % 60),
        Err(_) => "of unknown age".to_owned(),
    }
}

/// Makes this process end when the one that started it does.
pub(crate) fn end_with_parent() -> std::io::Result<()> {
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?;
    Ok(())
}
