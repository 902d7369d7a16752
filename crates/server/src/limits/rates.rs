//! How often one author may ask for what costs others: messages, new outboxes, joins and leaves,
//! questions for what is stored. Buckets belong to the author, whatever connections it comes by;
//! time is an argument.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use lamparina_protocol::bucket::{Rate, TokenBucket};
use lamparina_protocol::control::Pace;
use lamparina_protocol::{AuthorKey, Epoch, Instant};

use super::{InForce, Limits};

/// Authors remembered before the first look for those that need not be.
const AUTHORS_MIN: usize = 1_024;

/// What is counted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum What {
    /// A message.
    Message,
    /// A join or a leave.
    RoomChange,
    /// A question for what is stored.
    Question,
}

/// More than there may be. The words go to the client.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "this is {over} over {limit} that this server takes from one author: try again in {} ms",
    wait.as_millis().max(1)
)]
pub struct TooMuch {
    /// How many in a row were refused, this one included.
    pub over: u64,
    /// What there may be, in words.
    pub limit: String,
    /// When there is room for one.
    pub wait: Duration,
}

/// The buckets of all authors.
#[derive(Debug)]
pub struct Rates {
    limits: InForce,
    authors: Mutex<Authors>,
}

#[derive(Debug)]
struct Authors {
    by_key: BTreeMap<AuthorKey, Buckets>,
    /// With so many there is a look for those who have gone and owe nothing.
    look_at: usize,
}

#[derive(Debug)]
struct Buckets {
    /// Sessions that count with them.
    sessions: u32,
    epoch: Option<Epoch>,
    messages: Counter,
    epochs: Counter,
    room_changes: Counter,
    questions: Counter,
}

#[derive(Debug)]
struct Counter {
    bucket: TokenBucket,
    /// Refused since one was taken.
    over: u64,
}

/// An author's way to its buckets, for one session.
#[derive(Debug)]
pub struct AuthorRates {
    rates: Arc<Rates>,
    author: AuthorKey,
}

impl Rates {
    /// Nobody has come yet.
    pub fn new(limits: InForce) -> Self {
        let authors = Authors {
            by_key: BTreeMap::new(),
            look_at: AUTHORS_MIN,
        };
        Self {
            limits,
            authors: Mutex::new(authors),
        }
    }

    /// How fast an author may send, as it is told at its beginning.
    pub fn pace(&self) -> Pace {
        let limits = self.limits.get();
        match limits.rate {
            0 => Pace::default(),
            rate => Pace {
                per_second: narrow(rate),
                burst: narrow(limits.burst),
            },
        }
    }

    /// A session of an author begins, with an outbox of this epoch. The limits in force now hold
    /// for it to its end, for it is told them.
    ///
    /// # Errors
    ///
    /// [`TooMuch`], where the author began too many epochs.
    pub fn enter(
        self: &Arc<Self>,
        author: AuthorKey,
        epoch: Epoch,
        now: Instant,
    ) -> Result<AuthorRates, TooMuch> {
        let limits = self.limits.get();
        let mut authors = lock(&self.authors);
        authors.make_room(now);
        let buckets = authors.by_key.entry(author);
        let buckets = buckets.or_insert_with(|| Buckets::new(&limits, now));
        buckets.set(&limits, now);
        if buckets.epoch != Some(epoch) {
            let limit = || format!("the {} new outboxes a minute", limits.epochs);
            buckets.epochs.take(now, limit)?;
            buckets.epoch = Some(epoch);
        }
        buckets.sessions += 1;
        let rates = Arc::clone(self);
        Ok(AuthorRates { rates, author })
    }
}

impl AuthorRates {
    /// Messages that are left of the burst now; 0 where none are counted.
    pub fn left(&self, now: Instant) -> u32 {
        let mut authors = lock(&self.rates.authors);
        match authors.by_key.get_mut(&self.author) {
            Some(buckets) if self.rates.limits.get().rate > 0 => {
                buckets.messages.bucket.tokens(now)
            }
            _ => 0,
        }
    }

