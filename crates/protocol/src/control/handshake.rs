//! Payloads of SYN, SYN_ACK and HANDSHAKE_ACK. Magic and version stand first in the first two, so
//! that a foreign one can be refused in words whatever follows.

use std::ops::RangeInclusive;

use bytes::{BufMut, Bytes};

use super::ControlError;
use super::terms::{Repair, Terms, VERSION};
use crate::seal::handshake::{FIRST_BYTES, SECOND_EXTRA_BYTES, THIRD_EXTRA_BYTES};

/// The first bytes of SYN and SYN_ACK.
pub const MAGIC: [u8; 4] = *b"LMPR";
/// Bytes of a hello or a welcome, at most.
pub const WORDS_BYTES_MAX: usize = 1_024;
/// Bytes of SYN before its hello: magic, version, terms, token, the hello's length.
pub const SYN_BYTES_MIN: usize = 4 + 2 + TERMS_BYTES + 4 + 2;

/// Flags, fragment, window frames, window bytes, message bytes.
const TERMS_BYTES: usize = 2 + 2 + 2 + 4 + 4;
/// Bytes of SYN before the length of its words.
pub const SYN_CLEAR_BYTES: usize = 4 + 2 + TERMS_BYTES + 4;
/// Bytes of SYN_ACK before the length of its words.
pub const SYN_ACK_CLEAR_BYTES: usize = SYN_CLEAR_BYTES + 4;
const FLAG_GO_BACK_N: u16 = 1;
const FLAG_SEALED: u16 = 2;
const FLAG_BULK: u16 = 4;
/// Bytes of the words of a sealed SYN_ACK, at most.
const SEALED_WELCOME_BYTES_MAX: usize = WORDS_BYTES_MAX + SECOND_EXTRA_BYTES;
/// Bytes of the words of a sealed HANDSHAKE_ACK, at most.
const SEALED_HELLO_BYTES_MAX: usize = WORDS_BYTES_MAX + THIRD_EXTRA_BYTES;

/// SYN: what the initiator offers.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Syn {
    /// Its limits.
    pub terms: Terms,
    /// Whether the link is to be sealed.
    pub sealed: bool,
    /// Tells this connection from others between the same ends.
    pub token: u32,
    /// First words of the layer above; of a sealed link Noise's first message.
    pub hello: Bytes,
}

/// SYN_ACK: what holds.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SynAck {
    /// The lower of both limits.
    pub terms: Terms,
    /// Whether the link is to be sealed.
    pub sealed: bool,
    /// The initiator's token.
    pub echo: u32,
    /// The responder's token.
    pub token: u32,
    /// First words of the layer above; of a sealed link Noise's second message.
    pub welcome: Bytes,
}

/// HANDSHAKE_ACK: the SYN_ACK came.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct HandshakeAck {
    /// The responder's token.
    pub echo: u32,
    /// Nothing; of a sealed link Noise's third message.
    pub hello: Bytes,
}

impl Syn {
    /// What stands before the words' length: magic, version, flags, terms, token.
    pub fn clear_bytes(&self) -> [u8; SYN_CLEAR_BYTES] {
        let mut out = [0; SYN_CLEAR_BYTES];
        let mut rest = &mut out[..];
        put_terms(&mut rest, &self.terms, self.sealed);
        rest.put_u32(self.token);
        out
    }

    /// Magic, version, flags, terms, token, length of hello, hello.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(SYN_BYTES_MIN + self.hello.len());
        out.put_slice(&self.clear_bytes());
        put_words(&mut out, &self.hello);
        out
    }

    /// Reads a whole payload. The terms are read, not judged.
    ///
    /// # Errors
    ///
    /// [`ControlError`]; a foreign magic or version is told before anything else.
    pub fn from_bytes(payload: &[u8]) -> Result<Self, ControlError> {
        let mut fields = Fields(payload);
        let (terms, sealed) = fields.terms()?;
        let token = fields.u32()?;
        let hello = match sealed {
            true => fields.words(FIRST_BYTES..=FIRST_BYTES)?,
            false => fields.words(0..=WORDS_BYTES_MAX)?,
        };
        Ok(Self {
            terms,
            sealed,
            token,
            hello,
        })
    }
}

impl SynAck {
    /// What stands before the words' length: magic, version, flags, terms, echo, token.
    pub fn clear_bytes(&self) -> [u8; SYN_ACK_CLEAR_BYTES] {
        let mut out = [0; SYN_ACK_CLEAR_BYTES];
        let mut rest = &mut out[..];
        put_terms(&mut rest, &self.terms, self.sealed);
        rest.put_u32(self.echo);
        rest.put_u32(self.token);
        out
    }

