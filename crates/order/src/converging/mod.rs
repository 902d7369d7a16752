//! The converging order: no server, and the same history on every peer that has the same messages.
//!
//! Always: a message is delivered after all its causes; the log of deliveries only grows, and each link is told it in
//! that order; history is sorted by keys that every receiver derives; nothing but late lines enters before the final key.
//! Pure: the same inputs give the same outputs.
//!
//! | module | holds |
//! |---|---|
//! | `types` | inputs and outputs |
//! | `graph` | all messages, each behind its causes |
//! | `hearing` | what neighbours tell |
//! | `history` | lines by key, pages, why |
//! | `links`, `had` | what goes to each neighbour |
//! | `pull` | what is taken from neighbours |
//! | `naming` | what is only named, since it comes sooner from others |
//! | `members` | who is there, and how far lines are final |
//! | `own` | what this peer says |
//!
//! # Bounds
//!
//! | bound | what happens there |
//! |---|---|
//! | [`MESSAGES_MAX`] | nothing more is taken or said: [`Fault::Full`], [`UseError::Full`] |
//! | [`ANNOUNCED_ONLY_MAX`] | further members that never said anything are not heard |
//! | [`WAITING_MAX`] | what is said before this peer is ready is refused |
//! | [`PAGE_MESSAGES_MAX`], [`PAGE_BYTES`] | a page ends, and is asked for again |
//! | [`NAME_ONLY_MAX`] | further authors' messages are told whole |
//! | [`BEHIND_BYTES_MAX`], [`NEEDED_MAX`] | the link is at fault, and the next one begins anew |
//! | [`PARTED_MAX`], [`PARTED_WITHIN`] | what waited on a link that is down is forgotten, the oldest first |
//! | [`BUNDLE_BYTES`] | a bundle ends, and another follows |
//! | [`PROOFS_OF_CHAIN_MAX`] | further equivocations of a life are kept like all messages, without proofs |
//!
//! # Known limitations
//!
//! Who makes up identities can stand anywhere in history by naming few causes, once: under its new name. A member that announces
//! a clock and never lets it rise holds up what is final for everybody, for as long as it announces. Equivocation is found, not prevented.

mod graph;
mod had;
mod hearing;
mod history;
mod links;
mod members;
mod naming;
mod own;
mod pull;
mod types;

use std::sync::Arc;
use std::time::Duration;

use lamparina_protocol::peer::{Digest, MessageName, Signed, SignedAnnouncement};
use lamparina_protocol::{AuthorKey, Instant, Lamport};

pub use graph::{MESSAGES_MAX, PROOFS_OF_CHAIN_MAX};
pub use history::{History, Why};
pub use links::{BUNDLE_BYTES, PAGE_BYTES, PAGE_MESSAGES_MAX};
pub use members::{
    ANNOUNCED_ANYWAY_GAP_MIN, ANNOUNCED_BURST, ANNOUNCED_GAP_MIN, ANNOUNCED_ONLY_MAX,
};
pub use naming::{
    ASK_AGAIN_AFTER, BEHIND_BYTES_MAX, NAME_ONLY_MAX, NAMED_WITHIN, NEEDED_FROM_BYTES, NEEDED_MAX,
    PARTED_MAX, PARTED_WITHIN,
};
pub use own::{ANNOUNCE_EVERY, ANNOUNCE_RISEN_EVERY, WAITING_MAX};
pub use pull::{FIRST_LOOK_MESSAGES, HOLD_UP_MAX, NEWEST_NAMED_MAX, PAGE_WITHIN, STUCK_AFTER};
pub use types::{
    ASIDE_AFTER, Config, Delivery, Fault, Heard, HistoryKey, Incoming, Input, LinkId,
    MERGE_RANGES_MAX, MergeReport, Output, Position, Proof, Sending, Telling, UseError, named,
};

use graph::{Graph, Inserted};
use links::{Link, Links, Parted, Pull};
use members::Members;
use naming::Gap;
use own::{Own, Said};
use pull::Taking;

/// Who is alone for so long is ready to speak; so is who hears nothing more from its links for so long.
pub const READY_ALONE_AFTER: Duration = Duration::from_secs(2);
/// Whatever its links do, a peer is ready after so long.
pub const READY_AFTER_MAX: Duration = Duration::from_secs(30);

/// The order of one peer.
#[derive(Clone, Debug)]
pub struct Converging {
    graph: Graph,
    links: Links,
    parted: Parted,
    taking: Taking,
    members: Members,
    own: Own,
    began: Instant,
    /// When this peer is ready at the latest; `None` once it is.
    ready_at: Option<Instant>,
}

impl Converging {
    /// A peer that knows nothing, at the beginning of a life.
    pub fn new(config: Config, now: Instant) -> Self {
        let own = Own::new(config);
        Self {
            graph: Graph::default(),
            links: Links::new(),
            parted: Parted::default(),
            taking: Taking::default(),
            members: Members::new(own.author, own.config.aside_after),
            own,
            began: now,
            ready_at: Some(now + READY_ALONE_AFTER),
        }
    }

