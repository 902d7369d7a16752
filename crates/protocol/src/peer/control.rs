//! What membership says on a link, inside of [`LinkMessage::Control`](super::LinkMessage::Control): who is
//! there, who coordinates, and that the link is alive. Every list is bounded.

use std::net::SocketAddr;

use bytes::Bytes;

use super::attested::{Attested, Statement};
use super::bytes::{ReadError, Reader, at_most, put_addr, put_option, unknown};
use super::message::Incarnation;
use super::record::{
    Coordinator, ElectionEpoch, PeerId, PeerRecord, put_coordinator, put_id, read_coordinator,
    read_epoch, read_id,
};
use crate::identity::AuthorKey;
use crate::seal::DOMAIN_BYTES;

/// Sightings in one [`Control::Peers`], at most.
pub const SIGHTINGS_MAX: usize = 32;
/// Keys in [`JoinAnswer::history`], at most.
pub const HISTORY_HINTS_MAX: usize = 4;
/// Bytes of a control message, at most: [`Control::Peers`] is the longest.
pub const CONTROL_BYTES_MAX: usize = 16 * 1_024;

/// A peer's record, and where somebody saw it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Sighting {
    /// What it states itself.
    pub record: Attested<PeerRecord>,
    /// Where its neighbour reaches it: a hint, signed by nobody.
    pub at: Option<SocketAddr>,
}

/// Why a peer asks for an election.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
#[repr(u8)]
pub enum Cause {
    /// It knows no coordinator, or has lost it.
    Lost = 1,
    /// It has a greater key than the coordinator.
    Challenge = 2,
}

/// ELECTION: "I would coordinate, unless somebody greater does".
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Candidacy {
    /// Who.
    pub key: AuthorKey,
    /// In which life.
    pub incarnation: Incarnation,
    /// Counts the elections that it asked for in this life, from 1.
    pub round: u64,
    /// The greatest epoch that it knows.
    pub epoch: ElectionEpoch,
    /// Why.
    pub cause: Cause,
}

/// COORDINATOR_ANNOUNCEMENT: "I coordinate".
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Announced {
    /// Who, and in which epoch.
    pub coordinator: Coordinator,
    /// Counts this epoch's announcements, from 1.
    pub beat: u64,
}

/// The coordinator's answer to who joins.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct JoinAnswer {
    /// For whom.
    pub key: AuthorKey,
    /// In which life.
    pub incarnation: Incarnation,
    /// The number it is given.
    pub id: PeerId,
    /// Peers from whom to take history first: a hint. At most [`HISTORY_HINTS_MAX`].
    pub history: Vec<AuthorKey>,
}

/// Why a peer is about to close a link.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
#[repr(u8)]
pub enum Parting {
    /// There is another link between the two.
    Duplicate = 1,
    /// It has as many links as it may have.
    Full = 2,
    /// It has enough others, and so has the other side.
    Pruned = 3,
}

/// What membership says to a neighbour.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Control {
    /// HEARTBEAT: alive, and how long an answer takes.
    Heartbeat {
        /// Counts the heartbeats of this direction, from 1.
        beat: u32,
        /// The newest of the other direction; 0 for none.
        echo: u32,
        /// Microseconds since that one came.
        held_micros: u32,
        /// Who coordinates, as far as the sender knows.
        coordinator: Option<Coordinator>,
    },
    /// PEER_UPDATE: a peer came, changed or left. Flooded.
    Here(Sighting),
    /// PEER_UPDATE: a neighbour of this peer lost it. Flooded; whom it names answers with a newer record.
    Lost {
        /// Whom.
        key: AuthorKey,
        /// In which life.
        incarnation: Incarnation,
        /// Its newest record that was known.
        beat: u64,
    },
    /// Peers that the sender knows, when a link begins.
    Peers(Vec<Sighting>),
    /// ELECTION. Flooded.
    Election(Attested<Candidacy>),
    /// ELECTION_OK: somebody greater is there, for this candidate's round.
    ElectionOk {
        /// The candidate.
        key: AuthorKey,
        /// Its round.
        round: u64,
    },
    /// COORDINATOR_ANNOUNCEMENT. Flooded.
    Announcement(Attested<Announced>),
    /// A peer asks the coordinator for a number. Passed on towards it.
    Join {
        /// Who.
        key: AuthorKey,
        /// In which life.
        incarnation: Incarnation,
    },
    /// The answer. Passed on the way back.
    Joined(Attested<JoinAnswer>),
    /// The link is about to be closed, and not because anything is wrong.
    Parting(Parting),
}

impl Control {
    /// Its bytes: a kind, then its fields.
    pub fn to_bytes(&self) -> Bytes {
        let mut out = Vec::new();
        match self {
            Self::Heartbeat {
                beat,
                echo,
                held_micros,
                coordinator,
            } => {
                out.push(1);
                for number in [beat, echo, held_micros] {
                    out.extend(number.to_be_bytes());
                }
                put_option(&mut out, coordinator.as_ref(), put_coordinator);
            }
            Self::Here(sighting) => {
                out.push(2);
                put_sighting(&mut out, sighting);
            }
            Self::Lost {
                key,
                incarnation,
                beat,
            } => {
                out.push(3);
                out.extend(key.0);
                out.extend(incarnation.0.to_be_bytes());
                out.extend(beat.to_be_bytes());
            }
            Self::Peers(sightings) => {
                let sightings = &sightings[..sightings.len().min(SIGHTINGS_MAX)];
                out.extend([4, sightings.len() as u8]);
                for sighting in sightings {
                    put_sighting(&mut out, sighting);
                }
            }
            Self::Election(candidacy) => {
                out.push(5);
                candidacy.put(&mut out);
            }
            Self::ElectionOk { key, round } => {
                out.push(6);
                out.extend(key.0);
                out.extend(round.to_be_bytes());
            }
            Self::Announcement(announced) => {
                out.push(7);
                announced.put(&mut out);
            }
            Self::Join { key, incarnation } => {
                out.push(8);
                out.extend(key.0);
                out.extend(incarnation.0.to_be_bytes());
            }
            Self::Joined(answer) => {
                out.push(9);
                answer.put(&mut out);
            }
            Self::Parting(parting) => out.extend([10, *parting as u8]),
        }
        out.into()
    }

