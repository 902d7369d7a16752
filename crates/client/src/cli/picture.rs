//! A picture on the other screen of the terminal. What arrives meanwhile is written to the usual screen
//! at once, so that it is in the scrollback whatever happens next; its newest lines also stand below the
//! picture.

use std::collections::VecDeque;

use crate::show::watch::View;

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
pub(super) struct Picture {
    view: Option<View>,
    /// The other screen is there: entering it twice would forget where the cursor was on the usual one.
    entered: bool,
    said: VecDeque<String>,
}

impl Picture {
    /// Back to the usual screen, with its cursor.
    pub(super) const LEAVE: &'static str = "\u{1b}[?1049l\u{1b}[?25h\u{1b}[?2026l";

    /// What is drawn from now on.
    pub(super) fn set(&mut self, view: View) {
        self.view = Some(view);
    }

    /// The bytes that lead back for a moment, to write there.
    pub(super) fn aside(&mut self) -> String {
        match std::mem::replace(&mut self.entered, false) {
            true => format!("{HOLD}{EXIT}"),
            false => HOLD.to_owned(),
        }
    }

    /// Whole lines that were written to the usual screen.
    pub(super) fn said(&mut self, lines: &str) {
        for line in lines.lines() {
            if self.said.len() == SAID_MAX {
                self.said.pop_front();
            }
            self.said.push_back(without_tones(line));
        }
    }

    /// The bytes that draw it.
    pub(super) fn drawn(&mut self, columns: usize, rows: usize) -> String {
        let said: Vec<&str> = self.said.iter().map(String::as_str).collect();
        let view = self.view.as_ref();
        let drawn = view.map(|view| view.draw(&said, columns, rows));
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
    use crate::show::testing::over_tcp;
    use crate::show::watch::{Glyphs, Look, Trail};

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
        let (colour, glyphs) = (false, Glyphs::Ascii);
        picture.set(View {
            status: over_tcp(),
            trail: Trail::default(),
            look: Look { colour, glyphs },
        });
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
