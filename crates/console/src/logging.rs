//! What the program says of itself, on stderr; `/log` changes how much.

use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use tracing::level_filters::LevelFilter;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::dynamic_filter_fn;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// How much the program says about itself.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum LogLevel {
    /// Nothing.
    Off,
    /// What went wrong.
    Error,
    /// And what may go wrong.
    Warn,
    /// And what happens.
    Info,
    /// And why.
    Debug,
    /// And everything else.
    Trace,
}

/// A word is no level.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("a level is one of off, error, warn, info, debug, trace")]
pub struct UnknownLevel;

impl LogLevel {
    /// The words for the levels, from nothing to everything.
    pub const NAMES: [&'static str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
}

impl FromStr for LogLevel {
    type Err = UnknownLevel;

    fn from_str(word: &str) -> Result<Self, UnknownLevel> {
        Ok(match word {
            "off" => Self::Off,
            "error" => Self::Error,
            "warn" => Self::Warn,
            "info" => Self::Info,
            "debug" => Self::Debug,
            "trace" => Self::Trace,
            _ => return Err(UnknownLevel),
        })
    }
}

/// The level in force.
#[derive(Clone, Debug)]
pub struct Levels(Arc<AtomicU8>);

impl Levels {
    /// From now on only so much is said.
    pub fn set(&self, level: LogLevel) {
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
pub fn start(level: LogLevel) -> Levels {
    let levels = Levels(Arc::new(AtomicU8::new(level as u8)));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_a_level_and_they_rise() {
        let levels: Vec<LogLevel> = LogLevel::NAMES
            .iter()
            .map(|name| name.parse().expect("a level"))
            .collect();
        assert!(levels.is_sorted());
        assert_eq!("loud".parse::<LogLevel>(), Err(UnknownLevel));
    }
}
