//! How a link ends. Orderly: what was accepted is delivered and acknowledged both ways first, and
//! both say DISCONNECT. At once: one DISCONNECT with a code and words, and nothing after it.

use super::fault::LinkFault;
use super::state::{Closing, Repeat, State};
use super::{CloseReason, Event, Link, Output};
use crate::control::{CloseCode, Disconnect, cut};
use crate::frame::{FrameDecoder, FrameType, Seq};
use crate::time::Instant;

/// An orderly DISCONNECT is said this often. With everything acknowledged, what is then missing is
/// only the peer's goodbye.
const SAY_BYE_TIMES: u8 = 8;

impl Link {
    /// The layer above wants an orderly end. Before the link is open there is nothing to deliver.
    pub(super) fn on_close(&mut self, now: Instant, code: CloseCode, text: &str, out: &mut Output) {
        match self.state {
            State::Open(_) => {
                self.begin_closing(now, code.number(), text, None);
            }
            State::Closing(_) | State::Closed => {}
            _ => self.end(code, text, out),
        }
    }

    fn begin_closing(&mut self, now: Instant, code: u16, text: &str, peer_next: Option<Seq>) {
        match std::mem::replace(&mut self.state, State::Closed) {
            State::Open(open) => {
                let bye = Disconnect {
                    code,
                    orderly: true,
                    next: Seq::FIRST,
                    text: cut(text).to_owned(),
                };
                self.state = State::Closing(Box::new(Closing {
                    open,
                    bye,
                    repeat: Repeat::at(now),
                    waiting_since: now,
                    peer_next,
                }));
            }
            other => self.state = other,
        }
    }

    /// The peer says DISCONNECT on an open link.
    pub(super) fn on_disconnect(&mut self, now: Instant, bye: Disconnect, out: &mut Output) {
        if !bye.orderly {
            return self.close(by_peer(bye), out);
        }
        if let State::Closing(closing) = &mut self.state {
            closing.peer_next = Some(bye.next);
            return;
        }
        self.begin_closing(now, CloseCode::Goodbye.number(), "", Some(bye.next));
        let Disconnect { code, text, .. } = bye;
        out.events.push(Event::PeerClosing { code, text });
    }

    /// The peer says DISCONNECT during the handshake.
    pub(super) fn refused(&mut self, bye: Disconnect, out: &mut Output) {
        if bye.orderly {
            let answer = Disconnect {
                code: CloseCode::Goodbye.number(),
                orderly: true,
                next: Seq::FIRST,
                text: String::new(),
            };
            self.put_disconnect(&answer);
        }
        let reason = match self.is_sealed() {
            // In clear, before keys: anybody may have said it.
            true => {
                let Disconnect { code, text, .. } = bye;
                CloseReason::Unproven { code, text }
            }
            false => by_peer(bye),
        };
        self.close(reason, out);
    }

    /// The transport has ended.
    pub(super) fn on_eof(&mut self, out: &mut Output) {
        let reason = match &self.state {
            State::Closing(closing) if closing.is_complete() => CloseReason::Orderly,
            _ => CloseReason::Eof,
        };
        self.close(reason, out);
    }

    /// Silence for too long. What was acknowledged before an orderly end stays acknowledged.
    pub(super) fn on_silence(&mut self, out: &mut Output) -> Result<(), LinkFault> {
        match &self.state {
            State::Closing(closing) if closing.is_complete() => {
                self.close(CloseReason::Orderly, out);
                Ok(())
            }
            _ => Err(LinkFault::Silence),
        }
    }

    /// Ends the link at once, with a word of why.
    pub(super) fn end(&mut self, code: CloseCode, text: &str, out: &mut Output) {
        if matches!(self.state, State::Closed) {
            return;
        }
        let open = self.state.open();
        let text = cut(text).to_owned();
        let bye = Disconnect {
            code: code.number(),
            orderly: false,
            next: open.map_or(Seq::FIRST, |open| open.flow.next_to_send()),
            text: text.clone(),
        };
        self.put_disconnect(&bye);
        self.close(CloseReason::ByUs { code, text }, out);
    }

