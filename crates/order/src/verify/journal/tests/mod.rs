//! Journals that the machine made are found good; each fault is named, with the entry that it contradicts.

use std::sync::Arc;

use lamparina_protocol::message::Submit;
use lamparina_protocol::{Audience, Epoch, Pseq, RoomName, SessionNumber};

use super::*;
use crate::access::{InviteHash, InviteId, Operation};
use crate::record::{RoomId, To};
use crate::{Action, Effect, Entry, Sequenced};

mod access;
mod faults;
mod random;

const ANA: u8 = 1;
const BOB: u8 = 2;
const EVA: u8 = 3;

fn nick(text: &str) -> Nick {
    Nick::try_from(text).unwrap()
}

fn room(text: &str) -> RoomName {
    RoomName::try_from(text).unwrap()
}

/// A server's life as far as a journal is concerned.
#[derive(Default)]
struct Life {
    order: Sequenced,
    records: Vec<Record>,
    out: Vec<Effect>,
}

impl Life {
    fn keep(&mut self, event: Recorded) {
        let index = LogIndex(self.records.len() as u64 + 1);
        self.records.push(Record {
            index,
            at: UnixMicros(1_000 * index.0),
            stamp: self.order.last_stamp(),
            event,
        });
    }

    fn began(&mut self, term: u32) {
        self.keep(Recorded::Began { term: Term(term) });
    }

    fn act(&mut self, who: u8, action: Action) {
        let entry = Entry {
            author: AuthorKey([who; 32]),
            session: SessionNumber(1),
            action,
        };
        if let Some(event) = self.order.apply_recorded(entry, &mut self.out) {
            self.keep(event);
        }
    }

    fn enter(&mut self, who: u8, name: &str, epoch: u64) {
        let (nick, epoch) = (nick(name), Epoch(epoch));
        self.act(who, Action::Enter { nick, epoch });
    }

    fn say(&mut self, who: u8, epoch: u64, pseq: u64, audience: Audience) {
        let head = self.order.clock();
        self.act(
            who,
            Action::Say(Submit {
                epoch: Epoch(epoch),
                pseq: Pseq(pseq),
                clock: head.tick().unwrap(),
                seen: head,
                sent_at: UnixMicros(7),
                audience,
                text: format!("text {pseq} of {who}"),
            }),
        );
    }
}

/// Entries 1 to 20, of every kind.
fn story() -> Vec<Record> {
    let mut life = Life::default();
    life.began(1);
    life.enter(ANA, "ana", 1);
    life.enter(BOB, "bob", 1);
    life.enter(EVA, "eva", 1);
    life.say(ANA, 1, 1, Audience::All); // 5
    life.say(BOB, 1, 1, Audience::Unicast(nick("ana")));
    let both = vec![nick("eva"), nick("bob")];
    life.say(ANA, 1, 2, Audience::Multicast(both));
    life.act(ANA, Action::Join { room: room("lab") });
    life.act(BOB, Action::Join { room: room("lab") });
    life.say(BOB, 1, 2, Audience::Room(room("lab"))); // 10
    life.say(ANA, 1, 3, Audience::Unicast(nick("nobody")));
    life.act(EVA, Action::Rename { nick: nick("Evi") });
    life.say(ANA, 1, 2, Audience::All);
    life.say(ANA, 1, 4, Audience::Unicast(nick("eva")));
    life.began(2); // 15
    life.enter(ANA, "ana", 5);
    life.say(ANA, 5, 1, Audience::All);
    life.act(ANA, Action::Leave { room: room("lab") });
    life.act(BOB, Action::Leave { room: room("lab") });
    life.act(BOB, Action::Join { room: room("lab") }); // 20
    life.say(BOB, 1, 3, Audience::All);
    life.records
}

fn judge(records: &[Record]) -> (Judge, Result<(), Box<Violation>>) {
    let mut judge = Judge::default();
    let judged = records.iter().try_for_each(|record| judge.admit(record));
    (judge, judged)
}

#[test]
fn a_good_journal_is_found_good() {
    let records = story();
    let (judge, judged) = judge(&records);
    assert_eq!(judged, Ok(()));
    let expected = Judgement {
        entries: 21,
        messages: 7,
        refused: 1,
        term: Term(2),
        last_stamp: Lamport::new(16),
        members: 3,
    };
    assert_eq!(judge.judgement(), expected);
    let clock = judge.remarks().next();
    assert_eq!(clock, None);
}

/// After `edit`, the entry at `index` is named, for `fault`, against `against`.
#[track_caller]
fn check(edit: impl FnOnce(&mut Vec<Record>), fault: &str, index: u64, against: u64) {
    let mut records = story();
    edit(&mut records);
    let violation = *judge(&records).1.unwrap_err();
    let got = (
        violation.fault.name(),
        violation.entry.index.0,
        violation.against.0,
    );
    assert_eq!(got, (fault, index, against), "{violation}");
}

fn message(records: &mut [Record], index: usize) -> &mut RecordedMessage {
    match &mut records[index - 1].event {
        Recorded::Message(message) => message,
        other => panic!("{other:?}"),
    }
}

/// Counts entries anew, as a forger would.
fn renumber(records: &mut [Record]) {
    for (place, record) in records.iter_mut().enumerate() {
        record.index = LogIndex(place as u64 + 1);
    }
}
