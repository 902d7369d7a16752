//! Real peers over loopback: what one says, all have, once and in one order.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use lamparina_peer::{
    Event, Identity, Line, Peer, PeerConfig, PeerError, Recipients, Spoken, Summary,
};
use tokio::time::timeout;

use common::{Folder, PATIENCE, Running, config, named};

#[tokio::test]
async fn two_hear_each_other() {
    let mut ana = Running::start("ana", &[]).await;
    let mut rui = Running::start("rui", &[ana.addr()]).await;
    rui.says("bom dia").await;
    let line = ana.hears("bom dia").await;
    assert_eq!(line.from, named("rui"));
    assert_eq!(line.addr, Some(rui.addr()));
    assert!(!line.own && !line.late);
    ana.says("bom dia, rui").await;
    let answer = rui.hears("bom dia, rui").await;
    assert!(answer.key > line.key, "cause before effect");
    assert_eq!(ana.history().await, ["bom dia", "bom dia, rui"]);
    assert_eq!(rui.history().await, ana.history().await);
    let (_, summary) = rui.close().await;
    let all = Summary {
        sent: 1,
        committed: 1,
        pending: 0,
    };
    assert_eq!(summary, all);
    let left = |event: &Event| match event {
        Event::Left(line) => line.name.clone(),
        _ => None,
    };
    assert_eq!(ana.until("that rui left", left).await, named("rui"));
}

#[tokio::test]
async fn somebody_else_says_while_one_waits_for_events() {
    let mut ana = Running::start("ana", &[]).await;
    let rui = Running::start("rui", &[ana.addr()]).await;
    let speaker = rui.peer.speaker();
    let other = speaker.clone();
    let said = tokio::spawn(async move {
        let said = other.send(Recipients::All, "from elsewhere".to_owned());
        said.await.unwrap()
    });
    assert_eq!(
        ana.hears("from elsewhere").await.name(),
        said.await.unwrap()
    );
    rui.close().await;
    let after = speaker.send(Recipients::All, "too late".to_owned()).await;
    assert!(matches!(after, Err(PeerError::Closed)), "{after:?}");
}

#[tokio::test]
async fn a_peer_is_dialled_when_somebody_says_where_it_is() {
    let mut ana = Running::start("ana", &[]).await;
    let mut rui = Running::start("rui", &[]).await;
    assert!(rui.peer.links().await.is_empty());
    rui.peer.dial(ana.addr().to_string()).await;
    rui.is_linked().await;
    rui.says("found").await;
    ana.hears("found").await;
    let links = rui.peer.links().await;
    assert!(links[0].sent_bytes > 0 && links[0].received_bytes > 0);
}

#[tokio::test]
async fn lines_become_final_when_nobody_can_say_anything_before() {
    let mut ana = Running::start("ana", &[]).await;
    let mut rui = Running::start("rui", &[ana.addr()]).await;
    rui.says("one").await;
    let key = ana.hears("one").await.key;
    let is_final = |event: &Event| match event {
        Event::Final { upto } if *upto >= key => Some(()),
        _ => None,
    };
    ana.until("a final line", is_final).await;
    rui.until("a final line", is_final).await;
    assert!(ana.peer.history(1, None).await.unwrap()[0].is_final);
}

#[tokio::test]
async fn a_line_of_three_passes_everything_on() {
    let mut ana = Running::start_in_line("ana", &[]).await;
    let mut rui = Running::start_in_line("rui", &[ana.addr()]).await;
    let mut eva = Running::start_in_line("eva", &[rui.addr()]).await;
    ana.is_linked().await;
    eva.is_linked().await;
    for round in 0..5 {
        for at in [&mut ana, &mut rui, &mut eva] {
            let text = format!("{} {round}", at.name);
            at.says(&text).await;
        }
    }
    for at in [&mut ana, &mut rui, &mut eva] {
        for other in ["ana", "rui", "eva"] {
            if other != at.name {
                at.hears(&format!("{other} 4")).await;
            }
        }
    }
    let history = ana.history().await;
    assert_eq!(history.len(), 15);
    assert_eq!(rui.history().await, history);
    assert_eq!(eva.history().await, history);
    assert_eq!(ana.peer.links().await.len(), 1, "nobody else was dialled");
}

