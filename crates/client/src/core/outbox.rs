//! What was asked for and is not settled yet, in the order in which it was asked. Nothing leaves
//! the outbox before the server has answered it, and everything goes again, in order, on the next
//! connection: a message that the order knows already is answered with the stamp it has.

use std::collections::VecDeque;

use lamparina_protocol::message::Submit;
use lamparina_protocol::{Epoch, Lamport, Nick, Pseq, RoomName};

use super::event::MessageName;

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
}

/// One thing asked for.
#[derive(Clone, Debug)]
pub enum Item {
    /// A message.
    Say {
        /// The name that `send` gave.
        given: MessageName,
        /// The message as it goes out; its epoch and place may be others by now.
        submit: Submit,
    },
    /// Anything else.
    Ask(Ask),
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

    /// Its epoch.
    pub const fn epoch(&self) -> Epoch {
        self.epoch
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

    /// Takes a message and names it.
    pub fn say(&mut self, mut submit: Submit) -> MessageName {
        self.last = Pseq(self.last.0 + 1);
        (submit.epoch, submit.pseq) = (self.epoch, self.last);
        self.bytes += submit.text.len();
        self.messages += 1;
        let given = name(&submit);
        self.items.push_back(Item::Say { given, submit });
        given
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

    /// The next thing to send, which is on its way from now on.
    pub fn next_out(&mut self) -> Option<&Item> {
        let item = self.items.get(self.under_way)?;
        self.under_way += 1;
        Some(item)
    }

    /// The connection is gone: everything goes again.
    pub const fn rewind(&mut self) {
        self.under_way = 0;
    }

    /// The place of the first message unsettled.
    pub fn first(&self) -> Option<Pseq> {
        self.items.iter().find_map(|item| match item {
            Item::Say { submit, .. } => Some(submit.pseq),
            Item::Ask(_) => None,
        })
    }

    /// The place that the next message gets.
    pub const fn next_place(&self) -> Pseq {
        Pseq(self.last.0 + 1)
    }

    /// The message is settled. `None` where it was before.
    pub fn settle(&mut self, settled: MessageName) -> Option<(MessageName, Submit)> {
        let here =
            |item: &Item| matches!(item, Item::Say { submit, .. } if name(submit) == settled);
        let place = self.items.iter().position(here)?;
        match self.remove(place)? {
            Item::Say { given, submit } => {
                self.messages -= 1;
                self.bytes -= submit.text.len();
                Some((given, submit))
            }
            Item::Ask(_) => None,
        }
    }

    /// The first request on its way that `fits` is answered. `None` where nobody asked.
    pub fn answered(&mut self, fits: impl Fn(&Ask) -> bool) -> Option<Ask> {
        let here = |item: &Item| matches!(item, Item::Ask(ask) if fits(ask));
        let place = self.items.iter().take(self.under_way).position(here)?;
        match self.remove(place)? {
            Item::Ask(ask) => Some(ask),
            Item::Say { .. } => None,
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

    /// Another life: messages are named anew, in order, and have seen nothing of the new log.
    pub fn renew(&mut self, epoch: Epoch) {
        (self.epoch, self.last) = (epoch, Pseq(0));
        for submit in submits(&mut self.items) {
            self.last = Pseq(self.last.0 + 1);
            (submit.epoch, submit.pseq) = (epoch, self.last);
        }
        self.rewind();
    }

    /// Makes every clock honest before it goes out (again): none is more than one ahead of `head`,
    /// the order's clock, nor of what those before it raise the order to. With `fresh` every clock
    /// is taken anew and `seen` is zero: they came from another log. Gives the last clock.
    pub fn set_clocks(&mut self, head: Lamport, fresh: bool) -> Lamport {
        let mut bound = head;
        for submit in submits(&mut self.items) {
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

fn submits(items: &mut VecDeque<Item>) -> impl Iterator<Item = &mut Submit> {
    items.iter_mut().filter_map(|item| match item {
        Item::Say { submit, .. } => Some(submit),
        Item::Ask(_) => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::testing::submit;

    fn clocks(outbox: &Outbox) -> Vec<u64> {
        let clock = |(item, _): (&Item, bool)| match item {
            Item::Say { submit, .. } => submit.clock.get(),
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
        while outbox.next_out().is_some() {}
        let second = MessageName {
            epoch: Epoch(1),
            pseq: Pseq(2),
        };
        assert!(outbox.settle(second).is_some());
        assert!(outbox.settle(second).is_none());
        assert_eq!(outbox.first(), Some(Pseq(1)));
        outbox.rewind();
        assert!(outbox.answered(|ask| *ask == Ask::Who).is_none());
        while outbox.next_out().is_some() {}
        assert!(outbox.answered(|ask| *ask == Ask::Who).is_some());
        assert_eq!(clocks(&outbox), [1, 3]);
        outbox.renew(Epoch(9));
        let places: Vec<_> = submits(&mut outbox.items).map(|one| one.pseq.0).collect();
        assert_eq!(places, [1, 2]);
    }
}
