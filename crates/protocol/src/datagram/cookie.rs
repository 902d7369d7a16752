//! A cookie says that its holder gets what is sent to an address: it was made for that address, and
//! nobody can make one without the secret. Who makes cookies keeps nothing but the secret.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::ConnectionId;
use crate::time::Instant;

/// Bytes of a cookie that others may make, at least.
pub const COOKIE_BYTES_MIN: usize = 16;
/// Bytes of a cookie that others may make, at most.
pub const COOKIE_BYTES_MAX: usize = 64;
/// A cookie is good for the rest of the slot in which it was made, and the next one.
pub const COOKIE_SLOT: Duration = Duration::from_secs(15);
/// Bytes of the cookies made here: the slot, and a hash.
pub const COOKIE_BYTES: usize = SLOT_BYTES + blake3::OUT_LEN;

const SLOT_BYTES: usize = 8;
const _: () = assert!(COOKIE_BYTES_MIN <= COOKIE_BYTES && COOKIE_BYTES <= COOKIE_BYTES_MAX);

/// Makes cookies, and knows them again.
#[derive(Clone)]
pub struct CookieKey([u8; blake3::KEY_LEN]);

impl std::fmt::Debug for CookieKey {
    /// Says nothing of the secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CookieKey")
    }
}

impl CookieKey {
    /// By a random secret that nobody else knows.
    pub const fn new(secret: [u8; blake3::KEY_LEN]) -> Self {
        Self(secret)
    }

    /// For who sends from `from` and wants the link `connection`. `now` only ever grows.
    pub fn make(
        &self,
        now: Instant,
        from: SocketAddr,
        connection: ConnectionId,
    ) -> [u8; COOKIE_BYTES] {
        let slot = slot(now);
        let mut cookie = [0; COOKIE_BYTES];
        cookie[..SLOT_BYTES].copy_from_slice(&slot.to_be_bytes());
        cookie[SLOT_BYTES..].copy_from_slice(self.hash(slot, from, connection).as_bytes());
        cookie
    }

    /// Whether `cookie` was made by this key, for this address and link, and not long ago.
    pub fn is_good(
        &self,
        cookie: &[u8],
        now: Instant,
        from: SocketAddr,
        connection: ConnectionId,
    ) -> bool {
        let Some((made, hash)) = cookie.split_first_chunk::<SLOT_BYTES>() else {
            return false;
        };
        let (made, slot) = (u64::from_be_bytes(*made), slot(now));
        let Ok(hash) = <[u8; blake3::OUT_LEN]>::try_from(hash) else {
            return false;
        };
        let is_fresh = made == slot || made.checked_add(1) == Some(slot);
        // Hashes are compared in constant time.
        is_fresh && self.hash(made, from, connection) == blake3::Hash::from_bytes(hash)
    }

    fn hash(&self, slot: u64, from: SocketAddr, connection: ConnectionId) -> blake3::Hash {
        let mut text = [0; SLOT_BYTES + 16 + 2 + 8];
        text[..8].copy_from_slice(&slot.to_be_bytes());
        text[8..24].copy_from_slice(&octets(from.ip()));
        text[24..26].copy_from_slice(&from.port().to_be_bytes());
        text[26..].copy_from_slice(&connection.0.to_be_bytes());
        blake3::keyed_hash(&self.0, &text)
    }
}

/// The slot that `now` is in.
fn slot(now: Instant) -> u64 {
    // A slot has 15 million microseconds: what is left fits.
    now.as_micros() / COOKIE_SLOT.as_micros() as u64
}

/// An IPv4 address is the same, however the socket that got it names it.
fn octets(ip: IpAddr) -> [u8; 16] {
    match ip {
        IpAddr::V4(ip) => ip.to_ipv6_mapped().octets(),
        IpAddr::V6(ip) => ip.octets(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ID: ConnectionId = ConnectionId(7);

    fn addr(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    fn at(seconds: u64) -> Instant {
        Instant::from_millis(seconds * 1_000)
    }

    #[test]
    fn a_cookie_is_good_for_its_address_and_link_and_for_a_while() {
        let (key, other) = (CookieKey::new([1; 32]), CookieKey::new([2; 32]));
        let home = addr("192.0.2.7:4000");
        let cookie = key.make(at(100), home, ID);
        let good = |key: &CookieKey, seconds, from: &str, id| {
            key.is_good(&cookie, at(seconds), addr(from), ConnectionId(id))
        };
        for (seconds, expected) in [
            (90, true),
            (100, true),
            (119, true),
            (120, false),
            (89, false),
        ] {
            assert_eq!(
                good(&key, seconds, "192.0.2.7:4000", 7),
                expected,
                "{seconds}"
            );
        }
        assert!(good(&key, 100, "[::ffff:192.0.2.7]:4000", 7));
        assert!(!good(&key, 100, "192.0.2.7:4001", 7));
        assert!(!good(&key, 100, "192.0.2.8:4000", 7));
        assert!(!good(&key, 100, "192.0.2.7:4000", 8));
        assert!(!good(&other, 100, "192.0.2.7:4000", 7));
    }

    #[test]
    fn the_secret_is_not_said() {
        assert_eq!(format!("{:?}", CookieKey::new([7; 32])), "CookieKey");
    }

    proptest! {
        #[test]
        fn any_change_makes_it_bad(byte in 0..COOKIE_BYTES, bit in 0_u32..8, cut in 0..COOKIE_BYTES) {
            let (key, home) = (CookieKey::new([1; 32]), addr("[2001:db8::1]:9"));
            let mut cookie = key.make(at(5), home, ID);
            prop_assert!(key.is_good(&cookie, at(5), home, ID));
            prop_assert!(!key.is_good(&cookie[..cut], at(5), home, ID));
            prop_assert!(!key.is_good(&[&cookie[..], &[0]].concat(), at(5), home, ID));
            cookie[byte] ^= 1_u8 << bit;
            prop_assert!(!key.is_good(&cookie, at(5), home, ID));
        }

        #[test]
        fn no_bytes_are_a_cookie(bytes in proptest::collection::vec(any::<u8>(), 0..80), seconds: u32) {
            let key = CookieKey::new([1; 32]);
            prop_assert!(!key.is_good(&bytes, at(seconds.into()), addr("127.0.0.1:1"), ID));
        }
    }
}
