//! The server: requests wait in one line, are ordered in batches, and the tail carries what that says
//! to the sessions. Each decision is compared with the [`Model`]'s.

use std::collections::BTreeMap;

use lamparina_order::{Record, Recorded};
use lamparina_protocol::{AuthorKey, Instant, Lamport, LogId, MemberId, UnixMicros};
use lamparina_server::hub::{Asked, ConnectionId, Hub, Rings};
use lamparina_server::tail::Tail;

use super::check::{Check, Name, Who};
use super::model::{Model, Verdict, who_has};
use super::served::Served;

/// Memory of requests that wait, at most: a few windows of each client.
const WAITING_BYTES_MAX: usize = 64 << 20;

/// The server without its sessions.
#[derive(Debug)]
pub struct Server {
    /// The log that it orders.
    pub log: LogId,
    hub: Hub,
    /// What sessions follow.
    pub tail: Tail,
    asked: Vec<Asked>,
    model: Model,
}

impl Server {
    /// A server that orders log `number`, and whose tail holds so many items.
    pub fn new(number: u8, tail_items: usize) -> Self {
        Self {
            log: LogId([number; 16]),
            hub: Hub::default(),
            tail: Tail::new(lamparina_server::tail::TAIL_BYTES, tail_items),
            asked: Vec::new(),
            model: Model::default(),
        }
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

    /// Whether requests wait.
    pub fn has_work(&self) -> bool {
        !self.asked.is_empty()
    }

    /// The order's clock.
    pub fn clock(&self) -> Lamport {
        self.hub.clock()
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

    /// Orders what waits, and rings. Gives whom it rang for.
    pub fn order(&mut self, served: &mut BTreeMap<u64, Served>, check: &mut Check) -> Vec<u64> {
        let verdicts: Vec<_> = self
            .asked
            .iter()
            .map(|asked| self.model.apply(asked))
            .collect();
        let mut seen = Seen::default();
        let mut rung = Vec::new();
        while !self.asked.is_empty() {
            let applied = self.hub.apply(UnixMicros(0), &mut self.asked);
            seen.note(&applied.records);
            let Some((batch, rings)) = self.hub.keep(applied) else {
                continue;
            };
            let position = self.tail.push(batch);
            let mut ids: Vec<u64> = match rings {
                Rings::Everyone => served.keys().copied().collect(),
                Rings::These(ids) => ids.iter().map(|ConnectionId(id)| *id).collect(),
            };
            ids.retain(|id| match served.get_mut(id) {
                Some(served) => {
                    served.ring(position);
                    true
                }
                None => false,
            });
            rung.append(&mut ids);
        }
        self.compare(verdicts, seen, check);
        rung
    }

    /// The real order and the naive one say the same.
    fn compare(&self, verdicts: Vec<Verdict>, seen: Seen, check: &mut Check) {
        let mut stamped = seen.0.into_iter();
        for verdict in verdicts {
            match verdict {
                Verdict::Placed(name, stamp, recipients) => {
                    let (member, at) = stamped.next().expect("the order left a message out");
                    let got = Name {
                        who: self.who_is(member),
                        ..at.0
                    };
                    assert_eq!(
                        (got, at.1),
                        (name, stamp),
                        "the order disagrees with the model"
                    );
                    if let Err(violation) = check.ordered(name, stamp, recipients) {
                        panic!("{violation}");
                    }
                }
                Verdict::Refused(name, code) => check.decided_against(name, code.name()),
                Verdict::Nothing => {}
            }
        }
        let more = stamped.next();
        assert_eq!(more, None, "the order stamped what the model does not");
    }

    /// Rests until then at the latest, when requests wait.
    pub fn due(&self, now: Instant, pause_micros: u64) -> Option<Instant> {
        let at = now + std::time::Duration::from_micros(pause_micros);
        self.has_work().then_some(at)
    }
}

/// Messages as they are stamped.
#[derive(Debug, Default)]
struct Seen(Vec<(MemberId, (Name, u64))>);

impl Seen {
    fn note(&mut self, records: &[Record]) {
        for record in records {
            if let Recorded::Message(message) = &record.event {
                let name = Name {
                    who: 0,
                    epoch: message.epoch,
                    pseq: message.pseq,
                };
                self.0.push((message.member, (name, record.stamp.get())));
            }
        }
    }
}
