//! Every state of an election and everything that it may hear. The expected text lies beside this file, so that a change
//! of protocol shows in review.

use std::fmt::Write as _;

use lamparina_protocol::peer::Incarnation;

use super::*;

fn key(n: u8) -> AuthorKey {
    AuthorKey([n; 32])
}

/// We are 5.
const OWN: u8 = 5;

fn one(epoch: u64, n: u8) -> Coordinator {
    let (epoch, key) = (ElectionEpoch(epoch), key(n));
    Coordinator { epoch, key }
}

/// Long after the start, and after any change.
const LATE: Instant = Instant::from_millis(100_000);
/// As long after the last change as nothing is due yet.
const NOW: Instant = Instant::from_millis(100_100);

fn tell(election: &mut Election, now: Instant, heard: Heard<'_>) -> Vec<Do> {
    let mut out = Vec::new();
    election.handle(now, heard, &mut out);
    out
}

fn alone() -> Election {
    Election::new(key(OWN), ElectionEpoch(0), true, Instant::ZERO)
}

fn joining() -> Election {
    let mut election = alone();
    tell(&mut election, LATE, Heard::Linked(true));
    election
}

fn following(epoch: u64, n: u8) -> Election {
    let mut election = joining();
    let coordinator = one(epoch, n);
    let announced = Announced {
        coordinator,
        beat: 1,
    };
    tell(&mut election, LATE, Heard::Announcement(&announced));
    election
}

fn electing() -> Election {
    let mut election = following(3, 9);
    tell(&mut election, LATE, Heard::Lost);
    election
}

fn challenging() -> Election {
    let mut election = following(3, 2);
    // Long after it changed; and the coordinator was heard just now.
    election.changed = Instant::ZERO;
    tell(&mut election, LATE, Heard::Tick);
    election
}

fn yielding() -> Election {
    let mut election = electing();
    election.yield_to_greater(LATE);
    election
}

fn claiming() -> Election {
    let mut election = electing();
    let until = election.deadline().unwrap();
    assert_eq!(tell(&mut election, until, Heard::Tick).len(), 1);
    election
}

fn coordinating() -> Election {
    let mut election = claiming();
    tell(&mut election, LATE, Heard::Persisted(ElectionEpoch(4)));
    election
}

fn off() -> Election {
    Election::new(key(OWN), ElectionEpoch(0), false, Instant::ZERO)
}

fn candidacy(n: u8, cause: Cause) -> Candidacy {
    Candidacy {
        key: key(n),
        incarnation: Incarnation(1),
        round: 1,
        epoch: ElectionEpoch(3),
        cause,
    }
}

/// A state in words.
fn state(election: &Election) -> String {
    let phase = match election.phase {
        Phase::Off => "off",
        Phase::Quiet { elect_at: Some(_) } => "joining",
        Phase::Quiet { elect_at: None } => "quiet",
        Phase::Electing { cause, .. } => match cause {
            Cause::Lost => "electing",
            Cause::Challenge => "challenging",
        },
        Phase::Yielding { .. } => "yielding",
        Phase::Claiming { .. } => "claiming",
        Phase::Coordinating { .. } => "coordinating",
    };
    match election.coordinator() {
        Some(one) => format!("{phase}, {}", short(one)),
        None => phase.to_owned(),
    }
}

/// Epoch and key of a coordinator.
fn short(one: Coordinator) -> String {
    format!("{} of epoch {}", one.key.0[0], one.epoch)
}

fn done(done: &Do) -> String {
    match done {
        Do::Elect { cause, epoch, .. } => format!("ELECTION {cause:?} above {epoch}"),
        Do::Announce(said) => format!("ANNOUNCEMENT {}", said.beat),
        Do::Forward => "pass on".to_owned(),
        Do::AnswerOk => "OK".to_owned(),
        Do::Tell => "tell who coordinates".to_owned(),
        Do::Persist(epoch) => format!("store epoch {epoch}"),
        Do::Changed(Some(one)) => format!("now {}", short(*one)),
        Do::Changed(None) => "now nobody".to_owned(),
    }
}

