//! The server is killed under load again and again, and started again on what it left. After each
//! cycle every client says what it was told, and nothing committed may be lost, repeated or out of
//! order for any of them.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use lamparina_client::profile::Profile;
use lamparina_client::{Client, ClientConfig, Event};
use lamparina_order::verify::{MessageId, Observed, OrderCheck};
use lamparina_protocol::{Audience, Lamport, MemberId, Nick, RoomName};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use super::client::live_in;
use super::folder::Folder;
use super::process::Process;
use super::programs;

/// How long one phase of a cycle may take. Only a fault reaches it.
const WITHIN: Duration = Duration::from_secs(60);
/// Who talks.
const PEOPLE: [&str; 4] = ["ana", "bob", "carla", "dora"];
/// Messages that each has under way at a time.
const UNSETTLED_MAX: u64 = 64;

/// What was seen over all cycles.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Tally {
    /// Servers killed.
    pub kills: u64,
    /// Messages committed.
    pub committed: u64,
    /// Deliveries, each checked.
    pub delivered: u64,
    /// Kills with messages under way.
    pub under_load: u64,
}

/// Kills and starts a server `cycles` times; panics with what is wrong. `seed` gives the moments.
pub fn run(cycles: u64, seed: u64, mut told: impl FnMut(u64, Tally)) -> Tally {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("threads can be started");
    runtime.block_on(async {
        let mut world = World::start(seed).await;
        for cycle in 1..=cycles {
            world.cycle().await;
            told(cycle, world.tally);
        }
        world.tally
    })
}

/// What a person was told.
enum Told {
    Entered(usize, MemberId),
    Committed(usize, MessageId, Lamport, Audience),
    Delivered(usize, Box<Observed>),
    Wrong(usize, String),
    /// Nothing of its own is unsettled.
    Settled(usize, u64),
}

struct World {
    folder: Folder,
    server: Process,
    addr: SocketAddr,
    told: mpsc::UnboundedReceiver<Told>,
    talking: watch::Sender<u64>,
    /// How many servers have started.
    up: watch::Sender<u64>,
    people: Vec<JoinHandle<()>>,
    check: OrderCheck,
    members: BTreeMap<usize, MemberId>,
    /// What has to be delivered in this cycle, and to whom: by stamp.
    due: BTreeMap<Lamport, (usize, Audience)>,
    seen: Vec<BTreeMap<Lamport, MemberId>>,
    dice: u64,
    tally: Tally,
}

impl World {
    async fn start(seed: u64) -> Self {
        let folder = Folder::new();
        let (server, addr) = start_server(&folder, "127.0.0.1:0").await;
        let (tell, told) = mpsc::unbounded_channel();
        let (talking, listen) = watch::channel(0);
        let (up, wait) = watch::channel(1);
        let people = PEOPLE.iter().enumerate().map(|(number, nick)| {
            let person = Person {
                number,
                tell: tell.clone(),
                talking: listen.clone(),
                up: wait.clone(),
                member: MemberId(u32::MAX),
                unsettled: 0,
                said: 0,
            };
            tokio::spawn(person.live(addr, nick))
        });
        let people = people.collect();
        let mut world = Self {
            folder,
            server,
            addr,
            told,
            talking,
            up,
            people,
            check: OrderCheck::default(),
            members: BTreeMap::new(),
            due: BTreeMap::new(),
            seen: vec![BTreeMap::new(); PEOPLE.len()],
            dice: seed,
            tally: Tally::default(),
        };
        while world.members.len() < PEOPLE.len() {
            world.hear("everybody to enter").await;
        }
        world
    }

    /// Load, a kill in the middle of it, a new server, load, quiet; then everything is compared.
    async fn cycle(&mut self) {
        let round = *self.talking.borrow() + 1;
        self.talking.send_replace(round);
        self.hear_for_some(20, 200).await;
        self.tally.under_load += u64::from(!self.due.is_empty());
        self.server.kill();
        self.tally.kills += 1;
        // Some find nobody for a moment.
        self.hear_for_some(0, 30).await;
        let addr = self.addr.to_string();
        (self.server, _) = start_server(&self.folder, &addr).await;
        self.up.send_modify(|started| *started += 1);
        self.hear_for_some(10, 100).await;
        self.talking.send_replace(round + 1);
        let mut settled = [false; PEOPLE.len()];
        while !settled.iter().all(|settled| *settled) || !self.is_complete() {
            if let Some((number, at)) = self.hear("quiet").await {
                settled[number] |= at > round;
            }
        }
        self.compare();
    }

