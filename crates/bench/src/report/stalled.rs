//! Lines of the case `stalled`.

use serde_json::{Value, json};

use super::{micros, millions};
use crate::load::stalled::Measure;

/// The heading over the rounds.
pub(crate) const STALLED_HEAD: &str =
    "round  one stalls  deliveries/s     p50 us     p99 us   p99.9 us  RSS MiB  server";

/// A round; `stalls` says whether one client stood still in it.
pub(crate) fn stalled(round: u32, stalls: bool, measure: &Measure) -> (String, Value) {
    let span = &measure.span;
    let [p50, p99, p999] = micros(&measure.latency);
    let rate = span.rate(measure.deliveries);
    let mib = measure.rss_bytes as f64 / f64::from(1 << 20);
    let text = format!(
        "{round:>5}  {:>10}  {:>12}  {p50:>9.0}  {p99:>9.0}  {p999:>9.0}  {mib:>7.2}  {:>4.0} %",
        if stalls { "yes" } else { "no" },
        millions(rate),
        span.busy(span.server_cpu),
    );
    let twin = json!({
        "v": 1, "type": "round", "case": "stalled", "round": round,
        "one_stalls": stalls, "deliveries_per_s": rate,
        "delivery_us": {"p50": p50, "p99": p99, "p99.9": p999},
        "rss_bytes": measure.rss_bytes, "server_busy_percent": span.busy(span.server_cpu),
    });
    (text, twin)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::histogram::Histogram;
    use crate::load::span::Span;
    use std::time::Duration;

    #[test]
    fn a_round_stands_under_its_heading() {
        let mut latency = Histogram::default();
        latency.record(31_000);
        let measure = Measure {
            deliveries: 100_000,
            span: Span {
                elapsed: Duration::from_secs(2),
                server_cpu: Duration::from_secs(1),
                helpers_cpu: Duration::ZERO,
                load_cpu: Duration::from_secs(1),
            },
            latency,
            rss_bytes: 3 << 20,
        };
        let (text, twin) = stalled(1, true, &measure);
        assert_eq!(text.len(), STALLED_HEAD.len());
        assert_eq!(twin["one_stalls"], true);
    }
}
