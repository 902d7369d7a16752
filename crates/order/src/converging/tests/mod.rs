//! Peers over links in the hands of the test: what one sends waits until the test lets it come.

mod finality;
mod forks;
mod links;
mod messages;
mod naming;
mod random;
mod restore;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use lamparina_protocol::nick::RoomName;
use lamparina_protocol::peer::message::Incarnation;
use lamparina_protocol::peer::{Body, Content, LinkMessage, PeerName, Signed};
use lamparina_protocol::seal::IdentityKey;
use lamparina_protocol::{AuthorKey, Instant, UnixMicros};

use super::*;

/// Much more than a test sends.
const ROOM: u32 = u32::MAX;

pub(super) fn identity(of: u8) -> IdentityKey {
    IdentityKey::from_seed(&[of; 32])
}

pub(super) fn author(of: u8) -> AuthorKey {
    AuthorKey(identity(of).public().0)
}

pub(super) fn config(of: u8, life: u64) -> Config {
    let lan = RoomName::try_from("lan").unwrap();
    let name = PeerName::parse(&format!("p{of}"), &lan).unwrap();
    Config::new(identity(of), Incarnation(life), name)
}

/// One peer, as its shell would keep it.
#[derive(Clone, Debug)]
pub(super) struct Peer {
    pub(super) machine: Converging,
    pub(super) log: Vec<Delivery>,
    pub(super) told: Vec<Output>,
    pub(super) final_upto: Option<HistoryKey>,
}

impl Peer {
    pub(super) const fn new(machine: Converging) -> Self {
        Self {
            machine,
            log: Vec::new(),
            told: Vec::new(),
            final_upto: None,
        }
    }

    /// What holds of every delivery: it stands behind its causes, and is late where it stands before a final line.
    fn delivered(&mut self, delivery: Delivery) {
        assert_eq!(delivery.position.0 as usize, self.log.len());
        let content = delivery.message.content();
        for cause in content.prev.iter().chain(&content.heads) {
            let mut before = self.log.iter();
            assert!(before.any(|d| d.message.digest() == *cause), "no cause");
        }
        let late = self.final_upto.is_some_and(|last| delivery.key() < last);
        assert_eq!(delivery.late, late);
        self.log.push(delivery);
    }
}

/// Peers and what is between them.
pub(super) struct Net {
    pub(super) now: Instant,
    pub(super) peers: Vec<Peer>,
    /// By (from, to): what is under way, and the link at each end.
    pub(super) ways: BTreeMap<(usize, usize), VecDeque<Bytes>>,
    pub(super) ends: BTreeMap<(usize, usize), LinkId>,
    pub(super) last_link: u64,
    /// Deliveries are stored at once.
    pub(super) store: bool,
    /// Messages that were sent over links, and those of them that were told whole.
    pub(super) sent: usize,
    pub(super) whole: usize,
}

impl Net {
    pub(super) fn new(peers: u8) -> Self {
        let now = Instant::ZERO;
        let peer = |of| Peer::new(Converging::new(config(of, 1), now));
        Self {
            now,
            peers: (0..peers).map(peer).collect(),
            ways: BTreeMap::new(),
            ends: BTreeMap::new(),
            last_link: 0,
            store: true,
            sent: 0,
            whole: 0,
        }
    }

    /// The same, all ready and alone.
    pub(super) fn ready(peers: u8) -> Self {
        let mut net = Self::new(peers);
        net.pass(READY_ALONE_AFTER);
        net
    }

    pub(super) fn give(&mut self, to: usize, input: Input) {
        let mut out = Vec::new();
        let peer = &mut self.peers[to].machine;
        peer.handle(self.now, input, &mut out).unwrap();
        self.take(to, out);
    }

    fn take(&mut self, of: usize, out: Vec<Output>) {
        let delivered = out.iter().any(|o| matches!(o, Output::Deliver(_)));
        for output in out {
            match output {
                Output::Send(link, sending) => self.send(of, link, sending),
                Output::Deliver(delivery) => self.peers[of].delivered(delivery),
                Output::FinalUpTo(key) => {
                    let peer = &mut self.peers[of];
                    assert!(peer.final_upto < Some(key), "what is final only rises");
                    peer.final_upto = Some(key);
                    peer.told.push(Output::FinalUpTo(key));
                }
                Output::Fault(link, fault) => {
                    self.cut_link(of, link);
                    self.peers[of].told.push(Output::Fault(link, fault));
                }
                told => self.peers[of].told.push(told),
            }
        }
        if delivered && self.store {
            let upto = self.peers[of].log.len() as u32;
            self.give(of, Input::Stored(Position(upto)));
        }
    }

    fn send(&mut self, of: usize, link: LinkId, sending: Sending) {
        let log = &self.peers[of].log;
        let bytes = |at: Position| Ok::<_, ()>(log[at.0 as usize].message.bytes().clone());
        if let Sending::Messages(tellings) = &sending {
            let whole = tellings
                .iter()
                .filter(|one| matches!(one, Telling::Whole(_)));
            (self.sent, self.whole) = (self.sent + tellings.len(), self.whole + whole.count());
        }
        let message = sending.into_message(bytes).unwrap();
        let end = self
            .ends
            .iter()
            .find(|((from, _), id)| *from == of && **id == link);
        if let Some((way, _)) = end {
            let way = *way;
            self.ways
                .entry(way)
                .or_default()
                .push_back(message.encode());
        }
    }

    fn cut_link(&mut self, of: usize, link: LinkId) {
        let end = self
            .ends
            .iter()
            .find(|((from, _), id)| *from == of && **id == link);
        if let Some(((a, b), _)) = end {
            let (a, b) = (*a, *b);
            self.cut(a, b);
        }
    }

