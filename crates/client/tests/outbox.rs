//! The program is killed, and started again: what it said to be queued gets its place, once, in
//! order; what it showed is not shown again, and nothing is left out.
#![allow(clippy::unwrap_used, reason = "the helpers of tests are tests")]

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use lamparina_server::{Links, Server, ServerConfig, identity};
use serde_json::Value;

/// How long anything is waited for. Only a fault reaches it.
const PATIENCE: Duration = Duration::from_secs(60);

/// A home that goes with the test.
struct Home(PathBuf);

impl Home {
    fn new(name: &str) -> Self {
        let name = format!("lamparina-{}-{name}", std::process::id());
        let home = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&home).unwrap();
        Self(home)
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// An address at which nobody listens.
fn nobody() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap()
}

/// A server at `at`, on a thread of its own, until what is given is dropped. It keeps nothing, so
/// that each orders another log.
fn serve(at: SocketAddr) -> Serving {
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let (tell, told) = channel();
    let thread = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = { runtime }.enable_all().build().unwrap();
        runtime.block_on(async {
            let server = Server::bind(&[at], sealed()).unwrap();
            tell.send(()).unwrap();
            let end = async {
                // Dropped, or said: both end it.
                let _ = stopped.await;
            };
            server.run(end).await.unwrap();
        });
    });
    told.recv().unwrap();
    Serving(Some((stop, thread)))
}

struct Serving(
    Option<(
        tokio::sync::oneshot::Sender<()>,
        std::thread::JoinHandle<()>,
    )>,
);

impl Drop for Serving {
    fn drop(&mut self) {
        if let Some((stop, thread)) = self.0.take() {
            drop(stop);
            thread.join().unwrap();
        }
    }
}

/// A client in JSON lines, killed when dropped.
struct Client {
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Receiver<Value>,
}

impl Client {
    fn start(home: &Path, server: impl ToString, name: &str) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lamparina-client"));
        for name in ["LAMPARINA_SERVER", "LAMPARINA_NAME", "XDG_RUNTIME_DIR"] {
            command.env_remove(name);
        }
        for name in ["HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME"] {
            command.env(name, home);
        }
        let command = command.args([&server.to_string(), "--name", name, "--json", "--retry"]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.stderr(Stdio::null()).spawn().unwrap();
        let (tell, lines) = channel();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                // The last line of one that was killed may be torn.
                let Ok(line) = serde_json::from_str(&line) else {
                    return;
                };
                if tell.send(line).is_err() {
                    return;
                }
            }
        });
        Self {
            stdin: child.stdin.take(),
            child,
            lines,
        }
    }

    fn say(&mut self, line: &str) {
        writeln!(self.stdin.as_mut().unwrap(), "{line}").unwrap();
    }

    /// The next event of this type.
    fn next(&self, wanted: &str) -> Value {
        loop {
            let line = self.lines.recv_timeout(PATIENCE);
            let line = line.unwrap_or_else(|_| panic!("waited in vain for `{wanted}`"));
            if line["type"] == wanted {
                return line;
            }
        }
    }

    /// Ends the input; everything that comes until the end, and the exit code.
    fn end(mut self) -> (Vec<Value>, i32) {
        drop(self.stdin.take());
        let lines = self.lines.iter().collect();
        (lines, self.child.wait().unwrap().code().unwrap())
    }

    /// `kill -9`; everything that came until then.
    fn kill(mut self) -> Vec<Value> {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.lines.iter().collect()
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn of<'a>(lines: &'a [Value], wanted: &str) -> Vec<&'a Value> {
    let of = |line: &&Value| line["type"] == wanted;
    lines.iter().filter(of).collect()
}

fn number(value: &Value, field: &str) -> u64 {
    value[field].as_u64().unwrap()
}

#[test]
fn what_was_queued_without_a_server_is_sent_by_the_next_run() {
    let (home, at) = (Home::new("queued"), nobody());
    let mut ana = Client::start(&home.0, at, "ana");
    for text in ["one", "two", "three", "four"] {
        ana.say(text);
    }
    let epoch = number(&ana.next("queued"), "epoch");
    (2..=4).for_each(|pseq| assert_eq!(number(&ana.next("queued"), "pseq"), pseq));
    ana.say("/queue cancel 2");
    assert_eq!(number(&ana.next("cancelled"), "pseq"), 2);
    ana.kill();

    // What an earlier run may have sent cannot be cancelled; this was not.
    let mut ana = Client::start(&home.0, at, "ana");
    ana.say("/queue cancel 3");
    assert_eq!(number(&ana.next("cancelled"), "pseq"), 3);
    ana.kill();

    let _serving = serve(at);
    let bob = Client::start(&home.0, at, "bob");
    bob.next("connected");
    let mut ana = Client::start(&home.0, at, "ana");
    ana.say("five");
    let (lines, code) = ana.end();
    let committed: Vec<_> = of(&lines, "committed")
        .iter()
        .map(|line| (number(line, "epoch"), number(line, "pseq")))
        .collect();
    assert_eq!(committed, [(epoch, 1), (epoch, 2), (epoch, 3)]);
    let closed = of(&lines, "closed")[0];
    assert_eq!((number(closed, "pending"), code), (0, 0));
    for text in ["one", "three", "five"] {
        assert_eq!(bob.next("message")["text"], text);
    }
}

