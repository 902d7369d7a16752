//! The case `stalled`: what one client that stands still costs the server and the others. Rounds
//! without and with it alternate, each with a fresh server.

use super::Setting;
use crate::args;
use crate::child::Side;
use crate::load::stalled::{self, Measure, Shape};
use crate::report::{self, median};
use crate::wire::{Fault, Ours};

impl Setting {
    /// Pairs of rounds: without, with.
    pub(super) fn stalled(mut self, wanted: &args::StalledOptions) -> Result<(), Fault> {
        // Who falls behind is served from there.
        self.stores = true;
        let size = self.common.size;
        println!(
            "\nstalled: {} clients, one of them perhaps without reading; {} messages of {size} \
             bytes a second to all",
            wanted.clients, wanted.rate
        );
        println!("{}", report::STALLED_HEAD);
        if self.common.raw_only {
            let words = "the raw server waits for its slowest reader: there is nothing to compare";
            return Err(Fault::Broken(words.to_owned()));
        }
        let mut pairs = Vec::new();
        for round in 1..=self.rounds {
            let without = self.stalled_round(round, wanted, false)?;
            let with = self.stalled_round(round, wanted, true)?;
            pairs.push((without, with));
        }
        let p99 = |measure: &Measure| measure.latency.quantile(0.99) as f64;
        let slower = median(pairs.iter().map(|(without, with)| p99(with) / p99(without)));
        let mib = median(pairs.iter().map(|(without, with)| {
            (with.rss_bytes as f64 - without.rss_bytes as f64) / f64::from(1 << 20)
        }));
        let figures = [
            ("p99_with_to_without", format!("{slower:.3}"), slower),
            ("mib_more", format!("{mib:.2}"), mib),
        ];
        self.result("stalled", &figures, None);
        Ok(())
    }

    fn stalled_round(
        &self,
        round: u32,
        wanted: &args::StalledOptions,
        stalls: bool,
    ) -> Result<Measure, Fault> {
        let shape = Shape {
            clients: wanted.clients.into(),
            stalls,
            text_bytes: self.common.size.into(),
            rate: wanted.rate.into(),
            measured: self.measured,
        };
        let (server, _folder) = self.start(Side::Ours)?;
        let measure = stalled::run::<Ours>(&server, shape).map_err(|fault| {
            let words = server.words();
            Fault::Broken(format!("{fault}\nThe server's words: {words}"))
        })?;
        let (text, twin) = report::stalled(round, stalls, &measure);
        self.report.line(&text, &twin);
        Ok(measure)
    }
}
