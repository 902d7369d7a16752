//! The case `durable`: what it costs that nothing is told before it is synced.

use std::path::Path;

use super::{Setting, WARM_UP, of_last_side, ratio};
use crate::args;
use crate::child::{RawKind, Side};
use crate::disk;
use crate::folder::FileSystem;
use crate::load::durable::{self, Measure, Shape};
use crate::report::{self, median};
use crate::wire::{Fault, Ours, RawDurable};

impl Setting {
    /// Rounds of both servers, with full windows or one message at a time.
    pub(super) fn durable(mut self, wanted: &args::DurableOptions) -> Result<(), Fault> {
        self.raw = match wanted.fanout {
            0 => RawKind::Keeps,
            _ => RawKind::KeepsAndCopies,
        };
        let shape = self.shape(wanted);
        let case = if wanted.sparse { "sparse" } else { "durable" };
        println!("\n{}", describe(case, shape));
        self.keep_in(wanted.data_in.as_deref())?;
        println!("{}", report::DURABLE_HEAD);
        let measures = self.alternate(|round, side, server| {
            let run = match (side, wanted.sparse) {
                (Side::Raw, false) => durable::run::<RawDurable>,
                (Side::Raw, true) => durable::sparse::<RawDurable>,
                (Side::Ours, false) => durable::run::<Ours>,
                (Side::Ours, true) => durable::sparse::<Ours>,
            };
            let probed = disk::probe(server.folder(), shape.text_bytes);
            let probed = probed.map_err(Fault::io("probing the disk"))?;
            let measure = run(server, shape, WARM_UP, self.measured)?;
            let (text, twin) = report::durable(case, round, side, &measure, &probed);
            self.report.line(&text, &twin);
            Ok(measure)
        })?;
        self.tell(case, &measures);
        Ok(())
    }

    fn shape(&self, wanted: &args::DurableOptions) -> Shape {
        let (authors, window_each) = match wanted.sparse {
            true => (1, 1),
            false => (wanted.authors.into(), wanted.window_each.into()),
        };
        Shape {
            authors,
            listeners: wanted.fanout.into(),
            text_bytes: self.common.size.into(),
            window_each,
            window: self.common.window.into(),
        }
    }

    /// Has servers keep their data in `within`, where given, and says what that is.
    pub(super) fn keep_in(&mut self, within: Option<&Path>) -> Result<(), Fault> {
        self.stores = true;
        if let Some(within) = within {
            self.within = within.to_owned();
        }
        let shown = self.within.display();
        let found = FileSystem::of(&self.within).map_err(|source| {
            Fault::Broken(format!(
                "--data-in {shown}: {source}; give a folder that exists"
            ))
        })?;
        println!("data in {shown}, on {}", found.name());
        if let Some(warning) = found.warning() {
            println!("{warning}");
        }
        Ok(())
    }

    fn tell(&self, case: &str, measures: &[(Side, Measure)]) {
        let rate = median(of_last_side(measures, Measure::rate));
        let at = |share| {
            median(of_last_side(measures, |measure| {
                measure.to_commit.quantile(share) as f64 / 1e3
            }))
        };
        let ns = median(of_last_side(measures, |measure| {
            measure.span.ns_each(measure.commits).0
        }));
        let figures = [
            ("commits_per_s", report::millions(rate), rate),
            ("ns_per_commit", format!("{ns:.0}"), ns),
            ("p50_us", format!("{:.0}", at(0.5)), at(0.5)),
            ("p99_us", format!("{:.0}", at(0.99)), at(0.99)),
        ];
        let ratio = match case {
            "sparse" => ratio(measures, |measure| measure.to_commit.quantile(0.5) as f64),
            _ => ratio(measures, Measure::rate),
        };
        self.result(case, &figures, ratio);
    }
}

fn describe(case: &str, shape: Shape) -> String {
    let Shape {
        authors,
        listeners,
        text_bytes,
        window_each,
        window,
    } = shape;
    let whom = match listeners {
        0 => "for one who is not there".to_owned(),
        _ => format!("for all and {listeners} listeners, {window} in flight in all"),
    };
    match case {
        "sparse" => format!("sparse: 1 author, one {text_bytes}-byte message at a time, {whom}"),
        _ => format!(
            "durable: {authors} authors, window {window_each} each, {text_bytes}-byte messages, {whom}"
        ),
    }
}