    /// Before the first input: the next message of the store, in the order of its positions. Its author counts as heard now.
    ///
    /// # Errors
    ///
    /// [`UseError::Stored`]: the store is not what was stored.
    pub fn restore(&mut self, now: Instant, message: &Signed) -> Result<Position, UseError> {
        let position = self.graph.len();
        if self.graph.find(&message.digest()).is_some() {
            let fault = Fault::UnknownCause(message.digest());
            return Err(UseError::Stored(Position(position), fault));
        }
        let inserted = self.graph.insert(message);
        let inserted = inserted.map_err(|fault| UseError::Stored(Position(position), fault))?;
        self.note(now, inserted.position.0, &mut Vec::new());
        self.own.stored(&self.graph, position + 1);
        Ok(inserted.position)
    }

    /// Before the first input, behind all messages: up to where lines were final.
    pub const fn restore_final(&mut self, upto: HistoryKey) {
        self.members.restore_final(upto);
    }

    /// Applies one input. What must happen next is pushed to `out`, in order.
    ///
    /// # Errors
    ///
    /// [`UseError`]: our own mistake; nothing has changed. What neighbours do wrong is [`Output::Fault`].
    pub fn handle(
        &mut self,
        now: Instant,
        input: Input,
        out: &mut Vec<Output>,
    ) -> Result<(), UseError> {
        match input {
            Input::LinkUp(link) => self.on_link_up(now, link, out),
            Input::LinkDown(id) => {
                if let Some(link) = self.links.remove(&id) {
                    self.parted.keep(now, id, link);
                }
            }
            Input::Heard(link, heard) => {
                if let Err(fault) = self.on_heard(now, link, heard, out) {
                    self.links.remove(&link);
                    out.push(Output::Fault(link, fault));
                }
            }
            Input::Room(link, bytes) => {
                if let Some(link) = self.links.get_mut(&link) {
                    link.set_room(bytes);
                }
            }
            Input::Say {
                body,
                sent_at,
                foreign,
            } => {
                let said = Said {
                    body,
                    sent_at,
                    foreign,
                };
                self.on_say(now, said, out)?;
            }
            Input::Stored(upto) => self.own.stored(&self.graph, upto.0),
            Input::Called(name, addr) => {
                (self.own.config.name, self.own.config.addr) = (name, addr);
            }
            Input::Leave => self.on_leave(now, out)?,
            Input::Tick => {}
        }
        self.after(now, out)
    }

    /// When to call again with [`Input::Tick`].
    pub fn deadline(&self) -> Option<Instant> {
        let announce = match self.ready_at {
            Some(at) => Some(at),
            None => self.own.announce_at(),
        };
        let taking = self.taking.deadline(&self.links);
        let gaps = self.links.values().filter_map(|link| link.gap.as_ref());
        let gap = gaps.filter_map(Gap::deadline).min();
        let parted = self.parted.deadline();
        let all = [announce, taking, gap, parted, self.members.deadline()];
        all.into_iter().flatten().min()
    }

    /// Whether a message is there.
    pub fn knows(&self, digest: &Digest) -> bool {
        self.graph.find(digest).is_some()
    }

