//! What a batch brought goes to the disk, and then to the program and to neighbours. Own messages are synced
//! first; what others said survives this program at once, and the machine a moment later: they have it, too.

use std::time::Duration;

use lamparina_order::converging::{self, Position};
use lamparina_order::membership;
use lamparina_protocol::peer::ElectionEpoch;

use super::inputs::Inputs;
use super::leaving::Leaving;
use super::{Node, REQUESTS_MAX, Request};
use crate::error::PeerError;
use crate::event::Event;
use crate::store::{Batch, KeptPeer, StoreError};

/// What others said is synced this long after it was stored, at most.
const SYNC_WITHIN: Duration = Duration::from_millis(200);
/// A disk that says no is asked again after this.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// Peers are kept for the next start this often.
pub(super) const KEEP_EVERY: Duration = Duration::from_secs(60);

impl Node {
    /// Stores what there is, tells what holds by that, and lets go what may go, until nothing follows.
    pub(super) async fn settle(&mut self, inputs: &mut Inputs) {
        loop {
            let due = self.sync_at.is_some_and(|at| at <= self.now());
            let sync = self.must_sync || due;
            if !self.batch.is_empty() || due {
                let batch = std::mem::take(&mut self.batch);
                if !self.store_it(&batch, sync, inputs).await {
                    return;
                }
                self.bodies.trim(self.delivered);
                self.stored(&batch, sync);
            }
            let fresh = std::mem::take(&mut self.fresh);
            self.backlog.extend(fresh);
            self.flush();
            if self.batch.is_empty() && self.fresh.is_empty() && !self.must_sync {
                break;
            }
        }
        self.backlog.pass_on();
        if self.now() >= self.keep_at {
            self.keep_peers();
        }
    }

    fn stored(&mut self, batch: &Batch, sync: bool) {
        if !sync {
            let at = self.now() + SYNC_WITHIN;
            self.sync_at = Some(self.sync_at.map_or(at, |before| before.min(at)));
            return;
        }
        (self.must_sync, self.sync_at) = (false, None);
        self.counts.committed += std::mem::take(&mut self.counts.unstored);
        // More than 2^32 messages are not kept.
        let upto = Position(u32::try_from(self.delivered).unwrap_or(u32::MAX));
        self.order(converging::Input::Stored(upto));
        for row in batch.rows.iter().filter(|row| row.line.own) {
            self.pass_to_foreigners(&row.line);
        }
        if let Some(epoch) = batch.epoch {
            self.membership(membership::Input::Persisted(ElectionEpoch(epoch)));
        }
    }

    /// Stores a batch, however long that takes; `false` where the peer ended meanwhile: one that leaves has
    /// no longer than neighbours have.
    async fn store_it(&mut self, batch: &Batch, sync: bool, inputs: &mut Inputs) -> bool {
        let mut told: Option<StoreError> = None;
        loop {
            let Err(error) = self.store.append(batch, sync) else {
                return true;
            };
            if told.as_ref() != Some(&error) {
                let text = format!("nothing is stored, nor said: {error}");
                let code = "store_failed";
                self.backlog.extend([Event::Warning { code, text }]);
                told = Some(error);
            }
            self.backlog.pass_on();
            let (now, until) = (self.now(), self.leaving.as_ref().map(Leaving::until));
            if until.is_some_and(|until| until <= now) {
                self.give_up(None);
                return false;
            }
            let retry_at = now + RETRY_AFTER;
            let at = until.map_or(retry_at, |until| until.min(retry_at));
            tokio::select! {
                () = tokio::time::sleep_until(self.clock.timer_at(at)) => {}
                request = inputs.requests.recv() => {
                    match request {
                        Some(Request::Close { reply, .. }) => {
                            self.give_up(Some(reply));
                            return false;
                        }
                        Some(request) if inputs.deferred.len() < REQUESTS_MAX => {
                            inputs.deferred.push_back(request);
                        }
                        Some(Request::Say { reply, .. }) => {
                            // Who asked may have gone.
                            let _ = reply.send(Err(PeerError::Full(REQUESTS_MAX)));
                        }
                        // Nothing else waits for the disk, and whoever wants to close must get through.
                        Some(request) => self.asked(request),
                        None => {
                            self.ended = true;
                            return false;
                        }
                    }
                }
            }
        }
    }

    /// Keeps the peers for the next start.
    pub(super) fn keep_peers(&mut self) {
        let now = self.now();
        self.keep_at = now + KEEP_EVERY;
        let mut kept = Vec::new();
        for peer in self.members.peers() {
            let seen = peer.last_seen.map(|at| self.wall_at(at));
            kept.extend(peer.addrs.iter().map(|addr| KeptPeer {
                addr: addr.to_string(),
                key: peer.key,
                name: peer.name.clone(),
                last_seen_at: seen,
            }));
        }
        if let Err(error) = self.store.keep_peers(&kept) {
            tracing::warn!("peers are not kept: {error}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Held, PATIENCE};
    use super::*;
    use crate::event::Recipients;
    use crate::store::DATABASE;
    use tokio::sync::oneshot;
    use tokio::time::timeout;

    /// Has the peer's database for itself, so that nothing is stored.
    fn lock(held: &Held) -> rusqlite::Connection {
        let connection = rusqlite::Connection::open(held.data().join(DATABASE)).unwrap();
        connection.execute_batch("BEGIN IMMEDIATE").unwrap();
        connection
    }

    /// An election's epoch is about to be used.
    fn must_store(node: &mut Node) {
        node.batch.epoch = Some(1);
        node.must_sync = true;
    }

    #[tokio::test]
    async fn a_peer_that_leaves_does_not_wait_for_its_disk_for_ever() {
        let mut held = Held::open().await;
        let _lock = lock(&held);
        must_store(&mut held.node);
        let (reply, mut answer) = oneshot::channel();
        held.node.begin_to_leave(Duration::from_millis(1), reply);
        let settled = held.node.settle(&mut held.inputs);
        timeout(PATIENCE, settled).await.expect("it gives up");
        assert!(held.node.ended);
        assert_eq!(answer.try_recv().unwrap().committed, 0);
    }

    #[tokio::test]
    async fn closing_gets_through_where_as_many_requests_wait_as_may() {
        let mut held = Held::open().await;
        let _lock = lock(&held);
        must_store(&mut held.node);
        held.inputs.deferred = (0..REQUESTS_MAX).map(|_| Request::Reconnect).collect();
        let (reply, mut refused) = oneshot::channel();
        let (to, text) = (Recipients::All, "hi".to_owned());
        held.requests
            .try_send(Request::Say { to, text, reply })
            .unwrap();
        let (reply, mut closed) = oneshot::channel();
        let within = PATIENCE;
        held.requests
            .try_send(Request::Close { within, reply })
            .unwrap();
        let settled = held.node.settle(&mut held.inputs);
        timeout(PATIENCE, settled).await.expect("it gives up");
        assert!(matches!(
            refused.try_recv().unwrap(),
            Err(PeerError::Full(_))
        ));
        closed.try_recv().unwrap();
    }
}
