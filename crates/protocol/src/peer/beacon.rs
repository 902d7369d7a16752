//! A beacon: one small datagram to everybody on the network, by which peers find each other. What it
//! states is signed; the address that it came from, with the port in it, is where its peer is to be called.

use bytes::Bytes;

use super::attested::Attested;
use super::bytes::{ReadError, Reader, at_most, put_option, unknown};
use super::record::{Coordinator, PeerRecord, put_coordinator, read_coordinator};

/// First bytes of a beacon.
pub const BEACON_MAGIC: [u8; 4] = *b"LMPb";
/// The version that is spoken here.
pub const BEACON_VERSION: u8 = 1;
/// Bytes of a beacon, at most.
pub const BEACON_BYTES_MAX: usize = 512;

/// What a beacon is for.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
#[repr(u8)]
pub enum BeaconKind {
    /// JOIN_REQUEST: its peer knows nobody.
    JoinRequest = 1,
    /// HEARTBEAT: its peer is there.
    Heartbeat = 2,
}

/// A beacon.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Beacon {
    /// What it is for.
    pub kind: BeaconKind,
    /// Who sends it.
    pub record: Attested<PeerRecord>,
    /// Who coordinates, as far as its peer knows. Nobody signs this: for people only.
    pub coordinator: Option<Coordinator>,
}

impl Beacon {
    /// Its bytes: magic, version, kind, record, coordinator, CRC-32 of all that.
    pub fn to_bytes(&self) -> Bytes {
        let mut out = BEACON_MAGIC.to_vec();
        out.extend([BEACON_VERSION, self.kind as u8]);
        self.record.put(&mut out);
        put_option(&mut out, self.coordinator.as_ref(), put_coordinator);
        out.extend(crc32fast::hash(&out).to_be_bytes());
        out.into()
    }

    /// Reads a beacon that takes up all of `bytes`. The signature is not looked at.
    ///
    /// # Errors
    ///
    /// [`ReadError`]: another program's datagram, or a damaged one. It is to be dropped.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ReadError> {
        at_most("bytes", bytes.len(), BEACON_BYTES_MAX)?;
        let mut reader = Reader(bytes);
        if reader.array()? != BEACON_MAGIC {
            return Err(ReadError::Form("first bytes"));
        }
        let version = reader.u8()?;
        if version != BEACON_VERSION {
            return Err(unknown("version", version));
        }
        let (body, crc) = bytes.split_last_chunk::<4>().ok_or(ReadError::Short)?;
        if crc32fast::hash(body) != u32::from_be_bytes(*crc) {
            return Err(ReadError::Checksum);
        }
        let kind = match reader.u8()? {
            1 => BeaconKind::JoinRequest,
            2 => BeaconKind::Heartbeat,
            value => return Err(unknown("kind", value)),
        };
        let record = Attested::get(&mut reader)?;
        let coordinator = reader.option(read_coordinator)?;
        reader.slice(crc.len())?;
        reader.end()?;
        Ok(Self {
            kind,
            record,
            coordinator,
        })
    }
}