    /// Lines by key.
    pub const fn history(&self) -> History<'_> {
        History { graph: &self.graph }
    }

    /// The name that the next message of this peer will have.
    pub fn next_name(&self) -> MessageName {
        self.own.next_name()
    }

    /// The greatest stamp.
    pub fn clock(&self) -> Lamport {
        self.graph.clock()
    }

    /// Up to where lines are final.
    pub const fn final_upto(&self) -> Option<HistoryKey> {
        self.members.final_key()
    }

    /// No member that is known and there will say anything with a stamp up to this one.
    pub const fn frontier(&self) -> Lamport {
        self.members.frontier()
    }

    /// Whether this peer speaks.
    pub const fn is_ready(&self) -> bool {
        self.ready_at.is_none()
    }

    /// Messages that wait until this peer is ready; [`WAITING_MAX`] at most.
    pub fn waiting(&self) -> usize {
        self.own.waiting.len()
    }

    /// Whether a neighbour was sent everything that it may be told by now, or has it. `None` for a link that is not up.
    pub fn is_told(&self, link: LinkId) -> Option<bool> {
        let link = self.links.get(&link)?;
        Some(link.is_told(self.own.tellable(&self.graph)))
    }

    /// Members that are not set aside, without this peer.
    pub fn members(&self) -> impl Iterator<Item = AuthorKey> {
        self.members.present()
    }

    /// The newest announcement of an author: its name, its address, its sealing key.
    pub fn announcement(&self, of: &AuthorKey) -> Option<&SignedAnnouncement> {
        self.members.announcement(of)
    }

    /// Both sides begin with what they have; a few messages of what the other has show whether there are more.
    fn on_link_up(&mut self, now: Instant, link: LinkId, out: &mut Vec<Output>) {
        self.taking.begin(now, &self.graph);
        self.links.insert(link, Link::new(now));
        out.push(Output::Send(
            link,
            pull::want(&self.graph, FIRST_LOOK_MESSAGES),
        ));
        self.progress(now);
    }

    fn on_announcement(
        &mut self,
        now: Instant,
        link: LinkId,
        signed: SignedAnnouncement,
        out: &mut Vec<Output>,
    ) {
        let from = Some(link);
        if signed.announcement().author == self.own.author {
            return;
        }
        let members = &mut self.members;
        if members.on_announcement(now, from, &self.graph, signed.clone(), out) {
            out.push(Output::Announced(signed));
        }
    }

    /// Puts a message at the end of the log.
    fn deliver(
        &mut self,
        now: Instant,
        message: Arc<Signed>,
        from: Option<LinkId>,
        out: &mut Vec<Output>,
    ) -> Result<u32, Fault> {
        let Inserted {
            position,
            stamp,
            proof,
        } = self.graph.insert(&message)?;
        let late = self.members.is_late(&self.graph.key(position.0));
        if from.is_some() {
            self.taking.took(late);
        }
        out.push(Output::Deliver(Delivery {
            position,
            message,
            stamp,
            late,
            from,
        }));
        out.extend(proof.map(Output::Equivocation));
        for link in self.links.values_mut() {
            link.claimed(&self.graph, position.0);
        }
        self.note(now, position.0, out);
        Ok(position.0)
    }

    /// What follows from a message in the log.
    fn note(&mut self, now: Instant, position: u32, out: &mut Vec<Output>) {
        let key = self.graph.key(position);
        if key.name.chain.author == self.own.author {
            self.own.delivered(position);
        }
        self.members.on_message(now, &self.graph, &key, out);
    }

    fn on_say(&mut self, now: Instant, said: Said, out: &mut Vec<Output>) -> Result<(), UseError> {
        if self.own.left {
            return Err(UseError::Left);
        }
        if self.is_ready() {
            return self.say(now, said, out);
        }
        if self.own.waiting.len() == WAITING_MAX {
            return Err(UseError::TooMany(WAITING_MAX));
        }
        self.own.check(&said)?;
        self.own.waiting.push_back(said);
        Ok(())
    }

    fn say(&mut self, now: Instant, said: Said, out: &mut Vec<Output>) -> Result<(), UseError> {
        let message = self.own.compose(&self.graph, said)?;
        let digest = message.digest();
        let full = UseError::Full { max: MESSAGES_MAX };
        let position = self
            .deliver(now, Arc::new(message), None, out)
            .map_err(|_full| full)?;
        self.own.said(position, digest);
        Ok(())
    }

    /// Says that this peer leaves, behind everything that can still be told.
    fn on_leave(&mut self, now: Instant, out: &mut Vec<Output>) -> Result<(), UseError> {
        if std::mem::replace(&mut self.own.left, true) {
            return Ok(());
        }
        // What still waits to be said would stand behind the goodbye.
        self.own.waiting.clear();
        self.announce(now, true, out)?;
        self.pump(out);
        let byes = self
            .links
            .keys()
            .map(|link| Output::Send(*link, Sending::Bye));
        out.extend(byes);
        Ok(())
    }

    fn announce(
        &mut self,
        now: Instant,
        gone: bool,
        out: &mut Vec<Output>,
    ) -> Result<(), UseError> {
        let signed = self.own.announce(now, &self.graph, gone)?;
        self.members
            .on_announcement(now, None, &self.graph, signed, out);
        Ok(())
    }

    /// What any input may have made due.
    fn after(&mut self, now: Instant, out: &mut Vec<Output>) -> Result<(), UseError> {
        self.fill_gaps(now, out);
        self.members.on_time(now, out);
        self.taking.go_on(now, &self.graph, &mut self.links, out);
        let merged = self.taking.end(&self.graph, &self.links);
        out.extend(merged.map(Output::Merged));
        let told = self.links.values().any(|link| link.pull == Pull::Done);
        if self.ready_at.is_some_and(|at| told || now >= at) {
            self.become_ready(now, out)?;
        }
        if self.is_ready() && self.own.announce_at().is_some_and(|at| now >= at) {
            self.announce(now, false, out)?;
        }
        if self.is_ready() && !self.taking.holds_up() {
            self.members.settle(&self.graph, self.graph.clock());
        }
        self.members.tell_final(out);
        self.pump(out);
        Ok(())
    }

    fn become_ready(&mut self, now: Instant, out: &mut Vec<Output>) -> Result<(), UseError> {
        self.ready_at = None;
        out.push(Output::Ready);
        while let Some(said) = self.own.waiting.pop_front() {
            self.say(now, said, out)?;
        }
        Ok(())
    }

    /// Others are there and tell something: they are waited for.
    fn progress(&mut self, now: Instant) {
        if self.ready_at.is_some() {
            let latest = self.began + READY_AFTER_MAX;
            self.ready_at = Some(latest.min(now + READY_ALONE_AFTER));
        }
    }

    fn pump(&mut self, out: &mut Vec<Output>) {
        let end = self.own.tellable(&self.graph);
        let patient = self.taking.holds_up();
        for (id, link) in &mut self.links {
            link.pump(*id, (&self.graph, &self.members), end, patient, out);
        }
    }
}

#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;
