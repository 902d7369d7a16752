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
    /// Which place is asked first.
    turn: usize,
}

/// Places where things come from.
const PLACES: usize = 5;

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

impl Inputs {
    pub(super) const fn new(
        links: mpsc::Receiver<FromLink>,
        requests: mpsc::Receiver<Request>,
        heard: mpsc::Receiver<Heard>,
        found: mpsc::Receiver<Found>,
        foreign: mpsc::Receiver<FromForeign>,
    ) -> Self {
        Self {
            links,
            requests,
            heard,
            found,
            foreign,
            deferred: VecDeque::new(),
            turn: 0,
        }
    }

    /// One thing from the next place that has any, each in its turn: none is so busy that another one
    /// starves. Requests, and what other peers say, only where they may.
    fn take_turn(&mut self, requests: bool, others: bool) -> Option<Next> {
        (0..PLACES).find_map(|_| {
            let turn = self.turn;
            self.turn = (turn + 1) % PLACES;
            match turn {
                0 if requests => {
                    let deferred = self.deferred.pop_front();
                    let request = deferred.or_else(|| self.requests.try_recv().ok());
                    request.map(Next::Request)
                }
                1 if others => self.links.try_recv().ok().map(Next::Link),
                2 if others => self.foreign.try_recv().ok().map(Next::Foreign),
                3 => self.heard.try_recv().ok().map(Next::Heard),
                4 => self.found.try_recv().ok().map(Next::Found),
                _ => None,
            }
        })
    }
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
        inputs.take_turn(self.paced.is_none(), self.backlog.has_room())
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

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    /// What comes, as often as it may be taken, where everything always has something.
    fn taken(requests: bool, others: bool) -> String {
        let (links, of_links) = mpsc::channel(64);
        let (asking, of_requests) = mpsc::channel(64);
        let (hearing, of_beacons) = mpsc::channel(64);
        let (finding, of_hosts) = mpsc::channel(64);
        let (foreign, of_foreign) = mpsc::channel(64);
        let mut inputs = Inputs::new(of_links, of_requests, of_beacons, of_hosts, of_foreign);
        for number in 0..16 {
            links.try_send(FromLink::Room { number }).unwrap();
            asking.try_send(Request::Reconnect).unwrap();
            let beacon = Heard {
                bytes: Bytes::new(),
                from: "192.0.2.9:1".parse().unwrap(),
                interface: String::new(),
            };
            hearing.try_send(beacon).unwrap();
            let (host, addrs) = (String::new(), Ok(Vec::new()));
            finding.try_send(Found { host, addrs }).unwrap();
            foreign.try_send(FromForeign::Unreachable).unwrap();
        }
        let next = |_| {
            inputs.take_turn(requests, others).map(|next| match next {
                Next::Link(_) => 'l',
                Next::Request(_) => 'r',
                Next::Heard(_) => 'b',
                Next::Found(_) => 'h',
                Next::Foreign(_) => 'f',
                Next::Time | Next::Gone => '?',
            })
        };
        (0..8).map_while(next).collect()
    }

    #[test]
    fn whatever_is_there_has_its_turn() {
        assert_eq!(taken(true, true), "rlfbhrlf");
        assert_eq!(taken(false, true), "lfbhlfbh");
        assert_eq!(taken(true, false), "rbhrbhrb");
        assert_eq!(taken(false, false), "bhbhbhbh");
    }
}