#[tokio::test]
async fn in_a_cycle_each_message_comes_once() {
    let mut ana = Running::start("ana", &[]).await;
    let mut rui = Running::start("rui", &[ana.addr()]).await;
    let mut eva = Running::start("eva", &[rui.addr(), ana.addr()]).await;
    eva.is_linked().await;
    let texts: Vec<String> = (0..20).map(|at| format!("line {at}")).collect();
    for (at, text) in texts.iter().enumerate() {
        match at % 3 {
            0 => ana.says(text).await,
            1 => rui.says(text).await,
            _ => eva.says(text).await,
        }
    }
    for at in [&mut ana, &mut rui, &mut eva] {
        let own: Vec<bool> = texts.iter().map(|text| at.own(text)).collect();
        for (text, own) in texts.iter().zip(&own) {
            if !own {
                at.hears(text).await;
                assert_eq!(at.times_told(text), 1, "{text}");
            }
        }
    }
    assert_eq!(ana.history().await, rui.history().await);
    assert_eq!(ana.history().await, eva.history().await);
    assert_eq!(ana.history().await.len(), texts.len());
}

#[tokio::test]
async fn a_peer_comes_back_with_its_history_and_gets_what_it_missed() {
    let mut ana = Running::start("ana", &[]).await;
    let mut rui = Running::start("rui", &[ana.addr()]).await;
    rui.says("before").await;
    ana.hears("before").await;
    let (folder, _) = rui.close().await;
    ana.says("meanwhile").await;
    let mut rui = Running::start_in(folder, "rui", &[ana.addr()], |_| {}).await;
    assert_eq!(rui.history().await.first().unwrap(), "before");
    rui.hears("meanwhile").await;
    rui.says("after").await;
    ana.hears("after").await;
    let history = ["before", "meanwhile", "after"];
    assert_eq!(rui.history().await, history);
    assert_eq!(ana.history().await, history);
    assert_eq!(rui.peer.find("mean".to_owned()).await.unwrap().len(), 1);
}

#[tokio::test]
async fn what_is_for_some_passes_through_others_unread() {
    let mut ana = Running::start_in_line("ana", &[]).await;
    let mut rui = Running::start_in_line("rui", &[ana.addr()]).await;
    let mut eva = Running::start_in_line("eva", &[rui.addr()]).await;
    // Whoever was heard can be named.
    eva.says("hello").await;
    ana.hears("hello").await;
    let known = |event: &Event| matches!(event, Event::Final { .. }).then_some(());
    ana.until("that eva's clock is known", known).await;
    ana.says_to(&["eva"], "for you").await.unwrap();
    let line = eva.hears("for you").await;
    assert_eq!(
        (line.kind.word(), &line.to[..]),
        ("unicast", &["eva@lab".to_owned()][..])
    );
    ana.says("for all").await;
    rui.hears("for all").await;
    eva.hears("for all").await;
    assert_eq!(rui.times_told("for you"), 0);
    assert_eq!(rui.history().await, ["hello", "for all"]);
    assert_eq!(ana.history().await, ["hello", "for you", "for all"]);
    assert_eq!(eva.history().await, ana.history().await);
    let words = ana.says_to(&["nobody"], "x").await.unwrap_err().to_string();
    assert!(
        words.contains("nobody is called nobody; known are"),
        "{words}"
    );
    let words = ana.says_to(&["ana"], "x").await.unwrap_err().to_string();
    assert!(words.contains("oneself"), "{words}");
}

