//! Our side of the rendezvous: registered while we want to be, listed peers asked for at a pace that
//! all programs behind one address can keep together, and silence when it blocks us (rules 36 and 39).
//!
//! In: replies. Out: one request at a time, each on a connection of its own, and what it brought.

mod reply;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::time::Duration;

use lamparina_protocol::Instant;
use serde::Serialize;

use crate::ids::PeerId;
use crate::limits::RENDEZVOUS_PAUSE;
use crate::line;
use crate::random::{Random, SEED_BYTES, backoff};
use crate::record::Record;
use reply::Reply;

/// The first wait after a rendezvous could not be reached, at most, and each one, at most.
const RETRY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));
/// The default time between two DISCOVERs.
pub const DISCOVER_EVERY: Duration = Duration::from_secs(10);
/// The default `ttl`, in seconds.
pub const TTL_DEFAULT: u32 = 7_200;

/// What to register, and how often to ask.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Who we are.
    pub me: PeerId,
    /// The port on which we listen.
    pub port: u16,
    /// Seconds that a registration shall last.
    pub ttl: u32,
    /// The namespace whose peers are asked for regularly; `None`: all of them.
    pub namespace: Option<String>,
    /// Between two DISCOVERs, give or take a fifth.
    pub discover_every: Duration,
}

impl Settings {
    /// The defaults for a peer that listens on `port`.
    pub const fn new(me: PeerId, port: u16) -> Self {
        Self {
            me,
            port,
            ttl: TTL_DEFAULT,
            namespace: None,
            discover_every: DISCOVER_EVERY,
        }
    }
}

/// What happens.
#[derive(Clone, Copy, Debug)]
pub enum Input<'a> {
    /// The request was answered with these bytes, up to the first newline or the end of the stream; none
    /// where the stream ended or was reset at once.
    Reply(&'a [u8]),
    /// The rendezvous could not be reached, or did not answer within 10 s.
    Unreachable,
    /// Asks for the peers of one namespace (`None`: of all) as soon as may be, besides the regular ones.
    Discover {
        /// Which one.
        namespace: Option<&'a str>,
    },
    /// Takes the registration back, after what is under way. The last thing.
    Unregister,
    /// Time has passed.
    Tick,
}

/// What follows, in order.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// Connect, write this line, read until a newline or the end, close; then say [`Input::Reply`] or
    /// [`Input::Unreachable`]. There is never more than one at a time.
    Request(String),
    /// We are registered, for so many seconds.
    Registered {
        /// Where, as the rendezvous sees it; it tells the peers on our machine.
        own: Option<SocketAddr>,
        /// Seconds.
        ttl: u64,
    },
    /// These peers are registered.
    Discovered {
        /// The records that can be dialled, our own among them.
        records: Vec<Record>,
        /// Of which namespace alone; `None`: of all.
        namespace: Option<String>,
    },
    /// We cannot be registered as we want; nothing is tried any more.
    Refused {
        /// Why, and what to do.
        words: String,
    },
    /// Something failed that is tried again.
    Failed {
        /// What.
        words: String,
        /// When.
        again_in: Duration,
    },
    /// The rendezvous blocks us, or seems to: it is left alone for so long.
    Blocked {
        /// What it said, or what it did.
        words: String,
        /// How long.
        wait: Duration,
    },
    /// The registration was taken back, or will run out by itself where it could not be: the last output.
    Done {
        /// Whether it was taken back.
        unregistered: bool,
    },
}

/// The client of one rendezvous.
#[derive(Clone, Debug)]
pub struct Registration {
    settings: Settings,
    random: Random,
    /// When to register again; `None` where we are not registered.
    renew: Option<Instant>,
    discover: Instant,
    /// Asked for besides: of a namespace, or of all.
    asked: Option<Option<String>>,
    /// Nothing is requested before.
    not_before: Instant,
    /// That is because it blocks us, or cannot be reached.
    away: bool,
    under_way: Option<Kind>,
    failed: u32,
    phase: Phase,
}

