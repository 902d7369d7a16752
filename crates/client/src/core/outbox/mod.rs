//! What was asked for and is not settled yet, in the order in which it was asked. Nothing leaves
//! the outbox before the server has answered it, and everything goes again, in order, on the next
//! connection: a message that the order knows already is answered with the stamp it has. Messages
//! have places without a hole, and none goes out before it is stored under its place.

mod cancel;
mod item;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;

use lamparina_protocol::message::{INLINE_TEXT_BYTES_MAX, QUESTIONS_MAX, Submit};
use lamparina_protocol::{Epoch, Lamport, Nick, Pseq};

use super::event::MessageName;
use super::keep::Kept;
pub use cancel::{Cancel, Cancelled};
pub use item::{Ask, Item, Said};

/// Things unsettled at a time, at most; who asks for more waits.
pub const OUTBOX_MAX: usize = 1_024;
/// Bytes of text unsettled at a time; the message that reaches it is still taken.
pub const OUTBOX_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Everything unsettled.
#[derive(Debug)]
pub struct Outbox {
    epoch: Epoch,
    /// The last place given in this epoch.
    last: Pseq,
    items: VecDeque<Item>,
    /// How many from the front are on their way over the present connection.
    under_way: usize,
    /// How many of these are questions: at most [`QUESTIONS_MAX`].
    reading: usize,
    /// A message whose text goes up beside it: until it is settled no other goes out.
    uploading: Option<MessageName>,
    messages: usize,
    bytes: usize,
    /// The last number given in this run.
    numbered: u64,
}

impl Outbox {
    /// An empty one.
    pub const fn new(epoch: Epoch) -> Self {
        Self {
            epoch,
            last: Pseq(0),
            items: VecDeque::new(),
            under_way: 0,
            reading: 0,
            uploading: None,
            messages: 0,
            bytes: 0,
            numbered: 0,
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
                number: 0,
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
            number: 0,
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

    /// Takes a message of another outbox, by the name that it was given there.
    pub fn adopt(&mut self, given: MessageName, submit: Submit) {
        self.say(submit);
        if let Some(said) = self.newest_mut() {
            said.given = given;
        }
    }

    /// The outbox of another log, or this one with more in it. Requests other than messages stay,
    /// and go behind what is in it; messages that were here keep their numbers.
    pub fn replace(&mut self, epoch: Epoch, last: Pseq, kept: Vec<Kept>) {
        let numbers: Vec<_> = self.said().map(|said| (said.given, said.number)).collect();
        let mut other = Self::of(epoch, last, kept);
        other.numbered = self.numbered;
        for said in other.said_mut() {
            let known = numbers.iter().find(|(given, _)| *given == said.given);
            said.number = known.map_or(0, |(_, number)| *number);
        }
        let unnamed = other.said_mut().filter(|said| said.number == 0);
        let mut numbered = self.numbered;
        for said in unnamed {
            numbered += 1;
            said.number = numbered;
        }
        other.numbered = numbered;
        let asks = std::mem::take(&mut self.items).into_iter();
        let asks = asks.filter(|item| matches!(item, Item::Ask(_)));
        other.items.extend(asks);
        *self = other;
    }

    fn push(&mut self, mut said: Said) {
        self.numbered += 1;
        said.number = self.numbered;
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

    /// Things unsettled.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// The next thing to send, which is on its way from now on. Changes up to `stored` are on disk.
    /// A question waits, and what is behind it, while as many are on their way as a server lets
    /// wait. Where the link speaks the BULK lane (`bulk`), a long message goes up in two parts; while
    /// it does, only questions that have no place among messages pass it.
    pub fn next_out(&mut self, stored: u64, bulk: bool) -> Option<&Item> {
        self.let_pass();
        let (reading, uploading) = (self.reading, self.uploading.is_some());
        let item = self.items.get_mut(self.under_way)?;
        match item {
            Item::Say(said) if said.ready > stored || uploading => return None,
            Item::Ask(ask) if uploading && !ask.passes_messages() => return None,
            Item::Say(said) => {
                said.sent = true;
                if bulk && is_long(&said.submit) {
                    self.uploading = Some(said.name());
                }
            }
            Item::Ask(ask) if ask.reads() && reading >= QUESTIONS_MAX => return None,
            Item::Ask(ask) => self.reading += usize::from(ask.reads()),
        }
        self.under_way += 1;
        Some(item)
    }

    /// While a text goes up: the first question that may pass messages comes before them.
    fn let_pass(&mut self) {
        if self.uploading.is_none() {
            return;
        }
        let passes = |item: &Item| matches!(item, Item::Ask(ask) if ask.passes_messages());
        let mut waiting = self.items.iter().skip(self.under_way);
        if let Some(behind) = waiting.position(passes).filter(|behind| *behind > 0)
            && let Some(item) = self.items.remove(self.under_way + behind)
        {
            self.items.insert(self.under_way, item);
        }
    }

    /// Whether a message is the next thing to go out, and may: changes up to `stored` are on disk.
    pub fn is_message_next(&self, stored: u64) -> bool {
        let next = self.items.get(self.under_way);
        let may = matches!(next, Some(Item::Say(said)) if said.ready <= stored);
        may && self.uploading.is_none()
    }

    /// The connection is gone: everything goes again.
    pub const fn rewind(&mut self) {
        (self.under_way, self.reading) = (0, 0);
        self.uploading = None;
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
        self.again();
    }

    /// Messages that are on their way go again, in order. Requests that are on it stay on it.
    pub fn again(&mut self) {
        self.uploading = None;
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

    /// The server has settled names that nothing here was ever sent by, up to `settled`: somebody
    /// else has used this outbox's epoch. What never went out takes places behind them. Gives who
    /// is called otherwise now; `None` where all is well.
    pub fn make_way(&mut self, settled: Pseq) -> Option<Vec<(MessageName, MessageName)>> {
        let unsent = self.said().find(|said| !said.sent);
        let first = unsent.map_or_else(|| self.next_place(), |said| said.submit.pseq);
        (settled >= first).then(|| self.move_unsent(first, Pseq(settled.0 + 1)))
    }

    /// Messages from `first` on, which never went out, go by the places from `to` on.
    fn move_unsent(&mut self, first: Pseq, to: Pseq) -> Vec<(MessageName, MessageName)> {
        let (epoch, mut next, mut moved) = (self.epoch, to, Vec::new());
        for said in self.said_mut().filter(|said| said.submit.pseq >= first) {
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
                if self.uploading == Some(said.name()) {
                    self.uploading = None;
                }
                self.messages -= 1;
                self.bytes -= said.submit.text.len();
                Some(*said)
            }
            Item::Ask(_) => None,
        }
    }

    fn remove(&mut self, place: usize) -> Option<Item> {
        let removed = self.items.remove(place)?;
        if place < self.under_way {
            self.under_way -= 1;
            let read = matches!(&removed, Item::Ask(ask) if ask.reads());
            self.reading -= usize::from(read);
        }
        Some(removed)
    }
}

/// Whether a message goes up in two parts, where the link speaks the BULK lane.
pub const fn is_long(submit: &Submit) -> bool {
    submit.text.len() > INLINE_TEXT_BYTES_MAX
}

fn name(submit: &Submit) -> MessageName {
    MessageName {
        epoch: submit.epoch,
        pseq: submit.pseq,
    }
}
