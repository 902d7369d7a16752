//! Makes links to addresses.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use lamparina_protocol::seal::Transport;
use lamparina_transport::Connection;
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;

use super::task::{self, Origin};
use super::{Common, FromLink};
use crate::event::Direction;

/// An attempt ends after this.
const DIAL_WITHIN: Duration = Duration::from_secs(5);
/// Addresses of one name that are tried, at most.
const LOOKED_UP_MAX: usize = 8;

/// An attempt to make.
#[derive(Clone, Debug)]
pub(crate) struct Dialled {
    /// Its number.
    pub(crate) attempt: u64,
    /// `HOST:PORT`.
    pub(crate) addr: String,
}

/// Makes a link, and drives it until it ends.
pub(crate) async fn dial(common: Arc<Common>, dialled: Dialled) {
    let attempt = dialled.attempt;
    if let Err(reason) = try_dial(&common, &dialled).await {
        // The node may have ended meanwhile.
        let told = FromLink::NotDialled { attempt, reason };
        let _ = common.node.send(told).await;
    }
}

async fn try_dial(common: &Common, dialled: &Dialled) -> Result<(), String> {
    let stream = match timeout(DIAL_WITHIN, connect(&dialled.addr)).await {
        Ok(connected) => connected?,
        Err(_) => return Err(format!("no answer within {} s", DIAL_WITHIN.as_secs())),
    };
    let words = |error: &dyn std::fmt::Display| error.to_string();
    let link = common.initiate(Transport::Tcp);
    let link = link.map_err(|error| words(&error))?;
    let connection = Connection::new(stream, link, common.clock);
    let origin = Origin {
        direction: Direction::Outbound,
        attempt: Some(dialled.attempt),
    };
    task::drive(connection.map_err(|error| words(&error))?, common, origin).await
}

async fn connect(addr: &str) -> Result<TcpStream, String> {
    let found: Vec<SocketAddr> = match addr.parse() {
        Ok(addr) => vec![addr],
        Err(_) => {
            let found = lookup_host(addr).await;
            let found = found.map_err(|error| format!("{addr} is no address: {error}"))?;
            found.take(LOOKED_UP_MAX).collect()
        }
    };
    let mut last = format!("{addr} has no address");
    for addr in found {
        match TcpStream::connect(addr).await {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error.to_string(),
        }
    }
    Err(last)
}
