//! What goes to each neighbour: this peer's log in its order, from a cursor on, without what the neighbour has. A slow
//! neighbour costs its cursor and nothing else: there is no queue.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use lamparina_protocol::peer::Digest;
use lamparina_protocol::peer::link::{BUNDLE_MAX, ITEM_EXTRA_BYTES, NAMED_BYTES};
use lamparina_protocol::{AuthorKey, Instant};

use super::graph::Graph;
use super::had::Had;
use super::members::Members;
use super::naming::{Gap, Naming, PARTED_MAX, PARTED_WITHIN};
use super::types::{Fault, LinkId, Output, Position, Sending, Telling};

/// Messages in a page, at most.
pub const PAGE_MESSAGES_MAX: u32 = 1_024;
/// Bytes of messages in a page: it ends with the message that reaches them.
pub const PAGE_BYTES: u32 = 512 * 1024;
/// A bundle ends before a message that would make it longer, unless it would be empty.
pub const BUNDLE_BYTES: u32 = 64 * 1024;

/// One neighbour.
#[derive(Clone, Debug)]
pub(super) struct Link {
    /// Every position before it was sent, or the neighbour has it.
    cursor: u32,
    had: Had,
    /// What it has, by its last word, and is not here.
    claims: BTreeSet<Digest>,
    /// Bytes that may be emitted.
    room: u32,
    /// The page that is being answered.
    page: Option<Page>,
    /// It is told everything as it comes.
    subscribed: bool,
    /// Announcements up to this serial were sent.
    announced: u64,
    /// What is only named, to it and by it.
    pub(super) naming: Naming,
    /// A message that it named is not here, and what it said since.
    pub(super) gap: Option<Gap>,
    /// What this peer asks of it.
    pub(super) pull: Pull,
    /// Its last page took too long: others are asked before it.
    pub(super) was_slow: bool,
}

#[derive(Clone, Copy, Debug)]
struct Page {
    messages: u32,
    bytes: u32,
}

/// How far this peer has taken what a neighbour has.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Pull {
    /// A page was asked for.
    Asked {
        /// When.
        asked: Instant,
        /// When the last part of it came.
        since: Instant,
        /// More than a first look.
        whole: bool,
        /// It takes too long: others are asked.
        slow: bool,
        /// Nothing came for too long, or the whole takes far too long: it is not waited for.
        stuck: bool,
        /// Some of it has come.
        came: bool,
    },
    /// It has more.
    More,
    /// From here on it tells what it is delivered.
    Done,
}

impl Pull {
    pub(super) const fn asked(now: Instant, whole: bool) -> Self {
        Self::Asked {
            asked: now,
            since: now,
            whole,
            slow: false,
            stuck: false,
            came: false,
        }
    }
}

