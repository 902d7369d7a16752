//! A TCP proxy on loopback that drops its connections when told, or carries no more after some bytes: the
//! way to lose a connection, or to stop in the middle of something, without a word to either side's
//! program.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// Bytes carried at a time.
const CARRIED_BYTES: usize = 16 * 1024;

/// How long [`Proxy::wait_held`] waits.
const HELD_WITHIN: Duration = Duration::from_secs(60);

/// A running proxy. Dropped, it ends its connections and takes no more.
#[derive(Debug)]
pub struct Proxy {
    addr: SocketAddr,
    shared: Arc<Mutex<Shared>>,
}

#[derive(Debug, Default)]
struct Shared {
    /// Both ends of every connection carried now.
    carried: Vec<[TcpStream; 2]>,
    ended: bool,
    /// Connections on which nothing more is carried one way.
    held: usize,
}

/// How many bytes a connection carries to the server and to the client, at most.
type Limits = [usize; 2];

impl Proxy {
    /// A proxy on a free port, to `target`.
    pub fn to(target: SocketAddr) -> Self {
        Self::limited(target, [usize::MAX; 2])
    }

    /// One whose connections each carry so many bytes to the server and no more.
    pub fn holding_up(target: SocketAddr, bytes: usize) -> Self {
        Self::limited(target, [bytes, usize::MAX])
    }

    /// One whose connections each carry so many bytes to the client and no more.
    pub fn holding_down(target: SocketAddr, bytes: usize) -> Self {
        Self::limited(target, [usize::MAX, bytes])
    }

    fn limited(target: SocketAddr, limits: Limits) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
        let addr = listener.local_addr().expect("it is bound");
        let shared = Arc::new(Mutex::new(Shared::default()));
        let accepted = shared.clone();
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if accepted.lock().unwrap().ended {
                    return;
                }
                // A server that refuses is seen by the client as a dropped connection.
                let _ = carry(stream, target, &accepted, limits);
            }
        });
        Self { addr, shared }
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Drops every connection carried now, with whatever is under way in it. Gives how many.
    pub fn cut(&self) -> usize {
        let carried = std::mem::take(&mut self.shared.lock().unwrap().carried);
        for end in carried.iter().flatten() {
            let _ = end.shutdown(Shutdown::Both);
        }
        carried.len()
    }

    /// Waits until so many connections have carried all that they do.
    pub fn wait_held(&self, count: usize) {
        let deadline = Instant::now() + HELD_WITHIN;
        while self.shared.lock().unwrap().held < count {
            assert!(Instant::now() < deadline, "so much was never carried");
            thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.lock().unwrap().ended = true;
        self.cut();
        // Wakes the thread that accepts, so that it sees the end.
        let _ = TcpStream::connect(self.addr);
    }
}

fn carry(
    client: TcpStream,
    target: SocketAddr,
    shared: &Arc<Mutex<Shared>>,
    [up, down]: Limits,
) -> io::Result<()> {
    let server = TcpStream::connect(target)?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let ends = [client.try_clone()?, server.try_clone()?];
    shared.lock().unwrap().carried.push(ends);
    let (client_reads, server_writes) = (client.try_clone()?, server.try_clone()?);
    let [held, also_held] = [shared.clone(), shared.clone()];
    thread::spawn(move || copy(client_reads, server_writes, up, &held));
    thread::spawn(move || copy(server, client, down, &also_held));
    Ok(())
}

fn copy(mut from: TcpStream, mut to: TcpStream, mut limit: usize, shared: &Mutex<Shared>) {
    let mut buffer = vec![0; CARRIED_BYTES];
    while limit > 0 {
        let most = buffer.len().min(limit);
        match from.read(&mut buffer[..most]) {
            Ok(count @ 1..) if to.write_all(&buffer[..count]).is_ok() => limit -= count,
            _ => {
                let _ = to.shutdown(Shutdown::Write);
                return;
            }
        }
    }
    // Neither end is told: both wait.
    shared.lock().unwrap().held += 1;
}
