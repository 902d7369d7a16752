//! Small messages: the time from when somebody wants to send one until it comes, in order.

use std::time::Duration;

use lamparina_protocol::Instant;

use super::{Case, Effort, Ran, Scenario};
use crate::body::Kind;
use crate::chance::Arrivals;
use crate::end::Side;
use crate::ends::Contender;
use crate::flow::Flow;
use crate::ledger::percentile;
use crate::load::{Load, Turns};
use crate::oracle;
use crate::trace::Trace;
use crate::world::{Outcome, World};

/// Bytes of a small message.
const SMALL_BYTES: usize = 200;
const EVERY: Duration = Duration::from_millis(20);
/// What was created before this does not count.
const WARM_UP: Duration = Duration::from_secs(2);
/// After the last message was created, this long for it to come.
const PATIENCE: Duration = Duration::from_secs(300);
const BIG_BYTES: usize = 1 << 20;
const BIG_EVERY: Duration = Duration::from_secs(10);

/// Messages that count, for each seed.
fn messages(effort: Effort) -> u32 {
    if effort.quick { 1_500 } else { 5_000 }
}

/// Small messages alone.
pub(super) fn alone(
    case: &Case,
    contender: Contender,
    seed: u64,
    effort: Effort,
    every: Duration,
) -> Ran {
    let messages = messages(effort) + warm_up_messages(every);
    let load = Load::at(Arrivals::new(every, seed), SMALL_BYTES, u64::from(messages));
    let flow = Flow::new(contender.pair(seed, Instant::ZERO), Instant::ZERO).with(load);
    let (mut ran, world, whole) = run(case, seed, effort, flow, every * messages);
    let delays = delays(&world.flows[0], whole, Kind::Small);
    ran.values.insert(0, percentile(&delays, 0.99));
    ran.notes.push(format!(
        "p50 {:.1}, p90 {:.1}, p99.9 {:.1}, longest {:.1} ms",
        percentile(&delays, 0.50),
        percentile(&delays, 0.90),
        percentile(&delays, 0.999),
        percentile(&delays, 1.0),
    ));
    ran
}

/// The ideal in place of a transport.
pub(super) fn ideal(case: &Case, seed: u64, effort: Effort) -> Ran {
    let Scenario::Chat { every, one_way } = case.scenario else {
        return Ran::default();
    };
    let arrivals = Arrivals::new(every, seed);
    let count = messages(effort);
    let delays = oracle::delays_ms(&case.line, seed, one_way, arrivals, SMALL_BYTES, count);
    Ran {
        // What it would cost on the wire is not defined.
        values: vec![percentile(&delays, 0.99)],
        ..Ran::default()
    }
}

/// Small messages beside big ones.
pub(super) fn beside_bulk(case: &Case, contender: Contender, seed: u64, effort: Effort) -> Ran {
    let messages = messages(effort) + warm_up_messages(EVERY);
    let small = Load::at(Arrivals::new(EVERY, seed), SMALL_BYTES, u64::from(messages));
    let length = EVERY * messages;
    let big_messages = length.as_millis().div_ceil(BIG_EVERY.as_millis()) as u64;
    let big = Load::every(BIG_EVERY, Kind::Bulk, BIG_BYTES, big_messages);
    let flow = Flow::new(contender.pair(seed, Instant::ZERO), Instant::ZERO);
    let flow = flow.with(small).with(big);
    let (mut ran, world, whole) = run(case, seed, effort, flow, length);
    let small = delays(&world.flows[0], whole, Kind::Small);
    let big = delays(&world.flows[0], whole, Kind::Bulk);
    ran.values = vec![percentile(&small, 0.99), percentile(&big, 0.5)];
    ran.notes.push(format!(
        "small p50 {:.1}, longest {:.1} ms; big shortest {:.0}, longest {:.0} ms",
        percentile(&small, 0.50),
        percentile(&small, 1.0),
        percentile(&big, 0.0),
        percentile(&big, 1.0),
    ));
    ran
}

