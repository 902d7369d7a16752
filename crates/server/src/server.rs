//! A whole server: listeners, clients, the task that orders, and their end.

use std::future::Future;
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use lamparina_store::AppendError;
use lamparina_transport::DatagramListener;
use tokio::net::{TcpListener, TcpSocket};
use tokio::runtime::Handle;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;

use crate::access::Checker;
use crate::admin::{self, AdminSocket};
use crate::config::ServerConfig;
use crate::directory::Members;
use crate::durable::Durable;
use crate::hub::Hub;
use crate::listen;
use crate::logger::{LogEvent, Via};
use crate::ordering::Orderer;
use crate::reading::{Directory, Readers};
use crate::shared::{Log, Shared};

/// Time for clients to hear goodbye when the server closes; then their connections are cut.
pub const GOODBYE_WITHIN: Duration = Duration::from_secs(5);
/// Connections that the system holds until they are accepted.
const BACKLOG: u32 = 4_096;

/// The thread that orders: how many messages it stamped.
type Ordering = std::thread::JoinHandle<Result<u64, AppendError>>;

/// What a server did.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Summary {
    /// Connections accepted.
    pub connections: u64,
    /// Messages given a place.
    pub messages: u64,
    /// Connections that were cut at the end, because goodbye took too long.
    pub cut: u64,
}

/// A server that is bound and does not accept yet.
#[derive(Debug)]
pub struct Server {
    listeners: Vec<TcpListener>,
    datagrams: Vec<UdpSocket>,
    config: ServerConfig,
    durable: Option<Durable>,
    admin: Option<AdminSocket>,
}

