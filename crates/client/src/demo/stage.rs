//! The server of a demo: a library here, its logger a process of its own, its log in a folder that
//! goes when the demo ends.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use lamparina_server::logger::{Logger, LoggerConfig};
use lamparina_server::{Links, Server, ServerConfig, identity};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// A running server.
pub(super) struct Stage {
    addr: SocketAddr,
    folder: PathBuf,
    logger: Logger,
    server: JoinHandle<io::Result<lamparina_server::Summary>>,
    stop: oneshot::Sender<()>,
}

impl Stage {
    /// Starts logger and server on a free port of this machine.
    pub(super) async fn build() -> io::Result<Self> {
        let unique = getrandom::u64().map_err(io::Error::other)?;
        let folder = std::env::temp_dir().join(format!("lamparina-demo-{unique:016x}"));
        let (log, logger) =
            Logger::start(LoggerConfig::new(folder.join("logs/server.log"))).await?;
        let links = Links::Sealed(identity::generate().map_err(io::Error::other)?);
        let config = ServerConfig {
            log,
            ..ServerConfig::new(links)
        };
        let server = Server::bind(&[SocketAddr::from(([127, 0, 0, 1], 0))], config)
            .map_err(io::Error::other)?;
        let addr = *server
            .local_addrs()?
            .first()
            .ok_or(io::ErrorKind::AddrNotAvailable)?;
        let (stop, stopped) = oneshot::channel();
        let shutdown = async {
            // Dropped means stop, too.
            let _ = stopped.await;
        };
        let server = tokio::spawn(server.run(shutdown));
        Ok(Self {
            addr,
            folder,
            logger,
            server,
            stop,
        })
    }

    /// Where people connect.
    pub(super) fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The logger's process, in words.
    pub(super) fn logger_pid(&self) -> String {
        self.logger
            .pid()
            .map_or_else(|| "not running".to_owned(), |pid| pid.to_string())
    }

    /// Ends server and logger, in this order; gives the log.
    pub(super) async fn strike(self) -> io::Result<String> {
        // A server that is gone already needs no word.
        let _ = self.stop.send(());
        let served = self.server.await.map_err(io::Error::other)?;
        self.logger.finish().await;
        let log = tokio::fs::read_to_string(self.folder.join("logs/server.log")).await;
        tokio::fs::remove_dir_all(&self.folder).await?;
        served?;
        log
    }
}