#[tokio::test]
async fn who_takes_a_name_after_a_restart_gets_nothing_that_was_for_another() {
    let mut bob = Running::start("bob", &[]).await;
    let mut ana = Running::start("ana", &[bob.addr()]).await;
    ana.is_linked().await;
    ana.says("from the real one").await;
    bob.hears("from the real one").await;
    ana.close().await;
    let (folder, _) = bob.close().await;

    let mut bob = Running::start_in(folder, "bob", &[], |_| {}).await;
    let mut impostor = Running::start("ana", &[bob.addr()]).await;
    impostor.is_linked().await;
    impostor.says("trust me").await;
    let words = bob.warned("name_shared").await;
    assert!(words.contains("ana@lab is also what ~"), "{words}");
    let line = bob.hears("trust me").await;
    assert!(line.shares_name);
    let refused = bob.says_to(&["ana@lab"], "secret").await.unwrap_err();
    assert!(matches!(refused, PeerError::Ambiguous { .. }), "{refused}");
    // Named by its key it is that one that is meant.
    let key = format!("~{}", &line.key.author.to_string()[..8]);
    let said = async {
        // Its announcement may be on its way still.
        while let Err(error) = bob.says_to(&[&key], "for this key").await {
            assert!(matches!(error, PeerError::Refused(_)), "{error}");
        }
    };
    timeout(PATIENCE, said).await.unwrap();
    impostor.hears("for this key").await;
    for peer in [bob, impostor] {
        peer.close().await;
    }
}

#[tokio::test]
async fn a_copied_identity_is_told() {
    let mut one = Running::start("ana", &[]).await;
    let identity = one.folder.0.join("identity");
    let copy = |config: &mut PeerConfig| config.identity = Identity::open(&identity).unwrap();
    let mut other = Running::start_in(Folder::new(), "ana", &[one.addr()], copy).await;
    for peer in [&mut one, &mut other] {
        let words = peer.warned("same_key").await;
        assert!(words.contains("another peer runs with your key"), "{words}");
    }
    one.close().await;
    other.close().await;
}

#[tokio::test]
async fn two_that_went_on_alone_merge_when_they_meet() {
    let mut ana = Running::start("ana", &[]).await;
    let mut rui = Running::start("rui", &[]).await;
    for round in 0..10 {
        ana.says(&format!("ana {round}")).await;
        rui.says(&format!("rui {round}")).await;
    }
    let (folder, _) = rui.close().await;
    let mut rui = Running::start_in(folder, "rui", &[ana.addr()], |_| {}).await;
    ana.hears("rui 9").await;
    rui.hears("ana 9").await;
    let merged = |event: &Event| match event {
        Event::Merged(report) => Some(report.clone()),
        _ => None,
    };
    let report = ana.until("what was merged", merged).await;
    assert_eq!(report.lines, 10);
    assert!(
        report.inserted > 0 && !report.ranges.is_empty(),
        "{report:?}"
    );
    assert_eq!(ana.history().await, rui.history().await);
    assert_eq!(ana.history().await.len(), 20);
}

#[tokio::test]
async fn causes_are_told_from_arrangement() {
    let mut ana = Running::start("ana", &[]).await;
    let mut rui = Running::start("rui", &[ana.addr()]).await;
    rui.says("one").await;
    let one = ana.hears("one").await;
    ana.says("two").await;
    let two = rui.hears("two").await;
    let name = |line: &Line| line.key.digest.to_string()[..12].to_owned();
    let why = ana.peer.why(name(&two), name(&one)).await.unwrap();
    assert_eq!(
        (why.first.text, why.second.text),
        ("one".to_owned(), "two".to_owned())
    );
    assert_eq!(why.path, [one.name(), two.name()]);
    let trace = rui.peer.trace(two.key.stamp.to_string()).await.unwrap();
    assert_eq!(trace.causes, [one.name()]);
    let words = ana
        .peer
        .trace("999".to_owned())
        .await
        .unwrap_err()
        .to_string();
    assert!(words.contains("no message 999"), "{words}");
}

