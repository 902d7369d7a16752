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
    let floods = std::iter::once(named(1)).chain(std::iter::repeat_n(again, 30));
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
