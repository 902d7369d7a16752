//! What neighbours tell, in the order in which they tell it: nothing behind a message that was only named is looked at before
//! that message is here, also where the link has gone down meanwhile.

use lamparina_protocol::Instant;

use super::links::Pull;
use super::naming::{Gap, Rest};
use super::types::{Fault, Heard, Incoming, LinkId, Output, Sending};
use super::{Converging, Digest};

impl Converging {
    pub(super) fn on_heard(
        &mut self,
        now: Instant,
        id: LinkId,
        heard: Heard,
        out: &mut Vec<Output>,
    ) -> Result<(), Fault> {
        let Some(link) = self.links.get_mut(&id) else {
            return Ok(());
        };
        match heard {
            Heard::Want { has, limit } => link.wants(&self.graph, &has, limit),
            Heard::Need(digests) => link.needs(&self.graph, &digests),
            Heard::NameOnly(authors) => {
                link.naming.name_only(authors);
                Ok(())
            }
            Heard::Given(items) => {
                if let Some(gap) = &mut link.gap {
                    items.into_iter().for_each(|signed| gap.give(signed));
                }
                Ok(())
            }
            heard => match &mut link.gap {
                // Everything has its place behind what was named.
                Some(gap) => gap.push(heard),
                None => self.on_told(now, id, heard, &mut Rest::default(), out),
            },
        }
    }

    /// What a neighbour tells in its order. `rest` is what it was asked to give.
    fn on_told(
        &mut self,
        now: Instant,
        id: LinkId,
        heard: Heard,
        rest: &mut Rest,
        out: &mut Vec<Output>,
    ) -> Result<(), Fault> {
        let Some(link) = self.links.get_mut(&id) else {
            return Ok(());
        };
        match heard {
            Heard::Messages(messages) => {
                // Nothing is no progress.
                if !messages.is_empty() {
                    if let Pull::Asked { since, came, .. } = &mut link.pull {
                        (*since, *came) = (now, true);
                    }
                    self.progress(now);
                }
                self.on_messages(now, id, messages, rest, out)
            }
            Heard::PageEnd { more } => {
                link.on_page_end(more)?;
                self.progress(now);
                Ok(())
            }
            Heard::Announcements(items) => {
                for signed in items {
                    self.on_announcement(now, id, signed, out);
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Messages up to one that was named and is not here.
    fn on_messages(
        &mut self,
        now: Instant,
        id: LinkId,
        messages: Vec<Incoming>,
        rest: &mut Rest,
        out: &mut Vec<Output>,
    ) -> Result<(), Fault> {
        let mut messages = messages.into_iter();
        while let Some(mut message) = messages.next() {
            if let Incoming::Named(digest) = message
                && self.graph.find(&digest).is_none()
            {
                let Some(given) = rest.given(&digest) else {
                    let mut gap = Gap::new(now, digest).go_on(std::mem::take(rest));
                    let behind: Vec<Incoming> = messages.collect();
                    if !behind.is_empty() {
                        gap.push(Heard::Messages(behind))?;
                    }
                    if let Some(link) = self.links.get_mut(&id) {
                        link.gap = Some(gap);
                    }
                    return Ok(());
                };
                message = Incoming::New(given);
            }
            self.on_message(now, id, message, out)?;
        }
        Ok(())
    }

    fn on_message(
        &mut self,
        now: Instant,
        id: LinkId,
        message: Incoming,
        out: &mut Vec<Output>,
    ) -> Result<(), Fault> {
        let digest = match &message {
            Incoming::Known(digest) | Incoming::Named(digest) => *digest,
            Incoming::New(signed) => signed.digest(),
        };
        let found = self.graph.find(&digest);
        let whole = !matches!(message, Incoming::Named(_));
        let position = match (found, message) {
            (Some(position), _) => position,
            (None, Incoming::New(signed)) => self.deliver(now, signed, Some(id), out)?,
            // Its reader was mistaken: it cannot be delivered without its text.
            (None, _) => return Err(Fault::UnknownCause(digest)),
        };
        let Some(link) = self.links.get_mut(&id) else {
            return Ok(());
        };
        link.has(&self.graph, position);
        let author = self.graph.key(position).name.chain.author;
        let again = whole && found.is_some() && link.pull == Pull::Done;
        if again && author != self.own.author && link.naming.came_again(now, author) {
            out.push(Output::Send(id, Sending::NameOnly(vec![author])));
        }
        Ok(())
    }

    /// Goes on where a named message is here now, and asks for it where it is late.
    pub(super) fn fill_gaps(&mut self, now: Instant, out: &mut Vec<Output>) {
        loop {
            let gaps = self.links.iter().filter(|(_, link)| link.gap.is_some());
            let ids: Vec<LinkId> = gaps.map(|(id, _)| *id).collect();
            let mut filled = false;
            for id in ids {
                match self.fill_gap(now, id, out) {
                    Ok(went_on) => filled |= went_on,
                    Err(fault) => {
                        self.links.remove(&id);
                        out.push(Output::Fault(id, fault));
                    }
                }
            }
            filled |= self.fill_parted(now, out);
            if !filled {
                return;
            }
        }
    }

    /// Goes on, too, with what came over a link that is down and waited for a message that is here now: whoever said it may be gone.
    fn fill_parted(&mut self, now: Instant, out: &mut Vec<Output>) -> bool {
        self.parted.forget_before(now);
        let graph = &self.graph;
        let here = |gap: &Gap| graph.find(&gap.digest).is_some();
        let Some((id, link)) = self.parted.take(here) else {
            return false;
        };
        self.links.insert(id, link);
        let mut told = Vec::new();
        let filled = self.fill_gap(now, id, &mut told);
        // Nobody is there to be told anything, or to be blamed.
        told.retain(|output| !matches!(output, Output::Send(to, _) if *to == id));
        out.append(&mut told);
        if let (Some(link), Ok(_)) = (self.links.remove(&id), filled) {
            self.parted.keep(now, id, link);
        }
        true
    }

    /// Whether the link went on.
    fn fill_gap(&mut self, now: Instant, id: LinkId, out: &mut Vec<Output>) -> Result<bool, Fault> {
        let graph = &self.graph;
        let Some(link) = self.links.get_mut(&id) else {
            return Ok(false);
        };
        let Some(mut gap) = link.gap.take() else {
            return Ok(false);
        };
        let message = match (graph.find(&gap.digest), gap.take_given()) {
            (Some(_), _) => Incoming::Named(gap.digest),
            (None, Some(given)) => {
                link.naming.had_to_ask(&given.content().name.chain.author);
                Incoming::New(given)
            }
            (None, None) => {
                let knows = |digest: &Digest| graph.find(digest).is_some();
                gap.on_time(now, id, knows, out);
                link.gap = Some(gap);
                return Ok(false);
            }
        };
        let (mut rest, mut behind) = gap.into_rest();
        self.on_message(now, id, message, out)?;
        while let Some(heard) = behind.pop_front() {
            self.on_told(now, id, heard, &mut rest, out)?;
            let gap = self.links.get_mut(&id).and_then(|link| link.gap.as_mut());
            if let Some(gap) = gap {
                behind.into_iter().try_for_each(|heard| gap.push(heard))?;
                break;
            }
        }
        Ok(true)
    }
}
