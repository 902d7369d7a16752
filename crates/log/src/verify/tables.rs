//! What stands beside the entries in the journal's file: terms, and how far clients have come.

use std::collections::BTreeMap;

use lamparina_order::{Record, Recorded};
use lamparina_protocol::MemberId;

use super::walk::Walk;
use crate::finding::{Finding, Stop};
use crate::source::Source;

/// The tables, read before the walk: what they say, the journal had then.
#[derive(Clone, Debug, Default)]
pub(super) struct Tables {
    /// The last entry when they were read: what came later is not in them.
    last: i64,
    /// By term: the stamp that it begins after, and when it began.
    terms: BTreeMap<i64, (i64, i64)>,
    /// Member and what its clients handed over.
    positions: Vec<(i64, (i64, i64))>,
}

impl Tables {
    /// Reads them.
    ///
    /// # Errors
    ///
    /// Where they cannot be read.
    pub(super) fn read(source: &Source) -> Result<Self, Stop> {
        let rows = |sql: &str| {
            let mut statement = source.connection().prepare(sql)?;
            let rows =
                statement.query_map([], |row| Ok((row.get(0)?, (row.get(1)?, row.get(2)?))))?;
            rows.collect::<rusqlite::Result<Vec<(i64, (i64, i64))>>>()
        };
        let failed = |error| source.failed(&error);
        // First: what is in the tables then, is in the entries up to here.
        let positions = rows("SELECT member, consumed, at FROM position ORDER BY member");
        let last = source.last()?;
        let terms = rows("SELECT term, after, at FROM term");
        Ok(Self {
            last,
            terms: terms.map_err(failed)?.into_iter().collect(),
            positions: positions.map_err(failed)?,
        })
    }

    /// The next entry.
    ///
    /// # Errors
    ///
    /// A term that begins elsewhere than the table says.
    pub(super) fn entry(&mut self, record: &Record) -> Result<(), Finding> {
        let Recorded::Began { term } = &record.event else {
            return Ok(());
        };
        let after = self.terms.remove(&i64::from(term.0));
        let at = (record.stamp.get() as i64, record.at.0 as i64);
        if after.is_some_and(|after| after == at) {
            return Ok(());
        }
        if after.is_none() && record.index.0 as i64 > self.last {
            return Ok(());
        }
        let what = match after {
            Some((after, _)) if after == at.0 => {
                format!("the table of terms says that term {term} began at another time")
            }
            Some((after, _)) => format!(
                "the table of terms says that term {term} begins after stamp {after}, and it begins after {}",
                record.stamp
            ),
            None => format!("the table of terms has no term {term}"),
        };
        Err(Finding::new("term-table", what).with_entry("journal", record))
    }

    /// The journal has ended; how many positions were compared.
    ///
    /// # Errors
    ///
    /// What the tables say beyond it.
    pub(super) fn end(&self, walk: &Walk) -> Result<usize, Finding> {
        let judgement = walk.judge.judgement();
        if let Some((term, (after, _))) = self.terms.first_key_value() {
            let what = format!(
                "the table of terms has term {term}, after stamp {after}, and no entry begins it"
            );
            return Err(last(Finding::new("term-table", what), walk));
        }
        for (member, (consumed, _)) in &self.positions {
            let known = u32::try_from(*member).ok().map(MemberId);
            let Some(nick) = known.and_then(|member| walk.judge.nick_of(member)) else {
                let what =
                    format!("the table of positions has member {member}, who never claimed a nick");
                return Err(last(Finding::new("position", what), walk));
            };
            if !u64::try_from(*consumed)
                .is_ok_and(|consumed| consumed <= judgement.last_stamp.get())
            {
                let what = format!(
                    "{nick} (member {member}) has handed over everything up to stamp {consumed}, says the table of positions, and the last stamp is {}",
                    judgement.last_stamp
                );
                return Err(last(Finding::new("position", what), walk));
            }
        }
        Ok(self.positions.len())
    }
}

fn last(finding: Finding, walk: &Walk) -> Finding {
    match &walk.last {
        Some(last) => finding.with_entry("last", last),
        None => finding,
    }
}
