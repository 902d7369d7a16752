//! The case `startup`: a store is filled through the server itself; then the server is started
//! again and again, after an orderly end and after a crash. What was committed must be known again.

use std::ops::RangeInclusive;
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::Setting;
use crate::args;
use crate::child::{DATA, Server, Side};
use crate::folder::Folder;
use crate::load::durable::{Load, Shape};
use crate::report::{self, median};
use crate::wire::{Fault, Ours};

/// How often the filling says how far it is.
const TELL_EVERY: Duration = Duration::from_secs(10);

/// A store between two servers.
struct Store<'a> {
    setting: &'a Setting,
    folder: Rc<Folder>,
    shape: Shape,
    /// Messages of each author that must, and up to how many that may, be known.
    promised: Vec<RangeInclusive<u64>>,
    /// Reads from the disk, not from the kernel's memory.
    cold: bool,
}

impl Setting {
    /// Fills a store, then measures pairs of starts.
    pub(super) fn startup(mut self, wanted: &args::StartupOptions) -> Result<(), Fault> {
        let shape = Shape {
            authors: wanted.authors.into(),
            listeners: 0,
            text_bytes: self.common.size.into(),
            window_each: wanted.window_each.into(),
            window: self.common.window.into(),
        };
        let (messages, size) = (wanted.messages, shape.text_bytes);
        println!("\nstartup: {messages} messages of {size} bytes on disk");
        self.keep_in(wanted.data_in.as_deref())?;
        let (server, folder) = self.start(Side::Ours)?;
        let mut store = Store {
            setting: &self,
            folder,
            shape,
            promised: vec![0..=0; shape.authors],
            cold: wanted.cold,
        };
        let mut ending = store.load_and_stop(server, messages)?;
        println!("{}", report::STARTUP_HEAD);
        let (mut orderly, mut crashed) = (Vec::new(), Vec::new());
        for round in 1..=self.rounds {
            let server = store.start(round, "SIGTERM", Some(ending), &mut orderly)?;
            // In the midst of it: some messages are on their way.
            let load = store.load(&server, wanted.crash_after)?;
            server.kill()?;
            store.promised = load.promised();
            let server = store.start(round, "kill -9", None, &mut crashed)?;
            ending = store.load_and_stop(server, 0)?;
        }
        let (orderly, crashed) = (median(orderly), median(crashed));
        let figures = [
            ("s_after_sigterm", format!("{orderly:.3}"), orderly),
            ("s_after_kill", format!("{crashed:.3}"), crashed),
        ];
        self.result("startup", &figures, None);
        Ok(())
    }
}

impl Store<'_> {
    fn start(
        &self,
        round: u32,
        ended_by: &str,
        ending: Option<Duration>,
        times: &mut Vec<f64>,
    ) -> Result<Server, Fault> {
        let bytes = self.folder.bytes_in(DATA);
        if self.cold {
            let forgotten = self.folder.forget_cached(DATA);
            forgotten.map_err(Fault::io("emptying the kernel's cache of the data"))?;
        }
        let launch = self.setting.launch(Side::Ours);
        let server = Server::start(launch, Rc::clone(&self.folder))?;
        let listening = server.started_in();
        times.push(listening.as_secs_f64());
        let messages = self.promised.iter().map(|promise| promise.start()).sum();
        let (text, twin) = report::startup(round, ended_by, messages, bytes, ending, listening);
        self.setting.report.line(&text, &twin);
        Ok(server)
    }

    /// Loads, waits for all that is on its way, and ends the server orderly.
    fn load_and_stop(&mut self, server: Server, count: u64) -> Result<Duration, Fault> {
        let mut load = self.load(&server, count)?;
        load.settle().map_err(|fault| with_words(&server, fault))?;
        self.promised = load.promised();
        drop(load);
        server.stop()
    }

    /// Looks whether the server knows what it must; then has `count` more messages committed.
    fn load(&self, server: &Server, count: u64) -> Result<Load<Ours>, Fault> {
        let failed = |fault| with_words(server, fault);
        let returns = self.promised.iter().any(|promise| *promise.end() > 0);
        let mut load = Load::enter(server, self.shape, returns).map_err(failed)?;
        check_promises(&self.promised, &load.promised())?;
        let (began, mut told) = (Instant::now(), 0);
        while load.settled() < count {
            let until = TELL_EVERY * (told + 1);
            load.pump(|load| load.settled() < count && began.elapsed() < until)
                .map_err(failed)?;
            if began.elapsed() >= until {
                told += 1;
                println!("{}", progress(load.settled(), count, began.elapsed()));
            }
        }
        Ok(load)
    }
}

/// Every author must find what was committed, and nothing that it never sent.
fn check_promises(
    promised: &[RangeInclusive<u64>],
    known: &[RangeInclusive<u64>],
) -> Result<(), Fault> {
    for (author, (promise, known)) in promised.iter().zip(known).enumerate() {
        let known = known.start();
        if !promise.contains(known) {
            return Err(Fault::Broken(format!(
                "of author {author} at least {} messages were committed and at most {} sent; \
                 the server, started again, knows of {known}",
                promise.start(),
                promise.end()
            )));
        }
    }
    Ok(())
}

fn progress(settled: u64, count: u64, elapsed: Duration) -> String {
    let rate = settled as f64 / elapsed.as_secs_f64();
    let [settled, count, rate] = [settled as f64, count as f64, rate].map(report::millions);
    format!("  loading: {settled} of {count}, {rate} a second")
}

fn with_words(server: &Server, fault: Fault) -> Fault {
    Fault::Broken(format!("{fault}\nThe server's words: {}", server.words()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_committed_must_be_known_and_nothing_else() {
        let promised = [5..=9, 0..=0];
        for (known, good) in [(5, true), (9, true), (4, false), (10, false)] {
            let known = [known..=known, 0..=0];
            assert_eq!(check_promises(&promised, &known).is_ok(), good, "{known:?}");
        }
        assert!(check_promises(&promised, &[7..=7, 1..=1]).is_err());
    }

    #[test]
    fn progress_is_told_with_its_rate() {
        let told = progress(3_000_000, 10_000_000, Duration::from_secs(6));
        assert_eq!(told, "  loading: 3.00 M of 10.00 M, 500.0 k a second");
    }
}
