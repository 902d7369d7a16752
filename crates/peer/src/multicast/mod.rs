//! Beacons by UDP multicast: a socket for each group on each interface that carries it, found anew
//! while the peer lives. What a beacon says is not known here; it may be lost, doubled or false.

pub mod choice;
pub mod interfaces;
mod socket;

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use socket2::SockRef;
use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

pub use socket::open;

use crate::config::MulticastConfig;
use interfaces::Interface;

/// Interfaces are looked for this often: a cable may be plugged in later.
pub const INTERFACES_EVERY: Duration = Duration::from_secs(10);
/// Bytes of a datagram that are read; a beacon has fewer.
pub const DATAGRAM_BYTES: usize = 2_048;
/// Datagrams that wait to be judged; what comes beyond is dropped, and comes again.
pub const HEARD_MAX: usize = 256;
/// Sockets, at most.
pub const ENDPOINTS_MAX: usize = 128;

/// A datagram that came.
#[derive(Clone, Debug)]
pub struct Heard {
    /// Its bytes.
    pub bytes: Bytes,
    /// Where it came from.
    pub from: SocketAddr,
    /// By which interface.
    pub interface: String,
}

/// What is different since the last look.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Change {
    /// Beacons use this interface.
    Begun(String),
    /// Beacons use this interface no more.
    Ended(String),
    /// Beacons cannot use this interface, and why. Said once.
    Failed(String, String),
}

/// An interface, with the address that beacons leave from, and a group.
type Place = (String, IpAddr, SocketAddr);

/// Sockets for beacons.
#[derive(Debug)]
pub struct Multicast {
    config: MulticastConfig,
    listen: Vec<SocketAddr>,
    heard: mpsc::Sender<Heard>,
    endpoints: BTreeMap<Place, Endpoint>,
    /// What could not be opened, so that it is said once.
    failed: BTreeMap<Place, String>,
}

#[derive(Debug)]
struct Endpoint {
    socket: Arc<UdpSocket>,
    receiving: JoinHandle<()>,
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        self.receiving.abort();
    }
}

impl Multicast {
    /// Nothing is opened before [`Multicast::refresh`]. What comes goes to `heard`.
    pub fn new(
        config: MulticastConfig,
        listen: Vec<SocketAddr>,
        heard: mpsc::Sender<Heard>,
    ) -> Self {
        Self {
            config,
            listen,
            heard,
            endpoints: BTreeMap::new(),
            failed: BTreeMap::new(),
        }
    }

    /// Looks at the interfaces and opens what is new; within a tokio runtime.
    ///
    /// # Errors
    ///
    /// Where the system does not tell its interfaces.
    pub fn refresh(&mut self) -> io::Result<Vec<Change>> {
        let all = interfaces::list()?;
        Ok(self.refresh_with(&all))
    }

    fn refresh_with(&mut self, all: &[Interface]) -> Vec<Change> {
        let wanted = self.wanted(all);
        let mut changes = Vec::new();
        let gone = |place: &Place| !wanted.contains_key(place);
        self.failed.retain(|place, _| !gone(place));
        self.endpoints.retain(|place, endpoint| {
            let ended = gone(place) || endpoint.receiving.is_finished();
            if ended {
                changes.push(Change::Ended(place.0.clone()));
            }
            !ended
        });
        for (place, interface) in wanted {
            if self.endpoints.len() < ENDPOINTS_MAX && !self.endpoints.contains_key(&place) {
                changes.extend(self.begin(place, interface));
            }
        }
        changes
    }

    fn wanted<'a>(&self, all: &'a [Interface]) -> BTreeMap<Place, &'a Interface> {
        let mut wanted = BTreeMap::new();
        for &group in &self.config.groups {
            let judged = choice::choose(all, group, &self.config.ifaces, &self.listen);
            for (interface, judged) in all.iter().zip(judged) {
                if let (Ok(()), Some(addr)) = (judged, interface.addr_for(group)) {
                    wanted.insert((interface.name.clone(), addr, group), interface);
                }
            }
        }
        wanted
    }

    fn begin(&mut self, place: Place, interface: &Interface) -> Option<Change> {
        match open(place.2, interface) {
            Ok(socket) => {
                let socket = Arc::new(socket);
                let receiving = receive(socket.clone(), interface.name.clone(), self.heard.clone());
                let receiving = tokio::spawn(receiving);
                self.failed.remove(&place);
                self.endpoints.insert(place, Endpoint { socket, receiving });
                Some(Change::Begun(interface.name.clone()))
            }
            Err(error) => {
                let why = error.to_string();
                let known = self.failed.insert(place, why.clone());
                let news = known.as_ref() != Some(&why);
                news.then(|| Change::Failed(interface.name.clone(), why))
            }
        }
    }

    /// Sends a datagram to every group on every interface. What a socket does not take now is not
    /// sent: it will be said again.
    pub fn send(&self, datagram: &[u8]) {
        for ((interface, _, group), endpoint) in &self.endpoints {
            // Past the runtime, which takes a new socket for a full one until it has looked at it.
            let socket = SockRef::from(&*endpoint.socket);
            if let Err(error) = socket.send_to(datagram, &(*group).into()) {
                tracing::debug!(interface, %group, "a beacon does not leave: {error}");
            }
        }
    }

    /// The interfaces in use, each once.
    pub fn interfaces(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self
            .endpoints
            .keys()
            .map(|place| place.0.as_str())
            .collect();
        names.dedup();
        names
    }
}

/// Hands on what comes until the socket says something that lasts.
async fn receive(socket: Arc<UdpSocket>, interface: String, heard: mpsc::Sender<Heard>) {
    /// Errors in a row after which the socket is given up, and made anew at the next look.
    const ERRORS_MAX: u32 = 16;
    let mut buffer = vec![0; DATAGRAM_BYTES];
    let mut errors = 0;
    while errors < ERRORS_MAX {
        match socket.recv_from(&mut buffer).await {
            Ok((length, from)) => {
                errors = 0;
                let bytes = Bytes::copy_from_slice(&buffer[..length]);
                let interface = interface.clone();
                let came = Heard {
                    bytes,
                    from,
                    interface,
                };
                // What finds no room is dropped.
                let _ = heard.try_send(came);
            }
            Err(error) => {
                errors += 1;
                tracing::debug!(interface, "of an earlier datagram: {error}");
            }
        }
    }
}

#[cfg(test)]
mod tests;
