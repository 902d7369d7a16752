//! The link, drawn: what `--watch-link` shows. A drawing has at most as many rows as the screen, each
//! at most as wide, and is the same for the same inputs. What is not measured is not drawn.
//!
//! The bar is the window. Which of the frames in flight are repeats the link does not tell; as many
//! are shown as such as were sent again in the last seconds.

use std::collections::VecDeque;

use lamparina_console::terminal::Drawing;
use lamparina_protocol::link::LinkStats;
use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

use super::link::{head, word};
use super::{link, units};
use crate::core::carrier::Carrier;
use crate::core::meter::{RATE_OVER, Reading, Word};
use crate::net::NetStatus;

mod glyphs;

pub use glyphs::Glyphs;

/// Readings of which the curves are made.
pub const TRAIL_MAX: usize = 240;
/// Below these a few bare rows are drawn.
const COLUMNS_MIN: usize = 44;
const ROWS_MIN: usize = 11;
/// Columns of a row's name.
const NAME_COLUMNS: usize = 12;

/// Readings, oldest first.
#[derive(Clone, Debug, Default)]
pub struct Trail(VecDeque<Point>);

#[derive(Clone, Copy, Debug, Default)]
struct Point {
    rtt_us: Option<u64>,
    loss_out: Option<u64>,
    loss_in: Option<u64>,
}

impl Trail {
    /// Takes the newest reading; without one there is a gap in the curves.
    pub fn push(&mut self, reading: Option<&Reading>) {
        if self.0.len() == TRAIL_MAX {
            self.0.pop_front();
        }
        let point = reading.map(|Reading { stats, .. }| Point {
            rtt_us: stats
                .rtt
                .map(|rtt| u64::try_from(rtt.as_micros()).unwrap_or(u64::MAX)),
            loss_out: stats.loss_out_ppm.map(u64::from),
            loss_in: stats.loss_in_ppm.map(u64::from),
        });
        self.0.push_back(point.unwrap_or_default());
    }

    fn newest(&self, count: usize, of: fn(&Point) -> Option<u64>) -> Vec<Option<u64>> {
        let skip = self.0.len().saturating_sub(count);
        self.0.iter().skip(skip).map(of).collect()
    }
}

/// How drawings look.
#[derive(Clone, Copy, Debug)]
pub struct Look {
    /// Whether colours are wanted.
    pub colour: bool,
    /// What curves and bars are made of.
    pub glyphs: Glyphs,
}

/// What is drawn.
#[derive(Clone, Debug)]
pub struct View {
    /// The link now.
    pub status: NetStatus,
    /// And before.
    pub trail: Trail,
    /// How it looks.
    pub look: Look,
}

impl Drawing for View {
    fn draw(&self, said: &[&str], columns: usize, rows: usize) -> Vec<String> {
        let drawn = match columns < COLUMNS_MIN || rows < ROWS_MIN {
            true => self.bare(columns),
            false => self.whole(columns),
        };
        let mut out: Vec<_> = drawn
            .into_iter()
            .take(rows)
            .map(|row| row.shown(columns, self.look.colour))
            .collect();
        let room = rows.saturating_sub(out.len());
        let newest = said.len().saturating_sub(room);
        out.extend(said[newest..].iter().map(|line| fit(line, columns)));
        out
    }
}

impl View {
    /// For a screen on which little has room.
    fn bare(&self, columns: usize) -> Vec<Row> {
        let mut rows = vec![self.word_row(word(&self.status).name())];
        let Some(reading) = &self.status.reading else {
            return rows;
        };
        if let Some(rtt) = reading.stats.rtt {
            rows.push(Row::plain(format!("rtt {}", units::time(rtt))));
        }
        let losses = [reading.stats.loss_out_ppm, reading.stats.loss_in_ppm];
        if let [Some(outward), Some(inward)] = losses.map(|ppm| ppm.map(units::share)) {
            rows.push(Row::plain(format!("loss {outward} / {inward}")));
        }
        let mut bar = Row::default();
        self.bar(reading, columns, &mut bar);
        rows.push(bar);
        rows
    }

    fn whole(&self, columns: usize) -> Vec<Row> {
        let mut rows = vec![self.word_row(&head(&self.status))];
        if let Some(reading) = &self.status.reading {
            let state = super::clean::line(&self.status.conversation.state);
            rows.push(named("chat").then(Tone::Dim, state));
            self.numbers(reading, columns, &mut rows);
        }
        rows.push(Row::default().then(Tone::Dim, "q or Ctrl-C leaves".to_owned()));
        let rule = self.look.glyphs.rule().to_string().repeat(columns);
        rows.push(Row::default().then(Tone::Dim, rule));
        rows
    }

