//! The end: neighbours get what was said, and hear that this peer leaves; the program hears what became of
//! everything.

use std::time::Duration;

use lamparina_order::{LinkId, converging, membership};
use lamparina_protocol::Instant;
use lamparina_protocol::control::CloseCode;
use lamparina_pyp2p::{contacts, registration};

use super::Node;
use super::request::Reply;
use crate::event::{Event, Summary};
use crate::links::CLOSE_WITHIN;

/// Links and connections end within this: BYE_OK is waited for as long, and the rendezvous a little.
const GONE_WITHIN: Duration = Duration::from_secs(3);

const _: () = assert!(GONE_WITHIN.as_millis() > CLOSE_WITHIN.as_millis());

/// A peer that leaves.
#[derive(Debug)]
pub(super) struct Leaving {
    reply: Option<Reply<Summary>>,
    /// Neighbours may take so long for what was said.
    until: Instant,
    /// It has taken leave: links end by then.
    gone_until: Option<Instant>,
}

impl Leaving {
    /// When it goes on, whatever neighbours do.
    pub(super) fn until(&self) -> Instant {
        self.gone_until.unwrap_or(self.until)
    }
}

impl Node {
    /// The program wants to end.
    pub(super) fn begin_to_leave(&mut self, within: Duration, reply: Reply<Summary>) {
        if self.leaving.is_some() {
            return;
        }
        self.leaving = Some(Leaving {
            reply: Some(reply),
            until: self.now() + within,
            gone_until: None,
        });
    }

    /// The program has let go of its handle: this peer takes leave and ends.
    pub(super) fn abandoned(&mut self) {
        if self.leaving.is_none() {
            let now = self.now();
            self.leaving = Some(Leaving {
                reply: None,
                until: now,
                gone_until: None,
            });
        }
    }

    /// Goes on with the end, as far as it may.
    pub(super) fn leave_on(&mut self) {
        let now = self.now();
        let Some(leaving) = &self.leaving else {
            return;
        };
        match leaving.gone_until {
            None if self.is_settled() || leaving.until <= now => self.take_leave(now),
            None => {}
            Some(until) if self.is_gone() || until <= now => self.end(),
            Some(_) => {}
        }
    }

    /// Everything said is stored, and with some neighbour, where there is any.
    fn is_settled(&self) -> bool {
        let stored = self.counts.committed >= self.counts.sent && !self.must_sync;
        let handed = self.counts.unhanded.is_empty() || self.wires.is_empty();
        stored && handed && self.paced.is_none()
    }

    /// All links have ended, and nothing is registered.
    fn is_gone(&self) -> bool {
        self.open_links.is_empty() && self.foreign.is_done()
    }

    fn take_leave(&mut self, now: Instant) {
        self.order(converging::Input::Leave);
        self.membership(membership::Input::Leave);
        // BYE first: whoever is listed and cannot be reached any more is dialled in vain.
        self.contacts(contacts::Input::Leave { reason: "leaving" });
        self.registration(registration::Input::Unregister);
        self.flush();
        let numbers: Vec<u64> = self.wires.keys().copied().collect();
        for number in numbers {
            self.close(LinkId(number), CloseCode::Goodbye, String::new());
        }
        if let Some(leaving) = &mut self.leaving {
            leaving.gone_until = Some(now + GONE_WITHIN);
        }
    }

    fn end(&mut self) {
        self.keep_peers();
        self.ended = true;
        let summary = self.summary();
        self.tell(Event::Closed(summary.clone()));
        let reply = self
            .leaving
            .as_mut()
            .and_then(|leaving| leaving.reply.take());
        if let Some(reply) = reply {
            // Who asked may have gone.
            let _ = reply.send(summary);
        }
    }

    /// Ends at once, with what the disk would not take.
    pub(super) fn give_up(&mut self, reply: Option<Reply<Summary>>) {
        self.ended = true;
        let leaving = self.leaving.as_mut();
        let first = leaving.and_then(|leaving| leaving.reply.take());
        for reply in first.into_iter().chain(reply) {
            // Who asked may have gone.
            let _ = reply.send(self.summary());
        }
    }

    fn summary(&self) -> Summary {
        let (sent, committed) = (self.counts.sent, self.counts.committed);
        let alone = match self.counts.had_neighbours {
            true => self.counts.unhanded.len() as u64,
            false => 0,
        };
        Summary {
            sent,
            committed,
            pending: sent.saturating_sub(committed) + alone,
        }
    }
}
