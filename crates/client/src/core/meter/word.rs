//! How a link is, in one of five words. Getting worse shows at once; better only after it was clearly
//! better, by a fifth, for [`BETTER_FOR`], so that the word does not flicker. From silence the first
//! answer leads back.

use std::time::Duration;

use lamparina_protocol::Instant;

/// How long a link is clearly better before it is called so.
pub const BETTER_FOR: Duration = Duration::from_secs(5);
/// Of a limit, what has to be kept to be called better.
const CLEARLY_PERCENT: u32 = 80;
/// Fewer repairs lately than this say nothing: of three frames one is always a third.
const REPAIRS_THAT_COUNT: u64 = 3;

/// How a link is. The later, the worse.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Word {
    /// Nobody notices that there is a line between.
    Excellent,
    /// A chat is as good on it.
    Good,
    /// Words arrive late now and then.
    Fair,
    /// Words arrive, with patience.
    Poor,
    /// Nothing comes, or there is no connection.
    Silent,
}

impl Word {
    /// The word itself.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Excellent => "excellent",
            Self::Good => "good",
            Self::Fair => "fair",
            Self::Poor => "poor",
            Self::Silent => "silent",
        }
    }
}

/// What the word is made of. What was not measured speaks neither for nor against a link.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Measures {
    /// Share lost on the way that loses more, in millionths.
    pub loss_ppm: Option<u32>,
    /// Frames sent again lately, because nothing else brought them over.
    pub again: u64,
    /// Frames sent lately.
    pub sent: u64,
    /// Smoothed round trip.
    pub rtt: Option<Duration>,
    /// Time-outs lately, of a stream.
    pub timeouts: u64,
    /// How long an answer is awaited, and nothing at all has come.
    pub unanswered: Duration,
}

/// What a link keeps to be called by a word.
#[derive(Clone, Copy, Debug)]
struct Limits {
    word: Word,
    loss_ppm: u32,
    /// Of the frames sent lately.
    again_ppm: u64,
    rtt: Duration,
    timeouts: u64,
    /// Besides `unanswered_trips` round trips.
    unanswered: Duration,
    unanswered_trips: u32,
}

/// The table, best first. The worst measure decides. docs/operations.md shows it to people.
const TABLE: [Limits; 4] = [
    limits(Word::Excellent, (1, 1), (100, 1), (1, 2)),
    limits(Word::Good, (5, 3), (250, 3), (1, 2)),
    limits(Word::Fair, (15, 10), (600, 10), (2, 3)),
    // Whatever comes is better than silence.
    limits(Word::Poor, (100, 100), (u32::MAX, u64::MAX), (5, 4)),
];

const fn limits(
    word: Word,
    (loss_percent, again_percent): (u32, u64),
    (rtt_ms, timeouts): (u32, u64),
    (unanswered_s, unanswered_trips): (u64, u32),
) -> Limits {
    Limits {
        word,
        loss_ppm: loss_percent * 10_000,
        again_ppm: again_percent * 10_000,
        rtt: Duration::from_millis(rtt_ms as u64),
        timeouts,
        unanswered: Duration::from_secs(unanswered_s),
        unanswered_trips,
    }
}

/// The best word whose limits, of which `percent` count, are all kept.
fn grade(measures: &Measures, percent: u32) -> Word {
    let kept = TABLE.iter().find(|limits| keeps(measures, limits, percent));
    kept.map_or(Word::Silent, |limits| limits.word)
}

fn keeps(measures: &Measures, limits: &Limits, percent: u32) -> bool {
    let rtt = measures.rtt.unwrap_or_default();
    let part = |limit: Duration| limit * percent / 100;
    let poor = limits.word == Word::Poor;
    let again = match measures.again {
        again if again < REPAIRS_THAT_COUNT => 0,
        again => again.saturating_mul(1_000_000) / measures.sent.max(1),
    };
    let patience = limits.unanswered + rtt * limits.unanswered_trips;
    let spoken = measures.unanswered <= part(patience);
    spoken
        && (poor
            || (measures.loss_ppm.unwrap_or(0) <= limits.loss_ppm / 100 * percent
                && again <= limits.again_ppm / 100 * u64::from(percent)
                && rtt <= part(limits.rtt)
                && measures.timeouts <= limits.timeouts))
}

/// Keeps the word of one link.
#[derive(Clone, Copy, Debug)]
pub(super) struct Judge {
    word: Word,
    better_since: Option<Instant>,
}

impl Judge {
    /// The first word.
    pub(super) fn new(measures: &Measures) -> Self {
        Self {
            word: grade(measures, 100),
            better_since: None,
        }
    }

    pub(super) const fn word(&self) -> Word {
        self.word
    }

