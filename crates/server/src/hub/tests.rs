//! What each request says to whom, as text.

use lamparina_order::Action;
use lamparina_protocol::message::RefusalCode;
use lamparina_protocol::{Audience, Lamport, MemberId};

use super::*;
use crate::testing::{ask, ask_over, enter, lines, nick, room, say};

#[track_caller]
fn check(hub: &mut Hub, asked: Vec<Asked>, expected: &[&str]) {
    let mut asked = asked;
    let said = hub.apply_now(&mut asked);
    assert!(asked.is_empty(), "a few requests are one batch");
    let said = said.map_or_else(Vec::new, |(batch, _)| lines(&batch));
    assert_eq!(said, expected);
}

fn with_three() -> Hub {
    let mut hub = Hub::default();
    let mut asked = vec![
        ask(1, enter("ana")),
        ask(2, enter("bob")),
        ask(3, enter("carla")),
    ];
    hub.apply_now(&mut asked);
    hub
}

#[test]
fn claims_are_told_to_the_others() {
    let mut hub = Hub::default();
    check(
        &mut hub,
        vec![
            ask(1, enter("ana")),
            ask(2, enter("ANA")),
            ask(2, enter("bob")),
        ],
        &[
            "[Entered] -> c1",
            "joined ana after 0 except m0 -> all",
            "[ClaimRefused] -> c2",
            "[Entered] -> c2",
            "joined bob after 0 except m1 -> all",
        ],
    );
}

#[test]
fn messages_go_to_their_audience_and_commits_follow() {
    let both = vec![nick("bob"), nick("carla")];
    check(
        &mut with_three(),
        vec![
            ask(1, say(1, Audience::All, "a")),
            ask(2, say(1, Audience::Unicast(nick("ana")), "b")),
            ask(1, say(2, Audience::Multicast(both), "c")),
            ask(1, say(2, Audience::All, "again")),
            ask(1, say(9, Audience::All, "gap")),
            ask(3, say(1, Audience::Unicast(nick("nobody")), "?")),
            ask(3, say(1, Audience::All, "again")),
        ],
        &[
            "1 ana: a (prev 0) -> all",
            "committed 1 at 1 -> c1",
            "2 bob: b (prev 0) -> m0",
            "committed 1 at 2 -> c2",
            "3 ana: c (prev 0) -> m1 m2",
            "committed 2 at 3 -> c1",
            "committed 2 at 3 -> c1",
            "refused 9: gap -> c1",
            "refused 1: unknown-user -> c3",
            "refused 1: unknown-user -> c3",
        ],
    );
}

#[test]
fn names_rooms_lists_and_barriers() {
    let join = || Action::Join { room: room("lab") };
    let other = |ask| Asked {
        by: ConnectionId(2),
        ask,
    };
    check(
        &mut with_three(),
        vec![
            ask(
                1,
                Action::Rename {
                    nick: nick("anita"),
                },
            ),
            ask(1, Action::Rename { nick: nick("bob") }),
            ask(1, join()),
            ask(2, join()),
            ask(2, say(1, Audience::Room(room("lab")), "r")),
            ask(3, say(1, Audience::Room(room("lab")), "r")),
            ask(1, Action::Leave { room: room("lab") }),
            other(Ask::List),
            ask(3, Action::Exit),
            other(Ask::List),
            other(Ask::Barrier),
            other(Ask::Consumed {
                member: MemberId(1),
                upto: Lamport::new(1),
                count: 1,
            }),
        ],
        &[
            "renamed ana anita after 0 -> all",
            "error nick-taken -> c1",
            "anita joined #lab after 0 -> m0",
            "bob joined #lab after 0 -> m0 m1",
            "1 bob: r (prev 0) -> m0",
            "committed 1 at 1 -> c2",
            "refused 1: not-in-room -> c3",
            "anita left #lab after 1 -> m0 m1",
            "left carla after 1 except m2 -> all",
            "list anita,bob of 2 -> c2",
            "list anita,bob of 2 -> c2",
            "[Barrier] -> c2",
        ],
    );
}

