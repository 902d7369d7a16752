//! What was asked for and is not settled yet, in the order in which it was asked. Nothing leaves
//! the outbox before the server has answered it, and everything goes again, in order, on the next
//! connection: a message that the order knows already is answered with the stamp it has. Messages
//! have places without a hole, and none goes out before it is stored under its place.

use std::collections::VecDeque;

use lamparina_protocol::message::Submit;
use lamparina_protocol::{Epoch, Lamport, Nick, Pseq, RoomName};

use super::event::MessageName;
use super::keep::Kept;

/// Things unsettled at a time, at most; who asks for more waits.
pub const OUTBOX_MAX: usize = 1_024;
/// Bytes of text unsettled at a time; the message that reaches it is still taken.
pub const OUTBOX_BYTES_MAX: usize = 8 * 1024 * 1024;

/// A request other than a message.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Ask {
    /// Into a room.
    Join(RoomName),
    /// Out of it.
    Leave(RoomName),
    /// Another name.
    Rename(Nick),
    /// Who is connected.
    Who,
    /// Settings for the server's bad channel.
    Channel(String),
    /// What was said before.
    History {
        /// Before this stamp; zero for the newest.
        before: Lamport,
        /// How many, at most.
        count: u32,
    },
    /// Messages that hold these words.
    Find {
        /// All of them.
        words: String,
        /// Before this stamp; zero for the newest.
        before: Lamport,
        /// How many, at most.
        count: u32,
    },
    /// What is known of a message's way.
    Trace(Lamport),
    /// Why these two stand in their order.
    Why(Lamport, Lamport),
}

impl Ask {
    /// Whether it is answered from what is stored, beside the order's own answers.
    pub const fn reads(&self) -> bool {
        matches!(
            self,
            Self::History { .. } | Self::Find { .. } | Self::Trace(_) | Self::Why(..)
        )
    }
}

/// A message, and how far it has come.
#[derive(Clone, Debug)]
pub struct Said {
    /// The name that `send` gave.
    pub given: MessageName,
    /// The message as it goes out; its epoch and place may be others by now.
    pub submit: Submit,
    /// It may have reached a server, in this run or an earlier one.
    pub sent: bool,
    /// The disk is told that it may have.
    pub(super) marked: bool,
    /// The change that stores it, and the one that must be stored before it may go out.
    pub(super) said: u64,
    pub(super) ready: u64,
    /// Its author knows that it is stored.
    pub(super) queued: bool,
    /// Not judged, because the one before it was not kept: it goes again under another name.
    passed_over: bool,
}

impl Said {
    fn name(&self) -> MessageName {
        name(&self.submit)
    }
}

/// One thing asked for.
#[derive(Clone, Debug)]
pub enum Item {
    /// A message.
    Say(Box<Said>),
    /// Anything else.
    Ask(Ask),
}

/// Which messages to cancel.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Cancel {
    /// The one at this place.
    One(Pseq),
    /// All that can be.
    All,
}

/// What came of it.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Cancelled {
    /// Taken back, by the names that `send` gave.
    pub cancelled: Vec<MessageName>,
    /// Stay, because they may have reached a server.
    pub too_late: usize,
    /// Are called otherwise from now on: before, and after.
    pub moved: Vec<(MessageName, MessageName)>,
}

/// Everything unsettled.
#[derive(Debug)]
pub struct Outbox {
    epoch: Epoch,
    /// The last place given in this epoch.
    last: Pseq,
    items: VecDeque<Item>,
    /// How many from the front are on their way over the present connection.
    under_way: usize,
    messages: usize,
    bytes: usize,
}

impl Outbox {
    /// An empty one.
    pub const fn new(epoch: Epoch) -> Self {
        Self {
            epoch,
            last: Pseq(0),
            items: VecDeque::new(),
            under_way: 0,
            messages: 0,
            bytes: 0,
        }
    }

    /// One that was kept; everything in it is stored.
    pub fn of(epoch: Epoch, last: Pseq, kept: Vec<Kept>) -> Self {
        let mut outbox = Self::new(epoch);
        for Kept {
            given,
            submit,
            tried,
        } in kept
        {
            outbox.push(Said {
                given,
                submit,
                sent: tried,
                marked: tried,
                said: 0,
                ready: 0,
                queued: true,
                passed_over: false,
            });
        }
        outbox.last = last;
        outbox
    }

