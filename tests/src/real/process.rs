//! A process of the test: its input, what it said, its end. Killed when dropped.

use std::fs;
use std::io::Write;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::Instant;

use rustix::process::{Pid, Resource, Rlimit, getrlimit, kill_process, setrlimit};

pub use rustix::process::Signal;

use super::transcript::Transcript;
use super::{LOOK_AGAIN_AFTER, PATIENCE};

/// A running process.
#[derive(Debug)]
pub struct Process {
    child: Child,
    /// Lines on their way to its input; dropped, the input ends.
    input: Option<mpsc::Sender<Vec<u8>>>,
    transcript: Transcript,
    name: String,
}

impl Process {
    /// Starts `command` with all three streams in our hands. `name` is for failures.
    pub fn start(name: &str, command: Command) -> Self {
        Self::start_heard(name, command, true)
    }

    /// As [`Process::start`], but nobody reads its output: the pipe is broken from the beginning.
    pub fn start_unheard(name: &str, command: Command) -> Self {
        Self::start_heard(name, command, false)
    }

    fn start_heard(name: &str, mut command: Command, heard: bool) -> Self {
        command.stdin(Stdio::piped());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command
            .spawn()
            .unwrap_or_else(|error| panic!("{name} does not start: {error}"));
        let transcript = Transcript::default();
        let out = child.stdout.take().expect("it is piped");
        if heard {
            transcript.follow_out(out);
        } else {
            drop(out);
            transcript.skip();
        }
        transcript.follow_err(child.stderr.take().expect("it is piped"));
        let input = feed(child.stdin.take().expect("it is piped"));
        Self {
            child,
            input: Some(input),
            transcript,
            name: name.to_owned(),
        }
    }

    /// Its number.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it says.
    pub fn transcript(&self) -> &Transcript {
        &self.transcript
    }

    /// Gives it `bytes` to read. Never blocks; what it does not read is lost with it.
    pub fn write(&self, bytes: &[u8]) {
        if let Some(input) = &self.input {
            // Refused only when the process has gone, which the test will see.
            let _ = input.send(bytes.to_owned());
        }
    }

    /// Ends its input.
    pub fn end_input(&mut self) {
        self.input = None;
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        send_signal(self.pid(), signal);
    }

    /// Waits for its end and for its last words; panics with everything heard when it stays.
    #[track_caller]
    pub fn wait_exit(&mut self) -> ExitStatus {
        let until = Instant::now() + PATIENCE;
        loop {
            let ended = self
                .child
                .try_wait()
                .expect("one's own child can be waited for");
            if let Some(status) = ended {
                self.hear_last_words();
                return status;
            }
            if Instant::now() >= until {
                let heard = self.transcript.heard().to_string();
                panic!("{} does not end\n{heard}", self.name);
            }
            std::thread::sleep(LOOK_AGAIN_AFTER);
        }
    }

    /// Waits for its end by itself; gives the code.
    #[track_caller]
    pub fn wait_code(&mut self) -> i32 {
        let status = self.wait_exit();
        status.code().unwrap_or_else(|| {
            let heard = self.transcript.heard().to_string();
            panic!("{} was ended by a signal: {status}\n{heard}", self.name)
        })
    }

    /// Kills it and waits until it has gone.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Its output can be behind its end by a moment.
    fn hear_last_words(&self) {
        let until = Instant::now() + PATIENCE / 10;
        while self.transcript.heard().ended < 2 && Instant::now() < until {
            std::thread::sleep(LOOK_AGAIN_AFTER);
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Writes on a thread of its own, so that a process that does not read holds up no test.
fn feed(mut stream: impl Write + Send + 'static) -> mpsc::Sender<Vec<u8>> {
    let (sender, receiver) = mpsc::channel::<Vec<u8>>();
    std::thread::spawn(move || {
        for bytes in receiver {
            if stream
                .write_all(&bytes)
                .and_then(|()| stream.flush())
                .is_err()
            {
                return;
            }
        }
    });
    sender
}

/// Sends `signal` to a process that this test started, or to a child of one.
pub fn send_signal(pid: u32, signal: Signal) {
    let raw = i32::try_from(pid).expect("a process number fits");
    let pid = Pid::from_raw(raw).expect("a process number is not 0");
    // It may have gone by itself in this moment.
    let _ = kill_process(pid, signal);
}

/// The children of `pid` that are still alive.
pub fn children_of(pid: u32) -> Vec<u32> {
    let folders = fs::read_dir("/proc").expect("/proc can be read");
    let numbers = folders
        .filter_map(Result::ok)
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    numbers
        .filter(|&child| parent_of(child) == Some(pid))
        .collect()
}

/// The parent of a process that is neither gone nor a corpse.
fn parent_of(pid: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may hold anything; after it come state and parent.
    let mut fields = stat.rsplit_once(") ")?.1.split(' ');
    let state = fields.next()?;
    let parent = fields.next()?.parse().ok()?;
    (state != "Z").then_some(parent)
}

/// Resident memory of `pid` in bytes.
pub fn resident_bytes(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("it lives");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|rest| rest.trim().strip_suffix(" kB"));
    1024 * kib
        .expect("VmRSS is in kB")
        .parse::<u64>()
        .expect("a number")
}

/// Lets this process and its children open `wanted` files; says why not where it cannot be.
pub fn allow_open_files(wanted: u64) -> Result<(), String> {
    let now = getrlimit(Resource::Nofile);
    if now.current.is_none_or(|current| current >= wanted) {
        return Ok(());
    }
    if now.maximum.is_some_and(|maximum| maximum < wanted) {
        return Err(format!("{wanted} open files are not allowed here: {now:?}"));
    }
    let raised = Rlimit {
        current: Some(wanted),
        maximum: now.maximum,
    };
    setrlimit(Resource::Nofile, raised).map_err(|error| error.to_string())
}
