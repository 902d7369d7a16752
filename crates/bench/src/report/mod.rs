//! Figures as lines for people and, on request, as JSON objects for programs.

mod durable;
mod stalled;

pub(crate) use durable::{DURABLE_HEAD, STARTUP_HEAD, durable, startup};
pub(crate) use stalled::{STALLED_HEAD, stalled};

use serde_json::{Value, json};

use crate::child::Side;
use crate::histogram::Histogram;
use crate::load::idle::Memory;
use crate::load::saturate::Measure;

/// Shares of the latencies told.
const SHARES: [f64; 3] = [0.5, 0.99, 0.999];

/// Prints lines; JSON as well when asked to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Report {
    /// Whether JSON lines follow.
    pub(crate) json: bool,
}

impl Report {
    /// A line for people and its JSON twin.
    pub(crate) fn line(self, text: &str, twin: &Value) {
        println!("{text}");
        if self.json {
            println!("{twin}");
        }
    }
}

/// The heading over the rounds of a saturated case.
pub(crate) const SATURATED_HEAD: &str = "round  side       deliveries/s  ns/delivery  cpu s/M     p50 us     p99 us   p99.9 us  server   load";
/// The heading over the rounds of the ping-pong.
pub(crate) const PINGPONG_HEAD: &str =
    "round  side       round trips     p50 us     p99 us   p99.9 us";
/// The heading over the rounds of talk among peers.
pub(crate) const PEERS_HEAD: &str =
    "round  side       deliveries/s  per core and s  sent bytes each   seconds";
/// The heading over the rounds of healing.
pub(crate) const HEALING_HEAD: &str = "round  side       seconds to converge";
/// The heading over the rounds of the idle case.
pub(crate) const IDLE_HEAD: &str = "round  side       connections  KiB each   entering s";

impl Measure {
    /// Deliveries in a second.
    pub(crate) fn rate(&self) -> f64 {
        self.span.rate(self.deliveries)
    }

    /// The server's nanoseconds for each.
    pub(crate) fn ns_each(&self) -> f64 {
        self.span.ns_each(self.deliveries).0
    }
}

/// A round of a saturated case.
pub(crate) fn saturated(case: &str, round: u32, side: Side, measure: &Measure) -> (String, Value) {
    let span = &measure.span;
    let seconds = span.elapsed.as_secs_f64();
    let (busy, load) = (span.busy(span.server_cpu), span.busy(span.load_cpu));
    let [p50, p99, p999] = micros(&measure.latency);
    let (rate, ns) = (measure.rate(), measure.ns_each());
    let mut text = format!(
        "{round:>5}  {:<9}  {:>12}  {ns:>11.1}  {:>7.4}  {p50:>9.0}  {p99:>9.0}  {p999:>9.0}  {busy:>4.0} %  {load:>3.0} %",
        side.name(),
        millions(rate),
        ns / 1_000.0,
    );
    let helpers = span.busy(span.helpers_cpu);
    if side == Side::Ours {
        text += &format!("  logger {helpers:.1} %");
    }
    if measure.duplicates > 0 {
        text += &format!("  {} frames came twice", measure.duplicates);
    }
    let twin = json!({
        "v": 1, "type": "round", "case": case, "round": round, "side": side.name(),
        "deliveries": measure.deliveries, "seconds": seconds, "deliveries_per_s": rate,
        "server_ns_per_delivery": ns, "server_cpu_s_per_million": ns / 1_000.0,
        "latency_us": {"p50": p50, "p99": p99, "p99.9": p999},
        "server_busy_percent": busy, "load_busy_percent": load,
        "logger_cpu_percent": helpers, "duplicates": measure.duplicates,
    });
    (text, twin)
}

/// A round of the ping-pong.
pub(crate) fn pingpong(round: u32, side: Side, trips: &Histogram) -> (String, Value) {
    let [p50, p99, p999] = micros(trips);
    let text = format!(
        "{round:>5}  {:<9}  {:>11}  {p50:>9.1}  {p99:>9.1}  {p999:>9.1}",
        side.name(),
        trips.total(),
    );
    let twin = json!({
        "v": 1, "type": "round", "case": "pingpong", "round": round, "side": side.name(),
        "round_trips": trips.total(), "rtt_us": {"p50": p50, "p99": p99, "p99.9": p999},
    });
    (text, twin)
}

