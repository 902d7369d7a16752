//! The case `startup`: a store is filled through the server itself; then the server is started
//! again and again, after an orderly end and after a crash. What was committed must be known again.

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
    /// Messages of each author that were told to be on disk.
    committed: Vec<u64>,
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
            committed: vec![0; shape.authors],
        };
        store.load(&server, messages)?;
        let mut ending = server.stop()?;
        println!("{}", report::STARTUP_HEAD);
        let (mut orderly, mut crashed) = (Vec::new(), Vec::new());
        for round in 1..=self.rounds {
            let server = store.start(round, "SIGTERM", Some(ending), &mut orderly)?;
            store.load(&server, wanted.crash_after)?;
            server.kill()?;
            let server = store.start(round, "kill -9", None, &mut crashed)?;
            store.load(&server, 0)?;
            ending = server.stop()?;
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
        let launch = self.setting.launch(Side::Ours);
        let server = Server::start(launch, Rc::clone(&self.folder))?;
        let listening = server.started_in();
        times.push(listening.as_secs_f64());
        let messages = self.committed.iter().sum();
        let (text, twin) = report::startup(round, ended_by, messages, bytes, ending, listening);
        self.setting.report.line(&text, &twin);
        Ok(server)
    }

    /// Looks whether the server knows what was committed; then has `count` more committed.
    fn load(&mut self, server: &Server, count: u64) -> Result<(), Fault> {
        let failed = |fault| Fault::Broken(format!("{fault}\nIts words: {}", server.words()));
        let returns = self.committed.iter().any(|count| *count > 0);
        let mut load = Load::<Ours>::enter(server, self.shape, returns).map_err(failed)?;
        let known = load.settled_each();
        if known != self.committed {
            let told = &self.committed;
            return Err(Fault::Broken(format!(
                "committed were, of each author, {told:?}; the server knows of {known:?}"
            )));
        }
        let (began, mut told) = (Instant::now(), 0);
        while load.settled() < count {
            let until = TELL_EVERY * (told + 1);
            load.pump(|load| load.settled() < count && began.elapsed() < until)
                .map_err(failed)?;
            if began.elapsed() >= until {
                told += 1;
                let rate = load.settled() as f64 / began.elapsed().as_secs_f64();
                let (settled, rate) = (
                    report::millions(load.settled() as f64),
                    report::millions(rate),
                );
                println!(
                    "  filling: {settled} of {}, {rate} a second",
                    report::millions(count as f64)
                );
            }
        }
        load.settle().map_err(failed)?;
        self.committed = load.settled_each();
        Ok(())
    }
}
