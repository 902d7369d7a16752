//! Two copies of one journal: whether they are of one log, and where they part.

use crate::finding::{Finding, Stop};
use crate::source::{Row, Source};

/// How two copies that agree stand to each other.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Alike {
    /// They are the same.
    Same {
        /// Entries.
        entries: u64,
    },
    /// The first is the beginning of the second.
    FirstIsShorter {
        /// Entries that both have.
        common: u64,
        /// Entries that only the second has.
        more: u64,
    },
    /// The second is the beginning of the first.
    SecondIsShorter {
        /// Entries that both have.
        common: u64,
        /// Entries that only the first has.
        more: u64,
    },
}

/// Compares all rows.
///
/// # Errors
///
/// The first entry in which they differ.
pub fn compare(first: &Source, second: &Source) -> Result<Alike, Stop> {
    if first.log() != second.log() {
        let what = "these are journals of two different logs";
        let finding = Finding::new("copies-log", what)
            .with(
                "first",
                format!("{}: log {}", first.file().display(), first.log()),
            )
            .with(
                "second",
                format!("{}: log {}", second.file().display(), second.log()),
            );
        return Err(finding.into());
    }
    let (mut one, mut other) = (Rows::new(first), Rows::new(second));
    let mut common = 0;
    loop {
        match (one.next()?, other.next()?) {
            (Some(a), Some(b)) if a == b => common += 1,
            (Some(a), Some(b)) => return Err(differ(&a, &b, common).into()),
            (None, None) => return Ok(Alike::Same { entries: common }),
            (None, Some(_)) => {
                let more = 1 + other.rest()?;
                return Ok(Alike::FirstIsShorter { common, more });
            }
            (Some(_), None) => {
                let more = 1 + one.rest()?;
                return Ok(Alike::SecondIsShorter { common, more });
            }
        }
    }
}

fn differ(a: &Row, b: &Row, common: u64) -> Finding {
    let what = format!("the copies agree in their first {common} entries and differ in the next");
    let finding = Finding::new("copies-differ", what);
    let one = |finding: Finding, label, row: &Row| match row.columns().decode() {
        Ok(record) => finding.with_entry(label, &record),
        Err(_) => finding.with(label, row.words()),
    };
    let finding = one(one(finding, "first", a), "second", b);
    if a.columns() == b.columns() {
        return finding.with("but", "only their chains are different");
    }
    finding
}

/// The rows of a journal, one at a time.
struct Rows<'a> {
    source: &'a Source,
    after: i64,
    page: std::vec::IntoIter<Row>,
}

impl<'a> Rows<'a> {
    fn new(source: &'a Source) -> Self {
        Self {
            source,
            after: i64::MIN,
            page: Vec::new().into_iter(),
        }
    }

    fn next(&mut self) -> Result<Option<Row>, Stop> {
        if self.page.len() == 0 {
            self.page = self.source.page(self.after)?.into_iter();
        }
        let next = self.page.next();
        if let Some(row) = &next {
            self.after = row.index();
        }
        Ok(next)
    }

    fn rest(&mut self) -> Result<u64, Stop> {
        let mut count = 0;
        while self.next()?.is_some() {
            count += 1;
        }
        Ok(count)
    }
}