    fn word_row(&self, text: &str) -> Row {
        let word = word(&self.status);
        let name = word.name();
        let rest = text.strip_prefix(name).unwrap_or_default();
        Row::default()
            .then(Tone::of(word), name.to_owned())
            .then(Tone::Plain, rest.to_owned())
    }

    fn numbers(&self, reading: &Reading, columns: usize, rows: &mut Vec<Row>) {
        let stats = &reading.stats;
        let room = columns - NAME_COLUMNS;
        let mut bar = named("window");
        self.bar(reading, room, &mut bar);
        rows.push(bar);
        rows.push(named("").then(Tone::Plain, window(reading)));
        rows.push(self.legend());
        let mut rate = format!(
            "out {}, in {}",
            units::rate(reading.sent_bytes_per_s),
            units::rate(reading.received_bytes_per_s)
        );
        if let Some(most) = stats.rate_bytes_per_s {
            rate.push_str(&format!("; the line takes {}", units::rate(most)));
        }
        rows.push(named("rate").then(Tone::Plain, rate));
        if !stats.phase.is_empty() {
            rows.push(self.congestion(stats, room));
        }
        rows.push(self.round_trip(reading, room));
        if self.status.carrier == Some(Carrier::Udp) {
            rows.push(self.loss(reading, room));
        }
        rows.push(named("repair").then(Tone::Plain, self.repair(reading)));
    }

    /// The send window: in flight, of these sent again, free.
    fn bar(&self, reading: &Reading, columns: usize, row: &mut Row) {
        let stats = &reading.stats;
        let in_flight = u64::from(stats.in_flight_frames);
        let again = reading.again_lately.min(in_flight);
        let cells = |frames| cells(frames, stats.window_frames.into(), columns);
        self.filled(cells(in_flight), cells(again), columns, row);
    }

    /// Bytes in flight, of those that may be.
    fn congestion(&self, stats: &LinkStats, room: usize) -> Row {
        let words = link::congestion(stats);
        let columns = room.saturating_sub(words.width() + 2);
        let in_flight = u64::from(stats.in_flight_bytes) + u64::from(stats.bulk_in_flight_bytes);
        let full = cells(in_flight, stats.congestion_bytes, columns);
        let mut row = named("congestion");
        self.filled(full, 0, columns, &mut row);
        row.then(Tone::Plain, format!("  {words}"))
    }

    /// A bar of `full` columns, of which `half` are of another kind, and free ones.
    fn filled(&self, full: usize, half: usize, columns: usize, row: &mut Row) {
        let glyphs = self.look.glyphs.bar();
        let runs = [full - half, half, columns - full];
        for ((glyph, run), tone) in glyphs
            .iter()
            .zip(runs)
            .zip([Tone::Good, Tone::Fair, Tone::Dim])
        {
            row.push(tone, glyph.to_string().repeat(run));
        }
    }

    fn legend(&self) -> Row {
        let [full, half, none] = self.look.glyphs.bar();
        let seconds = RATE_OVER.as_secs();
        named("")
            .then(Tone::Good, full.to_string())
            .then(Tone::Dim, " in flight  ".to_owned())
            .then(Tone::Fair, half.to_string())
            .then(Tone::Dim, format!(" again ({seconds} s)  "))
            .then(Tone::Dim, format!("{none} free"))
    }

    fn round_trip(&self, reading: &Reading, room: usize) -> Row {
        let Some(rtt) = reading.stats.rtt else {
            return named("round trip").then(Tone::Plain, "not measured yet".to_owned());
        };
        let mut words = units::time(rtt);
        if let Some(variation) = reading.stats.rtt_variation {
            words.push_str(&format!(" +- {}", units::time(variation)));
        }
        if let Some(least) = reading.stats.rtt_min {
            words.push_str(&format!(", least {}", units::time(least)));
        }
        let curve = room.saturating_sub(words.width() + 2);
        let points = self.trail.newest(curve, |point| point.rtt_us);
        let most = points.iter().flatten().copied().max().unwrap_or(0);
        let curve = format!("{:>curve$}", self.look.glyphs.curve(&points, most));
        named("round trip")
            .then(Tone::Good, curve)
            .then(Tone::Plain, format!("  {words}"))
    }

