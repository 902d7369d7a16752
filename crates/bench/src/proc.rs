//! What Linux says about a process: CPU time to the nanosecond, threads that ended included as far
//! as they are known; resident memory; its children. Reads only.

use std::collections::BTreeMap;
use std::time::Duration;
use std::{fs, io};

/// Ticks of `/proc/PID/stat` in a second; a constant of Linux's interface.
const TICKS_PER_SECOND: u64 = 100;

/// CPU time at one moment, by thread.
#[derive(Clone, Debug, Default)]
pub(crate) struct CpuReading {
    threads: BTreeMap<u64, u64>,
}

impl CpuReading {
    /// Reads `/proc/PID/task/*/schedstat`, or `/proc/PID/stat` where the kernel keeps no schedstat.
    pub(crate) fn of(pid: u32) -> io::Result<Self> {
        let mut threads = BTreeMap::new();
        for task in fs::read_dir(format!("/proc/{pid}/task"))? {
            let task = task?;
            let name = task.file_name();
            let Some(tid) = name.to_str().and_then(|name| name.parse().ok()) else {
                continue;
            };
            // A thread may end between the listing and the reading.
            if let Ok(text) = fs::read_to_string(task.path().join("schedstat")) {
                threads.insert(tid, run_ns(&text).unwrap_or(0));
            }
        }
        if threads.values().all(|ns| *ns == 0) {
            let text = fs::read_to_string(format!("/proc/{pid}/stat"))?;
            threads = BTreeMap::from([(0, ticks_ns(&text).unwrap_or(0))]);
        }
        Ok(Self { threads })
    }

    /// CPU time spent since `before`.
    pub(crate) fn since(&self, before: &Self) -> Duration {
        let spent = self.threads.iter().map(|(tid, now)| {
            let then = before.threads.get(tid).copied().unwrap_or(0);
            now.saturating_sub(then)
        });
        Duration::from_nanos(spent.sum())
    }
}

/// Resident bytes: exact from `smaps_rollup`, else `VmRSS`, which may be some pages off.
pub(crate) fn rss_bytes(pid: u32) -> io::Result<u64> {
    let exact = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"));
    if let Some(bytes) = exact.ok().and_then(|text| kib_line(&text, "Rss:")) {
        return Ok(bytes);
    }
    let text = fs::read_to_string(format!("/proc/{pid}/status"))?;
    kib_line(&text, "VmRSS:").ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// Processes that `pid` started and that live.
pub(crate) fn children(pid: u32) -> Vec<u32> {
    let Ok(tasks) = fs::read_dir(format!("/proc/{pid}/task")) else {
        return Vec::new();
    };
    let lists = tasks
        .flatten()
        .filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
    lists
        .flat_map(|list| {
            let pids = list.split_ascii_whitespace().map(str::parse);
            pids.flatten().collect::<Vec<u32>>()
        })
        .collect()
}

/// The first number of a schedstat line: nanoseconds on a CPU.
fn run_ns(schedstat: &str) -> Option<u64> {
    schedstat.split_ascii_whitespace().next()?.parse().ok()
}

/// `utime + stime` of a stat line. The name before them may hold blanks and parentheses.
fn ticks_ns(stat: &str) -> Option<u64> {
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut fields = after_name.split_ascii_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some((user + system) * (1_000_000_000 / TICKS_PER_SECOND))
}

/// Bytes of a line such as `VmRSS:     1234 kB`.
fn kib_line(text: &str, name: &str) -> Option<u64> {
    let rest = text.lines().find_map(|line| line.strip_prefix(name))?;
    let kib: u64 = rest.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1_024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_proc() {
        assert_eq!(run_ns("152345678 9876 42\n"), Some(152_345_678));
        assert_eq!(run_ns(""), None);
        let stat = "77 (a (b) c) S 1 77 77 0 -1 4194560 1 2 3 4 250 17 0 0 20 0 1 0";
        assert_eq!(ticks_ns(stat), Some(2_670_000_000));
        let status = "Name:\tx\nVmRSS:\t    1234 kB\nRssAnon:\t 7 kB\n";
        assert_eq!(kib_line(status, "VmRSS:"), Some(1234 * 1024));
        assert_eq!(kib_line(status, "Rss:"), None);
    }

    #[test]
    fn this_process_can_be_read() {
        let pid = std::process::id();
        let before = CpuReading::of(pid).unwrap();
        let after = CpuReading::of(pid).unwrap();
        assert!(after.since(&before) < Duration::from_secs(60));
        assert!(rss_bytes(pid).unwrap() > 0);
    }

    #[test]
    fn cpu_of_new_threads_counts_and_of_ended_ones_does_not() {
        let reading = |threads: &[(u64, u64)]| CpuReading {
            threads: threads.iter().copied().collect(),
        };
        let before = reading(&[(1, 100), (2, 50)]);
        let after = reading(&[(1, 130), (3, 7)]);
        assert_eq!(after.since(&before), Duration::from_nanos(37));
    }
}
