//! Reading and writing of what peers say: big-endian, in one form only. A length is judged before what it
//! counts is looked at, and nothing is allocated for what is not there.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use bytes::{BufMut, Bytes};

use super::message::Incarnation;
use super::name::PeerName;
use crate::identity::AuthorKey;
use crate::nick::{Nick, NickError, RoomName};

/// Bytes that are not what they should be. The sender's fault.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ReadError {
    /// They end inside a field.
    #[error("it ends too early")]
    Short,
    /// Something stands behind the end.
    #[error("{0} bytes stand after its end")]
    Trailing(usize),
    /// Another version, or a kind that this one does not know.
    #[error("its {what} {value} is unknown")]
    Unknown {
        /// Which field.
        what: &'static str,
        /// What it says.
        value: u64,
    },
    /// More than the limit.
    #[error("it has {count} {what}: at most {max} are taken")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many it claims.
        count: usize,
        /// How many there may be.
        max: usize,
    },
    /// The same could be said in another form, which is the only one taken.
    #[error("its {0} are not in the one form that is taken")]
    Form(&'static str),
    /// A text that is not UTF-8.
    #[error("a text in it is not UTF-8")]
    Utf8,
    /// A name that is none.
    #[error("a name in it is none: {0}")]
    Name(#[from] NickError),
    /// Changed on the way, or another program's.
    #[error("its checksum is wrong")]
    Checksum,
    /// Its author did not sign it.
    #[error("its signature is not by its author")]
    Signature,
}

/// What of some bytes has not been read.
#[derive(Debug)]
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn slice(&mut self, length: usize) -> Result<&'a [u8], ReadError> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(ReadError::Short)?;
        self.0 = rest;
        Ok(taken)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], ReadError> {
        let (taken, rest) = self.0.split_first_chunk::<N>().ok_or(ReadError::Short)?;
        self.0 = rest;
        Ok(*taken)
    }

    pub(super) fn u8(&mut self) -> Result<u8, ReadError> {
        self.array().map(u8::from_be_bytes)
    }

    pub(super) fn u16(&mut self) -> Result<u16, ReadError> {
        self.array().map(u16::from_be_bytes)
    }

    pub(super) fn u32(&mut self) -> Result<u32, ReadError> {
        self.array().map(u32::from_be_bytes)
    }

    pub(super) fn u64(&mut self) -> Result<u64, ReadError> {
        self.array().map(u64::from_be_bytes)
    }

    /// A byte that says yes or no.
    pub(super) fn flag(&mut self, what: &'static str) -> Result<bool, ReadError> {
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            value => Err(unknown(what, value)),
        }
    }

    /// Nothing, or what `read` reads, behind a byte that says which.
    pub(super) fn option<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, ReadError>,
    ) -> Result<Option<T>, ReadError> {
        match self.flag("flag")? {
            false => Ok(None),
            true => read(self).map(Some),
        }
    }

    /// At most `max` of what `read` reads, behind their number in a byte.
    pub(super) fn list<T>(
        &mut self,
        what: &'static str,
        max: usize,
        mut read: impl FnMut(&mut Self) -> Result<T, ReadError>,
    ) -> Result<Vec<T>, ReadError> {
        let count = at_most(what, usize::from(self.u8()?), max)?;
        (0..count).map(|_| read(self)).collect()
    }

    pub(super) fn key(&mut self) -> Result<AuthorKey, ReadError> {
        self.array().map(AuthorKey)
    }

    pub(super) fn incarnation(&mut self) -> Result<Incarnation, ReadError> {
        self.u64().map(Incarnation)
    }

    /// A text of `length` bytes.
    pub(super) fn text(&mut self, length: usize) -> Result<&'a str, ReadError> {
        let Ok(text) = std::str::from_utf8(self.slice(length)?) else {
            return Err(ReadError::Utf8);
        };
        Ok(text)
    }

    pub(super) fn room(&mut self) -> Result<RoomName, ReadError> {
        let length = usize::from(self.u8()?);
        let text = self.text(length)?;
        let room = RoomName::try_from(text)?;
        same(room.as_str(), text)?;
        Ok(room)
    }

    /// A name and a namespace, each behind its length.
    pub(super) fn name(&mut self) -> Result<PeerName, ReadError> {
        let length = usize::from(self.u8()?);
        let text = self.text(length)?;
        let name = Nick::try_from(text)?;
        same(name.as_str(), text)?;
        let namespace = self.room()?;
        Ok(PeerName { name, namespace })
    }

    /// An address, or none.
    pub(super) fn addr(&mut self) -> Result<Option<SocketAddr>, ReadError> {
        let ip: IpAddr = match self.u8()? {
            0 => return Ok(None),
            4 => Ipv4Addr::from(self.array::<4>()?).into(),
            6 => Ipv6Addr::from(self.array::<16>()?).into(),
            value => return Err(unknown("kind of address", value)),
        };
        Ok(Some(SocketAddr::new(ip, self.u16()?)))
    }

    pub(super) const fn end(&self) -> Result<(), ReadError> {
        match self.0.len() {
            0 => Ok(()),
            left => Err(ReadError::Trailing(left)),
        }
    }
}

