//! Many connections: slow ones, ones that ask for handshakes and nothing else, ones that never read.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use lamparina_protocol::Audience;
use lamparina_protocol::control::{HandshakeAck, SynAck};
use lamparina_protocol::frame::{FrameType, HEADER_BYTES};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;

use super::healthy::{Healthy, connect_from};
use super::{Report, Size};
use crate::real::light::{As, Light};
use crate::real::process::{allow_open_files, resident_bytes};
use crate::real::raw::{frame, sealed_syn, syn};
use crate::real::{PATIENCE, Server, try_wait_for};

/// Newcomers who must get in while an attack goes on.
const NEWCOMERS: usize = 10;
/// Memory that a connection which says nothing may cost.
const SILENT_BYTES_MAX: u64 = 16 * 1024;
/// Connections that one address may have half-open, by default.
const HALF_OPEN_PER_ADDRESS: usize = 64;
/// Memory that a peer which never reads may cost: three times its window, and its socket's end.
const DEAF_BYTES_MAX: u64 = 4 << 20;

/// The threads of an attacker give way to healthy programs: the attacker stands for other machines,
/// and must not win by taking this one's processors from those whom it attacks.
pub fn attacker() -> Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .on_thread_start(|| {
            // Of this thread alone, on Linux; where it is refused the attack is only harder to stand.
            let _ = rustix::process::nice(19);
        })
        .build()
        .expect("threads can be started")
}

/// Open files of a process.
fn files(pid: u32) -> usize {
    std::fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, Iterator::count)
}

/// Slow-loris connections. First against limits that let all of them in, for what they cost; then
/// against the usual ones, for how many get in.
pub fn loris(size: Size) -> Report {
    let count = size.of(400, 10_000);
    let mut report = Report::new("loris", format!("{count} connections that stay half-open"));
    if let Err(why) = allow_open_files(count as u64 + 1_000) {
        report.counted("as many files as that", why, size == Size::Quick);
        return report;
    }
    let many = ["--half-open", "--half-open-per-address", "--per-address"];
    let mut args = vec!["--count-loopback", "--rate", "0"];
    args.extend(many.iter().flat_map(|limit| [*limit, "20000"]));
    let server = Server::start_with(&args);
    let healthy = Healthy::talk(server.addr(), true);
    let without = healthy.measure(size.of(100, 1_000));
    let (before, resident) = (files(server.pid()), resident_bytes(server.pid()));
    let attack = Loris::begin(server.addr(), count, 200);
    // Some are always on their way back in.
    let enough = count * 95 / 100;
    let most = try_wait_for(|| {
        let held = files(server.pid()).saturating_sub(before);
        let now = resident_bytes(server.pid());
        (held >= enough).then(|| (held, now.saturating_sub(resident) / held as u64))
    });
    let (held, each) = most.unwrap_or_default();
    let held_so = format!("{held} at a time");
    report.counted("all but a few are held", held_so, held >= enough);
    let bytes = format!("{each} bytes");
    report.counted(
        "at most 16 KiB each",
        bytes,
        each <= SILENT_BYTES_MAX && held > 0,
    );
    let with = healthy.measure(size.of(200, 2_000));
    let entered = newcomers(server.addr());
    report.counted(
        "newcomers get in",
        format!("{entered} of {NEWCOMERS}"),
        entered == NEWCOMERS,
    );
    compare(&mut report, &without, &with, 2);
    drop(attack);
    healthy.stop();
    drop(server);
    usual_limits(&mut report, size);
    report
}

/// The same against the limits that a server has when nobody says otherwise.
fn usual_limits(report: &mut Report, size: Size) {
    let (count, addresses) = (size.of(300, 5_000), size.of(2, 20));
    let server = Server::start_with(&["--count-loopback", "--rate", "0"]);
    let healthy = Healthy::talk(server.addr(), true);
    healthy.measure(10);
    let before = files(server.pid());
    let attack = Loris::begin(server.addr(), count, addresses);
    let most = addresses * HALF_OPEN_PER_ADDRESS;
    // Once they fill their share, whoever comes more takes the place of another.
    let filled = try_wait_for(|| (files(server.pid()) >= before + most * 9 / 10).then_some(()));
    let (mut held, mut entered) = (0, 0);
    for _ in 0..size.of(1, 5) {
        entered = newcomers(server.addr());
        held = held.max(files(server.pid()).saturating_sub(before));
    }
    // Those that are being told that they have to go still have their file.
    let bound = 2 * most + NEWCOMERS;
    report.counted(
        format!("by default {addresses} addresses hold at most twice {most}"),
        held,
        filled.is_some() && held <= bound,
    );
    report.counted(
        "newcomers get in",
        format!("{entered} of {NEWCOMERS}"),
        entered == NEWCOMERS,
    );
    drop(attack);
    healthy.stop();
}

