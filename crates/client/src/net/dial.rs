//! Makes a TCP connection, or finds where datagrams go; or says in words what was tried and what to do.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::timeout;

/// One attempt at a connection takes this long, at most.
pub(super) const DIAL_WITHIN: Duration = Duration::from_secs(5);

use crate::core::carrier::Carrier;

/// Addresses of one name that are called by datagrams, at most.
const PEERS_MAX: usize = 4;

/// What was reached, or is about to be.
#[derive(Debug)]
pub(super) enum Dialed {
    /// A server's end of a stream.
    Stream(TcpStream),
    /// Where datagrams go, one after the other.
    Peers(VecDeque<SocketAddr>),
}

/// Connects to `server`, `HOST:PORT`.
pub(super) async fn dial(server: String, carrier: Carrier) -> Result<Dialed, String> {
    match carrier {
        Carrier::Tcp => connect(server).await.map(Dialed::Stream),
        Carrier::Udp => resolve(server).await.map(Dialed::Peers),
    }
}

async fn resolve(server: String) -> Result<VecDeque<SocketAddr>, String> {
    match timeout(DIAL_WITHIN, tokio::net::lookup_host(&server)).await {
        Ok(Ok(found)) => Ok(found.take(PEERS_MAX).collect()),
        Ok(Err(error)) => Err(words(&server, &error)),
        Err(_) => Err(format!(
            "the address of {server} was not found within {} s; check the name",
            DIAL_WITHIN.as_secs()
        )),
    }
}

async fn connect(server: String) -> Result<TcpStream, String> {
    match timeout(DIAL_WITHIN, TcpStream::connect(&server)).await {
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err(error)) => Err(words(&server, &error)),
        Err(_) => Err(format!(
            "{server} did not answer within {} s; check the address and the way there",
            DIAL_WITHIN.as_secs()
        )),
    }
}

fn words(server: &str, error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => format!(
            "nothing listens at {server}; start a server there with \
             `lamparina-server --listen {server}`, or name another one with `--server HOST:PORT`"
        ),
        io::ErrorKind::InvalidInput | io::ErrorKind::NotFound => {
            format!("{server} is no address: {error}; an address is HOST:PORT, as 127.0.0.1:5000")
        }
        _ => format!("cannot connect to {server}: {error}; check the address and the way there"),
    }
}
