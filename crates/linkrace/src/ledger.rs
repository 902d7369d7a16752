//! What was sent and what came: a message counts once, at the first time it came whole; everything
//! that should not happen (damage, a second time, out of order) is counted and never forgiven.

use lamparina_protocol::Instant;

use crate::body::{self, Kind};
use crate::end::Delivered;

/// One message.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// When somebody wanted to send it.
    pub created: Instant,
    /// Its length.
    pub bytes: usize,
    /// When it came.
    pub delivered: Option<Instant>,
}

/// All messages of one kind.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    /// By tag.
    pub entries: Vec<Entry>,
    /// How many came.
    pub delivered: usize,
    /// Came with other bytes than were sent.
    pub damaged: u64,
    /// Came again.
    pub twice: u64,
    /// Came before one with a smaller tag.
    pub out_of_order: u64,
    latest: Option<u64>,
    delivered_bytes: u64,
}

impl Ledger {
    /// Notes a message and gives its tag.
    pub fn create(&mut self, now: Instant, bytes: usize) -> u64 {
        self.entries.push(Entry {
            created: now,
            bytes,
            delivered: None,
        });
        self.entries.len() as u64 - 1
    }

    /// Notes that a message came, and gives its tag where it is one of ours, whole.
    pub fn deliver(&mut self, now: Instant, kind: Kind, body: &[u8]) -> Option<u64> {
        let tag = body::read(kind, body);
        let entry = tag.and_then(|tag| {
            let place = usize::try_from(tag).ok()?;
            self.entries.get_mut(place)
        });
        let (Some(tag), Some(entry)) = (tag, entry.filter(|entry| entry.bytes == body.len()))
        else {
            self.damaged += 1;
            return None;
        };
        if entry.delivered.is_some() {
            self.twice += 1;
            return None;
        }
        entry.delivered = Some(now);
        self.delivered += 1;
        self.delivered_bytes += entry.bytes as u64;
        self.out_of_order += u64::from(self.latest.is_some_and(|latest| tag < latest));
        self.latest = self.latest.max(Some(tag));
        Some(tag)
    }

    /// Whether all that was created has come.
    pub fn is_complete(&self) -> bool {
        self.delivered == self.entries.len()
    }

    /// Whether nothing happened that should not.
    pub fn is_clean(&self) -> bool {
        self.damaged == 0 && self.twice == 0 && self.out_of_order == 0
    }

    /// Milliseconds from creation to delivery, of messages created from `from` on, ascending; infinite
    /// for those that never came.
    pub fn delays_ms(&self, from: Instant) -> Vec<f64> {
        let entries = self.entries.iter().filter(|entry| entry.created >= from);
        let mut delays: Vec<f64> = entries
            .map(|entry| match entry.delivered {
                Some(at) => at.saturating_since(entry.created).as_secs_f64() * 1e3,
                None => f64::INFINITY,
            })
            .collect();
        delays.sort_by(f64::total_cmp);
        delays
    }

    /// Bytes of messages delivered from `from` on and before `until`.
    pub fn bytes_between(&self, from: Instant, until: Instant) -> u64 {
        let entries = self.entries.iter();
        entries
            .filter(|entry| entry.delivered.is_some_and(|at| from <= at && at < until))
            .map(|entry| entry.bytes as u64)
            .sum()
    }

    /// Bytes of all messages that came.
    pub fn bytes_delivered(&self) -> u64 {
        self.delivered_bytes
    }

    /// When the last one came.
    pub fn last_delivery(&self) -> Option<Instant> {
        self.entries
            .iter()
            .filter_map(|entry| entry.delivered)
            .max()
    }
}

/// Both kinds.
#[derive(Clone, Debug, Default)]
pub struct Ledgers {
    /// Chat.
    pub small: Ledger,
    /// Bulk.
    pub bulk: Ledger,
}

impl Ledgers {
    /// The one for `kind`.
    pub fn of(&mut self, kind: Kind) -> &mut Ledger {
        match kind {
            Kind::Small => &mut self.small,
            Kind::Bulk => &mut self.bulk,
        }
    }

    /// Notes what came.
    pub fn deliver(&mut self, now: Instant, message: &Delivered) -> Option<u64> {
        self.of(message.kind)
            .deliver(now, message.kind, &message.body)
    }

    /// Whether all that was created has come.
    pub fn is_complete(&self) -> bool {
        self.small.is_complete() && self.bulk.is_complete()
    }

    /// Whether nothing happened that should not.
    pub fn is_clean(&self) -> bool {
        self.small.is_clean() && self.bulk.is_clean()
    }
}

/// The value below which the share `rank` of ascending `values` lies (nearest rank).
pub fn percentile(values: &[f64], rank: f64) -> f64 {
    if values.is_empty() {
        return f64::NAN;
    }
    let place = (rank * values.len() as f64).ceil() as usize;
    values[place.clamp(1, values.len()) - 1]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_were_there() {
        let values: Vec<f64> = (1..=200).map(f64::from).collect();
        for (rank, value) in [(0.0, 1.0), (0.5, 100.0), (0.99, 198.0), (1.0, 200.0)] {
            assert_eq!(percentile(&values, rank), value);
        }
        assert!(percentile(&[], 0.5).is_nan());
    }

    #[test]
    fn what_should_not_happen_is_counted() {
        let mut ledger = Ledger::default();
        let at = Instant::from_millis;
        for length in [20, 30, 40] {
            ledger.create(at(1), length);
        }
        let whole = |tag, length| body::make(Kind::Small, tag, length);
        assert_eq!(ledger.deliver(at(4), Kind::Small, &whole(1, 30)), Some(1));
        assert_eq!(ledger.deliver(at(5), Kind::Small, &whole(1, 30)), None);
        assert_eq!(ledger.deliver(at(5), Kind::Small, &whole(0, 20)), Some(0));
        assert_eq!(ledger.deliver(at(5), Kind::Small, &whole(2, 41)), None);
        assert_eq!(ledger.deliver(at(5), Kind::Small, &whole(3, 40)), None);
        assert_eq!(
            (
                ledger.twice,
                ledger.out_of_order,
                ledger.damaged,
                ledger.delivered
            ),
            (1, 1, 2, 2)
        );
        assert!(!ledger.is_complete() && !ledger.is_clean());
        assert_eq!(ledger.delays_ms(at(0)), [3.0, 4.0, f64::INFINITY]);
        assert_eq!(ledger.bytes_between(at(4), at(5)), 30);
        assert_eq!(ledger.last_delivery(), Some(at(5)));
    }
}
