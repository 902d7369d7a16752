//! A whole chat in one process: a server with its logging subprocess, three people over real
//! sockets and a bad channel, and the proof that all of them saw one order.
//!
//! | module | does |
//! |---|---|
//! | [`script`] | who says what to whom, from a seed | pure |
//! | [`view`] | what each saw; whether it is one order and whole | pure |
//! | [`table`] | the window at work, in a table | pure |
//! | `stage` | the server, its logger, its folder |
//! | `cast` | the three people |

pub mod script;
pub mod table;
pub mod view;

mod cast;
mod stage;

use std::io::{self, Write};
use std::time::Duration;

use lamparina_impair::Settings;
use lamparina_protocol::link::Repair;

use cast::Cast;
use script::{Line, PEOPLE};
use stage::Stage;
use view::Views;

/// Messages that a demo says, at most.
pub const MESSAGES_MAX: u16 = 10_000;

/// How bad the channel is unless told otherwise.
pub const CHANNEL: &str = "loss=20%,corrupt=2%,dup=2%,delay=15ms,jitter=10ms,reorder=5%";

/// What to show.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Each person's channel, both ways; each gets a seed of its own, derived from `seed`.
    pub channel: Settings,
    /// Decides what is said, and the fate of every frame.
    pub seed: u64,
    /// How many messages are said: at most [`MESSAGES_MAX`].
    pub messages: u16,
    /// How the windows are repaired.
    pub repair: Repair,
    /// Frames in flight, at most; the protocol's default for `None`.
    pub window_frames: Option<u16>,
    /// Payload bytes of a frame, at most; the protocol's default for `None`.
    pub fragment_bytes: Option<u16>,
    /// Everything must have arrived by then.
    pub within: Duration,
}

/// How it went.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// Everybody saw everything meant for them, in one order.
    Proved,
    /// Something is missing, twice, or elsewhere.
    Refuted,
    /// Not everything had arrived when the time was over.
    TimeOver,
}

/// Plays `plan`; what happens is written to `out`.
///
/// # Errors
///
/// When the stage cannot be built, a person gets no seat, or `out` cannot be written.
pub async fn run(plan: &Plan, out: &mut impl Write) -> io::Result<Verdict> {
    let stage = Stage::build().await?;
    let shown = play(plan, &stage, out).await;
    let log = stage.strike().await?;
    let (verdict, mut lines) = shown?;
    lines.push(String::new());
    lines.push("logs/server.log, as its own process wrote it (the last lines):".to_owned());
    lines.extend(
        log.lines()
            .rev()
            .take(6)
            .map(|line| format!("  {line}"))
            .collect::<Vec<_>>()
            .into_iter()
            .rev(),
    );
    lines.push(String::new());
    lines.push(match verdict {
        Verdict::Proved => {
            "PROVED: everybody saw everything meant for them, once, in one order".to_owned()
        }
        Verdict::Refuted => "REFUTED: see above".to_owned(),
        Verdict::TimeOver => format!(
            "TIME OVER: not everything arrived within {} s",
            plan.within.as_secs()
        ),
    });
    for line in lines {
        writeln!(out, "{line}")?;
    }
    Ok(verdict)
}

async fn play(
    plan: &Plan,
    stage: &Stage,
    out: &mut impl Write,
) -> io::Result<(Verdict, Vec<String>)> {
    writeln!(
        out,
        "server at {}, its logger is process {}",
        stage.addr(),
        stage.logger_pid()
    )?;
    writeln!(
        out,
        "channel of each person, both ways: {}",
        plan.channel.clone().with_seed(plan.seed)
    )?;
    let Some(mut cast) = Cast::enter(plan, stage.addr()).await? else {
        let nobody = "not everybody could connect over this channel; nothing was said".to_owned();
        return Ok((Verdict::TimeOver, vec![String::new(), nobody]));
    };
    writeln!(
        out,
        "{} are here; {} messages follow\n",
        PEOPLE.join(", "),
        plan.messages
    )?;
    let script = script::write(plan.seed, plan.messages);
    for line in &script {
        writeln!(out, "  {} types  {}", PEOPLE[line.who], line.typed())?;
    }
    out.flush()?;
    let mut views = Views::new(&script);
    let whole = cast.perform(&script, &mut views, plan.within).await;
    let stats = cast.stats().await;
    cast.leave().await;
    let mut lines = vec![String::new()];
    lines.extend(views.lines());
    lines.push(String::new());
    lines.extend(table::lines(&stats));
    lines.push(String::new());
    let proof = views.prove();
    lines.extend(proof.lines);
    let verdict = match (proof.holds, whole) {
        (true, _) => Verdict::Proved,
        (false, true) => Verdict::Refuted,
        (false, false) => Verdict::TimeOver,
    };
    Ok((verdict, lines))
}

/// One line of the script, counted by who hears it.
fn listeners(line: &Line) -> impl Iterator<Item = usize> + '_ {
    line.to.iter().copied()
}
