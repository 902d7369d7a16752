//! A link's seal: the handshake's three messages, then everything in SEALED records. Once both sides
//! have keys, nothing that comes in clear is believed, but what the handshake repeats.

use bytes::{Bytes, BytesMut};

use super::fault::LinkFault;
use super::handshake::is_of_handshake;
use super::state::State;
use super::{CloseReason, Link, Output};
use crate::control::{HandshakeAck, Syn, SynAck};
use crate::frame::{Decoded, Frame, FrameDecoder, FrameType, Seq};
use crate::seal::handshake::{Answer, Call, Initiator, Responder};
use crate::seal::record::{Opener, Sealer};
use crate::seal::{LinkKeys, SealFault};
use crate::time::Instant;

/// What a sealed link has beside a link in clear.
#[derive(Debug)]
pub(super) struct Seal {
    phase: Phase,
    /// Frames as they come over the transport. The link's own decoder takes those inside.
    decoder: FrameDecoder,
    /// HANDSHAKE_ACK, to leave in clear before anything else.
    clear: Option<Bytes>,
}

#[derive(Debug)]
enum Phase {
    /// Before the first message.
    Begun(Box<LinkKeys>),
    Calling(Initiator),
    Answering(Responder),
    Open(Box<Open>),
    /// A handshake that failed.
    Over,
}

#[derive(Debug)]
struct Open {
    sealer: Sealer,
    opener: Opener,
    /// Initiator: HANDSHAKE_ACK, until a record shows that it came.
    third: Option<Bytes>,
}

impl Seal {
    pub(super) fn new(keys: LinkKeys) -> Self {
        Self {
            phase: Phase::Begun(Box::new(keys)),
            decoder: FrameDecoder::sealed(),
            clear: None,
        }
    }

    fn is_open(&self) -> bool {
        matches!(self.phase, Phase::Open(_))
    }

    /// HANDSHAKE_ACK, where it is to leave now.
    pub(super) fn take_clear(&mut self) -> Option<Bytes> {
        self.clear.take()
    }

    /// HANDSHAKE_ACK, until it is known to have come.
    pub(super) fn third(&self) -> Option<Bytes> {
        match &self.phase {
            Phase::Open(open) => open.third.clone(),
            _ => None,
        }
    }

    /// Seals a datagram; `None` when its number cannot be used.
    pub(super) fn seal_datagram(&mut self, number: u64, datagram: &mut BytesMut) -> Option<()> {
        let Phase::Open(open) = &mut self.phase else {
            return None;
        };
        open.sealer.seal_datagram(number, datagram).ok()
    }

    /// Opens a datagram in place; gives the bytes of its frames.
    pub(super) fn open_datagram(&mut self, number: u64, datagram: &mut BytesMut) -> Option<usize> {
        let Phase::Open(open) = &mut self.phase else {
            return None;
        };
        let inner = open.opener.open_datagram(number, datagram).ok()?;
        open.third = None;
        Some(inner)
    }

    /// Initiator: the first message.
    pub(super) fn call(&mut self, syn: &Syn) -> Result<Vec<u8>, SealFault> {
        let Phase::Begun(keys) = &self.phase else {
            return Err(SealFault::Malformed);
        };
        let (initiator, first) = Initiator::begin(keys, &syn.clear_bytes())?;
        self.phase = Phase::Calling(initiator);
        Ok(first)
    }

    /// Responder: reads the first message.
    pub(super) fn called(&mut self, syn: &Syn) -> Result<(), SealFault> {
        let Phase::Begun(keys) = &self.phase else {
            return Err(SealFault::Malformed);
        };
        let responder = Responder::begin(keys, &syn.clear_bytes(), &syn.hello)?;
        self.phase = Phase::Answering(responder);
        Ok(())
    }

    /// Responder: the second message, for a SYN_ACK that has the welcome in clear so far.
    pub(super) fn answer(&mut self, syn_ack: &SynAck) -> Result<Vec<u8>, SealFault> {
        let Phase::Answering(responder) = &mut self.phase else {
            return Err(SealFault::Malformed);
        };
        responder.answer(&syn_ack.clear_bytes(), &syn_ack.welcome)
    }

    /// Initiator: reads the second message.
    pub(super) fn answered(&mut self, syn_ack: &SynAck) -> Result<Answer, SealFault> {
        let Phase::Calling(initiator) = &mut self.phase else {
            return Err(SealFault::Malformed);
        };
        initiator.read(&syn_ack.clear_bytes(), &syn_ack.welcome)
    }

    /// Initiator: says the third message, and has the keys.
    pub(super) fn finish(&mut self, echo: u32, hello: &[u8]) -> Result<(), SealFault> {
        let Phase::Calling(initiator) = std::mem::replace(&mut self.phase, Phase::Over) else {
            return Err(SealFault::Malformed);
        };
        let (third, secrets) = initiator.finish(hello)?;
        let hello = third.into();
        let frame = Frame {
            kind: FrameType::HandshakeAck,
            seq: Seq::FIRST,
            last: true,
            payload: HandshakeAck { echo, hello }.to_bytes().into(),
        };
        let third = frame.to_bytes();
        self.clear = Some(third.clone());
        self.phase = Phase::Open(Box::new(Open {
            sealer: secrets.sealer,
            opener: secrets.opener,
            third: Some(third),
        }));
        Ok(())
    }

