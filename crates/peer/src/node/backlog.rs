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

/// Bytes of their texts that wait there, likewise.
const BACKLOG_BYTES_MAX: usize = 64 << 20;

/// Events that have happened.
#[derive(Debug)]
pub(super) struct Backlog {
    waiting: VecDeque<Event>,
    /// Of the texts of what waits.
    bytes: usize,
    events: mpsc::Sender<Event>,
    /// The program has let go of its end.
    pub(super) gone: bool,
}

impl Backlog {
    pub(super) const fn new(events: mpsc::Sender<Event>) -> Self {
        Self {
            waiting: VecDeque::new(),
            bytes: 0,
            events,
            gone: false,
        }
    }

    /// Whether there is room for what links bring.
    pub(super) fn has_room(&self) -> bool {
        self.waiting.len() < BACKLOG_MAX && self.bytes < BACKLOG_BYTES_MAX
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    pub(super) fn extend(&mut self, events: impl IntoIterator<Item = Event>) {
        for event in events {
            self.bytes += text_bytes(&event);
            self.waiting.push_back(event);
        }
        self.pass_on();
    }

    /// Moves what the program has room for.
    pub(super) fn pass_on(&mut self) {
        while let Some(event) = self.waiting.pop_front() {
            let bytes = text_bytes(&event);
            match self.events.try_send(event) {
                Ok(()) => self.bytes -= bytes,
                Err(mpsc::error::TrySendError::Full(event)) => {
                    self.waiting.push_front(event);
                    return;
                }
                Err(mpsc::error::TrySendError::Closed(_)) => {
                    self.gone = true;
                    self.waiting.clear();
                    self.bytes = 0;
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

/// Bytes of what somebody said; all else of an event is small.
fn text_bytes(event: &Event) -> usize {
    match event {
        Event::Message(line) => line.text.len(),
        Event::Committed { text, .. } | Event::Warning { text, .. } => text.len(),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_fill_it_and_reading_makes_room() {
        let (events, mut program) = mpsc::channel(1);
        let mut backlog = Backlog::new(events);
        let told = |bytes: usize| Event::Warning {
            code: "test",
            text: "x".repeat(bytes),
        };
        // The first waits in the program's channel already.
        backlog.extend([told(1), told(BACKLOG_BYTES_MAX - 1)]);
        assert!(backlog.has_room());
        backlog.extend([told(1)]);
        assert!(!backlog.has_room());
        program.try_recv().unwrap();
        backlog.pass_on();
        assert!(backlog.has_room());
        assert_eq!(backlog.bytes, 1);
        drop(program);
        backlog.pass_on();
        assert_eq!((backlog.bytes, backlog.gone), (0, true));
    }

    #[test]
    fn many_events_fill_it() {
        let (events, _program) = mpsc::channel(1);
        let mut backlog = Backlog::new(events);
        let told = || Event::Coordinator(None);
        backlog.extend((0..BACKLOG_MAX).map(|_| told()));
        assert!(backlog.has_room());
        backlog.extend([told()]);
        assert!(!backlog.has_room());
    }
}