    /// Takes one thing in.
    async fn hear(&mut self, what: &str) -> Option<(usize, u64)> {
        let told = tokio::time::timeout(WITHIN, self.told.recv()).await;
        let Ok(Some(told)) = told else {
            let words = self.server.transcript().heard().to_string();
            panic!(
                "waited in vain for {what}: {} are due, {:?} were seen\n{words}",
                self.due.len(),
                self.seen.iter().map(BTreeMap::len).collect::<Vec<_>>()
            );
        };
        self.take(told)
    }

    /// Listens for a time between two numbers of milliseconds.
    async fn hear_for_some(&mut self, from: u64, to: u64) {
        let time = self.chance(from, to);
        let until = tokio::time::Instant::now() + time;
        while let Ok(Some(told)) = tokio::time::timeout_at(until, self.told.recv()).await {
            self.take(told);
        }
    }

    fn take(&mut self, told: Told) -> Option<(usize, u64)> {
        match told {
            Told::Entered(number, member) => {
                let before = self.members.insert(number, member);
                assert!(before.is_none_or(|before| before == member));
            }
            Told::Committed(number, id, stamp, audience) => {
                self.tally.committed += 1;
                let before = self.due.insert(stamp, (number, audience));
                assert!(before.is_none(), "stamp {stamp} was committed twice");
                let committed = self.check.committed(PEOPLE[number], id, stamp);
                committed.unwrap_or_else(|violation| panic!("{violation}"));
            }
            Told::Delivered(number, seen) => {
                self.tally.delivered += 1;
                let delivered = self.check.delivered(PEOPLE[number], &seen);
                delivered.unwrap_or_else(|violation| panic!("{violation}"));
                let again = self.seen[number].insert(seen.stamp, seen.id.member);
                assert!(
                    again.is_none(),
                    "{} saw {} twice",
                    PEOPLE[number],
                    seen.stamp
                );
            }
            Told::Wrong(number, words) => panic!("{}: {words}", PEOPLE[number]),
            Told::Settled(number, round) => return Some((number, round)),
        }
        None
    }

    /// Whether everybody has what was committed until now.
    fn is_complete(&self) -> bool {
        (0..PEOPLE.len()).all(|viewer| self.seen[viewer].len() >= self.due_to(viewer).count())
    }

    fn due_to(&self, viewer: usize) -> impl Iterator<Item = Lamport> {
        let due = self.due.iter().filter(move |(_, (author, audience))| {
            *author != viewer
                && match audience {
                    Audience::Unicast(nick) => nick.as_str() == PEOPLE[viewer],
                    _ => true,
                }
        });
        due.map(|(stamp, _)| *stamp)
    }

    /// What was committed is what was delivered, stamp for stamp, for everybody.
    fn compare(&mut self) {
        for (viewer, name) in PEOPLE.iter().enumerate() {
            let due: Vec<Lamport> = self.due_to(viewer).collect();
            let seen: Vec<Lamport> = self.seen[viewer].keys().copied().collect();
            assert_eq!(
                seen, due,
                "what {name} saw is not what was committed for it"
            );
        }
        // All that was said up to here is checked, and would only take memory.
        self.due.clear();
        self.seen.iter_mut().for_each(BTreeMap::clear);
    }

    /// Milliseconds between two numbers.
    fn chance(&mut self, from: u64, to: u64) -> Duration {
        // SplitMix64 (Steele, Lea, Flood 2014).
        self.dice = self.dice.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.dice;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        Duration::from_millis(from + (z ^ (z >> 31)) % (to - from))
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.people.iter().for_each(JoinHandle::abort);
    }
}

