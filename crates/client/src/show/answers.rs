//! What comes of coming back and of asking about messages, as readable lines.

use lamparina_protocol::message::{ChainLink, Hit, Mark, Trace, WhyOrdered};
use lamparina_protocol::{Lamport, UnixMicros};

use super::plain::{Line, Style, data, head};
use super::time::rfc3339;
use crate::core::event::Event;

/// `event` as a line; `None` where the shell itself shows it.
pub(super) fn event(event: &Event, style: &Style) -> Option<Line> {
    Some(Line::Talk(match event {
        Event::Rewound { from, to } => format!(
            "the server's log has lost its end: you were shown messages up to {from}, and of them \
             those after {to} are no longer in it (it was restored from a copy, or its disk failed); \
             stamps after {to} are given anew"
        ),
        Event::CatchUp { from, to } => {
            format!("---- missed while away, after {from} up to {to} ----")
        }
        Event::CaughtUp { count, upto } => {
            format!("---- {count} missed, up to {upto}; what follows is new ----")
        }
        Event::History { count, more, asked } => history(*count, *more, *asked)?,
        Event::Found { hits, more, upto } => {
            return Some(found(hits, *more, upto.get(), style));
        }
        Event::Trace(trace) => self::trace(trace, style),
        Event::Why {
            earlier,
            later,
            reason,
            chain,
            hidden,
            left_out,
        } => {
            let said = why(earlier.get(), later.get(), *reason);
            let links = links(chain, hidden, style);
            let more = match left_out {
                0 => String::new(),
                more => format!("\n  ({more} more in the middle are left out)"),
            };
            said + &links + &more
        }
        // Of receipts the shell shows some.
        _ => return None,
    }))
}

fn history(count: u32, more: bool, asked: bool) -> Option<String> {
    Some(match (count, more) {
        (0, _) if !asked => return None,
        (0, _) => "nothing that you may see was said before".to_owned(),
        (1, true) => {
            "---- 1 earlier message; there are more: /history N before STAMP ----".to_owned()
        }
        (count, true) => {
            format!("---- {count} earlier messages; there are more: /history N before STAMP ----")
        }
        (1, false) => "---- 1 earlier message, the very first ----".to_owned(),
        (count, false) => format!("---- {count} earlier messages, from the very beginning ----"),
    })
}

fn found(hits: &[Hit], more: bool, upto: u64, style: &Style) -> Line {
    let looked = format!("looked through everything up to {upto}");
    if hits.is_empty() {
        return Line::Talk(format!("nothing found; {looked}"));
    }
    let mut lines: Vec<_> = hits.iter().rev().map(|hit| hit_line(hit, style)).collect();
    let more = if more {
        ", and there are earlier ones"
    } else {
        ""
    };
    lines.push(format!("({} found{more}; {looked})", hits.len()));
    Line::Data(lines.join("\n"))
}

fn hit_line(hit: &Hit, style: &Style) -> String {
    let names = hit.audience.names();
    let head = head(hit.from.as_str(), hit.audience.kind(), &names, style);
    data(hit.stamp.get(), &head, &hit.text, style)
}

fn trace(trace: &Trace, style: &Style) -> String {
    let names = trace.audience.names();
    let head = head(trace.from.as_str(), trace.audience.kind(), &names, style);
    let head = head.trim_end_matches(':');
    let chain: String = trace
        .chain
        .iter()
        .take(8)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let mut out = format!(
        "[{}] {head}: message {} of epoch {}\n  written {} by its author's clock\n  stored {} by \
         the server's clock: entry {} of the journal, chain {chain}..\n  delivered to {} of {}",
        trace.stamp,
        trace.pseq,
        trace.epoch,
        rfc3339(trace.sent_at),
        rfc3339(trace.stored_at),
        trace.entry,
        trace.delivered,
        trace.of,
    );
    for one in &trace.marks {
        out.push_str("\n  ");
        out.push_str(&mark(one, trace));
    }
    let left = (trace.of as usize).saturating_sub(trace.marks.len());
    if left > 0 {
        out.push_str(&format!("\n  and {left} more"));
    }
    out
}

/// One recipient, with what justifies the mark.
fn mark(mark: &Mark, trace: &Trace) -> String {
    let Mark {
        nick, consumed, at, ..
    } = mark;
    if *at == UnixMicros(0) {
        return format!("{nick}: not delivered; has confirmed nothing yet");
    }
    let at = rfc3339(*at);
    match *consumed >= trace.stamp {
        true => format!("{nick}: delivered; confirmed everything up to {consumed} at {at}"),
        false => format!("{nick}: not delivered; confirmed up to {consumed} at {at}"),
    }
}

fn why(earlier: u64, later: u64, reason: WhyOrdered) -> String {
    let says = format!("{earlier} stands before {later}");
    match reason {
        WhyOrdered::SameAuthor => format!("{says}: one author wrote both, in this order"),
        WhyOrdered::Concurrent => format!(
            "{says} by arrival only: neither author had seen the other's message (concurrent)"
        ),
        WhyOrdered::Seen => format!("{says}: its author knew of it when writing"),
    }
}

