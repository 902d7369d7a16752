//! What is final, provisional and late, and for whom lines wait.

use lamparina_protocol::peer::{Announcement, Digest, SignedAnnouncement};

use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn asides(told: &[Output]) -> Vec<(AuthorKey, bool)> {
    let change = |output: &Output| match output {
        Output::MemberAside(author) => Some((*author, false)),
        Output::MemberBack(author) => Some((*author, true)),
        _ => None,
    };
    told.iter().filter_map(change).collect()
}

#[test]
fn alone_everything_is_final_at_once() {
    let mut net = Net::ready(1);
    net.say(0, "a");
    net.say(0, "b");
    assert_eq!(net.final_texts(0), ["a", "b"]);
}

#[test]
fn a_line_is_final_when_every_member_has_come_past_it() {
    let mut net = Net::ready(3);
    net.link(0, 1);
    net.link(1, 2);
    net.live(6 * SECOND);
    for who in 0..3 {
        // All have just announced: the next time is a second away.
        net.say(who, "x");
        net.flow();
    }
    net.say(0, "a");
    net.flow();
    assert!(net.final_texts(0).len() < 4);
    net.live(2 * SECOND);
    for who in 0..3 {
        assert_eq!(net.final_texts(who), ["x", "x", "x", "a"], "at {who}");
    }
    // One is cut off: what the others say stays provisional until it is set aside.
    net.cut(1, 2);
    net.say(0, "b");
    net.say(2, "x");
    net.live(50 * SECOND);
    assert_eq!(net.final_texts(0).last().unwrap(), "a");
    assert_eq!(net.final_texts(2).last().unwrap(), "a");
    net.live(12 * SECOND);
    assert_eq!(net.final_texts(0)[3..], ["a", "b"]);
    assert_eq!(net.final_texts(1)[3..], ["a", "b"]);
    assert_eq!(net.final_texts(2)[3..], ["a", "x"]);
    // It comes back: lines that come before final ones are late, on either side, and nothing else.
    let told = net.told(0);
    assert_eq!(asides(&told).last(), Some(&(author(2), false)));
    net.link(1, 2);
    net.live(3 * SECOND);
    net.assert_same();
    let lines = net.texts(0);
    assert_eq!(net.final_texts(0), lines);
    let (b, x) = match author(0) < author(2) {
        true => (["a", "b", "x"], ["a", "b (late)", "x"]),
        false => (["a", "x (late)", "b"], ["a", "x", "b"]),
    };
    assert_eq!(lines[3..], b);
    assert_eq!(net.texts(2)[3..], x);
    let told = net.told(0);
    assert_eq!(asides(&told), [(author(2), true)]);
    net.assert_no_fault();
}

#[test]
fn who_leaves_is_not_waited_for() {
    let mut net = Net::ready(2);
    net.link(0, 1);
    net.say(1, "last words");
    net.live(2 * SECOND);
    net.give(1, Input::Leave);
    net.flow();
    assert_eq!(net.peers[0].machine.members().count(), 0);
    net.say(0, "a");
    assert_eq!(net.final_texts(0), ["last words", "a"]);
    let mut out = Vec::new();
    let machine = &mut net.peers[1].machine;
    let later = net.now + 100 * SECOND;
    machine.handle(later, Input::Tick, &mut out).unwrap();
    let announced = out.iter().any(|o| matches!(o, Output::Send(..)));
    assert!(!announced, "it says nothing more: {out:?}");
}

#[test]
fn a_newcomer_takes_no_history_for_late_and_is_no_trouble_to_others() {
    let mut net = Net::ready(3);
    net.link(0, 1);
    for n in 0..1_500 {
        net.say(n % 2, "x");
        if n % 7 == 0 {
            net.flow();
        }
    }
    net.live(3 * SECOND);
    net.peers[2] = Peer::new(Converging::new(config(2, 1), net.now));
    net.told(0);
    net.link(1, 2);
    net.live(3 * SECOND);
    net.assert_same();
    assert!(net.peers[2].log.iter().all(|delivery| !delivery.late));
    for who in 0..3 {
        assert_eq!(net.final_texts(who).len(), 1_500, "at {who}");
        assert_eq!(net.peers[who].machine.members().count(), 2);
    }
}

fn announcement(of: u8, life: u64, beat: u64, clock: u64, last: Option<Digest>) -> Announcement {
    Announcement {
        author: author(of),
        incarnation: Incarnation(life),
        beat,
        last,
        clock: Lamport::new(clock),
        name: config(of, life).name,
        addr: None,
        sealing: [0; 32],
        gone: false,
    }
}