    /// Both ways on one scale: the fuller curve is the worse way.
    fn loss(&self, reading: &Reading, room: usize) -> Row {
        let stats = &reading.stats;
        let share = |ppm: Option<u32>| ppm.map_or_else(|| "?".to_owned(), units::share);
        let shares = [stats.loss_out_ppm, stats.loss_in_ppm].map(share);
        let names = ["out ", "  in "];
        let words = names.iter().map(|name| name.len()).sum::<usize>()
            + shares.iter().map(|share| share.len() + 1).sum::<usize>();
        let curve = room.saturating_sub(words) / 2;
        let points = [
            self.trail.newest(curve, |point| point.loss_out),
            self.trail.newest(curve, |point| point.loss_in),
        ];
        let most = points.iter().flatten().flatten().copied().max();
        let mut row = named("loss");
        for ((name, share), points) in names.iter().zip(&shares).zip(&points) {
            row.push(Tone::Dim, (*name).to_owned());
            let drawn = self.look.glyphs.curve(points, most.unwrap_or(0));
            row.push(Tone::Fair, format!("{drawn:>curve$}"));
            row.push(Tone::Plain, format!(" {share}"));
        }
        row
    }

    fn repair(&self, reading: &Reading) -> String {
        let stats = &reading.stats;
        let mut out = format!("{} again", units::count(stats.retransmitted));
        if self.status.carrier == Some(Carrier::Udp) {
            out.push_str(&format!(", {} copies", units::count(stats.copies_sent)));
        }
        out.push_str(&format!(", {} time-outs", units::count(stats.timeouts)));
        out
    }
}

/// Columns of `columns` for `part` of `most`: whatever is there is seen, and at most all.
fn cells(part: u64, most: u64, columns: usize) -> usize {
    let cells = (part.saturating_mul(columns as u64)).div_ceil(most.max(1));
    usize::try_from(cells).map_or(columns, |cells| cells.min(columns))
}

fn window(reading: &Reading) -> String {
    let stats = &reading.stats;
    format!(
        "{} of {} frames, {} of {}; bulk {}",
        units::count(stats.in_flight_frames.into()),
        units::count(stats.window_frames.into()),
        units::bytes(stats.in_flight_bytes.into()),
        units::bytes(stats.window_bytes.into()),
        units::bytes(stats.bulk_in_flight_bytes.into()),
    )
}

fn named(name: &str) -> Row {
    Row::default().then(Tone::Dim, format!("{name:<NAME_COLUMNS$}"))
}

/// What of a line has room.
fn fit(text: &str, columns: usize) -> String {
    let (mut out, mut wide) = (String::new(), 0);
    for grapheme in text.graphemes(true) {
        wide += grapheme.width();
        if wide > columns {
            break;
        }
        out.push_str(grapheme);
    }
    out
}

/// Pieces of a row, each in a tone.
#[derive(Clone, Debug, Default)]
struct Row(Vec<(Tone, String)>);

impl Row {
    fn plain(text: String) -> Self {
        Self::default().then(Tone::Plain, text)
    }

    fn then(mut self, tone: Tone, text: String) -> Self {
        self.push(tone, text);
        self
    }

    fn push(&mut self, tone: Tone, text: String) {
        self.0.push((tone, text));
    }

    fn shown(&self, columns: usize, colour: bool) -> String {
        let (mut out, mut room) = (String::new(), columns);
        for (tone, text) in &self.0 {
            let text = fit(text, room);
            room -= text.width();
            match tone.code().filter(|_| colour && !text.is_empty()) {
                Some(code) => out.push_str(&format!("\u{1b}[{code}m{text}\u{1b}[0m")),
                None => out.push_str(&text),
            }
        }
        match colour {
            true => out,
            false => out.trim_end().to_owned(),
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum Tone {
    Plain,
    Dim,
    Good,
    Fair,
    Bad,
}

impl Tone {
    const fn of(word: Word) -> Self {
        match word {
            Word::Excellent | Word::Good => Self::Good,
            Word::Fair => Self::Fair,
            Word::Poor | Word::Silent => Self::Bad,
        }
    }

    /// Of "select graphic rendition".
    const fn code(self) -> Option<&'static str> {
        match self {
            Self::Plain => None,
            Self::Dim => Some("2"),
            Self::Good => Some("32"),
            Self::Fair => Some("33"),
            Self::Bad => Some("1;31"),
        }
    }
}

#[cfg(test)]
mod tests;