    /// Magic, version, flags, terms, echo, token, length of welcome, welcome.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(SYN_BYTES_MIN + 4 + self.welcome.len());
        out.put_slice(&self.clear_bytes());
        put_words(&mut out, &self.welcome);
        out
    }

    /// Reads a whole payload. The terms are read, not judged.
    ///
    /// # Errors
    ///
    /// [`ControlError`]; a foreign magic or version is told before anything else.
    pub fn from_bytes(payload: &[u8]) -> Result<Self, ControlError> {
        let mut fields = Fields(payload);
        let (terms, sealed) = fields.terms()?;
        let echo = fields.u32()?;
        let token = fields.u32()?;
        let welcome = match sealed {
            true => fields.words(SECOND_EXTRA_BYTES..=SEALED_WELCOME_BYTES_MAX)?,
            false => fields.words(0..=WORDS_BYTES_MAX)?,
        };
        Ok(Self {
            terms,
            sealed,
            echo,
            token,
            welcome,
        })
    }
}

impl HandshakeAck {
    /// The four bytes, and of a sealed link the third message.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = self.echo.to_be_bytes().to_vec();
        out.put_slice(&self.hello);
        out
    }

    /// Reads a whole payload: four bytes, or of a sealed link as many as a third message has.
    ///
    /// # Errors
    ///
    /// [`ControlError::Length`].
    pub fn from_bytes(payload: &[u8]) -> Result<Self, ControlError> {
        let mut fields = Fields(payload);
        let echo = fields.u32()?;
        match fields.0.len() {
            0 | THIRD_EXTRA_BYTES..=SEALED_HELLO_BYTES_MAX => Ok(Self {
                echo,
                hello: Bytes::copy_from_slice(fields.0),
            }),
            _ => Err(ControlError::Length),
        }
    }
}

fn put_terms(out: &mut &mut [u8], terms: &Terms, sealed: bool) {
    let flag = |holds: bool, flag: u16| if holds { flag } else { 0 };
    let flags = flag(terms.repair == Repair::GoBackN, FLAG_GO_BACK_N)
        | flag(sealed, FLAG_SEALED)
        | flag(terms.bulk, FLAG_BULK);
    out.put_slice(&MAGIC);
    out.put_u16(terms.version);
    out.put_u16(flags);
    out.put_u16(terms.fragment_bytes);
    out.put_u16(terms.window_frames);
    out.put_u32(terms.window_bytes);
    out.put_u32(terms.message_bytes_max);
}

fn put_words(out: &mut Vec<u8>, words: &[u8]) {
    debug_assert!(words.len() <= SEALED_WELCOME_BYTES_MAX);
    out.put_u16(words.len() as u16);
    out.put_slice(words);
}

/// What of a payload has not been read.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], ControlError> {
        let (field, rest) = self
            .0
            .split_first_chunk::<N>()
            .ok_or(ControlError::Length)?;
        self.0 = rest;
        Ok(*field)
    }

    fn u16(&mut self) -> Result<u16, ControlError> {
        self.take().map(u16::from_be_bytes)
    }

    fn u32(&mut self) -> Result<u32, ControlError> {
        self.take().map(u32::from_be_bytes)
    }

    /// The terms, and whether the link is to be sealed.
    fn terms(&mut self) -> Result<(Terms, bool), ControlError> {
        if self.take() != Ok(MAGIC) {
            return Err(ControlError::Magic);
        }
        let version = self.u16()?;
        if version != VERSION {
            return Err(ControlError::Version(version));
        }
        let flags = self.u16()?;
        if flags & !(FLAG_GO_BACK_N | FLAG_SEALED | FLAG_BULK) != 0 {
            return Err(ControlError::Flags(flags));
        }
        let repair = match flags & FLAG_GO_BACK_N {
            0 => Repair::SelectiveRepeat,
            _ => Repair::GoBackN,
        };
        let terms = Terms {
            version,
            fragment_bytes: self.u16()?,
            window_frames: self.u16()?,
            window_bytes: self.u32()?,
            repair,
            message_bytes_max: self.u32()?,
            bulk: flags & FLAG_BULK != 0,
        };
        Ok((terms, flags & FLAG_SEALED != 0))
    }

    /// The words that end a payload. They are copied: they outlive the chunk they came in.
    fn words(&mut self, sizes: RangeInclusive<usize>) -> Result<Bytes, ControlError> {
        let length = usize::from(self.u16()?);
        if !sizes.contains(&length) || self.0.len() != length {
            return Err(ControlError::Length);
        }
        Ok(Bytes::copy_from_slice(self.0))
    }
}
