//! What carries the next connection. Datagrams come first where they are wanted; where nothing answers
//! them the same server is called over TCP, and datagrams are tried again later, ever more rarely while
//! that stays so. The conversation goes on over either, and knows nothing of it.

use std::time::Duration;

use lamparina_protocol::Instant;
use lamparina_protocol::control::CloseCode;
use lamparina_protocol::datagram::Profile;
use lamparina_protocol::link::CloseReason;

/// So long datagrams may stay without an answer, on a usual line.
pub const ANSWER_WITHIN: Duration = Duration::from_secs(3);
/// The same on a slow line.
pub const ANSWER_WITHIN_SLOW: Duration = Duration::from_secs(20);
/// Datagrams that were not answered are not tried for so long at first, and then twice as long.
pub const UDP_AGAIN_AFTER: Duration = Duration::from_secs(10);
/// So long, at most.
pub const UDP_AGAIN_AFTER_MAX: Duration = Duration::from_secs(600);

const UDP: &str = "udp://";

/// What carries a connection.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Carrier {
    /// A TCP stream.
    #[default]
    Tcp,
    /// Datagrams.
    Udp,
}

impl Carrier {
    /// What an address asks for, and the `HOST:PORT` in it: `udp://HOST:PORT` for datagrams, also
    /// `tcp://HOST:PORT`.
    pub fn of_address(address: &str) -> (Self, &str) {
        if let Some(bare) = address.strip_prefix(UDP) {
            return (Self::Udp, bare);
        }
        (Self::Tcp, address.strip_prefix("tcp://").unwrap_or(address))
    }

    /// The word for programs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        }
    }
}

/// The machine.
#[derive(Clone, Debug)]
pub struct Carriers {
    wanted: Carrier,
    profile: Profile,
    /// What carried the newest connection that came about.
    last: Carrier,
    /// Nothing answered over UDP in the present attempt.
    silent: bool,
    /// UDP is not tried before.
    not_before: Instant,
    wait: Duration,
}

impl Carriers {
    /// `wanted` comes first.
    pub const fn new(wanted: Carrier, profile: Profile) -> Self {
        Self {
            wanted,
            profile,
            last: wanted,
            silent: false,
            not_before: Instant::ZERO,
            wait: UDP_AGAIN_AFTER,
        }
    }

    /// What to begin an attempt with.
    pub fn first(&mut self, now: Instant) -> Carrier {
        self.silent = false;
        match self.wanted {
            Carrier::Udp if now >= self.not_before => Carrier::Udp,
            _ => Carrier::Tcp,
        }
    }

    /// How long datagrams may stay without an answer.
    pub const fn answer_within(&self) -> Duration {
        match self.profile {
            Profile::Usual => ANSWER_WITHIN,
            Profile::Slow => ANSWER_WITHIN_SLOW,
        }
    }

    /// Nothing answers over UDP: TCP is next.
    pub const fn udp_is_silent(&mut self) {
        self.silent = true;
    }

    /// A connection came about; whether its carrier is another one than before. That datagrams are not
    /// answered says something only where a stream is.
    pub fn opened(&mut self, now: Instant, by: Carrier) -> bool {
        match by {
            Carrier::Udp => self.wait = UDP_AGAIN_AFTER,
            Carrier::Tcp if self.silent => {
                self.not_before = now + self.wait;
                self.wait = (2 * self.wait).min(UDP_AGAIN_AFTER_MAX);
            }
            Carrier::Tcp => {}
        }
        self.silent = false;
        std::mem::replace(&mut self.last, by) != by
    }
}

