//! Until a link is open: SYN, SYN_ACK, HANDSHAKE_ACK. Each step may be lost, damaged or repeated
//! and is then said again; only a whole frame with a good checksum can be refused.

use std::time::Duration;

use bytes::Bytes;

use super::fault::LinkFault;
use super::outbox::Outbox;
use super::state::{Answered, Asked, Open, Proving, Repeat, State};
use super::{Event, Link, Output, UseError};
use crate::control::{
    ControlError, Disconnect, HandshakeAck, SYN_BYTES_MIN, Syn, SynAck, Terms, WORDS_BYTES_MAX,
};
use crate::frame::{Frame, FrameType, Header, LostBoundary, Seq};
use crate::seal::PublicKey;
use crate::time::Instant;

/// First repetition of SYN and SYN_ACK (RFC 6298, 2.1: nothing was measured yet).
const REPEAT_AFTER: Duration = Duration::from_secs(1);
/// Later ones: twice as long, no longer, so that several fit into a handshake's time.
const REPEAT_AFTER_MAX: Duration = Duration::from_secs(2);
/// Time to the first repetition, and the longest.
type RepeatPace = (Duration, Duration);
/// SYN_ACK is not repeated more often than this, whatever comes: a short round trip.
const REPEAT_AFTER_MIN: Duration = Duration::from_millis(50);

/// What no state accepts: types of other transports, and control frames that do not stand alone.
pub(super) fn judge_form(frame: &Frame, sealed: bool) -> Result<(), LinkFault> {
    match frame.kind {
        FrameType::Sealed if !sealed => Err(LinkFault::NotSpoken(frame.kind)),
        FrameType::Retry => Err(LinkFault::NotSpoken(frame.kind)),
        kind if kind.is_sequenced() => Ok(()),
        // Their seq is a lane's number, which an open link knows.
        FrameType::Ack | FrameType::Nack if frame.last => Ok(()),
        _ if frame.seq == Seq::FIRST && frame.last => Ok(()),
        kind => Err(LinkFault::BadControl(kind, ControlError::NotAlone)),
    }
}

/// A damaged frame where SYN was awaited: a SYN that the channel changed, or another protocol's
/// bytes. A channel on a stream leaves the length alone: where that is
/// a SYN's, it is one.
pub(super) fn judge_first_bytes(header: &Header) -> Result<(), LinkFault> {
    let syn_bytes = SYN_BYTES_MIN..=SYN_BYTES_MIN + WORDS_BYTES_MAX;
    if syn_bytes.contains(&(header.length as usize)) {
        return Ok(());
    }
    let alike = [
        header.kind == FrameType::Syn.number(),
        header.seq == Seq::FIRST,
        header.last == 1,
    ];
    match alike.into_iter().filter(|&alike| alike).count() {
        0..=1 => Err(LinkFault::WrongProtocol),
        _ => Ok(()),
    }
}

/// A step of the handshake on an open link: said again because an answer was lost.
pub(super) fn repeated(
    answer: Option<u32>,
    kind: FrameType,
    outbox: &mut Outbox,
) -> Result<(), LinkFault> {
    match (answer, kind) {
        (Some(echo), FrameType::SynAck) => {
            let hello = Bytes::new();
            let payload = HandshakeAck { echo, hello }.to_bytes();
            outbox.put_control(FrameType::HandshakeAck, &payload);
            Ok(())
        }
        (None, FrameType::Syn | FrameType::HandshakeAck) => Ok(()),
        (_, kind) => Err(LinkFault::Unexpected(kind)),
    }
}

impl Link {
    /// An impossible length. Before the peer has said a word of ours it is another protocol's.
    pub(super) fn lost_boundary(&self, lost: LostBoundary) -> LinkFault {
        match self.state {
            State::Calling(_) | State::Listening(_) => LinkFault::WrongProtocol,
            _ => LinkFault::LostBoundary(lost),
        }
    }

    fn repeat_pace(&self) -> RepeatPace {
        self.repeat_within()
            .unwrap_or((REPEAT_AFTER, REPEAT_AFTER_MAX))
    }

