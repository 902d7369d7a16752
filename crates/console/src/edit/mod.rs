//! The line being typed on a terminal: keys in, what is to be done out. Keeps these: the cursor
//! stands between characters as people see them; nothing typed is lost but by a key that says so.
//! Pure.

mod keys;
mod view;

use std::collections::VecDeque;

use unicode_segmentation::UnicodeSegmentation;

use crate::command::LINE_BYTES_MAX;
pub(crate) use keys::{Key, Keys};
pub(crate) use view::view;

/// Lines remembered, at most.
const REMEMBERED_MAX: usize = 100;

/// What came of a key.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Done {
    /// The line looks otherwise now, or not.
    Edited,
    /// A whole line.
    Line(String),
    /// Nothing more will be typed.
    End,
}

/// A line, a place in it, and the lines before.
#[derive(Debug, Default)]
pub(crate) struct Editor {
    text: String,
    /// In bytes, between two characters.
    at: usize,
    /// The newest last; at most [`REMEMBERED_MAX`].
    remembered: VecDeque<String>,
    /// Which of them is looked at, from the newest; and the line begun before.
    looking: Option<(usize, String)>,
}

impl Editor {
    /// The line so far, and the place in it.
    pub(crate) fn line(&self) -> (&str, usize) {
        (&self.text, self.at)
    }

    /// Does what a key says.
    pub(crate) fn key(&mut self, key: Key) -> Done {
        match key {
            Key::Char(c) => self.insert(c),
            Key::Enter => return Done::Line(self.enter()),
            Key::End if self.text.is_empty() => return Done::End,
            Key::End | Key::Delete => self.remove(self.at, self.after(self.at)),
            Key::Backspace => self.remove(self.before(self.at), self.at),
            Key::Left => self.at = self.before(self.at),
            Key::Right => self.at = self.after(self.at),
            Key::ToStart => self.at = 0,
            Key::ToEnd => self.at = self.text.len(),
            Key::WordLeft => self.at = self.word_before(),
            Key::WordRight => self.at = self.word_after(),
            Key::RemoveWord => self.remove(self.word_before(), self.at),
            Key::RemoveToStart => self.remove(0, self.at),
            Key::RemoveToEnd => self.text.truncate(self.at),
            Key::Up => self.look(1),
            Key::Down => self.look(-1),
            Key::Redraw => {}
        }
        Done::Edited
    }

    fn insert(&mut self, c: char) {
        if self.text.len() + c.len_utf8() <= LINE_BYTES_MAX {
            self.text.insert(self.at, c);
            self.at += c.len_utf8();
        }
    }

    fn enter(&mut self) -> String {
        let line = std::mem::take(&mut self.text);
        (self.at, self.looking) = (0, None);
        if !line.is_empty() && self.remembered.back() != Some(&line) {
            self.remembered.push_back(line.clone());
            if self.remembered.len() > REMEMBERED_MAX {
                self.remembered.pop_front();
            }
        }
        line
    }

    fn remove(&mut self, from: usize, to: usize) {
        self.text.replace_range(from..to, "");
        self.at = from;
    }

    fn before(&self, at: usize) -> usize {
        let mut ends = self.text[..at].grapheme_indices(true);
        ends.next_back().map_or(0, |(start, _)| start)
    }

    fn after(&self, at: usize) -> usize {
        let mut next = self.text[at..].graphemes(true);
        at + next.next().map_or(0, str::len)
    }

    fn word_before(&self) -> usize {
        let head = self.text[..self.at].trim_end();
        head.rfind(char::is_whitespace).map_or(0, |blank| {
            blank + head[blank..].chars().next().map_or(1, char::len_utf8)
        })
    }

    fn word_after(&self) -> usize {
        let tail = &self.text[self.at..];
        let word = tail
            .find(|c: char| !c.is_whitespace())
            .unwrap_or(tail.len());
        let end = tail[word..].find(char::is_whitespace);
        self.at + end.map_or(tail.len(), |end| word + end)
    }

    /// Looks at a line `back` lines earlier than the one looked at.
    fn look(&mut self, back: isize) {
        let depth = self.looking.as_ref().map_or(0, |(depth, _)| *depth);
        let Some(depth) = depth.checked_add_signed(back) else {
            return;
        };
        if depth > self.remembered.len() {
            return;
        }
        let begun = match self.looking.take() {
            Some((_, begun)) => begun,
            None => self.text.clone(),
        };
        match depth {
            0 => self.text = begun,
            depth => {
                let line = self.remembered.get(self.remembered.len() - depth);
                self.text = line.cloned().unwrap_or_default();
                self.looking = Some((depth, begun));
            }
        }
        self.at = self.text.len();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes as a terminal sends them; the line and the place in it, or what was entered.
    #[track_caller]
    fn check(bytes: &str, expected: &str) {
        let (mut editor, mut keys, mut out) = (Editor::default(), Keys::default(), Vec::new());
        keys.push(bytes.as_bytes(), &mut out);
        let mut shown = String::new();
        for key in out {
            match editor.key(key) {
                Done::Edited => {}
                Done::Line(line) => shown.push_str(&format!("<{line}>")),
                Done::End => shown.push_str("<end>"),
            }
        }
        let (text, at) = editor.line();
        shown.push_str(&format!("{}|{}", &text[..at], &text[at..]));
        assert_eq!(shown, expected, "for {bytes:?}");
    }

    #[test]
    fn keys_and_what_becomes_of_the_line() {
        check("hé", "hé|");
        check("ab\u{7f}c", "ac|");
        check("e\u{301}\u{7f}", "|");
        check("abc\u{1b}[D\u{1b}[Dx", "ax|bc");
        check("abc\u{1b}OH\u{1b}[3~", "|bc");
        check("abc\u{1}x\u{5}y", "xabcy|");
        check("abc\u{2}\u{4}", "ab|");
        check("\u{4}", "<end>|");
        check("say it\rnext", "<say it>next|");
        check("say it\u{17}\u{17}", "|");
        check("say  it now\u{1b}b\u{1b}b\u{b}", "say  |");
        check("one two\u{1}\u{1b}f\u{15}", "| two");
        check("one\rtwo\rx\u{1b}[A\u{1b}[A", "<one><two>one|");
        check(
            "one\rtwo\rx\u{1b}[A\u{1b}[A\u{1b}[A\u{1b}[B\u{1b}[B\u{1b}[B",
            "<one><two>x|",
        );
        check("one\rone\r\u{10}\u{10}\u{e}", "<one><one>|");
        check("\u{1b}[200~a\nb\tc\u{1b}[201~d", "<a>b\tcd|");
        check("a\u{1b}[99;5~b\u{1b}zc\u{0}d", "abcd|");
    }

    #[test]
    fn a_line_is_bounded_and_so_are_those_remembered() {
        let mut editor = Editor::default();
        for _ in 0..=LINE_BYTES_MAX {
            editor.key(Key::Char('x'));
        }
        assert_eq!(editor.line().0.len(), LINE_BYTES_MAX);
        for line in 0..2 * REMEMBERED_MAX {
            line.to_string().chars().for_each(|c| {
                editor.key(Key::Char(c));
            });
            editor.key(Key::Enter);
        }
        assert_eq!(editor.remembered.len(), REMEMBERED_MAX);
    }
}
