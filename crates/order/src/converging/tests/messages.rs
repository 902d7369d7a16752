//! What one peer says reaches all, in one order.

use super::*;

#[test]
fn two_talk() {
    let mut net = Net::ready(2);
    net.link(0, 1);
    net.flow();
    net.say(0, "a");
    net.flow();
    net.say(1, "b");
    net.say(1, "c");
    net.flow();
    net.assert_same();
    assert_eq!(net.texts(0), ["a", "b", "c"]);
    net.assert_no_fault();
}

#[test]
fn nothing_is_said_before_it_is_known_what_others_said() {
    let mut net = Net::new(2);
    net.pass(READY_ALONE_AFTER - Duration::from_micros(1));
    net.say(0, "early");
    assert!(net.peers[0].log.is_empty());
    net.pass(Duration::from_micros(1));
    assert_eq!(net.texts(0), ["early"]);
    assert_eq!(net.told(0)[0], Output::Ready);

    // A newcomer with a link is ready once it has what its neighbour has.
    let mut net = Net::ready(2);
    net.say(0, "old");
    let newcomer = Converging::new(config(1, 2), net.now);
    net.peers[1].machine = newcomer;
    net.link(0, 1);
    net.say(1, "new");
    assert!(net.peers[1].log.is_empty());
    net.flow();
    assert_eq!(net.texts(0), ["old", "new"]);
    net.assert_same();
    let key = net.peers[0].machine.history().before(None, 1)[0].0;
    assert_eq!(key.stamp, Lamport::new(2));
}

#[test]
fn nobody_is_told_an_own_message_before_it_is_on_the_disk() {
    let mut net = Net::ready(3);
    net.store = false;
    net.link(0, 1);
    net.link(0, 2);
    net.flow();
    net.say(0, "a");
    net.say(0, "b");
    net.say(1, "x");
    net.give(1, Input::Stored(Position(1)));
    net.flow();
    // What came from others stands behind: its place in the log is behind, too.
    assert_eq!(net.texts(0), ["a", "x", "b"]);
    assert!(net.texts(2).is_empty());
    net.give(0, Input::Stored(Position(1)));
    net.flow();
    assert_eq!(net.texts(2), ["a"]);
    net.give(0, Input::Stored(Position(3)));
    net.flow();
    assert_eq!(net.texts(2), ["a", "x", "b"]);
    net.assert_same();
    net.assert_no_fault();
}

#[test]
fn the_name_of_the_next_message_is_known() {
    let mut net = Net::new(1);
    for n in 1..=3 {
        assert_eq!(net.peers[0].machine.next_name().n, n);
        net.say(0, "waits");
    }
    net.pass(READY_ALONE_AFTER);
    assert_eq!(net.peers[0].machine.next_name().n, 4);
    let names: Vec<u64> = net.peers[0].log.iter().map(|d| d.key().name.n).collect();
    assert_eq!(names, [1, 2, 3]);
}

#[test]
fn what_cannot_be_said_is_refused_in_words_and_changes_nothing() {
    let mut net = Net::new(1);
    let mut out = Vec::new();
    let say = |text: String| Input::Say {
        body: Body::All(text),
        sent_at: UnixMicros(0),
        foreign: None,
    };
    let long = "x".repeat(lamparina_protocol::message::TEXT_BYTES_MAX + 1);
    let machine = &mut net.peers[0].machine;
    let error = machine.handle(Instant::ZERO, say(long.clone()), &mut out);
    assert!(matches!(error, Err(UseError::Sign(_))), "{error:?}");
    for _ in 0..WAITING_MAX {
        machine
            .handle(Instant::ZERO, say("x".into()), &mut out)
            .unwrap();
    }
    let error = machine.handle(Instant::ZERO, say("x".into()), &mut out);
    assert_eq!(error, Err(UseError::TooMany(WAITING_MAX)));
    let later = Instant::ZERO + READY_ALONE_AFTER;
    machine.handle(later, Input::Tick, &mut out).unwrap();
    let error = machine.handle(later, say(long), &mut out);
    assert!(matches!(error, Err(UseError::Sign(_))), "{error:?}");
    assert_eq!(machine.next_name().n, WAITING_MAX as u64 + 1);
    machine.handle(later, Input::Leave, &mut out).unwrap();
    let error = machine.handle(later, say("x".into()), &mut out);
    assert_eq!(error, Err(UseError::Left));
}

#[test]
fn nothing_is_said_behind_the_goodbye() {
    let mut net = Net::new(2);
    net.link(0, 1);
    net.say(0, "waits");
    assert_eq!(net.peers[0].machine.waiting(), 1);
    net.give(0, Input::Leave);
    assert_eq!(net.peers[0].machine.waiting(), 0);
    net.live(READY_AFTER_MAX);
    assert!(net.peers[0].machine.is_ready());
    assert!(net.peers.iter().all(|peer| peer.log.is_empty()));
}

#[test]
fn history_is_paged_by_key_and_says_why() {
    let mut net = Net::ready(3);
    net.say(0, "a1");
    net.say(1, "b1");
    net.link(0, 1);
    net.flow();
    net.say(0, "a2");
    net.say(2, "c1");
    net.link(1, 2);
    net.flow();
    let machine = &net.peers[2].machine;
    let history = machine.history();
    let all = history.after(None, 10);
    assert_eq!(all.len(), 4);
    assert!(all.is_sorted());
    for at in 0..=all.len() {
        let key = all.get(at).map(|(key, _)| key);
        for count in 0..5 {
            let from = at.saturating_sub(count);
            assert_eq!(history.before(key, count), all[from..at], "{at} {count}");
        }
    }
    for (at, (key, _)) in all.iter().enumerate() {
        let end = all.len().min(at + 3);
        assert_eq!(history.after(Some(key), 2), all[at + 1..end]);
        assert_eq!(history.position(key), Some(all[at].1));
        assert_eq!(history.key(all[at].1), Some(*key));
    }
    let at = |text: &str| {
        let found = net
            .texts(2)
            .iter()
            .position(|t| t.starts_with(text))
            .unwrap();
        all[found].1
    };
    let cause = |a: &str, b: &str| history.why(at(a), at(b));
    assert_eq!(cause("a1", "a2"), Why::Cause(vec![at("a1"), at("a2")]));
    assert_eq!(cause("b1", "a2"), Why::Cause(vec![at("b1"), at("a2")]));
    assert_eq!(cause("c1", "a2"), Why::Arrangement);
    assert_eq!(cause("a1", "b1"), Why::Arrangement);
    assert_eq!(cause("a1", "a1"), Why::Cause(vec![at("a1")]));
}
