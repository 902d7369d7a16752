//! What comes sooner from others is only named, and nothing is missed by it.

use super::*;

/// Four peers, each linked to all others, that have all spoken.
fn mesh() -> Net {
    let mut net = Net::ready(4);
    for a in 0..4 {
        for b in a + 1..4 {
            net.link(a, b);
        }
    }
    net.flow();
    for who in 0..4 {
        net.say(who, "first");
        net.flow();
    }
    net.assert_same();
    (net.sent, net.whole) = (0, 0);
    net
}

#[test]
fn in_a_mesh_one_whole_copy_comes_to_each_peer() {
    let mut net = mesh();
    for who in [0, 1, 2, 3, 2, 1] {
        net.say(who, "again");
        net.flow();
    }
    net.assert_same();
    assert_eq!(net.whole, 6 * 3, "{} were told or named", net.sent);
    assert!(net.sent > net.whole, "nothing was named");
}

#[test]
fn where_the_direct_link_breaks_the_named_is_needed_and_given() {
    let mut net = mesh();
    net.cut(0, 3);
    net.say(0, "over others now");
    net.flow();
    assert_eq!(net.peers[3].log.len() + 1, net.peers[0].log.len());
    net.live(NAMED_WITHIN);
    net.assert_same();
    // From now on somebody tells it whole: nobody waits again.
    net.say(0, "and again");
    net.flow();
    net.assert_same();
}

#[test]
fn what_stands_behind_a_named_message_waits_for_it() {
    let mut net = mesh();
    // To the last peer 0 is slow: what others name of it is not here yet.
    net.say(0, "slow");
    for to in [1, 2] {
        assert!(net.come(0, to));
    }
    net.say(1, "an answer");
    while net.come(1, 3) {}
    let before = net.peers[3].log.len();
    assert_eq!(before, 4, "an answer does not come before its cause");
    assert!(net.come(0, 3));
    assert_eq!(net.peers[3].log.len(), 6, "both, without being asked for");
    net.flow();
    net.assert_same();
}

fn named(digest: u8) -> Heard {
    Heard::Messages(vec![Incoming::Named(Digest([digest; 32]))])
}

#[test]
fn who_names_and_does_not_give_holds_up_itself_only() {
    let mut net = Net::ready(2);
    net.link(0, 1);
    let liar = LinkId(7);
    net.give(0, Input::LinkUp(liar));
    net.give(0, Input::Room(liar, ROOM));
    net.give(0, Input::Heard(liar, Heard::PageEnd { more: false }));
    net.give(0, Input::Heard(liar, named(1)));
    net.live(NAMED_WITHIN);
    // Something else is not what was needed, and what it says behind that waits.
    let given = Heard::Given(vec![crafted(1, |_| {})]);
    net.give(0, Input::Heard(liar, given));
    let other = Heard::Messages(vec![Incoming::New(crafted(9, |_| {}))]);
    net.give(0, Input::Heard(liar, other));
    net.say(1, "goes on");
    net.live(Duration::from_secs(30));
    assert_eq!(net.peers[0].log.len(), 1);
    net.assert_no_fault();
}

#[test]
fn what_waits_behind_a_name_is_bounded_and_so_is_what_is_needed() {
    let long = crafted(1, |content| content.body = Body::All("x".repeat(200_000)));
    let again = Heard::Messages(vec![Incoming::New(long)]);
    let floods = std::iter::once(named(1)).chain(std::iter::repeat_n(again, 50));
    let mut net = Net::ready(2);
    let link = LinkId(7);
    net.give(0, Input::LinkUp(link));
    for heard in floods {
        net.give(0, Input::Heard(link, heard));
    }
    let fault = Output::Fault(link, Fault::TooMuchBehind);
    assert!(net.told(0).contains(&fault));

    net.link(0, 1);
    net.say(0, "one");
    net.flow();
    let digest = net.peers[0].log[0].message.digest();
    let link = net.ends[&(0, 1)];
    net.give(0, Input::Room(link, 0));
    let needs = Heard::Need(vec![digest; 64]);
    for _ in 0..=NEEDED_MAX / 64 {
        net.give(0, Input::Heard(link, needs.clone()));
    }
    let fault = Output::Fault(link, Fault::NeededTooMuch);
    assert!(net.told(0).contains(&fault));
}

/// What a peer asks for when it hears this, without time passing.
fn needed(net: &mut Net, link: LinkId, heard: Heard) -> Vec<Digest> {
    let mut out = Vec::new();
    let peer = &mut net.peers[0].machine;
    let input = Input::Heard(link, heard);
    peer.handle(net.now, input, &mut out).unwrap();
    let mut digests = Vec::new();
    for output in out {
        match output {
            Output::Send(_, Sending::Need(needed)) => digests.extend(needed),
            Output::Fault(_, fault) => panic!("{fault}"),
            _ => {}
        }
    }
    digests
}

