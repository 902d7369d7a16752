//! The baseline's node: what it says goes as a length and bytes to each neighbour, and what came from nobody goes
//! to who comes later. It keeps no order, signs, seals and stores nothing, and passes nothing on.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::words::Order;
use crate::child::LISTENING;

/// Bytes gathered before a write.
const BURST_BYTES: usize = 64 * 1024;
/// How often a condition is looked at.
const LOOK_EVERY: Duration = Duration::from_micros(200);

#[derive(Debug, Default)]
struct Node {
    /// Frames that came, and that were said.
    here: AtomicU64,
    sent_bytes: AtomicU64,
    said: Mutex<Said>,
}

#[derive(Debug, Default)]
struct Said {
    /// All of it, for who comes later.
    frames: Vec<u8>,
    links: Vec<TcpStream>,
}

/// Plays the role until its input ends.
pub(super) fn serve() -> io::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    println!("{LISTENING}{}", listener.local_addr()?);
    let node = Arc::new(Node::default());
    let accepting = Arc::clone(&node);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // A link that fails is missed by whoever waits for it.
            let _ = accepting.link(stream);
        }
    });
    for line in io::stdin().lock().lines() {
        let line = line?;
        let Some(order) = Order::parse(&line) else {
            return Err(io::Error::other(format!("{line:?} is no order")));
        };
        println!("{}", node.obey(order)?);
        io::stdout().flush()?;
    }
    Ok(())
}

impl Node {
    fn obey(self: &Arc<Self>, order: Order) -> io::Result<String> {
        let done = || "done".to_owned();
        match order {
            Order::Dial(addr) => self.link(TcpStream::connect(addr)?)?,
            Order::Links(count) => self.wait(|node| node.said().links.len() >= count),
            Order::Say { count, bytes } => self.say(count, bytes)?,
            Order::Expect(total) => self.wait(|node| node.here.load(Ordering::Acquire) >= total),
            Order::Sent => return Ok(format!("sent {}", self.sent_bytes.load(Ordering::Acquire))),
        }
        Ok(done())
    }

    fn said(&self) -> MutexGuard<'_, Said> {
        self.said.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait(&self, holds: impl Fn(&Self) -> bool) {
        while !holds(self) {
            std::thread::sleep(LOOK_EVERY);
        }
    }

    /// Reads from it from now on, and sends what was said.
    fn link(self: &Arc<Self>, stream: TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let (reading, node) = (stream.try_clone()?, Arc::clone(self));
        std::thread::spawn(move || node.read(reading));
        let mut said = self.said();
        let mut stream = stream;
        stream.write_all(&said.frames)?;
        self.sent_bytes
            .fetch_add(said.frames.len() as u64, Ordering::AcqRel);
        said.links.push(stream);
        Ok(())
    }

    fn read(&self, stream: TcpStream) {
        let mut stream = BufReader::with_capacity(BURST_BYTES, stream);
        let (mut length, mut frame) = ([0; 4], Vec::new());
        while stream.read_exact(&mut length).is_ok() {
            // Only this program's own frames come here.
            frame.resize(u32::from_be_bytes(length) as usize, 0);
            if stream.read_exact(&mut frame).is_err() {
                return;
            }
            self.here.fetch_add(1, Ordering::AcqRel);
        }
    }

    fn say(&self, count: u64, bytes: usize) -> io::Result<()> {
        let mut frame = (bytes as u32).to_be_bytes().to_vec();
        frame.resize(4 + bytes, b'x');
        let burst = (BURST_BYTES / frame.len()).max(1) as u64;
        let mut left = count;
        while left > 0 {
            let now = left.min(burst);
            let frames = frame.repeat(now as usize);
            let mut said = self.said();
            said.frames.extend_from_slice(&frames);
            for link in &mut said.links {
                link.write_all(&frames)?;
                self.sent_bytes
                    .fetch_add(frames.len() as u64, Ordering::AcqRel);
            }
            self.here.fetch_add(now, Ordering::AcqRel);
            left -= now;
        }
        Ok(())
    }
}