/// Connections that say nothing, half a SYN, or a byte every second, and come back when they are
/// closed.
struct Loris(Option<Runtime>);

impl Loris {
    fn begin(addr: SocketAddr, count: usize, addresses: usize) -> Self {
        let runtime = attacker();
        for number in 0..count {
            let host = u8::try_from(1 + number % addresses).expect("at most 200");
            runtime.spawn(async move {
                loop {
                    if let Ok(stream) = connect_from(addr, 1, host).await {
                        linger(stream, number).await;
                    }
                    tokio::time::sleep(Duration::from_millis(200)).await;
                }
            });
        }
        Self(Some(runtime))
    }
}

impl Drop for Loris {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

async fn linger(mut stream: TcpStream, number: usize) {
    let syn = frame(FrameType::Syn, 0, true, &syn().to_bytes());
    let mut sink = [0; 256];
    match number % 3 {
        0 => {}
        1 => drop(stream.write_all(&syn[..20]).await),
        _ => {
            for byte in syn.chunks(1) {
                let written = stream.write_all(byte).await;
                let wait = tokio::time::timeout(Duration::from_secs(1), stream.read(&mut sink));
                if written.is_err() || !matches!(wait.await, Err(_late)) {
                    return;
                }
            }
        }
    }
    while let Ok(1..) = stream.read(&mut sink).await {}
}

/// SYNs as fast as they can be sent: a third of the connections leaves at once, a third waits for the
/// answer, a third goes on with a HANDSHAKE_ACK that does not open.
pub fn handshakes(size: Size) -> Report {
    let (tasks, addresses) = (size.of(64, 600), size.of(8, 100));
    let did = format!("{tasks} connections at a time from {addresses} addresses, each with a SYN");
    let mut report = Report::new("handshakes", did);
    let server = Server::start_with(&["--count-loopback", "--rate", "0"]);
    let healthy = Healthy::talk(server.addr(), true);
    let without = healthy.measure(size.of(100, 1_000));
    let flood = Flood::begin(server.addr(), tasks, addresses);
    let began = std::time::Instant::now();
    let with = healthy.measure(size.of(200, 2_000));
    let (entered, took) = {
        let began = std::time::Instant::now();
        (newcomers(server.addr()), began.elapsed() / NEWCOMERS as u32)
    };
    let [asked, answered] = [&flood.asked, &flood.answered].map(|n| n.load(Ordering::Relaxed));
    let per_second = answered as f64 / began.elapsed().as_secs_f64();
    drop(flood);
    report.counted(
        "newcomers get in",
        format!("{entered} of {NEWCOMERS}"),
        entered == NEWCOMERS,
    );
    report.counted(
        "it was a flood",
        format!("{asked} asked, {answered} answered, {per_second:.0} a second"),
        answered >= size.of(20, 2_000) as u64,
    );
    let each = format!("{} ms", took.as_millis());
    report.timed(
        "a newcomer is in within 2 s",
        each,
        took < Duration::from_secs(2),
    );
    compare(&mut report, &without, &with, 5);
    healthy.stop();
    report
}

struct Flood {
    runtime: Option<Runtime>,
    asked: Arc<AtomicU64>,
    answered: Arc<AtomicU64>,
}

impl Flood {
    fn begin(addr: SocketAddr, tasks: usize, addresses: usize) -> Self {
        let runtime = attacker();
        let [asked, answered] = [(), ()].map(|()| Arc::new(AtomicU64::new(0)));
        let syn = sealed_syn();
        for number in 0..tasks {
            let host = u8::try_from(1 + number % addresses).expect("at most 200");
            let (asked, answered, syn) = (asked.clone(), answered.clone(), syn.clone());
            runtime.spawn(async move {
                loop {
                    if let Ok(stream) = connect_from(addr, 2, host).await {
                        asked.fetch_add(1, Ordering::Relaxed);
                        if ask(stream, &syn, number % 3).await.is_some() {
                            answered.fetch_add(1, Ordering::Relaxed);
                        }
                    } else {
                        tokio::time::sleep(Duration::from_millis(5)).await;
                    }
                }
            });
        }
        Self {
            runtime: Some(runtime),
            asked,
            answered,
        }
    }
}

impl Drop for Flood {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// One SYN; `Some` when it was answered by a SYN_ACK.
async fn ask(mut stream: TcpStream, syn: &Bytes, how: usize) -> Option<()> {
    stream.write_all(syn).await.ok()?;
    if how == 0 {
        return None;
    }
    let mut header = [0; HEADER_BYTES];
    stream.read_exact(&mut header).await.ok()?;
    let length = u32::from_be_bytes(*header.first_chunk()?) as usize;
    let mut payload = vec![0; length];
    stream.read_exact(&mut payload).await.ok()?;
    let answer = SynAck::from_bytes(&payload).ok()?;
    if how == 2 {
        let third = HandshakeAck {
            echo: answer.token,
            hello: Bytes::from_static(&[7; 236]),
        };
        let third = frame(FrameType::HandshakeAck, 0, true, &third.to_bytes());
        stream.write_all(&third).await.ok()?;
        let mut sink = [0; 256];
        while let Ok(1..) = stream.read(&mut sink).await {}
    }
    Some(())
}

/// Peers that enter and never read, while two people talk much.
pub fn deaf(size: Size) -> Report {
    let (peers, texts) = (size.of(4, 40), size.of(60, 120));
    let did = format!("{peers} peers that never read, while {texts} texts of 200 KiB are said");
    let mut report = Report::new("deaf", did);
    for clear in [false, true] {
        let kind = if clear { "in clear" } else { "sealed" };
        let alone = heard_by_deaf(0, texts, clear);
        let beside = heard_by_deaf(peers, texts, clear);
        let each = beside.resident.saturating_sub(alone.resident) / peers as u64;
        report.counted(
            format!("{kind}, at most 4 MiB each"),
            format!("{} KiB", each / 1024),
            each <= DEAF_BYTES_MAX,
        );
        report.counted(
            format!("{kind}, a reader beside them gets all"),
            format!("{} of {texts}", beside.delivered),
            beside.delivered == texts,
        );
    }
    report
}

struct Beside {
    resident: u64,
    delivered: usize,
}

fn heard_by_deaf(peers: usize, texts: usize, clear: bool) -> Beside {
    let args: &[&str] = if clear { &["--cleartext"] } else { &[] };
    let server = Server::start_with(args);
    let addr = server.addr();
    let runtime = attacker();
    let who = |nick: &str| match clear {
        true => As::clear(nick),
        false => As::sealed(nick),
    };
    let enter = async |nick: String| {
        let stream = TcpStream::connect(addr).await.expect("the server accepts");
        let light = Light::enter_as(stream, &who(&nick)).await;
        assert!(light.entered, "{nick}: {:?}", light.ended);
        light
    };
    runtime.block_on(async {
        let mut deaf = Vec::new();
        for number in 0..peers {
            deaf.push(enter(format!("deaf-{number}")).await);
        }
        let (mut ana, mut bob) = (enter("ana".into()).await, enter("bob".into()).await);
        let text = "x".repeat(200 * 1024);
        let bytes = AtomicUsize::new(0);
        let talk = async {
            for _ in 0..texts {
                ana.say(Audience::All, &text).await;
            }
            while ana.committed < texts as u64 {
                ana.step().await;
            }
        };
        let listen = async {
            let mut delivered = 0;
            while delivered < texts {
                bob.step().await;
                for delivery in bob.delivered.drain(..) {
                    bytes.fetch_add(delivery.text.len(), Ordering::Relaxed);
                    delivered += usize::from(delivery.text == text);
                }
            }
            delivered
        };
        let both = async { tokio::join!(talk, listen).1 };
        let delivered = tokio::time::timeout(PATIENCE, both).await;
        let resident = resident_bytes(server.pid());
        drop(deaf);
        Beside {
            resident,
            delivered: delivered.unwrap_or_default(),
        }
    })
}

/// People who come in now, one after the other; gives how many got in.
pub fn newcomers(addr: SocketAddr) -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime can be made");
    runtime.block_on(async {
        let mut entered = 0;
        for _ in 0..NEWCOMERS {
            let number = NEXT.fetch_add(1, Ordering::Relaxed);
            let host = u8::try_from(1 + number % 200).expect("at most 200");
            let Ok(stream) = connect_from(addr, 251, host).await else {
                continue;
            };
            let who = As::sealed(&format!("newcomer-{number}"));
            let light = tokio::time::timeout(PATIENCE, Light::enter_as(stream, &who)).await;
            entered += usize::from(light.is_ok_and(|light| light.entered));
        }
        entered
    })
}

/// Healthy latency with and without; `factor` is how much worse it may get.
pub fn compare(
    report: &mut Report,
    without: &super::healthy::Latency,
    with: &super::healthy::Latency,
    factor: u32,
) {
    let ratio = with.p99().as_secs_f64() / without.p99().as_secs_f64();
    let ms = |took: Duration| took.as_secs_f64() * 1e3;
    report.timed(
        format!("healthy p99 at most {factor} times that without"),
        format!(
            "{:.1} ms with, {:.1} ms without, {ratio:.2} times (p50 {:.1} and {:.1} ms)",
            ms(with.p99()),
            ms(without.p99()),
            ms(with.p50()),
            ms(without.p50())
        ),
        ratio <= f64::from(factor),
    );
}
