//! Several nodes as processes of their own: started, told, measured, and ended when dropped.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

pub(crate) use super::words::Order;
use crate::child::{LISTENING, Side};
use crate::folder::Folder;
use crate::proc::CpuReading;
use crate::wire::Fault;

/// The file that takes a node's standard error.
const WORDS: &str = "stderr.txt";
/// How long any answer may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(300);

/// Nodes of one kind.
#[derive(Debug)]
pub(crate) struct Crew {
    nodes: Vec<Node>,
    /// What they keep; gone with them.
    _folder: Folder,
}

#[derive(Debug)]
struct Node {
    child: Child,
    orders: Option<ChildStdin>,
    answers: Receiver<String>,
    addr: SocketAddr,
    words: PathBuf,
}

impl Crew {
    /// Starts `count` nodes, none of which knows another.
    pub(crate) fn start(side: Side, count: u16, folder: Folder) -> Result<Self, Fault> {
        let nodes = (0..count).map(|index| Node::start(side, index, &folder));
        let nodes = nodes.collect::<Result<_, _>>()?;
        Ok(Self {
            nodes,
            _folder: folder,
        })
    }

    /// Links `later` to `earlier`.
    pub(crate) fn link(&mut self, later: usize, earlier: usize) -> Result<(), Fault> {
        let addr = self.nodes[earlier].addr;
        self.nodes[later].tell(Order::Dial(addr))?;
        self.nodes[later].answer().map(drop)
    }

    /// Links every node to every other.
    pub(crate) fn link_all(&mut self) -> Result<(), Fault> {
        for later in 1..self.nodes.len() {
            (0..later).try_for_each(|earlier| self.link(later, earlier))?;
        }
        let others = self.nodes.len() - 1;
        self.tell_all(Order::Links(others))
    }

    /// Tells all of them, and waits for all their answers. Gives how long the slowest took.
    pub(crate) fn time(&mut self, orders: &[Order]) -> Result<Duration, Fault> {
        let began = Instant::now();
        for order in orders {
            self.nodes
                .iter_mut()
                .try_for_each(|node| node.tell(*order))?;
        }
        for node in &self.nodes {
            for _ in orders {
                node.answer()?;
            }
        }
        Ok(began.elapsed())
    }

    /// The same without the time.
    pub(crate) fn tell_all(&mut self, order: Order) -> Result<(), Fault> {
        self.time(&[order]).map(drop)
    }

    /// Bytes sent by all of them so far.
    pub(crate) fn sent_bytes(&mut self) -> Result<u64, Fault> {
        let mut sum = 0;
        for node in &mut self.nodes {
            node.tell(Order::Sent)?;
            let answer = node.answer()?;
            let bytes = answer.strip_prefix("sent ").map(str::parse::<u64>);
            let Some(Ok(bytes)) = bytes else {
                return Err(Fault::Broken(format!("{answer:?} is no number of bytes")));
            };
            sum += bytes;
        }
        Ok(sum)
    }

    /// CPU time of each until now.
    pub(crate) fn cpu(&self) -> Result<Vec<CpuReading>, Fault> {
        let pids = self.nodes.iter().map(|node| node.child.id());
        let cpus = pids.map(CpuReading::of).collect::<Result<_, _>>();
        cpus.map_err(Fault::io("reading the nodes' CPU time"))
    }
}

impl Node {
    fn start(side: Side, index: u16, folder: &Folder) -> Result<Self, Fault> {
        let own = std::env::current_exe().map_err(Fault::io("finding this program"))?;
        let place = folder.path().join(format!("node-{index}"));
        std::fs::create_dir(&place).map_err(Fault::io("making a node's folder"))?;
        let words = place.join(WORDS);
        let mut command = Command::new(own);
        match side {
            Side::Raw => command.arg("plain-node"),
            Side::Ours => command.arg("peer-node").arg(&place).arg(index.to_string()),
        };
        let taken = File::create(&words).map_err(Fault::io("keeping a node's words"))?;
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(taken);
        let mut child = command.spawn().map_err(Fault::io("starting a node"))?;
        let (sender, answers) = channel();
        let stdout = child.stdout.take();
        std::thread::spawn(move || {
            let lines = stdout.map(|stdout| BufReader::new(stdout).lines());
            let lines = lines.into_iter().flatten().map_while(Result::ok);
            // Who measures may have gone.
            lines
                .map_while(|line| sender.send(line).ok())
                .for_each(drop);
        });
        let orders = child.stdin.take();
        let mut node = Self {
            child,
            orders,
            answers,
            addr: SocketAddr::from(([0; 4], 0)),
            words,
        };
        let line = node.answer()?;
        let addr = line.strip_prefix(LISTENING).map(str::parse);
        let Some(Ok(addr)) = addr else {
            return Err(Fault::Broken(format!("{line:?} is no address")));
        };
        node.addr = addr;
        Ok(node)
    }

    fn tell(&mut self, order: Order) -> Result<(), Fault> {
        let Some(orders) = &mut self.orders else {
            return Err(Fault::Broken("a node takes no orders".to_owned()));
        };
        writeln!(orders, "{}", order.line()).map_err(Fault::io("telling a node"))
    }

    fn answer(&self) -> Result<String, Fault> {
        self.answers.recv_timeout(ANSWER_WITHIN).map_err(|error| {
            let said = std::fs::read_to_string(&self.words).unwrap_or_default();
            let what = match error {
                RecvTimeoutError::Timeout => "did not answer in time",
                RecvTimeoutError::Disconnected => "has ended",
            };
            Fault::Broken(format!("a node {what}. Its words: {said}"))
        })
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
