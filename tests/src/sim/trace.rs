//! What happened, in order: a digest of all of it, and the last steps for people.

use std::collections::VecDeque;
use std::fmt;

use lamparina_protocol::Instant;

/// Steps kept for people.
const STEPS_KEPT: usize = 80;

/// One step: a word, and two numbers that say which and how much.
#[derive(Clone, Copy, Debug)]
struct Step {
    at: Instant,
    what: &'static str,
    who: u64,
    how: u64,
}

/// The trace of a run.
#[derive(Debug)]
pub struct Trace {
    digest: u64,
    steps: u64,
    last: VecDeque<Step>,
}

impl Default for Trace {
    fn default() -> Self {
        Self {
            digest: 0xcbf2_9ce4_8422_2325,
            steps: 0,
            last: VecDeque::with_capacity(STEPS_KEPT),
        }
    }
}

impl Trace {
    /// Notes a step.
    pub fn note(&mut self, at: Instant, what: &'static str, who: u64, how: u64) {
        self.mix(at.as_micros());
        self.bytes(what.as_bytes());
        self.mix(who);
        self.mix(how);
        self.steps += 1;
        if self.last.len() == STEPS_KEPT {
            self.last.pop_front();
        }
        self.last.push_back(Step { at, what, who, how });
    }

    /// Takes bytes into the digest: what was on the wire.
    pub fn bytes(&mut self, bytes: &[u8]) {
        let mut words = bytes.chunks_exact(8);
        for word in &mut words {
            let mut eight = [0; 8];
            eight.copy_from_slice(word);
            self.mix(u64::from_le_bytes(eight));
        }
        let mut rest = [0xff; 8];
        rest[..words.remainder().len()].copy_from_slice(words.remainder());
        self.mix(u64::from_le_bytes(rest));
    }

    /// The digest of everything so far.
    pub const fn digest(&self) -> u64 {
        self.digest
    }

    /// How many steps there were.
    pub const fn steps(&self) -> u64 {
        self.steps
    }

    const fn mix(&mut self, word: u64) {
        // FNV-1a's constants over words, and a rotation that carries high bits down.
        self.digest = (self.digest ^ word)
            .wrapping_mul(0x0100_0000_01b3)
            .rotate_left(29);
    }
}

impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Step { at, what, who, how } in &self.last {
            writeln!(f, "  {at} {what} {who} {how}")?;
        }
        write!(f, "  {} steps, digest {:016x}", self.steps, self.digest)
    }
}
