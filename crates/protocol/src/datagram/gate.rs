//! What a listener does with a datagram that belongs to no link it knows. Only a well-formed SYN is
//! ever answered; under load only with a cookie, which costs nothing to make and nothing to keep;
//! everything else meets silence. No answer is longer than what it answers.

use std::net::SocketAddr;

use bytes::Bytes;

use super::config::Profile;
use super::cookie::{COOKIE_BYTES, CookieKey};
use super::header::{ConnectionId, DATAGRAM_HEADER_BYTES, SYN_DATAGRAM_BYTES_MIN};
use super::outside::{self, NotAsking};
use crate::frame::HEADER_BYTES;
use crate::time::Instant;

// A cookie never amplifies.
const _: () =
    assert!(DATAGRAM_HEADER_BYTES + HEADER_BYTES + COOKIE_BYTES <= SYN_DATAGRAM_BYTES_MIN);

/// How busy a listener is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Load {
    /// Handshakes under way.
    pub under_way: u64,
    /// As many may be before addresses have to be proved.
    pub unproven_max: u64,
}

/// What is to be done with a datagram.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// A link begins.
    Open {
        /// The link.
        connection: ConnectionId,
        /// Its address is its own: a good cookie came from there.
        proven: bool,
        /// What kind of line its caller says it is.
        profile: Profile,
    },
    /// This is sent back, and nothing kept.
    Retry(Bytes),
    /// Nothing is done.
    Silence(Silence),
}

/// Why nothing is done.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Silence {
    /// Too short.
    Short,
    /// Of a link that is not known (any more).
    Unknown,
    /// Asks for nothing.
    NoSyn,
}

/// The machine: a secret, and nothing else.
#[derive(Clone, Debug)]
pub struct Gate {
    key: CookieKey,
}

impl Gate {
    /// By a random secret that nobody else knows.
    pub const fn new(secret: [u8; 32]) -> Self {
        Self {
            key: CookieKey::new(secret),
        }
    }

    /// Judges a datagram of no known link.
    pub fn judge(&self, now: Instant, datagram: &[u8], from: SocketAddr, load: Load) -> Verdict {
        let asking = match outside::read_asking(datagram) {
            Ok(asking) => asking,
            Err(NotAsking::Short) => return Verdict::Silence(Silence::Short),
            Err(NotAsking::Inside) => return Verdict::Silence(Silence::Unknown),
            Err(NotAsking::NoSyn) => return Verdict::Silence(Silence::NoSyn),
        };
        let (connection, profile) = (asking.connection, asking.profile);
        let good = |cookie| self.key.is_good(cookie, now, from, connection);
        let proven = asking.cookie.is_some_and(good);
        if proven || load.under_way < load.unproven_max {
            return Verdict::Open {
                connection,
                proven,
                profile,
            };
        }
        let cookie = self.key.make(now, from, connection);
        Verdict::Retry(outside::retry(connection, &cookie))
    }
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;
    use proptest::prelude::*;

    use super::*;
    use crate::datagram::{OUTSIDE, put_header};
    use crate::frame::{FrameType, Seq, put_frame};

    const ID: ConnectionId = ConnectionId(9);

    fn addr(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    fn at(seconds: u64) -> Instant {
        Instant::from_millis(seconds * 1_000)
    }

    fn load(under_way: u64) -> Load {
        Load {
            under_way,
            unproven_max: 4,
        }
    }

    fn open(proven: bool) -> Verdict {
        Verdict::Open {
            connection: ID,
            proven,
            profile: Profile::Usual,
        }
    }

    fn syn(number: u64, bytes: usize) -> Bytes {
        let mut out = BytesMut::new();
        put_header(&mut out, ID, number);
        put_frame(&mut out, FrameType::Syn, Seq::FIRST, true, b"hello");
        out.resize(bytes, 0);
        out.freeze()
    }

    #[track_caller]
    fn cookie_of(verdict: &Verdict) -> Vec<u8> {
        let Verdict::Retry(retry) = verdict else {
            panic!("{verdict:?}");
        };
        let (connection, cookie) = outside::read_retry(retry).unwrap();
        assert_eq!(connection, ID);
        cookie.to_vec()
    }

    #[test]
    fn while_there_is_little_to_do_a_syn_opens_at_once() {
        let gate = Gate::new([3; 32]);
        for under_way in 0..4 {
            let verdict = gate.judge(
                at(1),
                &syn(OUTSIDE, 512),
                addr("192.0.2.1:1"),
                load(under_way),
            );
            assert_eq!(verdict, open(false));
        }
    }

    #[test]
    fn under_load_only_a_cookie_opens_and_only_from_its_address_and_in_time() {
        let (gate, home) = (Gate::new([3; 32]), addr("192.0.2.1:1"));
        let asked = syn(OUTSIDE, 512);
        let cookie = cookie_of(&gate.judge(at(1), &asked, home, load(4)));
        let again = outside::with_cookie(&asked, &cookie).unwrap();
        let open = open(true);
        assert_eq!(gate.judge(at(2), &again, home, load(4_000)), open);
        // What proved the address is known to have, whatever the load is.
        assert_eq!(gate.judge(at(2), &again, home, load(0)), open);
        for (seconds, from) in [(2, "192.0.2.1:2"), (2, "192.0.2.2:1"), (60, "192.0.2.1:1")] {
            let verdict = gate.judge(at(seconds), &again, addr(from), load(4));
            assert_ne!(cookie_of(&verdict), cookie, "{seconds} {from}");
        }
        let other = Gate::new([4; 32]).judge(at(2), &again, home, load(4));
        assert_ne!(cookie_of(&other), cookie);
    }

    #[test]
    fn everything_else_meets_silence_whatever_the_load() {
        let gate = Gate::new([3; 32]);
        let nothing = {
            let mut out = BytesMut::new();
            put_header(&mut out, ID, OUTSIDE);
            out.resize(600, 0);
            out.freeze()
        };
        for (datagram, expected) in [
            (Bytes::new(), Silence::Short),
            (syn(OUTSIDE, 511), Silence::Short),
            (syn(OUTSIDE, 15), Silence::Short),
            (syn(0, 600), Silence::Unknown),
            (syn(77, 40), Silence::Unknown),
            (nothing, Silence::NoSyn),
        ] {
            for under_way in [0, 4, u64::MAX] {
                let verdict = gate.judge(at(1), &datagram, addr("[::1]:9"), load(under_way));
                assert_eq!(verdict, Verdict::Silence(expected));
            }
        }
    }

    proptest! {
        /// Bytes of which nobody has shown that he gets what is sent there get no more than they bring.
        #[test]
        fn no_answer_is_longer_than_what_it_answers(
            mut bytes in proptest::collection::vec(any::<u8>(), 0..1_300),
            form in 0..3,
            under_way in 0_u64..8,
        ) {
            if form > 0 {
                let head = syn(OUTSIDE, 45);
                let length = bytes.len().max(head.len());
                bytes.resize(length, 0);
                bytes[..head.len()].copy_from_slice(&head);
            }
            let gate = Gate::new([3; 32]);
            match gate.judge(at(1), &bytes, addr("192.0.2.1:1"), load(under_way)) {
                Verdict::Retry(retry) => prop_assert!(retry.len() <= bytes.len() && under_way >= 4),
                Verdict::Open { proven, .. } => prop_assert!(!proven && under_way < 4),
                Verdict::Silence(_) => {}
            }
        }
    }
}
