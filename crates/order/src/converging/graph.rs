//! Keeps every message behind its causes, and each once. A stamp is derived from causes, never believed.
//!
//! A hundred bytes or so for each message, its causes with it; texts are the shell's.

use std::collections::{BTreeMap, BTreeSet};

use lamparina_protocol::Lamport;
use lamparina_protocol::peer::{Chain, Digest, MessageName, Signed};

use super::types::{Fault, HistoryKey, Position, Proof};

/// Messages that are kept, at most; no more are taken then.
pub const MESSAGES_MAX: u32 = 1 << 22;
/// Names of one chain for which a proof of equivocation is made, at most: further ones prove nothing new.
pub const PROOFS_OF_CHAIN_MAX: usize = 16;

/// Instead of a position: none.
const NONE: u32 = u32::MAX;
// The heads of all messages can be counted.
const _: () = assert!(MESSAGES_MAX as u64 * 512 < NONE as u64);

#[derive(Clone, Debug)]
struct Entry {
    digest: Digest,
    stamp: u32,
    n: u32,
    chain: u32,
    prev: u32,
    heads_from: u32,
    heads: u16,
    bytes: u32,
}

#[derive(Clone, Debug)]
struct ChainLine {
    chain: Chain,
    /// The greatest n of its branches. Each has a message of every n up to its own.
    longest: u32,
    /// Where that one stands.
    tip: u32,
    /// Names that were given twice.
    proved: Vec<u32>,
}

/// All messages of a peer, by position.
#[derive(Clone, Debug, Default)]
pub(super) struct Graph {
    entries: Vec<Entry>,
    /// Positions of heads, those of each message together.
    heads: Vec<u32>,
    /// The first eight bytes of each digest, and where it stands.
    by_digest: BTreeSet<(u64, u32)>,
    /// By stamp; those of one stamp are sorted when somebody asks.
    by_stamp: BTreeSet<(u32, u32)>,
    /// The one with the greatest key of each stamp.
    greatest: BTreeMap<u32, u32>,
    chains: Vec<ChainLine>,
    chain_of: BTreeMap<Chain, u32>,
    /// Messages that none other names.
    newest: BTreeSet<u32>,
    clock: u32,
}

/// What became of a message.
pub(super) struct Inserted {
    pub(super) position: Position,
    pub(super) stamp: Lamport,
    pub(super) proof: Option<Proof>,
}

fn short(digest: &Digest) -> u64 {
    let (short, _) = digest.0.split_first_chunk().expect("a digest has 32 bytes");
    u64::from_be_bytes(*short)
}

impl Graph {
    pub(super) fn len(&self) -> u32 {
        self.entries.len() as u32
    }

    /// The greatest stamp.
    pub(super) fn clock(&self) -> Lamport {
        Lamport::new(u64::from(self.clock))
    }

    pub(super) fn find(&self, digest: &Digest) -> Option<u32> {
        let short = short(digest);
        let mut range = self.by_digest.range((short, 0)..=(short, NONE));
        let (_, position) = range.find(|(_, at)| self.entries[*at as usize].digest == *digest)?;
        Some(*position)
    }

    pub(super) fn digest(&self, position: u32) -> Digest {
        self.entries[position as usize].digest
    }

    pub(super) fn stamp(&self, position: u32) -> u32 {
        self.entries[position as usize].stamp
    }

    /// Bytes of the signed message.
    pub(super) fn bytes(&self, position: u32) -> u32 {
        self.entries[position as usize].bytes
    }

    pub(super) fn key(&self, position: u32) -> HistoryKey {
        let entry = &self.entries[position as usize];
        HistoryKey {
            stamp: Lamport::new(u64::from(entry.stamp)),
            name: MessageName {
                chain: self.chains[entry.chain as usize].chain,
                n: u64::from(entry.n),
            },
            digest: entry.digest,
        }
    }

    /// Positions of what a message names: prev, then heads.
    pub(super) fn causes(&self, position: u32) -> impl Iterator<Item = u32> {
        let entry = &self.entries[position as usize];
        let from = entry.heads_from as usize;
        let heads = &self.heads[from..from + usize::from(entry.heads)];
        let prev = (entry.prev != NONE).then_some(entry.prev);
        prev.into_iter().chain(heads.iter().copied())
    }

