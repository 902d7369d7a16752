//! Big transfers: how much of a line they fill, and how much they leave to others.

use lamparina_protocol::Instant;

use super::{Case, Effort, Ran};
use crate::end::Side;
use crate::ends::{Congestion, Contender};
use crate::flow::Flow;
use crate::load::Load;
use crate::trace::Trace;
use crate::world::{Outcome, World};

/// Bytes of one bulk message.
const MESSAGE_BYTES: usize = 256 << 10;
/// The same where bytes delivered within a time are counted.
const SHARE_MESSAGE_BYTES: usize = 64 << 10;
/// A transfer that takes longer is given up. Long, for a sender that backs off in a burst of losses
/// finds out late that it is over: bursts end with datagrams here, not with time.
const LIMIT: Instant = Instant::from_millis(36_000_000);

/// One transfer alone.
pub(super) fn transfer(
    case: &Case,
    contender: Contender,
    seed: u64,
    effort: Effort,
    bytes: u64,
    useful_bits: f64,
) -> Ran {
    let load = Load::fill(MESSAGE_BYTES, bytes / MESSAGE_BYTES as u64);
    let flow = Flow::new(contender.pair(seed, Instant::ZERO), Instant::ZERO).with(load);
    let mut world = World::new(&case.line, seed).with(flow);
    world.trace = effort.trace.then(Trace::default);
    let outcome = world.run(LIMIT);
    let mut ran = Ran {
        values: vec![f64::NAN; 2],
        trace: world.trace.as_ref().map(|trace| trace.text().to_owned()),
        ..Ran::default()
    };
    let (queue, chance) = world.drops_from(Side::Client);
    let flow = &world.flows[0];
    let opened = flow.opened_at.unwrap_or_default();
    let taken = world.now().saturating_since(opened).as_secs_f64();
    let wire = world.bytes_from(Side::Client) - flow.bytes_up_before;
    let back = world.bytes_from(Side::Server);
    ran.notes.push(format!(
        "{outcome:?}: {taken:.3} s, {wire} bytes up, {back} down, dropped {queue} by the queue and \
         {chance} by chance"
    ));
    if outcome == Outcome::Done && flow.ledgers.is_clean() {
        let ideal = bytes as f64 * 8.0 / useful_bits;
        let kept = useful_bits / 100e6;
        ran.values = vec![ideal / taken, wire as f64 / bytes as f64 * kept];
    }
    ran
}

/// Beside one flow of QUIC with CUBIC. The second begins five seconds after the first; counted is from
/// ten seconds after that on.
pub(super) fn share(
    case: &Case,
    contender: Contender,
    seed: u64,
    effort: Effort,
    first: bool,
) -> Ran {
    let cubic = Contender::Quic {
        congestion: Congestion::Cubic,
        two_streams: false,
    };
    let later = Instant::from_millis(5_000);
    let [ours_at, other_at] = match first {
        true => [Instant::ZERO, later],
        false => [later, Instant::ZERO],
    };
    let flow = |contender: Contender, seed, at| {
        Flow::new(contender.pair(seed, at), at).with(Load::fill(SHARE_MESSAGE_BYTES, u64::MAX))
    };
    let mut world = World::new(&case.line, seed)
        .with(flow(contender, seed, ours_at))
        .with(flow(cubic, seed ^ 1 << 32, other_at));
    world.trace = effort.trace.then(Trace::default);
    let from = Instant::from_millis(15_000);
    let until = Instant::from_millis(if effort.quick { 45_000 } else { 85_000 });
    let outcome = world.run(until);
    let [ours, other] =
        [0, 1].map(|number| world.flows[number].ledgers.bulk.bytes_between(from, until) as f64);
    let seconds = until.saturating_since(from).as_secs_f64();
    Ran {
        values: vec![100.0 * ours / (ours + other)],
        notes: vec![format!(
            "{outcome:?}: {:.2} Mbit/s, the other {:.2}",
            ours * 8e-6 / seconds,
            other * 8e-6 / seconds
        )],
        trace: world.trace.as_ref().map(|trace| trace.text().to_owned()),
    }
}
