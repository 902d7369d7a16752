//! Runs a case: pairs of rounds in alternation, a fresh server for each, then the result.

mod durable;
mod peers;
mod stalled;
mod startup;

use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use crate::args::{Case, Common};
use crate::child::{Launch, RawKind, Server, Side};
use crate::folder::Folder;
use crate::host::{self, Cores};
use crate::load::saturate::{self, Measure, Shape};
use crate::load::{enter, idle, pingpong};
use crate::report::{self, Report, median};
use crate::wire::{Fault, Ours, Raw, SealedOurs};

const WARM_UP: Duration = Duration::from_millis(300);
/// Files that are not connections: streams, epoll, `/proc`.
const OTHER_FILES: u64 = 64;
/// Connections of `all`'s idle case.
const ALL_IDLE_CONNECTIONS: u32 = 1_000;

/// How a case is run.
#[derive(Clone, Debug)]
struct Setting {
    common: Common,
    rounds: u32,
    measured: Duration,
    cores: Option<Cores>,
    /// Which baseline.
    raw: RawKind,
    /// Whether links to our server are sealed.
    sealed: bool,
    /// Whether our server keeps its data on the disk.
    stores: bool,
    /// Where servers get their folders.
    within: PathBuf,
    report: Report,
}

/// Runs what the command line asks for.
pub(crate) fn run(case: Case) -> Result<(), Fault> {
    match case {
        Case::Fanout {
            subscribers,
            common,
        } => Setting::new(&common, 3, 2.0)?.fanout(subscribers),
        Case::Roomchat { clients, common } => Setting::new(&common, 3, 2.0)?.roomchat(clients),
        Case::Pingpong { common } => Setting::new(&common, 3, 2.0)?.pingpong(),
        Case::Idle {
            connections,
            common,
        } => Setting::new(&common, 1, 2.0)?.idle(connections),
        Case::All { common } => {
            let setting = Setting::new(&common, 1, 1.0)?;
            setting.fanout(100)?;
            setting.roomchat(50)?;
            setting.pingpong()?;
            setting.idle(ALL_IDLE_CONNECTIONS)
        }
        Case::Handshakes {
            connections,
            common,
        } => Setting::new(&common, 1, 2.0)?.handshakes(connections),
        Case::Durable { durable, common } => {
            Setting::new(&in_clear(common), 3, 2.0)?.durable(&durable)
        }
        Case::Stalled { stalled, common } => {
            Setting::new(&in_clear(common), 3, 3.0)?.stalled(&stalled)
        }
        Case::Startup { startup, common } => {
            Setting::new(&in_clear(common), 3, 2.0)?.startup(&startup)
        }
        Case::Peers { peers, common } => Setting::without_server(&common, 3, 2.0)?.peers(&peers),
        // Hidden roles, taken before.
        Case::RawServer | Case::RawDurable { .. } | Case::PeerNode { .. } | Case::PlainNode => {
            Ok(())
        }
    }
}

impl Setting {
    fn new(common: &Common, rounds: u32, seconds: f64) -> Result<Self, Fault> {
        if !common.raw_only {
            // Built once, before anything is pinned or measured.
            let program = host::server_program().map_err(Fault::Broken)?;
            println!("{}, {}", program.display(), host::age(&program));
        }
        let cores = if common.unpinned { None } else { Cores::two() };
        println!("{}", Cores::describe(cores));
        let setting = Self::without_server(common, rounds, seconds)?;
        Ok(Self { cores, ..setting })
    }

    /// Processes of this program only, on all cores.
    fn without_server(common: &Common, rounds: u32, seconds: f64) -> Result<Self, Fault> {
        let seconds = common.seconds.unwrap_or(seconds);
        let measured = Duration::try_from_secs_f64(seconds)
            .map_err(|error| Fault::Broken(format!("--seconds: {error}")))?;
        Ok(Self {
            common: common.clone(),
            rounds: common.rounds.unwrap_or(rounds),
            measured,
            cores: None,
            raw: RawKind::Copies,
            sealed: !common.cleartext,
            stores: false,
            within: std::env::temp_dir(),
            report: Report { json: common.json },
        })
    }

