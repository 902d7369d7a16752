//! A TCP proxy on loopback that drops its connections when told: the way to lose a connection
//! without a word to either side's program.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// Bytes carried at a time.
const CARRIED_BYTES: usize = 16 * 1024;

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
}

impl Proxy {
    /// A proxy on a free port, to `target`.
    pub fn to(target: SocketAddr) -> Self {
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
                let _ = carry(stream, target, &accepted);
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
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.lock().unwrap().ended = true;
        self.cut();
        // Wakes the thread that accepts, so that it sees the end.
        let _ = TcpStream::connect(self.addr);
    }
}

fn carry(client: TcpStream, target: SocketAddr, shared: &Mutex<Shared>) -> io::Result<()> {
    let server = TcpStream::connect(target)?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let ends = [client.try_clone()?, server.try_clone()?];
    shared.lock().unwrap().carried.push(ends);
    let (client_reads, server_writes) = (client.try_clone()?, server.try_clone()?);
    thread::spawn(move || copy(client_reads, server_writes));
    thread::spawn(move || copy(server, client));
    Ok(())
}

fn copy(mut from: TcpStream, mut to: TcpStream) {
    let mut buffer = vec![0; CARRIED_BYTES];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        if to.write_all(&buffer[..count]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}
