//! How many connections there may be, in all and from one address, how many of them may still be
//! shaking hands, and how much memory their windows may take. Whoever holds a [`Permit`] counts,
//! until it is dropped.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use lamparina_protocol::datagram::Load;

use super::{InForce, Limits};
use crate::hub::ConnectionId;

/// What every connection gets for its window, also when the memory for windows is used up.
pub const WINDOW_FLOOR_BYTES: u32 = 64 * 1024;
/// Open files that are not connections: listeners, the logger's pipe, the runtime's own.
const OTHER_FILES: u64 = 64;

/// Why there is no room. The words go to the client.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Over {
    /// In all.
    #[error("the server has its {0} connections: try again in a while")]
    Total(u64),
    /// From one address.
    #[error("your address has its {0} connections: close one, or try again in a while")]
    Address(u64),
}

/// Counts connections.
#[derive(Clone, Debug)]
pub struct Connections {
    counts: Arc<Mutex<Counts>>,
    limits: InForce,
    /// Connections that the system has files for.
    files: u64,
    /// This machine's own addresses count like others.
    count_loopback: bool,
}

/// Whom an address stands for: an IPv4 address, or the /64 that an IPv6 address is in, for whoever
/// has one of these has all.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(super) enum Origin {
    V4(std::net::Ipv4Addr),
    V6([u16; 4]),
}

#[derive(Debug, Default)]
struct Counts {
    total: u64,
    /// Nothing but what is not zero.
    by_origin: HashMap<Origin, OfOrigin>,
    /// By the order in which they came.
    half_open: BTreeMap<u64, HalfOpen>,
    next: u64,
    window_bytes: u64,
}

#[derive(Debug, Default)]
struct OfOrigin {
    connections: u64,
    half_open: BTreeSet<u64>,
}

#[derive(Debug)]
struct HalfOpen {
    connection: ConnectionId,
    origin: Option<Origin>,
    dropped: Arc<AtomicBool>,
}

/// A connection that has room.
#[derive(Debug)]
pub struct Admitted {
    /// What it holds.
    pub permit: Permit,
    /// The handshake that has to make room for it.
    pub dropped: Option<ConnectionId>,
}

/// A connection that is counted.
#[derive(Debug)]
pub struct Permit {
    counts: Arc<Mutex<Counts>>,
    origin: Option<Origin>,
    /// Its place among the handshakes under way, and whether it had to make room.
    half_open: Option<(u64, Arc<AtomicBool>)>,
    window_bytes: u32,
}

impl Connections {
    /// No connection yet; `files` of them can be open at a time.
    pub fn new(limits: InForce, files: u64, count_loopback: bool) -> Self {
        Self {
            counts: Arc::default(),
            limits,
            files,
            count_loopback,
        }
    }

    /// Handshakes under way, of those that there may be before addresses have to be proved: half of all,
    /// so that who proves one finds room beside those who only pretend to have them.
    pub fn load(&self) -> Load {
        Load {
            under_way: lock(&self.counts).half_open.len() as u64,
            unproven_max: (self.limits.get().half_open / 2).max(1),
        }
    }

    /// Whether limits by address and by author hold for who comes from `address`: this machine's
    /// own programs are limited by totals alone.
    pub fn counts(&self, address: IpAddr) -> bool {
        self.count_loopback || !address.to_canonical().is_loopback()
    }

    /// Counts one more, from `address`.
    ///
    /// # Errors
    ///
    /// [`Over`]; nothing is counted then, and nothing dropped.
    pub fn admit(&self, connection: ConnectionId, address: IpAddr) -> Result<Admitted, Over> {
        let limits = self.limits.get();
        let origin = self.counts(address).then(|| Origin::of(address));
        let mut counts = lock(&self.counts);
        let most = limits.connections.min(self.files);
        if counts.total >= most {
            return Err(Over::Total(most));
        }
        let of_origin = origin.and_then(|origin| counts.by_origin.get(&origin));
        if of_origin.is_some_and(|of| of.connections >= limits.per_address) {
            return Err(Over::Address(limits.per_address));
        }
        let dropped = counts.make_room(origin, &limits);
        let half_open = counts.begin(connection, origin);
        let window_bytes = counts.grant_window(&limits);
        let permit = Permit {
            counts: self.counts.clone(),
            origin,
            half_open: Some(half_open),
            window_bytes,
        };
        Ok(Admitted { permit, dropped })
    }
}

impl Origin {
    pub(super) fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self::V4(address),
            IpAddr::V6(address) => Self::V6(prefix(address)),
        }
    }
}

fn prefix(address: Ipv6Addr) -> [u16; 4] {
    let [a, b, c, d, ..] = address.segments();
    [a, b, c, d]
}