#[test]
fn a_newer_session_takes_over_and_the_old_ones_end_is_not_its_end() {
    let mut hub = with_three();
    check(
        &mut hub,
        vec![
            ask_over(11, 1, 2, enter("ana")),
            ask_over(1, 1, 1, say(1, Audience::All, "late")),
            ask_over(1, 1, 1, Action::Exit),
            ask_over(12, 1, 2, enter("anita")),
            // The same session over another connection: the first one's end changes nothing.
            ask_over(11, 1, 2, Action::Exit),
            ask_over(12, 1, 2, say(1, Audience::All, "on time")),
        ],
        &[
            "[TakenOver] -> c1",
            "[Entered] -> c11",
            "refused 1: taken-over -> c1",
            "[TakenOver] -> c11",
            "[Entered] -> c12",
            "renamed ana anita after 0 except m0 -> all",
            "1 anita: on time (prev 0) -> all",
            "committed 1 at 1 -> c12",
        ],
    );
    assert_eq!(hub.order().present_len(), 3);
}

#[test]
fn only_sessions_that_a_batch_reaches_are_rung_for() {
    let mut hub = with_three();
    let mut rings = |asked: Vec<Asked>| hub.apply_now(&mut { asked }).unwrap().1;
    let these = |ids: &[u64]| Rings::These(ids.iter().map(|id| ConnectionId(*id)).collect());
    let to_bob = || Audience::Unicast(nick("bob"));
    assert_eq!(rings(vec![ask(1, say(1, to_bob(), "x"))]), these(&[1, 2]));
    assert_eq!(
        rings(vec![ask(1, say(2, Audience::All, "x"))]),
        Rings::Everyone
    );
    assert_eq!(rings(vec![ask(2, Action::Exit)]), Rings::Everyone);
    // Nobody is there to be rung for, and the message waits.
    assert_eq!(rings(vec![ask(1, say(3, to_bob(), "x"))]), these(&[1]));
}

#[test]
fn larger_rooms_share_one_lane() {
    let mut hub = Hub::default();
    let mut asked = Vec::new();
    for author in 1..=40 {
        asked.push(ask(author, enter(&format!("user{author}"))));
        asked.push(ask(author, Action::Join { room: room("lab") }));
    }
    hub.apply_now(&mut asked);
    let mut asked: Vec<Asked> = (1..=3)
        .map(|author| ask(author, say(1, Audience::Room(room("lab")), "x")))
        .collect();
    let (batch, rings) = hub.apply_now(&mut asked).unwrap();
    assert_eq!(batch.lanes.len(), 1);
    assert_eq!(batch.lanes[0].items, [0, 2, 4]);
    // Who asked, then everybody in the room.
    let rung = (1..=3).chain(1..=40).map(ConnectionId);
    assert_eq!(rings, Rings::These(rung.collect()));
    let mut own = Vec::new();
    let mut reaching = |from| {
        let reaching = batch.reaching(ConnectionId(2), Some(MemberId(1)), from, &mut own);
        reaching.collect::<Vec<_>>()
    };
    assert_eq!(reaching(0), [0, 2, 3, 4]);
    assert_eq!(reaching(3), [3, 4]);
}

#[test]
fn one_buffer_holds_all_bodies() {
    let mut asked = vec![
        ask(1, say(1, Audience::All, "a")),
        ask(1, say(2, Audience::All, "b")),
    ];
    let (batch, _) = with_three().apply_now(&mut asked).unwrap();
    let ends: Vec<_> = batch.items.iter().map(|item| item.body.bytes()).collect();
    for pair in ends.windows(2) {
        let end = pair[0].as_ptr().addr() + pair[0].len();
        assert_eq!(end, pair[1].as_ptr().addr());
    }
}

/// A request of one of many.
fn of_many(number: usize, action: Action) -> Asked {
    let mut asked = ask(0, action);
    asked.by = ConnectionId(number as u64);
    if let Ask::Entry(entry) = &mut asked.ask {
        entry.author.0[..8].copy_from_slice(&(number as u64).to_be_bytes());
    }
    asked
}

/// So many who have entered.
fn with_many(count: usize) -> Hub {
    let mut hub = Hub::default();
    let mut asked: Vec<Asked> = (0..count)
        .map(|number| of_many(number, enter(&format!("user{number}"))))
        .collect();
    while !asked.is_empty() {
        hub.apply_now(&mut asked);
    }
    hub
}

fn list(by: u64) -> Asked {
    let by = ConnectionId(by);
    Asked { by, ask: Ask::List }
}

