//! Answers to commands, in lines of plain text. Remote text is cleaned.

use std::fmt::Write;

use lamparina_console::{time::rfc3339, units};
use lamparina_protocol::clean;
use lamparina_protocol::peer::MessageName;

use super::plain::{self, Style};
use super::{called_plain, short_key};
use crate::event::{Direction, Line, LinkLine, PeerLine, Trace, Why};

/// Messages of a path that are named; what is between is counted.
const PATH_SHOWN_MAX: usize = 10;

/// `/who`: those with a link, and oneself.
pub fn users(peers: &[PeerLine]) -> String {
    let names: Vec<_> = peers.iter().map(called_plain).collect();
    format!("{} here: {}", names.len(), names.join(", "))
}

/// `/peers`: one a line.
pub fn peers(peers: &[PeerLine]) -> String {
    if peers.is_empty() {
        return "nobody is known there".to_owned();
    }
    let lines: Vec<_> = peers.iter().map(peer).collect();
    lines.join("\n")
}

fn peer(peer: &PeerLine) -> String {
    let mut out = called_plain(peer);
    if let (Some(_), Some(key)) = (&peer.name, &peer.key) {
        let _ = write!(out, " {}", short_key(&key.to_string()));
    }
    if peer.foreign.is_some() {
        out.push_str(" (PyP2P)");
    }
    let addrs: Vec<_> = peer.addrs.iter().map(ToString::to_string).collect();
    if !addrs.is_empty() {
        let _ = write!(out, " at {}", addrs.join(", "));
    }
    if peer.own {
        out.push_str(": you");
    } else {
        let _ = write!(out, ": {}", peer.state.word());
        if let Some(at) = peer.last_seen_at {
            let _ = write!(out, ", last seen {}", rfc3339(at));
        }
        // Writing to a String does not fail.
        let _ = write!(
            out,
            ", reached {}, failed {}",
            peer.successes, peer.failures
        );
    }
    if let Some(id) = &peer.id {
        let _ = write!(out, ", id {}", clean::line(id));
    }
    if peer.is_coordinator {
        out.push_str(", coordinates");
    }
    out
}

/// `/conn`: links that others made, then those made here.
pub fn connections(links: &[LinkLine]) -> String {
    let mut out = String::new();
    for (direction, title) in [
        (Direction::Inbound, "inbound"),
        (Direction::Outbound, "outbound"),
    ] {
        let these: Vec<_> = links
            .iter()
            .filter(|link| link.direction == direction)
            .map(link)
            .collect();
        if !out.is_empty() {
            out.push('\n');
        }
        let _ = write!(out, "{title} {}", these.len());
        for line in these {
            let _ = write!(out, "\n  {line}");
        }
    }
    out
}

fn link(link: &LinkLine) -> String {
    let name = match (&link.name, &link.key) {
        (Some(name), _) => clean::line(name),
        (None, Some(key)) => short_key(&key.to_string()),
        (None, None) => "?".to_owned(),
    };
    let rtt = match link.rtt {
        Some(rtt) => format!(", rtt {}", units::time(rtt)),
        None => String::new(),
    };
    let (addr, spoken) = (link.addr, link.spoken.word());
    format!("{name} {addr} {spoken}, since {}{rtt}", rfc3339(link.since))
}

/// `/rtt`: the mean of each that was measured.
pub fn rtt(peers: &[PeerLine]) -> String {
    let lines: Vec<_> = peers
        .iter()
        .filter_map(|peer| {
            let mean = units::time(peer.rtt_mean?);
            let last = peer.rtt_last.map_or_else(|| "-".to_owned(), units::time);
            Some(format!("{}: mean {mean}, last {last}", called_plain(peer)))
        })
        .collect();
    match lines.is_empty() {
        true => "no round trip has been measured yet".to_owned(),
        false => lines.join("\n"),
    }
}

/// What is said behind the lines of `/history`.
pub fn history(count: u64, more: bool) -> String {
    match (count, more) {
        (0, _) => "nothing that you may see was said before".to_owned(),
        (count, true) => {
            format!("---- {count} earlier; there are more: /history N before STAMP ----")
        }
        (count, false) => format!("---- {count} earlier, from the very beginning ----"),
    }
}

/// `/find`: lines for stdout, or words where there is none.
pub fn found(hits: &[Line], style: &Style) -> plain::Line {
    if hits.is_empty() {
        return plain::Line::Talk("nothing found".to_owned());
    }
    let mut lines: Vec<_> = hits
        .iter()
        .map(|line| plain::message(line, style))
        .collect();
    lines.push(format!("({} found)", hits.len()));
    plain::Line::Data(lines.join("\n"))
}