#[test]
fn a_named_message_is_needed_at_once_where_much_waits_behind_it() {
    let mut net = Net::ready(1);
    let link = LinkId(7);
    net.give(0, Input::LinkUp(link));
    assert_eq!(needed(&mut net, link, named(1)), []);
    let mut bytes = 0;
    while bytes <= BEHIND_BYTES_MAX - 250_000 {
        let text = "x".repeat(200_000);
        let long = crafted(1, |content| content.body = Body::All(text));
        let before = bytes;
        bytes += long.bytes().len() + 256;
        let again = Heard::Messages(vec![Incoming::New(long)]);
        let expected = match (before, bytes) {
            (..=NEEDED_FROM_BYTES, NEEDED_FROM_BYTES..) => vec![Digest([1; 32])],
            _ => vec![],
        };
        assert_eq!(needed(&mut net, link, again), expected, "after {bytes}");
    }
}

#[test]
fn what_waits_keeps_no_more_than_is_counted() {
    let mut net = Net::ready(1);
    let link = LinkId(7);
    net.give(0, Input::LinkUp(link));
    net.give(0, Input::Heard(link, named(1)));
    // A link message as it came: a big part of it is known, and a small one is news.
    let small = crafted(1, |_| {});
    let mut whole = vec![0; 250_000];
    whole.extend_from_slice(small.bytes());
    let whole = Bytes::from(whole);
    let news = || Arc::new(Signed::read(&whole.slice(250_000..)).unwrap());
    let known = Incoming::Known(Digest([2; 32]));
    let heard = Heard::Messages(vec![known.clone(), Incoming::New(news())]);
    net.give(0, Input::Heard(link, heard));
    assert!(whole.is_unique(), "the whole of it is kept");
    net.live(NAMED_WITHIN);
    let wanted = Heard::Messages(vec![Incoming::Named(small.digest())]);
    net.give(0, Input::Heard(link, wanted));
    net.give(0, Input::Heard(link, Heard::Given(vec![news()])));
    assert!(whole.is_unique(), "what was given keeps the whole of it");
    // What is known counts, too.
    for _ in 0..BEHIND_BYTES_MAX / 128 / 1_000 + 1 {
        let many = Heard::Messages(vec![known.clone(); 1_000]);
        net.give(0, Input::Heard(link, many));
    }
    let fault = Output::Fault(link, Fault::TooMuchBehind);
    assert!(net.told(0).contains(&fault));
}

/// Somebody answers what was only named here and leaves; then time passes, and what was named comes.
#[track_caller]
fn check_last_words(time: Duration, expected: &[&str]) {
    let mut net = mesh();
    net.say(1, "slow");
    assert!(net.come(1, 0));
    for (a, b) in [(0, 1), (0, 2), (2, 3)] {
        net.cut(a, b);
    }
    net.say(0, "an answer");
    while net.come(0, 3) {}
    net.say(0, "last words");
    while net.come(0, 3) {}
    net.cut(0, 3);
    assert_eq!(net.peers[3].log.len(), 4, "nothing before its cause");
    net.pass(time);
    while net.come(1, 3) {}
    let said = net.peers[3].log[4..].iter();
    let said: Vec<&Body> = said.map(|d| &d.message.content().body).collect();
    let expected: Vec<Body> = expected.iter().map(|t| Body::All((*t).into())).collect();
    assert_eq!(said, expected.iter().collect::<Vec<_>>());
    assert_eq!(
        net.told(3).iter().find(|o| matches!(o, Output::Fault(..))),
        None
    );
    assert!(net.peers[3].machine.deadline() > Some(net.now));
}

#[test]
fn last_words_wait_for_what_was_named_before_them() {
    let all = ["slow", "an answer", "last words"];
    check_last_words(Duration::ZERO, &all);
    check_last_words(PARTED_WITHIN - Duration::from_millis(1), &all);
    check_last_words(PARTED_WITHIN, &["slow"]);
}

#[test]
fn what_waits_on_links_that_are_down_is_bounded() {
    let mut net = Net::ready(1);
    for of in 0..=PARTED_MAX as u8 {
        let link = LinkId(u64::from(of));
        let words = crafted(10 + of, |_| {});
        let told = vec![
            Incoming::Named(crafted(1, |_| {}).digest()),
            Incoming::New(words),
        ];
        net.give(0, Input::LinkUp(link));
        net.give(0, Input::Heard(link, Heard::Messages(told)));
        net.give(0, Input::LinkDown(link));
    }
    net.bring(0, &[&crafted(1, |_| {})]);
    // All but the oldest, and what was awaited.
    assert_eq!(net.peers[0].log.len(), PARTED_MAX + 1);
}

#[test]
fn what_nobody_named_is_not_given() {
    let mut net = Net::ready(2);
    net.link(0, 1);
    net.flow();
    net.store = false;
    net.say(0, "not on the disk yet");
    let digest = net.peers[0].log[0].message.digest();
    let link = net.ends[&(0, 1)];
    net.give(0, Input::Heard(link, Heard::Need(vec![digest])));
    net.flow();
    assert!(net.peers[1].log.is_empty());
}
