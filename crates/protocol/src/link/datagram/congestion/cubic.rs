//! A window that shares a queue with others as TCP does (CUBIC, RFC 9438), in bytes. Used only while
//! somebody else keeps the queue full.

use std::time::Duration;

use crate::time::Instant;

/// Multiplicative decrease (RFC 9438, 4.6).
const BETA: f64 = 0.7;
/// Aggressiveness, in packets a second cubed (RFC 9438, 4.1).
const C: f64 = 0.4;

/// The window.
#[derive(Debug)]
pub(super) struct Cubic {
    window: f64,
    /// The window before the last decrease.
    max: f64,
    /// When growth began after it.
    epoch: Instant,
    /// What Reno would have (RFC 9438, 4.3).
    reno: f64,
    packet: f64,
}

impl Cubic {
    /// Begins with `window` bytes, sent in packets of `packet` bytes.
    pub(super) fn new(now: Instant, window: u64, packet: u64) -> Self {
        let window = window.max(4 * packet) as f64;
        Self {
            window,
            max: window,
            epoch: now,
            reno: window,
            packet: packet.max(1) as f64,
        }
    }

    pub(super) fn window(&self) -> u64 {
        self.window as u64
    }

    /// `bytes` were acknowledged while the window was full.
    pub(super) fn on_acked(&mut self, now: Instant, bytes: u64, rtt: Duration) {
        let bytes = bytes as f64;
        let alpha = 3.0 * (1.0 - BETA) / (1.0 + BETA);
        self.reno += alpha * self.packet * bytes / self.window;
        let target = self.cubic_at(now.saturating_since(self.epoch) + rtt);
        let target = target.clamp(self.window, 1.5 * self.window);
        self.window += (target - self.window) * bytes / self.window;
        self.window = self.window.max(self.reno);
    }

    /// RFC 9438, figure 1: `C (t - K)^3 + W_max`.
    fn cubic_at(&self, since: Duration) -> f64 {
        let drop = (self.max - self.max.min(BETA * self.max)) / self.packet;
        let k = cube_root(drop / C);
        let t = since.as_micros() as f64 / 1e6 - k;
        self.max + C * t * t * t * self.packet
    }

    /// A packet found the queue full; at most once a round trip.
    pub(super) fn on_congestion(&mut self, now: Instant) {
        // Fast convergence (RFC 9438, 4.7).
        self.max = match self.window < self.max {
            true => self.window * (1.0 + BETA) / 2.0,
            false => self.window,
        };
        self.window = (self.window * BETA).max(4.0 * self.packet);
        self.reno = self.window;
        self.epoch = now;
    }
}

/// By Newton's method: the same digits on every machine.
fn cube_root(number: f64) -> f64 {
    if number <= 0.0 {
        return 0.0;
    }
    let mut root = number.max(1.0);
    for _ in 0..60 {
        root -= (root * root * root - number) / (3.0 * root * root);
    }
    root
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cube_roots() {
        for number in [0.001, 0.5, 1.0, 27.0, 1e6] {
            let root = cube_root(number);
            assert!(
                (root * root * root - number).abs() < number * 1e-9,
                "{number}"
            );
        }
        assert_eq!(cube_root(0.0), 0.0);
    }

    #[test]
    fn it_comes_back_to_where_it_was_in_k_seconds() {
        let mut cubic = Cubic::new(Instant::ZERO, 120_000, 1_200);
        cubic.on_congestion(Instant::ZERO);
        assert_eq!(cubic.window(), 84_000);
        // 100 packets: K is the cube root of 30 / 0.4, 4.2 s.
        let rtt = Duration::from_millis(200);
        let mut ms = 0;
        while ms < 4_000 {
            ms += 200;
            cubic.on_acked(Instant::from_millis(ms), cubic.window(), rtt);
        }
        let window = cubic.window();
        assert!((114_000..=126_000).contains(&window), "{window}");
    }
}
