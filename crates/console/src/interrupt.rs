//! The wish to end, from the keyboard (SIGINT) or the system (SIGTERM): both mean the same.

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Hears every such wish from its making on.
#[derive(Debug)]
pub struct Interrupts {
    /// `None` where the system does not let us listen; then it ends us by itself.
    signals: [Option<Signal>; 2],
}

impl Interrupts {
    /// Listens from now on.
    pub fn listen() -> Self {
        let kinds = [SignalKind::interrupt(), SignalKind::terminate()];
        Self {
            signals: kinds.map(|kind| signal(kind).ok()),
        }
    }

    /// The next one. Cancel-safe.
    pub async fn next(&mut self) {
        let [interrupt, terminate] = &mut self.signals;
        tokio::select! {
            () = one(interrupt) => {}
            () = one(terminate) => {}
        }
    }
}

async fn one(signal: &mut Option<Signal>) {
    if let Some(signal) = signal
        && signal.recv().await.is_some()
    {
        return;
    }
    std::future::pending().await
}