    /// Its epoch.
    pub const fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// The last place given in it.
    pub const fn last(&self) -> Pseq {
        self.last
    }

    /// Whether one more thing may be asked for.
    pub fn has_room(&self) -> bool {
        self.items.len() < OUTBOX_MAX && self.bytes < OUTBOX_BYTES_MAX
    }

    /// Whether nothing is unsettled.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Messages unsettled.
    pub const fn messages(&self) -> usize {
        self.messages
    }

    /// Everything unsettled, in order, and whether it is on its way.
    pub fn items(&self) -> impl Iterator<Item = (&Item, bool)> {
        let under_way = self.under_way;
        let mark = move |(place, item)| (item, place < under_way);
        self.items.iter().enumerate().map(mark)
    }

    /// The messages, in order.
    pub fn said(&self) -> impl Iterator<Item = &Said> {
        self.items.iter().filter_map(|item| match item {
            Item::Say(said) => Some(&**said),
            Item::Ask(_) => None,
        })
    }

    pub(super) fn said_mut(&mut self) -> impl Iterator<Item = &mut Said> {
        self.items.iter_mut().filter_map(|item| match item {
            Item::Say(said) => Some(&mut **said),
            Item::Ask(_) => None,
        })
    }

    /// Takes a message and names it.
    pub fn say(&mut self, mut submit: Submit) -> MessageName {
        self.last = Pseq(self.last.0 + 1);
        (submit.epoch, submit.pseq) = (self.epoch, self.last);
        let given = name(&submit);
        self.push(Said {
            given,
            submit,
            sent: false,
            marked: false,
            said: 0,
            ready: 0,
            queued: false,
            passed_over: false,
        });
        given
    }

    fn push(&mut self, said: Said) {
        self.bytes += said.submit.text.len();
        self.messages += 1;
        self.items.push_back(Item::Say(Box::new(said)));
    }

    /// The newest message, where it is the last thing asked for.
    pub(super) fn newest_mut(&mut self) -> Option<&mut Said> {
        match self.items.back_mut()? {
            Item::Say(said) => Some(said),
            Item::Ask(_) => None,
        }
    }

    /// Takes another request.
    pub fn ask(&mut self, ask: Ask) {
        self.items.push_back(Item::Ask(ask));
    }

    /// Takes another request, ahead of everything; once, however often it is taken. Nothing may be
    /// on its way.
    pub fn ask_first(&mut self, ask: Ask) {
        self.forget(|other| *other == ask);
        self.items.push_front(Item::Ask(ask));
    }

    /// The next thing to send, which is on its way from now on. Changes up to `stored` are on disk.
    pub fn next_out(&mut self, stored: u64) -> Option<&Item> {
        let item = self.items.get_mut(self.under_way)?;
        if let Item::Say(said) = item {
            if said.ready > stored {
                return None;
            }
            said.sent = true;
        }
        self.under_way += 1;
        Some(item)
    }

    /// The connection is gone: everything goes again.
    pub const fn rewind(&mut self) {
        self.under_way = 0;
    }

    /// The name of the first message unsettled.
    pub fn first(&self) -> Option<MessageName> {
        self.said().next().map(Said::name)
    }

    /// The place that the next message gets.
    pub const fn next_place(&self) -> Pseq {
        Pseq(self.last.0 + 1)
    }

    /// The message is settled. `None` where it was before.
    pub fn settle(&mut self, settled: MessageName) -> Option<(MessageName, Submit)> {
        let here = |item: &Item| matches!(item, Item::Say(said) if said.name() == settled);
        let place = self.items.iter().position(here)?;
        let said = self.remove_said(place)?;
        Some((said.given, said.submit))
    }

    /// The first request on its way that `fits` is answered. `None` where nobody asked.
    pub fn answered(&mut self, fits: impl Fn(&Ask) -> bool) -> Option<Ask> {
        let here = |item: &Item| matches!(item, Item::Ask(ask) if fits(ask));
        let place = self.items.iter().take(self.under_way).position(here)?;
        match self.remove(place)? {
            Item::Ask(ask) => Some(ask),
            Item::Say(_) => None,
        }
    }

