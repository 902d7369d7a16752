//! What neighbours tell each other: in pages, without what the other has, each in its own order.

use lamparina_protocol::peer::Digest;

use super::*;

/// Messages that one peer says.
fn say_many(net: &mut Net, who: usize, count: u32) {
    for n in 0..count {
        net.say(who, &format!("{who}.{n}"));
    }
}

#[test]
fn a_newcomer_takes_its_history_from_several_peers_and_most_of_it_once() {
    let mut net = Net::ready(4);
    for (a, b) in [(0, 1), (0, 2), (1, 2)] {
        net.link(a, b);
    }
    for _ in 0..2_000 {
        for who in 0..3 {
            net.say(who, "x");
            net.flow();
        }
    }
    net.sent = 0;
    for who in 0..3 {
        net.link(who, 3);
    }
    net.flow();
    net.assert_same();
    net.assert_no_fault();
    // The first looks overlap, and nothing else does.
    let overlap = net.sent - 6_000;
    assert!(
        overlap <= 2 * FIRST_LOOK_MESSAGES as usize,
        "{overlap} twice"
    );
    let mut came: BTreeMap<LinkId, usize> = BTreeMap::new();
    for delivery in &net.peers[3].log {
        *came.entry(delivery.from.unwrap()).or_default() += 1;
    }
    assert_eq!(came.len(), 3, "{came:?}");
    assert!(came.values().all(|count| *count >= 1_024), "{came:?}");
}

#[test]
fn what_both_have_is_not_sent_again() {
    let mut net = Net::ready(2);
    net.link(0, 1);
    say_many(&mut net, 0, 3_000);
    net.flow();
    // One speaks, the other listens: it knows none of the newest message's digests.
    for round in 0..20 {
        net.cut(0, 1);
        say_many(&mut net, 0, round);
        net.sent = 0;
        net.link(0, 1);
        net.flow();
        let most = (round + round / 2) as usize;
        assert!(net.sent <= most, "{} in round {round}", net.sent);
    }
    net.assert_same();
    // Both speak apart: each is sent what the other said, and little else.
    net.cut(0, 1);
    say_many(&mut net, 0, 700);
    say_many(&mut net, 1, 900);
    net.sent = 0;
    net.link(0, 1);
    net.flow();
    net.assert_same();
    assert!(net.sent <= 1_600 * 3 / 2, "{}", net.sent);
    net.assert_no_fault();
}

#[test]
fn a_neighbour_that_stops_is_passed_over() {
    let mut net = Net::ready(3);
    net.link(0, 1);
    say_many(&mut net, 0, 5_000);
    net.flow();
    net.cut(0, 1);
    let late = Converging::new(config(2, 1), net.now);
    net.peers[2].machine = late;
    net.link(0, 2);
    net.link(1, 2);
    // Peer 0 answers the first look and nothing more; the other must wait for its turn.
    for _ in 0..6 {
        net.come(2, 0);
        net.come(0, 2);
    }
    while net.come(2, 1) || net.come(1, 2) {}
    assert!(net.peers[2].log.len() < 5_000);
    net.pass(STUCK_AFTER);
    while net.come(2, 1) || net.come(1, 2) {}
    assert_eq!(net.peers[2].log.len(), 5_000);
    assert!(net.peers[2].machine.is_ready());
    net.flow();
    net.assert_same();
    net.assert_no_fault();
}

/// A newcomer that asked some neighbours for pages first which then say `drip` every now and then, and has yet to take much from
/// another one.
#[track_caller]
fn check_drip(drip: impl Fn(u8) -> Heard, liars: &[LinkId], within: Duration) {
    let mut net = Net::ready(2);
    say_many(&mut net, 1, 5_000);
    for liar in liars {
        net.give(0, Input::LinkUp(*liar));
        net.give(0, Input::Heard(*liar, messages(&[&crafted(9, |_| {})])));
        net.give(0, Input::Heard(*liar, Heard::PageEnd { more: true }));
    }
    net.link(0, 1);
    net.flow();
    let every = STUCK_AFTER - Duration::from_millis(100);
    let begin = net.now;
    let mut drops = 10..;
    while net.peers[0].machine.history().len() < 5_001 {
        net.live(every);
        let passed = net.now.saturating_since(begin);
        assert!(passed < within + every, "others are not asked");
        for liar in liars {
            net.give(0, Input::Heard(*liar, drip(drops.next().unwrap())));
            // Its turn is over, and it wants another one.
            let pull = net.peers[0].machine.links[liar].pull;
            if liars.len() > 1 && matches!(pull, Pull::Asked { slow: true, .. }) {
                net.give(0, Input::Heard(*liar, Heard::PageEnd { more: true }));
            }
        }
        net.flow();
    }
    net.assert_no_fault();
    // What is said from now on comes at once.
    net.say(1, "live");
    net.flow();
    assert_eq!(net.texts(0).last().map(String::as_str), Some("live"));
}