impl Counts {
    /// Drops the oldest handshake where one more would be too many: of its own address first.
    fn make_room(&mut self, origin: Option<Origin>, limits: &Limits) -> Option<ConnectionId> {
        let of_origin = origin.and_then(|origin| self.by_origin.get(&origin));
        let of_origin = of_origin.map(|of| &of.half_open);
        let oldest = match of_origin {
            Some(of) if of.len() as u64 >= limits.half_open_per_address => of.first().copied(),
            _ if self.half_open.len() as u64 >= limits.half_open => {
                self.half_open.keys().next().copied()
            }
            _ => None,
        }?;
        let dropped = self.end_handshake(oldest)?;
        dropped.dropped.store(true, Ordering::Release);
        Some(dropped.connection)
    }

    fn begin(
        &mut self,
        connection: ConnectionId,
        origin: Option<Origin>,
    ) -> (u64, Arc<AtomicBool>) {
        let (number, dropped) = (self.next, Arc::new(AtomicBool::new(false)));
        self.next += 1;
        self.total += 1;
        if let Some(origin) = origin {
            let of = self.by_origin.entry(origin).or_default();
            of.connections += 1;
            of.half_open.insert(number);
        }
        let half_open = HalfOpen {
            connection,
            origin,
            dropped: dropped.clone(),
        };
        self.half_open.insert(number, half_open);
        (number, dropped)
    }

    fn end_handshake(&mut self, number: u64) -> Option<HalfOpen> {
        let ended = self.half_open.remove(&number)?;
        let of = ended
            .origin
            .and_then(|origin| self.by_origin.get_mut(&origin));
        if let Some(of) = of {
            of.half_open.remove(&number);
        }
        Some(ended)
    }

    /// As much as is left, between the floor and what one connection may have.
    fn grant_window(&mut self, limits: &Limits) -> u32 {
        let left = (limits.window_memory << 20).saturating_sub(self.window_bytes);
        let floor = u64::from(WINDOW_FLOOR_BYTES);
        let granted = left.min(limits.window << 10).max(floor);
        self.window_bytes += granted;
        // At most `limits.window` of KiB, which is 8 MiB at most, or the floor.
        u32::try_from(granted).unwrap_or(WINDOW_FLOOR_BYTES)
    }
}

impl Permit {
    /// The bytes of its window.
    pub const fn window_bytes(&self) -> u32 {
        self.window_bytes
    }

    /// Its handshake is complete: it need not make room for others any more.
    pub fn proven(&mut self) {
        if let Some((number, _)) = self.half_open.take() {
            lock(&self.counts).end_handshake(number);
        }
    }

    /// Whether its handshake is not complete.
    pub const fn is_half_open(&self) -> bool {
        self.half_open.is_some()
    }

