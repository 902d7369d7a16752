//! What a conversation is like now, for people: a copy, to look at.

use std::time::Duration;

use lamparina_protocol::{Audience, Epoch, Instant, Lamport, LogId, Nick, Pseq};

use super::{Conversation, Phase};
use crate::core::event::{MessageName, Summary};
use crate::core::outbox::Item;

/// Unsettled messages that a [`Status`] shows, at most.
pub const QUEUE_SHOWN_MAX: usize = 50;
/// Characters of each that it shows.
pub const QUEUE_TEXT_MAX: usize = 60;

/// One unsettled message.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct QueueLine {
    /// The name that `send` gave.
    pub name: MessageName,
    /// Its place among those of the outbox, as it goes out.
    pub place: Pseq,
    /// Since when it waits.
    pub age: Duration,
    /// For whom.
    pub audience: Audience,
    /// The text's beginning.
    pub text: String,
    /// Whether it is on its way over the present connection.
    pub under_way: bool,
    /// Whether it may have reached a server.
    pub sent: bool,
}

/// A conversation, as it is now.
#[derive(Clone, Debug)]
pub struct Status {
    /// The server's address, as given.
    pub server: String,
    /// The nick held or wanted.
    pub nick: Nick,
    /// In words: where it stands.
    pub state: String,
    /// The log that the server orders; all zero for none yet.
    pub log: LogId,
    /// The outbox's epoch.
    pub epoch: Epoch,
    /// The author's clock.
    pub clock: Lamport,
    /// The last stamp shown.
    pub shown_upto: Lamport,
    /// Messages shown.
    pub shown: u64,
    /// Messages that came again, and were not shown again.
    pub shown_before: u64,
    /// Gaps told.
    pub gaps: u64,
    /// Connections attempted.
    pub attempts: u32,
    /// What became of one's own messages.
    pub summary: Summary,
    /// The first [`QUEUE_SHOWN_MAX`] unsettled ones.
    pub queue: Vec<QueueLine>,
    /// Nicks known to be present.
    pub present: Vec<Nick>,
}

impl Conversation {
    /// The outbox's epoch.
    pub const fn epoch(&self) -> Epoch {
        self.outbox.epoch()
    }

    /// What it is like now.
    pub fn status(&self, now: Instant) -> Status {
        Status {
            server: self.config.server.clone(),
            nick: self.nick.clone(),
            state: self.state(now),
            log: self.cursor.log(),
            epoch: self.outbox.epoch(),
            clock: self.clock,
            shown_upto: self.cursor.shown(),
            shown: self.shown,
            shown_before: self.shown_before,
            gaps: self.gaps,
            attempts: self.attempts,
            summary: self.summary(),
            queue: self.queue(now),
            present: self.present.values().cloned().collect(),
        }
    }

    fn state(&self, now: Instant) -> String {
        match self.phase {
            Phase::Idle => "not started".to_owned(),
            Phase::Connecting => "connecting".to_owned(),
            Phase::Entering { .. } => "connected, waiting to be let in".to_owned(),
            Phase::Live { since } => {
                let seconds = now.saturating_since(since).as_secs();
                let pace = self.pace.announced();
                match pace.per_second {
                    0 => format!("connected for {seconds} s"),
                    rate => format!(
                        "connected for {seconds} s; {rate} messages a second go out, {} at once",
                        pace.burst
                    ),
                }
            }
            Phase::Waiting { until } => {
                let wait = until.saturating_since(now).as_secs_f32();
                format!("disconnected, trying again in {wait:.1} s")
            }
            Phase::Leaving { .. } => "leaving".to_owned(),
            Phase::Over => "over".to_owned(),
        }
    }

    fn queue(&self, now: Instant) -> Vec<QueueLine> {
        let unix = self.unix(now);
        let line = |(item, under_way): (&Item, bool)| match item {
            Item::Say(said) => Some(QueueLine {
                name: said.given,
                place: said.submit.pseq,
                age: Duration::from_micros(unix.saturating_sub(said.submit.sent_at.0)),
                audience: said.submit.audience.clone(),
                text: said.submit.text.chars().take(QUEUE_TEXT_MAX).collect(),
                under_way,
                sent: said.sent,
            }),
            Item::Ask(_) => None,
        };
        let lines = self.outbox.items().filter_map(line);
        lines.take(QUEUE_SHOWN_MAX).collect()
    }
}
