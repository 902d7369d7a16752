//! `demo`: arguments, and the exit code.

use std::io::{self, BufWriter};

use lamparina_impair::Settings;

use super::args::{Common, DemoArgs};
use super::exit::{Exit, Stop};
use crate::demo::{CHANNEL, Plan, Verdict, run as play};

/// Plays the demo.
pub(super) async fn run(common: Common, args: DemoArgs) -> Result<Exit, Stop> {
    let failed = |error: &dyn std::fmt::Display| {
        Stop::new(Exit::Failed, format!("the demo failed: {error}"))
    };
    let channel = match common.impair {
        Some(channel) => channel,
        None => CHANNEL
            .parse::<Settings>()
            .map_err(|error| failed(&error))?,
    };
    let seed = match (args.seed, channel.seed()) {
        (Some(seed), _) => seed,
        (None, 0) => u64::from(getrandom::u32().map_err(|error| failed(&error))?),
        (None, seed) => seed,
    };
    let plan = Plan {
        channel,
        seed,
        messages: args.messages,
        repair: common.repair.map(Into::into).unwrap_or_default(),
        window_frames: common.window,
        fragment_bytes: common.fragment,
        within: args.timeout,
    };
    let mut out = BufWriter::new(io::stdout().lock());
    let verdict = play(&plan, &mut out)
        .await
        .map_err(|error| failed(&error))?;
    io::Write::flush(&mut out).map_err(|error| failed(&error))?;
    Ok(match verdict {
        Verdict::Proved => Exit::Done,
        Verdict::Refuted => Exit::NotProved,
        Verdict::TimeOver => Exit::TimeOut,
    })
}
