//! Makes links to addresses.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use lamparina_protocol::datagram::{ConnectionId, DatagramConfig, Profile};
use lamparina_protocol::seal::Transport;
use lamparina_transport::Connection;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::task::{self, Open, Origin};
use super::{Common, FromLink};
use crate::event::Direction;

/// An attempt ends after this.
const DIAL_WITHIN: Duration = Duration::from_secs(5);

/// An attempt over UDP ends after this, and goes on over TCP.
const UDP_WITHIN: Duration = Duration::from_millis(1_500);

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
    let origin = Origin {
        direction: Direction::Outbound,
        attempt: Some(dialled.attempt),
    };
    let open = match common.udp {
        true => match timeout(UDP_WITHIN, over_udp(common, dialled.addr)).await {
            Ok(Ok(open)) => Ok(open),
            // Nothing answers there over UDP, or not in time.
            _ => over_tcp(common, dialled.addr).await,
        },
        false => over_tcp(common, dialled.addr).await,
    };
    task::drive(open?, common, origin).await;
    Ok(())
}

async fn over_udp(common: &Common, addr: SocketAddr) -> Result<Open, String> {
    let words = |error: &dyn std::fmt::Display| error.to_string();
    let number = || getrandom::u64().map_err(|error| words(&error));
    let config = DatagramConfig::new(ConnectionId(number()?), number()?);
    let link = common.initiate(Transport::Udp);
    let link = link.map_err(|error| words(&error))?.over_datagrams(config);
    let connection = Connection::call(addr, link, common.clock, Profile::Usual);
    task::open(connection.map_err(|error| words(&error))?, common).await
}

async fn over_tcp(common: &Common, addr: SocketAddr) -> Result<Open, String> {
    let stream = match timeout(DIAL_WITHIN, TcpStream::connect(addr)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return Err(error.to_string()),
        Err(_) => return Err(format!("no answer within {} s", DIAL_WITHIN.as_secs())),
    };
    let words = |error: &dyn std::fmt::Display| error.to_string();
    let link = common.initiate(Transport::Tcp);
    let link = link.map_err(|error| words(&error))?;
    let connection = Connection::new(stream, link, common.clock);
    task::open(connection.map_err(|error| words(&error))?, common).await
}