impl Link {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            cursor: 0,
            had: Had::default(),
            claims: BTreeSet::new(),
            room: 0,
            page: None,
            subscribed: false,
            announced: 0,
            naming: Naming::default(),
            gap: None,
            pull: Pull::asked(now, false),
            was_slow: false,
        }
    }

    pub(super) const fn set_room(&mut self, bytes: u32) {
        self.room = bytes;
    }

    /// It has this message, and so all its causes.
    pub(super) fn has(&mut self, graph: &Graph, position: u32) {
        self.had.insert_past(graph, position);
    }

    /// What it has, and that it wants a page.
    pub(super) fn wants(&mut self, graph: &Graph, has: &[Digest], limit: u32) -> Result<(), Fault> {
        if limit > 0 {
            if self.page.is_some() {
                return Err(Fault::WantedTwice);
            }
            self.page = Some(Page {
                messages: limit.min(PAGE_MESSAGES_MAX),
                bytes: PAGE_BYTES,
            });
        }
        self.claims.clear();
        for digest in has {
            match graph.find(digest) {
                Some(position) => self.has(graph, position),
                None => drop(self.claims.insert(*digest)),
            }
        }
        Ok(())
    }

    /// It needs what was only named to it.
    pub(super) fn needs(&mut self, graph: &Graph, digests: &[Digest]) -> Result<(), Fault> {
        let told = |digest: &Digest| graph.find(digest).filter(|at| *at < self.cursor);
        let told: Vec<u32> = digests.iter().filter_map(told).collect();
        told.into_iter().try_for_each(|at| {
            let author = graph.key(at).name.chain.author;
            self.naming.need(Position(at), &author)
        })
    }

    /// A message is in the log now. If the neighbour named it before, it has it and all its causes.
    pub(super) fn claimed(&mut self, graph: &Graph, position: u32) {
        if !self.claims.is_empty() && self.claims.remove(&graph.digest(position)) {
            self.has(graph, position);
        }
    }

    /// Whether it was sent everything before `end`, or has it.
    pub(super) const fn is_told(&self, end: u32) -> bool {
        self.subscribed && self.cursor >= end
    }

    /// Its page is over. One that has more had something.
    pub(super) const fn on_page_end(&mut self, more: bool) -> Result<(), Fault> {
        if let Pull::Asked { slow, .. } = self.pull {
            self.was_slow = slow;
        }
        self.pull = match (self.pull, more) {
            (Pull::Asked { came: false, .. }, true) => return Err(Fault::EmptyPage),
            (Pull::Asked { .. }, true) => Pull::More,
            (Pull::Asked { .. }, false) => Pull::Done,
            (Pull::More | Pull::Done, _) => return Err(Fault::NotWanted),
        };
        Ok(())
    }

    /// Whether this peer is still taking from it. What comes from others meanwhile it probably has, and that shows
    /// when what it named has come.
    const fn is_ahead(&self) -> bool {
        match self.pull {
            Pull::Asked { stuck, .. } => !stuck,
            Pull::More => true,
            Pull::Done => false,
        }
    }

    /// Emits what may go: messages before `end`, then announcements. With `patient` a neighbour from which this peer is
    /// still taking gets no more than it asks for.
    pub(super) fn pump(
        &mut self,
        link: LinkId,
        (graph, members): (&Graph, &Members),
        end: u32,
        patient: bool,
        out: &mut Vec<Output>,
    ) {
        while self.room > 0 {
            let Some(given) = self.naming.next_given() else {
                break;
            };
            self.room = self.room.saturating_sub(graph.bytes(given.0));
            out.push(Output::Send(link, Sending::Given(vec![given])));
        }
        let tells = self.subscribed && !(patient && self.is_ahead());
        if tells || self.page.is_some() {
            self.pump_messages(link, (graph, members.ours()), end, out);
        }
        if tells && self.cursor >= end && self.room > 0 {
            let (mut items, serial) = members.after(self.announced, link);
            self.announced = serial;
            while !items.is_empty() {
                let rest = items.split_off(items.len().min(ANNOUNCEMENTS_OF_BUNDLE));
                let items = std::mem::replace(&mut items, rest);
                out.push(Output::Send(link, Sending::Announcements(items)));
            }
        }
    }

    /// How it is told the message at its cursor. Pages are whole, and one's own messages nobody has sooner.
    fn telling(&self, graph: &Graph, ours: &AuthorKey) -> Telling {
        let position = Position(self.cursor);
        let author = graph.key(self.cursor).name.chain.author;
        match self.page.is_none() && author != *ours && self.naming.names(&author) {
            true => Telling::Named(position, graph.digest(self.cursor)),
            false => Telling::Whole(position),
        }
    }

    fn pump_messages(
        &mut self,
        link: LinkId,
        (graph, ours): (&Graph, &AuthorKey),
        end: u32,
        out: &mut Vec<Output>,
    ) {
        let mut bundle = Vec::new();
        let mut bundle_bytes = 0_u32;
        while self.cursor < end {
            if self.had.contains(self.cursor) {
                self.cursor += 1;
                continue;
            }
            if self.room == 0 || self.page.is_some_and(Page::is_over) {
                break;
            }
            let telling = self.telling(graph, ours);
            let bytes = match telling {
                Telling::Whole(at) => graph.bytes(at.0),
                Telling::Named(..) => NAMED_BYTES as u32,
            };
            let bytes = bytes + ITEM_EXTRA_BYTES as u32;
            let full =
                bundle.len() == BUNDLE_MAX || bundle_bytes.saturating_add(bytes) > BUNDLE_BYTES;
            if full && !bundle.is_empty() {
                let bundle = std::mem::take(&mut bundle);
                out.push(Output::Send(link, Sending::Messages(bundle)));
                bundle_bytes = 0;
            }
            bundle.push(telling);
            bundle_bytes += bytes;
            self.room = self.room.saturating_sub(bytes);
            if let Some(page) = &mut self.page {
                page.messages -= 1;
                page.bytes = page.bytes.saturating_sub(bytes);
            }
            self.cursor += 1;
        }
        if !bundle.is_empty() {
            out.push(Output::Send(link, Sending::Messages(bundle)));
        }
        self.had.forget_before(self.cursor);
        self.end_page(link, end, out);
    }

    /// A page that is over ends; with nothing left the neighbour is subscribed in the same step.
    fn end_page(&mut self, link: LinkId, end: u32, out: &mut Vec<Output>) {
        let Some(page) = self.page else {
            return;
        };
        let more = self.cursor < end;
        if more && !page.is_over() {
            return;
        }
        self.page = None;
        self.subscribed |= !more;
        out.push(Output::Send(link, Sending::PageEnd { more }));
    }
}

