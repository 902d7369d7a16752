//! The logger as a real subprocess: in order, killed, stopped, rotated, reopened, ended.
//!
//! Nothing here depends on how fast anything is: conditions are waited for, with a generous bound.
#![allow(clippy::unwrap_used, reason = "the helpers of tests are tests")]

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use lamparina_protocol::Lamport;
use lamparina_server::logger::{LogEvent, LogHandle, Logger, LoggerConfig};
use rustix::process::{Pid, Signal, kill_process, test_kill_process};

const PATIENCE: Duration = Duration::from_secs(20);

/// A folder of one test, removed when the test has passed.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path =
            std::env::temp_dir().join(format!("lamparina-logger-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        Self(path)
    }

    fn config(&self) -> LoggerConfig {
        let mut config = LoggerConfig::new(self.log());
        config.executable = Some(env!("CARGO_BIN_EXE_lamparina-server").into());
        config
    }

    fn log(&self) -> PathBuf {
        self.0.join("logs").join("server.log")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let _ = fs::remove_dir_all(&self.0);
        }
    }
}

fn say(handle: &LogHandle, upto: u64) {
    handle.event(LogEvent::Consumed {
        by: "bob",
        upto: Lamport::new(upto),
        count: 1,
    });
}

fn say_all(handle: &LogHandle, numbers: std::ops::Range<u64>) {
    numbers.for_each(|number| say(handle, number));
}

