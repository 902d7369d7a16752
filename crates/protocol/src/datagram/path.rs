//! Which address a link's datagrams go to. It changes only once somebody at the new address has
//! answered a challenge that was sent there inside the seal, and until then data keeps going to the
//! old one. An address that has proved nothing gets no more bytes than came from it.
//!
//! Who copies datagrams of others, or sends them again, from an address of his own can make a
//! challenge go there and nothing else: he cannot read it, and the next datagram that comes the old
//! way ends the matter.

use std::net::SocketAddr;
use std::time::Duration;

use crate::link::DatagramOutcome;
use crate::time::Instant;

/// Times that a challenge leaves before the new address is forgotten.
pub const CHALLENGES_MAX: u8 = 6;
/// A challenge is repeated after this, and then each time twice as late.
pub const CHALLENGE_AGAIN_AFTER: Duration = Duration::from_millis(250);

/// Where data goes, after a datagram came.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Way {
    /// Where it went before.
    Same,
    /// To another port of the same address: the same way, of which what was measured still holds.
    OtherPort,
    /// To another address.
    Other,
}

/// A PING that is to be sent to an address, inside the seal.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Challenge {
    /// Where to.
    pub to: SocketAddr,
    /// What a PONG from there must hold.
    pub nonce: [u8; 8],
}

/// Counts what an address that has proved nothing may get: as much as came from it.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
struct Allowance {
    bytes: u64,
}

impl Allowance {
    fn came(&mut self, bytes: usize) {
        self.bytes = self.bytes.saturating_add(bytes as u64);
    }

    fn take(&mut self, bytes: usize) -> bool {
        let left = self.bytes.checked_sub(bytes as u64);
        self.bytes = left.unwrap_or(self.bytes);
        left.is_some()
    }
}

/// An address that the peer may have moved to.
#[derive(Clone, Copy, Debug)]
struct Candidate {
    at: SocketAddr,
    nonce: [u8; 8],
    allowance: Allowance,
    /// Challenges sent.
    challenges: u8,
    /// When the next one is due.
    next_at: Instant,
}

/// The machine, for the side that is called: who calls knows where it calls.
#[derive(Clone, Debug)]
pub struct Paths {
    current: SocketAddr,
    /// What the present address may still get; `None` once it is proved.
    allowance: Option<Allowance>,
    candidate: Option<Candidate>,
    /// Makes nonces that nobody else knows.
    seed: u64,
    nonces: u64,
    moves: u64,
}

impl Paths {
    /// The first datagram came from `from`, which a cookie has `proven` or not. Nobody else knows `seed`.
    pub const fn new(from: SocketAddr, proven: bool, seed: u64) -> Self {
        Self {
            current: from,
            allowance: match proven {
                true => None,
                false => Some(Allowance { bytes: 0 }),
            },
            candidate: None,
            seed,
            nonces: 0,
            moves: 0,
        }
    }

    /// Where data goes.
    pub const fn current(&self) -> SocketAddr {
        self.current
    }

    /// How often it went elsewhere than before.
    pub const fn moves(&self) -> u64 {
        self.moves
    }

    /// Whether the present address has proved that it gets what is sent there.
    pub const fn is_proven(&self) -> bool {
        self.allowance.is_none()
    }

    /// The handshake is complete: who answered what was sent there is there.
    pub const fn prove(&mut self) {
        self.allowance = None;
    }

    /// Counts a datagram that is to go to the present address; `false` where it must not: it is
    /// dropped, and repeated by whoever wants it to arrive.
    pub fn may_send(&mut self, bytes: usize) -> bool {
        match &mut self.allowance {
            Some(allowance) => allowance.take(bytes),
            None => true,
        }
    }

    /// A datagram of `bytes` came from `from`, before the link has judged it: it may be answered.
    pub fn came(&mut self, from: SocketAddr, bytes: usize) {
        if from == self.current {
            if let Some(allowance) = &mut self.allowance {
                allowance.came(bytes);
            }
        } else if let Some(candidate) = &mut self.candidate
            && candidate.at == from
        {
            candidate.allowance.came(bytes);
        }
    }

    /// The link has judged that datagram: gives where data goes from now on. [`Paths::challenge`] may have
    /// something afterwards.
    pub fn judged(
        &mut self,
        now: Instant,
        from: SocketAddr,
        bytes: usize,
        outcome: DatagramOutcome,
    ) -> Way {
        if !outcome.authentic {
            return Way::Same;
        }
        let before = self.current;
        if outcome
            .answered
            .is_some_and(|nonce| self.ponged(from, nonce))
        {
            return match before.ip() == from.ip() {
                true => Way::OtherPort,
                false => Way::Other,
            };
        }
        if outcome.newest {
            self.heard(now, from, bytes);
        }
        Way::Same
    }

    /// The newest word of the peer came from `from`.
    fn heard(&mut self, now: Instant, from: SocketAddr, bytes: usize) {
        if from == self.current {
            // Whoever spoke from elsewhere was not the peer, or the peer is back.
            self.candidate = None;
            return;
        }
        // No link moves before its handshake has proved its first address.
        if !self.is_proven() || self.candidate.is_some_and(|known| known.at == from) {
            return;
        }
        let mut allowance = Allowance::default();
        allowance.came(bytes);
        self.candidate = Some(Candidate {
            at: from,
            nonce: self.next_nonce(),
            allowance,
            challenges: 0,
            next_at: now,
        });
    }

    /// The challenge that is due. It is sent in a datagram for which [`Paths::may_challenge`] is asked.
    pub fn challenge(&mut self, now: Instant) -> Option<Challenge> {
        let candidate = self.candidate.as_mut()?;
        if candidate.next_at > now {
            return None;
        }
        if candidate.challenges >= CHALLENGES_MAX {
            self.candidate = None;
            return None;
        }
        let wait = CHALLENGE_AGAIN_AFTER * (1 << candidate.challenges);
        candidate.challenges += 1;
        candidate.next_at = now + wait;
        Some(Challenge {
            to: candidate.at,
            nonce: candidate.nonce,
        })
    }

    /// Counts a challenge's datagram of so many bytes; `false` where it must not go: its address has
    /// brought too little yet.
    pub fn may_challenge(&mut self, to: SocketAddr, bytes: usize) -> bool {
        let candidate = self.candidate.as_mut();
        candidate.is_some_and(|known| known.at == to && known.allowance.take(bytes))
    }

    /// The challenge was answered inside an authentic datagram from `from`.
    fn ponged(&mut self, from: SocketAddr, nonce: [u8; 8]) -> bool {
        let answers = |candidate: Candidate| {
            candidate.at == from && candidate.nonce == nonce && candidate.challenges > 0
        };
        if !self.candidate.is_some_and(answers) {
            return false;
        }
        (self.current, self.allowance, self.candidate) = (from, None, None);
        self.moves += 1;
        true
    }

    /// When [`Paths::challenge`] has something to do; `None` while nothing is pending.
    pub fn deadline(&self) -> Option<Instant> {
        self.candidate.map(|candidate| candidate.next_at)
    }

    fn next_nonce(&mut self) -> [u8; 8] {
        self.nonces += 1;
        let mut key = [0; blake3::KEY_LEN];
        key[..8].copy_from_slice(&self.seed.to_be_bytes());
        let hash = blake3::keyed_hash(&key, &self.nonces.to_be_bytes());
        let mut nonce = [0; 8];
        nonce.copy_from_slice(&hash.as_bytes()[..8]);
        nonce
    }
}

#[cfg(test)]
#[path = "path/tests.rs"]
mod tests;