impl Server {
    /// Binds all addresses; port 0 takes a free one.
    ///
    /// # Errors
    ///
    /// When an address cannot be bound; none is then.
    pub fn bind(addrs: &[SocketAddr], config: ServerConfig) -> Result<Self, BindError> {
        let listeners = addrs
            .iter()
            .map(|addr| listen_on(*addr).map_err(|source| BindError::new(*addr, source)))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            listeners,
            datagrams: Vec::new(),
            config,
            durable: None,
            admin: None,
        })
    }

    /// Takes listeners that somebody else bound, such as a service manager.
    ///
    /// # Errors
    ///
    /// When one of them is no TCP socket that listens.
    pub fn over(listeners: Vec<std::net::TcpListener>, config: ServerConfig) -> io::Result<Self> {
        let listeners = listeners.into_iter().map(|listener| {
            let socket = socket2::SockRef::from(&listener);
            if socket.r#type()? != socket2::Type::STREAM || !socket.is_listener()? {
                let words = "a socket is passed that does not listen for connections";
                return Err(io::Error::new(io::ErrorKind::InvalidInput, words));
            }
            listener.set_nonblocking(true)?;
            TcpListener::from_std(listener)
        });
        Ok(Self {
            listeners: listeners.collect::<Result<_, _>>()?,
            datagrams: Vec::new(),
            config,
            durable: None,
            admin: None,
        })
    }

    /// The same, otherwise configured: nothing but the addresses has been used yet.
    #[must_use]
    pub fn with_config(self, config: ServerConfig) -> Self {
        Self { config, ..self }
    }

    /// The same, on a log that lasts. Without one the log ends with the server.
    #[must_use]
    pub fn with_durable(self, durable: Durable) -> Self {
        Self {
            durable: Some(durable),
            ..self
        }
    }

    /// The same, with a socket at `path` by which operators reach it; it is bound at once. Without
    /// one the server serves all the same.
    ///
    /// # Errors
    ///
    /// When it cannot be bound: why.
    pub fn bind_admin(&mut self, path: &Path) -> io::Result<()> {
        self.admin = Some(AdminSocket::bind(path)?);
        Ok(())
    }

    /// Serves links over UDP too, at these addresses. Port 0 takes the port of a TCP listener of the
    /// same address where it is free, since clients go over from UDP to TCP at the same port; else a free
    /// one.
    ///
    /// # Errors
    ///
    /// When an address cannot be bound; those before it are.
    pub fn bind_udp(&mut self, addrs: &[SocketAddr]) -> Result<(), BindError> {
        for addr in addrs {
            let beside = self
                .listeners
                .iter()
                .filter_map(|one| one.local_addr().ok());
            let beside = beside.filter(|one| addr.port() == 0 && one.ip() == addr.ip());
            let mut bound = beside.filter_map(|addr| UdpSocket::bind(addr).ok());
            let socket = match bound.next() {
                Some(socket) => socket,
                None => UdpSocket::bind(addr).map_err(|source| BindError::udp(*addr, source))?,
            };
            self.datagrams.push(socket);
        }
        Ok(())
    }

    /// Serves links over UDP too, by sockets that somebody else bound.
    pub fn over_udp(&mut self, sockets: Vec<UdpSocket>) {
        self.datagrams.extend(sockets);
    }

    /// The addresses bound for UDP, in the order given.
    ///
    /// # Errors
    ///
    /// When the system does not say.
    pub fn udp_addrs(&self) -> io::Result<Vec<SocketAddr>> {
        self.datagrams.iter().map(UdpSocket::local_addr).collect()
    }

    /// The addresses bound, in the order given.
    ///
    /// # Errors
    ///
    /// When the system does not say.
    pub fn local_addrs(&self) -> io::Result<Vec<SocketAddr>> {
        self.listeners.iter().map(TcpListener::local_addr).collect()
    }

    /// Serves until `shutdown` is ready, then says goodbye to all clients.
    ///
    /// # Errors
    ///
    /// When the disk fails, or the system gives no thread or random bytes, or does not let a UDP socket
    /// be used.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> io::Result<Summary> {
        let durable = match self.durable {
            Some(durable) => durable,
            None => Durable::nowhere()?,
        };
        let mut durable = durable;
        let log = start_reading(&mut durable)?;
        let checker = match self.config.access.passwords() {
            Some(passwords) => Some(Checker::start(passwords)?),
            None => None,
        };
        let shared = Arc::new(Shared::new(self.config, log, checker));
        let addrs = self
            .listeners
            .iter()
            .filter_map(|one| one.local_addr().ok());
        let addrs = addrs.collect();
        let (ordering, mut ended) = start_ordering(&shared, durable)?;
        let (closing, closed) = watch::channel(false);
        let mut accepting = JoinSet::new();
        for listener in self.listeners {
            log_started(&shared, listener.local_addr(), Via::Tcp);
            accepting.spawn(listen::accept(listener, shared.clone(), closed.clone()));
        }
        let mut accepting_datagrams = JoinSet::new();
        for socket in self.datagrams {
            log_started(&shared, socket.local_addr(), Via::Udp);
            let listener = receive(socket, &shared)?;
            let (shared, closed) = (shared.clone(), closed.clone());
            accepting_datagrams.spawn(listen::accept_datagrams(listener, shared, closed));
        }
        let operating = self.admin.map(|socket| {
            tokio::spawn(admin::serve(socket, addrs, shared.clone(), closed.clone()))
        });
        let failed = tokio::select! {
            () = shutdown => false,
            // It ends by itself only when the disk failed, or a file on it was removed.
            _ = &mut ended => true,
        };
        closing.send_replace(true);
        let mut clients = Vec::new();
        while let Some(done) = accepting.join_next().await {
            clients.extend(done);
        }
        // As long as this lives, clients over datagrams hear and are heard.
        let mut receiving = Vec::new();
        while let Some(done) = accepting_datagrams.join_next().await {
            let Ok((over_datagrams, receiver)) = done else {
                continue;
            };
            clients.push(over_datagrams);
            receiving.push(receiver);
        }
        shared.close();
        if let Some(operating) = operating {
            let _ = operating.await;
        }
        let cut = say_goodbye(clients).await;
        drop(receiving);
        shared.sequencer.close();
        if !failed {
            let _ = ended.await;
        }
        let ordered = ordering
            .join()
            .map_err(|_panic| io::Error::other("the thread that orders ended in a panic"))?;
        let reason = match &ordered {
            Ok(_) => "asked to",
            Err(AppendError::Removed(_)) => "a file was removed",
            Err(_) => "the disk failed",
        };
        shared.config.log.event(LogEvent::Stopped { reason });
        let messages = ordered.map_err(io::Error::other)?;
        Ok(Summary {
            connections: shared.connections(),
            messages,
            cut,
        })
    }
}

/// Serves on `listener` until `shutdown` is ready, then says goodbye to all clients.
///
/// # Errors
///
/// As [`Server::run`].
pub async fn run(
    listener: TcpListener,
    config: ServerConfig,
    shutdown: impl Future<Output = ()>,
) -> io::Result<Summary> {
    let listeners = vec![listener];
    let server = Server {
        listeners,
        datagrams: Vec::new(),
        config,
        durable: None,
        admin: None,
    };
    server.run(shutdown).await
}

