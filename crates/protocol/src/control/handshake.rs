//! Payloads of SYN, SYN_ACK and HANDSHAKE_ACK. Magic and version stand first in the first two, so
//! that a foreign one can be refused in words whatever follows.

use bytes::{BufMut, Bytes};

use super::ControlError;
use super::terms::{Repair, Terms, VERSION};

/// The first bytes of SYN and SYN_ACK.
pub const MAGIC: [u8; 4] = *b"LMPR";
/// Bytes of a hello or a welcome, at most.
pub const WORDS_BYTES_MAX: usize = 1_024;
/// Bytes of SYN before its hello: magic, version, terms, token, the hello's length.
pub const SYN_BYTES_MIN: usize = 4 + 2 + TERMS_BYTES + 4 + 2;

/// Flags, fragment, window frames, window bytes, message bytes.
const TERMS_BYTES: usize = 2 + 2 + 2 + 4 + 4;
const FLAG_GO_BACK_N: u16 = 1;

/// SYN: what the initiator offers.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Syn {
    /// Its limits.
    pub terms: Terms,
    /// Tells this connection from others between the same ends.
    pub token: u32,
    /// First words of the layer above.
    pub hello: Bytes,
}

/// SYN_ACK: what holds.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SynAck {
    /// The lower of both limits.
    pub terms: Terms,
    /// The initiator's token.
    pub echo: u32,
    /// The responder's token.
    pub token: u32,
    /// First words of the layer above.
    pub welcome: Bytes,
}

/// HANDSHAKE_ACK: the SYN_ACK came.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct HandshakeAck {
    /// The responder's token.
    pub echo: u32,
}

impl Syn {
    /// Magic, version, flags, terms, token, length of hello, hello.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(SYN_BYTES_MIN + self.hello.len());
        put_terms(&mut out, &self.terms);
        out.put_u32(self.token);
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
        let terms = fields.terms()?;
        let token = fields.u32()?;
        let hello = fields.words()?;
        Ok(Self {
            terms,
            token,
            hello,
        })
    }
}

impl SynAck {
    /// Magic, version, flags, terms, echo, token, length of welcome, welcome.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(SYN_BYTES_MIN + 4 + self.welcome.len());
        put_terms(&mut out, &self.terms);
        out.put_u32(self.echo);
        out.put_u32(self.token);
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
        let terms = fields.terms()?;
        let echo = fields.u32()?;
        let token = fields.u32()?;
        let welcome = fields.words()?;
        Ok(Self {
            terms,
            echo,
            token,
            welcome,
        })
    }
}

impl HandshakeAck {
    /// The four bytes.
    pub fn to_bytes(self) -> [u8; 4] {
        self.echo.to_be_bytes()
    }

    /// Reads exactly four bytes.
    ///
    /// # Errors
    ///
    /// [`ControlError::Length`].
    pub fn from_bytes(payload: &[u8]) -> Result<Self, ControlError> {
        let mut fields = Fields(payload);
        let echo = fields.u32()?;
        fields.end()?;
        Ok(Self { echo })
    }
}

fn put_terms(out: &mut Vec<u8>, terms: &Terms) {
    let flags = match terms.repair {
        Repair::SelectiveRepeat => 0,
        Repair::GoBackN => FLAG_GO_BACK_N,
    };
    out.put_slice(&MAGIC);
    out.put_u16(terms.version);
    out.put_u16(flags);
    out.put_u16(terms.fragment_bytes);
    out.put_u16(terms.window_frames);
    out.put_u32(terms.window_bytes);
    out.put_u32(terms.message_bytes_max);
}

fn put_words(out: &mut Vec<u8>, words: &[u8]) {
    debug_assert!(words.len() <= WORDS_BYTES_MAX);
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

    fn end(&self) -> Result<(), ControlError> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(ControlError::Length)
        }
    }

    fn terms(&mut self) -> Result<Terms, ControlError> {
        if self.take() != Ok(MAGIC) {
            return Err(ControlError::Magic);
        }
        let version = self.u16()?;
        if version != VERSION {
            return Err(ControlError::Version(version));
        }
        let repair = match self.u16()? {
            0 => Repair::SelectiveRepeat,
            FLAG_GO_BACK_N => Repair::GoBackN,
            flags => return Err(ControlError::Flags(flags)),
        };
        Ok(Terms {
            version,
            fragment_bytes: self.u16()?,
            window_frames: self.u16()?,
            window_bytes: self.u32()?,
            repair,
            message_bytes_max: self.u32()?,
        })
    }

    /// The words that end a payload. They are copied: they outlive the chunk they came in.
    fn words(&mut self) -> Result<Bytes, ControlError> {
        let length = usize::from(self.u16()?);
        if length > WORDS_BYTES_MAX || self.0.len() != length {
            return Err(ControlError::Length);
        }
        Ok(Bytes::copy_from_slice(self.0))
    }
}