/// Announcements that a stranger brings; gives how many were news.
fn announce(net: &mut Net, of: u8, said: impl IntoIterator<Item = Announcement>) -> usize {
    let link = LinkId(1_000);
    net.give(0, Input::LinkUp(link));
    net.give(0, Input::Heard(link, Heard::PageEnd { more: false }));
    net.told(0);
    for announcement in said {
        let signed = SignedAnnouncement::sign(&identity(of), announcement).unwrap();
        net.give(0, Input::Heard(link, Heard::Announcements(vec![signed])));
    }
    net.give(0, Input::LinkDown(link));
    let told = net.told(0);
    told.iter()
        .filter(|o| matches!(o, Output::Announced(_)))
        .count()
}

#[test]
fn a_clock_counts_once_its_authors_last_message_is_here() {
    let mut net = Net::ready(1);
    let missing = crafted(1, |_| {});
    let later = crafted(2, |content| content.heads = vec![missing.digest()]);
    announce(
        &mut net,
        1,
        [announcement(1, 1, 1, 50, Some(missing.digest()))],
    );
    net.say(0, "a");
    assert!(net.final_texts(0).is_empty());
    net.bring(0, &[&missing]);
    assert_eq!(net.final_texts(0).len(), 2);
    // Somebody else is a member now, with a floor at its message.
    net.bring(0, &[&later]);
    net.say(0, "b");
    assert_eq!(net.texts(0).len(), 4);
    assert_eq!(net.final_texts(0).len(), 3);
}

#[test]
fn only_newer_announcements_are_news_and_not_too_many() {
    let mut net = Net::ready(1);
    net.now += 10 * SECOND;
    let all = |beats: &[(u64, u64)]| -> Vec<Announcement> {
        let one = |(life, beat): &(u64, u64)| announcement(1, *life, *beat, 1, None);
        beats.iter().map(one).collect()
    };
    assert_eq!(announce(&mut net, 1, all(&[(1, 3), (1, 3), (1, 2)])), 1);
    // A few at once, no more; but another life is another matter, and so are last words.
    let beats: Vec<(u64, u64)> = (4..100).map(|beat| (1, beat)).collect();
    let burst = (ANNOUNCED_BURST.as_millis() / ANNOUNCED_GAP_MIN.as_millis()) as usize;
    assert_eq!(announce(&mut net, 1, all(&beats)), burst);
    assert_eq!(announce(&mut net, 1, all(&[(2, 1)])), 1);
    assert_eq!(announce(&mut net, 1, all(&[(1, 999)])), 0);
    let gone = Announcement {
        gone: true,
        ..announcement(1, 2, 2, 1, None)
    };
    // Both at once is too much, lest lives be made up as fast as beats.
    let lives: Vec<(u64, u64)> = (3..100).map(|life| (life, 1)).collect();
    assert_eq!(announce(&mut net, 1, all(&lives)), 0);
    assert_eq!(announce(&mut net, 1, [gone.clone()]), 0);
    net.now += ANNOUNCED_ANYWAY_GAP_MIN;
    assert_eq!(announce(&mut net, 1, [gone]), 1);
    net.now += 3 * ANNOUNCED_GAP_MIN;
    assert_eq!(announce(&mut net, 1, all(&[(2, 3)])), 1);
    // However many lives are made up: little more than the pace is news.
    let mut news = 0;
    for life in 4..504 {
        net.now += Duration::from_millis(10);
        news += announce(&mut net, 1, all(&[(life, 1)]));
    }
    assert!((20..=30).contains(&news), "{news} in five seconds");
    // This peer's own key announces nothing that it did not say itself.
    assert_eq!(announce(&mut net, 0, [announcement(0, 9, 9, 9, None)]), 0);
}

#[test]
fn those_who_only_announce_themselves_are_bounded() {
    let mut members = Members::new(author(0), ASIDE_AFTER);
    let graph = Graph::default();
    let mut out = Vec::new();
    let mut hear = |now, n: usize| {
        let mut seed = [9; 32];
        seed[..8].copy_from_slice(&(n as u64).to_be_bytes());
        let identity = IdentityKey::from_seed(&seed);
        let said = Announcement {
            author: AuthorKey(identity.public().0),
            ..announcement(1, 1, 1, 1, None)
        };
        let signed = SignedAnnouncement::sign(&identity, said).unwrap();
        let link = Some(LinkId(1));
        let news = members.on_announcement(now, link, &graph, signed, &mut out);
        (news, members.present().count())
    };
    let mut now = Instant::ZERO;
    for n in 0..ANNOUNCED_ONLY_MAX {
        assert_eq!(hear(now, n), (true, n + 1));
    }
    assert_eq!(hear(now, ANNOUNCED_ONLY_MAX), (false, ANNOUNCED_ONLY_MAX));
    // Once they are set aside, others take their places.
    now += ASIDE_AFTER;
    let mut told = Vec::new();
    members.on_time(now, &mut told);
    assert_eq!(told.len(), ANNOUNCED_ONLY_MAX);
    assert_eq!(members.present().count(), 0);
}