#[test]
fn new_names_and_lists_in_turn_make_one_list() {
    let mut hub = with_many(3_000);
    let mut asked = Vec::new();
    for turn in 0..2_000 {
        let name = if turn % 2 == 0 { "ana" } else { "anita" };
        asked.push(ask(0, Action::Rename { nick: nick(name) }));
        asked.push(list(0));
    }
    let (batch, rings) = hub.apply_now(&mut asked).unwrap();
    assert!(asked.is_empty());
    assert!(batch.cost_bytes < 2 << 20, "{} bytes", batch.cost_bytes);
    let mut lists = batch.items.iter().map(|item| item.body.bytes());
    let last = lists.next_back().unwrap();
    let shared = lists.filter(|body| body.as_ptr() == last.as_ptr());
    assert_eq!(shared.count(), 1_999);
    // With so many present only the one renamed is told.
    assert!(batch.everyone.is_empty());
    // Once as the one who asked, once as the member.
    assert_eq!(rings, Rings::These(vec![ConnectionId(0); 2]));
    assert_eq!(batch.members.len(), 2_000);
}

#[test]
fn a_batch_ends_by_what_it_says() {
    let mut hub = with_three();
    let text = "x".repeat(256 * 1024);
    let mut asked: Vec<Asked> = (1..=40)
        .map(|pseq| ask(1, say(pseq, Audience::All, &text)))
        .collect();
    let (mut batches, mut committed) = (0, 0);
    while !asked.is_empty() {
        let waited = asked.len();
        let (batch, _) = hub.apply_now(&mut asked).unwrap();
        assert!(asked.len() < waited);
        assert!(
            batch.cost_bytes <= BATCH_OUTPUT_BYTES + (1 << 20),
            "{}",
            batch.cost_bytes
        );
        let lines = lines(&batch);
        for line in lines.iter().filter(|line| line.starts_with("committed")) {
            committed += 1;
            let expected = format!("committed {committed} at {committed} -> c1");
            assert_eq!(line, &expected, "in order, across batches");
        }
        batches += 1;
    }
    assert_eq!((batches, committed), (3, 40));
}

#[test]
fn comings_into_a_large_room_cost_no_list_of_it_each() {
    let join = |number| of_many(number, Action::Join { room: room("lab") });
    let leave = |number| of_many(number, Action::Leave { room: room("lab") });
    let mut hub = with_many(ROOM_TOLD_MAX + 1);
    let mut asked: Vec<Asked> = (0..=ROOM_TOLD_MAX).map(join).collect();
    let mut costs = 0;
    while !asked.is_empty() {
        let (batch, rings) = hub.apply_now(&mut asked).unwrap();
        let Rings::These(mut rung) = rings else {
            panic!("a room is not everybody");
        };
        let bells = rung.len();
        rung.sort_unstable();
        rung.dedup();
        assert_eq!(rung.len(), bells, "nobody is rung twice for a batch");
        let kept = batch.lanes.iter().map(|lane| size_of_val(&*lane.members));
        assert!(
            batch.cost_bytes > kept.sum(),
            "lists of members are counted"
        );
        assert!(batch.cost_bytes < BATCH_OUTPUT_BYTES + (1 << 20));
        costs += batch.cost_bytes;
    }
    assert!(costs > ROOM_TOLD_MAX * ROOM_TOLD_MAX * size_of::<MemberId>() / 2);
    // Now the room is large: only who goes and comes is told.
    let mut asked: Vec<Asked> = (0..100).flat_map(|_| [leave(7), join(7)]).collect();
    let (batch, rings) = hub.apply_now(&mut asked).unwrap();
    assert!(asked.is_empty() && batch.lanes.is_empty());
    assert_eq!(batch.members.len(), 200);
    assert_eq!(rings, Rings::These(vec![ConnectionId(7)]));
    assert_eq!(
        &lines(&batch)[..2],
        [
            "user7 left #lab after 0 -> m7",
            "user7 joined #lab after 0 -> m7"
        ]
    );
}

/// As [`check`], while nothing can be stored.
#[track_caller]
fn check_refused(hub: &mut Hub, asked: Vec<Asked>, expected: &[&str]) {
    let (before, clock) = (hub.last_index(), hub.clock());
    let mut asked = asked;
    let again = asked.clone();
    let applied = hub.apply(UnixMicros(0), &mut asked);
    let told = |told: Vec<(Batch, Rings)>| -> Vec<String> {
        told.iter().flat_map(|(batch, _)| lines(batch)).collect()
    };
    let said = told(hub.refuse(UnixMicros(0), applied));
    assert_eq!(said, expected);
    assert_eq!((hub.last_index(), hub.clock()), (before, clock));
    // The same when it is known beforehand.
    let said = told(hub.apply_unstored(UnixMicros(0), again));
    assert_eq!(said, expected);
    assert_eq!((hub.last_index(), hub.clock()), (before, clock));
}

