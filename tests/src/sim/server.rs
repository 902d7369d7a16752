//! The server: requests wait in one line, are ordered in batches, and a batch is stored before the
//! tail carries what it says to the sessions. Each decision is compared with the [`Model`]'s, and
//! only what the disk has counts as ordered.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use lamparina_order::{LogIndex, Record, Recorded, Sequenced, Standing};
use lamparina_protocol::control::Hello;
use lamparina_protocol::{AuthorKey, Instant, Lamport, LogId, MemberId, Term, UnixMicros};
use lamparina_server::hub::{
    Applied, Ask, Asked, Batch, ConnectionId, Hub, OperatorAsk, Rings, Ticket, Whom,
};
use lamparina_server::reading::{ReadAsk, Turn, answer};
use lamparina_server::session::{Admission, SessionConfig};
use lamparina_server::tail::{TAIL_BYTES, Tail};
use lamparina_store::{AppendError, Journal, TermBegan};

use super::check::{Check, Name, Who};
use super::disk::{Disk, Fate};
use super::model::{Model, Verdict, key_of, message_of, who_has};
use super::reading::NoDirectory;
use super::served::Served;

/// Memory of requests that wait, at most: a few windows of each client.
const WAITING_BYTES_MAX: usize = 64 << 20;
/// Time between attempts to write to a full disk, as the server's own shell has it.
const FULL_PAUSE: Duration = Duration::from_millis(250);
/// Positions are stored within this, although no message is.
const POSITIONS_WITHIN: Duration = Duration::from_secs(1);

/// How a server is broken, so that the checks are seen to fail.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Wrong {
    /// It is not.
    #[default]
    Nothing,
    /// It tells a batch and stores it later.
    TellsFirst,
    /// It takes what did not fit on the disk for stored.
    TakesFullForStored,
    /// Its disk says that it synced and did not.
    DiskLies,
}

/// A batch that is applied and not stored.
#[derive(Debug)]
struct UnderWay {
    applied: Applied,
    asked: Vec<Asked>,
    verdicts: Vec<Verdict>,
    before: Model,
}

/// The server without its sessions.
#[derive(Debug)]
pub struct Server {
    /// The log that it orders.
    pub log: LogId,
    /// The term that began with its last start.
    pub term: Term,
    terms: Arc<[TermBegan]>,
    /// What it has stored.
    pub disk: Disk,
    hub: Hub,
    /// What sessions follow.
    pub tail: Tail,
    tail_items: usize,
    asked: Vec<Asked>,
    model: Model,
    /// What clients are told: the clock of what is stored.
    clock: Lamport,
    under_way: Option<UnderWay>,
    full_until: Option<Instant>,
    /// The state that a restart must come back to.
    lasting: Option<Vec<u8>>,
    wrong: Wrong,
    /// What a wrong one has told and not stored.
    late: Vec<Record>,
}

impl Server {
    /// A server that orders log `number`, whose tail holds so many items, not started yet.
    pub fn new(number: u8, tail_items: usize, wrong: Wrong) -> Self {
        let mut disk = Disk::default();
        if wrong == Wrong::DiskLies {
            disk.lie();
        }
        Self {
            log: LogId([number; 16]),
            term: Term(0),
            terms: Arc::from([]),
            disk,
            hub: Hub::default(),
            tail: Tail::new(TAIL_BYTES, tail_items),
            tail_items,
            asked: Vec::new(),
            model: Model::default(),
            clock: Lamport::ZERO,
            under_way: None,
            full_until: None,
            lasting: None,
            wrong,
            late: Vec::new(),
        }
    }

