//! When a caller needs another socket: what it sends is not answered, or cannot be sent. Its machine
//! may have another address now, or somebody between has forgotten which one it had. The link goes on:
//! it is found by its connection id.

use std::time::Duration;

use super::Profile;
use crate::time::Instant;

/// So long without an answer, on a usual line; each time in a row twice as long.
pub const REBIND_AFTER: Duration = Duration::from_secs(3);
/// So long on a slow line.
pub const REBIND_AFTER_SLOW: Duration = Duration::from_secs(15);
/// So long, at most.
pub const REBIND_AFTER_MAX: Duration = Duration::from_secs(30);
/// Sockets tried in a row, without an answer to any, before the link is taken for gone.
pub const REBINDS_MAX: u8 = 2;
/// The system says that nothing listens there, and nothing has come for so long: the link is gone.
/// Before, somebody else may have said so.
pub const REFUSED_AFTER: Duration = Duration::from_secs(1);
/// A socket that refuses to send is not replaced more often than this.
const FAILING_AFTER: Duration = Duration::from_millis(200);

const _: () = assert!(REBIND_AFTER_SLOW.as_millis() <= REBIND_AFTER_MAX.as_millis());

/// The machine.
#[derive(Clone, Debug)]
pub struct Rebinding {
    after: Duration,
    wait: Duration,
    /// When the first datagram left that nothing has answered.
    unanswered_since: Option<Instant>,
    failed: bool,
    bound_at: Instant,
    /// Sockets tried since something came.
    tried: u8,
    /// When the system first said that nothing listens there, since something came.
    refused_at: Option<Instant>,
}

/// What is to be done now.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Rebind {
    /// Nothing.
    Keep,
    /// Another socket is needed; it counts as bound.
    Bind,
    /// The link is gone: nobody is there who knows it.
    Gone,
}

impl Rebinding {
    /// A socket, just bound.
    pub const fn new(profile: Profile, now: Instant) -> Self {
        let after = match profile {
            Profile::Usual => REBIND_AFTER,
            Profile::Slow => REBIND_AFTER_SLOW,
        };
        Self {
            after,
            wait: after,
            unanswered_since: None,
            failed: false,
            bound_at: now,
            tried: 0,
            refused_at: None,
        }
    }

    /// A datagram left that wants an answer.
    pub fn sent(&mut self, now: Instant) {
        self.unanswered_since.get_or_insert(now);
    }

    /// A datagram came.
    pub const fn heard(&mut self) {
        self.unanswered_since = None;
        self.wait = self.after;
        self.tried = 0;
        self.refused_at = None;
    }

    /// The system says that nothing listens where the datagrams go.
    pub fn refused(&mut self, now: Instant) {
        // Anybody can say so; it is believed only where the peer owes an answer and gives none.
        if self.unanswered_since.is_some() {
            self.refused_at.get_or_insert(now);
        }
    }

    /// The socket refused to send, for another reason than being full.
    pub const fn failed(&mut self) {
        self.failed = true;
    }

    /// When [`Rebinding::decide`] has something to say, unless something comes before.
    pub fn deadline(&self) -> Option<Instant> {
        let refused_at = self.refused_at.map(|at| at + REFUSED_AFTER);
        [self.bind_at(), refused_at].into_iter().flatten().min()
    }

    /// What is to be done now.
    pub fn decide(&mut self, now: Instant) -> Rebind {
        if self.refused_at.is_some_and(|at| at + REFUSED_AFTER <= now) {
            return Rebind::Gone;
        }
        if self.bind_at().is_none_or(|at| at > now) {
            return Rebind::Keep;
        }
        if !self.failed {
            if self.tried >= REBINDS_MAX {
                return Rebind::Gone;
            }
            self.tried += 1;
            self.wait = (self.wait * 2).min(REBIND_AFTER_MAX);
        }
        (self.failed, self.unanswered_since, self.bound_at) = (false, None, now);
        Rebind::Bind
    }

    fn bind_at(&self) -> Option<Instant> {
        let failing_at = self.failed.then(|| self.bound_at + FAILING_AFTER);
        let silent_at = self.unanswered_since.map(|since| since + self.wait);
        [failing_at, silent_at].into_iter().flatten().min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Instant {
        Instant::from_millis(millis)
    }

    #[test]
    fn silence_after_something_was_sent_asks_for_other_sockets_and_ends_the_link() {
        let mut rebinding = Rebinding::new(Profile::Usual, at(0));
        assert_eq!(rebinding.deadline(), None, "an idle line is silent");
        let (mut now, mut waits) = (1_000, vec![]);
        loop {
            rebinding.sent(at(now));
            rebinding.sent(at(now + 500));
            let due = rebinding.deadline().unwrap().as_micros() / 1_000;
            assert_eq!(rebinding.decide(at(due - 1)), Rebind::Keep);
            waits.push(due - now);
            now = due;
            match rebinding.decide(at(due)) {
                Rebind::Bind => assert_eq!(rebinding.deadline(), None),
                Rebind::Gone => break,
                Rebind::Keep => panic!("it was due"),
            }
        }
        assert_eq!(waits, [3_000, 6_000, 12_000]);
        rebinding.heard();
        assert_eq!(rebinding.deadline(), None);
        rebinding.sent(at(now));
        assert_eq!(rebinding.deadline(), Some(at(now + 3_000)));
        assert_eq!(rebinding.decide(at(now + 3_000)), Rebind::Bind);
    }

    #[test]
    fn a_socket_that_cannot_send_is_replaced_soon_but_not_at_once_again_and_for_ever() {
        let mut rebinding = Rebinding::new(Profile::Slow, at(0));
        for turn in 0..100 {
            rebinding.failed();
            assert_eq!(rebinding.deadline(), Some(at(turn * 200 + 200)));
            assert_eq!(rebinding.decide(at(turn * 200 + 199)), Rebind::Keep);
            assert_eq!(rebinding.decide(at(turn * 200 + 200)), Rebind::Bind);
        }
    }

    #[test]
    fn that_nothing_listens_is_believed_when_nothing_comes() {
        let mut rebinding = Rebinding::new(Profile::Usual, at(0));
        // Nobody owes an answer: anybody may have said it.
        rebinding.refused(at(50));
        assert_eq!(rebinding.deadline(), None);
        rebinding.sent(at(100));
        rebinding.refused(at(100));
        rebinding.refused(at(900));
        assert_eq!(rebinding.decide(at(1_099)), Rebind::Keep);
        assert_eq!(rebinding.deadline(), Some(at(1_100)));
        rebinding.heard();
        assert_eq!(
            (rebinding.deadline(), rebinding.decide(at(9_000))),
            (None, Rebind::Keep)
        );
        rebinding.sent(at(9_000));
        rebinding.refused(at(9_000));
        assert_eq!(rebinding.decide(at(10_000)), Rebind::Gone);
    }
}
