//! Whatever is said, by whom, over which links that come and go: the same history everywhere once all is linked.

use lamparina_protocol::peer::Digest;
use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Step {
    Say(usize),
    Link(usize, usize),
    Cut(usize, usize),
    /// So many things come, each over some way.
    Come(Vec<prop::sample::Index>),
    Pass(u64),
    /// Peers sync when they like.
    Stored(usize),
}

const PEERS: usize = 4;

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let peer = || 0..PEERS;
    let come = prop::collection::vec(any::<prop::sample::Index>(), 1..12);
    let step = prop_oneof![
        4 => peer().prop_map(Step::Say),
        3 => (peer(), peer()).prop_map(|(a, b)| Step::Link(a, b)),
        1 => (peer(), peer()).prop_map(|(a, b)| Step::Cut(a, b)),
        6 => come.prop_map(Step::Come),
        1 => (0_u64..20_000).prop_map(Step::Pass),
        2 => peer().prop_map(Step::Stored),
    ];
    prop::collection::vec(step, 0..80)
}

fn take(net: &mut Net, step: Step) {
    let linked = |net: &Net, a, b| net.ends.contains_key(&(a, b));
    match step {
        Step::Say(who) => net.say(who, "x"),
        Step::Link(a, b) if a != b && !linked(net, a, b) => net.link(a, b),
        Step::Cut(a, b) => net.cut(a, b),
        Step::Come(ways) => {
            for way in ways {
                let all: Vec<_> = net.ways.keys().copied().collect();
                if !all.is_empty() {
                    let (from, to) = all[way.index(all.len())];
                    net.come(from, to);
                }
            }
        }
        Step::Pass(millis) => net.pass(Duration::from_millis(millis)),
        Step::Stored(who) => {
            let upto = net.peers[who].log.len() as u32;
            net.give(who, Input::Stored(Position(upto)));
        }
        Step::Link(..) => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn the_same_history_everywhere(steps in steps(), store: bool) {
        let mut net = Net::new(PEERS as u8);
        net.store = store;
        for step in steps {
            take(&mut net, step);
        }
        net.store = true;
        for who in 0..PEERS {
            take(&mut net, Step::Stored(who));
        }
        for who in 1..PEERS {
            take(&mut net, Step::Link(who - 1, who));
        }
        net.live(Duration::from_secs(70));
        net.assert_same();
        net.assert_no_fault();
        for who in 0..PEERS {
            // In the end everything is final, and keys ascend.
            let lines = net.peers[who].machine.history().after(None, usize::MAX);
            prop_assert!(lines.is_sorted_by(|a, b| a.0 < b.0));
            prop_assert_eq!(net.peers[who].final_upto, lines.last().map(|(key, _)| *key));
        }
    }
}

/// Runs of new keys with no older one between them, looked at one by one.
fn naive_ranges(lines: &[(HistoryKey, bool)]) -> Vec<(HistoryKey, HistoryKey)> {
    let mut ranges: Vec<(HistoryKey, HistoryKey)> = Vec::new();
    let new = lines.iter().filter(|(_, new)| *new);
    for (key, _) in new {
        let parted = |last: &HistoryKey| {
            let mut old = lines.iter().filter(|(_, new)| !*new);
            old.any(|(between, _)| last < between && between < key)
        };
        let full = ranges.len() == MERGE_RANGES_MAX;
        match ranges.last_mut() {
            Some((_, last)) if full || !parted(last) => *last = *key,
            _ => ranges.push((*key, *key)),
        }
    }
    ranges
}

fn key(stamp: u64, n: u64) -> HistoryKey {
    HistoryKey {
        stamp: Lamport::new(stamp),
        name: MessageName {
            chain: lamparina_protocol::peer::Chain {
                author: author(1),
                incarnation: Incarnation(1),
            },
            n,
        },
        digest: Digest([0; 32]),
    }
}

proptest! {
    /// Each line is looked at once, however many have one stamp.
    #[test]
    fn runs_of_inserted_lines(
        lines in prop::collection::btree_map((0_u64..6, 0_u64..40), any::<bool>(), 1..120),
        swap in any::<prop::sample::Index>(),
    ) {
        let sorted: Vec<_> = lines.iter().map(|((s, n), new)| (key(*s, *n), *new)).collect();
        let Some((high, _)) = sorted.iter().rfind(|(_, new)| *new) else {
            return Ok(());
        };
        // By stamp, and within one stamp in any order.
        let mut given = sorted.clone();
        let middle = swap.index(given.len());
        given.rotate_left(middle);
        given.sort_by_key(|(key, _)| key.stamp);
        let mut looked_at = 0;
        let walked = given.iter().copied().inspect(|_| looked_at += 1);
        let ranges = pull::ranges(walked, *high);
        prop_assert_eq!(ranges, naive_ranges(&sorted));
        prop_assert!(looked_at <= sorted.len());
    }
}