    /// Responder: reads the third message, and has the keys.
    pub(super) fn finished(&mut self, ack: &HandshakeAck) -> Result<Call, SealFault> {
        let Phase::Answering(responder) = &mut self.phase else {
            return Err(SealFault::Malformed);
        };
        let call = responder.read(&ack.hello);
        if call == Err(SealFault::NotOpened) {
            return call;
        }
        // Also who did not prove its identity has the keys, and is told so under them.
        if let Phase::Answering(responder) = std::mem::replace(&mut self.phase, Phase::Over) {
            let secrets = responder.finish();
            self.phase = Phase::Open(Box::new(Open {
                sealer: secrets.sealer,
                opener: secrets.opener,
                third: None,
            }));
        }
        call
    }
}

impl Link {
    /// Seals the link, before its first input: nothing is said in clear but the handshake.
    #[must_use]
    pub fn sealed(self, keys: LinkKeys) -> Self {
        Self {
            seal: Some(Box::new(Seal::new(keys))),
            ..self
        }
    }

    /// Whether the link is a sealed one.
    pub fn is_sealed(&self) -> bool {
        self.seal.is_some()
    }

    /// Gives up the link for its records, once a sealed one is open: for loads that frame by hand.
    pub fn into_records(self) -> Option<(Sealer, Opener)> {
        match self.seal?.phase {
            Phase::Open(open) => Some((open.sealer, open.opener)),
            _ => None,
        }
    }

    /// Sealed bytes came from below.
    pub(super) fn on_sealed_bytes(
        &mut self,
        now: Instant,
        bytes: Bytes,
        out: &mut Output,
    ) -> Result<(), LinkFault> {
        let Some(seal) = &mut self.seal else {
            return Ok(());
        };
        seal.decoder.push(bytes);
        let mut whole = false;
        while !matches!(self.state, State::Closed) {
            let Some(seal) = &mut self.seal else {
                return Ok(());
            };
            let decoded = match seal.decoder.next() {
                Ok(Some(decoded)) => decoded,
                Ok(None) => break,
                Err(lost) => return Err(self.lost_boundary(lost)),
            };
            whole = true;
            if self.seal.as_ref().is_some_and(|seal| seal.is_open()) {
                self.on_outer(now, decoded, out)?;
            } else {
                self.on_decoded(now, decoded, out)?;
            }
        }
        if let Some(seal) = &self.seal {
            let is_mid_frame = seal.decoder.is_mid_frame();
            self.note_frame_began(now, is_mid_frame, whole);
        }
        Ok(())
    }

    /// One frame of the transport, once there are keys.
    fn on_outer(
        &mut self,
        now: Instant,
        decoded: Decoded,
        out: &mut Output,
    ) -> Result<(), LinkFault> {
        match decoded {
            Decoded::Frame(frame) if frame.kind == FrameType::Sealed => {
                self.on_record(now, frame, out)
            }
            // Repeated by a peer that has not seen our part of the handshake.
            Decoded::Frame(frame) if is_of_handshake(frame.kind) => {
                self.repeat_third();
                Ok(())
            }
            Decoded::Frame(frame) => Err(LinkFault::InClear(frame.kind)),
            // Whoever is on the way can make any frame with a good checksum.
            Decoded::Damaged(_) | Decoded::Foreign(_) => Err(LinkFault::Broken),
        }
    }

    fn on_record(&mut self, now: Instant, frame: Frame, out: &mut Output) -> Result<(), LinkFault> {
        let Some(Phase::Open(open)) = self.seal.as_mut().map(|seal| &mut seal.phase) else {
            return Ok(());
        };
        if frame.seq != Seq::FIRST || !frame.last {
            return Err(LinkFault::Broken);
        }
        let inner = open
            .opener
            .open(frame.payload)
            .map_err(LinkFault::NotOpened)?;
        open.third = None;
        self.heard_at = now;
        if self.channel {
            out.opened.push(inner);
            return Ok(());
        }
        let _ = self.on_frames(now, inner, out)?;
        // Records hold whole frames: a seal that opens is the sender's word.
        match self.decoder.is_mid_frame() {
            true => Err(LinkFault::CutRecord),
            false => Ok(()),
        }
    }

    /// A sealed link that has its keys.
    pub(super) fn has_keys(&self) -> bool {
        self.seal.as_ref().is_some_and(|seal| seal.is_open())
    }

    pub(super) fn repeat_third(&mut self) {
        if let Some(seal) = &mut self.seal
            && let Phase::Open(open) = &seal.phase
            && let Some(third) = &open.third
        {
            seal.clear = Some(third.clone());
        }
    }

    /// What leaves from `from` on goes through the channel, if there is one, and is sealed, once there
    /// are keys.
    #[cold]
    pub(super) fn pass_down(&mut self, from: usize, out: &mut Output) {
        let mut from = from;
        if let Some(seal) = &mut self.seal {
            if let Some(clear) = seal.clear.take() {
                out.wire.insert(from, clear);
                from += 1;
            }
            if !seal.is_open() {
                return;
            }
        }
        let frames = out.wire.split_off(from);
        if frames.is_empty() {
            return;
        }
        if self.channel {
            out.frames.extend(frames);
        } else {
            self.seal_frames(frames, out);
        }
    }

    /// Seals frames that have come through a channel; of a link in clear they leave as they are.
    pub fn seal_frames(&mut self, frames: Vec<Bytes>, out: &mut Output) {
        let Some(Phase::Open(open)) = self.seal.as_mut().map(|seal| &mut seal.phase) else {
            out.wire.extend(frames);
            return;
        };
        if let Err(fault) = open.sealer.seal(frames, &mut out.wire) {
            // Without a number there is no goodbye either.
            let fault = LinkFault::NotOpened(fault);
            let (code, text) = (fault.code(), fault.to_string());
            self.close(CloseReason::ByUs { code, text }, out);
        }
    }
}