/// Announcements in a bundle, at most: with the greatest ones it stays within a link message.
const ANNOUNCEMENTS_OF_BUNDLE: usize = 256;
const _: () = assert!(ANNOUNCEMENTS_OF_BUNDLE <= BUNDLE_MAX);
const _: () = assert!(
    ANNOUNCEMENTS_OF_BUNDLE
        * (ITEM_EXTRA_BYTES + lamparina_protocol::peer::signed::ANNOUNCEMENT_BYTES_MAX)
        + 16
        <= lamparina_protocol::peer::link::LINK_MESSAGE_BYTES_MAX
);

impl Page {
    const fn is_over(self) -> bool {
        self.messages == 0 || self.bytes == 0
    }
}

/// All neighbours.
pub(super) type Links = BTreeMap<LinkId, Link>;

/// Links that are down on which something waits behind a message that was named: whoever said it may be gone for good, and
/// nobody else may have it.
#[derive(Clone, Debug, Default)]
pub(super) struct Parted(VecDeque<(Instant, LinkId, Link)>);

impl Parted {
    /// Keeps what waits on a link, where something does.
    pub(super) fn keep(&mut self, now: Instant, id: LinkId, link: Link) {
        let Some(gap) = link.gap.filter(Gap::is_waited_behind) else {
            return;
        };
        let mut parted = Link::new(now);
        (parted.gap, parted.pull) = (Some(gap), link.pull);
        self.0.push_back((now + PARTED_WITHIN, id, parted));
        if self.0.len() > PARTED_MAX {
            self.0.pop_front();
        }
    }

    /// Takes out one whose message is here.
    pub(super) fn take(&mut self, here: impl Fn(&Gap) -> bool) -> Option<(LinkId, Link)> {
        let here = |(_, _, link): &(_, _, Link)| link.gap.as_ref().is_some_and(&here);
        let at = self.0.iter().position(here)?;
        self.0.remove(at).map(|(_, id, link)| (id, link))
    }

    pub(super) fn forget_before(&mut self, now: Instant) {
        while self.0.front().is_some_and(|(until, ..)| *until <= now) {
            self.0.pop_front();
        }
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.0.front().map(|(until, ..)| *until)
    }
}