#[test]
fn what_could_not_be_stored_has_not_happened_and_the_rest_is_answered() {
    let mut hub = with_three();
    let settled = vec![ask(1, say(1, Audience::All, "kept"))];
    hub.apply_now(&mut settled.clone());
    check_refused(
        &mut hub,
        vec![
            ask(1, say(2, Audience::All, "new")),
            // Answered in this batch, so not at all.
            ask(1, say(2, Audience::All, "new")),
            settled[0].clone(),
            ask(
                2,
                Action::Rename {
                    nick: nick("bobby"),
                },
            ),
            ask(2, say(1, Audience::Unicast(nick("nobody")), "?")),
            ask(4, enter("dora")),
            ask(3, Action::Join { room: room("lab") }),
            Asked {
                by: ConnectionId(2),
                ask: Ask::Confirm {
                    member: MemberId(1),
                },
            },
        ],
        &[
            "refused 2: storage-full -> c1",
            "refused 2: storage-full -> c1",
            "committed 1 at 1 -> c1",
            "error storage-full -> c2",
            "refused 1: storage-full -> c2",
            "[ClaimRefused] -> c4",
            "error storage-full -> c3",
            "[Confirmed] -> c2",
        ],
    );
    // As if nothing had been asked.
    check(
        &mut hub,
        vec![
            ask(1, say(2, Audience::All, "again")),
            ask(2, say(1, Audience::Unicast(nick("ana")), "hi")),
        ],
        &[
            "2 ana: again (prev 0) -> all",
            "committed 2 at 2 -> c1",
            "3 bob: hi (prev 0) -> m0",
            "committed 1 at 3 -> c2",
        ],
    );
}

#[test]
fn a_refusal_says_whether_the_disk_is_full_or_the_journal_held() {
    for (why, words) in [
        (Unstored::Full, "the server's disk is full"),
        (Unstored::Held, "another program holds the server's journal"),
    ] {
        let mut hub = with_three();
        hub.cannot_store(why);
        assert!(!hub.cannot_store(why), "it is the same reason");
        let asked = vec![ask(1, say(1, Audience::All, "new"))];
        let told = hub.apply_unstored(UnixMicros(0), asked);
        let What::Refusal(refusal) = &told[0].0.items[0].what else {
            panic!("{told:?}");
        };
        assert!(refusal.text.starts_with(words), "{}", refusal.text);
    }
}

#[test]
fn who_comes_back_or_goes_needs_no_storing() {
    let mut hub = with_three();
    check_refused_once(
        &mut hub,
        vec![
            ask(1, Action::Exit),
            ask(1, say(1, Audience::All, "new")),
            ask_over(7, 1, 9, enter("ana")),
        ],
        &["left ana after 0 except m0 -> all", "[Entered] -> c7"],
    );
    assert_eq!(hub.connection_of(Some(MemberId(0))), Some(ConnectionId(7)));
}

/// A refused batch that changes who is present: of the answers, those that `expected` names.
#[track_caller]
fn check_refused_once(hub: &mut Hub, asked: Vec<Asked>, expected: &[&str]) {
    let mut asked = asked;
    let applied = hub.apply(UnixMicros(0), &mut asked);
    let told = hub.refuse(UnixMicros(0), applied);
    let said: Vec<String> = told.iter().flat_map(|(batch, _)| lines(batch)).collect();
    for line in expected {
        assert!(said.iter().any(|said| said == line), "{line} in {said:?}");
    }
}

#[test]
fn authors_are_told_who_has_their_messages() {
    let mut hub = with_three();
    let mut asked = vec![
        ask(1, say(1, Audience::Unicast(nick("bob")), "a")),
        ask(1, say(2, Audience::All, "b")),
    ];
    hub.apply_now(&mut asked);
    let consumed = |member: u32, upto: u64| Asked {
        by: ConnectionId(u64::from(member) + 1),
        ask: Ask::Consumed {
            member: MemberId(member),
            upto: Lamport::new(upto),
            count: 1,
        },
    };
    let said = |hub: &mut Hub, asked: Asked| -> Vec<String> {
        let said = hub.apply_now(&mut vec![asked]);
        said.map_or_else(Vec::new, |(batch, _)| lines(&batch))
    };
    assert_eq!(
        said(&mut hub, consumed(1, 2)),
        ["receipts by bob: 1 (1 of 1) 2 (1 of 2) -> c1"]
    );
    assert_eq!(said(&mut hub, consumed(1, 2)), [""; 0]);
    assert_eq!(
        said(&mut hub, consumed(2, 2)),
        ["receipts by carla: 2 (2 of 2) -> c1"]
    );
    // Who is away is not told.
    hub.apply_now(&mut vec![
        ask(1, say(3, Audience::All, "c")),
        ask(1, Action::Exit),
    ]);
    assert_eq!(said(&mut hub, consumed(1, 3)), [""; 0]);
}