    fn sides(&self) -> Vec<Side> {
        let sides = [
            (Side::Raw, self.common.ours_only),
            (Side::Ours, self.common.raw_only),
        ];
        sides
            .into_iter()
            .filter(|(_, left_out)| !left_out)
            .map(|(side, _)| side)
            .collect()
    }

    /// Starts a server in a new folder.
    fn start(&self, side: Side) -> Result<(Server, Rc<Folder>), Fault> {
        let folder = Folder::fresh(&self.within);
        let folder = Rc::new(folder.map_err(Fault::io("making a folder for the server"))?);
        let server = Server::start(self.launch(side), Rc::clone(&folder))?;
        Ok((server, folder))
    }

    fn launch(&self, side: Side) -> Launch {
        Launch {
            side,
            raw: self.raw,
            cores: self.cores,
            sealed: self.sealed,
            stores: self.stores,
        }
    }

    /// One measurement of each side, round after round.
    fn alternate<T>(
        &self,
        mut measure: impl FnMut(u32, Side, &Server) -> Result<T, Fault>,
    ) -> Result<Vec<(Side, T)>, Fault> {
        let mut measures = Vec::new();
        for round in 1..=self.rounds {
            for side in self.sides() {
                let (server, _folder) = self.start(side)?;
                let measured = measure(round, side, &server).map_err(|fault| {
                    let (name, words) = (side.name(), server.words());
                    Fault::Broken(format!("{name}: {fault}\nThe server's words: {words}"))
                });
                measures.push((side, measured?));
            }
        }
        Ok(measures)
    }

    fn fanout(&self, subscribers: u16) -> Result<(), Fault> {
        let size = self.common.size;
        println!(
            "\nfanout: 1 publisher, {subscribers} subscribers, {size}-byte messages, {} in flight",
            self.common.window
        );
        self.saturated("fanout", 1, subscribers.into())
    }

    fn roomchat(&self, clients: u16) -> Result<(), Fault> {
        let size = self.common.size;
        println!(
            "\nroomchat: {clients} clients all talking, {size}-byte messages, {} in flight in all",
            self.common.window
        );
        self.saturated("roomchat", clients.into(), 0)
    }

    fn saturated(&self, case: &str, talkers: usize, listeners: usize) -> Result<(), Fault> {
        let shape = Shape {
            talkers,
            listeners,
            text_bytes: self.common.size.into(),
            window: self.common.window.into(),
            warm_up: WARM_UP,
            measured: self.measured,
        };
        println!("{}", report::SATURATED_HEAD);
        let measures = self.alternate(|round, side, server| {
            let measure = match side {
                Side::Raw => saturate::run::<Raw>(server, shape)?,
                Side::Ours if self.sealed => saturate::run::<SealedOurs>(server, shape)?,
                Side::Ours => saturate::run::<Ours>(server, shape)?,
            };
            let (text, twin) = report::saturated(case, round, side, &measure);
            self.report.line(&text, &twin);
            Ok(measure)
        })?;
        let rate = median(of_last_side(&measures, Measure::rate));
        let ns = median(of_last_side(&measures, Measure::ns_each));
        let figures = [
            ("deliveries_per_s", report::millions(rate), rate),
            ("ns_per_delivery", format!("{ns:.1}"), ns),
        ];
        self.result(case, &figures, ratio(&measures, Measure::rate));
        Ok(())
    }

    fn pingpong(&self) -> Result<(), Fault> {
        let size = usize::from(self.common.size);
        println!("\npingpong: {size}-byte unicast, client to server to client and back");
        println!("{}", report::PINGPONG_HEAD);
        let measures = self.alternate(|round, side, server| {
            let trips = match side {
                Side::Raw => pingpong::run::<Raw>(server, size, WARM_UP, self.measured)?,
                Side::Ours if self.sealed => {
                    pingpong::run::<SealedOurs>(server, size, WARM_UP, self.measured)?
                }
                Side::Ours => pingpong::run::<Ours>(server, size, WARM_UP, self.measured)?,
            };
            let (text, twin) = report::pingpong(round, side, &trips);
            self.report.line(&text, &twin);
            Ok(trips)
        })?;
        let at = |share| {
            median(of_last_side(&measures, |trips| {
                trips.quantile(share) as f64 / 1e3
            }))
        };
        let figures = [
            ("p50_us", format!("{:.1}", at(0.5)), at(0.5)),
            ("p99_us", format!("{:.1}", at(0.99)), at(0.99)),
        ];
        let ratio = ratio(&measures, |trips| trips.quantile(0.5) as f64);
        self.result("pingpong", &figures, ratio);
        Ok(())
    }

