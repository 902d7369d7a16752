//! Two messages of one name: both are kept, everywhere, and proved once.

use super::*;

/// The first message of peer 9, and two that follow it under one name.
fn forked() -> [Arc<Signed>; 3] {
    let first = crafted(9, |_| {});
    let second = |text: &str| {
        crafted(9, |content| {
            content.name.n = 2;
            content.prev = Some(first.digest());
            content.body = Body::All(text.to_owned());
        })
    };
    let (left, right) = (second("left"), second("right"));
    [first, left, right]
}

fn proofs(told: &[Output]) -> Vec<Proof> {
    let proof = |output: &Output| match output {
        Output::Equivocation(proof) => Some(*proof),
        _ => None,
    };
    told.iter().filter_map(proof).collect()
}

#[test]
fn both_branches_reach_everybody_and_are_proved_once() {
    let [first, left, right] = forked();
    let mut net = Net::ready(4);
    net.link(0, 1);
    net.link(2, 3);
    net.bring(0, &[&first, &left]);
    net.bring(2, &[&first, &right]);
    net.flow();
    // Both are answered, so that either is a cause of something, and its branch goes on.
    net.say(1, "to the left");
    net.say(3, "to the right");
    let third = crafted(9, |content| {
        content.name.n = 3;
        content.prev = Some(right.digest());
    });
    net.bring(3, &[&third]);
    net.flow();
    assert!(net.peers.iter().all(|peer| proofs(&peer.told).is_empty()));
    net.link(1, 2);
    net.flow();
    net.assert_same();
    net.assert_no_fault();
    assert_eq!(net.texts(0).len(), 6);
    for who in 0..4 {
        let told = net.told(who);
        let [proof] = proofs(&told)[..] else {
            panic!("one proof at {who}: {told:?}");
        };
        let message = |at: Position| &net.peers[who].log[at.0 as usize].message;
        let both = [message(proof.first), message(proof.second)];
        assert_eq!(proof.name, left.content().name);
        assert!(both.contains(&&left) && both.contains(&&right), "at {who}");
    }
    // A newcomer gets both, and links that come again bring nothing more.
    net.peers
        .push(Peer::new(Converging::new(config(4, 1), net.now)));
    net.link(3, 4);
    net.flow();
    net.assert_same();
    net.cut(1, 2);
    net.sent = 0;
    net.link(1, 2);
    net.flow();
    assert!(net.sent <= 2, "{}", net.sent);
}

#[test]
fn an_author_that_forks_without_end_is_kept_and_proved_a_few_times() {
    let mut net = Net::ready(1);
    let names = PROOFS_OF_CHAIN_MAX as u64 + 3;
    let mut prev = None;
    let mut chain = Vec::new();
    for n in 1..=names {
        let message = crafted(9, |content| {
            content.name.n = n;
            content.prev = prev;
        });
        prev = Some(message.digest());
        chain.push(message);
    }
    let twins = chain.iter().map(|message| {
        crafted(9, |content| {
            content.name = message.content().name;
            content.prev = message.content().prev;
            content.body = Body::All("twin".to_owned());
        })
    });
    let twins: Vec<_> = twins.collect();
    net.bring(0, &chain.iter().collect::<Vec<_>>());
    net.bring(0, &twins.iter().collect::<Vec<_>>());
    net.assert_no_fault();
    assert_eq!(net.texts(0).len(), 2 * names as usize);
    let told = net.told(0);
    assert_eq!(proofs(&told).len(), PROOFS_OF_CHAIN_MAX);
    // A third of one name proves nothing new.
    let third = crafted(9, |content| content.body = Body::All("third".to_owned()));
    net.bring(0, &[&third]);
    let told = net.told(0);
    assert!(proofs(&told).is_empty());
}

#[test]
fn more_newest_messages_than_a_message_can_name_are_named_by_several() {
    let mut net = Net::ready(1);
    let heads_max = lamparina_protocol::peer::message::HEADS_MAX;
    let many: Vec<_> = (0..heads_max + 5)
        .map(|n| crafted(9, |content| content.body = Body::All(n.to_string())))
        .collect();
    net.bring(0, &many.iter().collect::<Vec<_>>());
    net.say(0, "a");
    net.say(0, "b");
    net.say(0, "c");
    let heads = |at: usize| {
        net.peers[0].log[many.len() + at]
            .message
            .content()
            .heads
            .len()
    };
    assert_eq!([heads(0), heads(1), heads(2)], [heads_max, 5, 0]);
    net.assert_no_fault();
}
