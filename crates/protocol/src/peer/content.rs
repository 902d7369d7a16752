//! Bytes of a message's content. There is one form for each content, so that what was signed can be
//! told from what was read, and no second digest means the same.

use bytes::{BufMut, Bytes};

use super::bytes::{ReadError, Reader, at_most, put_addr, put_long, put_name, put_room, unknown};
use super::message::{
    Body, Chain, Content, Digest, ENVELOPES_MAX, Envelope, Foreign, HEADS_MAX, Incarnation,
    MSG_ID_BYTES_MAX, MessageName, PEER_ID_BYTES_MAX, SEALED_BYTES_MAX,
};
use crate::identity::AuthorKey;
use crate::message::TEXT_BYTES_MAX;
use crate::time::UnixMicros;

const VERSION: u8 = 1;
const ALL: u8 = 0;
const ROOM: u8 = 1;
const PRIVATE: u8 = 2;
/// What most messages take, besides their text.
const ROOM_FIRST_BYTES: usize = 512;

impl Content {
    /// Its bytes.
    ///
    /// # Errors
    ///
    /// What [`Content::decode`] would not take: a limit passed, `prev` where `n` is 1, heads that do not ascend.
    pub fn encode(&self) -> Result<Vec<u8>, ReadError> {
        self.check()?;
        let mut out = Vec::with_capacity(ROOM_FIRST_BYTES + self.heads.len() * 32);
        out.put_u8(VERSION);
        out.put_slice(&self.name.chain.author.0);
        out.put_u64(self.name.chain.incarnation.0);
        out.put_u64(self.name.n);
        if let Some(prev) = &self.prev {
            out.put_slice(&prev.0);
        }
        out.put_u16(self.heads.len() as u16);
        self.heads.iter().for_each(|head| out.put_slice(&head.0));
        out.put_u64(self.sent_at.0);
        put_name(&mut out, &self.from);
        put_addr(&mut out, self.addr);
        put_body(&mut out, &self.body);
        match &self.foreign {
            None => out.put_u8(0),
            Some(foreign) => put_foreign(&mut out, foreign),
        }
        Ok(out)
    }

    /// Reads content that takes up all of `bytes`.
    ///
    /// # Errors
    ///
    /// [`ReadError`]. What is accepted encodes to the same bytes again.
    pub fn decode(bytes: &[u8]) -> Result<Self, ReadError> {
        let mut from = Reader(bytes);
        match from.u8()? {
            VERSION => {}
            version => return Err(unknown("version", version)),
        }
        let chain = Chain {
            author: AuthorKey(from.array()?),
            incarnation: Incarnation(from.u64()?),
        };
        let n = from.u64()?;
        let content = Self {
            name: MessageName { chain, n },
            prev: match n > 1 {
                true => Some(Digest(from.array()?)),
                false => None,
            },
            heads: heads(&mut from)?,
            sent_at: UnixMicros(from.u64()?),
            from: from.name()?,
            addr: from.addr()?,
            body: body(&mut from)?,
            foreign: match from.flag("mark of a foreign message")? {
                true => Some(foreign(&mut from)?),
                false => None,
            },
        };
        from.end()?;
        content.check()?;
        Ok(content)
    }

    /// What holds of every content that has bytes.
    fn check(&self) -> Result<(), ReadError> {
        at_most("heads", self.heads.len(), HEADS_MAX)?;
        if self.name.n == 0 || self.prev.is_some() != (self.name.n > 1) {
            return Err(ReadError::Form("numbers"));
        }
        let ascend = self.heads.is_sorted_by(|a, b| a < b);
        let own = self.prev.is_some_and(|prev| self.heads.contains(&prev));
        if !ascend || own {
            return Err(ReadError::Form("heads"));
        }
        match &self.body {
            Body::All(text) | Body::Room(_, text) => {
                at_most("bytes of text", text.len(), TEXT_BYTES_MAX)?;
            }
            Body::Private { envelopes, sealed } => {
                at_most("recipients", envelopes.len(), ENVELOPES_MAX)?;
                at_most("sealed bytes", sealed.len(), SEALED_BYTES_MAX)?;
                if envelopes.is_empty() || !envelopes.is_sorted_by(|a, b| a.to < b.to) {
                    return Err(ReadError::Form("recipients"));
                }
            }
        }
        if let Some(foreign) = &self.foreign {
            at_most("bytes of peer_id", foreign.peer_id.len(), PEER_ID_BYTES_MAX)?;
            at_most("bytes of msg_id", foreign.msg_id.len(), MSG_ID_BYTES_MAX)?;
        }
        Ok(())
    }
}

fn put_body(out: &mut Vec<u8>, body: &Body) {
    match body {
        Body::All(text) => {
            out.put_u8(ALL);
            put_long(out, text.as_bytes());
        }
        Body::Room(room, text) => {
            out.put_u8(ROOM);
            put_room(out, room);
            put_long(out, text.as_bytes());
        }
        Body::Private { envelopes, sealed } => {
            out.put_u8(PRIVATE);
            out.put_u8(envelopes.len() as u8);
            for envelope in envelopes {
                out.put_slice(&envelope.to.0);
                out.put_slice(&envelope.key);
            }
            put_long(out, sealed);
        }
    }
}

fn put_foreign(out: &mut Vec<u8>, foreign: &Foreign) {
    out.put_u8(1);
    out.put_u16(foreign.peer_id.len() as u16);
    out.put_slice(foreign.peer_id.as_bytes());
    out.put_u16(foreign.msg_id.len() as u16);
    out.put_slice(foreign.msg_id.as_bytes());
    put_addr(out, foreign.addr);
}

fn heads(from: &mut Reader<'_>) -> Result<Vec<Digest>, ReadError> {
    let count = at_most("heads", usize::from(from.u16()?), HEADS_MAX)?;
    let (digests, _) = from.slice(count * 32)?.as_chunks::<32>();
    Ok(digests.iter().copied().map(Digest).collect())
}

fn body(from: &mut Reader<'_>) -> Result<Body, ReadError> {
    Ok(match from.u8()? {
        ALL => Body::All(text(from)?),
        ROOM => Body::Room(from.room()?, text(from)?),
        PRIVATE => {
            let count = at_most("recipients", usize::from(from.u8()?), ENVELOPES_MAX)?;
            let envelope = |from: &mut Reader<'_>| {
                let (to, key) = (AuthorKey(from.array()?), from.array()?);
                Ok(Envelope { to, key })
            };
            let envelopes: Result<_, ReadError> = (0..count).map(|_| envelope(from)).collect();
            let length = at_most("sealed bytes", from.u32()? as usize, SEALED_BYTES_MAX)?;
            Body::Private {
                envelopes: envelopes?,
                sealed: Bytes::copy_from_slice(from.slice(length)?),
            }
        }
        kind => return Err(unknown("kind of body", kind)),
    })
}

fn text(from: &mut Reader<'_>) -> Result<String, ReadError> {
    let length = at_most("bytes of text", from.u32()? as usize, TEXT_BYTES_MAX)?;
    Ok(from.text(length)?.to_owned())
}

fn foreign(from: &mut Reader<'_>) -> Result<Foreign, ReadError> {
    let length = usize::from(from.u16()?);
    let length = at_most("bytes of peer_id", length, PEER_ID_BYTES_MAX)?;
    let peer_id = from.text(length)?.to_owned();
    let length = usize::from(from.u16()?);
    let length = at_most("bytes of msg_id", length, MSG_ID_BYTES_MAX)?;
    Ok(Foreign {
        peer_id,
        msg_id: from.text(length)?.to_owned(),
        addr: from.addr()?,
    })
}