#[test]
fn who_comes_back_with_a_newer_outbox_gets_in_although_nothing_can_be_stored() {
    let mut hub = with_three();
    hub.apply_now(&mut vec![ask(1, say(1, Audience::All, "kept"))]);
    let Action::Enter { nick, epoch } = enter("ana") else {
        panic!("it is a claim");
    };
    let newer = Action::Enter {
        nick,
        epoch: Epoch(epoch.0 + 1),
    };
    let before = hub.last_index();
    let told = hub.apply_unstored(UnixMicros(0), vec![ask_over(7, 1, 9, newer)]);
    let entered = told.iter().flat_map(|(batch, _)| &batch.items);
    let mut entered = entered.filter_map(|item| match &item.what {
        What::Note(note) => match &**note {
            Note::Entered(entered) => Some(entered.settled),
            _ => None,
        },
        _ => None,
    });
    assert_eq!(entered.next(), Some(Pseq(0)));
    assert_eq!(hub.last_index(), before);
    assert_eq!(hub.connection_of(Some(MemberId(0))), Some(ConnectionId(7)));
}

fn operate(ticket: u64, ask: OperatorAsk) -> Asked {
    let (ask, ticket) = (Box::new(ask), Ticket(ticket));
    Asked {
        by: ConnectionId(u64::MAX),
        ask: Ask::Operate { ticket, ask },
    }
}

fn ban(name: &str) -> OperatorAsk {
    OperatorAsk::Ban {
        whom: Whom::Nick(name.try_into().unwrap()),
        by: "uid 7".to_owned(),
        reason: "spam".to_owned(),
    }
}

#[test]
fn operators_are_answered_once_it_is_durable() {
    let mut hub = with_three();
    let before = hub.last_index();
    let mut asked = vec![operate(1, ban("bob")), operate(2, ban("nobody"))];
    let applied = hub.apply(UnixMicros(9), &mut asked);
    assert_eq!(applied.records.len(), 1);
    assert_eq!(applied.records[0].at, UnixMicros(9));
    assert!(hub.take_operated().is_empty(), "nothing is told before");
    let (batch, rings) = hub.keep(applied).unwrap();
    let answers = hub.take_operated();
    let nick = "bob".try_into().unwrap();
    assert_eq!(answers[0], (Ticket(1), OperatorAnswer::Banned(nick, true)));
    let (Ticket(2), OperatorAnswer::Refused(words)) = &answers[1] else {
        panic!("{answers:?}");
    };
    assert_eq!(words.code, RefusalCode::NotFound);
    let ended = batch
        .items
        .iter()
        .any(|item| matches!(&item.what, What::Note(note) if matches!(&**note, Note::Ended(_))));
    assert!(ended && rings == Rings::Everyone);
    assert_eq!(hub.last_index().0, before.0 + 1);
    assert_eq!(hub.connection_of(Some(MemberId(1))), None);
}

#[test]
fn what_operators_ask_of_a_full_disk_is_refused_unless_it_needs_none() {
    let mut hub = with_three();
    let before = hub.last_index();
    let members = || OperatorAsk::Members {
        after: None,
        present: true,
    };
    let kick = OperatorAsk::Kick {
        whom: Whom::Nick("carla".try_into().unwrap()),
    };
    let mut asked = vec![
        operate(1, ban("bob")),
        operate(2, members()),
        operate(3, kick),
    ];
    let applied = hub.apply(UnixMicros(9), &mut asked);
    hub.refuse(UnixMicros(9), applied);
    let answers = hub.take_operated();
    let code = |answer: &OperatorAnswer| match answer {
        OperatorAnswer::Refused(words) => Some(words.code),
        _ => None,
    };
    assert_eq!(code(&answers[0].1), Some(RefusalCode::StorageFull));
    let OperatorAnswer::Members(lines, false) = &answers[1].1 else {
        panic!("{answers:?}");
    };
    assert!(lines.len() == 3 && lines.iter().all(|line| !line.banned));
    assert!(matches!(&answers[2].1, OperatorAnswer::Kicked(_)));
    assert_eq!(hub.last_index(), before);
    assert_eq!(hub.connection_of(Some(MemberId(1))), Some(ConnectionId(2)));
    hub.apply_unstored(UnixMicros(9), vec![operate(4, ban("bob"))]);
    assert_eq!(
        code(&hub.take_operated()[0].1),
        Some(RefusalCode::StorageFull)
    );
}
