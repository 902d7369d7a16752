//! The window at work: what was sent, what the channel did to it, how it was repaired.

use std::time::Duration;

use lamparina_impair::Stats;
use lamparina_protocol::link::LinkStats;

use super::script::PEOPLE;
use crate::net::NetStatus;

/// One person's link at the end.
pub type Seen = Option<NetStatus>;

/// A table: a row a person.
pub fn lines(people: &[Seen]) -> Vec<String> {
    let mut lines = vec![
        "the window at work (frames of each person's connection, both ways):".to_owned(),
        format!(
            "  {:<8}{:>9}{:>9}{:>8}{:>9}{:>9}{:>8}{:>11}{:>10}{:>8}{:>12}",
            "person",
            "sent",
            "received",
            "lost",
            "damaged",
            "doubled",
            "late",
            "sent again",
            "NACKs out",
            "in",
            "RTT"
        ),
    ];
    for (person, seen) in PEOPLE.iter().zip(people) {
        let Some((link, channel)) = seen
            .as_ref()
            .and_then(|seen| Some((seen.link?, seen.channel.as_ref()?)))
        else {
            lines.push(format!("  {person:<8} was not connected at the end"));
            continue;
        };
        lines.push(row(person, &link, channel.outward, channel.inward));
    }
    lines
}

fn row(person: &str, link: &LinkStats, outward: Stats, inward: Stats) -> String {
    let both = |of: fn(&Stats) -> u64| of(&outward) + of(&inward);
    format!(
        "  {person:<8}{:>9}{:>9}{:>8}{:>9}{:>9}{:>8}{:>11}{:>10}{:>8}{:>12}",
        link.frames_sent,
        link.frames_received,
        both(|stats| stats.lost),
        both(|stats| stats.damaged),
        both(|stats| stats.duplicated),
        both(|stats| stats.reordered),
        link.retransmitted,
        link.nacks_sent,
        link.nacks_received,
        link.rtt.map_or_else(|| "-".to_owned(), millis),
    )
}

fn millis(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1_000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_counts_both_ways() {
        let link = LinkStats {
            frames_sent: 120,
            frames_received: 99,
            retransmitted: 14,
            nacks_sent: 3,
            nacks_received: 4,
            rtt: Some(Duration::from_micros(31_250)),
            ..LinkStats::default()
        };
        let stats = Stats {
            lost: 10,
            damaged: 1,
            duplicated: 2,
            reordered: 5,
            ..Stats::default()
        };
        let expected = "  ana           120       99      20        2        4      10         14         3       4     31.2 ms";
        assert_eq!(row("ana", &link, stats, stats), expected);
    }

    #[test]
    fn who_is_not_connected_is_said() {
        let lines = lines(&[None, None, None]);
        assert_eq!(lines[2], "  ana      was not connected at the end");
    }
}