    /// Says SYN or SYN_ACK (again) when it is time.
    pub(super) fn repeat_handshake(&mut self, now: Instant) -> Result<(), LinkFault> {
        if self.state.repeat_at().is_none_or(|at| now < at) {
            return Ok(());
        }
        let pace = self.repeat_pace();
        match &mut self.state {
            State::Calling(calling) => {
                if calling.hello.len() > WORDS_BYTES_MAX {
                    return Err(LinkFault::HelloTooLong);
                }
                if calling.syn.is_empty() {
                    let mut syn = Syn {
                        terms: self.config.terms(),
                        sealed: self.seal.is_some(),
                        token: self.config.token,
                        hello: calling.hello.clone(),
                    };
                    if let Some(seal) = &mut self.seal {
                        syn.hello = seal.call(&syn).map_err(LinkFault::Handshake)?.into();
                    }
                    calling.syn = syn.to_bytes().into();
                }
                said(&mut calling.repeat, now, pace);
                self.outbox.put_control(FrameType::Syn, &calling.syn);
            }
            State::Answered(answered) => put_syn_ack(answered, now, pace, &mut self.outbox),
            _ => {}
        }
        Ok(())
    }

    /// The layer above takes the peer in.
    pub(super) fn on_accept(
        &mut self,
        now: Instant,
        welcome: Bytes,
    ) -> Result<Result<(), LinkFault>, UseError> {
        let State::Asked(asked) = &self.state else {
            return Err(UseError::NothingAsked);
        };
        if welcome.len() > WORDS_BYTES_MAX {
            return Err(UseError::WordsTooLong);
        }
        let mut syn_ack = SynAck {
            terms: asked.terms,
            sealed: self.seal.is_some(),
            echo: asked.peer_token,
            token: self.config.token,
            welcome,
        };
        if let Some(seal) = &mut self.seal {
            match seal.answer(&syn_ack) {
                Ok(second) => syn_ack.welcome = second.into(),
                // A first message that gives no secret.
                Err(fault) => return Ok(Err(LinkFault::Handshake(fault))),
            }
        }
        let mut answered = Box::new(Answered {
            until: asked.until,
            terms: asked.terms,
            hello: asked.hello.clone(),
            syn_ack: syn_ack.to_bytes().into(),
            repeat: Repeat::at(now),
        });
        put_syn_ack(&mut answered, now, self.repeat_pace(), &mut self.outbox);
        self.state = State::Answered(answered);
        Ok(Ok(()))
    }

    /// Initiator, waiting for SYN_ACK.
    pub(super) fn on_frame_calling(
        &mut self,
        now: Instant,
        frame: &Frame,
        out: &mut Output,
    ) -> Result<(), LinkFault> {
        let State::Calling(calling) = &self.state else {
            return Ok(());
        };
        match frame.kind {
            FrameType::SynAck => {}
            FrameType::Disconnect => return self.on_early_disconnect(frame, out),
            kind => return Err(LinkFault::Unexpected(kind)),
        }
        let syn_ack = SynAck::from_bytes(&frame.payload)
            .map_err(|e| LinkFault::control(FrameType::SynAck, e))?;
        if syn_ack.echo != self.config.token || calling.repeat.times == 0 {
            // An answer to some other call.
            return Ok(());
        }
        let offer = self.config.terms();
        let terms = syn_ack
            .terms
            .answering(offer)
            .map_err(LinkFault::BadTerms)?;
        let round_trip = sample(&calling.repeat, now);
        let answer = Some(syn_ack.token);
        match (&mut self.seal, syn_ack.sealed) {
            (None, false) => {}
            (Some(_), true) => return self.on_second(terms, round_trip, &syn_ack, out),
            (None, true) => return Err(LinkFault::SealedOnly),
            (Some(_), false) => return Err(LinkFault::ClearOnly),
        }
        repeated(answer, FrameType::SynAck, &mut self.outbox)?;
        let (words, peer) = (syn_ack.welcome, None);
        self.open(now, terms, round_trip, answer, (words, peer), out);
        Ok(())
    }