/// A round of the idle case.
pub(crate) fn idle(round: u32, side: Side, memory: Memory) -> (String, Value) {
    let kib = memory.each() / 1_024.0;
    let entering = memory.entering.as_secs_f64();
    let text = format!(
        "{round:>5}  {:<9}  {:>11}  {kib:>8.2}  {entering:>11.2}",
        side.name(),
        memory.connections,
    );
    let twin = json!({
        "v": 1, "type": "round", "case": "idle", "round": round, "side": side.name(),
        "connections": memory.connections, "rss_bytes_each": memory.each(),
        "rss_bytes_before": memory.before, "rss_bytes_with": memory.with, "entering_s": entering,
    });
    (text, twin)
}

/// The result of a case: named figures (of lamparina) and, with `ratio`, their share of raw's.
pub(crate) fn result(
    case: &str,
    figures: &[(&str, String, f64)],
    ratio: Option<f64>,
) -> (String, Value) {
    let told: Vec<String> = figures
        .iter()
        .map(|(name, told, _)| format!("{told} {name}"))
        .collect();
    let mut text = format!("{case}: {}", told.join(", "));
    if let Some(ratio) = ratio {
        text += &format!("; {ratio:.3} of raw (median of pairs)");
    }
    let mut twin = json!({"v": 1, "type": "result", "case": case, "ratio_to_raw": ratio});
    for (name, _, value) in figures {
        twin[*name] = json!(value);
    }
    (text, twin)
}

/// The middle value, or the mean of the two in the middle; 0 when there is none.
pub(crate) fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut sorted: Vec<f64> = values.into_iter().collect();
    sorted.sort_by(f64::total_cmp);
    let half = sorted.len() / 2;
    match sorted.len() {
        0 => 0.0,
        odd if odd % 2 == 1 => sorted[half],
        _ => (sorted[half - 1] + sorted[half]) / 2.0,
    }
}

/// `12.3 M`, `4.56 k`.
pub(crate) fn millions(value: f64) -> String {
    match value {
        1e6.. => format!("{:.2} M", value / 1e6),
        1e3.. => format!("{:.1} k", value / 1e3),
        _ => format!("{value:.0}"),
    }
}

fn micros(histogram: &Histogram) -> [f64; 3] {
    SHARES.map(|share| histogram.quantile(share) as f64 / 1_000.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::span::Span;
    use std::time::Duration;

    #[test]
    fn a_round_stands_under_its_heading() {
        let mut latency = Histogram::default();
        latency.record(31_000);
        let measure = Measure {
            deliveries: 40_000_000,
            span: Span {
                elapsed: Duration::from_secs(2),
                server_cpu: Duration::from_secs(1),
                helpers_cpu: Duration::ZERO,
                load_cpu: Duration::from_millis(1_900),
            },
            latency,
            duplicates: 0,
        };
        let (text, twin) = saturated("fanout", 2, Side::Raw, &measure);
        assert_eq!(
            text,
            "    2  raw             20.00 M         25.0   0.0250         31         31         31    50 %   95 %"
        );
        assert_eq!(text.len(), SATURATED_HEAD.len());
        assert_eq!(twin["deliveries_per_s"], 20e6);
        let (text, _) = pingpong(1, Side::Ours, &measure.latency);
        assert_eq!(text.len(), PINGPONG_HEAD.len());
    }

    #[test]
    fn results_say_the_ratio_when_there_is_one() {
        let figures = [("deliveries/s", "20.0 M".to_owned(), 20e6)];
        let (text, twin) = result("fanout", &figures, Some(0.3));
        assert_eq!(
            text,
            "fanout: 20.0 M deliveries/s; 0.300 of raw (median of pairs)"
        );
        assert_eq!(
            (&twin["ratio_to_raw"], &twin["deliveries/s"]),
            (&json!(0.3), &json!(20e6))
        );
        assert_eq!(result("idle", &[], None).0, "idle: ");
    }

    #[test]
    fn medians_and_millions() {
        assert_eq!(median([3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median([4.0, 1.0]), 2.5);
        assert_eq!(median([]), 0.0);
        assert_eq!(
            [20e6, 4_560.0, 7.0].map(millions),
            ["20.00 M", "4.6 k", "7"]
        );
    }
}
