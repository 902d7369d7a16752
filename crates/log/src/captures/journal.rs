//! Compares what clients saw with the journal, entry by entry: each message seen is there and says
//! the same, and between the first and the last delivery of a client nothing is missing that was
//! for it, and nothing is there that was not.

use std::iter::Peekable;

use lamparina_order::verify::journal::{FirstWords, Judge};
use lamparina_order::verify::{Content, MessageId, Sighting};
use lamparina_order::{Record, Recorded, RecordedMessage, To};

use super::{Order, Stretch};
use crate::finding::Finding;

/// What clients saw of this log, being compared with it.
pub struct AgainstJournal<'a> {
    seen: Peekable<Box<dyn Iterator<Item = &'a Sighting> + 'a>>,
    stretches: &'a [Stretch],
    compared: u64,
}

impl<'a> AgainstJournal<'a> {
    /// Begins with the first entry of the journal.
    pub fn new(order: &'a Order) -> Self {
        let seen: Box<dyn Iterator<Item = &'a Sighting> + 'a> = Box::new(order.check.order());
        Self {
            seen: seen.peekable(),
            stretches: &order.stretches,
            compared: 0,
        }
    }

    /// The next entry; `judge` has just judged it.
    ///
    /// # Errors
    ///
    /// What does not agree.
    pub fn entry(&mut self, record: &Record, judge: &Judge) -> Result<(), Finding> {
        let Recorded::Message(message) = &record.event else {
            return Ok(());
        };
        if let Some(sighting) = self.seen.next_if(|seen| seen.stamp < record.stamp) {
            return Err(unknown(sighting).with_entry("next", record));
        }
        if let Some(sighting) = self.seen.next_if(|seen| seen.stamp == record.stamp) {
            same(record, message, sighting)?;
            self.compared += 1;
        }
        let mut stretches = self.stretches.iter();
        stretches.try_for_each(|stretch| judge_stretch(stretch, record, message, judge))
    }

    /// The journal has ended.
    ///
    /// # Errors
    ///
    /// What was seen beyond its end.
    pub fn end(&mut self, last: Option<&Record>) -> Result<(), Finding> {
        let Some(sighting) = self.seen.next() else {
            return Ok(());
        };
        let finding = Finding::new(
            "lost-tail",
            format!(
                "stamp {} was seen, and the journal ends before it: it lost its end, or was never the one that was seen",
                sighting.stamp
            ),
        );
        let finding = match last {
            Some(last) => finding.with_entry("last", last),
            None => finding,
        };
        Err(finding.with("seen", words(sighting)))
    }

    /// Messages that were found in the journal as they were seen.
    pub const fn compared(&self) -> u64 {
        self.compared
    }
}

fn unknown(sighting: &Sighting) -> Finding {
    let what = format!(
        "stamp {} was seen, and the journal has no message there",
        sighting.stamp
    );
    Finding::new("not-in-journal", what).with("seen", words(sighting))
}

fn words(sighting: &Sighting) -> String {
    match &sighting.content {
        Some(content) => format!("{sighting}: {}", FirstWords(&content.text)),
        None => match &sighting.written {
            Some(written) => format!("{sighting}: {}", FirstWords(written)),
            None => sighting.to_string(),
        },
    }
}

fn same(record: &Record, message: &RecordedMessage, sighting: &Sighting) -> Result<(), Finding> {
    let id = MessageId {
        member: message.member,
        epoch: message.epoch,
        pseq: message.pseq,
    };
    let differs = |name, what: &str| {
        let what = format!("{what} at stamp {} than was seen there", record.stamp);
        Finding::new(name, what)
            .with_entry("journal", record)
            .with("seen", words(sighting))
    };
    if id != sighting.id {
        return Err(differs("seen-another", "the journal has another message"));
    }
    let content = Content {
        from: message.from.clone(),
        clock: message.clock,
        seen: message.seen,
        audience: message.audience.clone(),
        text: message.text.clone(),
    };
    let written = sighting.written.as_ref();
    match &sighting.content {
        _ if written.is_some_and(|written| *written != content.text) => Err(differs(
            "seen-text",
            "the journal has another text, as its author says,",
        )),
        Some(seen) if seen.text != content.text => {
            Err(differs("seen-text", "the journal has another text"))
        }
        Some(seen) if *seen != content => Err(differs(
            "seen-altered",
            "the journal has another author, audience, clock or `seen`",
        )),
        _ => Ok(()),
    }
}

fn judge_stretch(
    stretch: &Stretch,
    record: &Record,
    message: &RecordedMessage,
    judge: &Judge,
) -> Result<(), Finding> {
    let Some(member) = stretch.member else {
        return Ok(());
    };
    let viewer = &stretch.viewer;
    let receives = judge.receives(member, message);
    let delivered = stretch.delivered.contains(&record.stamp);
    let after = stretch.after.is_some_and(|after| after < record.stamp);
    let before = stretch
        .delivered
        .last()
        .is_some_and(|last| record.stamp < *last);
    if delivered && !receives {
        let what = format!("{viewer} (member {member}) was delivered a message that is not for it");
        return Err(Finding::new("not-for-it", what).with_entry("journal", record));
    }
    if receives && !delivered && after && before {
        let what = format!(
            "{viewer} (member {member}) was not delivered a message that is for it: a silent gap"
        );
        return Err(Finding::new("silent-gap", what).with_entry("journal", record));
    }
    let may_see = receives || message.member == member || message.to == To::All;
    if stretch.history.contains(&record.stamp) && !may_see {
        let what = format!("{viewer} (member {member}) was shown a message that it may not see");
        return Err(Finding::new("not-for-it", what).with_entry("journal", record));
    }
    Ok(())
}