    /// Initiator of a sealed link: SYN_ACK came. Who answers is proved before we say who we are.
    fn on_second(
        &mut self,
        terms: Terms,
        round_trip: Option<Duration>,
        syn_ack: &SynAck,
        out: &mut Output,
    ) -> Result<(), LinkFault> {
        let (State::Calling(calling), Some(seal)) = (&self.state, &mut self.seal) else {
            return Ok(());
        };
        let answer = seal.answered(syn_ack).map_err(LinkFault::Handshake)?;
        let server = answer.server;
        self.state = State::Proving(Box::new(Proving {
            hello: calling.hello.clone(),
            until: calling.until,
            terms,
            round_trip,
            echo: syn_ack.token,
            welcome: answer.welcome,
            server,
        }));
        out.events.push(Event::Proven { server });
        Ok(())
    }

    /// Initiator of a sealed link: the layer above trusts who answers.
    pub(super) fn on_trust(
        &mut self,
        now: Instant,
        out: &mut Output,
    ) -> Result<Result<(), LinkFault>, UseError> {
        let (State::Proving(proving), Some(seal)) = (&mut self.state, &mut self.seal) else {
            return Err(UseError::NothingProven);
        };
        if let Err(fault) = seal.finish(proving.echo, &proving.hello) {
            return Ok(Err(LinkFault::Handshake(fault)));
        }
        let (terms, round_trip) = (proving.terms, proving.round_trip);
        let said = (std::mem::take(&mut proving.welcome), Some(proving.server));
        self.open(now, terms, round_trip, None, said, out);
        Ok(Ok(()))
    }

    /// Initiator of a sealed link, waiting for the layer above: only a repeated SYN_ACK can come.
    pub(super) fn on_frame_proving(
        &mut self,
        frame: &Frame,
        out: &mut Output,
    ) -> Result<(), LinkFault> {
        match frame.kind {
            FrameType::SynAck => Ok(()),
            FrameType::Disconnect => self.on_early_disconnect(frame, out),
            kind => Err(LinkFault::Unexpected(kind)),
        }
    }

    /// Responder, waiting for SYN.
    pub(super) fn on_frame_listening(
        &mut self,
        frame: Frame,
        out: &mut Output,
    ) -> Result<(), LinkFault> {
        let State::Listening(listening) = &self.state else {
            return Ok(());
        };
        match frame.kind {
            FrameType::Syn => {}
            FrameType::Disconnect => return self.on_early_disconnect(&frame, out),
            kind => return Err(LinkFault::Unexpected(kind)),
        }
        let syn =
            Syn::from_bytes(&frame.payload).map_err(|e| LinkFault::control(FrameType::Syn, e))?;
        let offer = syn.terms.checked().map_err(LinkFault::BadTerms)?;
        let terms = offer.lower_of(self.config.terms());
        match (&mut self.seal, syn.sealed) {
            (None, false) => {}
            (Some(seal), true) => seal.called(&syn).map_err(LinkFault::Handshake)?,
            (None, true) => return Err(LinkFault::ClearOnly),
            (Some(_), false) => return Err(LinkFault::SealedOnly),
        }
        let asked = Asked {
            until: listening.until,
            terms,
            peer_token: syn.token,
            hello: match syn.sealed {
                true => Bytes::new(),
                false => syn.hello,
            },
        };
        self.state = State::Asked(Box::new(asked));
        out.events.push(Event::Asked { terms });
        Ok(())
    }

    /// Responder, waiting for the layer above: only a repeated SYN can come.
    pub(super) fn on_frame_asked(
        &mut self,
        frame: &Frame,
        out: &mut Output,
    ) -> Result<(), LinkFault> {
        match frame.kind {
            FrameType::Syn => Ok(()),
            FrameType::Disconnect => self.on_early_disconnect(frame, out),
            kind => Err(LinkFault::Unexpected(kind)),
        }
    }

