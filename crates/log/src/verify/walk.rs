//! One walk over a journal: the chain made anew, each row judged by the rules, each replayed by the
//! order itself. Whoever else wants to look at each entry does so on the same walk.

use lamparina_order::verify::journal::{Judge, Violation};
use lamparina_order::{LogIndex, Record, Sequenced};
use lamparina_store::Chain;
use lamparina_store::chain::Chainer;

use crate::finding::{Finding, Stop};
use crate::source::{Row, Source};

/// Where the walk stands: behind an entry that is found good.
#[derive(Debug)]
pub struct Walk {
    /// The judge, who knows who there is.
    pub judge: Judge,
    /// The state that the order itself reaches.
    pub order: Sequenced,
    /// The chain up to here.
    pub chain: Chain,
    /// The last entry.
    pub last: Option<Record>,
}

/// Walks over a journal from the first entry to the last.
///
/// # Errors
///
/// The first violation, and whatever `each` returns.
pub fn walk(
    source: &Source,
    mut each: impl FnMut(&Record, &Walk) -> Result<(), Stop>,
) -> Result<Walk, Stop> {
    let mut walk = Walk {
        judge: Judge::default(),
        order: Sequenced::default(),
        chain: Chain::genesis(source.log()),
        last: None,
    };
    let mut chainer = Chainer::default();
    source.each(|row| {
        let record = walk.step(source, &mut chainer, row)?;
        each(&record, &walk)?;
        walk.last = Some(record);
        Ok(())
    })?;
    Ok(walk)
}

impl Walk {
    fn step(&mut self, source: &Source, chainer: &mut Chainer, row: &Row) -> Result<Record, Stop> {
        let chain = chainer.next(self.chain, &row.columns());
        let holds = chain.0[..] == row.chain[..];
        let record = row.columns().decode().map_err(|error| {
            let what = format!("a row is none that a journal has: {error}");
            self.noted(Finding::new("row", what), holds)
                .with("here", row.words())
        })?;
        if let Err(violation) = self.judge.admit(&record) {
            return Err(self.violated(source, *violation, holds).into());
        }
        if !holds {
            let what = "its chain does not hold: it was changed, or came here from elsewhere; what stands before it is as it was written";
            let finding = self.before(Finding::new("chain", what));
            return Err(finding.with_entry("here", &record).into());
        }
        // The order's own opinion. The two have been written apart from each other.
        if let Err(mismatch) = self.order.replay(&record) {
            let what = format!(
                "{} should be {}, not {}",
                mismatch.what, mismatch.expected, mismatch.found
            );
            let finding = self.before(Finding::new("replay", what));
            return Err(finding.with_entry("here", &record).into());
        }
        self.chain = chain;
        Ok(record)
    }

    fn violated(&self, source: &Source, violation: Violation, holds: bool) -> Finding {
        let Violation {
            fault,
            entry,
            against,
        } = violation;
        let finding = Finding::new(fault.name(), fault.to_string());
        let against = match against {
            LogIndex(0) => None,
            against => source.record(against),
        };
        let finding = match against {
            Some(against) => finding.with_entry("against", &against),
            None => self.before(finding),
        };
        self.noted(finding.with_entry("here", &entry), holds)
    }

    fn before(&self, finding: Finding) -> Finding {
        match &self.last {
            Some(last) => finding.with_entry("before", last),
            None => finding.with("before", "nothing: it is the first entry"),
        }
    }

    /// Whether what is wrong was written so.
    fn noted(&self, finding: Finding, holds: bool) -> Finding {
        finding.with(
            "chain",
            match holds {
                true => "holds: it was written so, or somebody made the chain anew",
                false => "does not hold: it was changed after it was written",
            },
        )
    }
}
