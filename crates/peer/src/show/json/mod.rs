//! Events as JSON: one object a line, `v` and `type` first, fields always in the same order.
//! Remote text is exactly what came, escaped. Fields may be added, none changes its meaning.

mod line;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::time::Duration;

use lamparina_console::json::line as written;
use lamparina_console::time::rfc3339;
use lamparina_protocol::Lamport;
use lamparina_protocol::peer::{MessageName, PeerName};

use super::called;
use crate::doctor::Report;
use crate::event::{
    CoordinatorLine, Direction, Equivocation, Event, HistoryKey, Kind, Line, LinkLine, MergeReport,
    PeerLine, Summary, Trace, Why,
};
use line::{Finding, Json, Link, Name, Peer, Place, Rtt, Said, Span, Via};

/// Who speaks: what the lines about oneself say.
#[derive(Clone, Debug)]
pub struct Own<'a> {
    /// What it is called.
    pub name: &'a PeerName,
    /// Where it listens: every peer is server and client at once.
    pub listening: &'a [SocketAddr],
}

/// `event` as one line, without its end.
pub fn event(event: &Event, own: &Own<'_>) -> String {
    written(&json(event, own))
}

/// An error that is no event of the peer: a line that was no command.
pub fn error(code: &str, text: &str) -> String {
    written(&Json::Error { code, text })
}

/// The answer to a command about this program, in words: `/help` ..
pub fn info(about: &str, text: &str) -> String {
    written(&Json::Info { about, text })
}

/// A line of the past, asked for or not.
pub fn message(line: &Line) -> String {
    written(&Json::Message(said(line)))
}

/// That so many lines of the past were shown, and whether there are earlier ones.
pub fn history(count: u64, more: bool) -> String {
    let asked = true;
    written(&Json::History { count, more, asked })
}

/// The answer to `/find`.
pub fn found(hits: &[Line]) -> String {
    let hits = hits.iter().map(said).collect();
    written(&Json::Found { hits })
}

/// The answer to `/peers`.
pub fn peers(peers: &[PeerLine]) -> String {
    let peers = peers.iter().map(peer).collect();
    written(&Json::Peers { peers })
}

/// The answer to `/who`: those with a link, and oneself.
pub fn users(peers: &[PeerLine]) -> String {
    let total = peers.len() as u64;
    let users = peers.iter().map(peer).collect();
    written(&Json::Users { users, total })
}

/// The answer to `/conn`.
pub fn connections(links: &[LinkLine]) -> String {
    let of = |direction: Direction| {
        let these = links.iter().filter(|link| link.direction == direction);
        these.map(link).collect()
    };
    written(&Json::Conn {
        inbound: of(Direction::Inbound),
        outbound: of(Direction::Outbound),
    })
}

/// The answer to `/rtt`.
pub fn rtt(peers: &[PeerLine]) -> String {
    let peers = peers.iter().map(|peer| Rtt {
        nick: called(peer),
        mean_ms: peer.rtt_mean.map(ms),
        last_ms: peer.rtt_last.map(ms),
    });
    written(&Json::Rtt {
        peers: peers.collect(),
    })
}

/// Who coordinates.
pub fn coordinator(who: Option<&CoordinatorLine>) -> String {
    written(&coordinator_json(who))
}

/// The answer to `/trace`.
pub fn trace(trace: &Trace) -> String {
    written(&Json::Trace {
        message: said(&trace.line),
        received_at: rfc3339(trace.received_at),
        position: trace.position,
        causes: trace.causes.iter().map(name).collect(),
        known_to: trace.known_to.iter().map(ToString::to_string).collect(),
    })
}

/// The answer to `/why`.
pub fn why(why: &Why) -> String {
    let caused = !why.path.is_empty();
    written(&Json::Why {
        earlier: why.first.key.stamp.get(),
        later: why.second.key.stamp.get(),
        reason: if caused { "seen" } else { "concurrent" },
        first: place(&why.first.key),
        second: place(&why.second.key),
        path: why.path.iter().map(name).collect(),
    })
}

/// What `doctor` found.
pub fn doctor(report: &Report) -> String {
    let finding = |one: &'_ crate::doctor::Finding| Finding {
        about: one.about.clone(),
        verdict: one.verdict.word(),
        text: one.text.clone(),
        advice: one.advice.clone(),
    };
    written(&Json::Doctor {
        good: report.is_good(),
        findings: report.findings.iter().map(finding).collect(),
    })
}

/// The end.
pub fn closed(summary: &Summary) -> String {
    written(&closed_json(summary))
}