#[derive(Clone, Debug, Eq, PartialEq)]
enum Kind {
    Register,
    Discover(Option<String>),
    Unregister,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Phase {
    Running,
    Refused,
    Leaving,
    Done,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "UPPERCASE")]
enum Request<'a> {
    Register {
        namespace: &'a str,
        name: &'a str,
        port: u16,
        ttl: u32,
    },
    Discover {
        #[serde(skip_serializing_if = "Option::is_none")]
        namespace: Option<&'a str>,
    },
    Unregister {
        namespace: &'a str,
        name: &'a str,
        port: u16,
    },
}

impl Registration {
    /// Registers at the first [`Input::Tick`]; `seed` is random and used once.
    pub const fn new(settings: Settings, seed: [u8; SEED_BYTES], now: Instant) -> Self {
        Self {
            settings,
            random: Random::new(seed),
            renew: None,
            discover: now,
            asked: None,
            not_before: now,
            away: false,
            under_way: None,
            failed: 0,
            phase: Phase::Running,
        }
    }

    /// Applies one input. Whatever must happen next is pushed to `out`, in order.
    pub fn handle(&mut self, now: Instant, input: Input<'_>, out: &mut Vec<Output>) {
        match input {
            Input::Reply(bytes) => self.replied(now, bytes, out),
            Input::Unreachable => {
                if self.under_way.is_some() {
                    let words = "the rendezvous cannot be reached, or does not answer";
                    self.try_again(now, words.to_owned(), out);
                }
            }
            Input::Discover { namespace } => self.asked = Some(namespace.map(str::to_owned)),
            Input::Unregister => {
                if self.phase != Phase::Done {
                    self.phase = Phase::Leaving;
                }
            }
            Input::Tick => {}
        }
        self.request(now, out);
    }

    /// When to call again with [`Input::Tick`]; `None` while a reply is waited for, and at the end.
    pub fn deadline(&self) -> Option<Instant> {
        if self.under_way.is_some() {
            return None;
        }
        let wanted = match self.phase {
            Phase::Refused | Phase::Done => return None,
            Phase::Leaving => return Some(Instant::ZERO),
            Phase::Running => match (self.renew, &self.asked) {
                (None, _) | (_, Some(_)) => Instant::ZERO,
                (Some(renew), None) => renew.min(self.discover),
            },
        };
        Some(wanted.max(self.not_before))
    }

    /// Whether the rendezvous lists us, as far as we know.
    pub const fn is_registered(&self) -> bool {
        self.renew.is_some()
    }

    fn request(&mut self, now: Instant, out: &mut Vec<Output>) {
        if self.under_way.is_some() {
            return;
        }
        let kind = match self.phase {
            Phase::Refused | Phase::Done => return,
            // A block, or a rendezvous that is away, does not hold up who leaves.
            Phase::Leaving if self.renew.is_none() || self.away => {
                return self.done(false, out);
            }
            Phase::Leaving => Kind::Unregister,
            Phase::Running if now < self.not_before => return,
            Phase::Running => match self.wanted(now) {
                Some(kind) => kind,
                None => return,
            },
        };
        let line = self.line(&kind);
        self.under_way = Some(kind);
        out.push(Output::Request(line));
    }

    fn wanted(&mut self, now: Instant) -> Option<Kind> {
        if self.renew.is_none_or(|renew| renew <= now) {
            return Some(Kind::Register);
        }
        if let Some(namespace) = self.asked.take() {
            return Some(Kind::Discover(namespace));
        }
        (self.discover <= now).then(|| Kind::Discover(self.settings.namespace.clone()))
    }