/// `/trace`: what became of one message here.
pub fn trace(trace: &Trace, style: &Style) -> String {
    let line = &trace.line;
    let mut out = plain::message(line, style);
    let _ = write!(
        out,
        "\n  {}\n  written {} by its author's clock\n  here since {}, as number {} of what was delivered \
         here",
        name(&line.name()),
        rfc3339(line.sent_at),
        rfc3339(trace.received_at),
        trace.position,
    );
    match trace.causes.as_slice() {
        [] => out.push_str("\n  names no causes: its author had seen nothing"),
        causes => {
            let causes: Vec<_> = causes.iter().map(name).collect();
            let _ = write!(out, "\n  its causes: {}", causes.join("; "));
        }
    }
    let known: Vec<_> = trace
        .known_to
        .iter()
        .map(|name| clean::line(&name.to_string()))
        .collect();
    match known.is_empty() {
        true => out.push_str("\n  no neighbour is known to have it"),
        false => {
            let _ = write!(out, "\n  neighbours that have it: {}", known.join(", "));
        }
    }
    out
}

fn name(name: &MessageName) -> String {
    format!(
        "message {} of {}",
        name.n,
        short_key(&name.chain.author.to_string())
    )
}

/// `/why`: because of cause, or only by arrangement.
pub fn why(why: &Why) -> String {
    let Why {
        first,
        second,
        path,
    } = why;
    let (earlier, later) = (first.key.stamp, second.key.stamp);
    let says = format!("{earlier} stands before {later}");
    if path.is_empty() {
        return format!(
            "{says} by arrangement only: neither author had seen the other's message (concurrent)"
        );
    }
    let mut out = format!("{says} because of cause:");
    for step in path.iter().take(PATH_SHOWN_MAX) {
        let _ = write!(out, "\n  {}", name(step));
    }
    if let Some(more) = path.len().checked_sub(PATH_SHOWN_MAX + 1) {
        let _ = write!(out, "\n  and {} more", more + 1);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::PeerState;
    use crate::show::testing::{self, name as named};

    fn style() -> Style {
        Style {
            own: named("rui@lan"),
            colour: false,
        }
    }

    #[test]
    fn peers_one_a_line_with_what_is_known() {
        let bob = testing::peer("bob@lan", false);
        let mut unknown = testing::peer("x", false);
        (unknown.key, unknown.name, unknown.id) = (None, None, None);
        (unknown.state, unknown.last_seen_at) = (PeerState::Unknown, None);
        unknown.is_coordinator = false;
        let you = testing::peer("rui@lan", true);
        assert_eq!(
            peers(&[you, bob, unknown]),
            "rui@lan ~bbbbbbbb at 192.0.2.6:5002: you, id bbbb.3.1, coordinates\n\
             bob@lan ~bbbbbbbb at 192.0.2.6:5002: ACTIVE, last seen 2026-11-20T18:42:01.123456Z, \
             reached 2, failed 1, id bbbb.3.1, coordinates\n\
             192.0.2.6:5002 at 192.0.2.6:5002: UNKNOWN, reached 2, failed 1"
        );
        assert_eq!(peers(&[]), "nobody is known there");
    }

    #[test]
    fn links_by_who_made_them() {
        let links = [testing::link(1, Direction::Outbound)];
        assert_eq!(
            connections(&links),
            "inbound 0\noutbound 1\n  bob@lan 192.0.2.6:5002 tcp, since 2026-11-20T18:42:01.123456Z, rtt \
             0.380 ms"
        );
        assert_eq!(connections(&[]), "inbound 0\noutbound 0");
    }

    #[test]
    fn round_trips_of_those_that_were_measured() {
        let bob = testing::peer("bob@lan", false);
        assert_eq!(
            rtt(std::slice::from_ref(&bob)),
            "bob@lan: mean 0.412 ms, last 0.380 ms"
        );
        let unmeasured = PeerLine {
            rtt_mean: None,
            ..bob
        };
        assert_eq!(rtt(&[unmeasured]), "no round trip has been measured yet");
    }

    #[test]
    fn cause_or_arrangement() {
        let (first, second) = (testing::line(3, "a"), testing::line(9, "b"));
        let path = vec![first.name(), second.name()];
        let mut asked = Why {
            first,
            second,
            path,
        };
        assert_eq!(
            why(&asked),
            "3 stands before 9 because of cause:\n  message 3 of ~aaaaaaaa\n  message 3 of ~aaaaaaaa"
        );
        asked.path.clear();
        assert!(why(&asked).contains("by arrangement only"));
    }

    #[test]
    fn what_is_known_of_one_message() {
        let line = testing::line(42, "hi");
        let traced = Trace {
            causes: vec![line.name()],
            received_at: line.sent_at,
            position: 7,
            known_to: vec![named("bob@lan")],
            line,
        };
        let shown = trace(&traced, &style());
        for part in [
            "[~42] ana@lab",
            "message 3 of ~aaaaaaaa",
            "as number 7",
            "neighbours that have it: bob@lan",
        ] {
            assert!(shown.contains(part), "{shown}");
        }
    }

    #[test]
    fn what_was_found_is_data() {
        let plain::Line::Data(lines) = found(&[testing::line(4, "pump")], &style()) else {
            panic!("lines are data");
        };
        assert_eq!(
            lines,
            "[~4] ana@lab (192.0.2.5:5001) -> all: pump\n(1 found)"
        );
        assert!(matches!(found(&[], &style()), plain::Line::Talk(_)));
    }
}
