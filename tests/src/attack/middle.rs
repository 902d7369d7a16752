//! Somebody on the way between a client and a server, who can change, cut off, repeat and make up
//! bytes. Whatever it does to a sealed link, the client comes back and its message is delivered once,
//! as it was said.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use lamparina_client::profile::Profile;
use lamparina_client::{Client, ClientConfig, Event};
use lamparina_protocol::control::{CloseCode, Disconnect, SYN_ACK_CLEAR_BYTES, SYN_CLEAR_BYTES};
use lamparina_protocol::frame::{FrameType, HEADER_BYTES, Seq};
use lamparina_protocol::{Audience, Nick};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use super::{Report, Size};
use crate::real::light::{As, Light};
use crate::real::raw::frame;
use crate::real::{PATIENCE, Server};

/// Conversations at a time.
const AT_ONCE: usize = 48;
/// Bytes of a conversation that are attacked one by one, each way: the handshake and the first records.
const ATTACKED_BYTES: usize = 560;
/// Frames of a conversation that are repeated one by one, each way.
const REPEATED_FRAMES: usize = 8;

/// From the client, or to it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Way {
    Up = 0,
    Down = 1,
}

type Edit = Arc<dyn Fn(&[u8]) -> Vec<u8> + Send + Sync>;

/// What is done to a client's first connection; later ones pass as they are.
#[derive(Clone)]
enum Tamper {
    Nothing,
    Flip(Way, usize),
    Cut(Way, usize),
    Twice(Way, usize),
    /// Another frame in the place of the first one.
    Instead(Way, Edit),
}

/// What both sides said on the first connection, as they said it.
type Heard = Arc<Mutex<[Vec<u8>; 2]>>;

/// A proxy of one client.
struct Middle {
    addr: SocketAddr,
    heard: Heard,
    /// What was to be attacked has come.
    done: Arc<AtomicBool>,
    task: tokio::task::JoinHandle<()>,
}

impl Middle {
    async fn before(target: SocketAddr, tamper: Tamper) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let addr = listener.local_addr()?;
        let (heard, done) = (Heard::default(), Arc::new(AtomicBool::new(false)));
        let first = (heard.clone(), done.clone());
        let task = tokio::spawn(async move {
            let (mut first, mut carried) = (Some((tamper, first)), JoinSet::new());
            while let Ok((client, _)) = listener.accept().await {
                let (tamper, (heard, done)) = first
                    .take()
                    .unwrap_or_else(|| (Tamper::Nothing, Default::default()));
                carried.spawn(async move {
                    // Either end may go at any time.
                    let _ = carry(client, target, tamper, heard, done).await;
                });
            }
        });
        Ok(Self {
            addr,
            heard,
            done,
            task,
        })
    }
}

impl Drop for Middle {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn carry(
    client: TcpStream,
    target: SocketAddr,
    tamper: Tamper,
    heard: Heard,
    done: Arc<AtomicBool>,
) -> io::Result<()> {
    let server = TcpStream::connect(target).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let pump = |way| Pump {
        way,
        tamper: tamper.clone(),
        heard: heard.clone(),
        done: done.clone(),
        passed: 0,
        frames: 0,
        rest: Vec::new(),
    };
    tokio::try_join!(
        pump(Way::Up).run(from_client, to_server),
        pump(Way::Down).run(from_server, to_client)
    )?;
    Ok(())
}

/// One direction of a connection.
struct Pump {
    way: Way,
    tamper: Tamper,
    heard: Heard,
    done: Arc<AtomicBool>,
    passed: usize,
    frames: usize,
    rest: Vec<u8>,
}

impl Pump {
    async fn run(mut self, mut from: OwnedReadHalf, mut to: OwnedWriteHalf) -> io::Result<()> {
        let mut chunk = vec![0; 16 * 1024];
        loop {
            let count = from.read(&mut chunk).await?;
            if count == 0 {
                return to.shutdown().await;
            }
            let came = chunk[..count].to_vec();
            self.heard.lock().unwrap()[self.way as usize].extend_from_slice(&came);
            let (passes, cut) = self.treat(came);
            to.write_all(&passes).await?;
            if cut {
                self.done.store(true, Ordering::Relaxed);
                return Err(io::ErrorKind::ConnectionAborted.into());
            }
        }
    }