    /// Counts one.
    ///
    /// # Errors
    ///
    /// [`TooMuch`]: it is not done.
    pub fn take(&self, what: What, now: Instant) -> Result<(), TooMuch> {
        let limits = self.rates.limits.get();
        let mut authors = lock(&self.rates.authors);
        let Some(buckets) = authors.by_key.get_mut(&self.author) else {
            return Ok(()); // It stays while a session is there.
        };
        match what {
            What::Message => buckets.messages.take(now, || {
                let (rate, burst) = (limits.rate, limits.burst);
                format!("the {rate} messages a second, {burst} at once,")
            }),
            What::RoomChange => buckets.room_changes.take(now, || {
                format!("the {} joins and leaves a minute", limits.room_changes)
            }),
            What::Question => buckets.questions.take(now, || {
                format!("the {} questions a minute", limits.questions)
            }),
        }
    }
}

impl Drop for AuthorRates {
    fn drop(&mut self) {
        if let Some(buckets) = lock(&self.rates.authors).by_key.get_mut(&self.author) {
            buckets.sessions -= 1;
        }
    }
}

impl Authors {
    /// Forgets who has gone and would find its buckets full: half of the room at least is then free,
    /// or taken by those who are here or were a minute ago.
    fn make_room(&mut self, now: Instant) {
        if self.by_key.len() < self.look_at {
            return;
        }
        self.by_key
            .retain(|_, buckets| buckets.sessions > 0 || !buckets.are_full(now));
        self.look_at = AUTHORS_MIN.max(2 * self.by_key.len());
    }
}

impl Buckets {
    fn new(limits: &Limits, now: Instant) -> Self {
        let a_minute =
            |count: u64| Counter::new(Rate::per_minute(narrow(count)), narrow(count), now);
        Self {
            sessions: 0,
            epoch: None,
            messages: Counter::new(
                Rate::per_second(narrow(limits.rate)),
                narrow(limits.burst),
                now,
            ),
            epochs: a_minute(limits.epochs),
            room_changes: a_minute(limits.room_changes),
            questions: a_minute(limits.questions),
        }
    }

    fn set(&mut self, limits: &Limits, now: Instant) {
        let rate = Rate::per_second(narrow(limits.rate));
        self.messages.bucket.set(rate, narrow(limits.burst), now);
        for (counter, count) in [
            (&mut self.epochs, limits.epochs),
            (&mut self.room_changes, limits.room_changes),
            (&mut self.questions, limits.questions),
        ] {
            let count = narrow(count);
            counter.bucket.set(Rate::per_minute(count), count, now);
        }
    }

    fn are_full(&mut self, now: Instant) -> bool {
        let all = [
            &mut self.messages,
            &mut self.epochs,
            &mut self.room_changes,
            &mut self.questions,
        ];
        all.into_iter().all(|counter| counter.bucket.is_full(now))
    }
}

impl Counter {
    fn new(rate: Rate, burst: u32, now: Instant) -> Self {
        Self {
            bucket: TokenBucket::new(rate, burst, now),
            over: 0,
        }
    }

    fn take(&mut self, now: Instant, limit: impl FnOnce() -> String) -> Result<(), TooMuch> {
        let taken = self.bucket.take(now);
        self.over = match taken {
            Ok(()) => 0,
            Err(_) => self.over.saturating_add(1),
        };
        taken.map_err(|wait| TooMuch {
            over: self.over,
            limit: limit(),
            wait,
        })
    }
}

/// Limits are below a million.
fn narrow(limit: u64) -> u32 {
    u32::try_from(limit).unwrap_or(u32::MAX)
}

