//! Events on their way to the program. While too many wait, the node takes nothing from links: a program
//! that does not read makes its peer stand still, and loses nothing.

use std::collections::VecDeque;

use tokio::sync::mpsc;

use crate::event::Event;

/// Events in the program's channel.
pub(crate) const EVENTS_MAX: usize = 1_024;
/// Events that wait for room there, before links have to wait too. One message of a link makes no more than
/// a page's worth beyond it.
pub(super) const BACKLOG_MAX: usize = 16_384;

/// Events that have happened.
#[derive(Debug)]
pub(super) struct Backlog {
    waiting: VecDeque<Event>,
    events: mpsc::Sender<Event>,
    /// The program has let go of its end.
    pub(super) gone: bool,
}

impl Backlog {
    pub(super) const fn new(events: mpsc::Sender<Event>) -> Self {
        Self {
            waiting: VecDeque::new(),
            events,
            gone: false,
        }
    }

    /// Whether there is room for what links bring.
    pub(super) fn has_room(&self) -> bool {
        self.waiting.len() < BACKLOG_MAX
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    pub(super) fn extend(&mut self, events: impl IntoIterator<Item = Event>) {
        self.waiting.extend(events);
        self.pass_on();
    }

    /// Moves what the program has room for.
    pub(super) fn pass_on(&mut self) {
        while let Some(event) = self.waiting.pop_front() {
            match self.events.try_send(event) {
                Ok(()) => {}
                Err(mpsc::error::TrySendError::Full(event)) => {
                    self.waiting.push_front(event);
                    return;
                }
                Err(mpsc::error::TrySendError::Closed(_)) => {
                    self.gone = true;
                    self.waiting.clear();
                }
            }
        }
    }

    /// Waits until the program has room, or is gone. Cancel-safe.
    pub(super) async fn room(&self) {
        // What is reserved is given back at once: only that there is some matters.
        let _ = self.events.reserve().await;
    }
}
