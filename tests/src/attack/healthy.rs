//! Two people who talk while an attack goes on, sealed, over a thread of their own: each message is
//! waited for by its recipient, and how long it took is noted. When one of them loses its
//! connection or is refused, the thread ends in a panic, and the attack has won.

use std::net::SocketAddr;
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use lamparina_protocol::message::ToServer;
use lamparina_protocol::{Audience, Nick};
use tokio::net::{TcpSocket, TcpStream};

use crate::real::PATIENCE;
use crate::real::light::{As, Light};

/// Between two messages.
const PAUSE: Duration = Duration::from_millis(2);

/// The pair.
#[derive(Debug)]
pub struct Healthy {
    took: mpsc::Receiver<Duration>,
    thread: Option<JoinHandle<()>>,
}

/// How long messages took, from their author to their recipient.
#[derive(Clone, Debug)]
pub struct Latency(Vec<Duration>);

impl Healthy {
    /// The pair enters from an address of this machine that no attacker uses.
    pub fn talk(addr: SocketAddr, sealed: bool) -> Self {
        Self::talk_with(addr, sealed, Vec::new())
    }

    /// The same, each giving `first` before its nick.
    pub fn talk_with(addr: SocketAddr, sealed: bool, first: Vec<ToServer>) -> Self {
        let (tell, took) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("a runtime can be made");
            runtime.block_on(talk(addr, (sealed, first), &tell));
        });
        Self {
            took,
            thread: Some(thread),
        }
    }

    /// Waits for `count` messages from now on.
    #[track_caller]
    pub fn measure(&self, count: usize) -> Latency {
        while self.took.try_recv().is_ok() {}
        self.since(count)
    }

    /// The messages since it was asked last, and at least `count`.
    #[track_caller]
    pub fn since(&self, count: usize) -> Latency {
        let mut all: Vec<Duration> = self.took.try_iter().collect();
        while all.len() < count {
            match self.took.recv_timeout(PATIENCE) {
                Ok(took) => all.push(took),
                Err(_) => panic!("healthy clients do not get through"),
            }
        }
        all.sort_unstable();
        Latency(all)
    }

    /// Ends it: they felt nothing, or this panics as they did.
    pub fn stop(mut self) {
        drop(std::mem::replace(&mut self.took, mpsc::channel().1));
        if let Some(thread) = self.thread.take()
            && let Err(panic) = thread.join()
        {
            std::panic::resume_unwind(panic);
        }
    }
}

impl Latency {
    /// The time that 99 of 100 did not take.
    pub fn p99(&self) -> Duration {
        self.0[(self.0.len() * 99).div_ceil(100) - 1]
    }

    /// The time that half did not take.
    pub fn p50(&self) -> Duration {
        self.0[(self.0.len() - 1) / 2]
    }
}

async fn talk(
    addr: SocketAddr,
    (sealed, first): (bool, Vec<ToServer>),
    tell: &mpsc::Sender<Duration>,
) {
    let mut ana = enter(addr, (sealed, first.clone()), "healthy-ana").await;
    let mut bob = enter(addr, (sealed, first), "healthy-bob").await;
    let to = Audience::Unicast(Nick::try_from("healthy-bob").expect("a well-formed nick"));
    loop {
        let began = Instant::now();
        ana.say(to.clone(), "how are you?").await;
        while bob.delivered.is_empty() {
            tokio::select! {
                () = ana.step() => {}
                () = bob.step() => {}
            }
        }
        bob.delivered.clear();
        if tell.send(began.elapsed()).is_err() {
            return;
        }
        let pause = tokio::time::sleep(PAUSE);
        tokio::pin!(pause);
        loop {
            tokio::select! {
                () = ana.step() => {}
                () = bob.step() => {}
                () = &mut pause => break,
            }
        }
    }
}

async fn enter(addr: SocketAddr, (sealed, first): (bool, Vec<ToServer>), nick: &str) -> Light {
    let who = match sealed {
        true => As::sealed(nick),
        false => As::clear(nick),
    };
    let who = As { first, ..who };
    let stream = connect_from(addr, 250, 1)
        .await
        .expect("the server accepts");
    let light = Light::enter_as(stream, &who).await;
    assert!(light.entered, "{nick} was to be let in: {:?}", light.ended);
    light
}

/// A connection from 127.0.`net`.`host`, so that a server that counts its own machine sees many.
///
/// # Errors
///
/// As the system's.
pub async fn connect_from(addr: SocketAddr, net: u8, host: u8) -> std::io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(SocketAddr::from(([127, 0, net, host], 0)))?;
    socket.connect(addr).await
}
