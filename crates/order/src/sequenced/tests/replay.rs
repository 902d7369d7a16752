//! A journal leads to the state of the machine that made it, and anything else in it is named.

use lamparina_protocol::Term;

use super::random::{Dice, Step};
use super::undo::state;
use super::*;
use crate::record::{LogIndex, Record, RecordedMessage, RoomId, To};

const SEEDS: u64 = 300;
const ENTRIES: usize = 300;

/// A machine and its journal.
#[derive(Clone, Default)]
pub(super) struct Kept {
    pub(super) order: Sequenced,
    pub(super) journal: Vec<Record>,
}

impl Kept {
    pub(super) fn note(&mut self, event: Recorded) {
        self.note_at(UnixMicros::default(), event);
    }

    pub(super) fn note_at(&mut self, at: UnixMicros, event: Recorded) {
        self.journal.push(Record {
            index: LogIndex(self.journal.len() as u64 + 1),
            at,
            stamp: self.order.last_stamp(),
            event,
        });
    }

    pub(super) fn apply(&mut self, entry: Entry) {
        let recorded = self.order.apply_recorded(entry, &mut Vec::new());
        if let Some(event) = recorded {
            self.note(event);
        }
    }

    pub(super) fn step(&mut self, step: Step) {
        let at = step.at();
        if let Some(event) = step.apply(&mut self.order, &mut Vec::new()) {
            self.note_at(at, event);
        }
    }

    fn began(&mut self, term: u32) {
        self.note(Recorded::Began { term: Term(term) });
    }
}

/// A random machine and its journal.
pub(super) fn random(seed: u64, entries: usize) -> Kept {
    let (mut kept, mut dice) = (Kept::default(), Dice(seed));
    kept.began(1);
    for _ in 0..entries {
        let step = dice.step(&kept.order);
        kept.step(step);
    }
    kept
}

#[track_caller]
fn replayed(journal: &[Record]) -> Sequenced {
    let mut order = Sequenced::default();
    for record in journal {
        order.replay(record).unwrap();
    }
    order
}

#[test]
fn a_journal_leads_to_the_same_state_and_what_follows_is_the_same() {
    for seed in 0..SEEDS {
        let run = || {
            let mut kept = random(seed, ENTRIES);
            let mut again = replayed(&kept.journal);
            assert_eq!(again.present_len(), 0);
            kept.order.end_sessions();
            assert_eq!(again.to_bytes(), kept.order.to_bytes());
            assert_eq!(state(&again), state(&kept.order));
            let mut dice = Dice(!seed);
            for _ in 0..100 {
                let step = dice.step(&kept.order);
                let (mut one, mut other) = (Vec::new(), Vec::new());
                let recorded = step.clone().apply(&mut kept.order, &mut one);
                assert_eq!(step.apply(&mut again, &mut other), recorded);
                assert_eq!(other, one);
            }
        };
        std::panic::catch_unwind(run).unwrap_or_else(|_| panic!("seed {seed}"));
    }
}

/// A journal with everything in it: numbers in the comments are places in it.
fn journal() -> Vec<Record> {
    let mut kept = Kept::default();
    kept.began(1); // 1
    let say = |pseq, audience| Action::Say(message(pseq, audience));
    let mut act = |who, action| kept.apply(entry(who, 10, action));
    act(ANA, enter("ana", 1)); // 2
    act(BOB, enter("bob", 1)); // 3
    act(EVA, enter("eva", 1)); // 4
    act(BOB, rename("rui")); // 5
    act(ANA, join("lab")); // 6
    act(BOB, join("lab")); // 7
    act(ANA, say(1, Audience::All)); // 8
    act(ANA, say(2, to_each(["eva", "rui"]))); // 9
    act(ANA, say(3, in_room("lab"))); // 10
    act(ANA, say(4, to("nobody"))); // 11
    act(ANA, leave("lab")); // 12
    let clock = at(5);
    act(
        ANA,
        Action::Say(Submit {
            clock,
            ..message(1, Audience::All)
        }),
    ); // 13
    act(ANA, enter("ada", 2)); // 14
    assert_eq!(kept.journal.len(), 14);
    replayed(&kept.journal);
    kept.journal
}

/// The journal with one entry changed must be refused there, in these words.
#[track_caller]
fn check(index: u64, change: impl FnOnce(&mut Record), text: &str) {
    let mut journal = journal();
    let at = usize::try_from(index).unwrap() - 1;
    change(&mut journal[at]);
    let mut order = Sequenced::default();
    let mut results = journal.iter().map(|record| order.replay(record));
    assert!(results.by_ref().take(at).all(|result| result.is_ok()));
    let mismatch = results.next().unwrap().unwrap_err();
    assert_eq!(mismatch.index, LogIndex(index));
    let end = "; this is damage or a change from outside: run lamparina-log verify";
    let whole = format!("entry {index} of the journal: {text}{end}");
    assert_eq!(mismatch.to_string(), whole);
}

fn said(record: &mut Record) -> &mut RecordedMessage {
    match &mut record.event {
        Recorded::Message(message) => message,
        other => panic!("{other:?} is no message"),
    }
}