/// A conversation, each side answering the other.
pub(super) fn in_turns(case: &Case, contender: Contender, seed: u64, effort: Effort) -> Ran {
    const MESSAGES: u64 = 20;
    let turns = Turns {
        bytes: 60,
        left: MESSAGES,
        think: Duration::from_secs(5),
        next_at: None,
    };
    let ends = contender.pair(seed, Instant::ZERO);
    let flow = Flow::new(ends, Instant::ZERO).talking(turns);
    let mut world = World::new(&case.line, seed).with(flow);
    world.trace = effort.trace.then(Trace::default);
    let outcome = world.run(Instant::from_millis(3_600_000));
    let flow = &world.flows[0];
    let delays = flow.ledgers.small.entries.iter().map(|entry| {
        let delivered = entry.delivered?;
        Some(delivered.saturating_since(entry.created).as_secs_f64())
    });
    let delays: Vec<Option<f64>> = delays.collect();
    let words: Vec<String> = delays
        .iter()
        .map(|delay| delay.map_or("never".to_owned(), |delay| format!("{delay:.1}")))
        .collect();
    let opened = flow.opened_at.unwrap_or_default().as_micros() as f64 / 1e6;
    let mut seconds: Vec<f64> = delays
        .iter()
        .map(|delay| delay.unwrap_or(f64::INFINITY))
        .collect();
    seconds.sort_by(f64::total_cmp);
    let bytes = Side::BOTH
        .map(|side| world.bytes_from(side))
        .iter()
        .sum::<u64>();
    Ran {
        values: vec![
            flow.ledgers.small.delivered as f64,
            percentile(&seconds, 0.5),
            percentile(&seconds, 1.0),
            bytes as f64,
        ],
        notes: vec![format!(
            "{outcome:?}: open after {opened:.1} s; seconds for each message: {}",
            words.join(" ")
        )],
        trace: world.trace.as_ref().map(|trace| trace.text().to_owned()),
    }
}

fn warm_up_messages(every: Duration) -> u32 {
    WARM_UP.as_millis().div_ceil(every.as_millis()) as u32
}

/// Lets the flow run for `length` and until all has come; gives also whether all was as it should be.
fn run(case: &Case, seed: u64, effort: Effort, flow: Flow, length: Duration) -> (Ran, World, bool) {
    let mut world = World::new(&case.line, seed).with(flow);
    world.trace = effort.trace.then(Trace::default);
    let outcome = world.run(Instant::ZERO + length + PATIENCE);
    let ledgers = &world.flows[0].ledgers;
    let whole = outcome == Outcome::Done && ledgers.is_clean();
    let (small, bulk) = (&ledgers.small, &ledgers.bulk);
    let payload = small.bytes_delivered() + bulk.bytes_delivered();
    let wire = world.bytes_from(Side::Client) as f64 / payload as f64;
    let ran = Ran {
        values: vec![if whole { wire } else { f64::NAN }],
        notes: vec![format!(
            "{outcome:?}: {} of {} small, {} of {} big came; {wire:.2} bytes up for each of payload",
            small.delivered,
            small.entries.len(),
            bulk.delivered,
            bulk.entries.len(),
        )],
        trace: world.trace.as_ref().map(|trace| trace.text().to_owned()),
    };
    (ran, world, whole)
}

/// Delays of what counts; none where the run failed.
fn delays(flow: &Flow, whole: bool, kind: Kind) -> Vec<f64> {
    let from = flow.opened_at.unwrap_or_default() + WARM_UP;
    // Big messages are few: the first one counts too.
    let (ledger, from) = match kind {
        Kind::Small => (&flow.ledgers.small, from),
        Kind::Bulk => (&flow.ledgers.bulk, Instant::ZERO),
    };
    if whole {
        ledger.delays_ms(from)
    } else {
        Vec::new()
    }
}