    pub(super) fn link(&mut self, a: usize, b: usize) {
        for (from, to) in [(a, b), (b, a)] {
            self.last_link += 1;
            self.ends.insert((from, to), LinkId(self.last_link));
        }
        for way in [(a, b), (b, a)] {
            let link = self.ends[&way];
            self.give(way.0, Input::LinkUp(link));
            self.give(way.0, Input::Room(link, ROOM));
        }
    }

    pub(super) fn cut(&mut self, a: usize, b: usize) {
        for way in [(a, b), (b, a)] {
            self.ways.remove(&way);
            if let Some(link) = self.ends.remove(&way) {
                self.give(way.0, Input::LinkDown(link));
            }
        }
    }

    /// Lets the next thing come from one to another; gives whether there was one.
    pub(super) fn come(&mut self, from: usize, to: usize) -> bool {
        let Some(bytes) = self.ways.get_mut(&(from, to)).and_then(VecDeque::pop_front) else {
            return false;
        };
        let link = self.ends[&(to, from)];
        let message = LinkMessage::decode(&bytes).unwrap();
        let machine = &self.peers[to].machine;
        let heard = Heard::read(message, |digest| machine.knows(digest)).unwrap();
        self.give(to, Input::Heard(link, heard.unwrap()));
        true
    }

    /// Lets everything come.
    pub(super) fn flow(&mut self) {
        let mut rounds = 0;
        loop {
            let ways: Vec<_> = self.ways.keys().copied().collect();
            let mut came = false;
            for (from, to) in ways {
                came |= self.come(from, to);
            }
            if !came {
                return;
            }
            rounds += 1;
            assert!(rounds < 100_000, "peers do not fall silent");
        }
    }

    pub(super) fn pass(&mut self, time: Duration) {
        self.now += time;
        for peer in 0..self.peers.len() {
            self.give(peer, Input::Tick);
        }
    }

    /// Time passes as people see it: everything comes at once, and every deadline is kept.
    pub(super) fn live(&mut self, time: Duration) {
        let end = self.now + time;
        self.flow();
        while let Some(at) = self.peers.iter().filter_map(|p| p.machine.deadline()).min()
            && at <= end
        {
            let time = at.saturating_since(self.now);
            self.pass(time);
            self.flow();
        }
        self.now = end;
    }

    /// A stranger brings messages, over a link of its own.
    pub(super) fn bring(&mut self, to: usize, messages: &[&Arc<Signed>]) {
        self.last_link += 1;
        let link = LinkId(self.last_link);
        let new = |message: &&Arc<Signed>| Incoming::New(Arc::clone(message));
        let messages = messages.iter().map(new).collect();
        self.give(to, Input::LinkUp(link));
        self.give(to, Input::Heard(link, Heard::PageEnd { more: false }));
        self.give(to, Input::Heard(link, Heard::Messages(messages)));
        self.give(to, Input::LinkDown(link));
    }

    pub(super) fn say(&mut self, who: usize, text: &str) {
        let said = Input::Say {
            body: Body::All(text.to_owned()),
            sent_at: UnixMicros(0),
            foreign: None,
        };
        self.give(who, said);
    }

    /// History as texts, with the marks of late lines.
    pub(super) fn texts(&self, who: usize) -> Vec<String> {
        let peer = &self.peers[who];
        let lines = peer.machine.history().after(None, usize::MAX);
        let text = |(_, at): (HistoryKey, Position)| {
            let delivery = &peer.log[at.0 as usize];
            let Body::All(text) = &delivery.message.content().body else {
                panic!("tests speak to all");
            };
            match delivery.late {
                true => format!("{text} (late)"),
                false => text.clone(),
            }
        };
        lines.into_iter().map(text).collect()
    }

    /// Up to where lines are final, as texts.
    pub(super) fn final_texts(&self, who: usize) -> Vec<String> {
        let upto = self.peers[who].machine.final_upto();
        assert_eq!(upto, self.peers[who].final_upto);
        let lines = self.peers[who].machine.history().after(None, usize::MAX);
        let count = lines.iter().filter(|(key, _)| Some(*key) <= upto).count();
        self.texts(who)[..count].to_vec()
    }

    pub(super) fn told(&mut self, who: usize) -> Vec<Output> {
        std::mem::take(&mut self.peers[who].told)
    }

    #[track_caller]
    pub(super) fn assert_same(&self) {
        let keys = |who: usize| self.peers[who].machine.history().after(None, usize::MAX);
        let digests = |who| {
            keys(who)
                .into_iter()
                .map(|(key, _)| key)
                .collect::<Vec<_>>()
        };
        let first = digests(0);
        for who in 1..self.peers.len() {
            assert_eq!(digests(who), first, "peer {who} differs from peer 0");
        }
    }

    #[track_caller]
    pub(super) fn assert_no_fault(&self) {
        for (who, peer) in self.peers.iter().enumerate() {
            let fault = peer.told.iter().find(|o| matches!(o, Output::Fault(..)));
            assert_eq!(fault, None, "at peer {who}");
        }
    }
}

/// A message that somebody makes by hand.
pub(super) fn crafted(of: u8, change: impl FnOnce(&mut Content)) -> Arc<Signed> {
    let chain = lamparina_protocol::peer::Chain {
        author: author(of),
        incarnation: Incarnation(1),
    };
    let mut content = Content {
        name: MessageName { chain, n: 1 },
        prev: None,
        heads: Vec::new(),
        sent_at: UnixMicros(0),
        from: config(of, 1).name,
        addr: None,
        body: Body::All("crafted".to_owned()),
        foreign: None,
    };
    change(&mut content);
    Arc::new(Signed::sign(&identity(of), content).unwrap())
}
