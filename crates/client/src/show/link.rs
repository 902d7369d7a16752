//! `/link` and `/rtt` in lines of plain text: a head, and a table of names and values. What was not
//! measured, or does not exist over this carrier, is left out and never made up.

use std::fmt::Write;
use std::time::Duration;

use lamparina_protocol::link::{LinkStats, Repair, Terms};
use lamparina_transport::SocketOptions;

use super::{clean, units};
use crate::core::carrier::Carrier;
use crate::core::meter::{Reading, Word};
use crate::net::NetStatus;

/// Columns of a row's name.
const NAME_COLUMNS: usize = 12;

/// `/link`: how it is in a word, where it goes, and everything that is measured.
pub fn text(status: &NetStatus) -> String {
    let mut out = head(status);
    let Some(reading) = &status.reading else {
        return out;
    };
    let stats = &reading.stats;
    row(&mut out, "round trip", &round_trip(stats));
    if status.carrier == Some(Carrier::Udp) {
        row(&mut out, "loss", &loss(stats));
    }
    row(&mut out, "repair", &repairs(stats, status));
    if let Some(terms) = &status.terms {
        row(&mut out, "window", &window(stats, terms));
    }
    row(&mut out, "rate", &rate(reading));
    if !stats.phase.is_empty() {
        row(&mut out, "congestion", &congestion(stats));
    }
    row(&mut out, "frames", &frames(stats));
    row(&mut out, "bytes", &volume(stats));
    if let Some(socket) = &status.socket {
        row(&mut out, "kernel", &kernel(socket));
    }
    if let Some(channel) = &status.channel {
        row(&mut out, "channel", &channel.settings.to_string());
        row(&mut out, "  outward", &channel.outward.to_string());
        row(&mut out, "  inward", &channel.inward.to_string());
    }
    out
}

/// `/rtt`: the head, and the round trip.
pub fn rtt(status: &NetStatus) -> String {
    let mut out = head(status);
    if let Some(reading) = &status.reading {
        row(&mut out, "round trip", &round_trip(&reading.stats));
    }
    out
}

/// `good: udp to 127.0.0.1:5000, sealed`, or why there is none.
pub(super) fn head(status: &NetStatus) -> String {
    let word = word(status).name();
    let state = clean::line(&status.conversation.state);
    let mut out = match (&status.reading, status.carrier, peer(status)) {
        (Some(_), Some(carrier), Some(peer)) => {
            let sealed = match status.sealed {
                true => "sealed",
                false => "in clear",
            };
            format!("{word}: {} to {peer}, {sealed}", carrier.name())
        }
        _ => format!("{word}: there is no connection now ({state})"),
    };
    if let Some(reading) = &status.reading
        && reading.unanswered >= Duration::from_secs(1)
    {
        // Writing to a String does not fail.
        let _ = write!(out, "; no answer for {}", units::time(reading.unanswered));
    }
    out
}

/// How it is; silent where there is no connection.
pub(super) fn word(status: &NetStatus) -> Word {
    let reading = status.reading.as_ref();
    reading.map_or(Word::Silent, |reading| reading.word)
}

/// The other end's `HOST:PORT`.
pub(super) fn peer(status: &NetStatus) -> Option<&str> {
    let (_, peer) = status.ends.as_ref()?;
    Some(Carrier::of_address(peer).1)
}

fn row(out: &mut String, name: &str, value: &str) {
    // Writing to a String does not fail.
    let _ = write!(out, "\n{name:<NAME_COLUMNS$}{value}");
}

fn round_trip(stats: &LinkStats) -> String {
    let Some(rtt) = stats.rtt else {
        return format!("not measured yet; time-out {}", units::time(stats.rto));
    };
    let mut out = units::time(rtt);
    if let Some(variation) = stats.rtt_variation {
        let _ = write!(out, ", variation {}", units::time(variation));
    }
    if let Some(least) = stats.rtt_min {
        let _ = write!(out, ", least {}", units::time(least));
    }
    let _ = write!(out, "; time-out {}", units::time(stats.rto));
    out
}

fn loss(stats: &LinkStats) -> String {
    let way = |ppm: Option<u32>| ppm.map_or_else(|| "not measured yet".to_owned(), units::share);
    format!(
        "out {}, in {} lately; {} of {} datagrams lost, {} came late",
        way(stats.loss_out_ppm),
        way(stats.loss_in_ppm),
        units::count(stats.packets_lost),
        units::count(stats.packets_sent),
        units::count(stats.packets_spurious),
    )
}

