//! Two links in memory, over streams, sealed: the loop that every shell writes, without sockets, clocks
//! or threads. What one gives to send is what the other gets.
//!
//! `cargo run -p lamparina-protocol --example memory`

use std::error::Error;

use bytes::Bytes;
use lamparina_protocol::Instant;
use lamparina_protocol::control::CloseCode;
use lamparina_protocol::frame::FrameType;
use lamparina_protocol::link::{Event, Input, Link, LinkConfig, Outgoing, Output};
use lamparina_protocol::seal::{IdentityKey, LinkKeys, PublicKey, SEED_BYTES, Transport};

/// One end: a link, and what it is called.
struct End {
    name: &'static str,
    link: Link,
    out: Output,
}

impl End {
    /// Gives the link an input and answers its events; gives what is to be sent.
    fn give(
        &mut self,
        now: Instant,
        input: Input,
        trusted: PublicKey,
        say: &mut dyn FnMut(String),
    ) -> Result<Vec<Bytes>, Box<dyn Error>> {
        self.link.handle(now, input, &mut self.out)?;
        // An answer may bring further events.
        while !self.out.events.is_empty() {
            for event in std::mem::take(&mut self.out.events) {
                let answer = match event {
                    // The one that called is asked whether it trusts whom it reached.
                    Event::Proven { server } if server == trusted => Some(Input::Trust),
                    Event::Proven { .. } => Some(Input::Abort {
                        code: CloseCode::Unproven,
                        text: "somebody else answers".to_owned(),
                    }),
                    // The one that was called says whether it takes the call.
                    Event::Asked { .. } => Some(Input::Accept {
                        welcome: Bytes::from_static(b"welcome"),
                    }),
                    Event::Opened { words, .. } => {
                        let words = String::from_utf8_lossy(&words);
                        say(format!("{} is open and was told {words:?}", self.name));
                        None
                    }
                    Event::Received { body, .. } => {
                        let text = String::from_utf8_lossy(&body);
                        say(format!("{} hears {text:?}", self.name));
                        None
                    }
                    Event::PeerClosing { .. } => None,
                    Event::Closed(reason) => {
                        say(format!("{} has ended: {reason:?}", self.name));
                        None
                    }
                };
                if let Some(answer) = answer {
                    self.link.handle(now, answer, &mut self.out)?;
                }
            }
        }
        Ok(std::mem::take(&mut self.out.wire))
    }
}

fn end(name: &'static str, number: u8, link: Link) -> End {
    // Of a real one both seeds come from the system's randomness; the first is kept, the second is new
    // for each connection.
    let identity = IdentityKey::from_seed(&[number; 32]);
    let keys = LinkKeys::new(identity, [number; SEED_BYTES], Transport::Tcp);
    End {
        name,
        link: link.sealed(keys),
        out: Output::default(),
    }
}

/// Two ends talk until both have ended; `say` is told what happens.
///
/// # Errors
///
/// An input that has no place, which would be a mistake in this file.
pub(crate) fn run(say: &mut dyn FnMut(String)) -> Result<(), Box<dyn Error>> {
    let mut now = Instant::ZERO;
    let config = LinkConfig::new(1);
    let calls = Link::initiate(config.clone(), Bytes::from_static(b"hello"), now);
    let answers = Link::respond(config, now);
    let trusted = IdentityKey::from_seed(&[2; 32]).public();
    let mut ends = [end("ana", 1, calls), end("bob", 2, answers)];
    let mut said = false;
    // What is on its way to each end.
    let mut ways: [Vec<Bytes>; 2] = Default::default();
    while ends.iter().any(|end| end.link.state() != "closed") {
        for at in 0..2 {
            let mut wire = Vec::new();
            for bytes in std::mem::take(&mut ways[at]) {
                wire.extend(ends[at].give(now, Input::Bytes(bytes), trusted, say)?);
            }
            wire.extend(ends[at].give(now, Input::Tick, trusted, say)?);
            if at == 0 && !said && ends[0].link.has_room() {
                said = true;
                for text in ["one", "two", "three"] {
                    let message = Outgoing::own(FrameType::Data, Bytes::from(text));
                    ends[0].link.send(now, &message)?;
                }
                let close = Input::Close {
                    code: CloseCode::Goodbye,
                    text: "done".to_owned(),
                };
                wire.extend(ends[0].give(now, close, trusted, say)?);
            }
            ways[1 - at].extend(wire);
        }
        if ways.iter().all(Vec::is_empty) {
            // Nothing is under way: time goes on to whatever is due next.
            let deadlines = ends.iter().filter_map(|end| end.link.deadline());
            now = deadlines.min().unwrap_or(now).max(now);
        }
    }
    Ok(())
}

#[allow(dead_code, reason = "a test runs it by `run`")]
fn main() -> Result<(), Box<dyn Error>> {
    run(&mut |line| println!("{line}"))
}
