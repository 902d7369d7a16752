//! Everything that the driver waits for, each cancel-safe; what is not there is waited for for ever.

use std::collections::VecDeque;
use std::future::pending;
use std::pin::Pin;

use lamparina_protocol::control::Hello;
use lamparina_protocol::link;
use lamparina_transport::Connection;
use tokio::sync::mpsc;

use super::dial::Dialed;
use crate::core::event::Event;
use crate::disk::{Keeper, Progress};

/// An attempt at a connection.
pub(super) type Dialing = Pin<Box<dyn Future<Output = Result<Dialed, String>> + Send>>;

pub(super) async fn step(connection: &mut Option<Connection>, events: &mut Vec<link::Event>) {
    match connection {
        Some(connection) => connection.step(events).await,
        None => pending().await,
    }
}

pub(super) async fn dialed(
    dialing: &mut Option<(Dialing, Hello)>,
) -> (Result<Dialed, String>, Hello) {
    let Some((attempt, hello)) = dialing else {
        return pending().await;
    };
    let (dialed, hello) = (attempt.await, *hello);
    *dialing = None;
    (dialed, hello)
}

/// Hands over one event, or waits for one. `false` when nobody is there to take it.
pub(super) async fn hand_over(events: &mpsc::Sender<Event>, backlog: &mut VecDeque<Event>) -> bool {
    if backlog.is_empty() {
        return pending().await;
    }
    let Ok(permit) = events.reserve().await else {
        return false;
    };
    if let Some(event) = backlog.pop_front() {
        permit.send(event);
    }
    // As many more as there is room for: one wake-up serves a whole batch.
    while let Ok(permit) = events.try_reserve()
        && let Some(event) = backlog.pop_front()
    {
        permit.send(event);
    }
    true
}

pub(super) async fn news(disk: &mut Option<Keeper>) -> Progress {
    match disk {
        Some(disk) => disk.news().await,
        None => pending().await,
    }
}

pub(super) async fn sleep_until(wake: Option<tokio::time::Instant>) {
    match wake {
        Some(wake) => tokio::time::sleep_until(wake).await,
        None => pending().await,
    }
}
