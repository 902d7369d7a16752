//! Our protocol on a sealed link: records around the same light end.

use bytes::{Bytes, BytesMut};
use lamparina_protocol::Nick;
use lamparina_protocol::frame::{FrameType, HEADER_BYTES, Header};
use lamparina_protocol::seal::SealFault;
use lamparina_protocol::seal::record::{Opener, SEALED_BYTES_MAX, Sealer};

use super::{Fault, Ours, Tally, To, Wire};
use crate::mark::Mark;

/// One sealed connection to a Lamparina server.
#[derive(Debug)]
pub(crate) struct SealedOurs {
    inner: Ours,
    sealer: Sealer,
    opener: Opener,
    /// Bytes at the end of what leaves that are not sealed yet.
    plain: usize,
}

impl SealedOurs {
    pub(crate) fn new(inner: Ours, (sealer, opener): (Sealer, Opener)) -> Self {
        Self {
            inner,
            sealer,
            opener,
            plain: 0,
        }
    }

    /// Whether the nick asked for is held.
    pub(crate) fn entered(&self) -> bool {
        self.inner.entered()
    }

    /// Appends the claim of `nick`.
    pub(crate) fn put_nick(&mut self, out: &mut BytesMut, nick: Nick) -> Result<(), Fault> {
        self.append(out, |inner, out| inner.put_nick(out, nick))
    }

    fn append<T>(
        &mut self,
        out: &mut BytesMut,
        append: impl FnOnce(&mut Ours, &mut BytesMut) -> T,
    ) -> T {
        let before = out.len();
        let appended = append(&mut self.inner, out);
        self.plain += out.len() - before;
        appended
    }
}

fn broken(fault: SealFault) -> Fault {
    Fault::Broken(format!("a record: {fault}"))
}

impl Wire for SealedOurs {
    fn walk(&mut self, bytes: &[u8], tally: &mut Tally) -> Result<usize, Fault> {
        let mut rest = bytes;
        while let Some((header, after)) = rest.split_first_chunk::<HEADER_BYTES>() {
            let header = Header::from_bytes(header);
            let length = header.length as usize;
            if header.kind != FrameType::Sealed.number() || length > SEALED_BYTES_MAX {
                return Err(Fault::Broken("what came is no record".to_owned()));
            }
            let Some((record, after)) = after.split_at_checked(length) else {
                break;
            };
            let opened = self.opener.open(Bytes::copy_from_slice(record));
            let inner = opened.map_err(broken)?;
            if self.inner.walk(&inner, tally)? != inner.len() {
                return Err(Fault::Broken("a record ends inside a frame".to_owned()));
            }
            rest = after;
        }
        Ok(bytes.len() - rest.len())
    }

    fn answer(&mut self, out: &mut BytesMut, at_once: bool) -> bool {
        self.append(out, |inner, out| inner.answer(out, at_once))
    }

    fn finish(&mut self, out: &mut BytesMut) -> Result<(), Fault> {
        if self.plain > 0 {
            let plain = out.split_off(out.len() - std::mem::take(&mut self.plain));
            let mut wire = Vec::new();
            let sealed = self.sealer.seal(vec![plain.freeze()], &mut wire);
            sealed.map_err(broken)?;
            wire.iter().for_each(|piece| out.extend_from_slice(piece));
        }
        Ok(())
    }

    fn room(&self) -> u64 {
        self.inner.room()
    }

    fn put(&mut self, out: &mut BytesMut, to: &To, mark: Mark, size: usize) {
        self.append(out, |inner, out| inner.put(out, to, mark, size));
    }

    fn received(&self) -> u64 {
        self.inner.received()
    }

    fn unsettled(&self) -> u64 {
        self.inner.unsettled()
    }

    fn settled(&self) -> u64 {
        self.inner.settled()
    }

    fn duplicates(&self) -> u64 {
        self.inner.duplicates()
    }
}