#[tokio::test]
async fn what_cannot_start_says_why() {
    let ana = Running::start("ana", &[]).await;
    let folder = Folder::new();
    let mut taken = config("rui", &folder, &[]);
    taken.listen = vec![ana.addr()];
    let words = Peer::start(taken).await.unwrap_err().to_string();
    assert!(words.contains("another program has this port"), "{words}");
    let same = config("ana", &ana.folder, &[]);
    let words = Peer::start(same).await.unwrap_err().to_string();
    assert!(words.contains("in use by another peer"), "{words}");
    let mut hasty = config("rui", &folder, &[]);
    hasty.ping_within = hasty.ping_every;
    let words = Peer::start(hasty).await.unwrap_err().to_string();
    assert!(words.contains("at least twice"), "{words}");
}

#[tokio::test]
async fn one_of_them_coordinates() {
    let mut ana = Running::start("ana", &[]).await;
    let mut rui = Running::start("rui", &[ana.addr()]).await;
    let elected = |event: &Event| match event {
        Event::Coordinator(Some(line)) => Some(line.key),
        _ => None,
    };
    ana.until("who coordinates", elected).await;
    rui.until("who coordinates", elected).await;
    let agreed = async {
        loop {
            let (at_ana, at_rui) = (ana.peer.coordinator().await, rui.peer.coordinator().await);
            if let (Some(one), Some(other)) = (&at_ana, &at_rui)
                && one.key == other.key
            {
                assert!(one.own != other.own);
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, agreed).await.expect("both name the same");
    let lines = ana.peer.peers().await;
    assert!(lines[0].own);
    assert_eq!(lines[1].name, Some(named("rui")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newcomer_takes_a_long_history_in_pages() {
    const MESSAGES: usize = 10_000;
    let mut ana = Running::start("ana", &[]).await;
    for at in 0..MESSAGES {
        let said = ana.peer.send(Recipients::All, format!("line {at}")).await;
        if said.is_err() {
            // Too many wait until the peer is ready to speak.
            let ready = |event: &Event| matches!(event, Event::Ready { .. }).then_some(());
            ana.until("that it is ready", ready).await;
            ana.peer
                .send(Recipients::All, format!("line {at}"))
                .await
                .unwrap();
        }
        if at % 500 == 499 {
            ana.commits(&format!("line {at}")).await;
        }
    }
    let began = std::time::Instant::now();
    let mut rui = Running::start("rui", &[ana.addr()]).await;
    let last = rui.hears(&format!("line {}", MESSAGES - 1)).await;
    eprintln!("{MESSAGES} messages after {:?}", began.elapsed());
    assert!(last.history, "it is older than this start");
    let texts = rui.told.iter().filter_map(|event| match event {
        Event::Message(line) => Some(line.text.clone()),
        _ => None,
    });
    let expected = (0..MESSAGES).map(|at| format!("line {at}"));
    assert!(texts.eq(expected), "all of them, once, in order");
}

#[tokio::test]
async fn links_go_by_udp_where_both_sides_do_and_by_tcp_elsewhere() {
    let over_udp = |config: &mut PeerConfig| config.udp = true;
    let mut ana = Running::start_in(Folder::new(), "ana", &[], over_udp).await;
    let mut rui = Running::start_in(Folder::new(), "rui", &[ana.addr()], over_udp).await;
    let spoken = |event: &Event| match event {
        Event::LinkUp(line) => Some(line.spoken),
        _ => None,
    };
    assert_eq!(rui.until("a link", spoken).await, Spoken::Udp);
    rui.says("by datagrams").await;
    ana.hears("by datagrams").await;
    let mut eva = Running::start("eva", &[]).await;
    let mut bob = Running::start_in(Folder::new(), "bob", &[eva.addr()], over_udp).await;
    assert_eq!(bob.until("a link", spoken).await, Spoken::Tcp);
    bob.says("by a stream").await;
    eva.hears("by a stream").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_does_not_read_makes_its_peer_wait_and_loses_nothing() {
    // More than wait anywhere on the way.
    const MESSAGES: usize = 25_000;
    let mut ana = Running::start("ana", &[]).await;
    let mut rui = Running::start("rui", &[ana.addr()]).await;
    rui.is_linked().await;
    rui.says("first").await;
    for at in 0..MESSAGES {
        rui.peer
            .send(Recipients::All, at.to_string())
            .await
            .unwrap();
        if at % 1_000 == 999 {
            rui.commits(&at.to_string()).await;
            rui.told.clear();
        }
    }
    // Only now ana's program reads.
    ana.hears(&(MESSAGES - 1).to_string()).await;
    let texts = ana.told.iter().filter_map(|event| match event {
        Event::Message(line) => Some(line.text.clone()),
        _ => None,
    });
    let expected =
        std::iter::once("first".to_owned()).chain((0..MESSAGES).map(|at| at.to_string()));
    assert!(texts.eq(expected), "all of them, once, in order");
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_and_those_who_do_not_read_hold_up_nobody() {
    let mut ana = Running::start("ana", &[]).await;
    let mut rui = Running::start("rui", &[ana.addr()]).await;
    rui.is_linked().await;
    let silent = tokio::net::TcpStream::connect(ana.addr()).await.unwrap();
    let mut loud = tokio::net::TcpStream::connect(ana.addr()).await.unwrap();
    // It may be closed in the midst of it.
    let _ = tokio::io::AsyncWriteExt::write_all(&mut loud, &[0xff; 10_000]).await;
    let deaf = neighbour(ana.addr()).await;
    let text = |at: usize| format!("{at} {}", "x".repeat(4_000));
    const MESSAGES: usize = 1_500;
    for at in 0..MESSAGES {
        ana.peer.send(Recipients::All, text(at)).await.unwrap();
        if at % 100 == 99 {
            rui.hears(&text(at)).await;
        }
    }
    assert_eq!(rui.history().await.len(), 1_000, "a page");
    // Nobody asks the deaf one for signs of life: it is found dead.
    let down = |event: &Event| match event {
        Event::LinkDown { link, .. } if link.name.as_deref() == Some("eva@lab") => Some(()),
        _ => None,
    };
    ana.until("that the deaf one is gone", down).await;
    drop((silent, loud, deaf));
}

/// A neighbour that opens a link, and then neither reads nor says anything.
async fn neighbour(addr: std::net::SocketAddr) -> lamparina_transport::Connection {
    use lamparina_protocol::link::{Event, Input, Link, LinkConfig};
    use lamparina_protocol::seal::{LinkKeys, SEED_BYTES, Transport};
    let clock = lamparina_transport::Clock::start();
    let hello = lamparina_protocol::peer::PeerHello {
        version: 1,
        name: named("eva"),
        incarnation: lamparina_protocol::peer::Incarnation(1),
        port: 0,
    };
    let mut seed = [0; SEED_BYTES];
    getrandom::fill(&mut seed).unwrap();
    let identity = Identity::generate().unwrap();
    let keys = LinkKeys::new(identity.key(), seed, Transport::Tcp);
    let words = lamparina_protocol::codec::encode(&hello).unwrap();
    let link = Link::initiate(LinkConfig::new(1), words, clock.now()).sealed(keys);
    let stream = tokio::net::TcpStream::connect(addr).await.unwrap();
    let mut connection = lamparina_transport::Connection::new(stream, link, clock).unwrap();
    let mut events = Vec::new();
    loop {
        connection.step(&mut events).await;
        for event in events.drain(..) {
            match event {
                Event::Proven { .. } => connection.input(Input::Trust).unwrap(),
                Event::Opened { .. } => return connection,
                other => panic!("{other:?}"),
            }
        }
    }
}
