//! Accepts connections for as long as the peer lives. The first byte says what is spoken: `{` begins
//! PyP2P, and no frame of ours.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use lamparina_protocol::datagram::{DatagramConfig, Profile};
use lamparina_protocol::seal::Transport;
use lamparina_transport::{Connection, DatagramListener, Incoming};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::Common;
use super::task::{self, Open, Origin};
use crate::event::Direction;
use crate::foreign::FromForeign;

/// Inbound connections at one time; one more is closed without a word.
pub(crate) const INBOUND_MAX: usize = 128;
/// A connection must say something within this.
pub(crate) const FIRST_BYTE_WITHIN: Duration = Duration::from_secs(10);
/// Pauses after an error that may last, doubling from the first to the second.
const PAUSE_FROM: Duration = Duration::from_millis(5);
const PAUSE_TO: Duration = Duration::from_secs(1);
/// First bytes of PyP2P: of a line, or of blanks before it. A frame of ours begins with a length, and that
/// with 0.
const FOREIGN_FIRST: [u8; 5] = *b"{ \t\r\n";

/// Accepts until dropped.
pub(crate) async fn listen(listener: TcpListener, common: Arc<Common>, room: Arc<Semaphore>) {
    let mut links = JoinSet::new();
    let mut pause = PAUSE_FROM;
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = links.join_next() => continue,
        };
        match accepted {
            Ok((stream, addr)) => {
                pause = PAUSE_FROM;
                if let Ok(permit) = room.clone().try_acquire_owned() {
                    links.spawn(serve(stream, addr, common.clone(), permit));
                }
            }
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                tracing::warn!("cannot accept a connection now, trying again: {error}");
                tokio::time::sleep(pause).await;
                pause = (2 * pause).min(PAUSE_TO);
            }
        }
    }
}

async fn serve(
    stream: TcpStream,
    addr: SocketAddr,
    common: Arc<Common>,
    permit: OwnedSemaphorePermit,
) {
    let mut first = [0; 1];
    let spoken = match timeout(FIRST_BYTE_WITHIN, stream.peek(&mut first)).await {
        Ok(Ok(1)) => first[0],
        // Nothing came, or the end.
        _ => return,
    };
    if FOREIGN_FIRST.contains(&spoken) {
        // Without room there the stream is closed.
        let accepted = FromForeign::Accepted(stream, addr, permit);
        let _ = common.foreign.try_send(accepted);
        return;
    }
    if let Err(reason) = respond(stream, &common).await {
        tracing::debug!(%addr, "a connection became no link: {reason}");
    }
    drop(permit);
}

async fn respond(stream: TcpStream, common: &Common) -> Result<(), String> {
    let words = |error: &dyn std::fmt::Display| error.to_string();
    let link = common.respond(Transport::Tcp);
    let link = link.map_err(|error| words(&error))?;
    let connection = Connection::new(stream, link, common.clock);
    let origin = Origin {
        direction: Direction::Inbound,
        attempt: None,
    };
    let open = task::open(connection.map_err(|error| words(&error))?, common).await?;
    task::drive(open, common, origin).await;
    Ok(())
}

/// The same over datagrams.
pub(crate) async fn listen_datagrams(
    mut listener: DatagramListener,
    common: Arc<Common>,
    room: Arc<Semaphore>,
) {
    let mut links = JoinSet::new();
    loop {
        tokio::select! {
            incoming = listener.next() => {
                let Some(incoming) = incoming else { return };
                if let Ok(permit) = room.clone().try_acquire_owned() {
                    links.spawn(serve_datagrams(incoming, common.clone(), permit));
                }
            }
            Some(_) = links.join_next() => {}
        }
    }
}

async fn serve_datagrams(incoming: Incoming, common: Arc<Common>, permit: OwnedSemaphorePermit) {
    let addr = incoming.from();
    let origin = Origin {
        direction: Direction::Inbound,
        attempt: None,
    };
    match answer(incoming, &common).await {
        Ok(open) => task::drive(open, &common, origin).await,
        Err(reason) => tracing::debug!(%addr, "datagrams became no link: {reason}"),
    }
    drop(permit);
}

async fn answer(incoming: Incoming, common: &Common) -> Result<Open, String> {
    let words = |error: getrandom::Error| error.to_string();
    let config = DatagramConfig::new(incoming.connection(), getrandom::u64().map_err(words)?);
    let config = match incoming.profile() {
        Profile::Usual => config,
        Profile::Slow => config.slow(),
    };
    let link = common.respond(Transport::Udp).map_err(words)?;
    let (link, seed) = (
        link.over_datagrams(config),
        getrandom::u64().map_err(words)?,
    );
    let connection = Connection::called(incoming, link, common.clock, seed);
    task::open(connection, common).await
}

/// Errors of a connection that ended before it was accepted say nothing of the next one.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted
    )
}
