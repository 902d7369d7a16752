//! Two links over datagrams, and a bad line between them in virtual time: a fifth is lost, some come
//! twice, damaged or out of their order, and every message comes once and in order. The same each run.
//!
//! `cargo run -p lamparina-protocol --example impaired -- loss=40%,delay=200ms,seed=3`

use std::error::Error;

use bytes::Bytes;
use lamparina_impair::{Direction, Impaired, Settings};
use lamparina_protocol::Instant;
use lamparina_protocol::control::CloseCode;
use lamparina_protocol::datagram::{ConnectionId, DatagramConfig};
use lamparina_protocol::frame::FrameType;
use lamparina_protocol::link::{CloseReason, Event, Input, Link, LinkConfig, Outgoing, Output};

/// Messages that the caller says.
const MESSAGES: u32 = 200;

/// One end, the way that leads to it, and what came.
struct End {
    link: Link,
    way: Impaired,
    /// What has come by it and is not read.
    came: Vec<Bytes>,
    heard: Vec<u32>,
    closed: Option<CloseReason>,
}

impl End {
    fn new(link: Link, number: u64, way: Settings) -> Self {
        let datagrams = DatagramConfig::new(ConnectionId(7), number);
        Self {
            link: link.over_datagrams(datagrams),
            way: Impaired::new(way, false),
            came: Vec::new(),
            heard: Vec::new(),
            closed: None,
        }
    }

    /// When something happens here next.
    fn next(&self) -> Option<Instant> {
        let both = [self.link.deadline(), self.way.deadline()];
        both.into_iter().flatten().min()
    }

    /// Gives the link an input; gives the datagrams that leave.
    fn give(&mut self, now: Instant, input: Input) -> Result<Vec<Bytes>, Box<dyn Error>> {
        let mut out = Output::default();
        self.link.handle(now, input, &mut out)?;
        while !out.events.is_empty() {
            for event in std::mem::take(&mut out.events) {
                match event {
                    Event::Asked { .. } => {
                        let welcome = Bytes::new();
                        self.link.handle(now, Input::Accept { welcome }, &mut out)?;
                    }
                    Event::Received { body, .. } => {
                        let number = body.first_chunk().ok_or("a message has its number")?;
                        self.heard.push(u32::from_be_bytes(*number));
                    }
                    Event::Closed(reason) => self.closed = Some(reason),
                    Event::Opened { .. } | Event::PeerClosing { .. } | Event::Proven { .. } => {}
                }
            }
        }
        Ok(out.wire)
    }
}

/// Talks over a line of these settings until both ends have ended; `say` is told what became of it.
///
/// # Errors
///
/// Settings that cannot be read; a message that came twice, not, or out of its order.
pub(crate) fn run(settings: &str, say: &mut dyn FnMut(String)) -> Result<(), Box<dyn Error>> {
    let settings: Settings = settings.parse()?;
    let config = LinkConfig::new(1);
    let mut now = Instant::ZERO;
    let calls = Link::initiate(config.clone(), Bytes::new(), now);
    let answers = Link::respond(config, now);
    let mut ends = [
        End::new(calls, 1, settings.for_direction(Direction::Down)),
        End::new(answers, 2, settings.for_direction(Direction::Up)),
    ];
    let (mut said, mut closing) = (0, false);
    while ends.iter().any(|end| end.closed.is_none()) {
        for at in 0..2 {
            let end = &mut ends[at];
            end.way
                .handle(now, lamparina_impair::Input::Tick, &mut end.came);
            let mut leave = Vec::new();
            for datagram in std::mem::take(&mut end.came) {
                leave.extend(ends[at].give(now, Input::Datagram(datagram))?);
            }
            if ends[at].link.deadline().is_some_and(|due| due <= now) {
                leave.extend(ends[at].give(now, Input::Tick)?);
            }
            if at == 0 && !closing {
                while said < MESSAGES && ends[0].link.has_room() {
                    let body = Bytes::copy_from_slice(&said.to_be_bytes());
                    ends[0]
                        .link
                        .send(now, &Outgoing::own(FrameType::Data, body))?;
                    said += 1;
                }
                let mut out = Output::default();
                ends[0].link.flush(now, &mut out);
                leave.append(&mut out.wire);
                if said == MESSAGES {
                    closing = true;
                    let (code, text) = (CloseCode::Goodbye, String::new());
                    leave.extend(ends[0].give(now, Input::Close { code, text })?);
                }
            }
            let other = &mut ends[1 - at];
            for datagram in leave {
                let input = lamparina_impair::Input::Frame(datagram);
                other.way.handle(now, input, &mut other.came);
            }
        }
        if ends.iter().any(|end| !end.came.is_empty()) {
            continue;
        }
        let next = ends.iter().filter_map(End::next).min();
        now = next.unwrap_or(now).max(now);
    }
    let whole: Vec<u32> = (0..MESSAGES).collect();
    if ends[1].heard != whole {
        return Err(format!("this is not what was said: {:?}", ends[1].heard).into());
    }
    say(format!(
        "{MESSAGES} messages, each once and in order, after {now}"
    ));
    for (end, name) in ends.iter().zip(["to the caller", "to the called"]) {
        say(format!("{name}: {}", end.way.stats()));
        say(format!("{name}: ended {:?}", end.closed));
    }
    Ok(())
}

#[allow(dead_code, reason = "a test runs it by `run`")]
fn main() -> Result<(), Box<dyn Error>> {
    let usual = "loss=20%,dup=5%,corrupt=2%,delay=40ms,jitter=20ms,seed=7";
    let settings = std::env::args().nth(1).unwrap_or_else(|| usual.to_owned());
    run(&settings, &mut |line| println!("{line}"))
}