    /// Starts on what the disk has, with an empty memory, and begins a term, of which `fate` is
    /// what becomes on disk.
    ///
    /// # Errors
    ///
    /// The disk's. It can be started again.
    pub fn start(&mut self, check: &mut Check, fate: Fate) -> Result<(), AppendError> {
        self.disk.open_again();
        if let Err(violation) = check.reopened(self.disk.records(), who_has) {
            panic!("{violation}");
        }
        let mut order = Sequenced::default();
        let mut terms = Vec::new();
        for record in self.disk.records() {
            if let Err(mismatch) = order.replay(record) {
                panic!("what was stored cannot be replayed: {mismatch}");
            }
            terms.extend(term_began(record));
        }
        if let Some(lasting) = &self.lasting {
            assert!(
                order.to_bytes() == *lasting,
                "a restart leads to another state"
            );
        }
        let term = Term(terms.last().map_or(0, |began| began.term.0) + 1);
        let began = Record {
            index: LogIndex(self.disk.last_index().0 + 1),
            at: UnixMicros(0),
            stamp: order.last_stamp(),
            event: Recorded::Began { term },
        };
        self.disk.plan(fate);
        self.disk.append(std::slice::from_ref(&began), &[])?;
        if let Err(mismatch) = order.replay(&began) {
            panic!("a term cannot begin: {mismatch}");
        }
        terms.extend(term_began(&began));
        (self.term, self.terms) = (term, terms.into());
        self.clock = order.clock();
        self.hub = Hub::resume(order, began.index, self.disk.positions());
        self.tail = Tail::new(TAIL_BYTES, self.tail_items);
        self.model.restarted();
        Ok(())
    }

    /// The power is gone, or the disk failed: everything in memory is lost.
    pub fn stop(&mut self) {
        self.asked.clear();
        self.late.clear();
        self.full_until = None;
        if let Some(under_way) = self.under_way.take() {
            self.model = under_way.before;
            self.hub.abandon(&under_way.applied);
        }
        let right = self.wrong == Wrong::Nothing;
        self.lasting = right.then(|| self.hub.order().to_bytes());
    }

    /// What a session is told at its beginning.
    pub fn session(&self, id: u64, hello: &Hello) -> SessionConfig {
        // A client that does not keep terms knows none, and is not told that its log was rewound.
        let terms = match hello.term {
            Term(0) => Arc::from([]),
            Term(_) => Arc::clone(&self.terms),
        };
        SessionConfig {
            id: ConnectionId(id),
            log: self.log,
            term: self.term,
            terms,
            store: true,
            lab: true,
            admission: Admission::default(),
            rates: None,
        }
    }

    /// Reads one turn of what a session asks for.
    pub fn read(&self, ask: ReadAsk) -> Turn {
        answer(&mut self.disk.reading(), &NoDirectory, ask)
    }

    /// Takes requests.
    pub fn ask(&mut self, mut asked: Vec<Asked>) {
        self.asked.append(&mut asked);
        let waiting: usize = self.asked.iter().map(Asked::cost_bytes).sum();
        assert!(
            waiting <= WAITING_BYTES_MAX,
            "{waiting} bytes of requests wait"
        );
    }

    /// Whether somebody is banned, as far as is ordered.
    pub fn is_banned(&self, who: Who) -> bool {
        let order = self.hub.order();
        let member = order.member_of(&key_of(who));
        member.is_some_and(|member| order.standing_of(member) == Standing::Banned)
    }

    /// An operator bans somebody, or pardons it.
    pub fn operate(&mut self, who: Who, ban: bool) {
        let (whom, by) = (Whom::Key(key_of(who)), "simulated".to_owned());
        let ask = match ban {
            true => OperatorAsk::Ban {
                whom,
                by,
                reason: String::new(),
            },
            false => OperatorAsk::Unban { whom, by },
        };
        let (by, ticket) = (ConnectionId(u64::MAX), Ticket(0));
        let ask = Ask::Operate {
            ticket,
            ask: Box::new(ask),
        };
        self.ask(vec![Asked { by, ask }]);
    }

    /// Whether requests wait, or a batch is not stored.
    pub fn has_work(&self) -> bool {
        !self.asked.is_empty() || self.under_way.is_some()
    }