    /// Looks again.
    pub(super) fn look(&mut self, now: Instant, measures: &Measures) {
        let plain = grade(measures, 100);
        if plain >= self.word || self.word == Word::Silent {
            (self.word, self.better_since) = (plain, None);
            return;
        }
        let clear = grade(measures, CLEARLY_PERCENT);
        if clear >= self.word {
            self.better_since = None;
            return;
        }
        let since = *self.better_since.get_or_insert(now);
        if now.saturating_since(since) >= BETTER_FOR {
            (self.word, self.better_since) = (clear, None);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn quiet() -> Measures {
        Measures {
            sent: 1_000,
            rtt: Some(ms(40)),
            ..Measures::default()
        }
    }

    #[test]
    fn the_worst_measure_decides() {
        use Word::{Excellent, Fair, Good, Poor, Silent};
        #[track_caller]
        fn check(change: impl Fn(&mut Measures), word: Word) {
            let mut measures = quiet();
            change(&mut measures);
            assert_eq!(grade(&measures, 100), word, "{measures:?}");
        }
        check(|_| {}, Excellent);
        check(|m| *m = Measures::default(), Excellent);
        for (ppm, word) in [
            (10_000, Excellent),
            (10_001, Good),
            (50_000, Good),
            (50_001, Fair),
            (150_000, Fair),
            (150_001, Poor),
            (1_000_000, Poor),
        ] {
            check(|m| m.loss_ppm = Some(ppm), word);
        }
        for (again, word) in [
            (2, Excellent),
            (10, Excellent),
            (11, Good),
            (30, Good),
            (31, Fair),
            (100, Fair),
            (101, Poor),
            (5_000, Poor),
        ] {
            check(|m| m.again = again, word);
        }
        // Two of three say nothing yet, three of four do.
        check(|m| (m.again, m.sent) = (2, 3), Excellent);
        check(|m| (m.again, m.sent) = (3, 4), Poor);
        check(|m| (m.again, m.sent) = (3, 0), Poor);
        for (rtt, word) in [
            (100, Excellent),
            (101, Good),
            (250, Good),
            (251, Fair),
            (600, Fair),
            (601, Poor),
            (60_000, Poor),
        ] {
            check(|m| m.rtt = Some(ms(rtt)), word);
        }
        for (timeouts, word) in [(1, Excellent), (2, Good), (4, Fair), (10, Fair), (11, Poor)] {
            check(|m| m.timeouts = timeouts, word);
        }
        // One second and two round trips of 40 ms, and so on.
        for (unanswered, word) in [
            (1_080, Excellent),
            (1_081, Fair),
            (2_120, Fair),
            (2_121, Poor),
            (5_160, Poor),
            (5_161, Silent),
        ] {
            check(|m| m.unanswered = ms(unanswered), word);
        }
        // Over a slow line an answer may take its time.
        let slow = |m: &mut Measures| (m.rtt, m.unanswered) = (Some(ms(4_000)), ms(20_000));
        check(slow, Poor);
        check(|m| (m.loss_ppm, m.timeouts) = (Some(20_000), 5), Fair);
    }

    /// A word for each second, of round trips of so many ms.
    fn words(rtts: impl IntoIterator<Item = u64>) -> Vec<&'static str> {
        let mut judge: Option<Judge> = None;
        let word = |(second, rtt)| {
            let measures = Measures {
                rtt: Some(ms(rtt)),
                ..quiet()
            };
            let now = Instant::from_millis(second * 1_000);
            let judge = judge.get_or_insert_with(|| Judge::new(&measures));
            judge.look(now, &measures);
            judge.word().name()
        };
        (0_u64..).zip(rtts).map(word).collect()
    }

    #[test]
    fn worse_shows_at_once_and_better_when_it_stays() {
        let got = words([90, 300, 90, 90, 90, 90, 90, 90]);
        let fair = ["fair"; 6];
        assert_eq!(got[..1], ["excellent"]);
        // It is clearly better than fair, but 90 of 100 ms is not clearly excellent.
        assert_eq!(got[1..7], fair);
        assert_eq!(got[7], "good");
        // Five seconds again, and clearly: 80 of 100 ms.
        let got = words([90, 240, 80, 80, 80, 80, 80, 80]);
        assert_eq!(got[1..7], ["good"; 6]);
        assert_eq!(got[7], "excellent");
        // What goes up and down around a limit stays on its worse side.
        let around = (0..60).map(|second| if second % 3 == 0 { 101 } else { 99 });
        let got = words(around);
        assert_eq!(got, ["good"; 60]);
        // So it does for one that is just inside.
        assert_eq!(words([101].into_iter().chain([95; 60]))[60], "good");
    }

    #[test]
    fn the_first_answer_ends_silence() {
        let mut silent = quiet();
        silent.unanswered = ms(30_000);
        let mut judge = Judge::new(&silent);
        assert_eq!(judge.word(), Word::Silent);
        let now = Instant::from_millis(1);
        let heard = Measures {
            timeouts: 9,
            ..quiet()
        };
        judge.look(now, &heard);
        assert_eq!(judge.word(), Word::Fair);
        judge.look(now, &silent);
        assert_eq!(judge.word(), Word::Silent);
    }

    #[test]
    fn the_page_for_operators_has_the_same_table() {
        let page = include_str!("../../../../../docs/operations.md");
        for limits in &TABLE {
            let silence = format!(
                "{} s + {} round trips",
                limits.unanswered.as_secs(),
                limits.unanswered_trips
            );
            let name = limits.word.name();
            let row = match limits.word {
                Word::Poor => format!("| {name} | any | any | any | any | {silence} |"),
                _ => format!(
                    "| {name} | {} % | {} % | {} ms | {} | {silence} |",
                    limits.loss_ppm / 10_000,
                    limits.again_ppm / 10_000,
                    limits.rtt.as_millis(),
                    limits.timeouts
                ),
            };
            assert!(page.lines().any(|line| line == row), "{row}");
        }
    }

    #[test]
    fn the_table_goes_from_best_to_worst() {
        for pair in TABLE.windows(2) {
            assert!(pair[0].word < pair[1].word);
            assert!(pair[0].loss_ppm < pair[1].loss_ppm && pair[0].rtt < pair[1].rtt);
            assert!(pair[0].again_ppm < pair[1].again_ppm);
            assert!(pair[0].timeouts < pair[1].timeouts);
            assert!(pair[0].unanswered <= pair[1].unanswered);
        }
    }
}
