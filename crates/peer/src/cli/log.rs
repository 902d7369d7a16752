//! The log file: what a peer does, one event a line, in the form of a server's log.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use lamparina_console::exit::{Exit, Stop};
use lamparina_console::output::Mark;
use lamparina_protocol::{Lamport, SessionNumber};
use lamparina_server::logger::{LogEvent, LogHandle, Logger, LoggerConfig, To, Via};

use crate::event::{Event, Kind, Line, LinkLine, Spoken};
use crate::show;

/// Where events are told for the file, if there is one.
#[derive(Clone, Debug)]
pub(super) struct EventLog {
    handle: LogHandle,
    /// `name@namespace` of this peer.
    own: Arc<str>,
    /// Lines shown so far, as the file has it.
    told: Arc<AtomicU64>,
    /// Lines to be shown so far.
    given: u64,
}

/// A line that is shown once it is written: the file says so then.
#[derive(Debug)]
pub(super) struct Shown {
    log: EventLog,
    upto: Lamport,
    count: u64,
}

impl Mark for Shown {
    fn tell(self) {
        let Self { log, upto, count } = self;
        // Of several lines written at once the last one is told: it counts for those before.
        let before = log.told.swap(count, Ordering::Relaxed);
        log.handle.event(LogEvent::Consumed {
            by: &log.own,
            upto,
            count: count.saturating_sub(before),
        });
    }
}

/// Starts the process that writes the file, where one is wanted.
pub(super) async fn start(
    file: Option<&Path>,
    with_text: bool,
    own: &str,
) -> Result<(EventLog, Option<Logger>), Stop> {
    let (handle, logger) = match file {
        None => (LogHandle::null(), None),
        Some(file) => {
            let mut config = LoggerConfig::new(file);
            config.with_text = with_text;
            let started = Logger::start(config).await.map_err(|error| {
                let text = format!("cannot log to {}: {error}", file.display());
                Stop::new(Exit::Failed, text)
            })?;
            (started.0, Some(started.1))
        }
    };
    let log = EventLog {
        handle,
        own: own.into(),
        told: Arc::default(),
        given: 0,
    };
    Ok((log, logger))
}

impl EventLog {
    /// Notes that a line is about to be shown.
    pub(super) fn shown(&mut self, line: &Line) -> Shown {
        self.given += 1;
        Shown {
            log: self.clone(),
            upto: line.key.stamp,
            count: self.given,
        }
    }

    /// Logs what happened, where the file has a line for it.
    pub(super) fn event(&self, event: &Event) {
        match event {
            Event::Listening(addr) => self.handle.event(LogEvent::Started {
                addr: *addr,
                version: env!("CARGO_PKG_VERSION"),
                pid: std::process::id(),
                via: Via::Tcp,
            }),
            Event::Committed {
                key,
                kind,
                to,
                text,
            } => self.produced(&self.own, key.stamp, *kind, to, text),
            Event::Message(line) => {
                let from = match &line.via {
                    Some(via) => via.peer_id.clone(),
                    None => line.from.to_string(),
                };
                self.produced(&from, line.key.stamp, line.kind, &line.to, &line.text);
            }
            Event::LinkUp(link) => self.handle.event(LogEvent::Connected {
                nick: &called(link),
                addr: link.addr,
                session: SessionNumber(link.number),
                via: match link.spoken {
                    Spoken::Udp => Via::Udp,
                    Spoken::Tcp | Spoken::Pyp2p => Via::Tcp,
                },
            }),
            Event::LinkDown { link, reason } => self.handle.event(LogEvent::Disconnected {
                nick: &called(link),
                reason,
            }),
            Event::Coordinator(who) => self.handle.event(LogEvent::Coordinator {
                nick: &who
                    .as_ref()
                    .map_or_else(String::new, |who| match &who.name {
                        Some(name) => name.to_string(),
                        None => show::short_key(&who.key.to_string()),
                    }),
                epoch: who.as_ref().map_or(0, |who| who.epoch),
            }),
            Event::Merged(report) => self.handle.event(LogEvent::Merged {
                lines: report.lines,
                inserted: report.inserted,
                late: report.late,
            }),
            Event::Equivocation(found) => self.handle.event(LogEvent::Equivocation {
                nick: &found.from.to_string(),
                number: found.name.n,
            }),
            _ => {}
        }
    }

    /// The end.
    pub(super) fn stopped(&self, reason: &str) {
        self.handle.event(LogEvent::Stopped { reason });
    }

    fn produced(&self, from: &str, stamp: Lamport, kind: Kind, to: &[String], text: &str) {
        self.handle.event(LogEvent::Produced {
            stamp,
            kind: kind.word(),
            from,
            to: To::from(to),
            bytes: text.len(),
            // Its stamp is one more than the greatest that its author had seen.
            seen: Lamport::new(stamp.get().saturating_sub(1)),
            text: self.handle.is_text_logged().then_some(text),
        });
    }
}

fn called(link: &LinkLine) -> String {
    match (&link.name, &link.key) {
        (Some(name), _) => name.clone(),
        (None, Some(key)) => show::short_key(&key.to_string()),
        (None, None) => link.addr.to_string(),
    }
}
