//! Datagrams outside the seal: what a listener must read before there is a link, without allocating
//! anything, and the few that it writes itself.

use bytes::{Bytes, BytesMut};

use super::config::{FRAGMENT_BYTES_SLOW, Profile};
use super::cookie::{COOKIE_BYTES_MAX, COOKIE_BYTES_MIN};
use super::header::{
    ConnectionId, DATAGRAM_HEADER_BYTES, OUTSIDE, SYN_DATAGRAM_BYTES_MIN, peek, put_header,
};
use crate::frame::{FrameType, HEADER_BYTES, Header, Seq, checksum, put_frame};

/// Where SYN says what payload its frames may have: behind magic, version and flags.
const FRAGMENT_BYTES_AT: std::ops::Range<usize> = 8..10;

/// What stands in a datagram that asks for a link.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Asking<'a> {
    /// The link that is asked for.
    pub connection: ConnectionId,
    /// The cookie that came with it.
    pub cookie: Option<&'a [u8]>,
    /// What kind of line its caller says it is.
    pub profile: Profile,
}

/// Why a datagram asks for nothing.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum NotAsking {
    /// Shorter than a datagram with SYN must be.
    Short,
    /// It belongs to a link that is open, or was.
    Inside,
    /// No SYN with a good checksum stands where it must.
    NoSyn,
}

/// Reads a datagram: RETRY with a cookie where it has one, then SYN, then anything.
///
/// # Errors
///
/// [`NotAsking`].
pub fn read_asking(datagram: &[u8]) -> Result<Asking<'_>, NotAsking> {
    let (connection, number) = peek(datagram).ok_or(NotAsking::Short)?;
    if number != OUTSIDE {
        return Err(NotAsking::Inside);
    }
    if datagram.len() < SYN_DATAGRAM_BYTES_MIN {
        return Err(NotAsking::Short);
    }
    let first = first_frame(&datagram[DATAGRAM_HEADER_BYTES..]).ok_or(NotAsking::NoSyn)?;
    let (cookie, syn) = match first {
        (FrameType::Retry, cookie, rest) if is_cookie(cookie) => (Some(cookie), first_frame(rest)),
        first => (None, Some(first)),
    };
    match syn {
        Some((FrameType::Syn, payload, _)) => Ok(Asking {
            connection,
            cookie,
            profile: profile(payload),
        }),
        _ => Err(NotAsking::NoSyn),
    }
}

/// A caller on a slow line offers frames of just the size for it (2, 11.23).
fn profile(syn: &[u8]) -> Profile {
    match syn.get(FRAGMENT_BYTES_AT) {
        Some(bytes) if bytes == FRAGMENT_BYTES_SLOW.to_be_bytes() => Profile::Slow,
        _ => Profile::Usual,
    }
}

/// The cookie in a datagram that answers SYN with RETRY, and nothing else.
pub fn read_retry(datagram: &[u8]) -> Option<(ConnectionId, &[u8])> {
    let (connection, number) = peek(datagram)?;
    let frames = datagram.get(DATAGRAM_HEADER_BYTES..)?;
    match first_frame(frames)? {
        (FrameType::Retry, cookie, _) if number == OUTSIDE && is_cookie(cookie) => {
            Some((connection, cookie))
        }
        _ => None,
    }
}

/// The datagram that answers SYN with a cookie.
pub fn retry(connection: ConnectionId, cookie: &[u8]) -> Bytes {
    let mut out = BytesMut::with_capacity(DATAGRAM_HEADER_BYTES + HEADER_BYTES + cookie.len());
    put_header(&mut out, connection, OUTSIDE);
    put_frame(&mut out, FrameType::Retry, Seq::FIRST, true, cookie);
    out.freeze()
}

/// A datagram that begins with SYN, with a cookie before it: as long as it was where padding leaves
/// room, else longer. `None` where it does not begin so.
pub fn with_cookie(datagram: &[u8], cookie: &[u8]) -> Option<Bytes> {
    let (header, frames) = datagram.split_at_checked(DATAGRAM_HEADER_BYTES)?;
    let (FrameType::Syn, _, rest) = first_frame(frames)? else {
        return None;
    };
    let mut out = BytesMut::with_capacity(datagram.len() + HEADER_BYTES + cookie.len());
    out.extend_from_slice(header);
    put_frame(&mut out, FrameType::Retry, Seq::FIRST, true, cookie);
    out.extend_from_slice(&frames[..frames.len() - rest.len()]);
    let wanted = datagram.len().max(SYN_DATAGRAM_BYTES_MIN);
    if out.len() < wanted {
        out.resize(wanted, 0);
    }
    Some(out.freeze())
}

fn is_cookie(bytes: &[u8]) -> bool {
    (COOKIE_BYTES_MIN..=COOKIE_BYTES_MAX).contains(&bytes.len())
}

