//! Lines of the cases that need a disk.

use std::time::Duration;

use serde_json::{Value, json};

use super::{micros, millions};
use crate::child::Side;
use crate::histogram::Histogram;
use crate::load::durable::Measure;

/// The heading over the rounds of the durable case.
pub(crate) const DURABLE_HEAD: &str = "round  side          commits/s  ns/commit  load ns     p50 us     p99 us   p99.9 us  sync us  server   load";
/// The heading over the rounds of the start-up case.
pub(crate) const STARTUP_HEAD: &str =
    "round  ended by       messages  data MiB   ending s  listening after s";

impl Measure {
    /// Commits in a second.
    pub(crate) fn rate(&self) -> f64 {
        self.span.rate(self.commits)
    }
}

/// A round of the durable case; `case` says which, `probed` how long the disk alone took to sync
/// before it.
pub(crate) fn durable(
    case: &str,
    round: u32,
    side: Side,
    measure: &Measure,
    probed: &Histogram,
) -> (String, Value) {
    let span = &measure.span;
    let [p50, p99, p999] = micros(&measure.to_commit);
    let (rate, (server_ns, load_ns)) = (measure.rate(), span.ns_each(measure.commits));
    let (busy, load) = (span.busy(span.server_cpu), span.busy(span.load_cpu));
    let helpers = span.busy(span.helpers_cpu);
    let [sync, ..] = micros(probed);
    let mut text = format!(
        "{round:>5}  {:<9}  {:>12}  {server_ns:>9.0}  {load_ns:>7.0}  {p50:>9.0}  {p99:>9.0}  {p999:>9.0}  {sync:>7.0}  {busy:>4.0} %  {load:>3.0} %",
        side.name(),
        millions(rate),
    );
    let mut twin = json!({
        "v": 1, "type": "round", "case": case, "round": round, "side": side.name(),
        "commits": measure.commits, "seconds": span.elapsed.as_secs_f64(), "commits_per_s": rate,
        "server_ns_per_commit": server_ns, "load_ns_per_commit": load_ns,
        "disk_sync_us": sync, "commit_us": {"p50": p50, "p99": p99, "p99.9": p999},
        "server_busy_percent": busy, "load_busy_percent": load, "logger_cpu_percent": helpers,
    });
    if side == Side::Ours {
        text += &format!("  logger {helpers:.1} %");
    }
    if measure.deliveries > 0 {
        let [p50, p99, p999] = micros(&measure.to_delivery);
        let rate = span.rate(measure.deliveries);
        text += &format!("  {} deliveries/s, p99 {p99:.0} us", millions(rate));
        twin["deliveries_per_s"] = json!(rate);
        twin["delivery_us"] = json!({"p50": p50, "p99": p99, "p99.9": p999});
    }
    (text, twin)
}

/// A start of a server that has `messages`; `ended_by` says how the one before it ended.
pub(crate) fn startup(
    round: u32,
    ended_by: &str,
    messages: u64,
    data_bytes: u64,
    ending: Option<Duration>,
    listening: Duration,
) -> (String, Value) {
    let mib = data_bytes as f64 / f64::from(1 << 20);
    let told = ending.map_or_else(
        || "-".to_owned(),
        |time| format!("{:.3}", time.as_secs_f64()),
    );
    let listening = listening.as_secs_f64();
    let text = format!(
        "{round:>5}  {ended_by:<9}  {messages:>12}  {mib:>8.0}  {told:>9}  {listening:>17.3}"
    );
    let twin = json!({
        "v": 1, "type": "round", "case": "startup", "round": round, "ended_by": ended_by,
        "messages": messages, "data_bytes": data_bytes,
        "ending_s": ending.map(|time| time.as_secs_f64()), "listening_after_s": listening,
    });
    (text, twin)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::span::Span;

    fn measure(deliveries: u64) -> Measure {
        let mut to_commit = Histogram::default();
        to_commit.record(400_000);
        Measure {
            commits: 1_000_000,
            deliveries,
            span: Span {
                elapsed: Duration::from_secs(2),
                server_cpu: Duration::from_secs(1),
                helpers_cpu: Duration::ZERO,
                load_cpu: Duration::from_millis(200),
            },
            to_delivery: to_commit.clone(),
            to_commit,
        }
    }

    fn probed() -> Histogram {
        let mut probed = Histogram::default();
        probed.record(85_000);
        probed
    }

    #[test]
    fn rounds_stand_under_their_headings() {
        let (text, twin) = durable("durable", 1, Side::Raw, &measure(0), &probed());
        assert_eq!(
            text,
            "    1  raw             500.0 k       1000      200        400        400        400       85    50 %   10 %"
        );
        assert_eq!(text.len(), DURABLE_HEAD.len());
        assert_eq!(twin["commits_per_s"], 5e5);
        assert_eq!(twin.get("deliveries_per_s"), None);
        let second = Duration::from_secs(1);
        let (text, twin) = startup(3, "kill -9", 10_000_000, 3 << 30, Some(second), second / 2);
        assert_eq!(
            text,
            "    3  kill -9        10000000      3072      1.000              0.500"
        );
        assert_eq!(text.len(), STARTUP_HEAD.len());
        assert_eq!(twin["listening_after_s"], 0.5);
    }

    #[test]
    fn deliveries_are_told_where_there_are_some() {
        let (text, twin) = durable("durable", 1, Side::Ours, &measure(4_000_000), &probed());
        assert!(
            text.ends_with("  2.00 M deliveries/s, p99 400 us"),
            "{text}"
        );
        assert_eq!(twin["deliveries_per_s"], 2e6);
    }
}
