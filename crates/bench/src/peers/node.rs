//! One of our peers: the library, told by lines what to do.

use std::collections::VecDeque;
use std::io::{self, BufRead, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use lamparina_peer::{Event, Identity, Peer, PeerConfig, PeerError, Recipients};
use lamparina_protocol::peer::PeerName;
use lamparina_protocol::{Nick, RoomName};
use tokio::sync::mpsc;
use tokio::time::{Duration, sleep};

use super::words::Order;
use crate::child::LISTENING;

/// Orders that wait, at most: a case gives few.
const ORDERS_MAX: usize = 64;
/// How long a peer that has no room for another message is left alone.
const ROOM_AFTER: Duration = Duration::from_millis(1);
/// How often links are counted while more are waited for.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// Plays the role until its input ends.
pub(super) fn serve(folder: &Path, index: u16) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    runtime.block_on(run(folder, index))
}

async fn run(folder: &Path, index: u16) -> Result<(), String> {
    let words = |error: &dyn std::fmt::Display| error.to_string();
    let name = Nick::try_from(format!("peer-{index}")).map_err(|error| words(&error))?;
    let namespace = RoomName::try_from("bench").map_err(|error| words(&error))?;
    let identity = Identity::generate().map_err(|error| words(&error))?;
    let mut config = PeerConfig::new(PeerName { name, namespace }, folder.join("data"), identity);
    config.listen = vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 0))];
    config.multicast = None;
    let peer = Peer::start(config).await.map_err(|error| words(&error))?;
    let Some(addr) = peer.listening().first() else {
        return Err("it listens nowhere".to_owned());
    };
    answer(&format!("{LISTENING}{addr}"))?;
    let mut node = Node {
        peer,
        here: 0,
        expected: VecDeque::new(),
    };
    node.turns(orders()).await
}

struct Node {
    peer: Peer,
    /// Messages that are here.
    here: u64,
    /// Answers that wait for so many.
    expected: VecDeque<u64>,
}

impl Node {
    async fn turns(&mut self, mut orders: mpsc::Receiver<Order>) -> Result<(), String> {
        loop {
            tokio::select! {
                order = orders.recv() => match order {
                    Some(order) => self.obey(order).await?,
                    None => return Ok(()),
                },
                event = self.peer.next_event() => self.heard(event)?,
            }
        }
    }

    fn heard(&mut self, event: Option<Event>) -> Result<(), String> {
        match event {
            None | Some(Event::Closed(_)) => return Err("the peer has ended".to_owned()),
            Some(Event::Committed { .. } | Event::Message(_)) => self.here += 1,
            Some(_) => {}
        }
        while self
            .expected
            .front()
            .is_some_and(|total| *total <= self.here)
        {
            self.expected.pop_front();
            answer("done")?;
        }
        Ok(())
    }

    async fn obey(&mut self, order: Order) -> Result<(), String> {
        match order {
            Order::Dial(addr) => self.peer.dial(addr.to_string()).await,
            Order::Links(count) => {
                while self.peer.links().await.len() < count {
                    sleep(LOOK_EVERY).await;
                }
            }
            Order::Say { count, bytes } => self.say(count, bytes).await?,
            Order::Expect(total) if self.here < total => {
                self.expected.push_back(total);
                return Ok(());
            }
            Order::Expect(_) => {}
            Order::Sent => {
                let links = self.peer.links().await;
                let sent: u64 = links.iter().map(|link| link.sent_bytes).sum();
                return answer(&format!("sent {sent}"));
            }
        }
        answer("done")
    }

    /// Says them as fast as they are taken, and hears meanwhile.
    async fn say(&mut self, count: u64, bytes: usize) -> Result<(), String> {
        let text = "x".repeat(bytes);
        let mut left = count;
        while left > 0 {
            match self.peer.send(Recipients::All, text.clone()).await {
                Ok(_) => left -= 1,
                Err(PeerError::Full(_)) => sleep(ROOM_AFTER).await,
                Err(error) => return Err(error.to_string()),
            }
            self.hear_now()?;
        }
        Ok(())
    }

    /// Hears what has happened already.
    fn hear_now(&mut self) -> Result<(), String> {
        let mut context = Context::from_waker(Waker::noop());
        loop {
            let event = match pin!(self.peer.next_event()).poll(&mut context) {
                Poll::Ready(event) => event,
                Poll::Pending => return Ok(()),
            };
            self.heard(event)?;
        }
    }
}

fn answer(line: &str) -> Result<(), String> {
    let mut out = io::stdout().lock();
    let written = writeln!(out, "{line}").and_then(|()| out.flush());
    written.map_err(|error| error.to_string())
}

/// Reads orders on a thread of its own, which ends with the process.
fn orders() -> mpsc::Receiver<Order> {
    let (sender, orders) = mpsc::channel(ORDERS_MAX);
    std::thread::spawn(move || {
        let lines = io::stdin().lock().lines().map_while(Result::ok);
        for order in lines.filter_map(|line| Order::parse(&line)) {
            if sender.blocking_send(order).is_err() {
                return;
            }
        }
    });
    orders
}