    /// Reads what takes up all of `bytes`. Signatures are not looked at.
    ///
    /// # Errors
    ///
    /// [`ReadError`]: the sender's fault.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ReadError> {
        at_most("bytes", bytes.len(), CONTROL_BYTES_MAX)?;
        let mut reader = Reader(bytes);
        let control = Self::read(&mut reader)?;
        reader.end()?;
        Ok(control)
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, ReadError> {
        Ok(match reader.u8()? {
            1 => Self::Heartbeat {
                beat: reader.u32()?,
                echo: reader.u32()?,
                held_micros: reader.u32()?,
                coordinator: reader.option(read_coordinator)?,
            },
            2 => Self::Here(read_sighting(reader)?),
            3 => Self::Lost {
                key: reader.key()?,
                incarnation: reader.incarnation()?,
                beat: reader.u64()?,
            },
            4 => Self::Peers(reader.list("peers", SIGHTINGS_MAX, read_sighting)?),
            5 => Self::Election(Attested::get(reader)?),
            6 => Self::ElectionOk {
                key: reader.key()?,
                round: reader.u64()?,
            },
            7 => Self::Announcement(Attested::get(reader)?),
            8 => Self::Join {
                key: reader.key()?,
                incarnation: reader.incarnation()?,
            },
            9 => Self::Joined(Attested::get(reader)?),
            10 => Self::Parting(match reader.u8()? {
                1 => Parting::Duplicate,
                2 => Parting::Full,
                3 => Parting::Pruned,
                value => return Err(unknown("reason", value)),
            }),
            value => return Err(unknown("kind", value)),
        })
    }
}

fn put_sighting(out: &mut Vec<u8>, sighting: &Sighting) {
    sighting.record.put(out);
    put_addr(out, sighting.at);
}

fn read_sighting(reader: &mut Reader<'_>) -> Result<Sighting, ReadError> {
    let record = Attested::get(reader)?;
    let at = reader.addr()?;
    Ok(Sighting { record, at })
}

/// How much of `bytes` `reader` took, with what it made of it.
fn counted<T>(
    bytes: &[u8],
    read: impl FnOnce(&mut Reader<'_>) -> Result<T, ReadError>,
) -> Result<(T, usize), ReadError> {
    let mut reader = Reader(bytes);
    let value = read(&mut reader)?;
    Ok((value, bytes.len() - reader.0.len()))
}

impl Statement for Candidacy {
    const DOMAIN: &'static [u8; DOMAIN_BYTES] = b"lamparina ballot";

    fn signer(&self) -> AuthorKey {
        self.key
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.extend(self.key.0);
        out.extend(self.incarnation.0.to_be_bytes());
        out.extend(self.round.to_be_bytes());
        out.extend(self.epoch.0.to_be_bytes());
        out.push(self.cause as u8);
    }

    fn read(bytes: &[u8]) -> Result<(Self, usize), ReadError> {
        counted(bytes, |reader| {
            Ok(Self {
                key: reader.key()?,
                incarnation: reader.incarnation()?,
                round: reader.u64()?,
                epoch: read_epoch(reader)?,
                cause: match reader.u8()? {
                    1 => Cause::Lost,
                    2 => Cause::Challenge,
                    value => return Err(unknown("cause", value)),
                },
            })
        })
    }
}

impl Statement for Announced {
    const DOMAIN: &'static [u8; DOMAIN_BYTES] = b"lamparina leader";

    fn signer(&self) -> AuthorKey {
        self.coordinator.key
    }

    fn write(&self, out: &mut Vec<u8>) {
        put_coordinator(out, &self.coordinator);
        out.extend(self.beat.to_be_bytes());
    }

    fn read(bytes: &[u8]) -> Result<(Self, usize), ReadError> {
        counted(bytes, |reader| {
            let coordinator = read_coordinator(reader)?;
            let beat = reader.u64()?;
            Ok(Self { coordinator, beat })
        })
    }
}

impl Statement for JoinAnswer {
    const DOMAIN: &'static [u8; DOMAIN_BYTES] = b"lamparina answer";

    fn signer(&self) -> AuthorKey {
        self.id.by.key
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.extend(self.key.0);
        out.extend(self.incarnation.0.to_be_bytes());
        put_id(out, &self.id);
        let history = &self.history[..self.history.len().min(HISTORY_HINTS_MAX)];
        out.push(history.len() as u8);
        history.iter().for_each(|key| out.extend(key.0));
    }

    fn read(bytes: &[u8]) -> Result<(Self, usize), ReadError> {
        counted(bytes, |reader| {
            let key = reader.key()?;
            let incarnation = reader.incarnation()?;
            let id = read_id(reader)?;
            let history = reader.list("hints", HISTORY_HINTS_MAX, Reader::key)?;
            Ok(Self {
                key,
                incarnation,
                id,
                history,
            })
        })
    }
}

#[cfg(test)]
mod tests;