    /// Responder, waiting for HANDSHAKE_ACK. A repeated SYN says that SYN_ACK was lost; anything of
    /// an open link that HANDSHAKE_ACK was, and what came is sent again later.
    pub(super) fn on_frame_answered(
        &mut self,
        now: Instant,
        frame: Frame,
        out: &mut Output,
    ) -> Result<(), LinkFault> {
        let pace = self.repeat_pace();
        let State::Answered(answered) = &mut self.state else {
            return Ok(());
        };
        match frame.kind {
            FrameType::HandshakeAck => {}
            FrameType::Disconnect => return self.on_early_disconnect(&frame, out),
            FrameType::SynAck => return Err(LinkFault::Unexpected(frame.kind)),
            _ => {
                if answered.repeat.said_at + REPEAT_AFTER_MIN <= now {
                    put_syn_ack(answered, now, pace, &mut self.outbox);
                }
                return Ok(());
            }
        }
        let ack = HandshakeAck::from_bytes(&frame.payload)
            .map_err(|e| LinkFault::control(frame.kind, e))?;
        if ack.echo != self.config.token {
            return Ok(());
        }
        let (terms, round_trip) = (answered.terms, sample(&answered.repeat, now));
        let said = match &mut self.seal {
            None if ack.hello.is_empty() => (std::mem::take(&mut answered.hello), None),
            None => {
                let error = ControlError::Length;
                return Err(LinkFault::BadControl(frame.kind, error));
            }
            Some(seal) => {
                let call = seal.finished(&ack).map_err(LinkFault::Handshake)?;
                (call.hello, Some(call.author))
            }
        };
        self.open(now, terms, round_trip, None, said, out);
        Ok(())
    }

    fn open(
        &mut self,
        now: Instant,
        terms: Terms,
        round_trip: Option<Duration>,
        answer: Option<u32>,
        (words, peer): (Bytes, Option<PublicKey>),
        out: &mut Output,
    ) {
        let flow = self.carrier(now, terms, round_trip);
        self.state = State::Open(Open { flow, answer });
        out.events.push(Event::Opened { terms, words, peer });
    }

    /// The end before the beginning. An orderly end waits for its answer.
    fn on_early_disconnect(&mut self, frame: &Frame, out: &mut Output) -> Result<(), LinkFault> {
        let bye = Disconnect::from_bytes(&frame.payload)
            .map_err(|e| LinkFault::control(frame.kind, e))?;
        self.refused(bye, out);
        Ok(())
    }
}

/// Something of an open link came: HANDSHAKE_ACK was lost, and SYN_ACK asks for it, soon.
pub(super) fn hurry_syn_ack(answered: &mut Answered, now: Instant) {
    let soon = answered.repeat.said_at + REPEAT_AFTER_MIN;
    answered.repeat.at = answered.repeat.at.min(soon.max(now));
}

/// Frames that a link says before it is open, and may have to say again.
pub(super) fn is_of_handshake(kind: FrameType) -> bool {
    matches!(
        kind,
        FrameType::Syn | FrameType::SynAck | FrameType::HandshakeAck
    )
}

fn put_syn_ack(answered: &mut Answered, now: Instant, pace: RepeatPace, outbox: &mut Outbox) {
    said(&mut answered.repeat, now, pace);
    outbox.put_control(FrameType::SynAck, &answered.syn_ack);
}

/// It is said now; the time to the next doubles.
fn said(repeat: &mut Repeat, now: Instant, (first, longest): RepeatPace) {
    let doublings = u32::from(repeat.times).min(8);
    let wait = first.saturating_mul(1 << doublings).min(longest);
    repeat.times = repeat.times.saturating_add(1);
    repeat.said_at = now;
    repeat.at = now + wait;
}

/// A round trip, when it is clear what was answered (Karn's rule).
fn sample(repeat: &Repeat, now: Instant) -> Option<Duration> {
    (repeat.times == 1).then(|| now.saturating_since(repeat.said_at))
}