    /// Takes back every request that `fits`. Says whether there was one.
    pub fn forget(&mut self, fits: impl Fn(&Ask) -> bool) -> bool {
        let here = |item: &Item| matches!(item, Item::Ask(ask) if fits(ask));
        let mut any = false;
        while let Some(place) = self.items.iter().position(here) {
            self.remove(place);
            any = true;
        }
        any
    }

    /// The last name asked for that may have been taken already.
    pub fn rename_under_way(&self) -> Option<&Nick> {
        let sent = self.items.iter().take(self.under_way);
        sent.rev().find_map(|item| match item {
            Item::Ask(Ask::Rename(nick)) => Some(nick),
            _ => None,
        })
    }

    /// Another life: messages are named anew, in order, and go again. Requests that are on their
    /// way stay on it.
    pub fn renew(&mut self, epoch: Epoch) {
        (self.epoch, self.last) = (epoch, Pseq(0));
        let mut last = 0;
        for said in self.said_mut() {
            last += 1;
            (said.submit.epoch, said.submit.pseq) = (epoch, Pseq(last));
            (said.sent, said.passed_over) = (false, false);
        }
        self.last = Pseq(last);
        let rest = self.items.split_off(self.under_way);
        let (mut asked, said): (VecDeque<_>, VecDeque<_>) = std::mem::take(&mut self.items)
            .into_iter()
            .partition(|item| matches!(item, Item::Ask(_)));
        self.under_way = asked.len();
        asked.extend(said);
        asked.extend(rest);
        self.items = asked;
    }

    /// The server did not judge `passed`, because one before it was not kept.
    pub fn pass_over(&mut self, passed: MessageName) {
        if let Some(said) = self.said_mut().find(|said| said.name() == passed) {
            said.passed_over = true;
        }
    }

    /// Whether every message on its way has been passed over.
    pub fn is_passed_over(&self) -> bool {
        let mut sent = self.items.iter().take(self.under_way);
        sent.all(|item| !matches!(item, Item::Say(said) if !said.passed_over))
    }

    /// Takes back messages that never went out. Those behind one move up, for places have no
    /// holes. `None` where there is none at that place.
    pub fn cancel(&mut self, which: Cancel) -> Option<Cancelled> {
        let mut done = Cancelled::default();
        let mut hole = None;
        let mut place = 0;
        while let Some(item) = self.items.get(place) {
            let wanted = match item {
                Item::Say(said) if which == Cancel::All => Some((said.submit.pseq, said.sent)),
                Item::Say(said) if which == Cancel::One(said.submit.pseq) => {
                    Some((said.submit.pseq, said.sent))
                }
                _ => None,
            };
            match wanted {
                Some((pseq, false)) => {
                    hole.get_or_insert(pseq);
                    let said = self.remove_said(place);
                    done.cancelled.extend(said.map(|said| said.given));
                    continue;
                }
                Some((_, true)) => done.too_late += 1,
                None => {}
            }
            place += 1;
        }
        done.moved = self.close_hole(hole);
        let found = done.too_late > 0 || !done.cancelled.is_empty();
        (found || which == Cancel::All).then_some(done)
    }

    /// Takes back what its author does not know to be stored: the newest messages.
    pub(super) fn drop_unstored(&mut self) -> Vec<MessageName> {
        let (mut dropped, mut hole) = (Vec::new(), None);
        let unstored = |item: &Item| matches!(item, Item::Say(said) if !said.queued);
        while let Some(place) = self.items.iter().position(unstored) {
            if let Some(said) = self.remove_said(place) {
                hole.get_or_insert(said.submit.pseq);
                dropped.push(said.given);
            }
        }
        self.close_hole(hole);
        dropped
    }

