//! Makes a TCP connection, or says in words what was tried and what to do.

use std::io;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::timeout;

/// One attempt at a connection takes this long, at most.
pub(super) const DIAL_WITHIN: Duration = Duration::from_secs(5);

/// Connects to `server`, `HOST:PORT`.
pub(super) async fn dial(server: String) -> Result<TcpStream, String> {
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