type State = (&'static str, fn() -> Election);

const STATES: [State; 10] = [
    ("alone", alone),
    ("joining", joining),
    ("following 9", || following(3, 9)),
    ("following 2", || following(3, 2)),
    ("electing", electing),
    ("challenging 2", challenging),
    ("yielding", yielding),
    ("claiming", claiming),
    ("coordinating", coordinating),
    ("off", off),
];

fn table() -> String {
    let mut text = String::new();
    for (name, make) in STATES {
        let _ = writeln!(text, "{name}");
        let mut row = |event: &str, now: Instant, heard: Heard<'_>| {
            let mut election = make();
            let out = tell(&mut election, now, heard);
            let out: Vec<String> = out.iter().map(done).collect();
            let said = match out.is_empty() {
                true => "-".to_owned(),
                false => out.join("; "),
            };
            let _ = writeln!(text, "  {event:<34}{said} -> {}", state(&election));
        };
        row("time", make().deadline().unwrap_or(NOW), Heard::Tick);
        row("first link", NOW, Heard::Linked(true));
        row("no link left", NOW, Heard::Linked(false));
        row("coordinator's link lost", NOW, Heard::Lost);
        row("coordinator said to be lost", NOW, Heard::Doubted);
        for (n, cause) in [
            (1, Cause::Lost),
            (1, Cause::Challenge),
            (7, Cause::Lost),
            (7, Cause::Challenge),
        ] {
            let candidacy = &candidacy(n, cause);
            for healthy in [false, true] {
                let whose = if healthy { ", healthy" } else { "" };
                let event = format!("ELECTION of {n}, {cause:?}{whose}");
                row(&event, NOW, Heard::Election { candidacy, healthy });
            }
        }
        for from in [1, 7] {
            let (from, candidate, round) = (key(from), key(OWN), make().round);
            let event = format!("ELECTION_OK from {}", from.0[0]);
            let heard = Heard::Ok {
                from,
                candidate,
                round,
            };
            row(&event, NOW, heard);
        }
        for coordinator in [one(2, 8), one(3, 2), one(3, 9), one(4, 4), one(4, 7)] {
            let beat = 2;
            let announced = &Announced { coordinator, beat };
            let event = format!("ANNOUNCEMENT {}", short(coordinator));
            row(&event, NOW, Heard::Announcement(announced));
        }
        row("neighbour: nobody", NOW, Heard::Seen(None));
        row("neighbour: 9 of epoch 3", NOW, Heard::Seen(Some(one(3, 9))));
        row("epoch 4 stored", NOW, Heard::Persisted(ElectionEpoch(4)));
    }
    text
}

#[test]
fn every_state_and_everything_it_may_hear() {
    let text = table();
    let is_same = text == include_str!("table.txt");
    assert!(is_same, "table.txt says something else than this:\n{text}");
}

#[test]
fn who_is_always_answered_and_never_led_coordinates() {
    let mut election = electing();
    let mut now = LATE;
    for _ in 0..YIELDS_MAX {
        let (from, candidate, round) = (key(9), key(OWN), election.round);
        let heard = Heard::Ok {
            from,
            candidate,
            round,
        };
        tell(&mut election, now, heard);
        assert_eq!(state(&election), "yielding");
        now = election.deadline().unwrap();
        tell(&mut election, now, Heard::Tick);
        assert_eq!(state(&election), "electing");
    }
    let round = election.round;
    let heard = Heard::Ok {
        from: key(9),
        candidate: key(OWN),
        round,
    };
    tell(&mut election, now, heard);
    assert_eq!(state(&election), "electing");
}

#[test]
fn the_last_epoch_is_not_exceeded() {
    let last = lamparina_protocol::peer::record::EPOCH_MAX - 1;
    let mut election = Election::new(key(OWN), ElectionEpoch(last), true, LATE);
    tell(&mut election, LATE, Heard::Linked(true));
    for _ in 0..20 {
        let now = election.deadline().unwrap();
        let out = tell(&mut election, now, Heard::Tick);
        assert!(!out.iter().any(|one| matches!(one, Do::Persist(_))));
    }
}

/// Announcements that only echo what is known keep nobody alive.
#[test]
fn time_without_announcements_ends_a_coordinator() {
    let mut election = following(3, 9);
    let lost = LATE + ANNOUNCEMENT_MISSED;
    assert_eq!(election.deadline(), Some(lost));
    tell(&mut election, LATE, Heard::Doubted);
    assert_eq!(election.deadline(), Some(LATE + DOUBTED));
    election.slept(DOUBTED);
    assert_eq!(election.deadline(), Some(LATE + DOUBTED * 2));
}
