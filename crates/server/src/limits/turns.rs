//! Whose handshake is computed next. A handshake costs a thousand times what it costs to ask for
//! one, and is asked for by whoever can connect: so only a few are computed at a time, whatever
//! comes, and addresses take turns, so that who asks much waits behind those who ask little.
//! What waits holds a place in a queue and nothing else; dropped, it leaves it.

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use super::InForce;
use super::connections::Origin;

/// Gives out turns. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Turns {
    queue: Arc<Mutex<Queue>>,
    limits: InForce,
}

#[derive(Debug, Default)]
struct Queue {
    /// Turns that are held.
    held: u64,
    /// Who waits, by address and in the order in which they came; nothing but what is not empty.
    waiting: BTreeMap<Origin, BTreeMap<u64, oneshot::Sender<Turn>>>,
    /// Each address that waits, once: the first is next.
    round: VecDeque<Origin>,
    next: u64,
}

/// A turn that is held until it is dropped.
#[derive(Debug)]
pub struct Turn(Turns);

/// A place in the queue, left when it is dropped.
struct Place {
    turns: Turns,
    origin: Origin,
    number: u64,
}

impl Turns {
    /// Nobody holds a turn yet.
    pub fn new(limits: InForce) -> Self {
        Self {
            queue: Arc::default(),
            limits,
        }
    }

    /// Waits for a turn of `address`.
    pub async fn turn(self, address: IpAddr) -> Turn {
        let origin = Origin::of(address);
        let (place, given) = {
            let mut queue = self.lock();
            if queue.round.is_empty() && queue.held < self.limits.get().handshakes {
                queue.held += 1;
                drop(queue);
                return Turn(self);
            }
            let (give, given) = oneshot::channel();
            let number = queue.join(origin, give);
            drop(queue);
            let turns = self.clone();
            let place = Place {
                turns,
                origin,
                number,
            };
            (place, given)
        };
        match given.await {
            Ok(turn) => turn,
            // A place is taken out of the queue by its turn or by being dropped, and here it is held.
            Err(_) => place.turns.clone().take(),
        }
    }

    fn take(self) -> Turn {
        self.lock().held += 1;
        Turn(self)
    }

    /// A turn has ended: the next ones begin, as many as may.
    fn pass_on(&self) {
        let most = self.limits.get().handshakes;
        loop {
            let mut queue = self.lock();
            if queue.held >= most {
                return;
            }
            let Some(give) = queue.leave_first() else {
                return;
            };
            queue.held += 1;
            drop(queue);
            // Who has gone in this moment gives it back by dropping it.
            let unwanted = give.send(Turn(self.clone()));
            drop(unwanted);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        // Nothing that panics runs inside.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queue {
    fn join(&mut self, origin: Origin, give: oneshot::Sender<Turn>) -> u64 {
        let number = self.next;
        self.next += 1;
        let of = self.waiting.entry(origin).or_default();
        if of.is_empty() {
            self.round.push_back(origin);
        }
        of.insert(number, give);
        number
    }

    /// Whose turn it is; its address goes to the end of the round.
    fn leave_first(&mut self) -> Option<oneshot::Sender<Turn>> {
        let origin = self.round.pop_front()?;
        let of = self.waiting.get_mut(&origin)?;
        let (_, give) = of.pop_first()?;
        if of.is_empty() {
            self.waiting.remove(&origin);
        } else {
            self.round.push_back(origin);
        }
        Some(give)
    }

    fn leave(&mut self, origin: Origin, number: u64) {
        let Some(of) = self.waiting.get_mut(&origin) else {
            return;
        };
        of.remove(&number);
        if of.is_empty() {
            self.waiting.remove(&origin);
            self.round.retain(|waiting| *waiting != origin);
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.lock().held -= 1;
        self.0.pass_on();
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.turns.lock().leave(self.origin, self.number);
    }
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;
    use std::task::{Context, Poll, Waker};

    use super::*;
    use crate::limits::Limits;

    type Waits = Pin<Box<dyn Future<Output = Turn>>>;

    fn turns(handshakes: u64) -> Turns {
        let limits = Limits {
            handshakes,
            ..Limits::default()
        };
        Turns::new(InForce::new(limits))
    }

    fn ask(turns: &Turns, address: &str) -> Waits {
        let mut waits: Waits = Box::pin(turns.clone().turn(address.parse().unwrap()));
        // Its place is taken when it is first looked at.
        assert!(look(&mut waits).is_none(), "{address}");
        waits
    }

    fn look(waits: &mut Waits) -> Option<Turn> {
        match waits.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(turn) => Some(turn),
            Poll::Pending => None,
        }
    }

    fn held(turns: &Turns, address: &str) -> Turn {
        let mut waits: Waits = Box::pin(turns.clone().turn(address.parse().unwrap()));
        look(&mut waits).expect("nobody is before it")
    }

    #[test]
    fn addresses_take_turns_whoever_asks_more() {
        let turns = turns(1);
        let mut holds = held(&turns, "10.0.0.1");
        let names = ["a1", "a2", "a3", "b1", "c1", "c2"];
        let addresses = [1, 1, 1, 2, 3, 3].map(|last| format!("10.0.0.{last}"));
        let mut waiting: Vec<_> = names
            .into_iter()
            .zip(addresses)
            .map(|(name, address)| (name, ask(&turns, &address)))
            .collect();
        let mut order = Vec::new();
        while !waiting.is_empty() {
            drop(holds);
            let next: Vec<_> = waiting
                .iter_mut()
                .enumerate()
                .filter_map(|(at, (_, waits))| Some((at, look(waits)?)))
                .collect();
            let [(at, turn)] = <[_; 1]>::try_from(next).expect("one at a time");
            holds = turn;
            order.push(waiting.remove(at).0);
        }
        assert_eq!(order, ["a1", "b1", "c1", "a2", "c2", "a3"]);
        drop(holds);
        assert_empty(&turns);
    }

    #[test]
    fn who_leaves_the_queue_is_passed_over_and_loses_no_turn() {
        let turns = turns(1);
        let holds = held(&turns, "10.0.0.1");
        let gone = ask(&turns, "10.0.0.2");
        let given_and_gone = ask(&turns, "10.0.0.3");
        let mut last = ask(&turns, "10.0.0.4");
        drop(gone);
        drop(holds);
        // It was given its turn and goes without having seen it.
        drop(given_and_gone);
        drop(look(&mut last).expect("its turn has come"));
        assert_empty(&turns);
    }

    #[test]
    fn as_many_at_a_time_as_the_limit_says_and_a_changed_one_holds_at_the_next_turn() {
        let turns = turns(2);
        let both = [held(&turns, "10.0.0.1"), held(&turns, "10.0.0.1")];
        let mut waiting: Vec<_> = (0..4).map(|_| ask(&turns, "::1")).collect();
        turns.limits.set(Limits {
            handshakes: 3,
            ..Limits::default()
        });
        drop(both);
        let now: Vec<_> = waiting.iter_mut().filter_map(look).collect();
        assert_eq!(now.len(), 3);
        drop(now);
        drop(waiting);
        assert_empty(&turns);
    }

    #[track_caller]
    fn assert_empty(turns: &Turns) {
        let queue = turns.lock();
        assert_eq!(queue.held, 0);
        assert!(queue.waiting.is_empty() && queue.round.is_empty());
    }
}
