//! Values that tests are made of.

use lamparina_protocol::message::{Delivery, Submit};
use lamparina_protocol::{Audience, Epoch, Lamport, MemberId, Nick, Prev, Pseq, UnixMicros};

pub(crate) fn nick(name: &str) -> Nick {
    Nick::try_from(name).unwrap()
}

pub(crate) fn delivery(prev: u64, stamp: u64, text: &str) -> Delivery {
    Delivery {
        stamp: Lamport::new(stamp),
        member: MemberId(7),
        from: nick("bob"),
        epoch: Epoch(70),
        pseq: Pseq(stamp),
        clock: Lamport::new(stamp.saturating_sub(1)),
        seen: Lamport::ZERO,
        sent_at: UnixMicros(1_000_000),
        audience: Audience::All,
        history: false,
        text: text.to_owned(),
        prev: Prev(Lamport::new(prev)),
    }
}

pub(crate) fn submit(text: &str, clock: u64) -> Submit {
    Submit {
        epoch: Epoch(0),
        pseq: Pseq(0),
        clock: Lamport::new(clock),
        seen: Lamport::ZERO,
        sent_at: UnixMicros(0),
        audience: Audience::All,
        text: text.to_owned(),
    }
}