fn json<'a>(event: &'a Event, own: &Own<'_>) -> Json<'a> {
    match event {
        Event::Listening(addr) => Json::Listening {
            addr: addr.to_string(),
        },
        Event::Ready { stamp } => connected(*stamp, own),
        Event::Committed {
            key,
            kind,
            to,
            text,
        } => committed(key, *kind, to, text),
        Event::Message(line) => Json::Message(said(line)),
        Event::Final { upto } => Json::Final {
            upto: upto.stamp.get(),
            place: place(upto),
        },
        Event::Merged(report) => merged(report),
        Event::Equivocation(found) => equivocation(found),
        Event::Joined(line) => Json::Joined(peer(line)),
        Event::Left(line) => Json::Left(peer(line)),
        Event::LinkUp(line) => Json::LinkUp(link(line)),
        Event::LinkDown { link: line, reason } => Json::LinkDown {
            reason,
            link: link(line),
        },
        Event::Coordinator(who) => coordinator_json(who.as_ref()),
        Event::Warning { code, text } => Json::Error { code, text },
        Event::Closed(summary) => closed_json(summary),
    }
}

fn connected(stamp: Lamport, own: &Own<'_>) -> Json<'static> {
    Json::Connected {
        server: own.listening.first().map(ToString::to_string),
        r#as: own.name.to_string(),
        stamp: stamp.get(),
    }
}

fn committed<'a>(key: &HistoryKey, kind: Kind, to: &'a [String], text: &'a str) -> Json<'a> {
    Json::Committed {
        epoch: key.incarnation.0,
        pseq: key.n,
        stamp: key.stamp.get(),
        place: place(key),
        kind: kind.word(),
        to,
        text,
    }
}

fn merged(report: &MergeReport) -> Json<'static> {
    let span = |one: &crate::event::Merged| Span {
        first: one.first.stamp.get(),
        last: one.last.stamp.get(),
        count: one.count,
    };
    Json::Merged {
        lines: report.lines,
        inserted: report.inserted,
        late: report.late,
        ranges: report.ranges.iter().map(span).collect(),
    }
}

fn equivocation(found: &Equivocation) -> Json<'static> {
    Json::Equivocation {
        from: found.from.to_string(),
        message: name(&found.name),
        digests: found.digests.map(|digest| digest.to_string()),
    }
}

fn coordinator_json(who: Option<&CoordinatorLine>) -> Json<'static> {
    Json::Coordinator {
        nick: who.and_then(|who| who.name.as_ref().map(ToString::to_string)),
        author: who.map(|who| who.key.to_string()),
        epoch: who.map(|who| who.epoch),
        own: who.is_some_and(|who| who.own),
    }
}

fn closed_json(summary: &Summary) -> Json<'static> {
    Json::Closed {
        sent: summary.sent,
        committed: summary.committed,
        pending: summary.pending,
    }
}

fn said(line: &Line) -> Said<'_> {
    let via = line.via.as_ref();
    Said {
        stamp: line.key.stamp.get(),
        from: via.map_or_else(|| line.from.to_string(), |via| via.peer_id.clone()),
        addr: match via {
            Some(via) => via.addr,
            None => line.addr,
        }
        .map(|addr| addr.to_string()),
        kind: line.kind.word(),
        to: &line.to,
        text: &line.text,
        sent_at: rfc3339(line.sent_at),
        place: place(&line.key),
        r#final: line.is_final,
        late: line.late,
        history: line.history,
        own: line.own,
        via: via.map(|via| Via {
            protocol: "PyP2P",
            by: line.from.to_string(),
            msg_id: &via.msg_id,
        }),
    }
}

/// What places a message in history, beside its stamp.
fn place(key: &HistoryKey) -> Place {
    Place {
        author: key.author.to_string(),
        incarnation: key.incarnation.0.to_string(),
        n: key.n,
        digest: key.digest.to_string(),
    }
}

fn name(name: &MessageName) -> Name {
    Name {
        author: name.chain.author.to_string(),
        incarnation: name.chain.incarnation.0.to_string(),
        n: name.n,
    }
}

fn peer(line: &PeerLine) -> Peer {
    Peer {
        nick: called(line),
        author: line.key.map(|key| key.to_string()),
        addrs: line.addrs.iter().map(ToString::to_string).collect(),
        state: line.state.word(),
        id: line.id.clone(),
        last_seen_at: line.last_seen_at.map(rfc3339),
        successes: line.successes,
        failures: line.failures,
        rtt_mean_ms: line.rtt_mean.map(ms),
        rtt_last_ms: line.rtt_last.map(ms),
        coordinator: line.is_coordinator,
        own: line.own,
        pyp2p: line.foreign.is_some(),
    }
}

fn link(line: &LinkLine) -> Link {
    Link {
        number: line.number,
        direction: line.direction.word(),
        spoken: line.spoken.word(),
        addr: line.addr.to_string(),
        nick: line.name.clone(),
        author: line.key.map(|key| key.to_string()),
        since: rfc3339(line.since),
        rtt_ms: line.rtt.map(ms),
    }
}

/// Milliseconds, to the microsecond.
fn ms(time: Duration) -> f64 {
    (time.as_secs_f64() * 1_000_000.0).round() / 1_000.0
}
