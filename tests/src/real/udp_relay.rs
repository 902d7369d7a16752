//! A relay of datagrams between clients and one server, with ports of its own towards the server, as a
//! NAT has. Told to, it takes other ports, damages, repeats (from elsewhere too), delays or swallows.

use std::collections::{HashMap, VecDeque};
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

/// A reader looks so often whether it is to end.
const LOOK_AFTER: Duration = Duration::from_millis(50);
/// Datagrams kept, to be sent again.
const KEPT_MAX: usize = 1_000;

/// A running relay. Dropped, it ends.
#[derive(Debug)]
pub struct UdpRelay {
    addr: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    front: UdpSocket,
    server: SocketAddr,
    /// What every client's datagrams leave by.
    backs: Mutex<HashMap<SocketAddr, Arc<UdpSocket>>>,
    /// Sockets are of an earlier time once this has grown.
    generation: AtomicU64,
    thief: UdpSocket,
    stolen: Mutex<VecDeque<Vec<u8>>>,
    carried: AtomicU64,
    damage_every: AtomicU64,
    repeat_every: AtomicU64,
    blocked: AtomicBool,
    ended: AtomicBool,
    delayed: mpsc::Sender<Delayed>,
    delay: Duration,
}

/// A datagram on its way.
struct Delayed {
    at: Instant,
    by: Arc<UdpSocket>,
    to: SocketAddr,
    bytes: Vec<u8>,
}

impl UdpRelay {
    /// A relay at `addr` (port 0 for a free one) to `server`; each datagram takes `delay` more.
    pub fn start(addr: SocketAddr, server: SocketAddr, delay: Duration) -> Self {
        let front = UdpSocket::bind(addr).expect("the address is free for datagrams");
        front
            .set_read_timeout(Some(LOOK_AFTER))
            .expect("a socket can wait for a while");
        let addr = front.local_addr().expect("it is bound");
        let (delayed, late) = mpsc::channel();
        let shared = Arc::new(Shared {
            front,
            server,
            backs: Mutex::default(),
            generation: AtomicU64::new(0),
            thief: UdpSocket::bind("127.0.0.1:0").expect("loopback has a free port"),
            stolen: Mutex::default(),
            carried: AtomicU64::new(0),
            damage_every: AtomicU64::new(u64::MAX),
            repeat_every: AtomicU64::new(u64::MAX),
            blocked: AtomicBool::new(false),
            ended: AtomicBool::new(false),
            delayed,
            delay,
        });
        let carrying = shared.clone();
        thread::spawn(move || carrying.forth());
        thread::spawn(move || deliver(&late));
        Self { addr, shared }
    }

    /// Where clients send to.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Takes other ports towards the server: to it, every client has another address from now on.
    pub fn move_ports(&self) {
        self.shared.generation.fetch_add(1, Ordering::Release);
        self.shared.backs.lock().unwrap().clear();
    }

    /// Swallows everything, or no longer.
    pub fn block(&self, blocked: bool) {
        self.shared.blocked.store(blocked, Ordering::Release);
    }

    /// Flips a bit in every n-th datagram, both ways.
    pub fn damage_every(&self, n: u64) {
        self.shared.damage_every.store(n, Ordering::Release);
    }

    /// Sends every n-th datagram to the server twice, and once more from another address.
    pub fn repeat_every(&self, n: u64) {
        self.shared.repeat_every.store(n, Ordering::Release);
    }

    /// Sends everything that was kept of what clients sent to the server again, from another address.
    pub fn replay(&self) -> usize {
        let stolen = self.shared.stolen.lock().unwrap();
        for datagram in stolen.iter() {
            let _ = self.shared.thief.send_to(datagram, self.shared.server);
        }
        stolen.len()
    }

    /// Datagrams that came to the other address until now.
    pub fn caught(&self) -> usize {
        self.shared
            .thief
            .set_nonblocking(true)
            .expect("a socket can be asked");
        let mut buffer = [0; 2_048];
        let mut count = 0;
        while self.shared.thief.recv(&mut buffer).is_ok() {
            count += 1;
        }
        count
    }

