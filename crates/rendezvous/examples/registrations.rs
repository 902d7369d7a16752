//! How many registrations a second the rendezvous answers, beside a raw server that accepts, reads a
//! line and writes a reply of the same size without looking at anything. Both run in this process, one after
//! the other, with the same clients.
//!
//! `cargo run --release -p lamparina-rendezvous --example registrations [REGISTRATIONS [CLIENTS]]`
#![allow(clippy::print_stdout, reason = "its figures are what it is for")]

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use std::{env, io};

use lamparina_rendezvous::{Config, run};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::oneshot;

/// Each client has an address of its own, as each machine has one, so that ports do not run out.
const CLIENTS_MAX: usize = 200;

fn main() -> io::Result<()> {
    let mut args = env::args().skip(1);
    let mut number = |default| {
        args.next()
            .and_then(|text| text.parse().ok())
            .unwrap_or(default)
    };
    let (all, clients) = (number(10_000), number(8).clamp(1, CLIENTS_MAX));
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(async {
        let raw = measure(all, clients, raw_server).await?;
        let ours = measure(all, clients, rendezvous).await?;
        let rate = |time: Duration| all as f64 / time.as_secs_f64();
        println!("{all} registrations by {clients} clients at a time, limit off, records on disk");
        println!("raw server:  {:>8.0} a second", rate(raw));
        println!("rendezvous:  {:>8.0} a second", rate(ours));
        println!("ratio:       {:>8.2}", rate(ours) / rate(raw));
        Ok(())
    })
}

/// Time until all are answered.
async fn measure<F>(
    all: usize,
    clients: usize,
    server: fn(TcpListener, oneshot::Receiver<()>) -> F,
) -> io::Result<Duration>
where
    F: Future<Output = io::Result<()>> + Send + 'static,
{
    let listener = TcpListener::bind("0.0.0.0:0").await?;
    let port = listener.local_addr()?.port();
    let addr = SocketAddr::from(([127, 0, 0, 1], port));
    let (stop, stopped) = oneshot::channel();
    let serving = tokio::spawn(server(listener, stopped));
    let (next, begun) = (Arc::new(AtomicUsize::new(0)), Instant::now());
    let working = (0..clients).map(|client| tokio::spawn(work(client, all, next.clone(), addr)));
    for working in working.collect::<Vec<_>>() {
        working.await??;
    }
    let time = begun.elapsed();
    let _ = stop.send(());
    serving.await??;
    Ok(time)
}

async fn work(client: usize, all: usize, next: Arc<AtomicUsize>, to: SocketAddr) -> io::Result<()> {
    let from = SocketAddr::from(([127, 0, 1, u8::try_from(client).unwrap_or(0)], 0));
    loop {
        let n = next.fetch_add(1, Ordering::Relaxed);
        if n >= all {
            return Ok(());
        }
        let socket = TcpSocket::new_v4()?;
        socket.bind(from)?;
        let mut stream = socket.connect(to).await?;
        let line = format!(
            r#"{{"type":"REGISTER","namespace":"lab","name":"peer-{n}","port":4100,"ttl":900}}"#
        );
        stream.write_all(format!("{line}\n").as_bytes()).await?;
        let mut reply = String::new();
        stream.read_to_string(&mut reply).await?;
        if !reply.contains("OK") {
            return Err(io::Error::other(reply));
        }
    }
}

async fn rendezvous(listener: TcpListener, stop: oneshot::Receiver<()>) -> io::Result<()> {
    let data = env::temp_dir().join(format!("lamparina-registrations-{}", std::process::id()));
    let config = Config {
        limit: 0,
        data: Some(data.clone()),
        ..Config::default()
    };
    let stopped = async {
        let _ = stop.await;
    };
    let done = run(listener, config, stopped).await;
    let _ = std::fs::remove_file(data);
    done.map(|_summary| ())
}

async fn raw_server(listener: TcpListener, mut stop: oneshot::Receiver<()>) -> io::Result<()> {
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let (stream, _) = accepted?;
                tokio::spawn(raw_reply(stream));
            }
            _ = &mut stop => return Ok(()),
        }
    }
}

async fn raw_reply(stream: TcpStream) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    stream.read_line(&mut line).await?;
    let reply = b"{\"status\":\"OK\",\"ttl\":900,\"ip\":\"127.0.0.1\",\"port\":4100}\n";
    stream.write_all(reply).await
}