/// A chain, link by link; of those that one may not see the stamps are said.
fn links(chain: &[ChainLink], hidden: &[Lamport], style: &Style) -> String {
    let shown = chain.iter().map(|link| (link.stamp, Some(link)));
    let mut all: Vec<_> = shown
        .chain(hidden.iter().map(|stamp| (*stamp, None)))
        .collect();
    all.sort_by_key(|(stamp, _)| *stamp);
    let (mut out, mut before) = (String::new(), None);
    for (stamp, link) in all {
        out.push_str(&match (link, before) {
            (None, _) => format!("\n  [{stamp}] is not for you to see"),
            (Some(link), None) => format!("\n  [{stamp}] {}", style.name(link.from.as_str())),
            (Some(link), Some(before)) => format!(
                "\n  [{stamp}] {}, who had seen up to {}, and so {before}",
                style.name(link.from.as_str()),
                link.seen
            ),
        });
        before = Some(stamp);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::testing::nick;
    use lamparina_protocol::{Audience, Epoch, Lamport, MemberId, Pseq};

    fn shown(event: &Event) -> String {
        let style = Style {
            own: nick("rui"),
            member: None,
            colour: false,
        };
        match super::event(event, &style) {
            Some(Line::Data(line)) => format!("data {line}"),
            Some(Line::Talk(line)) => format!("talk {line}"),
            None => "nothing".to_owned(),
        }
    }

    #[test]
    fn what_is_found_says_how_far_it_was_looked() {
        let upto = Lamport::new(90);
        let hit = |stamp, text: &str| Hit {
            stamp: Lamport::new(stamp),
            from: nick("bob"),
            sent_at: UnixMicros(1),
            audience: Audience::Unicast(nick("rui")),
            text: text.to_owned(),
        };
        let found = |hits, more| shown(&Event::Found { hits, more, upto });
        assert_eq!(
            found(vec![], false),
            "talk nothing found; looked through everything up to 90"
        );
        assert_eq!(
            found(vec![hit(80, "the \u{1b}pump"), hit(7, "pump")], true),
            "data [7] bob -> you: pump\n[80] bob -> you: the ␛pump\n(2 found, and there are \
             earlier ones; looked through everything up to 90)"
        );
    }

    #[test]
    fn history_says_whether_there_is_more() {
        let history = |count, more, asked| shown(&Event::History { count, more, asked });
        assert_eq!(history(0, false, false), "nothing");
        assert!(history(0, false, true).contains("nothing that you may see"));
        assert!(history(20, true, true).contains("20 earlier messages; there are more"));
        assert!(history(3, false, false).contains("from the very beginning"));
    }

    #[test]
    fn a_trace_names_everybody_and_why() {
        let mark = |name, consumed, at| Mark {
            member: MemberId(1),
            nick: nick(name),
            consumed: Lamport::new(consumed),
            at: UnixMicros(at),
        };
        let trace = Trace {
            stamp: Lamport::new(42),
            from: nick("rui"),
            epoch: Epoch(7),
            pseq: Pseq(3),
            audience: Audience::All,
            sent_at: UnixMicros(1_000_000),
            stored_at: UnixMicros(2_000_000),
            entry: 50,
            chain: [0xab; 32],
            of: 4,
            delivered: 1,
            marks: vec![
                mark("ana", 42, 3_000_000),
                mark("bob", 41, 3_000_000),
                mark("eva", 0, 0),
            ],
        };
        let expected = "talk [42] you: message 3 of epoch 7
  written 1970-01-01T00:00:01.000000Z by its author's clock
  stored 1970-01-01T00:00:02.000000Z by the server's clock: entry 50 of the journal, chain abababababababab..
  delivered to 1 of 4
  ana: delivered; confirmed everything up to 42 at 1970-01-01T00:00:03.000000Z
  bob: not delivered; confirmed up to 41 at 1970-01-01T00:00:03.000000Z
  eva: not delivered; has confirmed nothing yet
  and 1 more";
        assert_eq!(shown(&Event::Trace(Box::new(trace))), expected);
    }

    #[test]
    fn why_gives_the_chain() {
        let link = |stamp, name, seen| ChainLink {
            stamp: Lamport::new(stamp),
            from: nick(name),
            seen: Lamport::new(seen),
        };
        let why = |reason, chain: Vec<_>| {
            let (earlier, later) = (Lamport::new(3), Lamport::new(9));
            let hidden = chain.iter().skip(2).map(|_| Lamport::new(7)).collect();
            shown(&Event::Why {
                earlier,
                later,
                reason,
                chain,
                hidden,
                left_out: 0,
            })
        };
        assert!(
            why(WhyOrdered::SameAuthor, vec![]).ends_with("one author wrote both, in this order")
        );
        assert!(why(WhyOrdered::Concurrent, vec![]).contains("by arrival only"));
        let chain = vec![link(3, "ana", 0), link(6, "rui", 4), link(9, "eva", 8)];
        assert_eq!(
            why(WhyOrdered::Seen, chain),
            "talk 3 stands before 9: its author knew of it when writing\n  [3] ana\n  [6] you, who \
             had seen up to 4, and so 3\n  [7] is not for you to see\n  [9] eva, who had seen up \
             to 8, and so 7"
        );
    }
}
