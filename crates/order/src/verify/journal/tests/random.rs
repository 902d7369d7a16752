//! Journals of lives at random.

use super::*;

/// Whatever is asked of the order, in any state, its journal is found good.
#[test]
fn every_journal_that_the_order_makes_is_found_good() {
    for seed in 1..200_u64 {
        let mut random = seed;
        let mut pick = |below: u64| {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (random >> 33) % below
        };
        let mut life = Life::default();
        life.began(1);
        let mut term = 1;
        for _ in 0..300 {
            let who = 1 + pick(4) as u8;
            let name = ["ana", "bob", "eva", "rui", "Ana", "lia"][pick(6) as usize];
            let place = room(["lab", "tea", "LAB"][pick(3) as usize]);
            let action = match pick(12) {
                0 | 1 => Action::Enter {
                    nick: nick(name),
                    epoch: Epoch(1 + pick(3)),
                },
                2 => Action::Rename { nick: nick(name) },
                3 | 4 => Action::Join { room: place },
                5 => Action::Leave { room: place },
                6 if pick(4) == 0 => {
                    term += 1;
                    life.began(term);
                    continue;
                }
                _ => {
                    let author = AuthorKey([who; 32]);
                    let settled = life
                        .order
                        .member_of(&author)
                        .and_then(|member| life.order.settled_of(member));
                    let (epoch, last) = settled.unwrap_or((Epoch(1), Pseq(0)));
                    let head = life.order.clock().get();
                    let audience = match pick(4) {
                        0 => Audience::All,
                        1 => Audience::Room(place),
                        2 => Audience::Unicast(nick(name)),
                        _ => Audience::Multicast(vec![nick(name), nick("bob"), nick("ana")]),
                    };
                    Action::Say(Submit {
                        epoch: Epoch(epoch.0 + pick(20) / 19),
                        pseq: Pseq(last.0 + 1 + pick(8) / 7 - pick(8) / 7),
                        clock: Lamport::new(head + 2 - pick(3).min(head)),
                        seen: Lamport::new((head + pick(8) / 7).saturating_sub(pick(3))),
                        sent_at: UnixMicros(1),
                        audience,
                        text: "x".repeat(pick(9) as usize),
                    })
                }
            };
            life.act(who, action);
        }
        let (judge, judged) = judge(&life.records);
        assert_eq!(judged, Ok(()), "seed {seed}");
        assert_eq!(judge.clock(), life.order.clock(), "seed {seed}");
        let judgement = judge.judgement();
        assert_eq!(judgement.last_stamp, life.order.last_stamp());
        assert_eq!(judgement.members, life.order.members_len());
        assert!(
            judgement.members == 0 || judgement.entries > 3,
            "seed {seed}"
        );
    }
}
