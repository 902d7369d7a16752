//! The race track: flows of two ends each over one line, in virtual time. What happens depends on the
//! ends, the loads, the line and its seed alone; there is no clock, no thread and no hash order here.

use bytes::Bytes;
use lamparina_impair::Direction;
use lamparina_protocol::Instant;

use crate::digest::Digest;
use crate::end::{Delivered, Side};
use crate::flow::Flow;
use crate::road::{Line, Road};
use crate::trace::Trace;

/// Steps within one microsecond, at most: an end that wants more never lets time pass.
const STEPS_AT_ONCE_MAX: u32 = 10_000;

/// How a run ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Outcome {
    /// As it should.
    Done,
    /// Time was up.
    TimeUp,
    /// An end has given up.
    Dead,
    /// Nothing will ever happen again, or time does not pass any more.
    Stuck,
}

/// A line, and the flows that share it.
pub struct World {
    now: Instant,
    /// Up, down: the direction in which the client's or the server's datagrams go.
    roads: [Road; 2],
    /// The flows, by number.
    pub flows: Vec<Flow>,
    digest: Digest,
    digests_contents: bool,
    /// Samples of the first flow.
    pub trace: Option<Trace>,
    steps_at_once: u32,
    arrivals: Vec<(u32, Bytes)>,
    messages: Vec<Delivered>,
    datagrams: Vec<Bytes>,
}

impl World {
    /// An empty line, that chance rules by `seed`.
    pub fn new(line: &Line, seed: u64) -> Self {
        Self {
            now: Instant::ZERO,
            roads: [Direction::Up, Direction::Down]
                .map(|direction| Road::new(line, direction, seed)),
            flows: Vec::new(),
            digest: Digest::default(),
            digests_contents: false,
            trace: None,
            steps_at_once: 0,
            arrivals: Vec::new(),
            messages: Vec::new(),
            datagrams: Vec::new(),
        }
    }

    /// The same with a flow more.
    #[must_use]
    pub fn with(mut self, flow: Flow) -> Self {
        self.flows.push(flow);
        self
    }

    /// Digests contents of datagrams too, not only their times and lengths: for transports whose keys
    /// come from the seed.
    #[must_use]
    pub fn digesting_contents(mut self) -> Self {
        self.digests_contents = true;
        self
    }

    /// Time since the run began.
    pub fn now(&self) -> Instant {
        self.now
    }

    /// Bytes that the clients (or servers) put on the line so far, headers of packets included.
    pub fn bytes_from(&self, side: Side) -> u64 {
        self.roads[side.index()].bytes()
    }

    /// Datagrams that the bottleneck dropped, and those lost by chance, on the way from `side`.
    pub fn drops_from(&self, side: Side) -> (u64, u64) {
        self.roads[side.index()].drops()
    }

    /// A digest of all that happened so far.
    pub fn digest(&self) -> u64 {
        self.digest.value()
    }

    /// Lets time pass until all is complete, or until `limit`.
    pub fn run(&mut self, limit: Instant) -> Outcome {
        self.run_while(limit, |world| !world.flows.iter().all(Flow::is_complete))
    }

    /// Lets time pass while `goes_on`, at most until `limit`.
    pub fn run_while(&mut self, limit: Instant, goes_on: impl Fn(&Self) -> bool) -> Outcome {
        while goes_on(self) {
            if self.flows.iter().any(Flow::is_dead) {
                return Outcome::Dead;
            }
            match self.next_time() {
                None => return Outcome::Stuck,
                Some(next) if next > limit => {
                    self.now = limit;
                    return Outcome::TimeUp;
                }
                Some(next) => {
                    self.steps_at_once = if next > self.now {
                        0
                    } else {
                        self.steps_at_once + 1
                    };
                    self.now = self.now.max(next);
                }
            }
            if self.steps_at_once > STEPS_AT_ONCE_MAX {
                return Outcome::Stuck;
            }
            self.step();
        }
        Outcome::Done
    }

    fn next_time(&mut self) -> Option<Instant> {
        let roads = self.roads.iter().filter_map(Road::deadline).min();
        let flows = self.flows.iter_mut().filter_map(Flow::deadline).min();
        let trace = self.trace.as_ref().map(Trace::deadline);
        let next = roads.into_iter().chain(flows).min()?;
        Some(trace.map_or(next, |trace| trace.min(next)))
    }

    fn step(&mut self) {
        self.arrive();
        for flow in &mut self.flows {
            flow.on_time(self.now);
        }
        for number in 0..self.flows.len() {
            self.settle(number);
        }
        if let (Some(trace), Some(flow)) = (&mut self.trace, self.flows.first()) {
            trace.sample(self.now, flow);
        }
    }

    /// Datagrams come out of the line.
    fn arrive(&mut self) {
        for side in Side::BOTH {
            self.roads[side.index()].release(self.now, &mut self.arrivals);
            for (number, datagram) in self.arrivals.drain(..) {
                if let Some(flow) = self.flows.get_mut(number as usize) {
                    let to = side.other().index();
                    flow.ends[to].receive(self.now, datagram);
                    flow.touched[to] = true;
                }
            }
        }
    }

    /// Messages come out of ends, new ones go in, and datagrams leave.
    fn settle(&mut self, number: usize) {
        let flow = &mut self.flows[number];
        for side in Side::BOTH {
            if !flow.touched[side.index()] {
                continue;
            }
            flow.ends[side.index()].delivered(&mut self.messages);
            for message in self.messages.drain(..) {
                flow.note_delivered(self.now, &message, &mut self.digest);
            }
        }
        flow.note_open(self.now, self.roads[Side::Client.index()].bytes());
        flow.load(self.now);
        for side in Side::BOTH {
            if std::mem::take(&mut flow.touched[side.index()]) {
                flow.ends[side.index()].poll(self.now, &mut self.datagrams);
            }
            for datagram in self.datagrams.drain(..) {
                self.digest.number(self.now.as_micros());
                self.digest.number((number * 2 + side.index()) as u64);
                self.digest.number(datagram.len() as u64);
                if self.digests_contents {
                    self.digest.bytes(&datagram);
                }
                self.roads[side.index()].enter(self.now, number as u32, &datagram);
            }
        }
    }
}