async fn wait_for(what: &str, mut condition: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !condition() {
        assert!(begun.elapsed() < PATIENCE, "waited in vain: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn signal(pid: u32, signal: Signal) {
    kill_process(as_pid(pid), signal).unwrap();
}

fn as_pid(pid: u32) -> Pid {
    Pid::from_raw(i32::try_from(pid).unwrap()).unwrap()
}

/// What a file says: the numbers of its lines, and the `dropped` lines with how many numbers stood before.
#[derive(Debug, Default)]
struct Read {
    numbers: Vec<u64>,
    dropped: Vec<(usize, u64, String)>,
}

impl Read {
    /// Every line must be whole: begin with a time and end as our lines do.
    fn file(path: &Path) -> Self {
        let text = fs::read_to_string(path).unwrap_or_default();
        assert!(text.is_empty() || text.ends_with('\n'), "torn at the end");
        let mut read = Self::default();
        for line in text.lines() {
            read.line(line);
        }
        read
    }

    fn line(&mut self, line: &str) {
        let (time, rest) = line
            .split_once(' ')
            .unwrap_or_else(|| panic!("torn: {line:?}"));
        assert_eq!(time.len(), "2026-11-20T18:42:01.123456Z".len(), "{line:?}");
        assert!(time.ends_with('Z'), "{line:?}");
        let words: Vec<&str> = rest.split(' ').collect();
        match words[..] {
            ["event=consumed", by, upto, "count=1"] => {
                assert!(by == "by=bob" || by.len() == 503, "torn: {line:?}");
                let number = upto.strip_prefix("upto=").unwrap().parse().unwrap();
                self.numbers.push(number);
            }
            ["event=dropped", count, cause] => {
                let count = count.strip_prefix("count=").unwrap().parse().unwrap();
                let cause = cause.strip_prefix("cause=").unwrap().to_owned();
                self.dropped.push((self.numbers.len(), count, cause));
            }
            _ => panic!("torn or unknown: {line:?}"),
        }
    }

    fn count_dropped(&self) -> u64 {
        self.dropped.iter().map(|(_, count, _)| count).sum()
    }

    #[track_caller]
    fn assert_ascending(&self) {
        assert!(
            self.numbers.is_sorted_by(|a, b| a < b),
            "out of order or twice"
        );
    }

    /// Every gap in `0..` stands where a line says so, with exactly its count.
    #[track_caller]
    fn assert_exact(&self, offered: u64) {
        let mut next = 0;
        let mut dropped = self.dropped.iter().peekable();
        for at in 0..=self.numbers.len() {
            while let Some((_, count, _)) = dropped.next_if(|(place, ..)| *place == at) {
                next += count;
            }
            let number = self.numbers.get(at).copied().unwrap_or(offered);
            assert_eq!(number, next, "place {at}");
            next += 1;
        }
    }
}

fn lines_of(path: &Path) -> usize {
    fs::read(path).map_or(0, |bytes| {
        bytes.iter().filter(|byte| **byte == b'\n').count()
    })
}

#[tokio::test]
async fn lines_arrive_in_order_and_at_once() {
    let folder = Folder::new("order");
    let (handle, logger) = Logger::start(folder.config()).await.unwrap();
    say(&handle, 0);
    // Without any more lines, without an end.
    wait_for("the first line", || lines_of(&folder.log()) == 1).await;
    for from in (1..50_001).step_by(1_000) {
        say_all(&handle, from..from + 1_000);
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    logger.finish().await;
    let read = Read::file(&folder.log());
    read.assert_ascending();
    read.assert_exact(50_001);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_tasks_lose_nothing_uncounted() {
    let folder = Folder::new("many");
    let mut config = folder.config();
    config.queue_lines = 64;
    let (handle, logger) = Logger::start(config).await.unwrap();
    let tasks: Vec<_> = (0..8)
        .map(|_| {
            let handle = handle.clone();
            tokio::spawn(async move {
                for number in 0..5_000 {
                    say(&handle, number);
                    if number % 100 == 0 {
                        tokio::task::yield_now().await;
                    }
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    logger.finish().await;
    let read = Read::file(&folder.log());
    assert_eq!(read.numbers.len() as u64 + read.count_dropped(), 40_000);
}

#[tokio::test]
async fn killed_it_comes_back_and_counts_what_may_be_lost() {
    let folder = Folder::new("killed");
    let (handle, logger) = Logger::start(folder.config()).await.unwrap();
    let first = logger.pid().unwrap();
    let mut offered = 0;
    // Killed in the middle of the work: lines come before, while and after.
    while logger.pid() == Some(first) {
        say_all(&handle, offered..offered + 100);
        offered += 100;
        if offered == 20_000 {
            signal(first, Signal::KILL);
        }
        tokio::time::sleep(Duration::from_micros(200)).await;
    }
    let killed = Instant::now();
    wait_for("a new logger", || logger.pid().is_some()).await;
    assert!(
        killed.elapsed() < Duration::from_secs(1),
        "{:?}",
        killed.elapsed()
    );
    say_all(&handle, offered..offered + 100);
    offered += 100;
    logger.finish().await;

    let read = Read::file(&folder.log());
    read.assert_ascending();
    assert_eq!(read.numbers.last(), Some(&(offered - 1)));
    let killed = read.dropped.iter().filter(|(.., cause)| cause == "killed");
    assert_eq!(killed.count(), 1, "{:?}", read.dropped);
    assert!(read.numbers.len() as u64 + read.count_dropped() >= offered);
}

#[tokio::test]
async fn killed_again_and_again_no_line_is_torn() {
    let folder = Folder::new("again");
    let mut config = folder.config();
    config.rotate_bytes = 0;
    let (handle, logger) = Logger::start(config).await.unwrap();
    let by = "b".repeat(500);
    let mut offered = 0;
    for _ in 0..5 {
        let mut pid = None;
        wait_for("a logger", || {
            pid = logger.pid();
            pid.is_some()
        })
        .await;
        // Killed while it writes much: half a megabyte is on its way.
        for _ in 0..5 {
            for _ in 0..1_000 {
                let upto = Lamport::new(offered);
                let by = &by;
                handle.event(LogEvent::Consumed { by, upto, count: 1 });
                offered += 1;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        signal(pid.unwrap(), Signal::KILL);
        wait_for("its death", || logger.pid() != pid).await;
    }
    logger.finish().await;
    let read = Read::file(&folder.log());
    read.assert_ascending();
    assert!(read.numbers.len() as u64 + read.count_dropped() >= offered);
    let killed = read.dropped.iter().filter(|(.., cause)| cause == "killed");
    assert!(killed.count() > 0);
}

/// A server that is killed leaves just this: the end of a pipe, perhaps inside a line.
#[test]
fn it_ends_when_the_server_is_gone() {
    use std::io::Write;
    use std::process::{Command, Stdio};
    let folder = Folder::new("gone");
    let mut logger = Command::new(env!("CARGO_BIN_EXE_lamparina-server"))
        .arg("__lamparina-logger")
        .arg(folder.log())
        .args(["0", "1"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    drop(logger.stdout.take());
    let line = "2026-11-20T18:42:01.123456Z event=consumed by=bob upto=7 count=1\n";
    let torn = format!("{line}{}", &line[..40]);
    let mut stdin = logger.stdin.take().unwrap();
    stdin.write_all(torn.as_bytes()).unwrap();
    drop(stdin);
    assert!(logger.wait().unwrap().success());
    assert_eq!(Read::file(&folder.log()).numbers, [7]);
}

#[tokio::test]
async fn killed_while_stopped_the_count_covers_the_pipe() {
    let folder = Folder::new("covers");
    let (handle, logger) = Logger::start(folder.config()).await.unwrap();
    say(&handle, 0);
    wait_for("the first line", || lines_of(&folder.log()) == 1).await;
    let first = logger.pid().unwrap();
    signal(first, Signal::STOP);
    for number in 1..3_000 {
        say(&handle, number);
        if number % 500 == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    signal(first, Signal::KILL);
    wait_for("a new logger", || {
        logger.pid().is_some_and(|pid| pid != first)
    })
    .await;
    logger.finish().await;
    let read = Read::file(&folder.log());
    read.assert_ascending();
    assert!(read.numbers.len() < 3_000, "lines in the pipe are lost");
    // Here even the upper bound is exact: nothing was half done. Its line stands at the gap.
    read.assert_exact(3_000);
    assert_eq!(read.dropped[0].2, "killed");
}

#[tokio::test]
async fn stopped_it_delays_nobody_and_the_count_is_exact() {
    let folder = Folder::new("stopped");
    let mut config = folder.config();
    config.queue_lines = 1_000;
    let (handle, logger) = Logger::start(config).await.unwrap();
    say_all(&handle, 0..500);
    wait_for("the lines before", || lines_of(&folder.log()) == 500).await;
    let pid = logger.pid().unwrap();
    signal(pid, Signal::STOP);
    for from in (500..60_000).step_by(500) {
        say_all(&handle, from..from + 500);
        tokio::time::sleep(Duration::from_micros(100)).await;
    }
    signal(pid, Signal::CONT);
    let mut offered = 60_000;
    // Lines after the gap.
    for _ in 0..100 {
        say(&handle, offered);
        offered += 1;
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(logger.pid(), Some(pid), "the same one all the time");
    logger.finish().await;
    let read = Read::file(&folder.log());
    read.assert_exact(offered);
    assert!(read.count_dropped() > 0);
    assert!(read.dropped.iter().all(|(.., cause)| cause == "stalled"));
}

#[tokio::test]
async fn the_file_rotates_by_size() {
    let folder = Folder::new("rotates");
    let mut config = folder.config();
    config.rotate_bytes = 10_000;
    config.keep = 2;
    let (handle, logger) = Logger::start(config).await.unwrap();
    say_all(&handle, 0..1_000);
    logger.finish().await;
    let named = |name: &str| folder.log().with_file_name(name);
    let mut numbers = Vec::new();
    for name in ["server.log.2", "server.log.1", "server.log"] {
        let length = fs::metadata(named(name)).unwrap().len();
        assert!((1..=10_000).contains(&length), "{name} has {length} bytes");
        numbers.extend(Read::file(&named(name)).numbers);
    }
    assert!(!named("server.log.3").exists());
    let first = numbers[0];
    assert!(
        numbers.into_iter().eq(first..1_000),
        "nothing between files is lost"
    );
}

#[tokio::test]
async fn the_file_is_opened_again_when_asked() {
    let folder = Folder::new("reopens");
    let (handle, logger) = Logger::start(folder.config()).await.unwrap();
    say(&handle, 0);
    wait_for("the first line", || lines_of(&folder.log()) == 1).await;
    let moved = folder.log().with_file_name("moved");
    fs::rename(folder.log(), &moved).unwrap();
    say(&handle, 1);
    logger.reopen();
    say(&handle, 2);
    wait_for("a new file", || lines_of(&folder.log()) == 1).await;
    assert_eq!(Read::file(&moved).numbers, [0, 1]);

    // By signal: the new file is there before there is a line for it.
    fs::rename(folder.log(), &moved).unwrap();
    signal(logger.pid().unwrap(), Signal::HUP);
    wait_for("another new file", || folder.log().exists()).await;
    say(&handle, 3);
    logger.finish().await;
    assert_eq!(Read::file(&moved).numbers, [2]);
    assert_eq!(Read::file(&folder.log()).numbers, [3]);
}

#[tokio::test]
async fn finishing_writes_everything_and_leaves_no_process() {
    let folder = Folder::new("finishes");
    let (handle, logger) = Logger::start(folder.config()).await.unwrap();
    let pid = logger.pid().unwrap();
    // These ask others to end; the logger has still to write.
    signal(pid, Signal::INT);
    signal(pid, Signal::TERM);
    say_all(&handle, 0..5_000);
    logger.finish().await;
    say(&handle, 5_000);
    Read::file(&folder.log()).assert_exact(5_000);
    // A zombie would still be there to be signalled.
    assert!(test_kill_process(as_pid(pid)).is_err());
}

#[tokio::test]
async fn finishing_does_not_wait_for_one_that_hangs() {
    let folder = Folder::new("hangs");
    let (handle, logger) = Logger::start(folder.config()).await.unwrap();
    let pid = logger.pid().unwrap();
    signal(pid, Signal::STOP);
    say_all(&handle, 0..10);
    tokio::time::timeout(PATIENCE, logger.finish())
        .await
        .unwrap();
    assert!(test_kill_process(as_pid(pid)).is_err());
}

#[tokio::test]
async fn an_unfinished_line_of_a_predecessor_is_removed() {
    let folder = Folder::new("torn");
    fs::create_dir_all(folder.log().parent().unwrap()).unwrap();
    let whole = "2026-11-20T18:42:01.123456Z event=consumed by=bob upto=7 count=1\n";
    fs::write(folder.log(), format!("{whole}{}", &whole[..40])).unwrap();
    let (handle, logger) = Logger::start(folder.config()).await.unwrap();
    say(&handle, 8);
    logger.finish().await;
    assert_eq!(Read::file(&folder.log()).numbers, [7, 8]);
}

#[tokio::test]
async fn a_file_that_cannot_be_opened_is_said_in_words() {
    let folder = Folder::new("refused");
    let mut config = folder.config();
    fs::create_dir_all(folder.log()).unwrap();
    let error = Logger::start(config.clone()).await.err().unwrap();
    assert!(
        error.to_string().starts_with("cannot open the log: "),
        "{error}"
    );

    config.executable = Some("/bin/true".into());
    let error = Logger::start(config.clone()).await.err().unwrap();
    assert!(
        error.to_string().contains("does not play the logger"),
        "{error}"
    );

    config.executable = Some(folder.0.join("nothing"));
    assert!(Logger::start(config).await.is_err());
}

#[tokio::test]
async fn a_full_disk_delays_lines_and_loses_none() {
    if !Path::new("/dev/full").exists() {
        return;
    }
    let folder = Folder::new("full");
    fs::create_dir_all(folder.log().parent().unwrap()).unwrap();
    std::os::unix::fs::symlink("/dev/full", folder.log()).unwrap();
    let mut config = folder.config();
    config.queue_lines = 100;
    let (handle, logger) = Logger::start(config).await.unwrap();
    let mut offered = 0;
    for _ in 0..200 {
        say_all(&handle, offered..offered + 100);
        offered += 100;
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let pid = logger.pid();
    assert!(pid.is_some());
    // There is room again.
    fs::remove_file(folder.log()).unwrap();
    wait_for("lines", || lines_of(&folder.log()) > 0).await;
    assert_eq!(logger.pid(), pid, "it never died");
    logger.finish().await;
    let read = Read::file(&folder.log());
    read.assert_exact(offered);
    assert!(read.count_dropped() > 0);
}
