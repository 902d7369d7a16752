//! How many connections there may be, in all and from one address. Whoever holds a [`Permit`]
//! counts, until it is dropped.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Connections at a time, unless told otherwise.
pub const CONNECTIONS_MAX: usize = 16_384;
/// Connections at a time from one address that is not this machine's, unless told otherwise.
pub const CONNECTIONS_PER_ADDRESS_MAX: usize = 256;
/// Open files that are not connections: listeners, the logger's pipe, the runtime's own.
const OTHER_FILES: u64 = 64;

/// Why there is no room. The words go to the client.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Over {
    /// In all.
    #[error("the server has its {0} connections: try again in a while")]
    Total(usize),
    /// From one address.
    #[error("your address has its {0} connections: close one, or try again in a while")]
    Address(usize),
}

/// Counts connections.
#[derive(Clone, Debug)]
pub struct Limits {
    counts: Arc<Mutex<Counts>>,
    total_max: usize,
    address_max: usize,
}

#[derive(Debug, Default)]
struct Counts {
    total: usize,
    by_address: HashMap<IpAddr, usize>,
}

/// A connection that is counted.
#[derive(Debug)]
pub struct Permit {
    counts: Arc<Mutex<Counts>>,
    address: Option<IpAddr>,
}

impl Limits {
    /// No connection yet.
    pub fn new(total_max: usize, address_max: usize) -> Self {
        Self {
            counts: Arc::default(),
            total_max,
            address_max,
        }
    }

    /// Counts one more, from `address`.
    ///
    /// # Errors
    ///
    /// [`Over`]; nothing is counted then.
    pub fn admit(&self, address: IpAddr) -> Result<Permit, Over> {
        // This machine's own programs are limited by the total alone.
        let address = Some(address.to_canonical()).filter(|address| !address.is_loopback());
        let mut counts = lock(&self.counts);
        if counts.total >= self.total_max {
            return Err(Over::Total(self.total_max));
        }
        if let Some(address) = address {
            let count = counts.by_address.entry(address).or_insert(0);
            if *count >= self.address_max {
                return Err(Over::Address(self.address_max));
            }
            *count += 1;
        }
        counts.total += 1;
        Ok(Permit {
            counts: self.counts.clone(),
            address,
        })
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut counts = lock(&self.counts);
        counts.total -= 1;
        let Some(address) = self.address else { return };
        if let Some(count) = counts.by_address.get_mut(&address) {
            *count -= 1;
            if *count == 0 {
                counts.by_address.remove(&address);
            }
        }
    }
}

/// Lets this process open as many files as the system allows, and gives the number of connections
/// that this is enough for.
pub fn raise_file_limit() -> usize {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let now = getrlimit(Resource::Nofile);
    let wanted = Rlimit {
        current: now.maximum,
        ..now
    };
    let current = match setrlimit(Resource::Nofile, wanted) {
        Ok(()) => now.maximum,
        // Then what was allowed before still is.
        Err(_) => now.current,
    };
    let files = current.unwrap_or(u64::MAX).saturating_sub(OTHER_FILES);
    usize::try_from(files).unwrap_or(usize::MAX)
}

fn lock(counts: &Mutex<Counts>) -> MutexGuard<'_, Counts> {
    // Nothing that panics runs inside.
    counts.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_in_all_and_by_address_but_not_ones_own() {
        let limits = Limits::new(4, 2);
        let far: IpAddr = "192.0.2.7".parse().unwrap();
        let same: IpAddr = "::ffff:192.0.2.7".parse().unwrap();
        let own: IpAddr = "127.0.0.1".parse().unwrap();
        let one = limits.admit(far).unwrap();
        let two = limits.admit(same).unwrap();
        assert_eq!(limits.admit(far).unwrap_err(), Over::Address(2));
        let three = limits.admit(own).unwrap();
        let four = limits.admit(own).unwrap();
        assert_eq!(limits.admit(own).unwrap_err(), Over::Total(4));
        drop((one, three));
        let five = limits.admit(far).unwrap();
        drop((two, four, five));
        let counts = lock(&limits.counts);
        assert_eq!((counts.total, counts.by_address.len()), (0, 0));
    }
}