    /// Messages behind `hole`, which never went out, move up. Gives those whose names change.
    fn close_hole(&mut self, hole: Option<Pseq>) -> Vec<(MessageName, MessageName)> {
        let Some(hole) = hole else {
            return Vec::new();
        };
        let (epoch, mut next, mut moved) = (self.epoch, hole, Vec::new());
        for said in self.said_mut().filter(|said| said.submit.pseq > hole) {
            let (was, pseq) = (said.name(), next);
            said.submit.pseq = pseq;
            // Where a new epoch has named it otherwise already, its author knows the first name.
            if said.given == was {
                said.given = MessageName { epoch, pseq };
                moved.push((was, said.given));
            }
            next = Pseq(pseq.0 + 1);
        }
        self.last = Pseq(next.0 - 1);
        moved
    }

    /// Makes every clock honest before it goes out (again): none is more than one ahead of `head`,
    /// the order's clock, nor of what those before it raise the order to. With `fresh` every clock
    /// is taken anew and `seen` is zero: they came from another log. Gives the last clock.
    pub fn set_clocks(&mut self, head: Lamport, fresh: bool) -> Lamport {
        let mut bound = head;
        for Said { submit, .. } in self.said_mut() {
            let honest = bound.tick().unwrap_or(bound);
            if fresh || submit.clock > honest {
                submit.clock = honest;
            }
            if fresh {
                submit.seen = Lamport::ZERO;
            }
            bound = bound.max(submit.clock);
        }
        bound
    }

    fn remove_said(&mut self, place: usize) -> Option<Said> {
        match self.remove(place)? {
            Item::Say(said) => {
                self.messages -= 1;
                self.bytes -= said.submit.text.len();
                Some(*said)
            }
            Item::Ask(_) => None,
        }
    }

    fn remove(&mut self, place: usize) -> Option<Item> {
        if place < self.under_way {
            self.under_way -= 1;
        }
        self.items.remove(place)
    }
}