    fn line(&self, kind: &Kind) -> String {
        let Settings { me, port, ttl, .. } = &self.settings;
        let (namespace, name, port, ttl) = (me.namespace(), me.name(), *port, *ttl);
        line::write_long(&match kind {
            Kind::Register => Request::Register {
                namespace,
                name,
                port,
                ttl,
            },
            Kind::Discover(namespace) => Request::Discover {
                namespace: namespace.as_deref(),
            },
            Kind::Unregister => Request::Unregister {
                namespace,
                name,
                port,
            },
        })
    }

    fn replied(&mut self, now: Instant, bytes: &[u8], out: &mut Vec<Output>) {
        let Some(kind) = self.under_way.clone() else {
            return;
        };
        let reply = reply::read(bytes);
        if kind == Kind::Unregister {
            self.under_way = None;
            return self.done(matches!(reply, Reply::Ok(_)), out);
        }
        match reply {
            Reply::Blocked(wait, words) => {
                self.under_way = None;
                (self.away, self.not_before) = (true, now + wait);
                out.push(Output::Blocked { words, wait });
            }
            Reply::Foreign(why) => self.try_again(now, format!("the rendezvous: {why}"), out),
            Reply::Error(words) => self.error(now, &kind, &words, out),
            Reply::Ok(reply) => {
                self.under_way = None;
                self.failed = 0;
                (self.away, self.not_before) = (false, now + RENDEZVOUS_PAUSE);
                match kind {
                    Kind::Discover(namespace) => {
                        self.discover_later(now);
                        let records = reply::records(&reply);
                        out.push(Output::Discovered { records, namespace });
                    }
                    _ => {
                        let asked = u64::from(self.settings.ttl);
                        let ttl = reply::ttl(&reply).unwrap_or(asked);
                        let own = reply::own(&reply, self.settings.port);
                        let renew = Duration::from_millis(ttl.saturating_mul(900));
                        self.renew = Some(now + renew);
                        out.push(Output::Registered { own, ttl });
                    }
                }
            }
        }
    }

    /// The next DISCOVER in about an interval: not all at the same time.
    fn discover_later(&mut self, now: Instant) {
        let every = self.settings.discover_every;
        let wait = self.random.between(every * 4 / 5, every * 6 / 5);
        self.discover = now + wait;
    }

    fn error(&mut self, now: Instant, kind: &Kind, words: &str, out: &mut Vec<Output>) {
        let fix = match (kind, words) {
            (Kind::Register, "bad_name") => "choose another name, of 1 to 64 characters",
            (Kind::Register, "bad_namespace") => "choose another namespace, of 1 to 64 characters",
            (Kind::Register, "bad_port") => "listen on a port from 1 to 65535",
            (Kind::Register, "bad_ttl") => "choose another --ttl, of 1 to 86400 seconds",
            (Kind::Discover(_), "peer_not_registered") => {
                // It has forgotten us: first things first, but not in a loop.
                self.renew = None;
                let words = "the rendezvous does not know us any more".to_owned();
                return self.try_again(now, words, out);
            }
            _ => {
                let words = format!("the rendezvous says: {words}");
                return self.try_again(now, words, out);
            }
        };
        self.under_way = None;
        self.phase = match self.phase {
            Phase::Running => Phase::Refused,
            other => other,
        };
        let words = format!("the rendezvous refuses us ({words}): {fix}");
        out.push(Output::Refused { words });
    }

    fn try_again(&mut self, now: Instant, words: String, out: &mut Vec<Output>) {
        if self.under_way.take() == Some(Kind::Unregister) {
            return self.done(false, out);
        }
        let (first, most) = RETRY;
        let again_in = backoff(&mut self.random, self.failed, first, most);
        self.failed = self.failed.saturating_add(1);
        (self.away, self.not_before) = (true, now + again_in);
        out.push(Output::Failed { words, again_in });
    }

    fn done(&mut self, unregistered: bool, out: &mut Vec<Output>) {
        self.phase = Phase::Done;
        self.renew = None;
        out.push(Output::Done { unregistered });
    }
}
