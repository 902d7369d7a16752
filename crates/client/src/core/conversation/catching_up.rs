//! Coming back: from which stamp deliveries go on, what was missed, and what is no longer there.

use lamparina_protocol::{Instant, Lamport, Pseq};

use super::receiving::error;
use super::{Conversation, Output};
use crate::core::cursor::Resumed;
use crate::core::event::Event;
use crate::core::keep::Place;

/// What was missed, and how much of it has come.
#[derive(Clone, Copy, Debug)]
pub(super) struct CatchingUp {
    to: Lamport,
    count: u64,
}

/// What the server says of where we were.
pub(super) struct Back {
    pub(super) settled: Pseq,
    pub(super) resumed: Lamport,
    pub(super) gap: bool,
    pub(super) newest: Lamport,
    pub(super) rewound: bool,
    pub(super) same: Lamport,
}

impl Conversation {
    /// Let in: goes on where we were, as far as that is still there.
    pub(super) fn back(&mut self, now: Instant, back: Back, out: &mut Vec<Output>) {
        self.resumed(&back, out);
        self.catch_up(back.newest, out);
        self.check_settled(now, back.settled, out);
        self.make_way(back.settled, out);
    }

    /// The server has settled what we never sent: by a copy of this profile, or before the outbox
    /// was restored from one. By these names ours would be taken for what they named.
    fn make_way(&mut self, settled: Pseq, out: &mut Vec<Output>) {
        if !self.is_live() {
            return;
        }
        let Some(moved) = self.outbox.make_way(settled) else {
            return;
        };
        let text = "this outbox was restored from a copy, or a copy of it is in use elsewhere: \
                    messages that it does not know of were sent by its names. What has not been sent \
                    goes by other ones; use each profile in one place only";
        out.push(error("outbox", text.to_owned(), None));
        self.requeue(moved);
    }

    fn resumed(&mut self, back: &Back, out: &mut Vec<Output>) {
        let highest = self.keeper.place().highest.max(self.cursor.shown());
        let all_written = self.keeper.place().shown >= self.cursor.shown();
        let resumed = self
            .cursor
            .resume(self.term, back.resumed, back.gap, back.rewound);
        let shown = match resumed {
            Resumed::There if all_written => self.cursor.shown(),
            Resumed::There => self.keeper.place().shown,
            Resumed::Lost { from, to } => {
                self.gaps += 1;
                let text = format!(
                    "messages between stamps {from} and {to} are no longer kept by this server; \
                     what follows is complete again"
                );
                out.push(error("gap", text, None));
                if all_written {
                    to
                } else {
                    self.keeper.place().shown
                }
            }
            Resumed::Rewound { from, to } => {
                self.consumed.rewind(to);
                self.clock = self.outbox.set_clocks(self.head, true);
                let from = from.max(highest);
                out.push(Output::Event(Event::Rewound { from, to }));
                to
            }
        };
        let rewound = matches!(resumed, Resumed::Rewound { .. });
        if !rewound && highest > back.same {
            // Deliveries go on where they were, but of what was shown beside them some is gone.
            let (from, to) = (highest, back.same);
            out.push(Output::Event(Event::Rewound { from, to }));
        }
        self.keeper.set_place(Place {
            log: self.cursor.log(),
            term: self.term,
            shown,
            highest: self.keeper.place().highest.min(back.same),
        });
        if rewound {
            // What is unsettled has seen other stamps than those that it was stored with.
            self.keep_whole();
        }
    }

    fn catch_up(&mut self, newest: Lamport, out: &mut Vec<Output>) {
        let from = self.cursor.shown();
        self.catching_up = None;
        if newest > from {
            self.catching_up = Some(CatchingUp {
                to: newest,
                count: 0,
            });
            out.push(Output::Event(Event::CatchUp { from, to: newest }));
        }
    }

    /// A message has been shown that one may have missed.
    pub(super) fn caught(&mut self, stamp: Lamport, out: &mut Vec<Output>) {
        let Some(missed) = &mut self.catching_up else {
            return;
        };
        missed.count += 1;
        if stamp >= missed.to {
            let (count, upto) = (missed.count, stamp);
            self.catching_up = None;
            out.push(Output::Event(Event::CaughtUp { count, upto }));
        }
    }

    /// The server knows fewer of our messages than it has answered: they would all be refused.
    fn check_settled(&mut self, now: Instant, settled: Pseq, out: &mut Vec<Output>) {
        let first = self.outbox.first().map(|name| name.pseq);
        let first = first.unwrap_or_else(|| self.outbox.next_place());
        if settled.0.saturating_add(1) >= first.0 {
            return;
        }
        let text = format!(
            "the server's log has lost messages of yours that had their place: it knows {settled} \
             of {} of this outbox; what has no place yet goes again under new names",
            first.0 - 1
        );
        out.push(error("lost-messages", text, None));
        self.renew_epoch(now);
        let text = "the server has lost track of our messages".to_owned();
        self.broken(now, text, out);
    }
}