    /// Whether it has to make room for another one.
    pub fn is_dropped(&self) -> bool {
        let half_open = self.half_open.as_ref();
        half_open.is_some_and(|(_, dropped)| dropped.load(Ordering::Acquire))
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.proven();
        let mut counts = lock(&self.counts);
        counts.total -= 1;
        counts.window_bytes -= u64::from(self.window_bytes);
        let Some(origin) = self.origin else { return };
        if let Some(of) = counts.by_origin.get_mut(&origin) {
            of.connections -= 1;
            if of.connections == 0 {
                counts.by_origin.remove(&origin);
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

    const FAR: &str = "192.0.2.7";
    const OWN: &str = "127.0.0.1";

    fn connections(change: impl Fn(&mut Limits)) -> Connections {
        let mut limits = Limits::default();
        change(&mut limits);
        Connections::new(InForce::new(limits), 1_000, false)
    }

    #[track_caller]
    fn admit(connections: &Connections, id: u64, address: &str) -> Result<Permit, Over> {
        let admitted = connections.admit(ConnectionId(id), address.parse().unwrap())?;
        assert_eq!(admitted.dropped, None);
        Ok(admitted.permit)
    }

    #[track_caller]
    fn assert_empty(connections: &Connections) {
        let counts = lock(&connections.counts);
        assert_eq!((counts.total, counts.window_bytes), (0, 0));
        assert!(counts.by_origin.is_empty() && counts.half_open.is_empty());
    }

    #[test]
    fn counts_in_all_and_by_address_but_not_ones_own() {
        let counted = connections(|limits| (limits.connections, limits.per_address) = (4, 2));
        let one = admit(&counted, 1, FAR).unwrap();
        let two = admit(&counted, 2, "::ffff:192.0.2.7").unwrap();
        assert_eq!(admit(&counted, 3, FAR).unwrap_err(), Over::Address(2));
        let three = admit(&counted, 4, OWN).unwrap();
        let four = admit(&counted, 5, OWN).unwrap();
        assert_eq!(admit(&counted, 6, OWN).unwrap_err(), Over::Total(4));
        drop((one, three));
        let five = admit(&counted, 7, FAR).unwrap();
        drop((two, four, five));
        assert_empty(&counted);
    }

    #[test]
    fn a_network_of_ipv6_is_one_address() {
        let counted = connections(|limits| limits.per_address = 2);
        let _one = admit(&counted, 1, "2001:db8:0:1::1").unwrap();
        let _two = admit(&counted, 2, "2001:db8:0:1:ffff::9").unwrap();
        let third = admit(&counted, 3, "2001:db8:0:1:1:2:3:4");
        assert_eq!(third.unwrap_err(), Over::Address(2));
        assert!(admit(&counted, 4, "2001:db8:0:2::1").is_ok());
        assert!((5..50).all(|id| admit(&counted, id, "::1").is_ok()));
    }

    #[test]
    fn the_oldest_handshake_makes_room_and_who_is_proven_does_not() {
        let counted =
            connections(|limits| (limits.half_open, limits.half_open_per_address) = (4, 2));
        let mut held = Vec::new();
        let mut dropped = |id: u64, address: &str| {
            let admitted = counted.admit(ConnectionId(id), address.parse().unwrap());
            let Admitted { permit, dropped } = admitted.unwrap();
            held.push(permit);
            dropped.map(|id| id.0)
        };
        assert_eq!(dropped(0, FAR), None);
        assert_eq!(dropped(1, FAR), None);
        // Its own address pays for it.
        assert_eq!(dropped(2, FAR), Some(0));
        assert_eq!(dropped(3, OWN), None);
        assert_eq!(dropped(4, "192.0.2.8"), None);
        // Then whoever came first.
        assert_eq!(dropped(5, OWN), Some(1));
        assert_eq!(
            held.iter().map(Permit::is_dropped).collect::<Vec<_>>(),
            [true, true, false, false, false, false]
        );
        held[2].proven();
        held[3].proven();
        held[3].proven();
        let mut next = |id: u64| {
            let admitted = counted
                .admit(ConnectionId(id), FAR.parse().unwrap())
                .unwrap();
            held.push(admitted.permit);
            admitted.dropped.map(|id| id.0)
        };
        assert_eq!([next(6), next(7), next(8)], [None, None, Some(6)]);
        drop(held);
        assert_empty(&counted);
    }

    #[test]
    fn half_of_the_handshakes_may_be_under_way_before_addresses_are_to_be_proved() {
        let counted = connections(|limits| limits.half_open = 9);
        let load = |under_way| Load {
            under_way,
            unproven_max: 4,
        };
        assert_eq!(counted.load(), load(0));
        let mut held: Vec<_> = (0..5).map(|id| admit(&counted, id, FAR).unwrap()).collect();
        assert_eq!(counted.load(), load(5));
        held[0].proven();
        assert_eq!(counted.load(), load(4));
        drop(held);
        assert_eq!(counted.load(), load(0));
        assert_eq!(
            connections(|limits| limits.half_open = 1)
                .load()
                .unproven_max,
            1
        );
    }

    #[test]
    fn windows_share_their_memory_down_to_the_floor() {
        let counted = connections(|limits| (limits.window, limits.window_memory) = (768, 2));
        let held: Vec<_> = (0..4).map(|id| admit(&counted, id, OWN).unwrap()).collect();
        let granted = |held: &[Permit]| -> Vec<_> {
            held.iter()
                .map(|permit| permit.window_bytes() / 1_024)
                .collect()
        };
        assert_eq!(granted(&held), [768, 768, 512, 64]);
        drop(held);
        let again = [admit(&counted, 9, OWN).unwrap()];
        assert_eq!(granted(&again), [768]);
        drop(again);
        assert_empty(&counted);
    }

    #[test]
    fn changed_limits_hold_for_the_next_one_and_files_are_a_limit_too() {
        let counted = connections(|_| ());
        let _one = admit(&counted, 1, FAR).unwrap();
        let per_address = Limits {
            per_address: 1,
            ..Limits::default()
        };
        counted.limits.set(per_address);
        assert_eq!(admit(&counted, 2, FAR).unwrap_err(), Over::Address(1));
        let few = Connections::new(InForce::default(), 0, false);
        assert_eq!(admit(&few, 1, OWN).unwrap_err(), Over::Total(0));
        let counting = Connections::new(InForce::new(per_address), 9, true);
        let _own = admit(&counting, 1, OWN).unwrap();
        assert_eq!(admit(&counting, 2, OWN).unwrap_err(), Over::Address(1));
        assert!(admit(&counting, 3, "127.0.0.2").is_ok());
    }
}