/// One client, its connection coming back as often as it must.
struct Person {
    number: usize,
    tell: mpsc::UnboundedSender<Told>,
    /// An odd number: talk.
    talking: watch::Receiver<u64>,
    /// Changes when there is a server again.
    up: watch::Receiver<u64>,
    member: MemberId,
    unsettled: u64,
    said: u64,
}

impl Person {
    async fn live(mut self, addr: SocketAddr, nick: &'static str) {
        let nick = Nick::try_from(nick).expect("a well-formed nick");
        let profile = Profile::ephemeral(&nick).expect("there is randomness");
        let mut config = ClientConfig::new(addr.to_string(), nick, profile);
        config.retry_first = true;
        let mut client = Client::connect(config).await.expect("the server is there");
        let room = RoomName::try_from("lab").expect("a well-formed name");
        client
            .join(room)
            .await
            .expect("there is room for a request");
        loop {
            let round = *self.talking.borrow_and_update();
            let talks = round % 2 == 1;
            if talks && self.unsettled < UNSETTLED_MAX {
                self.say(&mut client).await;
                continue;
            }
            if !talks && self.unsettled == 0 {
                self.tell(Told::Settled(self.number, round));
            }
            tokio::select! {
                event = client.next_event() => match event {
                    Some(event) => self.hear(event),
                    None => return self.tell(Told::Wrong(self.number, "it ended".to_owned())),
                },
                _ = self.talking.changed() => {}
                // Who waits for longer after each loss, as a polite client does, comes now.
                _ = self.up.changed() => {
                    if let Err(error) = client.reconnect().await {
                        self.tell(Told::Wrong(self.number, error.to_string()));
                    }
                }
            }
        }
    }

    async fn say(&mut self, client: &mut Client) {
        self.said += 1;
        let other = PEOPLE[(self.number + 1) % PEOPLE.len()];
        let audience = match self.said % 3 {
            0 => Audience::Unicast(Nick::try_from(other).expect("a well-formed nick")),
            _ => Audience::All,
        };
        let text = format!("{} {}", PEOPLE[self.number], self.said);
        match client.send(audience, text).await {
            Ok(_) => self.unsettled += 1,
            Err(error) => self.tell(Told::Wrong(self.number, error.to_string())),
        }
    }

    fn hear(&mut self, event: Event) {
        let number = self.number;
        match event {
            Event::Connected { member, .. } => {
                self.member = member;
                self.tell(Told::Entered(number, member));
            }
            Event::Committed(commit) => {
                self.unsettled -= 1;
                let id = MessageId {
                    member: self.member,
                    epoch: commit.name.epoch,
                    pseq: commit.name.pseq,
                };
                self.tell(Told::Committed(number, id, commit.stamp, commit.audience));
            }
            Event::Message(delivery) if !delivery.history => {
                self.tell(Told::Delivered(number, Box::new(Observed::from(&delivery))));
            }
            Event::Error { text, code, .. } => {
                self.tell(Told::Wrong(number, format!("{code}: {text}")));
            }
            Event::NewLog { .. } => {
                self.tell(Told::Wrong(number, "the log is another one".to_owned()));
            }
            Event::Closed { ending, .. } => {
                self.tell(Told::Wrong(number, format!("{ending:?}")));
            }
            _ => {}
        }
    }

    fn tell(&self, told: Told) {
        // The world is over when nobody listens.
        let _ = self.tell.send(told);
    }
}

/// A server on the data that is there.
async fn start_server(folder: &Folder, listen: &str) -> (Process, SocketAddr) {
    let home = folder.within("server");
    let data: PathBuf = folder.within("data");
    let mut command = Command::new(programs::server());
    command.arg("--listen").arg(listen).arg("--data").arg(data);
    live_in(&mut command, &home);
    command.current_dir(&home);
    tokio::task::spawn_blocking(move || {
        let process = Process::start("server", command);
        let addr = process.transcript().wait("`listening on`", |heard| {
            let lines = heard.out.iter();
            let mut lines = lines.map(|line| String::from_utf8_lossy(&line.bytes));
            lines.find_map(|line| line.strip_prefix("listening on ")?.trim().parse().ok())
        });
        (process, addr)
    })
    .await
    .expect("a server starts")
}