#[test]
fn killed_again_and_again_nothing_queued_is_lost_or_sent_twice() {
    const RUNS: usize = 12;
    let (home, at) = (Home::new("killed"), nobody());
    let _serving = serve(at);
    let bob = Client::start(&home.0, at, "bob");
    bob.next("connected");
    let mut queued = 0;
    for run in 0..RUNS {
        let mut ana = Client::start(&home.0, at, "ana");
        let lines: String = (0..400).map(|line| format!("{run}:{line}\n")).collect();
        let mut stdin = ana.stdin.take().unwrap();
        // A write that fails is one to a client that was killed.
        let writes = std::thread::spawn(move || stdin.write_all(lines.as_bytes()));
        for _ in 0..run * 20 {
            ana.next("queued");
        }
        queued += run * 20 + of(&ana.kill(), "queued").len();
        let _ = writes.join().unwrap();
    }
    let (lines, code) = Client::start(&home.0, at, "ana").end();
    assert_eq!(code, 0, "{lines:?}");
    let mut ana = Client::start(&home.0, at, "ana");
    ana.say("last");
    let (lines, _) = ana.end();
    let settled = number(of(&lines, "committed")[0], "pseq") as usize - 1;

    let mut texts = Vec::new();
    loop {
        let text = bob.next("message")["text"].as_str().unwrap().to_owned();
        if text == "last" {
            break;
        }
        texts.push(text);
    }
    // Each one once, in the order in which it was said.
    let place = |text: &String| {
        let (run, line) = text.split_once(':').unwrap();
        (
            run.parse::<usize>().unwrap(),
            line.parse::<usize>().unwrap(),
        )
    };
    let places: Vec<_> = texts.iter().map(place).collect();
    assert!(places.is_sorted_by(|a, b| a < b), "{places:?}");
    // Nothing within a run is left out: what was queued is a beginning of what was typed.
    for pair in places.windows(2) {
        let goes_on = pair[0].0 == pair[1].0 && pair[0].1 + 1 == pair[1].1;
        assert!(goes_on || pair[1].1 == 0, "{pair:?}");
    }
    assert_eq!(places.len(), settled);
    assert!(places.len() >= queued, "{} of {queued}", places.len());
}

#[test]
fn a_newer_client_of_the_profile_has_the_outbox_and_the_older_one_ends() {
    let (home, at) = (Home::new("newer"), nobody());
    let mut older = Client::start(&home.0, at, "ana");
    older.say("one");
    older.say("two");
    older.next("queued");
    older.next("queued");
    let mut newer = Client::start(&home.0, at, "ana");
    newer.say("three");
    newer.next("queued");
    older.say("four");
    let (lines, code) = older.end();
    assert_eq!(code, 4, "{lines:?}");
    assert!(
        of(&lines, "error")
            .iter()
            .any(|error| error["code"] == "taken-over")
    );
    assert!(of(&lines, "queued").is_empty(), "{lines:?}");
    let _serving = serve(at);
    let (lines, code) = newer.end();
    assert_eq!((of(&lines, "committed").len(), code), (3, 0), "{lines:?}");
}

/// Messages until the one at `last`: each as (`prev`, stamp).
fn until(reader: &Client, last: u64) -> Vec<(u64, u64)> {
    let mut seen: Vec<(u64, u64)> = Vec::new();
    while seen.last().is_none_or(|(_, stamp)| *stamp != last) {
        let line = reader.next("message");
        seen.push((number(&line, "prev"), number(&line, "stamp")));
    }
    seen
}

#[test]
fn what_was_shown_is_not_shown_again_and_nothing_is_left_out() {
    let (home, at) = (Home::new("shown"), nobody());
    let _serving = serve(at);
    let mut reader = Client::start(&home.0, at, "bob");
    reader.next("connected");
    let mut ana = Client::start(&home.0, at, "ana");
    let mut shown = 0;
    let mut was_killed = false;
    for run in 0..6 {
        (0..50).for_each(|line| ana.say(&format!("{run}:{line}")));
        let mut last = 0;
        (0..50).for_each(|_| last = number(&ana.next("committed"), "stamp"));
        let seen = until(&reader, last);
        // Killed, it may show a little again; never does it leave anything out.
        let goes_on = seen[0].0;
        assert!(
            goes_on == shown || (was_killed && goes_on < shown),
            "{shown} {seen:?}"
        );
        assert!(
            seen.windows(2).all(|pair| pair[1].0 == pair[0].1),
            "{seen:?}"
        );
        shown = last;
        was_killed = run % 2 == 0;
        let rest = if was_killed {
            reader.kill()
        } else {
            reader.end().0
        };
        assert!(of(&rest, "message").is_empty(), "{rest:?}");
        reader = Client::start(&home.0, at, "bob");
    }
}