fn name(submit: &Submit) -> MessageName {
    MessageName {
        epoch: submit.epoch,
        pseq: submit.pseq,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::testing::submit;

    fn clocks(outbox: &Outbox) -> Vec<u64> {
        let clock = |(item, _): (&Item, bool)| match item {
            Item::Say(said) => said.submit.clock.get(),
            Item::Ask(_) => 0,
        };
        outbox.items().map(clock).collect()
    }

    fn with_clocks(given: &[u64]) -> Outbox {
        let mut outbox = Outbox::new(Epoch(1));
        for clock in given {
            outbox.say(submit("x", *clock));
        }
        outbox
    }

    #[track_caller]
    fn check(given: &[u64], head: u64, fresh: bool, expected: &[u64]) {
        let mut outbox = with_clocks(given);
        let last = outbox.set_clocks(Lamport::new(head), fresh);
        assert_eq!(clocks(&outbox), expected);
        assert_eq!(last.get(), expected.iter().copied().fold(head, u64::max));
    }

    #[test]
    fn clocks_stay_honest_when_sent_again() {
        check(&[5, 6, 7], 4, false, &[5, 6, 7]);
        check(&[5, 6, 7], 90, false, &[5, 6, 7]);
        check(&[5, 9, 10], 4, false, &[5, 6, 7]);
        check(&[50, 51], 4, true, &[5, 6]);
        check(&[5, 6], 90, true, &[91, 92]);
        check(&[], 4, true, &[]);
    }

    #[test]
    fn what_is_settled_leaves_and_the_rest_goes_again_in_order() {
        let mut outbox = with_clocks(&[1, 2, 3]);
        outbox.ask(Ask::Who);
        while outbox.next_out(0).is_some() {}
        let second = MessageName {
            epoch: Epoch(1),
            pseq: Pseq(2),
        };
        assert!(outbox.settle(second).is_some());
        assert!(outbox.settle(second).is_none());
        assert_eq!(outbox.first().map(|name| name.pseq), Some(Pseq(1)));
        outbox.rewind();
        assert!(outbox.answered(|ask| *ask == Ask::Who).is_none());
        while outbox.next_out(0).is_some() {}
        assert!(outbox.answered(|ask| *ask == Ask::Who).is_some());
        assert_eq!(clocks(&outbox), [1, 3]);
        outbox.renew(Epoch(9));
        assert_eq!(places(&outbox), [1, 2]);
    }

    fn places(outbox: &Outbox) -> Vec<u64> {
        outbox.said().map(|said| said.submit.pseq.0).collect()
    }

    fn pseqs(names: &[MessageName]) -> Vec<u64> {
        names.iter().map(|name| name.pseq.0).collect()
    }

    /// Five messages, of which `sent` went out; what is cancelled, too late, and left.
    #[track_caller]
    fn check_cancel(sent: usize, which: Cancel, expected: Option<(&[u64], usize, &[u64])>) {
        let mut outbox = with_clocks(&[1, 2, 3, 4, 5]);
        for _ in 0..sent {
            outbox.next_out(0);
        }
        let before: Vec<_> = outbox.said().map(|said| said.submit.clock).collect();
        let done = outbox.cancel(which);
        let (cancelled, too_late) = match &done {
            Some(done) => (pseqs(&done.cancelled), done.too_late),
            None => return assert_eq!(expected, None),
        };
        let left = clocks(&outbox);
        assert_eq!(Some((&cancelled[..], too_late, &left[..])), expected);
        let without_holes: Vec<_> = (1..=left.len() as u64).collect();
        assert_eq!(places(&outbox), without_holes);
        assert_eq!(outbox.next_place().0, left.len() as u64 + 1);
        for (was, now) in done.into_iter().flat_map(|done| done.moved) {
            let said = outbox.said().find(|said| said.given == now);
            let clock = said.map(|said| said.submit.clock);
            assert_eq!(clock, Some(before[was.pseq.0 as usize - 1]));
        }
    }

    #[test]
    fn what_never_went_out_can_be_cancelled_and_leaves_no_hole() {
        let one = |pseq| Cancel::One(Pseq(pseq));
        check_cancel(0, one(1), Some((&[1], 0, &[2, 3, 4, 5])));
        check_cancel(2, one(3), Some((&[3], 0, &[1, 2, 4, 5])));
        check_cancel(2, one(5), Some((&[5], 0, &[1, 2, 3, 4])));
        check_cancel(2, one(2), Some((&[], 1, &[1, 2, 3, 4, 5])));
        check_cancel(2, one(6), None);
        check_cancel(2, Cancel::All, Some((&[3, 4, 5], 2, &[1, 2])));
        check_cancel(5, Cancel::All, Some((&[], 5, &[1, 2, 3, 4, 5])));
        // What went out in an earlier run stays too.
        let mut outbox = with_clocks(&[1, 2]);
        outbox.next_out(0);
        let kept = |said: &Said| Kept {
            given: said.given,
            submit: said.submit.clone(),
            tried: said.sent,
        };
        let kept: Vec<_> = outbox.said().map(kept).collect();
        let mut outbox = Outbox::of(Epoch(1), Pseq(2), kept);
        let done = outbox.cancel(Cancel::All).unwrap();
        assert_eq!((pseqs(&done.cancelled), done.too_late), (vec![2], 1));
        assert_eq!(outbox.last(), Pseq(1));
    }

    #[test]
    fn nothing_goes_out_before_it_is_stored() {
        let mut outbox = with_clocks(&[1, 2]);
        outbox
            .said_mut()
            .for_each(|said| said.ready = said.submit.clock.get());
        assert!(outbox.next_out(0).is_none());
        assert!(outbox.next_out(1).is_some());
        assert!(outbox.next_out(1).is_none());
        assert!(outbox.next_out(2).is_some());
    }

    #[test]
    fn renewed_messages_go_again_and_requests_under_way_do_not() {
        let mut outbox = with_clocks(&[1]);
        outbox.ask(Ask::Who);
        outbox.say(submit("x", 2));
        while outbox.next_out(0).is_some() {}
        outbox.ask(Ask::Join(RoomName::try_from("lab").unwrap()));
        outbox.renew(Epoch(2));
        let mut out = Vec::new();
        while let Some(item) = outbox.next_out(0) {
            out.push(match item {
                Item::Say(said) => said.submit.pseq.0,
                Item::Ask(_) => 0,
            });
        }
        assert_eq!(out, [1, 2, 0]);
        assert!(outbox.answered(|ask| *ask == Ask::Who).is_some());
    }
}
