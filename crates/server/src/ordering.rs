//! The thread that orders. It takes what waits, applies it, has it stored, and only then lays the
//! batch down and rings: nothing is told before it is durable. It never waits for a client, and
//! the log takes events without waiting.

use std::sync::Arc;
use std::time::{Duration, Instant};

use lamparina_order::{Admission, Record, Recorded};
use lamparina_protocol::{Lamport, MemberId, UnixMicros};
use lamparina_store::{AppendError, Journal};
use tokio::runtime::Handle;
use tracing::{info, warn};

use crate::hub::{Applied, Asked, Batch, Hub, Rings, Unstored};
use crate::logger::{LogEvent, LogHandle};
use crate::shared::Shared;
use crate::snapshots::Snapshots;

/// Time from which on positions are stored although no message is.
const POSITIONS_WITHIN: Duration = Duration::from_secs(1);
/// Time between attempts to write to a full disk. Meanwhile requests are refused at once.
const FULL_PAUSE: Duration = Duration::from_millis(250);

/// What orders.
pub(crate) struct Orderer<'a> {
    shared: &'a Shared,
    runtime: &'a Handle,
    hub: Hub,
    journal: Box<dyn Journal>,
    snapshots: Snapshots,
    /// When the disk was found to be full.
    full_since: Option<Instant>,
    /// When to write again.
    full_until: Option<Instant>,
    messages: u64,
}

impl<'a> Orderer<'a> {
    pub(crate) fn new(
        shared: &'a Shared,
        runtime: &'a Handle,
        hub: Hub,
        journal: Box<dyn Journal>,
        since_snapshot: u64,
    ) -> Self {
        shared.set_order_clock(hub.clock());
        Self {
            shared,
            runtime,
            snapshots: Snapshots::new(hub.last_index().0, since_snapshot),
            hub,
            journal,
            full_since: None,
            full_until: None,
            messages: 0,
        }
    }

    /// Orders until the sequencer ends; gives how many messages it stamped.
    ///
    /// # Errors
    ///
    /// [`AppendError::Failed`], [`AppendError::Removed`]: nothing may follow.
    pub(crate) fn run(mut self) -> Result<u64, AppendError> {
        let mut asked = Vec::new();
        while self.next(&mut asked) {
            loop {
                self.batch(&mut asked)?;
                if asked.is_empty() {
                    break;
                }
            }
            if asked.capacity() > 2 * crate::sequencer::BATCH_REQUESTS {
                asked = Vec::new();
            }
        }
        self.finish()?;
        Ok(self.messages)
    }

    /// Waits for requests, or for positions to become due.
    fn next(&self, asked: &mut Vec<Asked>) -> bool {
        let next = self.shared.sequencer.next(asked);
        if !self.hub.has_positions() {
            return self.runtime.block_on(next);
        }
        let due = async { tokio::time::timeout(POSITIONS_WITHIN, next).await };
        self.runtime.block_on(due).unwrap_or(true)
    }

    fn batch(&mut self, asked: &mut Vec<Asked>) -> Result<(), AppendError> {
        let now = wall_clock();
        if self.full_until.is_some_and(|until| Instant::now() < until) {
            let told = self.hub.apply_unstored(now, std::mem::take(asked));
            told.into_iter().for_each(|told| self.tell(told));
            self.answer_operators();
            return Ok(());
        }
        let limits = self.shared.config.limits.get();
        self.hub.admit(Admission {
            // At most 64.
            rooms_per_member: limits.rooms_per_user as usize,
        });
        let applied = self.hub.apply(now, asked);
        match self.store(&applied) {
            Ok(()) => self.keep(applied),
            Err(why @ (AppendError::Full(_) | AppendError::Held(_))) => {
                self.unstored(now, applied, &why);
            }
            Err(failed) => {
                self.hub.abandon(&applied);
                return Err(failed);
            }
        }
        Ok(())
    }

    fn store(&mut self, applied: &Applied) -> Result<(), AppendError> {
        if !applied.needs_storing() {
            return Ok(());
        }
        self.journal.append(&applied.records, &applied.positions)
    }

    fn keep(&mut self, applied: Applied) {
        if applied.needs_storing() && self.full_until.take().is_some() {
            self.full_since = None;
            info!("the disk takes messages again");
        }
        self.log(&applied.records, &applied.consumed);
        for (from, to) in &applied.renamed {
            let (from, to) = (from.as_str(), to.as_str());
            self.shared.config.log.event(LogEvent::Renamed { from, to });
        }
        self.shared.members.note(&applied.records);
        let told = self.hub.keep(applied);
        self.shared.set_order_clock(self.hub.clock());
        if let Some(told) = told {
            self.tell(told);
        }
        self.answer_operators();
        let last = self.hub.last_index();
        if self.snapshots.is_due(last.0) {
            self.journal
                .keep_snapshot(last, self.hub.order().to_bytes());
        }
    }

