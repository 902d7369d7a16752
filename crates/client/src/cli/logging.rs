//! What the program says of itself, on stderr; `/log` changes how much.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use tracing::level_filters::LevelFilter;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::dynamic_filter_fn;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use super::args::LogArg;
use crate::command::LogLevel;

/// The level in force.
#[derive(Clone, Debug)]
pub(super) struct Levels(Arc<AtomicU8>);

impl Levels {
    pub(super) fn set(&self, level: LogLevel) {
        self.0.store(level as u8, Ordering::Relaxed);
    }

    fn filter(&self) -> LevelFilter {
        match self.0.load(Ordering::Relaxed) {
            0 => LevelFilter::OFF,
            1 => LevelFilter::ERROR,
            2 => LevelFilter::WARN,
            3 => LevelFilter::INFO,
            4 => LevelFilter::DEBUG,
            _ => LevelFilter::TRACE,
        }
    }
}

/// Begins to log at `level`.
pub(super) fn start(level: LogArg) -> Levels {
    let levels = Levels(Arc::new(AtomicU8::new(LogLevel::from(level) as u8)));
    let filter = levels.clone();
    let layer = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(false)
        // Who closed stderr does not want to know; to say so there would be a panic.
        .log_internal_errors(false)
        .with_filter(dynamic_filter_fn(move |about, _| {
            *about.level() <= filter.filter()
        }));
    // A program that has set up its own keeps it.
    let _ = tracing_subscriber::registry().with(layer).try_init();
    levels
}
