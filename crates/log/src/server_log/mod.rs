//! Compares a server's log, `logs/server.log` and what was rotated away from it, with the journal:
//! every line about a message agrees with it, and no message is without a line between the first
//! line and the last one, except as many as the log says were dropped, and what a killed server
//! could not write any more.

pub mod line;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use lamparina_order::verify::journal::Judge;
use lamparina_order::{Record, Recorded, RecordedMessage};
use lamparina_protocol::Nick;

use crate::finding::{Finding, Stop};
use crate::lines::Lines;
use line::{Produced, Said};

/// Rotated files looked for, at most.
const ROTATED_MAX: u32 = 1_000;

/// A server's log, being compared.
#[derive(Debug)]
pub struct ServerLog {
    /// Files not yet read, the oldest last.
    files: Vec<PathBuf>,
    lines: Option<Lines>,
    /// The log that the journal is of; what a server said of another one is passed over.
    log: String,
    passing: bool,
    next: Option<Mention>,
    /// The greatest `upto` consumed, by whom and where.
    consumed: Option<(u64, String, String)>,
    /// Who consumed, not yet known to be members.
    consumers: Vec<(String, String)>,
    missing: Missing,
    totals: Totals,
}

/// A line about a message.
#[derive(Clone, Debug)]
struct Mention {
    produced: Produced,
    line: String,
    /// Lines that the log says were dropped since the one before.
    dropped: u64,
    /// A server started since the one before, without the one before it having ended.
    killed: bool,
}

/// Messages without a line since the last one that had one.
#[derive(Clone, Debug, Default)]
struct Missing {
    count: u64,
    first: Option<Box<Record>>,
    /// The line before them.
    after: String,
}

/// What was compared.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Totals {
    /// Lines about messages that agree with the journal.
    pub agreed: u64,
    /// Messages without a line, where the log says that lines were dropped.
    pub dropped: u64,
    /// Messages without a line that a killed server did not write any more.
    pub killed: u64,
    /// Messages before the log's first line about one, or after its last.
    pub uncovered: u64,
    /// Lines about other logs.
    pub others: u64,
}

impl ServerLog {
    /// Opens a log, with the files rotated away from it (`FILE.1` is the newest of these).
    ///
    /// # Errors
    ///
    /// [`Stop::Failed`] where it cannot be read.
    pub fn open(file: &Path, log: &str) -> Result<Self, Stop> {
        let rotated = (1..=ROTATED_MAX).map(|number| {
            let mut name = file.as_os_str().to_owned();
            name.push(format!(".{number}"));
            PathBuf::from(name)
        });
        let mut files = vec![file.to_owned()];
        files.extend(rotated.take_while(|file| file.exists()));
        let mut opened = Self {
            files,
            lines: None,
            log: log.to_owned(),
            passing: false,
            next: None,
            consumed: None,
            consumers: Vec::new(),
            missing: Missing::default(),
            totals: Totals::default(),
        };
        opened.next = opened.mention()?;
        Ok(opened)
    }

    /// The next entry.
    ///
    /// # Errors
    ///
    /// What does not agree.
    pub fn entry(&mut self, record: &Record) -> Result<(), Stop> {
        let Recorded::Message(message) = &record.event else {
            return Ok(());
        };
        let Some(mention) = &self.next else {
            self.totals.uncovered += 1;
            return Ok(());
        };
        let stamp = record.stamp.get();
        if mention.produced.stamp > stamp {
            self.without_line(record);
            return Ok(());
        }
        if mention.produced.stamp < stamp {
            let what = format!(
                "the log has a message at stamp {}, and the journal has none there",
                mention.produced.stamp
            );
            let finding = Finding::new("log-stamp", what).with("log", &mention.line);
            return Err(finding.with_entry("next", record).into());
        }
        agree(record, message, mention)?;
        self.settle_missing()?;
        self.totals.agreed += 1;
        let before = std::mem::take(&mut self.next);
        self.next = self.mention()?;
        if let (Some(before), Some(next)) = (before, &self.next) {
            self.missing.after = before.line;
            if next.produced.stamp <= stamp {
                let what = format!(
                    "the log's stamps go back from {stamp} to {}: it tells of two orders, or of one that lost its end",
                    next.produced.stamp
                );
                let finding = Finding::new("log-order", what).with("earlier", &self.missing.after);
                return Err(finding.with("here", &next.line).into());
            }
        }
        Ok(())
    }

    /// The journal has ended.
    ///
    /// # Errors
    ///
    /// What the log says beyond its end.
    pub fn end(&mut self, judge: &Judge, last: Option<&Record>) -> Result<(), Stop> {
        let beyond = |name, what: String, line: &str| {
            let finding = Finding::new(name, what).with("log", line);
            match last {
                Some(last) => finding.with_entry("last", last),
                None => finding,
            }
        };
        if let Some(mention) = &self.next {
            let what = format!(
                "the log has a message at stamp {}, and the journal ends before it: it lost its end, or is another one's",
                mention.produced.stamp
            );
            return Err(beyond("log-stamp", what, &mention.line).into());
        }
        let last_stamp = judge.judgement().last_stamp.get();
        if let Some((upto, by, line)) = &self.consumed
            && *upto > judge.clock().get()
        {
            let what =
                format!("{by} handed over stamp {upto}, and the journal ends at {last_stamp}");
            return Err(beyond("log-consumed", what, line).into());
        }
        let unknown = self.consumers.iter().find(|(by, _)| {
            let owner = Nick::try_from(by.as_str())
                .ok()
                .and_then(|nick| judge.owner_of(&nick));
            owner.is_none()
        });
        if let Some((by, line)) = unknown {
            let what = format!("{by} handed over messages, and nobody was ever called so");
            return Err(beyond("log-consumed", what, line).into());
        }
        Ok(())
    }

