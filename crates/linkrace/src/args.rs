//! The command line.

use std::path::PathBuf;

use clap::{Parser, ValueEnum};

use crate::cases::Column;

const EXAMPLES: &str = "\
Examples:
  lamparina-linkrace                                 all cases and transports, 5 seeds
  lamparina-linkrace --goals                         the same beside what should be reached
  lamparina-linkrace --list                          names of all cases
  lamparina-linkrace bulk-20 chat --only ours --quick --goals
  lamparina-linkrace bulk-20 --only ours --seeds 1 --trace /tmp/bulk.csv -v
  lamparina-linkrace share --only ours,quic-bbr --json

Everything happens in virtual time over a simulated line: a bottleneck with a drop-tail
queue of one bandwidth-delay product, then losses, damage and delay, the same both ways.
The same seed gives the same run on every machine, with two exceptions: `cpu` measures
real time, and quinn's BBR draws where its probing begins from the system's randomness.

What the figures mean:
  share     payload a second, from the first byte sent after opening to the last byte
            delivered, of what the line can carry: capacity x (1 - loss), headers included
  wire      bytes from sender to bottleneck, 28 for IP and UDP of each datagram included,
            for each byte of payload, times (1 - loss)
  chat      200 bytes each, wanted at times by chance, independent of each other
  p99 ms    from when somebody wants to send a message until it comes, in order; after a
            warm-up of 2 s
  beside    of the bytes that both flows delivered in 70 s
Figures are means over the seeds; `-` where a transport did not deliver all of it.";

/// Runs our link, QUIC and KCP over the same bad lines.
#[derive(Debug, Parser)]
#[command(name = "lamparina-linkrace", version, after_help = EXAMPLES)]
pub(crate) struct Cli {
    /// Cases: a name, or the beginning of names before a hyphen [default: all].
    #[arg(value_name = "CASE")]
    pub(crate) cases: Vec<String>,
    /// Prints the names of all cases, and what they measure.
    #[arg(long)]
    pub(crate) list: bool,
    /// Runs of each case, with seeds one after another [default: 5; 2 with --quick].
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=1_000))]
    pub(crate) seeds: Option<u64>,
    /// The first seed.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Only these.
    #[arg(long, value_enum, value_delimiter = ',')]
    pub(crate) only: Vec<Racer>,
    /// Fewer messages and shorter runs; good enough to see where it goes.
    #[arg(long)]
    pub(crate) quick: bool,
    /// One JSON object a line in place of a table.
    #[arg(long)]
    pub(crate) json: bool,
    /// Beside each figure what should be reached; for others what they reached elsewhere.
    #[arg(long)]
    pub(crate) goals: bool,
    /// Says on stderr what each run did.
    #[arg(long, short)]
    pub(crate) verbose: bool,
    /// Writes what our link did, every 10 ms of the first run of the first case (CSV).
    #[arg(long, value_name = "FILE")]
    pub(crate) trace: Option<PathBuf>,
}

/// Who may race.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum Racer {
    /// Our link.
    Ours,
    /// QUIC with CUBIC, by quinn-proto.
    QuicCubic,
    /// QUIC with BBR, by quinn-proto.
    QuicBbr,
    /// KCP in its turbo mode.
    Kcp,
    /// The limit of repair by asking.
    Oracle,
}

impl Racer {
    pub(crate) const fn column(self) -> Column {
        match self {
            Self::Ours => Column::Ours,
            Self::QuicCubic => Column::QuicCubic,
            Self::QuicBbr => Column::QuicBbr,
            Self::Kcp => Column::Kcp,
            Self::Oracle => Column::Oracle,
        }
    }
}

impl Cli {
    pub(crate) fn seeds(&self) -> u64 {
        self.seeds.unwrap_or(if self.quick { 2 } else { 5 })
    }

    /// The columns of the table.
    pub(crate) fn columns(&self) -> Vec<Column> {
        let mut columns = Column::ALL.to_vec();
        if !self.only.is_empty() {
            columns.retain(|column| self.only.iter().any(|racer| racer.column() == *column));
        }
        columns
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
        let cli = Cli::parse_from(["x", "chat", "--only", "kcp,ours", "--quick"]);
        assert_eq!(cli.columns(), [Column::Ours, Column::Kcp]);
        assert_eq!(cli.seeds(), 2);
    }
}