/// Whether a link that never opened ended so because nobody, or nobody who could be understood, was
/// there: another carrier may find somebody.
pub fn is_silence(reason: &CloseReason) -> bool {
    let silent = |code: u16| {
        let codes = [CloseCode::Timeout, CloseCode::Damaged, CloseCode::GaveUp];
        codes.iter().any(|silent| silent.number() == code)
    };
    match reason {
        CloseReason::Eof => true,
        CloseReason::ByUs { code, .. } => silent(code.number()),
        CloseReason::Unproven { code, .. } => silent(*code),
        CloseReason::Orderly | CloseReason::ByPeer { .. } => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Instant {
        Instant::from_millis(seconds * 1_000)
    }

    #[test]
    fn an_address_says_what_carries() {
        for (address, carrier, bare) in [
            ("127.0.0.1:5000", Carrier::Tcp, "127.0.0.1:5000"),
            ("udp://chat.example:5000", Carrier::Udp, "chat.example:5000"),
            ("udp://[::1]:5000", Carrier::Udp, "[::1]:5000"),
            ("tcp://h:1", Carrier::Tcp, "h:1"),
            ("http://h:1", Carrier::Tcp, "http://h:1"),
        ] {
            assert_eq!(Carrier::of_address(address), (carrier, bare));
        }
    }

    #[test]
    fn datagrams_come_first_and_again_ever_more_rarely_while_they_are_not_answered() {
        let mut carriers = Carriers::new(Carrier::Udp, Profile::Usual);
        let (mut now, mut waits) = (0, Vec::new());
        for turn in 0..9 {
            assert_eq!(carriers.first(at(now)), Carrier::Udp);
            carriers.udp_is_silent();
            assert_eq!(
                carriers.opened(at(now), Carrier::Tcp),
                turn == 0,
                "it is news once"
            );
            let wait = (1..).find(|wait| carriers.first(at(now + wait)) == Carrier::Udp);
            waits.extend(wait);
            // What came about meanwhile over TCP alone changes nothing.
            assert_eq!(carriers.first(at(now + 1)), Carrier::Tcp);
            assert!(!carriers.opened(at(now + 1), Carrier::Tcp));
            now += wait.unwrap();
        }
        assert_eq!(waits, [10, 20, 40, 80, 160, 320, 600, 600, 600]);
        assert_eq!(carriers.first(at(now)), Carrier::Udp);
        assert!(carriers.opened(at(now), Carrier::Udp), "it is back");
        assert!(!carriers.opened(at(now), Carrier::Udp));
        assert_eq!(carriers.first(at(now)), Carrier::Udp);
        carriers.udp_is_silent();
        assert!(carriers.opened(at(now), Carrier::Tcp));
        assert_eq!(carriers.first(at(now + 10)), Carrier::Udp);
    }

    #[test]
    fn a_server_that_is_away_says_nothing_of_datagrams() {
        let mut carriers = Carriers::new(Carrier::Udp, Profile::Slow);
        for _ in 0..5 {
            assert_eq!(carriers.first(at(0)), Carrier::Udp);
            // Nor does TCP find it.
            carriers.udp_is_silent();
        }
        assert_eq!(carriers.first(at(0)), Carrier::Udp);
        assert!(!carriers.opened(at(0), Carrier::Udp));
        assert_eq!(carriers.answer_within(), ANSWER_WITHIN_SLOW);
        let mut plain = Carriers::new(Carrier::Tcp, Profile::Usual);
        assert_eq!(plain.first(at(9)), Carrier::Tcp);
        assert!(!plain.opened(at(9), Carrier::Tcp));
    }

    #[test]
    fn words_of_a_server_are_no_silence() {
        let text = String::new;
        let by_us = |code| CloseReason::ByUs { code, text: text() };
        let unproven = |code: CloseCode| CloseReason::Unproven {
            code: code.number(),
            text: text(),
        };
        let by_peer = CloseReason::ByPeer {
            code: 13,
            text: text(),
        };
        for (reason, silent) in [
            (CloseReason::Eof, true),
            (by_us(CloseCode::Timeout), true),
            (unproven(CloseCode::Timeout), true),
            (unproven(CloseCode::Damaged), true),
            (unproven(CloseCode::Limit), false),
            (by_us(CloseCode::Goodbye), false),
            (by_peer, false),
            (CloseReason::Orderly, false),
        ] {
            assert_eq!(is_silence(&reason), silent, "{reason:?}");
        }
    }
}
