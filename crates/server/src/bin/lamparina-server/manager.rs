//! What a service manager such as systemd passes and is told. Without one all of this is nothing:
//! no variable in the environment, no word, no socket.

use std::net::{TcpListener, UdpSocket};
use std::time::Duration;

use listenfd::ListenFd;
use sd_notify::NotifyState;
use tracing::warn;

/// Sockets passed, at most.
const SOCKETS_MAX: usize = 64;

/// Sockets that were passed.
#[derive(Debug, Default)]
pub(crate) struct Passed {
    pub(crate) listeners: Vec<TcpListener>,
    pub(crate) datagrams: Vec<UdpSocket>,
}

impl Passed {
    pub(crate) fn is_empty(&self) -> bool {
        self.listeners.is_empty() && self.datagrams.is_empty()
    }
}

/// The sockets that were passed to this process, by `LISTEN_FDS` and `LISTEN_PID`; none as a rule.
pub(crate) fn listeners() -> Result<Passed, String> {
    let is_for_us = std::env::var("LISTEN_PID").is_ok_and(|pid| {
        // A process that this one's parent was started with is not meant.
        pid.parse() == Ok(std::process::id())
    });
    if !is_for_us {
        return Ok(Passed::default());
    }
    let mut passed = ListenFd::from_env();
    if passed.len() > SOCKETS_MAX {
        let count = passed.len();
        return Err(format!(
            "{count} sockets were passed, and this takes {SOCKETS_MAX}"
        ));
    }
    let mut sockets = Passed::default();
    for place in 0..passed.len() {
        // What is no UDP socket stays where it is.
        if let Ok(Some(socket)) = passed.take_udp_socket(place) {
            sockets.datagrams.push(socket);
            continue;
        }
        let why = match passed.take_tcp_listener(place) {
            Ok(Some(listener)) => {
                sockets.listeners.push(listener);
                continue;
            }
            Ok(None) => "it is gone".to_owned(),
            Err(error) => error.to_string(),
        };
        return Err(format!(
            "socket {} of those passed by the service manager cannot be used ({why}): it must be \
             ListenStream= or ListenDatagram= with HOST:PORT",
            place + 1
        ));
    }
    Ok(sockets)
}

/// This server accepts clients at `addresses`.
pub(crate) fn ready(addresses: &str) {
    let status = format!("listening on {addresses}");
    tell(&[NotifyState::Ready, NotifyState::Status(&status)]);
}

/// This server is about to open its log, and whatever else a SIGHUP means, anew; then say
/// [`reloaded`].
pub(crate) fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(error) => warn!("the service manager is not told of a reload: {error}"),
    }
}

/// The reload is done.
pub(crate) fn reloaded() {
    tell(&[NotifyState::Ready]);
}

/// This server says goodbye to its clients and ends.
pub(crate) fn stopping() {
    let status = NotifyState::Status("saying goodbye to clients");
    tell(&[NotifyState::Stopping, status]);
}

/// How often the service manager wants to hear that this server lives; `None` for never.
pub(crate) fn watchdog() -> Option<Duration> {
    // Twice within the time, so that one may be late.
    let every = sd_notify::watchdog_enabled()? / 2;
    (!every.is_zero()).then_some(every)
}

/// It does.
pub(crate) fn alive() {
    tell(&[NotifyState::Watchdog]);
}

fn tell(states: &[NotifyState<'_>]) {
    // The chat goes on; the manager acts as it does when it hears nothing.
    if let Err(error) = sd_notify::notify(states) {
        warn!("the service manager cannot be told: {error}");
    }
}
