//! A node that a test drives itself, alone and with no thread.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use lamparina_keys::Identity;
use lamparina_protocol::nick::{Nick, RoomName};
use lamparina_protocol::peer::PeerName;
use tokio::sync::mpsc;

use super::inputs::Inputs;
use super::start::{Ends, open};
use super::{Node, Request};
use crate::config::PeerConfig;

/// Long enough for any machine; no test waits for it.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

/// The node ana@lab, with a folder of its own that is gone with it.
pub(super) struct Held {
    pub(super) node: Node,
    pub(super) inputs: Inputs,
    pub(super) requests: mpsc::Sender<Request>,
    folder: PathBuf,
    _ends: Ends,
}

impl Held {
    pub(super) async fn open() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let next = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("lamparina-peer-node-{}-{next}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        let _ = std::fs::remove_dir_all(&folder);
        let name = PeerName {
            name: Nick::try_from("ana").unwrap(),
            namespace: RoomName::try_from("lab").unwrap(),
        };
        let config = PeerConfig {
            listen: vec!["127.0.0.1:0".parse().unwrap()],
            multicast: None,
            ..PeerConfig::new(name, folder.clone(), Identity::generate().unwrap())
        };
        let (node, inputs, ends) = open(config).await.unwrap();
        Self {
            node,
            inputs,
            requests: ends.requests.clone(),
            folder,
            _ends: ends,
        }
    }

    /// Where its messages are.
    pub(super) fn data(&self) -> &std::path::Path {
        &self.folder
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