    /// What was compared.
    pub const fn totals(&self) -> Totals {
        self.totals
    }

    fn without_line(&mut self, record: &Record) {
        if self.totals.agreed == 0 {
            self.totals.uncovered += 1;
            return;
        }
        self.missing.count += 1;
        if self.missing.first.is_none() {
            self.missing.first = Some(Box::new(record.clone()));
        }
    }

    /// What has no line before the mention at hand is accounted for.
    fn settle_missing(&mut self) -> Result<(), Finding> {
        let missing = std::mem::take(&mut self.missing);
        let (Some(first), Some(mention)) = (missing.first, &self.next) else {
            return Ok(());
        };
        if missing.count <= mention.dropped {
            self.totals.dropped += missing.count;
        } else if mention.killed {
            self.totals.killed += missing.count;
        } else {
            let what = format!(
                "{} messages of the journal have no line in the log, which says that at most {} were dropped there",
                missing.count, mention.dropped
            );
            let finding = Finding::new("log-missing", what).with("after", missing.after);
            return Err(finding
                .with_entry("missing", &first)
                .with("before", &mention.line));
        }
        Ok(())
    }

    /// The next line about a message.
    fn mention(&mut self) -> Result<Option<Mention>, Stop> {
        let (mut dropped, mut killed) = (0_u64, false);
        // A log that begins with a start says nothing of a server before.
        let mut running = self.totals.agreed > 0;
        loop {
            if self.lines.is_none() {
                let Some(file) = self.files.pop() else {
                    return Ok(None);
                };
                self.lines = Some(Lines::open(&file)?);
            }
            let Some((said, line)) = self.said()? else {
                self.lines = None;
                continue;
            };
            match said {
                Said::Started { log } => {
                    self.passing = log.is_some_and(|log| log != self.log);
                    killed |= running;
                    running = true;
                }
                Said::Stopped => running = false,
                Said::Dropped { count } => dropped = dropped.saturating_add(count),
                Said::Produced(_) if self.passing => self.totals.others += 1,
                Said::Produced(produced) => {
                    return Ok(Some(Mention {
                        produced: *produced,
                        line,
                        dropped,
                        killed,
                    }));
                }
                Said::Consumed { by, upto } if !self.passing => self.note_consumed(by, upto, line),
                Said::Consumed { .. } | Said::Other => {}
            }
        }
    }

    /// The next line of the file at hand, and where it stands.
    fn said(&mut self) -> Result<Option<(Said, String)>, Stop> {
        let Some(lines) = &mut self.lines else {
            return Ok(None);
        };
        let file = lines.file().display().to_string();
        loop {
            let Some(line) = lines.read()? else {
                return Ok(None);
            };
            // Being written, or left by a killed logger.
            let read = line.text.and_then(line::read);
            if !line.whole || line.text == Some("") {
                continue;
            }
            let place = format!("{file}, line {}", line.number);
            let Some(said) = read else {
                return Err(Stop::Failed(format!("{place}: no line of a server's log")));
            };
            return Ok(Some((said, place)));
        }
    }

    fn note_consumed(&mut self, by: String, upto: u64, line: String) {
        if !self.consumers.iter().any(|(known, _)| *known == by) {
            self.consumers.push((by.clone(), line.clone()));
        }
        if self.consumed.as_ref().is_none_or(|(most, ..)| *most < upto) {
            self.consumed = Some((upto, by, line));
        }
    }
}

fn agree(record: &Record, message: &RecordedMessage, mention: &Mention) -> Result<(), Finding> {
    let said = &mention.produced;
    let names = message.audience.names();
    let shown = names
        .len()
        .saturating_sub(usize::try_from(said.to_more).unwrap_or(usize::MAX));
    let to = names[..shown].join(",");
    let text = said
        .text
        .as_ref()
        .is_none_or(|text| message.text.starts_with(text.as_str()));
    let what = if said.from != message.from.as_str() {
        format!("the log says that it is from {}", said.from)
    } else if said.kind != message.audience.kind() || said.to != to {
        format!("the log says that it is a {} to {}", said.kind, said.to)
    } else if said.bytes != message.text.len() as u64 {
        format!(
            "the log says that it has {} bytes, and it has {}",
            said.bytes,
            message.text.len()
        )
    } else if said.seen != message.seen.get() {
        format!(
            "the log says seen={}, and the journal {}",
            said.seen, message.seen
        )
    } else if !text {
        "the log has another text".to_owned()
    } else {
        return Ok(());
    };
    let finding = Finding::new("log-differs", what).with("log", &mention.line);
    Err(finding.with_entry("journal", record))
}