/// Waits for all clients, but not longer than [`GOODBYE_WITHIN`]; gives how many were cut.
async fn say_goodbye(clients: Vec<JoinSet<()>>) -> u64 {
    let until = tokio::time::Instant::now() + GOODBYE_WITHIN;
    let mut cut = 0;
    for mut clients in clients {
        let all = async { while clients.join_next().await.is_some() {} };
        if tokio::time::timeout_at(until, all).await.is_err() {
            cut += clients.len() as u64;
            clients.shutdown().await;
        }
    }
    cut
}

fn listen_on(addr: SocketAddr) -> io::Result<TcpListener> {
    let socket = match addr {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    // A server that was just stopped can be started again at once.
    socket.set_reuseaddr(true)?;
    socket.bind(addr)?;
    socket.listen(BACKLOG)
}

/// Receives for all clients of one UDP socket.
fn receive(socket: UdpSocket, shared: &Arc<Shared>) -> io::Result<DatagramListener> {
    let mut secret = [0; 32];
    getrandom::fill(&mut secret).map_err(io::Error::other)?;
    let admission = shared.admission.clone();
    let load = Box::new(move || admission.load());
    DatagramListener::start(socket, shared.clock, secret, load)
}

fn log_started(shared: &Shared, addr: io::Result<SocketAddr>, via: Via) {
    if let Ok(addr) = addr {
        shared.config.log.event(LogEvent::Started {
            addr,
            version: env!("CARGO_PKG_VERSION"),
            pid: std::process::id(),
            via,
        });
    }
}

/// Starts the threads that read what is stored.
fn start_reading(durable: &mut Durable) -> io::Result<Log> {
    let members = Arc::new(Members::of(&durable.state));
    let directory: Arc<dyn Directory> = members.clone();
    let readers = std::mem::take(&mut durable.readers);
    let readers = match readers.is_empty() {
        true => None,
        // They end by themselves when nobody can ask any more.
        false => Some(Readers::start(readers, &directory)?.0),
    };
    Ok(Log {
        id: durable.log,
        term: durable.term,
        terms: std::mem::take(&mut durable.terms).into(),
        members,
        readers,
    })
}

/// Starts the thread that orders; the second value says when it has ended.
fn start_ordering(
    shared: &Arc<Shared>,
    durable: Durable,
) -> io::Result<(Ordering, oneshot::Receiver<()>)> {
    let (ending, ended) = oneshot::channel();
    let shared = shared.clone();
    let runtime = Handle::current();
    let thread = std::thread::Builder::new().name("ordering".to_owned());
    let thread = thread.spawn(move || {
        let mut hub = Hub::resume(durable.state, durable.last_index, durable.positions);
        hub.follow_recent(&durable.recent);
        let (journal, since) = (durable.journal, durable.since_snapshot);
        let ordered = Orderer::new(&shared, &runtime, hub, journal, since).run();
        if ordered.is_err() {
            shared.fail();
        }
        let _ = ending.send(());
        ordered
    })?;
    Ok((thread, ended))
}

/// An address cannot be bound: why, and what to do.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {addr}: {what}")]
pub struct BindError {
    addr: SocketAddr,
    what: String,
    source: io::Error,
}

impl BindError {
    fn new(addr: SocketAddr, source: io::Error) -> Self {
        Self::of(addr, "--listen", source)
    }

    fn udp(addr: SocketAddr, source: io::Error) -> Self {
        Self::of(addr, "--udp", source)
    }

    fn of(addr: SocketAddr, option: &str, source: io::Error) -> Self {
        let what = match source.kind() {
            io::ErrorKind::AddrInUse => format!(
                "the port is in use: stop the program that has it, or choose another one with \
                 {option} HOST:PORT (port 0 takes a free one)"
            ),
            io::ErrorKind::PermissionDenied => format!(
                "this user may not use that port: choose one above 1023 with {option} HOST:PORT"
            ),
            io::ErrorKind::AddrNotAvailable => format!(
                "this machine does not have that address: choose one that it has, or 127.0.0.1, \
                 with {option} HOST:PORT"
            ),
            _ => source.to_string(),
        };
        Self { addr, what, source }
    }
}
