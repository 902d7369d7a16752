//! What is raced: each case is one scenario, run for each contender and seed, and gives a figure for
//! each of its rows.
//!
//! | module | scenarios |
//! |---|---|
//! | `list` | all cases, with goals and the figures that existing transports reached elsewhere |
//! | `bulk` | one big transfer; the share of a line beside another flow |
//! | `chat` | small messages alone, beside bulk, and in turns over a slow line |
//! | `flips` | everything over a line that flips bits |
//! | `cpu` | real time for a KiB: the only figures that are not the same in every run |

mod bulk;
mod chat;
mod cpu;
mod flips;
mod list;

pub use list::{all, find};

use std::time::Duration;

use crate::ends::Congestion;
use crate::ends::Contender;
use crate::road::Line;

/// A column of the table.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Column {
    /// Our link.
    Ours,
    /// QUIC with CUBIC.
    QuicCubic,
    /// QUIC with BBR.
    QuicBbr,
    /// KCP in turbo mode.
    Kcp,
    /// The limit of repair by asking.
    Oracle,
}

impl Column {
    /// All, in the order of the table.
    pub const ALL: [Self; 5] = [
        Self::Ours,
        Self::QuicCubic,
        Self::QuicBbr,
        Self::Kcp,
        Self::Oracle,
    ];

    /// As on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ours => "ours",
            Self::QuicCubic => "quic-cubic",
            Self::QuicBbr => "quic-bbr",
            Self::Kcp => "kcp",
            Self::Oracle => "oracle",
        }
    }
}

/// What a figure should be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Goal {
    /// This or more.
    AtLeast(f64),
    /// This or less.
    AtMost(f64),
    /// Neither less nor more.
    Between(f64, f64),
}

/// One row of the table.
#[derive(Clone, Debug)]
pub struct Row {
    /// What the figure is.
    pub label: String,
    /// Digits behind the point.
    pub digits: usize,
    /// For our link.
    pub goal: Option<Goal>,
    /// What QUIC with CUBIC, with BBR, and KCP reached on the simulator that the goals come from.
    pub reference: [Option<f64>; 3],
    /// What the ideal reached there.
    pub oracle: Option<f64>,
}

/// What happens in a case.
#[derive(Clone, Debug)]
pub enum Scenario {
    /// A transfer of so many bytes; gives its share of `capacity_bits * (1 - loss)`, and bytes on the
    /// wire for each byte of payload, times `1 - loss`.
    Bulk {
        /// Bytes of all messages.
        bytes: u64,
        /// Bits a second of the line.
        capacity_bits: f64,
        /// Share of datagrams lost by chance.
        loss: f64,
    },
    /// Messages of 200 bytes; gives the p99 of their delays in milliseconds, and bytes on the
    /// wire for each byte of payload.
    Chat {
        /// Time between two.
        every: Duration,
        /// One way, for the ideal.
        one_way: Duration,
    },
    /// Chat beside 1 MiB every 10 s; gives the p99 of the small ones and the p50 of the big ones.
    Mixed,
    /// Bulk beside one flow of QUIC with CUBIC; gives our percent of what both delivered.
    Share {
        /// Whether the contender begins before the other, or after it.
        first: bool,
    },
    /// Chat and bulk over a line that flips bits; gives the percent that came whole, and how many came
    /// damaged or twice.
    Flips,
    /// A conversation over a slow line; gives messages delivered, the time of half of them and of the
    /// slowest in seconds, and bytes on the wire.
    Slow,
    /// Nanoseconds of the processor for each KiB, sender and receiver.
    Cpu,
}

/// A case.
#[derive(Clone, Debug)]
pub struct Case {
    /// As on the command line.
    pub name: String,
    /// One for each figure of the scenario.
    pub rows: Vec<Row>,
    /// The line.
    pub line: Line,
    /// What happens on it.
    pub scenario: Scenario,
    /// Whether our frames may leave unasked more than once.
    pub copies: bool,
    /// Whether QUIC has a stream of its own for bulk.
    pub two_streams: bool,
    /// KCP's window, in segments.
    pub kcp_window: u16,
    /// Who takes part.
    pub columns: Vec<Column>,
}

/// How much of it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Effort {
    /// Less of everything.
    pub quick: bool,
    /// Samples of our link.
    pub trace: bool,
}

/// What one run gave.
#[derive(Clone, Debug, Default)]
pub struct Ran {
    /// A figure for each row; not a number where there is none.
    pub values: Vec<f64>,
    /// What else is to be said, for people.
    pub notes: Vec<String>,
    /// Samples, where they were asked for.
    pub trace: Option<String>,
}

impl Case {
    /// The transport that stands in `column` here; none for the ideal.
    pub fn contender(&self, column: Column) -> Option<Contender> {
        let quic = |congestion| Contender::Quic {
            congestion,
            two_streams: self.two_streams,
        };
        match (column, &self.scenario) {
            (Column::Ours, Scenario::Slow) => Some(Contender::OursSlow),
            (Column::Ours, _) => Some(Contender::Ours {
                copies: self.copies,
            }),
            (Column::QuicCubic, _) => Some(quic(Congestion::Cubic)),
            (Column::QuicBbr, _) => Some(quic(Congestion::Bbr)),
            (Column::Kcp, _) => Some(Contender::Kcp {
                window: self.kcp_window,
            }),
            (Column::Oracle, _) => None,
        }
    }

    /// Runs the case once.
    pub fn run(&self, column: Column, seed: u64, effort: Effort) -> Ran {
        let Some(contender) = self.contender(column) else {
            return chat::ideal(self, seed, effort);
        };
        match self.scenario {
            Scenario::Bulk {
                bytes,
                capacity_bits,
                loss,
            } => bulk::transfer(
                self,
                contender,
                seed,
                effort,
                bytes,
                capacity_bits * (1.0 - loss),
            ),
            Scenario::Share { first } => bulk::share(self, contender, seed, effort, first),
            Scenario::Chat { every, .. } => chat::alone(self, contender, seed, effort, every),
            Scenario::Mixed => chat::beside_bulk(self, contender, seed, effort),
            Scenario::Slow => chat::in_turns(self, contender, seed, effort),
            Scenario::Flips => flips::run(self, contender, seed, effort),
            Scenario::Cpu => cpu::run(self, contender, seed, effort),
        }
    }
}
