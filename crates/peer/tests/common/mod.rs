//! Peers of a test, each with a folder of its own.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![allow(dead_code, reason = "no test program uses all of it")]

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
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A peer, what it keeps, and what it has told so far.
pub(crate) struct Running {
    pub(crate) peer: Peer,
    pub(crate) name: &'static str,
    pub(crate) folder: Folder,
    pub(crate) told: Vec<Event>,
}

pub(crate) struct Folder(pub(crate) PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
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

pub(crate) fn named(name: &str) -> PeerName {
    PeerName {
        name: Nick::try_from(name).unwrap(),
        namespace: RoomName::try_from("lab").unwrap(),
    }
}

pub(crate) fn config(name: &str, folder: &Folder, peers: &[SocketAddr]) -> PeerConfig {
    let identity = Identity::open(&folder.0.join("identity")).unwrap();
    PeerConfig {
        listen: vec!["127.0.0.1:0".parse().unwrap()],
        peers: peers.iter().map(ToString::to_string).collect(),
        multicast: None,
        ..PeerConfig::new(named(name), folder.0.join("data"), identity)
    }
}

impl Running {
    pub(crate) async fn start(name: &'static str, peers: &[SocketAddr]) -> Self {
        Self::start_in(Folder::new(), name, peers, |_| {}).await
    }

    /// In a line of peers, that link only where they are told to.
    pub(crate) async fn start_in_line(name: &'static str, peers: &[SocketAddr]) -> Self {
        Self::start_in(Folder::new(), name, peers, |config| config.mesh = false).await
    }

    pub(crate) async fn start_in(
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

    pub(crate) fn addr(&self) -> SocketAddr {
        self.peer.listening()[0]
    }

    /// Waits until it tells something.
    pub(crate) async fn until<T>(&mut self, what: &str, wanted: impl Fn(&Event) -> Option<T>) -> T {
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

    pub(crate) async fn hears(&mut self, text: &str) -> Line {
        self.until(text, |event| match event {
            Event::Message(line) if line.text == text => Some(line.clone()),
            _ => None,
        })
        .await
    }

    /// The words of a warning.
    pub(crate) async fn warned(&mut self, wanted: &str) -> String {
        self.until(wanted, |event| match event {
            Event::Warning { code, text } if *code == wanted => Some(text.clone()),
            _ => None,
        })
        .await
    }

    pub(crate) async fn commits(&mut self, text: &str) {
        self.until(text, |event| match event {
            Event::Committed { text: said, .. } if said == text => Some(()),
            _ => None,
        })
        .await;
    }

    pub(crate) async fn is_linked(&mut self) {
        let linked = |event: &Event| matches!(event, Event::LinkUp(_)).then_some(());
        self.until("a link", linked).await;
    }

    pub(crate) async fn says(&mut self, text: &str) {
        let said = self.peer.send(Recipients::All, text.to_owned()).await;
        said.unwrap();
        self.commits(text).await;
    }

    pub(crate) async fn says_to(&self, to: &[&str], text: &str) -> Result<(), PeerError> {
        let to = to.iter().map(|name| NamePattern::parse(name).unwrap());
        let to = Recipients::Some(to.collect());
        self.peer.send(to, text.to_owned()).await.map(drop)
    }

    /// The texts of its history, in order.
    pub(crate) async fn history(&self) -> Vec<String> {
        let lines = self.peer.history(1_000, None).await.unwrap();
        lines.into_iter().map(|line| line.text).collect()
    }

    pub(crate) async fn close(self) -> (Folder, Summary) {
        let summary = self.peer.close(PATIENCE).await;
        (self.folder, summary)
    }

    pub(crate) fn times_told(&self, text: &str) -> usize {
        let heard = |event: &&Event| matches!(event, Event::Message(line) if line.text == text);
        self.told.iter().filter(heard).count()
    }
}

impl Running {
    pub(crate) fn own(&self, text: &str) -> bool {
        let own =
            |event: &Event| matches!(event, Event::Committed { text: said, .. } if said == text);
        self.told.iter().any(own)
    }
}
