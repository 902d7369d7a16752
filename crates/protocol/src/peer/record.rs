//! What a peer states about itself for others to find it, and who coordinates whom.

use std::fmt;
use std::net::SocketAddr;

use super::attested::Statement;
use super::bytes::{ReadError, Reader, put_addr, put_name, put_option, unknown};
use super::message::Incarnation;
use super::name::PeerName;
use crate::identity::AuthorKey;
use crate::seal::DOMAIN_BYTES;

/// Addresses in a [`PeerRecord`], at most.
pub const ADDRS_MAX: usize = 4;
/// Election epochs are below this: one more fits always.
pub const EPOCH_MAX: u64 = 1 << 48;

/// Counts elections. A coordinator never coordinates twice in one.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ElectionEpoch(pub u64);

impl ElectionEpoch {
    /// The one after; none after the last.
    pub fn next(self) -> Option<Self> {
        Some(Self(self.0 + 1)).filter(|next| next.0 < EPOCH_MAX)
    }
}

impl fmt::Display for ElectionEpoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A peer that coordinates in an epoch. Of two the greater one stays: by epoch, then by key.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Coordinator {
    /// In which epoch.
    pub epoch: ElectionEpoch,
    /// Who.
    pub key: AuthorKey,
}

/// A number that a coordinator gave to a peer for its life: short for people, and no two alike. Not an
/// identity: that is the key.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct PeerId {
    /// Who gave it, and in which epoch.
    pub by: Coordinator,
    /// The how-manieth of that epoch, from 1.
    pub n: u64,
}

impl fmt::Display for PeerId {
    /// The first eight digits of the coordinator's key, the epoch, the number.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = &self.by.key.0;
        key.iter()
            .take(4)
            .try_for_each(|byte| write!(f, "{byte:02x}"))?;
        write!(f, "-{}-{}", self.by.epoch, self.n)
    }
}

/// A peer about itself. Of two of one peer the one with the greater `(incarnation, beat)` holds.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PeerRecord {
    /// Who.
    pub key: AuthorKey,
    /// In which life.
    pub incarnation: Incarnation,
    /// Counts this life's records, from 1.
    pub beat: u64,
    /// What it is called.
    pub name: PeerName,
    /// The port at which it listens; 0 where it does not.
    pub port: u16,
    /// Whether it listens there for datagrams too.
    pub udp: bool,
    /// Where it listens, as far as it knows; at most [`ADDRS_MAX`].
    pub addrs: Vec<SocketAddr>,
    /// The number that it was given.
    pub id: Option<PeerId>,
    /// It has left: nothing more comes in this life.
    pub gone: bool,
}

const FLAG_UDP: u8 = 1;
const FLAG_GONE: u8 = 2;

impl Statement for PeerRecord {
    const DOMAIN: &'static [u8; DOMAIN_BYTES] = b"lamparina record";

    fn signer(&self) -> AuthorKey {
        self.key
    }

    fn write(&self, out: &mut Vec<u8>) {
        let flags = (u8::from(self.udp) * FLAG_UDP) | (u8::from(self.gone) * FLAG_GONE);
        out.push(flags);
        out.extend(self.key.0);
        out.extend(self.incarnation.0.to_be_bytes());
        out.extend(self.beat.to_be_bytes());
        put_name(out, &self.name);
        out.extend(self.port.to_be_bytes());
        let addrs = &self.addrs[..self.addrs.len().min(ADDRS_MAX)];
        out.push(addrs.len() as u8);
        addrs.iter().for_each(|addr| put_addr(out, Some(*addr)));
        put_option(out, self.id.as_ref(), put_id);
    }

    fn read(bytes: &[u8]) -> Result<(Self, usize), ReadError> {
        let mut reader = Reader(bytes);
        let record = read_record(&mut reader)?;
        Ok((record, bytes.len() - reader.0.len()))
    }
}

fn read_record(reader: &mut Reader<'_>) -> Result<PeerRecord, ReadError> {
    let flags = reader.u8()?;
    if flags & !(FLAG_UDP | FLAG_GONE) != 0 {
        return Err(unknown("flag", flags));
    }
    let key = reader.key()?;
    let incarnation = reader.incarnation()?;
    let beat = reader.u64()?;
    let name = reader.name()?;
    let port = reader.u16()?;
    let addrs = reader.list("addresses", ADDRS_MAX, listening)?;
    Ok(PeerRecord {
        key,
        incarnation,
        beat,
        name,
        port,
        udp: flags & FLAG_UDP != 0,
        addrs,
        id: reader.option(read_id)?,
        gone: flags & FLAG_GONE != 0,
    })
}

/// An address that is none is not taken.
fn listening(reader: &mut Reader<'_>) -> Result<SocketAddr, ReadError> {
    reader.addr()?.ok_or(ReadError::Form("addresses"))
}

pub(super) fn put_coordinator(out: &mut Vec<u8>, coordinator: &Coordinator) {
    out.extend(coordinator.epoch.0.to_be_bytes());
    out.extend(coordinator.key.0);
}

pub(super) fn read_coordinator(reader: &mut Reader<'_>) -> Result<Coordinator, ReadError> {
    let epoch = read_epoch(reader)?;
    let key = reader.key()?;
    Ok(Coordinator { epoch, key })
}

pub(super) fn read_epoch(reader: &mut Reader<'_>) -> Result<ElectionEpoch, ReadError> {
    match reader.u64()? {
        epoch if epoch < EPOCH_MAX => Ok(ElectionEpoch(epoch)),
        value => {
            let what = "epoch";
            Err(ReadError::Unknown { what, value })
        }
    }
}

pub(super) fn put_id(out: &mut Vec<u8>, id: &PeerId) {
    put_coordinator(out, &id.by);
    out.extend(id.n.to_be_bytes());
}

pub(super) fn read_id(reader: &mut Reader<'_>) -> Result<PeerId, ReadError> {
    let by = read_coordinator(reader)?;
    let n = reader.u64()?;
    Ok(PeerId { by, n })
}