    /// What passes on of the bytes that came, and whether the connection is cut behind it.
    fn treat(&mut self, mut came: Vec<u8>) -> (Vec<u8>, bool) {
        let before = self.passed;
        self.passed += came.len();
        let here = |at: usize| (before..before + came.len()).contains(&at);
        match self.tamper.clone() {
            Tamper::Flip(way, at) if way == self.way && here(at) => {
                self.done.store(true, Ordering::Relaxed);
                came[at - before] ^= 1 << (at % 8);
                (came, false)
            }
            Tamper::Cut(way, at) if way == self.way && here(at) => {
                came.truncate(at - before);
                (came, true)
            }
            Tamper::Twice(way, number) if way == self.way => {
                let twice = move |at: usize, frame: &[u8]| {
                    let times = if at == number { 2 } else { 1 };
                    (at == number).then(|| frame.repeat(times))
                };
                (self.by_frames(&came, twice), false)
            }
            Tamper::Instead(way, edit) if way == self.way => {
                let instead = move |at: usize, frame: &[u8]| (at == 0).then(|| edit(frame));
                (self.by_frames(&came, instead), false)
            }
            _ => (came, false),
        }
    }

    /// Passes whole frames, or what `edit` makes of them.
    fn by_frames(
        &mut self,
        came: &[u8],
        edit: impl Fn(usize, &[u8]) -> Option<Vec<u8>>,
    ) -> Vec<u8> {
        self.rest.extend_from_slice(came);
        let mut passes = Vec::new();
        while let Some(length) = self.rest.first_chunk::<4>() {
            let whole = HEADER_BYTES + u32::from_be_bytes(*length) as usize;
            if self.rest.len() < whole {
                break;
            }
            let frame: Vec<u8> = self.rest.drain(..whole).collect();
            match edit(self.frames, &frame) {
                Some(other) => {
                    self.done.store(true, Ordering::Relaxed);
                    passes.extend(other);
                }
                None => passes.extend(frame),
            }
            self.frames += 1;
        }
        passes
    }
}

/// What became of one client behind a tamperer.
struct Outcome {
    name: String,
    text: String,
    /// Its message was committed, once; or why not.
    committed: Result<(), String>,
    /// What was to be attacked was.
    attacked: bool,
    heard: [Vec<u8>; 2],
}

/// A server, and somebody who hears everything.
struct World {
    server: Server,
    texts: Arc<Mutex<BTreeMap<String, usize>>>,
    heard: watch::Receiver<usize>,
}

impl World {
    async fn start() -> Self {
        let server = tokio::task::spawn_blocking(Server::start);
        let server = server.await.expect("a server starts");
        let stream = TcpStream::connect(server.addr()).await;
        let mut ear = Light::enter_as(stream.expect("it accepts"), &As::sealed("ear")).await;
        let texts = Arc::new(Mutex::new(BTreeMap::new()));
        let (tell, heard) = watch::channel(0);
        let noted = texts.clone();
        tokio::spawn(async move {
            // Until the server ends.
            ear.hostile = true;
            while ear.ended.is_none() {
                ear.step().await;
                let mut texts = noted.lock().unwrap();
                for delivery in ear.delivered.drain(..) {
                    *texts.entry(delivery.text).or_default() += 1;
                }
                tell.send_replace(texts.values().sum());
            }
        });
        Self {
            server,
            texts,
            heard,
        }
    }

    /// Lets a client speak behind each of these.
    async fn run(&self, tampers: Vec<(String, Tamper)>) -> Vec<Outcome> {
        let turns = Arc::new(Semaphore::new(AT_ONCE));
        let mut running = JoinSet::new();
        for (name, tamper) in tampers {
            let (turns, addr) = (turns.clone(), self.server.addr());
            running.spawn(async move {
                let _turn = turns.acquire().await;
                speak(addr, name, tamper).await
            });
        }
        running.join_all().await
    }