    fn unstored(&mut self, now: UnixMicros, applied: Applied, why: &AppendError) {
        let unstored = match why {
            AppendError::Held(_) => Unstored::Held,
            _ => Unstored::Full,
        };
        let another = self.hub.cannot_store(unstored);
        // Said again where it is for another reason.
        if another || self.full_since.is_none() {
            self.full_since = Some(Instant::now());
            warn!("messages are refused: {why}; nothing needs to be started again");
        }
        self.full_until = Some(Instant::now() + FULL_PAUSE);
        self.log(&[], &applied.consumed);
        let told = self.hub.refuse(now, applied);
        told.into_iter().for_each(|told| self.tell(told));
        self.answer_operators();
    }

    fn answer_operators(&mut self) {
        for (ticket, answer) in self.hub.take_operated() {
            self.shared.operators.answer(ticket, answer);
        }
    }

    fn tell(&self, (batch, rings): (Batch, Rings)) {
        let position = self.shared.tail.push(batch);
        if rings.is_for_one() {
            return self.shared.bells.ring(rings, position);
        }
        // From here each session woken may cost a system call and this thread's turn; from within
        // the runtime they wait in its own queue.
        self.shared.bells.ring_later(rings, position);
        let bells = Arc::clone(&self.shared.bells);
        self.runtime.spawn(async move { bells.ring_waiting() });
    }

    /// What is left to store at an orderly end.
    fn finish(&mut self) -> Result<(), AppendError> {
        let last = self.hub.last_index();
        if self.snapshots.is_due_at_end(last.0) {
            self.journal
                .keep_snapshot(last, self.hub.order().to_bytes());
        }
        let applied = self.hub.apply(wall_clock(), &mut Vec::new());
        match self.store(&applied) {
            // Positions that are not stored show a message again, and no more.
            Ok(()) | Err(AppendError::Full(_) | AppendError::Held(_)) => Ok(()),
            Err(failed) => Err(failed),
        }
    }

    /// Writes to the log what is durable.
    fn log(&mut self, records: &[Record], consumed: &[(MemberId, Lamport, u64)]) {
        let log = &self.shared.config.log;
        // Nearly all are messages, in long runs, which are logged together.
        let is_message = |record: &Record| matches!(record.event, Recorded::Message(_));
        for run in records.chunk_by(|one, other| is_message(one) == is_message(other)) {
            if run.first().is_some_and(is_message) {
                self.messages += run.len() as u64;
                log.events(run.iter().filter_map(produced));
            } else {
                run.iter().for_each(|record| log_record(log, record));
            }
        }
        for (member, upto, count) in consumed {
            if let Some(by) = self.hub.order().nick_of(*member) {
                log.event(LogEvent::Consumed {
                    by: by.as_str(),
                    upto: *upto,
                    count: *count,
                });
            }
        }
    }
}

/// The line of a message; `None` for anything else.
fn produced(record: &Record) -> Option<LogEvent<'_>> {
    let Recorded::Message(message) = &record.event else {
        return None;
    };
    Some(LogEvent::Produced {
        stamp: record.stamp,
        kind: message.audience.kind(),
        from: message.from.as_str(),
        to: (&message.audience).into(),
        bytes: message.text.len(),
        seen: message.seen,
        text: Some(&message.text),
    })
}

/// The lines of what is no message.
fn log_record(log: &LogHandle, record: &Record) {
    match &record.event {
        Recorded::Renamed { from, to, .. } => {
            let (from, to) = (from.as_str(), to.as_str());
            log.event(LogEvent::Renamed { from, to });
        }
        Recorded::RoomJoined { nick, name, .. } => {
            let (nick, room) = (nick.as_str(), name.as_str());
            log.event(LogEvent::JoinedRoom { nick, room });
        }
        Recorded::RoomLeft { nick, name, .. } => {
            let (nick, room) = (nick.as_str(), name.as_str());
            log.event(LogEvent::LeftRoom { nick, room });
        }
        Recorded::InviteMade { invite, by, .. } => {
            let what = format!("invite {invite} made");
            log.event(LogEvent::Operated { what: &what, by });
        }
        Recorded::InviteRevoked { invite, by } => {
            let what = format!("invite {invite} revoked");
            log.event(LogEvent::Operated { what: &what, by });
        }
        Recorded::Redeemed { nick, invite, .. } => {
            let (nick, invite) = (nick.as_str(), invite.0);
            log.event(LogEvent::Redeemed { nick, invite });
        }
        Recorded::Banned {
            nick, by, reason, ..
        } => log.event(LogEvent::Banned {
            nick: nick.as_str(),
            by,
            reason,
        }),
        Recorded::Unbanned { nick, by, .. } => {
            let nick = nick.as_str();
            log.event(LogEvent::Unbanned { nick, by });
        }
        Recorded::Message(_)
        | Recorded::Began { .. }
        | Recorded::Clock { .. }
        | Recorded::Claimed { .. }
        | Recorded::Refused { .. } => {}
    }
}

/// The wall clock, for people.
pub(crate) fn wall_clock() -> UnixMicros {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    UnixMicros(since.map_or(0, |since| since.as_micros() as u64))
}
