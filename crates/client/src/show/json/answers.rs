//! What comes of coming back and of asking about messages, as lines.

use lamparina_protocol::UnixMicros;
use lamparina_protocol::message::{self, ChainLink, Hit, WhyOrdered};

use super::line::{Found, Json, Link, Mark, Trace};
use crate::core::event::Event;
use crate::show::time::rfc3339;

pub(super) fn json(event: &Event) -> Json<'_> {
    match event {
        Event::Rewound { from, to } => Json::Rewound {
            from: from.get(),
            to: to.get(),
        },
        Event::CatchUp { from, to } => Json::CatchUp {
            from: from.get(),
            to: to.get(),
        },
        Event::CaughtUp { count, upto } => Json::CaughtUp {
            count: *count,
            upto: upto.get(),
        },
        Event::History { count, more, asked } => Json::History {
            count: *count,
            more: *more,
            asked: *asked,
        },
        Event::Found { hits, more, upto } => Json::Found {
            upto: upto.get(),
            more: *more,
            hits: hits.iter().map(found).collect(),
        },
        Event::Trace(known) => Json::Trace(trace(known)),
        Event::Why {
            earlier,
            later,
            reason,
            chain,
            hidden,
            left_out,
        } => Json::Why {
            earlier: earlier.get(),
            later: later.get(),
            reason: reason_word(*reason),
            chain: chain.iter().map(link).collect(),
            hidden: hidden.iter().map(|stamp| stamp.get()).collect(),
            left_out: *left_out,
        },
        Event::Receipt {
            stamp,
            by,
            member,
            delivered,
            of,
        } => Json::Receipt {
            stamp: stamp.get(),
            by: by.as_str(),
            member: member.0,
            delivered: *delivered,
            of: *of,
        },
        // Every other event has its line elsewhere.
        _ => Json::Info {
            about: "event",
            text: "",
            carrier: None,
        },
    }
}

const fn reason_word(reason: WhyOrdered) -> &'static str {
    match reason {
        WhyOrdered::SameAuthor => "same-author",
        WhyOrdered::Seen => "seen",
        WhyOrdered::Concurrent => "concurrent",
    }
}

fn found(hit: &Hit) -> Found<'_> {
    Found {
        stamp: hit.stamp.get(),
        from: hit.from.as_str(),
        kind: hit.audience.kind(),
        to: hit.audience.names(),
        text: &hit.text,
        sent_at: rfc3339(hit.sent_at),
    }
}

fn trace(known: &message::Trace) -> Trace<'_> {
    let mark = |mark: &'_ message::Mark| (mark.at != UnixMicros(0)).then(|| rfc3339(mark.at));
    Trace {
        stamp: known.stamp.get(),
        from: known.from.as_str(),
        kind: known.audience.kind(),
        to: known.audience.names(),
        epoch: known.epoch.0,
        pseq: known.pseq.0,
        sent_at: rfc3339(known.sent_at),
        stored_at: rfc3339(known.stored_at),
        entry: known.entry,
        chain: known
            .chain
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect(),
        delivered: known.delivered,
        of: known.of,
        marks: known
            .marks
            .iter()
            .map(|one| Mark {
                nick: one.nick.as_str(),
                member: one.member.0,
                delivered: one.consumed >= known.stamp,
                consumed: one.consumed.get(),
                at: mark(one),
            })
            .collect(),
    }
}

fn link(link: &ChainLink) -> Link<'_> {
    Link {
        stamp: link.stamp.get(),
        from: link.from.as_str(),
        seen: link.seen.get(),
    }
}