fn lock(authors: &Mutex<Authors>) -> MutexGuard<'_, Authors> {
    // Nothing that panics runs inside.
    authors.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rates(change: impl Fn(&mut Limits)) -> (Arc<Rates>, InForce) {
        let mut limits = Limits::default();
        change(&mut limits);
        let limits = InForce::new(limits);
        (Arc::new(Rates::new(limits.clone())), limits)
    }

    fn at(millis: u64) -> Instant {
        Instant::from_millis(millis)
    }

    fn author(who: u64) -> AuthorKey {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&who.to_be_bytes());
        AuthorKey(key)
    }

    #[test]
    fn a_bucket_belongs_to_its_author_across_connections() {
        let (rates, _) = rates(|limits| (limits.rate, limits.burst) = (2, 3));
        let (per_second, burst) = (2, 3);
        assert_eq!(rates.pace(), Pace { per_second, burst });
        let ana = rates.enter(author(1), Epoch(1), at(0)).unwrap();
        assert_eq!(ana.left(at(0)), 3);
        assert!((0..3).all(|_| ana.take(What::Message, at(0)).is_ok()));
        let over = ana.take(What::Message, at(0)).unwrap_err();
        assert_eq!(
            over.to_string(),
            "this is 1 over the 2 messages a second, 3 at once, that this server takes from one \
             author: try again in 500 ms"
        );
        assert_eq!(ana.take(What::Message, at(1)).unwrap_err().over, 2);
        // Others count for themselves, and coming back gives nothing.
        let bob = rates.enter(author(2), Epoch(1), at(0)).unwrap();
        assert_eq!(bob.take(What::Message, at(1)), Ok(()));
        drop(ana);
        let ana = rates.enter(author(1), Epoch(1), at(500)).unwrap();
        assert_eq!(ana.left(at(500)), 1);
        assert_eq!(ana.take(What::Message, at(500)), Ok(()));
        assert_eq!(ana.take(What::Message, at(500)).unwrap_err().over, 1);
        // Other requests have buckets of their own.
        assert_eq!(ana.take(What::Question, at(500)), Ok(()));
    }

    #[test]
    fn epochs_rooms_and_questions_are_counted_by_the_minute() {
        let (rates, _) = rates(|limits| {
            (limits.epochs, limits.room_changes, limits.questions) = (2, 1, 0);
        });
        let enter = |epoch, now| rates.enter(author(1), Epoch(epoch), at(now)).map(drop);
        assert_eq!(enter(1, 0), Ok(()));
        assert!((0..100).all(|_| enter(1, 0).is_ok()));
        assert_eq!(enter(2, 0), Ok(()));
        let over = enter(3, 0).unwrap_err();
        assert_eq!(over.wait, Duration::from_secs(30));
        assert!(over.to_string().contains("the 2 new outboxes a minute"));
        assert_eq!(enter(3, 30_000), Ok(()));
        let ana = rates.enter(author(1), Epoch(3), at(0)).unwrap();
        assert_eq!(ana.take(What::RoomChange, at(0)), Ok(()));
        assert!(ana.take(What::RoomChange, at(59_999)).is_err());
        assert_eq!(ana.take(What::RoomChange, at(60_000)), Ok(()));
        assert!((0..1_000).all(|_| ana.take(What::Question, at(0)).is_ok()));
    }

    #[test]
    fn no_rate_is_told_as_none() {
        let (rates, _) = rates(|limits| limits.rate = 0);
        let ana = rates.enter(author(1), Epoch(1), at(0)).unwrap();
        assert_eq!((rates.pace(), ana.left(at(0))), (Pace::default(), 0));
        assert!((0..1_000).all(|_| ana.take(What::Message, at(0)).is_ok()));
    }

    #[test]
    fn a_changed_rate_holds_for_sessions_that_begin_then() {
        let (rates, limits) = rates(|limits| (limits.rate, limits.burst) = (10, 10));
        let ana = rates.enter(author(1), Epoch(1), at(0)).unwrap();
        limits.set(Limits {
            rate: 1,
            burst: 1,
            ..Limits::default()
        });
        assert!((0..10).all(|_| ana.take(What::Message, at(0)).is_ok()));
        drop(ana);
        let ana = rates.enter(author(1), Epoch(1), at(1_000)).unwrap();
        let pace = rates.pace();
        assert_eq!(
            (pace.per_second, pace.burst, ana.left(at(1_000))),
            (1, 1, 1)
        );
        assert_eq!(ana.take(What::Message, at(1_000)), Ok(()));
        assert!(ana.take(What::Message, at(1_000)).is_err());
    }

    #[test]
    fn who_has_gone_and_owes_nothing_is_forgotten() {
        let (rates, _) = rates(|_| ());
        let owes = rates.enter(author(0), Epoch(1), at(0)).unwrap();
        (0..100).for_each(|_| owes.take(What::Message, at(0)).unwrap());
        drop(owes);
        let owes = rates.enter(author(0), Epoch(1), at(1_000)).unwrap();
        assert_eq!(owes.left(at(1_000)), 20);
        drop(owes);
        let _here = rates.enter(author(1), Epoch(1), at(0)).unwrap();
        for who in 2..10_000 {
            let now = at(who * 10);
            rates.enter(author(who), Epoch(1), now).map(drop).unwrap();
        }
        let authors = lock(&rates.authors);
        // Those of the last three seconds still owe for their outbox.
        assert!(authors.by_key.len() <= 2 * AUTHORS_MIN);
        assert!(authors.by_key.contains_key(&author(1)));
        assert!(!authors.by_key.contains_key(&author(0)));
    }
}
