//! A peer comes back with what was on its disk, under another incarnation.

use super::*;

/// The peer's next life, with the first `kept` of its messages.
fn restart(net: &mut Net, who: usize, life: u64, kept: usize) {
    let mut machine = Converging::new(config(who as u8, life), net.now);
    let mut peer = net.peers[who].clone();
    peer.log.truncate(kept);
    for delivery in &peer.log {
        let position = machine.restore(net.now, &delivery.message).unwrap();
        assert_eq!(position, delivery.position);
    }
    if let Some(upto) = peer.final_upto {
        machine.restore_final(upto);
    }
    peer.machine = machine;
    net.peers[who] = peer;
}

#[test]
fn it_knows_what_it_knew_and_goes_on() {
    let mut net = Net::ready(3);
    net.link(0, 1);
    net.link(1, 2);
    for n in 0..30 {
        net.say(n % 3, "x");
        if n % 4 == 0 {
            net.flow();
        }
    }
    net.live(Duration::from_secs(3));
    let (before, upto) = (net.texts(1), net.final_texts(1));
    let log = net.peers[1].log.len();
    net.cut(0, 1);
    net.cut(1, 2);
    restart(&mut net, 1, 2, log);
    assert_eq!(net.texts(1), before);
    assert_eq!(net.final_texts(1), upto);
    // Its lives are two chains; the new one names the last message of the old one, or what follows it.
    net.pass(READY_ALONE_AFTER);
    net.say(1, "again");
    let said = &net.peers[1].log.last().unwrap().message;
    assert_eq!(said.content().name.n, 1);
    assert_eq!(said.content().name.chain.incarnation, Incarnation(2));
    net.link(0, 1);
    net.link(1, 2);
    net.live(Duration::from_secs(3));
    net.assert_same();
    assert_eq!(net.final_texts(1).len(), 31);
    let history = net.peers[0].machine.history();
    let at = |author, incarnation| {
        let lines = history.after(None, usize::MAX);
        let of = |(key, _): &&(HistoryKey, Position)| {
            let chain = key.name.chain;
            (chain.author, chain.incarnation) == (author, Incarnation(incarnation))
        };
        lines.iter().rev().find(of).unwrap().1
    };
    let why = history.why(at(author(1), 1), at(author(1), 2));
    assert!(matches!(why, Why::Cause(_)), "{why:?}");
    net.assert_no_fault();
}

#[test]
fn what_was_lost_with_the_disk_comes_from_others() {
    let mut net = Net::ready(2);
    net.link(0, 1);
    for _ in 0..50 {
        net.say(0, "x");
        net.say(1, "y");
        net.flow();
    }
    net.cut(0, 1);
    restart(&mut net, 1, 2, 20);
    net.say(1, "waits until it knows what it said");
    net.link(0, 1);
    net.live(Duration::from_secs(3));
    net.assert_same();
    assert_eq!(net.peers[1].log.len(), 101);
    let last = net.peers[1].log.last().unwrap();
    assert_eq!(last.stamp, net.peers[1].machine.clock());
    net.assert_no_fault();
}

#[test]
fn a_store_that_is_not_what_was_stored_is_refused() {
    let first = crafted(1, |_| {});
    let second = crafted(1, |content| {
        content.name.n = 2;
        content.prev = Some(first.digest());
    });
    let now = Instant::ZERO;
    let mut machine = Converging::new(config(0, 1), now);
    let unknown = Fault::UnknownCause(first.digest());
    let error = machine.restore(now, &second);
    assert_eq!(error, Err(UseError::Stored(Position(0), unknown)));
    assert_eq!(machine.restore(now, &first), Ok(Position(0)));
    let error = machine.restore(now, &first);
    assert!(
        matches!(error, Err(UseError::Stored(Position(1), _))),
        "{error:?}"
    );
    assert_eq!(machine.restore(now, &second), Ok(Position(1)));
}
