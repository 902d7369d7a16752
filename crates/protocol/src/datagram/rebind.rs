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
        }
    }

    /// A datagram left.
    pub fn sent(&mut self, now: Instant) {
        self.unanswered_since.get_or_insert(now);
    }

    /// A datagram came.
    pub const fn heard(&mut self) {
        self.unanswered_since = None;
        self.wait = self.after;
    }

    /// The socket refused to send, for another reason than being full.
    pub const fn failed(&mut self) {
        self.failed = true;
    }

    /// When another socket is needed, unless something comes before.
    pub fn deadline(&self) -> Option<Instant> {
        let failing_at = self.failed.then(|| self.bound_at + FAILING_AFTER);
        let silent_at = self.unanswered_since.map(|since| since + self.wait);
        [failing_at, silent_at].into_iter().flatten().min()
    }

    /// Whether another socket is needed now; it counts as bound then.
    pub fn is_due(&mut self, now: Instant) -> bool {
        let due = self.deadline().is_some_and(|at| at <= now);
        if due {
            self.failed = false;
            self.unanswered_since = None;
            self.wait = (self.wait * 2).min(REBIND_AFTER_MAX);
            self.bound_at = now;
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Instant {
        Instant::from_millis(millis)
    }

    #[test]
    fn silence_after_something_was_sent_asks_for_another_socket_ever_more_rarely() {
        let mut rebinding = Rebinding::new(Profile::Usual, at(0));
        assert_eq!(rebinding.deadline(), None, "an idle line is silent");
        let (mut now, mut waits) = (1_000, vec![]);
        for _ in 0..6 {
            rebinding.sent(at(now));
            rebinding.sent(at(now + 500));
            let due = rebinding.deadline().unwrap().as_micros() / 1_000;
            assert!(!rebinding.is_due(at(due - 1)));
            assert!(rebinding.is_due(at(due)));
            assert_eq!(rebinding.deadline(), None);
            waits.push(due - now);
            now = due;
        }
        assert_eq!(waits, [3_000, 6_000, 12_000, 24_000, 30_000, 30_000]);
        rebinding.sent(at(now));
        rebinding.heard();
        assert_eq!(rebinding.deadline(), None);
        rebinding.sent(at(now));
        assert_eq!(rebinding.deadline(), Some(at(now + 3_000)));
    }

    #[test]
    fn a_socket_that_cannot_send_is_replaced_soon_but_not_at_once_again() {
        let mut rebinding = Rebinding::new(Profile::Slow, at(0));
        rebinding.failed();
        assert_eq!(rebinding.deadline(), Some(at(200)));
        assert!(rebinding.is_due(at(5_000)));
        rebinding.failed();
        assert_eq!(rebinding.deadline(), Some(at(5_200)));
        rebinding.sent(at(5_000));
        assert_eq!(rebinding.deadline(), Some(at(5_200)));
    }
}