#[test]
fn a_neighbour_that_drips_is_passed_over() {
    let nothing = |_| Heard::Messages(Vec::new());
    let known = |_| Heard::Messages(vec![Incoming::Known(crafted(9, |_| {}).digest())]);
    let new = |of: u8| messages(&[&crafted(of, |_| {})]);
    let liars = [LinkId(900), LinkId(901)];
    check_drip(nothing, &liars[..1], STUCK_AFTER);
    check_drip(known, &liars[..1], PAGE_WITHIN);
    check_drip(new, &liars[..1], PAGE_WITHIN);
    // Several have one turn each, and do not win another one by ending their pages.
    check_drip(new, &liars, PAGE_WITHIN * 2);
}

#[test]
fn what_is_needed_is_given_as_there_is_room() {
    let mut net = Net::ready(2);
    net.link(0, 1);
    say_many(&mut net, 0, 64);
    net.flow();
    let link = net.ends[&(0, 1)];
    let digests = net.peers[0].log.iter().map(|d| d.message.digest());
    let needs = Heard::Need(digests.collect());
    let mut given = |input| {
        let mut out = Vec::new();
        let peer = &mut net.peers[0].machine;
        peer.handle(net.now, input, &mut out).unwrap();
        let given = |o: &&Output| matches!(o, Output::Send(_, Sending::Given(_)));
        out.iter().filter(given).count()
    };
    assert_eq!(given(Input::Room(link, 0)), 0);
    assert_eq!(given(Input::Heard(link, needs)), 0);
    assert_eq!(given(Input::Room(link, 1)), 1);
    assert_eq!(given(Input::Tick), 0);
    assert_eq!(given(Input::Room(link, ROOM)), 63);
}

#[test]
fn a_slow_link_costs_its_cursor() {
    let mut net = Net::ready(3);
    net.link(0, 1);
    net.link(1, 2);
    net.flow();
    let slow = net.ends[&(1, 2)];
    net.give(1, Input::Room(slow, 0));
    say_many(&mut net, 0, 100);
    net.flow();
    assert_eq!(net.peers[1].log.len(), 100);
    assert!(net.peers[2].log.is_empty());
    // A budget of one byte lets one message go.
    net.give(1, Input::Room(slow, 1));
    net.flow();
    assert_eq!(net.peers[2].log.len(), 1);
    let bytes = net.peers[1].log[1].message.bytes().len() as u32;
    net.give(1, Input::Room(slow, 3 * (bytes + 4)));
    net.flow();
    assert_eq!(net.peers[2].log.len(), 4);
    let told = |net: &Net, link| net.peers[1].machine.is_told(link);
    assert_eq!(told(&net, slow), Some(false));
    assert_eq!(told(&net, net.ends[&(1, 0)]), Some(true));
    assert_eq!(told(&net, LinkId(999)), None);
    net.give(1, Input::Room(slow, ROOM));
    assert_eq!(told(&net, slow), Some(true));
    net.flow();
    net.assert_same();
}

#[test]
fn in_a_cycle_nothing_floods_for_ever() {
    let mut net = Net::ready(5);
    for who in 0..5 {
        net.link(who, (who + 1) % 5);
    }
    net.flow();
    net.sent = 0;
    say_many(&mut net, 0, 10);
    net.flow();
    net.assert_same();
    // Over each link at most once each way.
    assert!(net.sent <= 10 * 6, "{}", net.sent);
}

/// Gives a ready peer with one link what a neighbour sends, and what it does about it.
#[track_caller]
fn check_fault(heard: impl IntoIterator<Item = Heard>, expected: Option<Fault>) {
    let mut net = Net::ready(1);
    let link = LinkId(7);
    net.give(0, Input::LinkUp(link));
    net.give(0, Input::Room(link, ROOM));
    for heard in heard {
        net.give(0, Input::Heard(link, heard));
    }
    let told = net.told(0);
    let fault = told.iter().find_map(|output| match output {
        Output::Fault(at, fault) => Some((*at, *fault)),
        _ => None,
    });
    assert_eq!(fault, expected.map(|fault| (link, fault)));
    // A faulty link is forgotten: nothing more is taken from it.
    let message = Heard::Messages(vec![Incoming::New(crafted(9, |_| {}))]);
    let before = net.peers[0].log.len();
    net.give(0, Input::Heard(link, message));
    assert_eq!(net.peers[0].log.len() > before, expected.is_none());
}