    /// Whether a batch is applied and not stored: whether it has anything to store.
    pub fn under_way(&self) -> Option<bool> {
        let under_way = self.under_way.as_ref()?;
        Some(under_way.applied.needs_storing())
    }

    /// The order's clock, as far as it may be told.
    pub fn clock(&self) -> Lamport {
        self.clock
    }

    /// The person behind a member's number.
    pub fn who_is(&self, member: MemberId) -> Who {
        let author = self.hub.order().author_of(member);
        who_has(author.expect("numbers are of members"))
    }

    /// The number of a member.
    pub fn member_of(&self, key: &AuthorKey) -> MemberId {
        let member = self.hub.order().member_of(key);
        member.expect("who is told of a commit is a member")
    }

    /// Applies the next batch of what waits; [`Self::store`] follows. Gives whom it rang for,
    /// where something could be told at once.
    pub fn order(
        &mut self,
        now: Instant,
        served: &mut BTreeMap<u64, Served>,
        check: &mut Check,
    ) -> Vec<u64> {
        if self.under_way.is_some() {
            return Vec::new();
        }
        if self.full_until.is_some_and(|until| now < until) {
            let asked = std::mem::take(&mut self.asked);
            for asked in &asked {
                self.unstored(asked, check);
            }
            let told = self.hub.apply_unstored(unix(now), asked);
            return self.tell(told, served);
        }
        let mut asked = self.asked.clone();
        let before = self.model.clone();
        let applied = self.hub.apply(unix(now), &mut self.asked);
        asked.truncate(asked.len() - self.asked.len());
        let verdicts: Vec<_> = asked.iter().map(|asked| self.model.apply(asked)).collect();
        self.compare(&verdicts, &applied.records);
        self.under_way = Some(UnderWay {
            applied,
            asked,
            verdicts,
            before,
        });
        if self.wrong != Wrong::TellsFirst {
            return Vec::new();
        }
        let Some(under_way) = &mut self.under_way else {
            return Vec::new();
        };
        self.late.clone_from(&under_way.applied.records);
        let nothing = self.hub.apply(unix(now), &mut Vec::new());
        let applied = std::mem::replace(&mut under_way.applied, nothing);
        let told = self.hub.keep(applied);
        self.tell(told, served)
    }

    /// Stores the batch under way, and rings. Gives whom it rang for.
    ///
    /// # Errors
    ///
    /// The disk failed, or had no power: [`Self::stop`] follows.
    pub fn store(
        &mut self,
        now: Instant,
        served: &mut BTreeMap<u64, Served>,
        check: &mut Check,
    ) -> Result<Vec<u64>, AppendError> {
        let Some(under_way) = self.under_way.take() else {
            return Ok(Vec::new());
        };
        let UnderWay {
            mut applied,
            asked,
            verdicts,
            before,
        } = under_way;
        applied.records.append(&mut self.late);
        let result = match applied.needs_storing() {
            true => self.disk.append(&applied.records, &applied.positions),
            false => Ok(()),
        };
        let is_stored = self.disk.last_index() == self.hub.last_index();
        if is_stored {
            check.stored(&applied.records);
        }
        match result {
            Ok(()) => {
                durable(verdicts, check);
                self.hub.take_operated();
                self.clock = self.hub.clock();
                let told = self.hub.keep(applied);
                self.compare_presence();
                Ok(self.tell(told, served))
            }
            Err(AppendError::Full(_)) if self.wrong == Wrong::TakesFullForStored => {
                let told = self.hub.keep(applied);
                Ok(self.tell(told, served))
            }
            Err(AppendError::Full(_)) => {
                self.full_until = Some(now + FULL_PAUSE);
                self.model = before;
                let told = self.hub.refuse(unix(now), applied);
                self.refused(&asked, &verdicts, check);
                self.compare_presence();
                Ok(self.tell(told, served))
            }
            Err(failed) => {
                if is_stored {
                    durable(verdicts, check);
                } else {
                    self.model = before;
                    self.hub.abandon(&applied);
                }
                Err(failed)
            }
        }
    }