fn repairs(stats: &LinkStats, status: &NetStatus) -> String {
    let mut out = format!("{} frames again", units::count(stats.retransmitted));
    match (status.carrier, &status.terms) {
        (Some(Carrier::Udp), _) => {
            let _ = write!(out, ", {} copies", units::count(stats.copies_sent));
        }
        // Datagrams are repaired one by one, always.
        (_, Some(terms)) => {
            let _ = write!(
                out,
                " ({}), {} NACKs out, {} in",
                repair(terms.repair),
                units::count(stats.nacks_sent),
                units::count(stats.nacks_received)
            );
        }
        _ => {}
    }
    let _ = write!(out, "; {} time-outs", units::count(stats.timeouts));
    out
}

fn window(stats: &LinkStats, terms: &Terms) -> String {
    let mut out = format!(
        "{} of {} frames, {} of {}",
        units::count(stats.in_flight_frames.into()),
        units::count(stats.window_frames.into()),
        units::bytes(stats.in_flight_bytes.into()),
        units::bytes(stats.window_bytes.into()),
    );
    if terms.bulk {
        let _ = write!(
            out,
            "; bulk {}",
            units::bytes(stats.bulk_in_flight_bytes.into())
        );
    }
    let _ = write!(
        out,
        "; {} a frame",
        units::bytes(terms.fragment_bytes.into())
    );
    out
}

/// How a window is repaired, as `--repair` and the books call it.
const fn repair(repair: Repair) -> &'static str {
    match repair {
        Repair::SelectiveRepeat => "selective repeat",
        Repair::GoBackN => "go-back-n",
    }
}

fn rate(reading: &Reading) -> String {
    let mut out = format!(
        "out {}, in {}",
        units::rate(reading.sent_bytes_per_s),
        units::rate(reading.received_bytes_per_s)
    );
    if let Some(most) = reading.stats.rate_bytes_per_s {
        let _ = write!(out, "; the line takes {}", units::rate(most));
    }
    out
}

pub(super) fn congestion(stats: &LinkStats) -> String {
    let in_flight = u64::from(stats.in_flight_bytes) + u64::from(stats.bulk_in_flight_bytes);
    format!(
        "{}; {} in flight, {} may be",
        stats.phase,
        units::bytes(in_flight),
        units::bytes(stats.congestion_bytes)
    )
}

/// What the system gave, in few words.
fn kernel(socket: &SocketOptions) -> String {
    let mut parts = Vec::new();
    if let Some(name) = &socket.congestion {
        parts.push(format!("congestion control {}", clean::line(name)));
    }
    if let Some(bytes) = socket.unsent_bytes {
        parts.push(format!("{} unsent at most", units::bytes(bytes.into())));
    }
    if let Some(timeout) = socket.user_timeout {
        parts.push(format!("{} s of patience", timeout.as_secs()));
    }
    match parts.is_empty() {
        true => "nothing but what is usual".to_owned(),
        false => parts.join("; "),
    }
}

fn frames(stats: &LinkStats) -> String {
    format!(
        "{} sent, {} received; {} damaged, {} duplicate, {} early",
        units::count(stats.frames_sent),
        units::count(stats.frames_received),
        units::count(stats.damaged),
        units::count(stats.duplicates),
        units::count(stats.early),
    )
}

fn volume(stats: &LinkStats) -> String {
    format!(
        "{} sent, {} received",
        units::bytes(stats.bytes_sent),
        units::bytes(stats.bytes_received)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::show::testing::{no_link, over_tcp, over_udp};

    #[test]
    fn golden_answers() {
        let mut waits = over_tcp();
        waits.sealed = false;
        if let Some(reading) = &mut waits.reading {
            reading.word = Word::Silent;
            reading.unanswered = Duration::from_millis(7_300);
        }
        let got = [over_udp(), over_tcp(), no_link()]
            .iter()
            .map(text)
            .chain([rtt(&waits), rtt(&no_link())])
            .collect::<Vec<_>>()
            .join("\n\n");
        assert_eq!(format!("{got}\n"), include_str!("link.golden"));
        let rows = text(&over_udp());
        assert!(rows.lines().count() <= 10, "it fits a small screen");
        let widest = got.lines().map(|row| row.chars().count()).max();
        assert!(widest <= Some(80), "{widest:?}");
    }
}
