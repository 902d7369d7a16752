//! Attacks on a real server over loopback. Each is a story that ends in a [`Report`]: what was done,
//! and for each bound what was measured and whether it held.
//!
//! A bound is *counted* (so many came in, so many texts were delivered, so many bytes were taken) or
//! *timed*. The suite runs every attack in its [`Size::Quick`] and demands what is counted;
//! `lamparina-attack` runs them at full size and demands both.
//!
//! | module | attacks |
//! |---|---|
//! | [`crowd`] | slow-loris connections, a flood of handshakes, peers that never read |
//! | [`frames`] | reassembly, window, acknowledgements, NACKs, PINGs |
//! | [`order`] | poisoned clocks, races for nicks |
//! | [`middle`] | bytes changed, cut, repeated on the way; downgrades |
//! | [`sinks`] | what is written into the log |
//! | [`doors`] | guessed codes and passwords, the operators' socket |
//! | [`healthy`] | the clients beside an attack, who must not feel it |

use std::fmt;

pub mod crowd;
pub mod doors;
pub mod frames;
pub mod healthy;
pub mod middle;
pub mod order;
pub mod sinks;

/// How much of an attack.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Size {
    /// A few seconds, for the suite.
    Quick,
    /// All of it.
    Full,
}

impl Size {
    /// One of two numbers.
    pub const fn of(self, quick: usize, full: usize) -> usize {
        match self {
            Self::Quick => quick,
            Self::Full => full,
        }
    }
}

/// What one attack showed.
#[derive(Clone, Debug)]
pub struct Report {
    /// The attack.
    pub name: &'static str,
    /// What was done.
    pub did: String,
    /// What came of it.
    pub bounds: Vec<Bound>,
}

/// One bound of a report.
#[derive(Clone, Debug)]
pub struct Bound {
    /// What must hold, in words.
    pub what: String,
    /// What was measured.
    pub measured: String,
    /// Whether it held.
    pub held: bool,
    /// It was measured by the clock, which a busy machine turns.
    pub timed: bool,
}

impl Report {
    fn new(name: &'static str, did: impl Into<String>) -> Self {
        Self {
            name,
            did: did.into(),
            bounds: Vec::new(),
        }
    }

    fn counted(&mut self, what: impl Into<String>, measured: impl fmt::Display, held: bool) {
        self.bound(what.into(), measured.to_string(), held, false);
    }

    fn timed(&mut self, what: impl Into<String>, measured: impl fmt::Display, held: bool) {
        self.bound(what.into(), measured.to_string(), held, true);
    }

    fn bound(&mut self, what: String, measured: String, held: bool, timed: bool) {
        self.bounds.push(Bound {
            what,
            measured,
            held,
            timed,
        });
    }

    /// Whether every bound held; `timed` ones too where they count.
    pub fn held(&self, timed: bool) -> bool {
        self.bounds
            .iter()
            .all(|bound| bound.held || (bound.timed && !timed))
    }
}

impl fmt::Display for Report {
    /// One line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name, self.did)?;
        for bound in &self.bounds {
            let held = if bound.held { "held" } else { "NOT HELD" };
            write!(f, "; {}: {} ({held})", bound.what, bound.measured)?;
        }
        Ok(())
    }
}

/// An attack that can be run.
#[derive(Clone, Copy, Debug)]
pub struct Attack {
    /// What it is called.
    pub name: &'static str,
    /// What it does.
    pub about: &'static str,
    /// Runs it.
    pub run: fn(Size) -> Report,
}

/// All attacks.
pub const ATTACKS: &[Attack] = &[
    Attack {
        name: "loris",
        about: "10,000 connections that say nothing, half a SYN, or a byte now and then",
        run: crowd::loris,
    },
    Attack {
        name: "handshakes",
        about: "SYNs, sealed, from many connections and addresses, as fast as they can be sent",
        run: crowd::handshakes,
    },
    Attack {
        name: "deaf",
        about: "peers that enter, sealed and in clear, and never read",
        run: crowd::deaf,
    },
    Attack {
        name: "window",
        about: "endless messages, holes, places beyond the window, floods of ACK, NACK and PING",
        run: frames::window,
    },
    Attack {
        name: "clock",
        about: "clocks at the end of time, ahead of the order, and causes that do not exist",
        run: order::clock,
    },
    Attack {
        name: "nicks",
        about: "two keys claim one nick at once; look-alikes, former nicks, one's own again",
        run: order::nicks,
    },
    Attack {
        name: "middle",
        about: "every byte of a sealed conversation flipped, cut off, repeated, replayed",
        run: middle::tamper,
    },
    Attack {
        name: "downgrade",
        about: "flags and terms of SYN and SYN_ACK changed on the way, with good checksums",
        run: middle::downgrade,
    },
    Attack {
        name: "log",
        about: "names, rooms, texts and goodbyes that are made to break lines of the log",
        run: sinks::log,
    },
    Attack {
        name: "doors",
        about: "guessed codes and passwords, and an operators' socket that is held open",
        run: doors::doors,
    },
];
