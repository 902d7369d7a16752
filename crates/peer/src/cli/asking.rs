//! Answers to commands that ask: about peers, links and what was said.

use lamparina_protocol::peer::Incarnation;
use lamparina_protocol::peer::message::Digest;
use lamparina_protocol::{AuthorKey, Lamport, RoomName};

use super::command::{Command, Own};
use super::talk::Screen;
use crate::event::{HistoryKey, PeerLine, PeerState};
use crate::show::{answers, json, plain};
use crate::{Peer, PeerError};

/// Answers a command that asks for something.
///
/// # Errors
///
/// What the peer says.
pub(super) async fn answer(
    peer: &Peer,
    screen: &Screen,
    command: Command,
) -> Result<(), PeerError> {
    match command {
        Command::Who => {
            let mut peers = peer.peers().await;
            peers.retain(|peer| peer.own || peer.state == PeerState::Active);
            let words = || answers::users(&peers);
            screen.answer(|| json::users(&peers), words).await;
        }
        Command::Own(Own::Peers(namespace)) => {
            let mut peers = peer.peers().await;
            if let Some(namespace) = namespace {
                peers.retain(|peer| is_in(peer, &namespace));
            }
            let words = || answers::peers(&peers);
            screen.answer(|| json::peers(&peers), words).await;
        }
        Command::Connection => {
            let links = peer.links().await;
            let words = || answers::connections(&links);
            screen.answer(|| json::connections(&links), words).await;
        }
        Command::Rtt => {
            let mut peers = peer.peers().await;
            peers.retain(|peer| !peer.own && peer.rtt_mean.is_some());
            let words = || answers::rtt(&peers);
            screen.answer(|| json::rtt(&peers), words).await;
        }
        Command::Own(Own::Coordinator) => {
            let who = peer.coordinator().await;
            let words = || plain::coordinator(who.as_ref());
            screen
                .answer(|| json::coordinator(who.as_ref()), words)
                .await;
        }
        Command::Own(Own::Unregister) => {
            peer.unregister().await?;
            let words = "the registration at the rendezvous is taken back";
            screen.info("unregister", words).await;
        }
        about => return about_messages(peer, screen, about).await,
    }
    Ok(())
}

async fn about_messages(peer: &Peer, screen: &Screen, command: Command) -> Result<(), PeerError> {
    match command {
        Command::History { count, before } => history(peer, screen, count, before).await?,
        Command::Find(words) => {
            let hits = peer.find(words).await?;
            match screen.json {
                true => screen.print(json::found(&hits)).await,
                false => match answers::found(&hits, &screen.style) {
                    plain::Line::Data(lines) => screen.print(lines).await,
                    plain::Line::Talk(words) => screen.say(&words),
                },
            }
        }
        Command::Own(Own::Trace(which)) => {
            let trace = peer.trace(which).await?;
            let words = || answers::trace(&trace, &screen.style);
            screen.answer(|| json::trace(&trace), words).await;
        }
        Command::Own(Own::Why(one, other)) => {
            let why = peer.why(one, other).await?;
            screen
                .answer(|| json::why(&why), || answers::why(&why))
                .await;
        }
        // Everything else is done elsewhere.
        _ => {}
    }
    Ok(())
}

/// The newest lines before a stamp, or of all.
async fn history(
    peer: &Peer,
    screen: &Screen,
    count: u32,
    before: Lamport,
) -> Result<(), PeerError> {
    let before = (before != Lamport::ZERO).then(|| first_at(before));
    // One more tells whether there are more.
    let mut lines = peer.history(count.saturating_add(1), before).await?;
    let more = lines.len() > count as usize;
    if more {
        lines.remove(0);
    }
    for line in &mut lines {
        line.history = true;
    }
    screen.past(&lines).await;
    let count = lines.len() as u64;
    let words = || answers::history(count, more);
    screen.answer(|| json::history(count, more), words).await;
    Ok(())
}

/// Before every line of this stamp.
fn first_at(stamp: Lamport) -> HistoryKey {
    HistoryKey {
        stamp,
        author: AuthorKey([0; 32]),
        incarnation: Incarnation(0),
        n: 0,
        digest: Digest([0; 32]),
    }
}

fn is_in(peer: &PeerLine, namespace: &RoomName) -> bool {
    match (&peer.name, &peer.foreign) {
        (Some(name), _) => name.namespace.key() == namespace.key(),
        (None, Some(foreign)) => foreign
            .rsplit_once('@')
            .is_some_and(|(_, there)| there == namespace.as_str()),
        (None, None) => false,
    }
}
