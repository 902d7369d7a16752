//! Proof for people: a journal judged from its rows alone, and everything that should agree with it.
//!
//! | file | does |
//! |---|---|
//! | `walk` | chain, rules, replay: one walk |
//! | `tables` | terms and positions, beside the entries |
//! | `index` | the derived file |
//! | `compare` | another copy |
//! | `report` | what was checked, in words |

mod compare;
mod index;
mod report;
mod tables;
#[cfg(test)]
mod tests;
mod walk;

use std::path::Path;

pub use compare::{Alike, compare};
pub use index::Totals as IndexTotals;
pub use report::{Checked, Proof};
pub use walk::{Walk, walk};

use crate::captures::{AgainstJournal, Captures};
use crate::finding::{Finding, Stop};
use crate::server_log::ServerLog;
use crate::source::Source;
use index::Derived;
use tables::Tables;

/// What else is to be held against a journal.
#[derive(Clone, Copy, Debug, Default)]
pub struct Against<'a> {
    /// A server's log.
    pub log: Option<&'a Path>,
    /// What clients saw, read and agreed already.
    pub captures: Option<&'a Captures>,
}

/// Judges a journal and whatever is derived from it, or should agree with it.
///
/// # Errors
///
/// The first violation; or why something could not be read.
pub fn verify(source: &Source, against: Against<'_>) -> Result<Proof, Stop> {
    let judged = judge(source, against);
    // What was read while a server opened the file may be mixed: neither good nor bad.
    source.read_in_peace()?;
    judged
}

fn judge(source: &Source, against: Against<'_>) -> Result<Proof, Stop> {
    let log = source.log();
    let mut tables = Tables::read(source)?;
    let mut derived = Derived::beside(source.file(), log)?;
    let mut server = match against.log {
        Some(file) => Some(ServerLog::open(file, &log.to_string())?),
        None => None,
    };
    let seen = match against.captures {
        Some(captures) => Some(of_this_log(captures, &log.to_string())?),
        None => None,
    };
    let mut seen = seen.map(AgainstJournal::new);
    let walk = walk(source, |record, walk| {
        tables.entry(record)?;
        derived.compare(|index| index.entry(record, walk))?;
        if let Some(server) = &mut server {
            server.entry(record)?;
        }
        if let Some(seen) = &mut seen {
            seen.entry(record, &walk.judge)?;
        }
        Ok(())
    })?;
    // What else is wrong at the end may come of that.
    derived.compare(|index| index.knows_no_more(&walk))?;
    let positions = tables.end(&walk)?;
    derived.compare(|index| index.end(&walk))?;
    if let Derived::Read(index) = &derived {
        index.read_in_peace()?;
    }
    if let Some(server) = &mut server {
        server.end(&walk.judge, walk.last.as_ref())?;
    }
    if let Some(seen) = &mut seen {
        seen.end(walk.last.as_ref())?;
    }
    Ok(Proof {
        file: source.file().to_owned(),
        log,
        judgement: walk.judge.judgement(),
        remarks: walk.judge.remarks().collect(),
        chain: walk.chain,
        positions,
        index: match &derived {
            Derived::Read(index) => Some(index.totals()),
            Derived::None | Derived::Unread(_) => None,
        },
        index_unread: match derived {
            Derived::Unread(words) => Some(words),
            Derived::None | Derived::Read(_) => None,
        },
        server: server.map(|server| server.totals()),
        compared: seen.map(|seen| seen.compared()),
    })
}

fn of_this_log<'a>(captures: &'a Captures, log: &str) -> Result<&'a crate::captures::Order, Stop> {
    captures.of_log(log).ok_or_else(|| {
        let logs: Vec<_> = captures.logs().collect();
        let what = format!(
            "the captures are of log {}, and the journal is of log {log}",
            logs.join(", ")
        );
        Finding::new("capture-log", what).into()
    })
}