    /// Messages that none other names, oldest first.
    pub(super) fn newest(&self) -> impl DoubleEndedIterator<Item = u32> {
        self.newest.iter().copied()
    }

    /// The greatest key with a stamp up to this one.
    pub(super) fn greatest_upto(&self, stamp: Lamport) -> Option<HistoryKey> {
        let stamp = u32::try_from(stamp.get()).unwrap_or(u32::MAX);
        let (_, position) = self.greatest.range(..=stamp).next_back()?;
        Some(self.key(*position))
    }

    /// Positions with a stamp from `low` to `high`, by stamp.
    pub(super) fn between(&self, low: u32, high: u32) -> impl DoubleEndedIterator<Item = u32> {
        let range = (low, 0)..=(high, NONE);
        let stamped = (low <= high).then(|| self.by_stamp.range(range));
        stamped.into_iter().flatten().map(|(_, position)| *position)
    }

    /// Adds a message behind its causes. It is not there yet.
    pub(super) fn insert(&mut self, message: &Signed) -> Result<Inserted, Fault> {
        let content = message.content();
        let position = self.len();
        if position >= MESSAGES_MAX {
            return Err(Fault::Full { max: MESSAGES_MAX });
        }
        let find = |digest: &Digest| self.find(digest).ok_or(Fault::UnknownCause(*digest));
        let prev = content.prev.as_ref().map(find).transpose()?;
        let heads: Result<Vec<u32>, Fault> = content.heads.iter().map(find).collect();
        let heads = heads?;
        let n = self.place(content.name, prev)?;

        let causes = prev.iter().chain(&heads);
        let greatest = causes.clone().map(|at| self.stamp(*at)).max();
        let stamp = greatest.unwrap_or(0) + 1;
        for cause in causes {
            self.newest.remove(cause);
        }
        let (chain, proof) = self.take_name(content.name.chain, n, position);
        self.entries.push(Entry {
            digest: message.digest(),
            stamp,
            n,
            chain,
            prev: prev.unwrap_or(NONE),
            heads_from: self.heads.len() as u32,
            heads: heads.len() as u16,
            bytes: message.bytes().len() as u32,
        });
        self.heads.extend_from_slice(&heads);
        self.by_digest.insert((short(&message.digest()), position));
        self.by_stamp.insert((stamp, position));
        let before = self.greatest.get(&stamp).map(|at| self.key(*at));
        if before < Some(self.key(position)) {
            self.greatest.insert(stamp, position);
        }
        self.newest.insert(position);
        self.clock = self.clock.max(stamp);
        Ok(Inserted {
            position: Position(position),
            stamp: Lamport::new(u64::from(stamp)),
            proof,
        })
    }

    /// The number that a message with this prev has, which must be its own.
    fn place(&self, name: MessageName, prev: Option<u32>) -> Result<u32, Fault> {
        let n = match prev {
            None => 1,
            Some(prev) => {
                let before = &self.entries[prev as usize];
                if self.chains[before.chain as usize].chain != name.chain {
                    return Err(Fault::Prev);
                }
                before.n + 1
            }
        };
        match u64::from(n) == name.n {
            true => Ok(n),
            false => Err(Fault::Prev),
        }
    }

    /// Notes who has a name now, and the proof when somebody had it.
    fn take_name(&mut self, chain: Chain, n: u32, position: u32) -> (u32, Option<Proof>) {
        let number = *self.chain_of.entry(chain).or_insert_with(|| {
            self.chains.push(ChainLine {
                chain,
                longest: 0,
                tip: NONE,
                proved: Vec::new(),
            });
            self.chains.len() as u32 - 1
        });
        let line = &self.chains[number as usize];
        if n > line.longest {
            let line = &mut self.chains[number as usize];
            (line.longest, line.tip) = (n, position);
            return (number, None);
        }
        if line.proved.contains(&n) || line.proved.len() == PROOFS_OF_CHAIN_MAX {
            return (number, None);
        }
        // The longest branch has one of this name.
        let mut first = line.tip;
        while self.entries[first as usize].n > n {
            first = self.entries[first as usize].prev;
        }
        self.chains[number as usize].proved.push(n);
        let proof = Proof {
            name: MessageName {
                chain,
                n: u64::from(n),
            },
            first: Position(first),
            second: Position(position),
        };
        (number, Some(proof))
    }
}
