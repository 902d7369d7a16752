//! How often an address may try a code or a password: a few at once, then slowly. What was right is
//! given back, so that many behind one address may come in together. Pure: time is an argument.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use lamparina_protocol::Instant;

/// Tries at once.
pub const TRIES_MAX: u32 = 20;
/// One more try after each.
pub const REFILL: Duration = Duration::from_secs(3);
/// Addresses that are remembered; more share what one has.
pub const ADDRESSES_MAX: usize = 10_000;
/// After so long an address is like one never seen.
const FULL_AFTER_US: u64 = TRIES_MAX as u64 * REFILL.as_micros() as u64;

/// Who tried how often.
#[derive(Clone, Debug, Default)]
pub struct Guesses {
    /// By address (of IPv6 the first 64 bits): when it would have all its tries again.
    full_at: BTreeMap<u128, Instant>,
    /// The same of all that are not remembered.
    others: Instant,
}

impl Guesses {
    /// Takes a try of `address`, where it has one.
    pub fn take(&mut self, now: Instant, address: IpAddr) -> bool {
        let key = key(address);
        if !self.full_at.contains_key(&key) && self.full_at.len() >= ADDRESSES_MAX {
            self.full_at.retain(|_, full_at| *full_at > now);
        }
        let room = self.full_at.len() < ADDRESSES_MAX || self.full_at.contains_key(&key);
        let full_at = match room {
            true => self.full_at.entry(key).or_insert(now),
            false => &mut self.others,
        };
        let next = (*full_at).max(now) + REFILL;
        let has = next.saturating_since(now).as_micros() as u64 <= FULL_AFTER_US;
        if has {
            *full_at = next;
        }
        has
    }

    /// Gives a try back: what was tried was right.
    pub fn give_back(&mut self, now: Instant, address: IpAddr) {
        let key = key(address);
        let Some(full_at) = self.full_at.get_mut(&key) else {
            return;
        };
        let left = full_at.saturating_since(now).saturating_sub(REFILL);
        if left.is_zero() {
            self.full_at.remove(&key);
        } else {
            *full_at = now + left;
        }
    }
}

fn key(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().to_bits(),
        IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
            Some(v4) => v4.to_ipv6_mapped().to_bits(),
            // One network is one guesser.
            None => v6.to_bits() >> 64 << 64,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn an_address_has_its_tries_and_then_one_each_while() {
        let (mut guesses, mut now) = (Guesses::default(), Instant::ZERO);
        let here = address("10.0.0.1");
        for _ in 0..TRIES_MAX {
            assert!(guesses.take(now, here));
        }
        assert!(!guesses.take(now, here));
        assert!(
            !guesses.take(now, address("::ffff:10.0.0.1")),
            "the same one"
        );
        assert!(guesses.take(now, address("10.0.0.2")), "another one");
        now += REFILL;
        assert!(guesses.take(now, here));
        assert!(!guesses.take(now, here));
        guesses.give_back(now, here);
        assert!(guesses.take(now, here));
        assert!(!guesses.take(now, here));
    }

    #[test]
    fn a_network_of_ipv6_is_one_address() {
        let (mut guesses, now) = (Guesses::default(), Instant::ZERO);
        for host in 0..TRIES_MAX {
            assert!(guesses.take(now, address(&format!("2001:db8::{host:x}"))));
        }
        assert!(!guesses.take(now, address("2001:db8::ffff:1")));
        assert!(guesses.take(now, address("2001:db8:0:1::1")));
    }

    #[test]
    fn what_is_remembered_is_bounded_and_a_flood_does_not_free_anybody() {
        let (mut guesses, now) = (Guesses::default(), Instant::ZERO);
        let guesser = address("10.0.0.1");
        while guesses.take(now, guesser) {}
        for other in 0..2 * ADDRESSES_MAX as u32 {
            guesses.take(now, IpAddr::V4((0x0b00_0000 + other).into()));
        }
        assert_eq!(guesses.full_at.len(), ADDRESSES_MAX);
        assert!(!guesses.take(now, guesser));
        let later = now + REFILL * 2;
        assert!(
            guesses.take(later, address("12.0.0.1")),
            "the others are forgotten"
        );
        assert!(guesses.full_at.len() < ADDRESSES_MAX);
    }
}