/// The first frame, where it is whole, known and undamaged: its type, its payload, what follows.
fn first_frame(bytes: &[u8]) -> Option<(FrameType, &[u8], &[u8])> {
    let (header, rest) = bytes.split_first_chunk::<HEADER_BYTES>()?;
    let header = Header::from_bytes(header);
    let (payload, rest) = rest.split_at_checked(usize::try_from(header.length).ok()?)?;
    let kind = FrameType::from_number(header.kind)?;
    let is_good = header.checksum_after(checksum::of(payload)) == header.checksum;
    is_good.then_some((kind, payload, rest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ID: ConnectionId = ConnectionId(0xab);

    fn datagram(number: u64, frames: &[(FrameType, &[u8])], bytes: usize) -> Bytes {
        let mut out = BytesMut::new();
        put_header(&mut out, ID, number);
        for (kind, payload) in frames {
            put_frame(&mut out, *kind, Seq::FIRST, true, payload);
        }
        out.resize(out.len().max(bytes), 0);
        out.freeze()
    }

    #[track_caller]
    fn check(number: u64, frames: &[(FrameType, &[u8])], bytes: usize, expected: &str) {
        let datagram = datagram(number, frames, bytes);
        let said = match read_asking(&datagram) {
            Ok(Asking { cookie, .. }) => {
                format!("cookie of {:?}", cookie.map(<[u8]>::len))
            }
            Err(why) => format!("{why:?}"),
        };
        assert_eq!(said, expected, "{frames:?}");
    }

    #[test]
    fn only_syn_with_padding_asks() {
        let (syn, retry, ping) = (FrameType::Syn, FrameType::Retry, FrameType::Ping);
        let cookie: &[u8] = &[7; 40];
        check(OUTSIDE, &[(syn, b"x")], 512, "cookie of None");
        check(OUTSIDE, &[(syn, b"x"), (ping, b"")], 512, "cookie of None");
        check(
            OUTSIDE,
            &[(retry, cookie), (syn, b"x")],
            512,
            "cookie of Some(40)",
        );
        check(OUTSIDE, &[(syn, b"x")], 511, "Short");
        check(OUTSIDE, &[], 0, "Short");
        check(0, &[(syn, b"x")], 512, "Inside");
        check(0, &[], 0, "Inside");
        check(OUTSIDE, &[], 512, "NoSyn");
        check(OUTSIDE, &[(ping, b"x"), (syn, b"x")], 512, "NoSyn");
        check(OUTSIDE, &[(retry, cookie)], 512, "NoSyn");
        check(
            OUTSIDE,
            &[(retry, cookie), (retry, cookie), (syn, b"")],
            512,
            "NoSyn",
        );
        for bytes in [0, 15, 65] {
            check(
                OUTSIDE,
                &[(retry, &[7; 65][..bytes]), (syn, b"x")],
                512,
                "NoSyn",
            );
        }
    }

    #[test]
    fn any_damaged_bit_of_what_is_read_makes_it_ask_for_nothing_or_for_another_link() {
        let syn = datagram(OUTSIDE, &[(FrameType::Syn, b"hello")], 512);
        let good = with_cookie(&syn, &[7; 40]).unwrap();
        let cookie = Some(&[7; 40][..]);
        assert_eq!(
            read_asking(&good),
            Ok(Asking {
                connection: ID,
                cookie,
                profile: Profile::Usual
            })
        );
        let read = DATAGRAM_HEADER_BYTES + HEADER_BYTES + 40 + HEADER_BYTES + 5;
        for bit in 64..8 * read {
            let mut bad = good.to_vec();
            bad[bit / 8] ^= 1_u8 << (bit % 8);
            assert!(read_asking(&bad).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn a_retry_is_read_and_its_cookie_goes_before_syn() {
        let cookie = [9; 40];
        let retry = retry(ID, &cookie);
        assert_eq!(read_retry(&retry), Some((ID, &cookie[..])));
        assert!(read_asking(&retry).is_err());
        assert_eq!(read_retry(&retry[..retry.len() - 1]), None);
        // Zeros at the end of SYN are its own.
        let syn = datagram(OUTSIDE, &[(FrameType::Syn, &[0; 20])], 512);
        assert_eq!(read_retry(&syn), None);
        let again = with_cookie(&syn, &cookie).unwrap();
        assert_eq!(again.len(), 512);
        assert_eq!(
            read_asking(&again).map(|asking| asking.cookie),
            Ok(Some(&cookie[..]))
        );
        assert!(retry.len() < SYN_DATAGRAM_BYTES_MIN);
    }

    #[test]
    fn a_caller_on_a_slow_line_is_known() {
        use crate::datagram::DatagramConfig;
        use crate::link::{Input, Link, LinkConfig, Output};
        use crate::seal::{IdentityKey, LinkKeys, Transport};
        let asks = |config: DatagramConfig| {
            let keys = LinkKeys::new(IdentityKey::from_seed(&[1; 32]), [7; 64], Transport::Udp);
            let now = crate::Instant::ZERO;
            let link = Link::initiate(LinkConfig::default(), Bytes::new(), now);
            let (mut link, mut out) = (link.sealed(keys).over_datagrams(config), Output::default());
            link.handle(now, Input::Tick, &mut out).unwrap();
            read_asking(&out.wire[0]).map(|asking| asking.profile)
        };
        assert_eq!(asks(DatagramConfig::new(ID, 1)), Ok(Profile::Usual));
        assert_eq!(asks(DatagramConfig::new(ID, 1).slow()), Ok(Profile::Slow));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
            let _ = (read_asking(&bytes), read_retry(&bytes));
            let _ = with_cookie(&bytes, &[1; 40]);
        }
    }
}
