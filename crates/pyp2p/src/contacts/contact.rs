//! One peer and its connections: it is here while one of them lives, whoever made them (rule 20).

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use lamparina_protocol::Instant;

use super::ConnectionId;
use super::pending::Pending;
use super::seen::Seen;
use crate::limits::ROUND_TRIPS_MAX;

#[derive(Clone, Debug)]
pub(super) struct Contact {
    /// The newest last.
    pub(super) connections: Vec<ConnectionId>,
    /// Where the newest connection leads.
    pub(super) addr: SocketAddr,
    /// Since when it is here, or gone.
    pub(super) since: Instant,
    pub(super) heard: Instant,
    pub(super) said_bye: bool,
    pub(super) published: Option<Instant>,
    pub(super) seen: Seen,
    pub(super) pending: Pending,
    round_trips: VecDeque<Duration>,
}

impl Contact {
    pub(super) fn new(now: Instant, addr: SocketAddr) -> Self {
        Self {
            connections: Vec::new(),
            addr,
            since: now,
            heard: now,
            said_bye: false,
            published: None,
            seen: Seen::default(),
            pending: Pending::default(),
            round_trips: VecDeque::new(),
        }
    }

    pub(super) const fn is_here(&self) -> bool {
        !self.connections.is_empty()
    }

    pub(super) fn round_trip(&mut self, time: Duration) {
        if self.round_trips.len() == ROUND_TRIPS_MAX {
            self.round_trips.pop_front();
        }
        self.round_trips.push_back(time);
    }

    /// The mean of the last round trips.
    pub(super) fn mean_round_trip(&self) -> Option<Duration> {
        let count = u32::try_from(self.round_trips.len()).ok()?;
        let sum: Duration = self.round_trips.iter().sum();
        sum.checked_div(count)
    }
}
