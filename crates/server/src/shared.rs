//! What all tasks of one server hold in common.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use lamparina_protocol::{Lamport, LogId, Term};
use lamparina_store::TermBegan;
use lamparina_transport::Clock;

use crate::access::{Checker, Guesses};
use crate::admin::Operators;
use crate::config::ServerConfig;
use crate::directory::Members;
use crate::doorbell::Doorbells;
use crate::hub::ConnectionId;
use crate::limits::{Connections, Rates, Turns};
use crate::reading::Readers;
use crate::sequencer::{Embedded, Sequencer};
use crate::tail::Tail;

/// The log that is ordered.
pub(crate) struct Log {
    pub(crate) id: LogId,
    pub(crate) term: Term,
    pub(crate) terms: Arc<[TermBegan]>,
    pub(crate) members: Arc<Members>,
    pub(crate) readers: Option<Readers>,
}

/// What all tasks of one server hold in common.
pub(crate) struct Shared {
    pub(crate) config: ServerConfig,
    pub(crate) log_id: LogId,
    pub(crate) term: Term,
    pub(crate) clock: Clock,
    pub(crate) admission: Connections,
    /// Whose handshake is computed next.
    pub(crate) turns: Turns,
    pub(crate) rates: Arc<Rates>,
    pub(crate) tail: Tail,
    pub(crate) bells: Arc<Doorbells>,
    pub(crate) sequencer: Arc<dyn Sequencer>,
    /// The way to the store, where there is one.
    pub(crate) readers: Option<Readers>,
    pub(crate) terms: Arc<[TermBegan]>,
    pub(crate) members: Arc<Members>,
    /// What operators asked and is not answered yet.
    pub(crate) operators: Operators,
    /// Who tried codes and passwords how often.
    pub(crate) guesses: Mutex<Guesses>,
    /// Checks passwords, where there are any.
    pub(crate) checker: Option<Checker>,
    /// The order's clock after the newest batch.
    order_clock: AtomicU64,
    closing: AtomicBool,
    failed: AtomicBool,
    connections: AtomicU64,
}

impl Shared {
    pub(crate) fn new(config: ServerConfig, log: Log, checker: Option<Checker>) -> Self {
        Self {
            operators: Operators::default(),
            guesses: Mutex::default(),
            checker,
            log_id: log.id,
            term: log.term,
            clock: Clock::start(),
            admission: Connections::new(
                config.limits.clone(),
                config.files_max,
                config.count_loopback,
            ),
            turns: Turns::new(config.limits.clone()),
            rates: Arc::new(Rates::new(config.limits.clone())),
            tail: Tail::new(config.tail_bytes, config.tail_items),
            bells: Arc::default(),
            sequencer: Arc::new(Embedded::new()),
            readers: log.readers,
            terms: log.terms,
            members: log.members,
            order_clock: AtomicU64::new(0),
            closing: AtomicBool::new(false),
            failed: AtomicBool::new(false),
            connections: AtomicU64::new(0),
            config,
        }
    }

    pub(crate) fn next_connection(&self) -> ConnectionId {
        ConnectionId(self.connections.fetch_add(1, Ordering::Relaxed))
    }

    /// Connections accepted in all.
    pub(crate) fn connections(&self) -> u64 {
        self.connections.load(Ordering::Relaxed)
    }

    pub(crate) fn order_clock(&self) -> Lamport {
        Lamport::new(self.order_clock.load(Ordering::Acquire))
    }

    pub(crate) fn set_order_clock(&self, clock: Lamport) {
        self.order_clock.store(clock.get(), Ordering::Release);
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Acquire)
    }

    /// The disk failed: nothing is ordered any more, so nobody can be answered.
    pub(crate) fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Acquire)
    }

    /// Tells all sessions that the disk failed.
    pub(crate) fn fail(&self) {
        self.failed.store(true, Ordering::Release);
        self.close();
    }

    /// Tells all sessions that the server closes.
    pub(crate) fn close(&self) {
        self.closing.store(true, Ordering::Release);
        self.bells.stir();
    }
}
