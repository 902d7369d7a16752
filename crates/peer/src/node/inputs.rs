//! What may happen next, from wherever it comes.

use std::collections::VecDeque;
use std::net::SocketAddr;

use tokio::sync::mpsc;
use tokio::time::sleep_until;

use super::{Node, Request};
use crate::foreign::FromForeign;
use crate::links::FromLink;
use crate::multicast::Heard;

/// Looked-up names of hosts that wait.
pub(super) const FOUND_MAX: usize = 64;

/// Where things come from.
pub(super) struct Inputs {
    pub(super) links: mpsc::Receiver<FromLink>,
    pub(super) requests: mpsc::Receiver<Request>,
    pub(super) heard: mpsc::Receiver<Heard>,
    pub(super) found: mpsc::Receiver<Found>,
    pub(super) foreign: mpsc::Receiver<FromForeign>,
    /// Requests that came while nothing could be stored.
    pub(super) deferred: VecDeque<Request>,
}

/// The addresses of a host, or why there are none.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) host: String,
    pub(super) addrs: Result<Vec<SocketAddr>, String>,
}

/// What happened.
#[derive(Debug)]
pub(super) enum Next {
    Link(FromLink),
    Request(Request),
    Heard(Heard),
    Found(Found),
    Foreign(FromForeign),
    Time,
    /// The program has let go of its handle.
    Gone,
}

impl Node {
    /// Waits for the next thing. Links wait while the program does not read, and requests while what was
    /// said before them is paced.
    pub(super) async fn next(&mut self, inputs: &mut Inputs) -> Next {
        loop {
            if let Some(next) = self.next_now(inputs) {
                return next;
            }
            let at = self.clock.timer_at(self.deadline());
            tokio::select! {
                () = self.backlog.room(), if !self.backlog.is_empty() => self.backlog.pass_on(),
                link = inputs.links.recv(), if self.backlog.has_room() => {
                    // The node itself holds a sender.
                    return link.map_or(Next::Time, Next::Link);
                }
                request = inputs.requests.recv(), if self.paced.is_none() => {
                    return request.map_or(Next::Gone, Next::Request);
                }
                Some(heard) = inputs.heard.recv() => return Next::Heard(heard),
                Some(from) = inputs.foreign.recv(), if self.backlog.has_room() => {
                    return Next::Foreign(from);
                }
                Some(found) = inputs.found.recv() => return Next::Found(found),
                () = sleep_until(at) => return Next::Time,
            }
        }
    }

    /// The next thing that is there already.
    pub(super) fn next_now(&self, inputs: &mut Inputs) -> Option<Next> {
        if self.paced.is_none() {
            if let Some(request) = inputs.deferred.pop_front() {
                return Some(Next::Request(request));
            }
            if let Ok(request) = inputs.requests.try_recv() {
                return Some(Next::Request(request));
            }
        }
        if self.backlog.has_room()
            && let Ok(link) = inputs.links.try_recv()
        {
            return Some(Next::Link(link));
        }
        inputs.heard.try_recv().ok().map(Next::Heard)
    }

    pub(super) fn take(&mut self, next: Next) {
        match next {
            Next::Link(from) => self.link_tells(from),
            Next::Request(request) => self.asked(request),
            Next::Heard(heard) => self.beacon(&heard),
            Next::Foreign(from) => self.foreign_tells(from),
            Next::Found(found) => self.found(found),
            Next::Time => {}
            Next::Gone => self.abandoned(),
        }
    }
}
