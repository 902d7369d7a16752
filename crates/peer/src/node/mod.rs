//! The one thread that owns a peer's machines and its store. Keeps these: an own message is on disk before
//! anybody is told of it; an event is told once what it says holds; whatever waits becomes one transaction;
//! no link and no program is waited for, but that nothing more is taken from links while the program does
//! not read.
//!
//! | file | does |
//! |---|---|
//! | `start` | opens everything, and starts the thread |
//! | `inputs` | what may happen next |
//! | `speaking` | what the order wants done |
//! | `meeting` | what membership wants done |
//! | `storing` | batches to the disk |
//! | `foreign` | peers that speak PyP2P |
//! | `asking` | what the program asks |
//! | `saying` | what the program says |
//! | `leaving` | the end |
//! | `wires` | what waits for each link |
//! | `names`, `line`, `bodies`, `backlog` | who is called how, what a message says, its bytes, events |

mod asking;
mod backlog;
mod bodies;
mod foreign;
mod inputs;
mod leaving;
mod line;
mod meeting;
mod names;
mod request;
mod saying;
mod speaking;
mod start;
mod storing;
#[cfg(test)]
mod testing;
mod wires;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use lamparina_order::Membership;
use lamparina_order::converging::{self, Converging};
use lamparina_protocol::bucket::TokenBucket;
use lamparina_protocol::peer::PeerName;
use lamparina_protocol::{Instant, UnixMicros};
use lamparina_pyp2p::contacts;
use lamparina_pyp2p::registration::{self, Registration};
use lamparina_transport::Clock;
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use crate::event::{Event, HistoryKey};
use crate::links::Common;
use crate::multicast::Multicast;
use crate::store::{Batch, Store};
use backlog::Backlog;
use bodies::Bodies;
use foreign::Foreigners;
use inputs::{Found, Inputs};
use leaving::Leaving;
use line::Reader;
use names::Names;
pub(crate) use request::{REQUESTS_MAX, Request};
use saying::Paced;
pub(crate) use start::{Started, start};
use wires::Wire;

/// Inputs that become one batch, at most.
const BATCH_MAX: usize = 256;

/// What we say of ourselves.
#[derive(Clone, Debug)]
struct Own {
    name: PeerName,
    listen: Vec<SocketAddr>,
    /// Where others may reach us, the best first.
    addrs: Vec<SocketAddr>,
}

/// The node.
struct Node {
    clock: Clock,
    /// What the clock says at its beginning.
    began: UnixMicros,
    /// Where links' tasks run.
    runtime: Handle,
    common: Arc<Common>,
    own: Own,
    order: Converging,
    members: Membership,
    store: Store,
    bodies: Bodies,
    wires: BTreeMap<u64, Wire>,
    /// Links whose tasks have not ended yet.
    open_links: BTreeSet<u64>,
    names: Names,
    reader: Reader,
    /// Rooms that are shown, folded.
    rooms: BTreeSet<String>,
    multicast: Option<Multicast>,
    foreign: Foreigners,
    /// When interfaces and names of hosts are looked at next.
    look_at: Instant,
    /// `HOST:PORT` of peers to dial.
    given: Vec<String>,
    found_sender: mpsc::Sender<Found>,
    /// Hosts that people were told of.
    unknown_hosts: BTreeSet<String>,
    /// To be stored, with what is told then.
    batch: Batch,
    fresh: Vec<Event>,
    /// Positions before this were delivered.
    delivered: u64,
    /// What is stored and not synced is synced by then.
    sync_at: Option<Instant>,
    /// An own message, or an epoch, waits for the disk.
    must_sync: bool,
    backlog: Backlog,
    pace: TokenBucket,
    /// What the program said and the pace does not let out yet.
    paced: Option<Paced>,
    counts: Counts,
    leaving: Option<Leaving>,
    /// When peers are kept for the next start.
    keep_at: Instant,
    ended: bool,
}

/// What was said, and what became of it.
#[derive(Debug, Default)]
struct Counts {
    sent: u64,
    /// Own messages that are delivered, and not on the disk yet.
    unstored: u64,
    committed: u64,
    /// Positions of own messages that no neighbour is known to have.
    unhanded: VecDeque<u64>,
    had_neighbours: bool,
}

impl Node {
    /// Runs until the program closes it or lets go of it.
    async fn run(mut self, mut inputs: Inputs) {
        self.look();
        while !self.ended {
            let first = self.next(&mut inputs).await;
            self.take(first);
            for _ in 1..BATCH_MAX {
                let Some(next) = self.next_now(&mut inputs) else {
                    break;
                };
                self.take(next);
            }
            self.tick();
            self.settle(&mut inputs).await;
            if self.now() >= self.look_at {
                self.look();
            }
        }
    }

    fn now(&self) -> Instant {
        self.clock.now()
    }

    /// What a clock on the wall would say at `at`.
    fn wall_at(&self, at: Instant) -> UnixMicros {
        UnixMicros(self.began.0.saturating_add(at.as_micros()))
    }

    /// When something is due, if nothing happens before.
    fn deadline(&self) -> Instant {
        let pace = self.paced.as_ref().map(|paced| paced.at);
        let registration = self.foreign.registration.as_ref();
        let registration = registration.and_then(Registration::deadline);
        let leaving = self.leaving.as_ref().map(Leaving::until);
        let all = [
            self.order.deadline(),
            self.members.deadline(),
            self.foreign.contacts.deadline(),
            registration,
            self.sync_at,
            pace,
            leaving,
        ];
        let first = all.into_iter().flatten().min();
        let looks = self.look_at.min(self.keep_at);
        first.map_or(looks, |first| first.min(looks))
    }

    /// What time brings.
    fn tick(&mut self) {
        let now = self.now();
        if self.order.deadline().is_some_and(|at| at <= now) {
            self.order(converging::Input::Tick);
        }
        if self.members.deadline().is_some_and(|at| at <= now) {
            self.membership(lamparina_order::membership::Input::Tick);
        }
        if self.foreign.contacts.deadline().is_some_and(|at| at <= now) {
            self.contacts(contacts::Input::Tick);
        }
        let registration = self.foreign.registration.as_ref();
        let due = registration.and_then(Registration::deadline);
        if due.is_some_and(|at| at <= now) {
            self.registration(registration::Input::Tick);
        }
        self.say_paced();
        self.leave_on();
    }

    /// Puts an event behind those of this batch.
    fn tell(&mut self, event: Event) {
        self.fresh.push(event);
    }

    fn final_upto(&self) -> Option<HistoryKey> {
        self.order.final_upto().map(HistoryKey::from)
    }
}

/// What the clock on the wall says.
fn wall_clock() -> UnixMicros {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let micros = since.unwrap_or(Duration::ZERO).as_micros();
    UnixMicros(u64::try_from(micros).unwrap_or(u64::MAX))
}