/// A count that is at most `max`.
pub(super) const fn at_most(
    what: &'static str,
    count: usize,
    max: usize,
) -> Result<usize, ReadError> {
    match count <= max {
        true => Ok(count),
        false => Err(ReadError::TooMany { what, count, max }),
    }
}

pub(super) fn unknown(what: &'static str, value: u8) -> ReadError {
    let value = u64::from(value);
    ReadError::Unknown { what, value }
}

/// A name stands in its normal form.
fn same(read: &str, text: &str) -> Result<(), ReadError> {
    match read == text {
        true => Ok(()),
        false => Err(ReadError::Form("names")),
    }
}

/// A text of at most 255 bytes, as names are, behind its length.
fn put_short(out: &mut Vec<u8>, text: &str) {
    debug_assert!(text.len() <= usize::from(u8::MAX));
    out.put_u8(text.len() as u8);
    out.put_slice(text.as_bytes());
}

pub(super) fn put_room(out: &mut Vec<u8>, room: &RoomName) {
    put_short(out, room.as_str());
}

pub(super) fn put_name(out: &mut Vec<u8>, name: &PeerName) {
    put_short(out, name.name.as_str());
    put_room(out, &name.namespace);
}

/// Of an IPv6 address flow and scope are left out: they mean something on one machine only.
pub(super) fn put_addr(out: &mut Vec<u8>, addr: Option<SocketAddr>) {
    let Some(addr) = addr else {
        return out.put_u8(0);
    };
    match addr.ip() {
        IpAddr::V4(ip) => {
            out.put_u8(4);
            out.put_slice(&ip.octets());
        }
        IpAddr::V6(ip) => {
            out.put_u8(6);
            out.put_slice(&ip.octets());
        }
    }
    out.put_u16(addr.port());
}

/// The other direction of [`Reader::option`].
pub(super) fn put_option<T>(
    out: &mut Vec<u8>,
    value: Option<&T>,
    put: impl FnOnce(&mut Vec<u8>, &T),
) {
    out.put_u8(u8::from(value.is_some()));
    if let Some(value) = value {
        put(out, value);
    }
}

/// Bytes behind their length in four.
pub(super) fn put_long(out: &mut Vec<u8>, bytes: &[u8]) {
    debug_assert!(u32::try_from(bytes.len()).is_ok());
    out.put_u32(bytes.len() as u32);
    out.put_slice(bytes);
}

/// A list of long items, behind their number.
pub(super) fn put_list(out: &mut Vec<u8>, items: &[Bytes]) {
    debug_assert!(u16::try_from(items.len()).is_ok());
    out.put_u16(items.len() as u16);
    items.iter().for_each(|item| put_long(out, item));
}