fn messages(all: &[&Arc<Signed>]) -> Heard {
    Heard::Messages(all.iter().map(|m| Incoming::New(Arc::clone(m))).collect())
}

#[test]
fn faults_of_neighbours() {
    let first = crafted(1, |_| {});
    let second = crafted(1, |content| {
        content.name.n = 2;
        content.prev = Some(first.digest());
    });
    let other = crafted(2, |content| content.heads = vec![first.digest()]);
    check_fault([messages(&[&first, &second, &other, &first])], None);
    let unknown = Fault::UnknownCause(first.digest());
    check_fault([messages(&[&second])], Some(unknown));
    check_fault([messages(&[&other])], Some(unknown));
    let known = Heard::Messages(vec![Incoming::Known(first.digest())]);
    check_fault([known], Some(unknown));

    let skips = crafted(1, |content| {
        content.name.n = 3;
        content.prev = Some(first.digest());
    });
    check_fault([messages(&[&first, &skips])], Some(Fault::Prev));
    let of_another = crafted(2, |content| {
        content.name.n = 2;
        content.prev = Some(first.digest());
    });
    check_fault([messages(&[&first, &of_another])], Some(Fault::Prev));
    let of_another_life = crafted(1, |content| {
        content.name.n = 2;
        content.name.chain.incarnation = Incarnation(2);
        content.prev = Some(first.digest());
    });
    check_fault([messages(&[&first, &of_another_life])], Some(Fault::Prev));

    let end = |more| Heard::PageEnd { more };
    check_fault([messages(&[&first]), end(true)], None);
    check_fault([end(true)], Some(Fault::EmptyPage));
    check_fault([end(false)], None);
    check_fault([end(false), end(false)], Some(Fault::NotWanted));
}

#[test]
fn a_page_is_not_wanted_twice_at_once() {
    let mut net = Net::ready(1);
    say_many(&mut net, 0, 3);
    let link = LinkId(7);
    let want = |has: Vec<Digest>, limit| Input::Heard(link, Heard::Want { has, limit });
    net.give(0, Input::LinkUp(link));
    // Nothing may be emitted, so the page stays open; what it has may be told all the same.
    net.give(0, want(Vec::new(), 1));
    net.give(0, want(Vec::new(), 0));
    net.give(0, want(Vec::new(), 1));
    let told = net.told(0);
    assert_eq!(told.last(), Some(&Output::Fault(link, Fault::WantedTwice)));
}

/// What a machine sends when a page of `limit` is wanted by who has `has`.
fn page(machine: &mut Converging, has: Vec<Digest>, limit: u32) -> (Vec<Position>, Option<bool>) {
    let mut out = Vec::new();
    let want = Heard::Want { has, limit };
    let input = Input::Heard(LinkId(7), want);
    machine.handle(Instant::ZERO, input, &mut out).unwrap();
    let (mut positions, mut end) = (Vec::new(), None);
    for output in out {
        match output {
            Output::Send(_, Sending::Messages(more)) => {
                positions.extend(more.iter().map(Telling::position));
            }
            Output::Send(_, Sending::PageEnd { more }) => end = Some(more),
            _ => {}
        }
    }
    (positions, end)
}

#[test]
fn pages_have_the_size_that_was_wanted_and_go_on_where_the_last_one_ended() {
    let mut net = Net::ready(1);
    say_many(&mut net, 0, 2_500);
    net.give(0, Input::LinkUp(LinkId(7)));
    net.give(0, Input::Room(LinkId(7), ROOM));
    let digest = |at: usize| net.peers[0].log[at].message.digest();
    let (tenth, last) = (digest(9), digest(2_499));
    let machine = &mut net.peers[0].machine.clone();
    let positions = |range: std::ops::Range<u32>| range.map(Position).collect::<Vec<_>>();
    assert_eq!(page(machine, vec![], 3), (positions(0..3), Some(true)));
    assert_eq!(page(machine, vec![], 0), (vec![], None));
    assert_eq!(
        page(machine, vec![tenth], 1),
        (positions(10..11), Some(true))
    );
    let most = page(machine, vec![], u32::MAX);
    let end = 11 + PAGE_MESSAGES_MAX;
    assert_eq!(most, (positions(11..end), Some(true)));
    assert_eq!(page(machine, vec![last], 9), (vec![], Some(false)));
    assert_eq!(page(machine, vec![], 9), (vec![], Some(false)));
}