    /// Waits until everything that was committed was heard; gives how many texts were not heard
    /// exactly once, as they were said.
    async fn wrong(&mut self, outcomes: &[Outcome]) -> usize {
        let said = outcomes.iter().filter(|outcome| outcome.committed.is_ok());
        let (said, _) = (said.count(), ());
        let all = self.heard.wait_for(|heard| *heard >= said);
        let _ = tokio::time::timeout(PATIENCE, all).await;
        let texts = self.texts.lock().unwrap();
        let known = |text: &str| outcomes.iter().any(|outcome| outcome.text == *text);
        let others = texts.keys().filter(|text| !known(text)).count();
        let once = |outcome: &&Outcome| {
            let due = usize::from(outcome.committed.is_ok());
            texts.get(&outcome.text).copied().unwrap_or_default() == due
        };
        others + outcomes.iter().filter(|outcome| !once(outcome)).count()
    }
}

async fn speak(addr: SocketAddr, name: String, tamper: Tamper) -> Outcome {
    static NEXT: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let middle = Middle::before(addr, tamper).await.expect("a free port");
    let text = format!("message {number}, as it was said");
    let nick = Nick::try_from(format!("m-{number}").as_str()).expect("a well-formed nick");
    let said = say(middle.addr, nick, &text);
    let committed = match tokio::time::timeout(PATIENCE, said).await {
        Ok(said) => said,
        Err(_) => Err("it took too long".to_owned()),
    };
    let heard = middle.heard.lock().unwrap().clone();
    Outcome {
        name,
        text,
        committed,
        attacked: middle.done.load(Ordering::Relaxed),
        heard,
    }
}

async fn say(addr: SocketAddr, nick: Nick, text: &str) -> Result<(), String> {
    let profile = Profile::ephemeral(&nick).map_err(|error| error.to_string())?;
    let mut config = ClientConfig::new(addr.to_string(), nick, profile);
    config.retry_first = true;
    let client = Client::connect(config).await;
    let mut client = client.map_err(|error| error.to_string())?;
    let sent = client.send(Audience::All, text.to_owned()).await;
    sent.map_err(|error| error.to_string())?;
    loop {
        match client.next_event().await {
            Some(Event::Committed(_)) => break,
            Some(Event::Closed { ending, .. }) => return Err(format!("{ending:?}")),
            Some(Event::Error { code, text, .. }) => return Err(format!("{code}: {text}")),
            Some(_) => {}
            None => return Err("it ended".to_owned()),
        }
    }
    client.close().await;
    Ok(())
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    runtime.expect("threads can be started").block_on(future)
}

/// Bytes flipped, connections cut, frames repeated, whole conversations replayed.
pub fn tamper(size: Size) -> Report {
    let mut report = Report::new("middle", "one bit, cut or repetition in each conversation");
    block_on(async {
        let mut world = World::start().await;
        let steps = [size.of(31, 1), size.of(97, 2), size.of(3, 1)];
        let mut tampers = Vec::new();
        for way in [Way::Up, Way::Down] {
            let named = |what: &str, at: usize| format!("{what} {way:?} {at}");
            for at in (0..ATTACKED_BYTES).step_by(steps[0]) {
                tampers.push((named("flip", at), Tamper::Flip(way, at)));
            }
            for at in (0..ATTACKED_BYTES).step_by(steps[1]) {
                tampers.push((named("cut", at), Tamper::Cut(way, at)));
            }
            for at in (0..REPEATED_FRAMES).step_by(steps[2]) {
                tampers.push((named("twice", at), Tamper::Twice(way, at)));
            }
        }
        let count = |what: &str, outcomes: &[Outcome]| {
            let of = outcomes
                .iter()
                .filter(|it| it.attacked && it.name.starts_with(what));
            of.count()
        };
        let outcomes = world.run(tampers).await;
        let lost = judge(&mut report, &outcomes);
        let done = ["flip", "cut", "twice"].map(|what| count(what, &outcomes));
        report.counted(
            "every attack reached its place, or the conversation was over before",
            format!(
                "{} flips, {} cuts, {} repetitions",
                done[0], done[1], done[2]
            ),
            done[0] >= size.of(25, 900) && done[1] >= size.of(8, 400) && done[2] >= size.of(3, 8),
        );
        let replayed = replay(&world, &outcomes, size.of(3, 50)).await;
        let wrong = world.wrong(&outcomes).await;
        report.counted(
            "delivered altered, twice or not at all",
            format!(
                "{wrong} of {}, after {replayed} replays of whole conversations",
                outcomes.len()
            ),
            wrong == 0 && !lost,
        );
    });
    report
}

/// Every client's message was committed; says whose was not.
fn judge(report: &mut Report, outcomes: &[Outcome]) -> bool {
    let mut lost = 0;
    for outcome in outcomes {
        if let Err(why) = &outcome.committed {
            lost += 1;
            eprintln!("{}: {}: {why}", report.name, outcome.name);
        }
    }
    report.counted(
        "refused or lost for good",
        format!("{lost} of {}", outcomes.len()),
        lost == 0,
    );
    lost > 0
}

/// Says again what clients said, on connections of its own; gives how often.
async fn replay(world: &World, outcomes: &[Outcome], count: usize) -> usize {
    let whole = outcomes.iter().filter(|outcome| !outcome.attacked);
    let mut replayed = 0;
    // Where all were attacked, what was said of an attacked one serves as well.
    for outcome in whole.chain(outcomes).take(count) {
        let Ok(mut stream) = TcpStream::connect(world.server.addr()).await else {
            continue;
        };
        let _ = stream.write_all(&outcome.heard[Way::Up as usize]).await;
        let mut sink = Vec::new();
        let read = stream.read_to_end(&mut sink);
        let _ = tokio::time::timeout(std::time::Duration::from_secs(15), read).await;
        replayed += 1;
    }
    replayed
}

/// The parts of a SYN or SYN_ACK before its words, changed; its checksum good again.
fn changed(at: usize, to: &'static [u8]) -> Edit {
    Arc::new(move |frame: &[u8]| {
        let mut payload = frame[HEADER_BYTES..].to_vec();
        payload[at..at + to.len()].copy_from_slice(to);
        remade(frame, &payload)
    })
}

/// The frame with another payload.
fn remade(like: &[u8], payload: &[u8]) -> Vec<u8> {
    let kind = FrameType::from_number(like[4]).expect("the first frames are known");
    frame(kind, 0, true, payload).to_vec()
}

/// Flags cleared, and words of a link in clear in the place of the sealed ones.
fn in_clear(clear_bytes: usize, words: usize) -> Edit {
    Arc::new(move |frame: &[u8]| {
        let mut payload = frame[HEADER_BYTES..][..clear_bytes].to_vec();
        payload[6..8].copy_from_slice(&[0, 0]);
        payload.extend_from_slice(&(words as u16).to_be_bytes());
        payload.resize(payload.len() + words, 7);
        remade(frame, &payload)
    })
}

/// A DISCONNECT in clear in the place of a frame.
fn bye(code: CloseCode) -> Edit {
    let bye = Disconnect {
        code: code.number(),
        orderly: false,
        next: Seq::FIRST,
        text: "says somebody on the way".to_owned(),
    };
    let bye = frame(FrameType::Disconnect, 0, true, &bye.to_bytes());
    Arc::new(move |_: &[u8]| bye.to_vec())
}

/// Both sides' first words changed so that they would speak worse, or in clear.
pub fn downgrade(size: Size) -> Report {
    let mut report = Report::new("downgrade", "SYN and SYN_ACK changed, checksums good");
    block_on(async {
        let mut world = World::start().await;
        let mut earlier = world
            .run(vec![("untouched".to_owned(), Tamper::Nothing)])
            .await;
        let old: Bytes = first_frame(&earlier[0].heard[Way::Down as usize]);
        let swapped: Edit = Arc::new(move |_: &[u8]| old.to_vec());
        let cases: Vec<(&str, Way, Edit)> = vec![
            ("SYN without its flag", Way::Up, changed(6, &[0, 0])),
            ("SYN in clear", Way::Up, in_clear(SYN_CLEAR_BYTES, 76)),
            ("SYN of version 0", Way::Up, changed(4, &[0, 0])),
            ("SYN with Go-Back-N", Way::Up, changed(6, &[0, 3])),
            ("SYN with small frames", Way::Up, changed(8, &[0, 64])),
            ("SYN with a small window", Way::Up, changed(10, &[0, 1])),
            (
                "SYN with another token",
                Way::Up,
                changed(20, &[1, 2, 3, 4]),
            ),
            ("SYN_ACK without its flag", Way::Down, changed(6, &[0, 0])),
            (
                "SYN_ACK in clear",
                Way::Down,
                in_clear(SYN_ACK_CLEAR_BYTES, 36),
            ),
            ("SYN_ACK with Go-Back-N", Way::Down, changed(6, &[0, 3])),
            ("SYN_ACK with small frames", Way::Down, changed(8, &[0, 64])),
            (
                "SYN_ACK with a small window",
                Way::Down,
                changed(10, &[0, 1]),
            ),
            (
                "SYN_ACK with another token",
                Way::Down,
                changed(24, &[1, 2, 3, 4]),
            ),
            ("SYN_ACK of another handshake", Way::Down, swapped),
            ("sealed links refused", Way::Down, bye(CloseCode::ClearOnly)),
            ("nick refused", Way::Down, bye(CloseCode::Nick)),
            ("banned", Way::Down, bye(CloseCode::Banned)),
            ("taken over", Way::Down, bye(CloseCode::TakenOver)),
        ];
        let mut tampers = Vec::new();
        for _ in 0..size.of(1, 5) {
            for (name, way, edit) in &cases {
                tampers.push(((*name).to_owned(), Tamper::Instead(*way, edit.clone())));
            }
        }
        let outcomes = world.run(tampers).await;
        judge(&mut report, &outcomes);
        let attacked = outcomes.iter().filter(|outcome| outcome.attacked).count();
        let in_clear: usize = outcomes.iter().map(spoke_in_clear).sum();
        report.counted(
            "frames said in clear beside the handshake's",
            format!("{in_clear}, over {attacked} attacks"),
            in_clear == 0 && attacked == outcomes.len(),
        );
        earlier.extend(outcomes);
        let wrong = world.wrong(&earlier).await;
        report.counted("delivered altered, twice or not at all", wrong, wrong == 0);
    });
    report
}

fn first_frame(stream: &[u8]) -> Bytes {
    let length = stream.first_chunk::<4>().expect("a whole frame came");
    let whole = HEADER_BYTES + u32::from_be_bytes(*length) as usize;
    Bytes::copy_from_slice(&stream[..whole])
}

/// Frames that a client said in clear, but SYN and HANDSHAKE_ACK; and its text or nick.
fn spoke_in_clear(outcome: &Outcome) -> usize {
    let stream = &outcome.heard[Way::Up as usize];
    let (mut rest, mut count) = (stream.as_slice(), 0);
    while let Some(length) = rest.first_chunk::<4>() {
        let whole = HEADER_BYTES + u32::from_be_bytes(*length) as usize;
        let kind = rest.get(4).copied().and_then(FrameType::from_number);
        let sealed = [FrameType::Syn, FrameType::HandshakeAck, FrameType::Sealed];
        // A client may say in clear why it gives up, before anything is proved.
        let known =
            kind.is_some_and(|kind| sealed.contains(&kind) || kind == FrameType::Disconnect);
        count += usize::from(!known);
        rest = rest.get(whole..).unwrap_or_default();
    }
    let text = outcome.text.as_bytes();
    count
        + stream
            .windows(text.len())
            .filter(|window| window == &text)
            .count()
}
