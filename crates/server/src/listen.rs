//! Accepts connections, and links over datagrams, for as long as the server lives: no error of one
//! connection, and no lack of files or memory, ends it.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use lamparina_transport::{DatagramListener, Receiving};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tracing::warn;

use crate::client::{self, Carried};
use crate::limits::{Admitted, Over};
use crate::logger::LogEvent;
use crate::shared::Shared;

/// Pauses after an error that may last, doubling from the first to the second.
const PAUSE_FROM: Duration = Duration::from_millis(5);
const PAUSE_TO: Duration = Duration::from_secs(1);
/// Connections that are told at one time that there is no room; others are closed without a word.
const REFUSALS_MAX: usize = 64;

/// Accepts until `closing` says so; gives the clients' tasks.
pub(crate) async fn accept(
    listener: TcpListener,
    shared: Arc<Shared>,
    mut closing: watch::Receiver<bool>,
) -> JoinSet<()> {
    let mut clients = JoinSet::new();
    let refusals = Arc::new(Semaphore::new(REFUSALS_MAX));
    let mut pause = PAUSE_FROM;
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = clients.join_next() => continue,
            _ = closing.wait_for(|closing| *closing) => return clients,
        };
        match accepted {
            Ok((stream, addr)) => {
                pause = PAUSE_FROM;
                let carried = Carried::Stream(stream);
                admit(carried, addr, &shared, &mut clients, &refusals);
            }
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                warn!("cannot accept a connection now, trying again: {error}");
                tokio::time::sleep(pause).await;
                pause = (2 * pause).min(PAUSE_TO);
            }
        }
    }
}

/// The same over datagrams; gives the task that receives for the clients, too.
pub(crate) async fn accept_datagrams(
    mut listener: DatagramListener,
    shared: Arc<Shared>,
    mut closing: watch::Receiver<bool>,
) -> (JoinSet<()>, Receiving) {
    let mut clients = JoinSet::new();
    let refusals = Arc::new(Semaphore::new(REFUSALS_MAX));
    loop {
        tokio::select! {
            Some(incoming) = listener.next() => {
                let addr = incoming.from();
                let carried = Carried::Datagrams(incoming);
                admit(carried, addr, &shared, &mut clients, &refusals);
            }
            Some(_) = clients.join_next() => {}
            _ = closing.wait_for(|closing| *closing) => return (clients, listener.stop()),
        }
    }
}

fn admit(
    carried: Carried,
    addr: SocketAddr,
    shared: &Arc<Shared>,
    clients: &mut JoinSet<()>,
    refusals: &Arc<Semaphore>,
) {
    let id = shared.next_connection();
    match shared.admission.admit(id, addr.ip()) {
        Ok(Admitted { permit, dropped }) => {
            if let Some(dropped) = dropped {
                shared.bells.stir_one(dropped);
            }
            // A stream that does not begin has ended already.
            if let Ok(served) = client::serve(carried, addr, id, permit, shared.clone()) {
                clients.spawn(served);
            }
        }
        Err(over) => refuse(carried, addr, over, shared, clients, refusals),
    }
}

fn refuse(
    carried: Carried,
    addr: SocketAddr,
    over: Over,
    shared: &Arc<Shared>,
    clients: &mut JoinSet<()>,
    refusals: &Arc<Semaphore>,
) {
    let text = over.to_string();
    shared.config.log.event(LogEvent::Refused {
        addr,
        nick: None,
        code: "limit",
        reason: &text,
    });
    if let Ok(turn) = refusals.clone().try_acquire_owned() {
        let shared = shared.clone();
        clients.spawn(async move {
            client::refuse(carried, text, shared).await;
            drop(turn);
        });
    }
}

/// Errors of a connection that ended before it was accepted say nothing of the next one.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted
    )
}