/// A server that programs would start: its links are sealed.
fn sealed() -> ServerConfig {
    // One key: another one at a known address would be somebody else.
    static KEY: std::sync::OnceLock<lamparina_protocol::seal::IdentityKey> =
        std::sync::OnceLock::new();
    let make = || identity::generate().expect("the system gives randomness");
    ServerConfig::new(Links::Sealed(KEY.get_or_init(make).clone()))
}

#[test]
fn what_was_queued_at_one_address_of_a_log_goes_out_at_another() {
    let (home, at) = (Home::new("addresses"), nobody());
    let by_name = format!("localhost:{}", at.port());
    let mut ana = Client::start(&home.0, at, "ana");
    ana.say("queued first");
    let first = ana.next("queued");
    ana.kill();
    let _serving = serve(at);
    // Under its other address the server says which log it has; nothing was queued there.
    let mut ana = Client::start(&home.0, &by_name, "ana");
    ana.say("by name");
    let epoch = number(&ana.next("committed"), "epoch");
    assert_ne!(epoch, number(&first, "epoch"));
    assert_eq!(ana.end().1, 0);
    // Now the first address: the same log, hence the same outbox, and what was queued goes into it.
    let mut ana = Client::start(&home.0, at, "ana");
    let moved = ana.next("committed");
    assert_eq!(
        (number(&moved, "epoch"), number(&moved, "pseq")),
        (epoch, 2)
    );
    assert_eq!(
        moved["was"]["epoch"], first["epoch"],
        "as its author was told"
    );
    ana.say("once more");
    let (lines, code) = ana.end();
    assert_eq!(of(&lines, "committed").len(), 1);
    assert_eq!(number(of(&lines, "committed")[0], "pseq"), 3);
    assert_eq!(code, 0);
}

#[test]
fn what_was_queued_for_another_log_waits_for_its_author() {
    let (home, at) = (Home::new("other-log"), nobody());
    let serving = serve(at);
    let ana = Client::start(&home.0, at, "ana");
    ana.next("connected");
    assert_eq!(ana.end().1, 0);
    drop(serving);
    let mut ana = Client::start(&home.0, at, "ana");
    ana.say("for the first log");
    ana.say("this too");
    ana.next("queued");
    ana.next("queued");
    ana.kill();
    let _serving = serve(at);
    let bob = Client::start(&home.0, at, "bob");
    bob.next("connected");
    let mut ana = Client::start(&home.0, at, "ana");
    let told = ana.next("new_log");
    assert_eq!((number(&told, "again"), number(&told, "kept")), (0, 2));
    ana.say("for the second");
    assert_eq!(bob.next("message")["text"], "for the second");
    ana.next("committed");
    ana.say("/queue");
    let queue = ana.next("info");
    let queue = queue["text"].as_str().unwrap();
    assert!(
        queue.contains("2 kept for another order") && queue.contains("- to ALL: this too"),
        "{queue}"
    );
    let (lines, code) = ana.end();
    assert_eq!(
        (of(&lines, "committed").len(), code),
        (0, 6),
        "they stay, and the run says so"
    );
    let mut ana = Client::start(&home.0, at, "ana");
    ana.next("connected");
    ana.say("/queue send");
    let (lines, code) = ana.end();
    assert_eq!((of(&lines, "committed").len(), code), (2, 0));
    for text in ["for the first log", "this too"] {
        assert_eq!(bob.next("message")["text"], text);
    }
    let mut ana = Client::start(&home.0, at, "ana");
    ana.say("/queue send");
    assert_eq!(ana.next("info")["text"], "nothing waits for another order");
}

#[test]
fn any_number_of_piped_questions_is_answered() {
    let (home, at) = (Home::new("questions"), nobody());
    let _serving = serve(at);
    let mut ana = Client::start(&home.0, at, "ana");
    // More than wait at a server, and more than an outbox holds. This server answers each by a word.
    let asked = 1_500;
    (0..asked).for_each(|_| ana.say("/history 3"));
    ana.say("behind them");
    let (lines, code) = ana.end();
    let errors = of(&lines, "error");
    assert_eq!(errors.len(), asked);
    assert!(
        errors.iter().all(|error| error["code"] == "not-allowed"),
        "{:?}",
        errors[0]
    );
    assert_eq!((of(&lines, "committed").len(), code), (1, 0));
}