    fn tell(
        &self,
        told: impl IntoIterator<Item = (Batch, Rings)>,
        served: &mut BTreeMap<u64, Served>,
    ) -> Vec<u64> {
        let mut rung = Vec::new();
        for (batch, rings) in told {
            let position = self.tail.push(batch);
            let ids: Vec<u64> = match rings {
                Rings::Everyone => served.keys().copied().collect(),
                Rings::These(ids) => ids.iter().map(|ConnectionId(id)| *id).collect(),
            };
            for id in ids {
                if let Some(served) = served.get_mut(&id) {
                    served.ring(position);
                    rung.push(id);
                }
            }
        }
        rung
    }

    /// The real order and the naive one say the same.
    fn compare(&self, verdicts: &[Verdict], records: &[Record]) {
        let messages = records.iter().filter_map(|record| match &record.event {
            Recorded::Message(message) => {
                let name = Name {
                    who: self.who_is(message.member),
                    epoch: message.epoch,
                    pseq: message.pseq,
                };
                Some((name, record.stamp.get()))
            }
            _ => None,
        });
        let placed = verdicts.iter().filter_map(|verdict| match verdict {
            Verdict::Placed(name, stamp, _) => Some((*name, *stamp)),
            Verdict::Refused(..) | Verdict::Nothing => None,
        });
        assert!(
            messages.clone().eq(placed.clone()),
            "the order disagrees with the model: {:?} and {:?}",
            messages.collect::<Vec<_>>(),
            placed.collect::<Vec<_>>()
        );
    }

    fn compare_presence(&self) {
        let present = self.hub.order().present();
        let mut present: Vec<_> = present.map(|line| who_has(&line.author)).collect();
        present.sort_unstable();
        assert_eq!(present, self.model.present(), "who is present");
    }

    /// A batch that did not fit: of its messages none has happened; the others are tried alone.
    fn refused(&mut self, asked: &[Asked], verdicts: &[Verdict], check: &mut Check) {
        for (asked, verdict) in asked.iter().zip(verdicts) {
            match message_of(asked) {
                Some(name) => {
                    if let Verdict::Refused(name, code) = verdict {
                        check.decided_against(*name, code.name());
                    }
                    check.turned_away(name);
                }
                None => self.unstored(asked, check),
            }
        }
    }

    /// A request while nothing can be stored.
    fn unstored(&mut self, asked: &Asked, check: &mut Check) {
        if let Verdict::Refused(name, code) = self.model.apply_unstored(asked) {
            check.decided_against(name, code.name());
        }
        if let Some(name) = message_of(asked) {
            check.turned_away(name);
        }
    }

    /// When to order, where something waits: rests until then at the latest.
    pub fn due(&self, now: Instant, pause_micros: u64) -> Option<Instant> {
        if self.under_way.is_some() {
            return None;
        }
        let soon = (!self.asked.is_empty()).then_some(now + Duration::from_micros(pause_micros));
        let later = || self.hub.has_positions().then_some(now + POSITIONS_WITHIN);
        soon.or_else(later)
    }
}

/// The term that an entry begins.
fn term_began(record: &Record) -> Option<TermBegan> {
    match &record.event {
        Recorded::Began { term } => Some(TermBegan {
            term: *term,
            after: record.stamp,
            at: record.at,
        }),
        _ => None,
    }
}

/// What was decided is on disk.
fn durable(verdicts: Vec<Verdict>, check: &mut Check) {
    for verdict in verdicts {
        match verdict {
            Verdict::Placed(name, stamp, recipients) => {
                if let Err(violation) = check.ordered(name, stamp, recipients) {
                    panic!("{violation}");
                }
            }
            Verdict::Refused(name, code) => check.decided_against(name, code.name()),
            Verdict::Nothing => {}
        }
    }
}

fn unix(now: Instant) -> UnixMicros {
    UnixMicros(1_700_000_000_000_000 + now.as_micros())
}
