//! Real peers over loopback: what one says, all have, once and in one order.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use lamparina_peer::{
    Event, Identity, Line, NamePattern, Peer, PeerConfig, PeerError, Recipients, Summary,
};
use lamparina_protocol::nick::{Nick, RoomName};
use lamparina_protocol::peer::PeerName;
use tokio::time::timeout;

/// Long enough for any machine; no test waits for it.
const PATIENCE: Duration = Duration::from_secs(60);

/// A peer, what it keeps, and what it has told so far.
struct Running {
    peer: Peer,
    name: &'static str,
    folder: Folder,
    told: Vec<Event>,
}

struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let next = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("lamparina-peers-{}-{next}", std::process::id());
        let path = std::env::temp_dir().join(name);
        let _ = std::fs::remove_dir_all(&path);
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn named(name: &str) -> PeerName {
    PeerName {
        name: Nick::try_from(name).unwrap(),
        namespace: RoomName::try_from("lab").unwrap(),
    }
}

fn config(name: &str, folder: &Folder, peers: &[SocketAddr]) -> PeerConfig {
    let identity = Identity::open(&folder.0.join("identity")).unwrap();
    PeerConfig {
        listen: vec!["127.0.0.1:0".parse().unwrap()],
        peers: peers.iter().map(ToString::to_string).collect(),
        multicast: None,
        ..PeerConfig::new(named(name), folder.0.join("data"), identity)
    }
}

impl Running {
    async fn start(name: &'static str, peers: &[SocketAddr]) -> Self {
        Self::start_in(Folder::new(), name, peers, |_| {}).await
    }

    /// In a line of peers, that link only where they are told to.
    async fn start_in_line(name: &'static str, peers: &[SocketAddr]) -> Self {
        Self::start_in(Folder::new(), name, peers, |config| config.mesh = false).await
    }

    async fn start_in(
        folder: Folder,
        name: &'static str,
        peers: &[SocketAddr],
        change: impl FnOnce(&mut PeerConfig),
    ) -> Self {
        let mut config = config(name, &folder, peers);
        change(&mut config);
        let peer = Peer::start(config).await.unwrap();
        let told = Vec::new();
        Self {
            peer,
            name,
            folder,
            told,
        }
    }

    fn addr(&self) -> SocketAddr {
        self.peer.listening()[0]
    }

    /// Waits until it tells something.
    async fn until<T>(&mut self, what: &str, wanted: impl Fn(&Event) -> Option<T>) -> T {
        let found = self.told.iter().find_map(&wanted);
        if let Some(found) = found {
            return found;
        }
        loop {
            let next = timeout(PATIENCE, self.peer.next_event()).await;
            let told = &self.told;
            let next =
                next.unwrap_or_else(|_| panic!("{} never told {what}: {told:#?}", self.name));
            let next = next.unwrap_or_else(|| panic!("{} ended before {what}", self.name));
            let found = wanted(&next);
            self.told.push(next);
            if let Some(found) = found {
                return found;
            }
        }
    }

    async fn hears(&mut self, text: &str) -> Line {
        self.until(text, |event| match event {
            Event::Message(line) if line.text == text => Some(line.clone()),
            _ => None,
        })
        .await
    }

    async fn commits(&mut self, text: &str) {
        self.until(text, |event| match event {
            Event::Committed { text: said, .. } if said == text => Some(()),
            _ => None,
        })
        .await;
    }

    async fn is_linked(&mut self) {
        let linked = |event: &Event| matches!(event, Event::LinkUp(_)).then_some(());
        self.until("a link", linked).await;
    }

    async fn says(&mut self, text: &str) {
        let said = self.peer.send(Recipients::All, text.to_owned()).await;
        said.unwrap();
        self.commits(text).await;
    }

    async fn says_to(&self, to: &[&str], text: &str) -> Result<(), PeerError> {
        let to = to.iter().map(|name| NamePattern::parse(name).unwrap());
        let to = Recipients::Some(to.collect());
        self.peer.send(to, text.to_owned()).await.map(drop)
    }

    /// The texts of its history, in order.
    async fn history(&self) -> Vec<String> {
        let lines = self.peer.history(1_000, None).await.unwrap();
        lines.into_iter().map(|line| line.text).collect()
    }

    async fn close(self) -> (Folder, Summary) {
        let summary = self.peer.close(PATIENCE).await;
        (self.folder, summary)
    }

    fn times_told(&self, text: &str) -> usize {
        let heard = |event: &&Event| matches!(event, Event::Message(line) if line.text == text);
        self.told.iter().filter(heard).count()
    }
}

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

impl Running {
    fn own(&self, text: &str) -> bool {
        let own =
            |event: &Event| matches!(event, Event::Committed { text: said, .. } if said == text);
        self.told.iter().any(own)
    }
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