    /// Ends the link for what the peer or the channel has done. Whoever calls over a sealed link and has
    /// seen no proof yet cannot know who has done it.
    pub(super) fn fail(&mut self, fault: LinkFault, out: &mut Output) {
        let calling = matches!(self.state, State::Calling(_) | State::Proving(_));
        let unproven = self.is_sealed() && calling;
        self.end(fault.code(), &fault.to_string(), out);
        if unproven
            && let Some(Event::Closed(reason)) = out.events.last_mut()
            && let CloseReason::ByUs { code, text } = reason
        {
            let (code, text) = (code.number(), std::mem::take(text));
            *reason = CloseReason::Unproven { code, text };
        }
    }

    /// Says goodbye once nothing is pending, and closes once both have.
    pub(super) fn settle_closing(&mut self, now: Instant, out: &mut Output) {
        let State::Closing(closing) = &mut self.state else {
            return;
        };
        let flow = &closing.open.flow;
        if !flow.is_drained() {
            return;
        }
        if closing.repeat.times == 0 {
            closing.bye.next = flow.next_to_send();
            closing.waiting_since = now;
            self.say_bye(now);
        }
        let State::Closing(closing) = &self.state else {
            return;
        };
        // A peer that has more to say than came says it, and then DISCONNECT, again.
        if closing.peer_next.is_some() && closing.is_complete() {
            self.close(CloseReason::Orderly, out);
        }
    }

    fn say_bye(&mut self, now: Instant) {
        let State::Closing(closing) = &mut self.state else {
            return;
        };
        let wait = closing.open.flow.answer_within(closing.repeat.times);
        closing.repeat = Repeat {
            times: closing.repeat.times.saturating_add(1),
            said_at: now,
            at: now + wait,
        };
        let payload = closing.bye.to_bytes();
        self.outbox.put_control(FrameType::Disconnect, &payload);
    }

    /// Says goodbye again when it is time. A peer from which nothing comes meanwhile is taken to
    /// have said its own; one that only chatters is left after the time of a silent one.
    pub(super) fn repeat_bye(&mut self, now: Instant, out: &mut Output) -> Result<(), LinkFault> {
        let dead_after = self.config.dead_after;
        let State::Closing(closing) = &self.state else {
            return Ok(());
        };
        let repeat = closing.repeat;
        if repeat.times == 0 || now < repeat.at {
            return Ok(());
        }
        let heard_since = self.heard_at > repeat.said_at;
        let quiet_since = closing.waiting_since.max(closing.open.flow.received_at());
        let stalled = quiet_since + dead_after <= now;
        let silent = now.saturating_since(self.heard_at.max(closing.waiting_since));
        let unheard = !heard_since && silent >= closing.open.flow.goodbye_patience();
        if stalled || (repeat.times >= SAY_BYE_TIMES && unheard) {
            if !closing.is_complete() {
                return Err(LinkFault::GaveUp);
            }
            self.close(CloseReason::Orderly, out);
            return Ok(());
        }
        if heard_since {
            self.reset_bye_count();
        }
        self.say_bye(now);
        Ok(())
    }

    fn reset_bye_count(&mut self) {
        if let State::Closing(closing) = &mut self.state {
            closing.repeat.times = 1;
        }
    }

    fn put_disconnect(&mut self, bye: &Disconnect) {
        self.outbox
            .put_control(FrameType::Disconnect, &bye.to_bytes());
    }

    /// Nothing follows.
    pub(super) fn close(&mut self, reason: CloseReason, out: &mut Output) {
        out.events.push(Event::Closed(reason));
        self.ended_drained = self.is_drained();
        self.keep_number();
        self.state = State::Closed;
        self.decoder = FrameDecoder::default();
        self.frame_began = None;
    }
}

fn by_peer(bye: Disconnect) -> CloseReason {
    CloseReason::ByPeer {
        code: bye.code,
        text: bye.text,
    }
}
