//! A peer: its machine, the log that it keeps of deliveries, and what of it is on its disk.

use std::sync::Arc;
use std::time::Duration;

use lamparina_order::converging::{Config, Converging, HistoryKey};
use lamparina_protocol::peer::message::Incarnation;
use lamparina_protocol::peer::{PeerName, Signed};
use lamparina_protocol::seal::IdentityKey;
use lamparina_protocol::{AuthorKey, Instant, RoomName};

use super::truth::{Promised, Seen, Truth};

/// A peer.
#[derive(Debug)]
pub struct Node {
    /// Signs what it says.
    pub identity: IdentityKey,
    /// Its public half.
    pub author: AuthorKey,
    /// None while it is down.
    pub machine: Option<Converging>,
    /// Everything that it was delivered in this life, or restored.
    pub log: Vec<Arc<Signed>>,
    /// So many of these are on the disk, and how far lines were final when they came there.
    pub on_disk: usize,
    /// As above.
    pub promised_on_disk: Promised,
    /// What is being written: up to where, and how far lines are final.
    pub writing: Option<(usize, Promised)>,
    /// What it was told.
    pub seen: Seen,
    /// Counts its lives.
    pub life: u64,
    /// It does what it should.
    pub honest: bool,
    /// It hears the others, and they do not hear it.
    pub withholds: bool,
}

impl Node {
    /// The peer numbered so, down.
    pub fn new(number: usize, honest: bool) -> Self {
        let mut seed = [7; 32];
        seed[..8].copy_from_slice(&(number as u64).to_be_bytes());
        let identity = IdentityKey::from_seed(&seed);
        Self {
            author: AuthorKey(identity.public().0),
            identity,
            machine: None,
            log: Vec::new(),
            on_disk: 0,
            promised_on_disk: Promised::default(),
            writing: None,
            seen: Seen::default(),
            life: 0,
            honest,
            withholds: false,
        }
    }

    /// How people call it.
    ///
    /// # Panics
    ///
    /// Never.
    pub fn name(number: usize) -> PeerName {
        let lan = RoomName::try_from("lan").expect("a room's name");
        PeerName::parse(&format!("p{number}"), &lan).expect("a peer's name")
    }

    /// It starts, with what is on its disk.
    ///
    /// # Panics
    ///
    /// When its machine does not take back what it gave.
    pub fn start(&mut self, number: usize, now: Instant, aside_after: Duration) {
        self.life += 1;
        let incarnation = Incarnation(self.life);
        let mut config = Config::new(self.identity.clone(), incarnation, Self::name(number));
        config.aside_after = aside_after;
        let mut machine = Converging::new(config, now);
        self.log.truncate(self.on_disk);
        self.seen = Seen::after_crash(&self.promised_on_disk);
        for message in &self.log {
            machine
                .restore(now, message)
                .expect("what was stored is restored");
            Truth::restored(&mut self.seen, message);
        }
        if let Some(upto) = self.promised_on_disk.final_upto {
            machine.restore_final(upto);
        }
        self.machine = Some(machine);
    }

    /// It is gone from one moment to the next.
    pub fn crash(&mut self) {
        self.machine = None;
        self.writing = None;
    }

    /// All its lines, in their order.
    pub fn history(&self) -> Vec<HistoryKey> {
        let machine = self.machine.as_ref();
        let lines = machine.map(|machine| machine.history().after(None, usize::MAX));
        lines.into_iter().flatten().map(|(key, _)| key).collect()
    }
}
