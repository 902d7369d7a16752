//! Reads what peers wrote by hand, front to back. Keeps: nothing is read past the end, and nothing is
//! allocated before its length was compared with its limit and with the bytes that are there.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::message::Incarnation;
use super::name::PeerName;
use crate::identity::AuthorKey;
use crate::nick::{Nick, RoomName};

/// Bytes that are not what was expected. The sender's fault: their checksum was good.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ReadError {
    /// They end in the middle of something.
    #[error("it ends too early")]
    Short,
    /// They go on behind the end.
    #[error("{0} bytes stand after its end")]
    Trailing(usize),
    /// A kind, a flag or a value that this version does not know.
    #[error("its {0} is unknown")]
    Unknown(&'static str),
    /// More of something than is allowed.
    #[error("it has too many {0}")]
    TooMany(&'static str),
    /// A name that is none, or is written in another form than names are.
    #[error("a name in it is not allowed")]
    Name,
    /// The checksum is not that of the bytes.
    #[error("its checksum is wrong")]
    Checksum,
}

/// What is left to read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(crate) const fn rest(&self) -> &'a [u8] {
        self.0
    }

    pub(crate) fn take(&mut self, count: usize) -> Result<&'a [u8], ReadError> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(ReadError::Short)?;
        self.0 = rest;
        Ok(taken)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], ReadError> {
        let (taken, rest) = self.0.split_first_chunk::<N>().ok_or(ReadError::Short)?;
        self.0 = rest;
        Ok(*taken)
    }

    pub(crate) fn byte(&mut self) -> Result<u8, ReadError> {
        Ok(self.array::<1>()?[0])
    }

    pub(crate) fn u16(&mut self) -> Result<u16, ReadError> {
        Ok(u16::from_be_bytes(self.array()?))
    }

    pub(crate) fn u32(&mut self) -> Result<u32, ReadError> {
        Ok(u32::from_be_bytes(self.array()?))
    }

    pub(crate) fn u64(&mut self) -> Result<u64, ReadError> {
        Ok(u64::from_be_bytes(self.array()?))
    }

    pub(crate) fn key(&mut self) -> Result<AuthorKey, ReadError> {
        Ok(AuthorKey(self.array()?))
    }

    pub(crate) fn incarnation(&mut self) -> Result<Incarnation, ReadError> {
        Ok(Incarnation(self.u64()?))
    }

    /// A count in one byte, at most `max`.
    pub(crate) fn count(&mut self, max: usize, of: &'static str) -> Result<usize, ReadError> {
        let count = usize::from(self.byte()?);
        if count > max {
            return Err(ReadError::TooMany(of));
        }
        Ok(count)
    }

    /// 0 for none, 1 and what follows.
    pub(crate) fn option<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, ReadError>,
    ) -> Result<Option<T>, ReadError> {
        match self.byte()? {
            0 => Ok(None),
            1 => read(self).map(Some),
            _ => Err(ReadError::Unknown("flag")),
        }
    }

    /// 4 or 6, the address, the port.
    pub(crate) fn addr(&mut self) -> Result<SocketAddr, ReadError> {
        let ip = match self.byte()? {
            4 => IpAddr::V4(Ipv4Addr::from(self.array::<4>()?)),
            6 => IpAddr::V6(Ipv6Addr::from(self.array::<16>()?)),
            _ => return Err(ReadError::Unknown("kind of address")),
        };
        Ok(SocketAddr::new(ip, self.u16()?))
    }

    /// Name and namespace, each in the one form that names have.
    pub(crate) fn name(&mut self) -> Result<PeerName, ReadError> {
        let name = Nick::try_from(self.text()?).map_err(|_error| ReadError::Name)?;
        let namespace = RoomName::try_from(self.text()?).map_err(|_error| ReadError::Name)?;
        Ok(PeerName { name, namespace })
    }

    fn text(&mut self) -> Result<&'a str, ReadError> {
        let len = usize::from(self.byte()?);
        std::str::from_utf8(self.take(len)?).map_err(|_error| ReadError::Name)
    }

    /// Nothing may be left.
    pub(crate) const fn end(self) -> Result<(), ReadError> {
        match self.0.len() {
            0 => Ok(()),
            left => Err(ReadError::Trailing(left)),
        }
    }
}

/// The other direction of [`Reader::option`].
pub(crate) fn put_option<T>(
    out: &mut Vec<u8>,
    value: Option<&T>,
    put: impl FnOnce(&mut Vec<u8>, &T),
) {
    out.push(u8::from(value.is_some()));
    if let Some(value) = value {
        put(out, value);
    }
}

/// The other direction of [`Reader::addr`]. Scope and flow of IPv6 mean nothing elsewhere.
pub(crate) fn put_addr(out: &mut Vec<u8>, addr: &SocketAddr) {
    match addr.ip() {
        IpAddr::V4(ip) => {
            out.push(4);
            out.extend(ip.octets());
        }
        IpAddr::V6(ip) => {
            out.push(6);
            out.extend(ip.octets());
        }
    }
    out.extend(addr.port().to_be_bytes());
}

/// The other direction of [`Reader::name`].
pub(crate) fn put_name(out: &mut Vec<u8>, name: &PeerName) {
    for text in [name.name.as_str(), name.namespace.as_str()] {
        // A name has at most 64 bytes.
        out.push(u8::try_from(text.len()).unwrap_or(u8::MAX));
        out.extend(text.as_bytes());
    }
}
