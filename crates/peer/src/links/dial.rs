//! Makes links to addresses.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use lamparina_protocol::seal::Transport;
use lamparina_transport::Connection;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::task::{self, Origin};
use super::{Common, FromLink};
use crate::event::Direction;

/// An attempt ends after this.
const DIAL_WITHIN: Duration = Duration::from_secs(5);

/// An attempt to make.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Dialled {
    /// Its number.
    pub(crate) attempt: u64,
    /// Where.
    pub(crate) addr: SocketAddr,
}

/// Makes a link, and drives it until it ends.
pub(crate) async fn dial(common: Arc<Common>, dialled: Dialled) {
    let attempt = dialled.attempt;
    if let Err(reason) = try_dial(&common, dialled).await {
        // The node may have ended meanwhile.
        let told = FromLink::NotDialled { attempt, reason };
        let _ = common.node.send(told).await;
    }
}

async fn try_dial(common: &Common, dialled: Dialled) -> Result<(), String> {
    let stream = match timeout(DIAL_WITHIN, TcpStream::connect(dialled.addr)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return Err(error.to_string()),
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
