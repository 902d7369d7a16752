//! What was checked and found good, in words and as JSON.

use std::fmt;
use std::path::PathBuf;

use lamparina_order::verify::journal::{Judgement, Remark, Remarked};
use lamparina_protocol::{LogId, clean};
use lamparina_store::Chain;
use serde::Serialize;

use super::index;
use crate::captures::Seen;
use crate::server_log;

/// A journal that was found good, with what was held against it.
#[derive(Clone, Debug)]
pub struct Proof {
    /// Its file.
    pub file: PathBuf,
    /// Its log.
    pub log: LogId,
    /// How much was judged.
    pub judgement: Judgement,
    /// What was odd, and no fault of the order.
    pub remarks: Vec<(Remark, Remarked)>,
    /// The chain up to the last entry: two copies with one chain are one journal.
    pub chain: Chain,
    /// Positions that were compared.
    pub positions: usize,
    /// The derived file, where there is one.
    pub index: Option<index::Totals>,
    /// Why it could not be compared, where it could not be read.
    pub index_unread: Option<String>,
    /// The server's log, where it was given.
    pub server: Option<server_log::Totals>,
    /// Messages in captures that were found in the journal.
    pub compared: Option<u64>,
}

#[derive(Serialize)]
struct Json {
    v: u8,
    r#type: &'static str,
    file: String,
    log: String,
    entries: u64,
    messages: u64,
    refused: u64,
    members: usize,
    term: u32,
    last_stamp: u64,
    chain: String,
    index_upto: Option<u64>,
    log_lines: Option<u64>,
    seen: Option<u64>,
    remarks: Vec<String>,
}

impl Proof {
    /// The same as one line of JSON.
    pub fn json(&self) -> String {
        let found = self.judgement;
        let remarks = self.remarks.iter();
        let line = Json {
            v: 1,
            r#type: "verified",
            file: self.file.display().to_string(),
            log: self.log.to_string(),
            entries: found.entries,
            messages: found.messages,
            refused: found.refused,
            members: found.members,
            term: found.term.0,
            last_stamp: found.last_stamp.get(),
            chain: self.chain.to_string(),
            index_upto: self.index.map(|index| index.upto),
            log_lines: self.server.map(|log| log.agreed),
            seen: self.compared,
            remarks: remarks
                .map(|(remark, met)| format!("{}: {}", met.count, remark.words()))
                .chain(self.index_unread.clone())
                .collect(),
        };
        // Numbers, texts and lists of them: every value has a form.
        crate::export::visible(serde_json::to_string(&line).unwrap_or_default())
    }
}

impl fmt::Display for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let found = self.judgement;
        let file = clean::line(&self.file.display().to_string());
        writeln!(f, "{file}: good")?;
        writeln!(f, "  log       {}", self.log)?;
        writeln!(
            f,
            "  checked   {} entries: {} messages, {} refused, {} members, term {}, last stamp {}",
            found.entries,
            found.messages,
            found.refused,
            found.members,
            found.term,
            found.last_stamp
        )?;
        write!(f, "  chain     {}", self.chain)?;
        if self.positions > 0 {
            write!(f, "\n  positions {} members", self.positions)?;
        }
        match self.index {
            None if self.index_unread.is_some() => write!(f, "\n  index     not compared")?,
            Some(index) => write!(
                f,
                "\n  index     {} texts up to entry {} and their words, {} snapshots",
                index.texts, index.upto, index.snapshots
            )?,
            None => write!(f, "\n  index     none beside it")?,
        }
        if let Some(log) = self.server {
            write!(f, "\n  log file  {} lines agree", log.agreed)?;
            let others = [
                (
                    log.dropped,
                    "messages without a line, which the log says were dropped",
                ),
                (
                    log.killed,
                    "messages without a line, where a server was killed",
                ),
                (
                    log.uncovered,
                    "messages before its first line or after its last",
                ),
                (log.others, "lines about other logs, passed over"),
            ];
            for (count, words) in others.iter().filter(|(count, _)| *count > 0) {
                write!(f, "; {count} {words}")?;
            }
        }
        if let Some(compared) = self.compared {
            write!(
                f,
                "\n  captures  {compared} messages were seen as they stand in the journal"
            )?;
        }
        for (remark, met) in &self.remarks {
            write!(
                f,
                "\n  remark    {}: {}, first at entry {}",
                met.count,
                remark.words(),
                met.first
            )?;
        }
        if let Some(words) = &self.index_unread {
            write!(f, "\n  remark    the search file: {}", clean::line(words))?;
        }
        Ok(())
    }
}

/// What captures agreed about among themselves.
#[derive(Clone, Copy, Debug)]
pub struct Checked(pub Seen);

impl fmt::Display for Checked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seen = self.0;
        write!(
            f,
            "{} captures agree: {} messages of {} logs, {} deliveries and commits, {} messages seen by more than one",
            seen.files, seen.messages, seen.logs, seen.sightings, seen.shared
        )?;
        match seen.lost {
            0 => Ok(()),
            lost => write!(
                f,
                "\n  remark    {lost} deliveries and commits were of an end that the log lost since, as the clients were told"
            ),
        }
    }
}
