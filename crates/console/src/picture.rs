//! A picture on the other screen of the terminal. What arrives meanwhile is written to the usual screen
//! at once, so that it is in the scrollback whatever happens next; its newest lines also stand below the
//! picture.

use std::collections::VecDeque;

use crate::terminal::Drawing;

/// Lines kept to stand below the picture.
const SAID_MAX: usize = 100;
/// To the other screen, without a cursor.
const ENTER: &str = "\u{1b}[?1049h\u{1b}[?25l";
const EXIT: &str = "\u{1b}[?1049l";
/// Between these a terminal that knows how shows nothing half done.
const HOLD: &str = "\u{1b}[?2026h";
const RELEASE: &str = "\u{1b}[?2026l";
const HOME: &str = "\u{1b}[H";
const CLEAR_REST_OF_ROW: &str = "\u{1b}[K";
const CLEAR_BELOW: &str = "\u{1b}[J";

/// What is drawn, and what was said meanwhile.
#[derive(Debug, Default)]
pub(crate) struct Picture {
    drawing: Option<Box<dyn Drawing>>,
    /// The other screen is there: entering it twice would forget where the cursor was on the usual one.
    entered: bool,
    said: VecDeque<String>,
}

impl Picture {
    /// Back to the usual screen, with its cursor.
    pub(crate) const LEAVE: &'static str = "\u{1b}[?1049l\u{1b}[?25h\u{1b}[?2026l";

    /// What is drawn from now on.
    pub(crate) fn set(&mut self, drawing: Box<dyn Drawing>) {
        self.drawing = Some(drawing);
    }

    /// The bytes that lead back for a moment, to write there.
    pub(crate) fn aside(&mut self) -> String {
        match std::mem::replace(&mut self.entered, false) {
            true => format!("{HOLD}{EXIT}"),
            false => HOLD.to_owned(),
        }
    }

    /// Whole lines that were written to the usual screen.
    pub(crate) fn said(&mut self, lines: &str) {
        for line in lines.lines() {
            if self.said.len() == SAID_MAX {
                self.said.pop_front();
            }
            self.said.push_back(without_tones(line));
        }
    }

    /// The bytes that draw it.
    pub(crate) fn drawn(&mut self, columns: usize, rows: usize) -> String {
        let said: Vec<&str> = self.said.iter().map(String::as_str).collect();
        let drawing = self.drawing.as_ref();
        let drawn = drawing.map(|drawing| drawing.draw(&said, columns, rows));
        let enter = match std::mem::replace(&mut self.entered, true) {
            true => "",
            false => ENTER,
        };
        let mut out = format!("{HOLD}{enter}{HOME}");
        for (at, row) in drawn.iter().flatten().enumerate() {
            if at > 0 {
                out.push_str("\r\n");
            }
            out.push_str(row);
            out.push_str(CLEAR_REST_OF_ROW);
        }
        out.push_str(CLEAR_BELOW);
        out.push_str(RELEASE);
        out
    }
}

/// A line without our own colours; there are no other codes in it.
fn without_tones(line: &str) -> String {
    let mut out = String::new();
    let mut rest = line;
    while let Some((before, code)) = rest.split_once('\u{1b}') {
        out.push_str(before);
        rest = code.split_once('m').map_or("", |(_, after)| after);
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A head row, and below it what was said, as far as there is room.
    #[derive(Debug)]
    struct Head;

    impl Drawing for Head {
        fn draw(&self, said: &[&str], _columns: usize, rows: usize) -> Vec<String> {
            let newest = said.len().saturating_sub(rows - 1);
            let said = said[newest..].iter().map(|line| (*line).to_owned());
            std::iter::once("head".to_owned()).chain(said).collect()
        }
    }

    #[test]
    fn lines_below_have_no_tones() {
        for (line, bare) in [
            ("plain", "plain"),
            (
                "\u{1b}[2m[4]\u{1b}[0m \u{1b}[1mbob\u{1b}[0m: hm",
                "[4] bob: hm",
            ),
            ("cut \u{1b}[", "cut "),
        ] {
            assert_eq!(without_tones(line), bare);
        }
    }

    #[test]
    fn the_newest_lines_stand_below_and_few_are_kept() {
        let mut picture = Picture::default();
        assert!(
            picture
                .drawn(80, 24)
                .ends_with("\u{1b}[H\u{1b}[J\u{1b}[?2026l")
        );
        picture.set(Box::new(Head));
        for number in 0..5 * SAID_MAX {
            picture.said(&format!("line {number}\nand {number}\n"));
        }
        assert_eq!(picture.said.len(), SAID_MAX);
        let drawn = picture.drawn(80, 24);
        assert!(!drawn.contains(ENTER), "it is there already");
        assert_eq!(picture.aside(), format!("{HOLD}{EXIT}"));
        assert_eq!(picture.aside(), HOLD);
        assert!(picture.drawn(80, 24).contains(ENTER));
        assert_eq!(drawn.matches("\r\n").count(), 23);
        let last = format!(
            "and {}{CLEAR_REST_OF_ROW}{CLEAR_BELOW}{RELEASE}",
            5 * SAID_MAX - 1
        );
        assert!(drawn.ends_with(&last), "{drawn:?}");
    }
}