#[test]
fn every_change_of_a_message_is_found() {
    check(8, |r| r.stamp = at(4), "its stamp should be 2 and is 4");
    check(8, |r| r.stamp = at(1), "its stamp should be 2 and is 1");
    check(
        8,
        |r| said(r).member = MemberId(3),
        "the member's number should be below 3 and is 3",
    );
    check(
        8,
        |r| said(r).member = MemberId(1),
        "the nick of its author should be rui and is ana",
    );
    check(
        8,
        |r| said(r).from = nick("Ana"),
        "the nick of its author should be ana and is Ana",
    );
    let gap = "its place among its author's messages should be possible and is refused here \
               (message 2 came before message 1 of this outbox: send 1 first, then what follows)";
    check(8, |r| said(r).pseq = Pseq(2), gap);
    check(
        9,
        |r| said(r).pseq = Pseq(1),
        "its place among its author's messages should be the next one and is one settled before",
    );
    let stale = "its place among its author's messages should be possible and is refused here \
                 (another session of this profile is newer: its outbox has epoch 1, this one 0; go \
                 on there, or start again here)";
    check(8, |r| said(r).epoch = Epoch(0), stale);
    check(
        9,
        |r| said(r).clock = at(4),
        "the message should be possible and is refused here (this message's clock is 4 and the \
         order's is 2: at most one more is honest; reconnect to take the current clock)",
    );
    check(
        9,
        |r| said(r).clock = at(3),
        "its stamp should be 4 and is 3",
    );
    check(
        9,
        |r| said(r).seen = at(3),
        "the message should be possible and is refused here (this message claims to have seen \
         stamp 3 and the order's clock is 2: reconnect to take the current clock)",
    );
    check(
        9,
        |r| said(r).audience = to_each(["eva", "bob"]),
        "its audience should be Multicast([Nick(\"eva\"), Nick(\"rui\")]) and is \
         Multicast([Nick(\"eva\"), Nick(\"bob\")])",
    );
    check(
        9,
        |r| said(r).to = To::Members(numbers([1])),
        "the recipients by number should be Members([MemberId(1), MemberId(2)]) and is \
         Members([MemberId(1)])",
    );
    check(
        10,
        |r| said(r).to = To::Room(RoomId(1)),
        "the recipients by number should be Room(RoomId(0)) and is Room(RoomId(1))",
    );
    check(
        8,
        |r| said(r).text.clear(),
        "the message should be possible and is refused here (the text is empty: write something \
         after the last colon)",
    );
}

#[test]
fn every_change_of_another_entry_is_found() {
    let claim = |member, who, epoch, name: &str| Recorded::Claimed {
        member: MemberId(member),
        author: author(who),
        epoch: Epoch(epoch),
        nick: nick(name),
    };
    let number = "the new member's number should be 1 and is 2";
    check(3, |r| r.event = claim(2, BOB, 1, "bob"), number);
    let taken = "the claim should be possible and is refused here (ana belongs to somebody else: \
                 choose another name)";
    check(3, |r| r.event = claim(1, BOB, 1, "ana"), taken);
    let held = "the author's number should be 0 and is 1";
    check(3, |r| r.event = claim(1, ANA, 2, "bob"), held);
    let nothing = "the claim should be a newer one and is the same as before";
    check(3, |r| r.event = claim(0, ANA, 1, "ana"), nothing);
    let older = "the epoch should be at least 1 and is 0";
    check(14, |r| r.event = claim(0, ANA, 0, "ada"), older);
    check(14, |r| r.stamp = at(5), "its stamp should be 4 and is 5");

    let named = |from: &str, to: &str| Recorded::Renamed {
        member: MemberId(1),
        from: nick(from),
        to: nick(to),
    };
    let before = "the nick before should be bob and is rob";
    check(5, |r| r.event = named("rob", "rui"), before);
    let taken = "the new nick should be possible and is refused here (eva belongs to somebody \
                 else: choose another name)";
    check(5, |r| r.event = named("bob", "eva"), taken);

    let joined = |number| Recorded::RoomJoined {
        member: MemberId(1),
        nick: nick("rui"),
        room: RoomId(number),
        name: room("lab"),
    };
    let text = "what comes of joining the room should be RoomJoined { member: MemberId(1), nick: \
                Nick(\"rui\"), room: RoomId(0), name: RoomName(\"lab\") } and is RoomJoined { member: \
                MemberId(1), nick: Nick(\"rui\"), room: RoomId(1), name: RoomName(\"lab\") }";
    check(7, |r| r.event = joined(1), text);
    let left = Recorded::RoomLeft {
        member: MemberId(2),
        nick: nick("eva"),
        room: RoomId(0),
        name: room("lab"),
    };
    let text = "what comes of leaving the room should be possible and is refused here (you are not \
                in #lab: /join #lab first)";
    check(12, |r| r.event = left, text);

    let clock = |clock| Recorded::Clock { clock: at(clock) };
    check(13, |r| r.event = clock(4), "the clock should be 5 and is 4");
    check(13, |r| r.event = clock(9), "the clock should be 5 and is 9");

    let refusal = |pseq, clock, code| Recorded::Refused {
        member: MemberId(0),
        epoch: Epoch(1),
        pseq: Pseq(pseq),
        clock: at(clock),
        code,
    };
    let unknown = RefusalCode::UnknownUser;
    let twice = "its place among its author's messages should be the next one and is one settled \
                 before";
    check(11, |r| r.event = refusal(3, 1, unknown), twice);
    let full = "the reason to refuse should be one that settles a message and is storage-full";
    check(
        11,
        |r| r.event = refusal(4, 1, RefusalCode::StorageFull),
        full,
    );
    let ahead = "the reason to refuse should be clock-ahead and is unknown-user";
    check(11, |r| r.event = refusal(4, 9, unknown), ahead);
}
