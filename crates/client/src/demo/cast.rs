//! The three people: each a client on its own connection, behind its own bad channel.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::Plan;
use super::script::{Line, PEOPLE, nick};
use super::table::Seen;
use super::view::Views;
use crate::client::{Client, ClientConfig, ClientError};
use crate::core::event::{Ending, Event};
use crate::profile::Profile;

/// Events of all people that wait to be looked at.
const EVENTS_WAITING_MAX: usize = 1_024;
/// A breath between two lines, so that they meet what others say meanwhile.
const BREATH: Duration = Duration::from_millis(5);

/// What a person is asked to do.
enum Cue {
    Say(Line),
    Stats(oneshot::Sender<Seen>),
    Leave(oneshot::Sender<()>),
}

/// The people, connected.
pub(super) struct Cast {
    cues: Vec<mpsc::Sender<Cue>>,
    events: mpsc::Receiver<(usize, Event)>,
}

impl Cast {
    /// Connects all of them; `None` where somebody is not in when the time is over.
    pub(super) async fn enter(plan: &Plan, addr: SocketAddr) -> io::Result<Option<Self>> {
        let (events_out, events) = mpsc::channel(EVENTS_WAITING_MAX);
        // All at once: on a bad channel a handshake may take a second or two.
        let mut entering = JoinSet::new();
        for person in 0..PEOPLE.len() {
            let config = config(plan, addr, person)?;
            entering.spawn(async move { (person, Client::connect(config).await) });
        }
        let mut seats = BTreeMap::new();
        while let Some(entered) = entering.join_next().await {
            let (person, client) = entered.map_err(io::Error::other)?;
            match client {
                Ok(client) => seats.insert(person, client),
                Err(ClientError::NotConnected(Ending::GaveUp { .. })) => return Ok(None),
                Err(error) => return Err(io::Error::other(error)),
            };
        }
        let mut cues = Vec::new();
        for (person, client) in seats {
            let (cue, taken) = mpsc::channel(1);
            tokio::spawn(act(person, client, taken, events_out.clone()));
            cues.push(cue);
        }
        Ok(Some(Self { cues, events }))
    }

    /// Has `script` said and notes what everybody sees; whether all of it arrived in time.
    pub(super) async fn perform(
        &mut self,
        script: &[Line],
        views: &mut Views,
        within: Duration,
    ) -> bool {
        let until = Instant::now() + within;
        let mut left = script.iter();
        let mut next = left.next();
        let mut at = Instant::now();
        while !views.is_whole() {
            tokio::select! {
                event = self.events.recv() => match event {
                    Some((person, event)) => views.saw(person, &event),
                    None => return false,
                },
                () = tokio::time::sleep_until(at), if next.is_some() => {
                    if let Some(line) = next.take() {
                        self.say(line, views).await;
                    }
                    next = left.next();
                    at = Instant::now() + BREATH;
                }
                () = tokio::time::sleep_until(until) => return false,
            }
        }
        true
    }

    /// Gives a line to its speaker; goes on looking meanwhile, so that nobody waits for another.
    async fn say(&mut self, line: &Line, views: &mut Views) {
        let Some(cue) = self.cues.get(line.who) else {
            return;
        };
        let sent = cue.send(Cue::Say(line.clone()));
        tokio::pin!(sent);
        loop {
            tokio::select! {
                // A speaker who is gone is missed by the proof.
                _ = &mut sent => return,
                Some((person, event)) = self.events.recv() => views.saw(person, &event),
            }
        }
    }

    /// Everybody's link, as it is now. What they see from now on is not looked at.
    pub(super) async fn stats(&mut self) -> Vec<Seen> {
        self.events.close();
        let mut all = Vec::new();
        for cue in &self.cues {
            let (reply, answer) = oneshot::channel();
            let asked = cue.send(Cue::Stats(reply)).await;
            all.push(match asked {
                Ok(()) => answer.await.ok().flatten(),
                Err(_gone) => None,
            });
        }
        all
    }

    /// Everybody leaves, orderly.
    pub(super) async fn leave(self) {
        let mut left = Vec::new();
        for cue in &self.cues {
            let (reply, answer) = oneshot::channel();
            if cue.send(Cue::Leave(reply)).await.is_ok() {
                left.push(answer);
            }
        }
        for answer in left {
            // Who is gone already has left.
            let _ = answer.await;
        }
    }
}

fn config(plan: &Plan, addr: SocketAddr, person: usize) -> io::Result<ClientConfig> {
    let profile = Profile::ephemeral(&nick(person)).map_err(io::Error::other)?;
    let mut config = ClientConfig::new(addr.to_string(), nick(person), profile);
    let seed = plan.seed.wrapping_add(person as u64);
    config.impair = Some(plan.channel.clone().with_seed(seed));
    config.repair = plan.repair;
    config.window_frames = plan.window_frames;
    config.fragment_bytes = plan.fragment_bytes;
    // On a very bad channel even the first handshake may need more than one try.
    config.retry_first = true;
    config.give_up_after = Some(plan.within);
    Ok(config)
}

async fn act(
    person: usize,
    mut client: Client,
    mut cues: mpsc::Receiver<Cue>,
    events: mpsc::Sender<(usize, Event)>,
) {
    loop {
        tokio::select! {
            Some(event) = client.next_event() => {
                // Nobody looks any more once the demo ends.
                let _ = events.send((person, event)).await;
            }
            cue = cues.recv() => match cue {
                Some(Cue::Say(line)) => {
                    // What is not taken is missed by the proof.
                    let _ = client.send(line.audience, line.text).await;
                }
                Some(Cue::Stats(reply)) => {
                    let _ = reply.send(client.stats().await.ok());
                }
                Some(Cue::Leave(reply)) => {
                    client.close().await;
                    let _ = reply.send(());
                    return;
                }
                None => return,
            },
            else => return,
        }
    }
}
