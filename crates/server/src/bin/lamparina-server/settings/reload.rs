//! A running server reads its configuration again: what can change does, what cannot is named, and
//! a configuration that is wrong changes nothing.

use std::ffi::OsString;

use lamparina_server::limits::{InForce, TABLE};
use tracing::{info, warn};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::{Registry, reload};

use super::{Setting, Settings};

/// What is needed to read the configuration again.
#[derive(Debug)]
pub(crate) struct Reloader {
    args: Vec<OsString>,
    /// In force: settings that can change are kept up to date, others are those of the start.
    all: Vec<Setting>,
    limits: InForce,
    level: reload::Handle<LevelFilter, Registry>,
}

impl Reloader {
    pub(crate) fn new(
        args: Vec<OsString>,
        all: Vec<Setting>,
        limits: InForce,
        level: reload::Handle<LevelFilter, Registry>,
    ) -> Self {
        Self {
            args,
            all,
            limits,
            level,
        }
    }

    /// Reads it and applies what can be applied.
    pub(crate) fn reload(&mut self) {
        let read = match Settings::read(&self.args) {
            Ok(read) => read,
            Err(wrong) => {
                warn!("the configuration is wrong, and nothing was changed: {wrong}");
                return;
            }
        };
        let changed = |(now, new): &(&Setting, &Setting)| now.values != new.values;
        let pairs = self.all.iter().zip(&read.all).filter(changed);
        let (live, restart): (Vec<_>, Vec<_>) = pairs.partition(|(now, _)| is_live(&now.name));
        self.limits.set(read.options.limits.0);
        // It fails only when the subscriber is gone, and nobody reads then.
        let _ = self.level.modify(|level| *level = read.options.log_level);
        match live.as_slice() {
            [] => {
                info!("the configuration was read again: nothing that can change now has changed")
            }
            live => info!("the configuration was read again: {}", words(live)),
        }
        if !restart.is_empty() {
            warn!(
                "changed, and in force only after a restart: {}",
                words(&restart)
            );
        }
        for (now, new) in self.all.iter_mut().zip(&read.all) {
            if is_live(&now.name) {
                *now = new.clone();
            }
        }
    }
}

/// Whether a running server can take another value.
fn is_live(name: &str) -> bool {
    name == "log-level" || TABLE.iter().any(|limit| limit.name == name)
}

fn words(changed: &[(&Setting, &Setting)]) -> String {
    let said = |values: &[String]| match values {
        [] => "not set".to_owned(),
        values => values.join(","),
    };
    let each = changed.iter().map(|(now, new)| {
        let (from, to) = (said(&now.values), said(&new.values));
        format!("{} from {from} to {to}", now.name)
    });
    each.collect::<Vec<_>>().join(", ")
}