    fn idle(&self, connections: u32) -> Result<(), Fault> {
        let files = host::raise_open_files();
        let most = usize::try_from(files.saturating_sub(OTHER_FILES)).unwrap_or(usize::MAX);
        let connections = (connections as usize).min(most);
        println!("\nidle: {connections} connections, entered and quiet");
        if connections == most {
            println!("(lowered: {files} open files are allowed here)");
        }
        println!("{}", report::IDLE_HEAD);
        let measures = self.alternate(|round, side, server| {
            let memory = match side {
                Side::Raw => idle::run::<Raw>(server, connections)?,
                Side::Ours if self.sealed => idle::run::<SealedOurs>(server, connections)?,
                Side::Ours => idle::run::<Ours>(server, connections)?,
            };
            let (text, twin) = report::idle(round, side, memory);
            self.report.line(&text, &twin);
            Ok(memory)
        })?;
        let kib = median(of_last_side(&measures, idle::Memory::each)) / 1_024.0;
        let figures = [("kib_each", format!("{kib:.2}"), kib)];
        self.result("idle", &figures, ratio(&measures, idle::Memory::each));
        Ok(())
    }

    fn handshakes(&self, connections: u32) -> Result<(), Fault> {
        let how = if self.sealed { "sealed" } else { "in clear" };
        println!("\nhandshakes: {connections} connections {how}, one after the other");
        let mut rates = Vec::new();
        for _ in 0..self.rounds {
            let (server, _folder) = self.start(Side::Ours)?;
            let shake = |from: u32| {
                let mut indices = from..from + connections;
                indices.try_for_each(|index| {
                    enter::handshake(server.addr(), index as usize, self.sealed)
                })
            };
            // What is touched first is not theirs.
            shake(1_000_000)?;
            let before = server.cpu()?;
            shake(0)?;
            let (busy, _) = server.cpu()?.since(&before);
            rates.push(f64::from(connections) / busy.as_secs_f64());
        }
        let rate = median(rates);
        let us = 1e6 / rate;
        let figures = [
            ("handshakes_per_core_s", format!("{rate:.0}"), rate),
            ("us_each", format!("{us:.1}"), us),
        ];
        self.result("handshakes", &figures, None);
        Ok(())
    }

    fn result(&self, case: &str, figures: &[(&str, String, f64)], ratio: Option<f64>) {
        let (text, twin) = report::result(case, figures, ratio);
        self.report.line(&text, &twin);
    }
}

/// What a disk costs has nothing to do with seals.
fn in_clear(common: Common) -> Common {
    Common {
        cleartext: true,
        ..common
    }
}

/// Figures of the side that the result is about: lamparina's, or raw's when alone.
fn of_last_side<T>(measures: &[(Side, T)], figure: impl Fn(&T) -> f64) -> Vec<f64> {
    let last = measures.last().map(|(side, _)| *side);
    let same = measures.iter().filter(|(side, _)| Some(*side) == last);
    same.map(|(_, measure)| figure(measure)).collect()
}

/// The median, over pairs of rounds, of lamparina's figure divided by raw's.
fn ratio<T>(measures: &[(Side, T)], figure: impl Fn(&T) -> f64) -> Option<f64> {
    let pairs = measures.chunks(2).filter_map(|pair| match pair {
        [(Side::Raw, raw), (Side::Ours, ours)] => Some(figure(ours) / figure(raw)),
        _ => None,
    });
    let ratios: Vec<f64> = pairs.collect();
    (!ratios.is_empty()).then(|| median(ratios))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_pair_neighbours() {
        use Side::{Ours, Raw};
        let measures = [
            (Raw, 10.0),
            (Ours, 5.0),
            (Raw, 10.0),
            (Ours, 2.0),
            (Raw, 1.0),
            (Ours, 0.3),
        ];
        assert_eq!(ratio(&measures, |value| *value), Some(0.3));
        assert_eq!(of_last_side(&measures, |value| *value), [5.0, 2.0, 0.3]);
        assert_eq!(ratio(&measures[..1], |value| *value), None);
    }
}
