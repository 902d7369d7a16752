//! Connections of each address in a sliding window; one too many starts a block, which ends by itself
//! and is not made longer by who keeps trying (rule 35).

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use lamparina_protocol::Instant;

use crate::limits::{RATE_WINDOW, RATES_MAX};

/// Between two searches for addresses that need not be counted any more.
const SWEEP_EVERY: Duration = Duration::from_secs(1);

#[derive(Clone, Debug)]
pub(super) struct Rates {
    limit: u32,
    by_address: BTreeMap<IpAddr, Rate>,
    swept: Instant,
}

#[derive(Clone, Debug, Default)]
struct Rate {
    /// At most `limit` of them.
    recent: VecDeque<Instant>,
    blocked_until: Option<Instant>,
}

impl Rates {
    pub(super) const fn new(limit: u32) -> Self {
        Self {
            limit,
            by_address: BTreeMap::new(),
            swept: Instant::ZERO,
        }
    }

    /// Counts one more; the whole seconds of the block where there is one.
    pub(super) fn count(&mut self, now: Instant, address: IpAddr) -> Result<(), u64> {
        let address = counted_as(address);
        if self.limit == 0 || !self.make_room(now, address) {
            return Ok(());
        }
        let rate = self.by_address.entry(address).or_default();
        if let Some(until) = rate.blocked_until {
            if now < until {
                return Err(seconds(until - now));
            }
            *rate = Rate::default();
        }
        rate.forget(now);
        if rate.recent.len() >= self.limit as usize {
            rate.recent.clear();
            rate.blocked_until = Some(now + RATE_WINDOW);
            return Err(seconds(RATE_WINDOW));
        }
        rate.recent.push_back(now);
        Ok(())
    }

    /// Whether this address can be counted.
    fn make_room(&mut self, now: Instant, address: IpAddr) -> bool {
        let full = |rates: &Self| rates.by_address.len() >= RATES_MAX;
        if self.by_address.contains_key(&address) || !full(self) {
            return true;
        }
        if now >= self.swept + SWEEP_EVERY {
            self.swept = now;
            self.by_address.retain(|_, rate| rate.matters(now));
        }
        !full(self)
    }
}

impl Rate {
    fn forget(&mut self, now: Instant) {
        while self
            .recent
            .front()
            .is_some_and(|&at| now >= at + RATE_WINDOW)
        {
            self.recent.pop_front();
        }
    }

    fn matters(&mut self, now: Instant) -> bool {
        self.forget(now);
        !self.recent.is_empty() || self.blocked_until.is_some_and(|until| now < until)
    }
}

/// Who has one address of a /64 of IPv6 has all of them.
fn counted_as(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(address) if !address.is_loopback() => {
            let prefix = u128::from(address) & !u128::from(u64::MAX);
            Ipv6Addr::from(prefix).into()
        }
        other => other,
    }
}

fn seconds(left: Duration) -> u64 {
    left.as_micros().div_ceil(1_000_000) as u64
}
