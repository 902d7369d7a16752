//! A batch taken back leaves no trace: the state is what it was, and the same entries do the same.

use super::random::Dice;
use super::*;

const SEEDS: u64 = 300;
const SCOPES: usize = 24;

/// Everything but what is kept to take a batch back.
pub(super) fn state(order: &Sequenced) -> String {
    let mut order = order.clone();
    order.undo = Undo::default();
    for number in 0..order.members.len() {
        order.members[MemberId(number as u32)].noted = 0;
    }
    for number in 0..order.rooms.made() {
        if let Some(room) = order.rooms.get_mut(RoomId(number)) {
            room.noted = 0;
            room.unlist();
        }
    }
    format!("{order:?}")
}

/// Applies random entries in a scope, takes them back, and applies them again.
fn scope(order: &mut Sequenced, dice: &mut Dice, entries: u64) {
    let before = state(order);
    let (mut entries_done, mut effects, mut recorded) = (Vec::new(), Vec::new(), Vec::new());
    order.begin();
    for _ in 0..entries {
        let step = dice.step(order);
        recorded.push(step.clone().apply(order, &mut effects));
        entries_done.push(step);
    }
    let after = state(order);
    order.undo();
    assert_eq!(state(order), before);
    order.undo();
    assert_eq!(
        state(order),
        before,
        "a second undo has nothing to take back"
    );
    let mut again = Vec::new();
    order.begin();
    for (step, expected) in entries_done.into_iter().zip(recorded) {
        assert_eq!(step.apply(order, &mut again), expected);
    }
    assert_eq!(again, effects);
    assert_eq!(state(order), after);
}

#[test]
fn random_batches_are_taken_back_without_a_trace() {
    for seed in 0..SEEDS {
        let run = || {
            let (mut order, mut dice) = (Sequenced::default(), Dice(seed));
            for _ in 0..SCOPES {
                let entries = dice.below(40);
                scope(&mut order, &mut dice, entries);
                order.keep();
                let mut out = Vec::new();
                for _ in 0..dice.below(20) {
                    let step = dice.step(&order);
                    step.apply(&mut order, &mut out);
                }
            }
        };
        std::panic::catch_unwind(run).unwrap_or_else(|_| panic!("seed {seed}"));
    }
}

#[test]
fn what_is_kept_is_not_taken_back() {
    let order = &mut three();
    order.begin();
    apply(order, entry(ANA, 10, rename("ada")));
    order.keep();
    order.undo();
    assert_eq!(order.nick_of(MemberId(0)), Some(&nick("ada")));
    order.begin();
    apply(order, entry(ANA, 10, rename("ana")));
    order.begin();
    order.undo();
    assert_eq!(order.nick_of(MemberId(0)), Some(&nick("ana")));
}

#[test]
fn answers_that_were_dropped_come_back() {
    let order = &mut three();
    let say = |pseq| entry(ANA, 10, Action::Say(message(pseq, Audience::All)));
    let settled = OUTCOMES_KEPT as u64 + 100;
    let mut out = Vec::new();
    for pseq in 1..=settled {
        out.clear();
        order.apply(say(pseq), &mut out);
    }
    for newer_epoch in [false, true] {
        let before = state(order);
        order.begin();
        for pseq in settled + 1..=settled + 200 {
            apply(order, say(pseq));
        }
        if newer_epoch {
            apply(order, entry(ANA, 10, enter("ana", 2)));
        }
        assert_ne!(state(order), before);
        order.undo();
        assert_eq!(state(order), before);
    }
}
