//! A line that flips bits: everything must come, and nothing may come otherwise than it was sent.

use std::time::Duration;

use lamparina_protocol::Instant;

use super::{Case, Effort, Ran};
use crate::body::Kind;
use crate::ends::Contender;
use crate::flow::Flow;
use crate::load::Load;
use crate::trace::Trace;
use crate::world::World;

const BULK_BYTES: usize = 64 << 10;
const BULK_MESSAGES: u64 = 64;
const SMALL_BYTES: usize = 200;
const EVERY: Duration = Duration::from_millis(20);
/// Chat of some seconds, while and after bulk is under way.
const SMALL_MESSAGES: u64 = 2_000;
const SMALL_MESSAGES_QUICK: u64 = 400;
/// What has not come by then never will.
const PATIENCE: Duration = Duration::from_secs(60);

/// Chat and bulk at once.
pub(super) fn run(case: &Case, contender: Contender, seed: u64, effort: Effort) -> Ran {
    let messages = match effort.quick {
        true => SMALL_MESSAGES_QUICK,
        false => SMALL_MESSAGES,
    };
    let flow = Flow::new(contender.pair(seed, Instant::ZERO), Instant::ZERO)
        .with(Load::every(EVERY, Kind::Small, SMALL_BYTES, messages))
        .with(Load::fill(BULK_BYTES, BULK_MESSAGES));
    let mut world = World::new(&case.line, seed).with(flow);
    world.trace = effort.trace.then(Trace::default);
    let outcome = world.run(Instant::ZERO + EVERY * messages as u32 + PATIENCE);
    let (small, bulk) = (&world.flows[0].ledgers.small, &world.flows[0].ledgers.bulk);
    let came = (small.delivered + bulk.delivered) as f64;
    let wrong = [small, bulk].map(|ledger| ledger.damaged + ledger.twice);
    Ran {
        values: vec![
            100.0 * came / (messages + BULK_MESSAGES) as f64,
            wrong.iter().sum::<u64>() as f64,
        ],
        notes: vec![format!(
            "{outcome:?}: {} small and {} bulk came; damaged {} and {}",
            small.delivered, bulk.delivered, small.damaged, bulk.damaged
        )],
        trace: world.trace.as_ref().map(|trace| trace.text().to_owned()),
    }
}