    /// Datagrams carried.
    pub fn carried(&self) -> u64 {
        self.shared.carried.load(Ordering::Acquire)
    }
}

impl Drop for UdpRelay {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::Release);
    }
}

impl Shared {
    /// From clients to the server.
    fn forth(self: &Arc<Self>) {
        let mut buffer = [0; 65_536];
        while !self.ended.load(Ordering::Acquire) {
            let Ok((size, client)) = self.front.recv_from(&mut buffer) else {
                continue;
            };
            let Some(back) = self.back(client) else {
                continue;
            };
            let mut bytes = buffer[..size].to_vec();
            {
                let mut stolen = self.stolen.lock().unwrap();
                stolen.push_back(bytes.clone());
                if stolen.len() > KEPT_MAX {
                    stolen.pop_front();
                }
            }
            let number = self.treat(&mut bytes);
            if number.is_multiple_of(self.repeat_every.load(Ordering::Acquire)) {
                self.send(&back, self.server, bytes.clone());
                let _ = self.thief.send_to(&bytes, self.server);
            }
            self.send(&back, self.server, bytes);
        }
    }

    /// The socket by which a client's datagrams leave; its answers are carried back.
    fn back(self: &Arc<Self>, client: SocketAddr) -> Option<Arc<UdpSocket>> {
        let mut backs = self.backs.lock().unwrap();
        if let Some(back) = backs.get(&client) {
            return Some(back.clone());
        }
        let any = if self.server.ip().is_loopback() {
            "127.0.0.1:0"
        } else {
            "0.0.0.0:0"
        };
        let back = Arc::new(UdpSocket::bind(any).ok()?);
        back.set_read_timeout(Some(LOOK_AFTER)).ok()?;
        backs.insert(client, back.clone());
        let generation = self.generation.load(Ordering::Acquire);
        let (shared, by) = (self.clone(), back.clone());
        thread::spawn(move || shared.back_to(client, &by, generation));
        Some(back)
    }

    /// From the server to a client, as long as the port is in use.
    fn back_to(&self, client: SocketAddr, back: &UdpSocket, generation: u64) {
        let front = Arc::new(self.front.try_clone().expect("a socket has two owners"));
        let mut buffer = [0; 65_536];
        while !self.ended.load(Ordering::Acquire)
            && self.generation.load(Ordering::Acquire) == generation
        {
            let Ok(size) = back.recv(&mut buffer) else {
                continue;
            };
            let mut bytes = buffer[..size].to_vec();
            self.treat(&mut bytes);
            self.send(&front, client, bytes);
        }
    }

    /// Counts a datagram, and damages it where it is its turn.
    fn treat(&self, bytes: &mut [u8]) -> u64 {
        let number = self.carried.fetch_add(1, Ordering::AcqRel) + 1;
        if number.is_multiple_of(self.damage_every.load(Ordering::Acquire)) && !bytes.is_empty() {
            let at = (number.wrapping_mul(0x9E37_79B9) as usize) % bytes.len();
            bytes[at] ^= 1 << (number % 8);
        }
        number
    }

    fn send(&self, by: &Arc<UdpSocket>, to: SocketAddr, bytes: Vec<u8>) {
        if self.blocked.load(Ordering::Acquire) {
            return;
        }
        if self.delay.is_zero() {
            let _ = by.send_to(&bytes, to);
            return;
        }
        let _ = self.delayed.send(Delayed {
            at: Instant::now() + self.delay,
            by: by.clone(),
            to,
            bytes,
        });
    }
}

/// All take the same time, so that they leave in the order in which they came.
fn deliver(late: &mpsc::Receiver<Delayed>) {
    for Delayed { at, by, to, bytes } in late {
        thread::sleep(at.saturating_duration_since(Instant::now()));
        let _ = by.send_to(&bytes, to);
    }
}
