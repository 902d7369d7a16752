//! Remote text, made harmless for a terminal: nothing in it moves the cursor, changes colours or
//! direction, hides, covers what stands around it, or passes for a line of its own. What was there
//! is shown as a sign.
//!
//! Emoji joined by ZWJ, Persian with ZWNJ and Indic text stay whole: what cannot be seen by itself
//! is kept exactly where Unicode gives it a meaning between two characters that can, once.
//!
//! [`line()`] is idempotent, and gives at most [`GROWTH_MAX`] times as many bytes as it got.

mod classes;
#[cfg(test)]
mod tests;

use std::fmt::Write;

use unicode_normalization::char::is_combining_mark;

pub use classes::is_harmful;
use classes::{
    Shape, is_emoji_base, is_ideograph, is_kept_selector, is_mongolian, is_virama, is_wide, shape,
};

/// Combining marks in a row that are shown, at most; those behind them are left out. No language
/// has more than seven.
pub const MARKS_MAX: usize = 8;
/// Blanks before every line of a text but its first.
pub const INDENT: &str = "    ";
/// A cleaned line has at most this many bytes for each byte given; a text, with its
/// [`INDENT`]s, two more.
pub const GROWTH_MAX: usize = 3;

const ZWNJ: char = '\u{200c}';
const ZWJ: char = '\u{200d}';
/// Carries marks that have nothing else to stand on.
const DOTTED_CIRCLE: char = '\u{25cc}';
const BLACK_FLAG: char = '\u{1f3f4}';
const TAG_END: char = '\u{e007f}';
/// Letters and digits of the tags behind a flag: a country and its region.
const FLAG_TAGS_MAX: usize = 6;

/// `text` as a terminal may show it, newlines as indented continuations.
pub fn text(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for (place, line) in text.split('\n').enumerate() {
        if place > 0 {
            out.push('\n');
            out.push_str(INDENT);
        }
        // Of a Windows line end the carriage return says nothing.
        clean_line(line.strip_suffix('\r').unwrap_or(line), &mut out);
    }
    out
}

/// `text` on one line.
pub fn line(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    clean_line(text, &mut out);
    out
}

/// A program's own words, of one line or several, with remote words among them that are known to
/// hold no line end.
pub fn words(words: &str) -> String {
    let lines: Vec<_> = words.split('\n').map(line).collect();
    lines.join("\n")
}

fn clean_line(line: &str, out: &mut String) {
    // Most lines are these.
    if line.bytes().all(|byte| (0x20..0x7f).contains(&byte)) {
        return out.push_str(line);
    }
    let chars = clamped(line);
    let mut cleaner = Cleaner { out, before: None };
    let mut rest = chars.as_slice();
    while let Some((c, behind)) = rest.split_first() {
        rest = match flag_of_tags(*c, behind) {
            Some(tags) => {
                cleaner.keep(*c);
                tags.iter().for_each(|tag| cleaner.keep(*tag));
                behind.get(tags.len()..).unwrap_or_default()
            }
            None => {
                cleaner.show(*c, behind.first().copied());
                behind
            }
        };
    }
}

/// The characters of a line without the marks beyond [`MARKS_MAX`]. What cannot be seen does not
/// end a row of marks.
fn clamped(line: &str) -> Vec<char> {
    let mut marks = 0;
    let chars = line.chars().filter(|&c| {
        if is_kept_selector(c) || matches!(c, ZWJ | ZWNJ) {
            return true;
        }
        marks = if is_combining_mark(c) { marks + 1 } else { 0 };
        marks <= MARKS_MAX
    });
    chars.collect()
}

struct Cleaner<'a> {
    out: &'a mut String,
    /// The last character written as it was; `None` at the beginning and behind a sign.
    before: Option<char>,
}

impl Cleaner<'_> {
    fn keep(&mut self, c: char) {
        self.out.push(c);
        self.before = Some(c);
    }

    /// Shows a character, as it is or as a sign; `after` stands behind it.
    fn show(&mut self, c: char, after: Option<char>) {
        match c {
            '\t' => self.keep(' '),
            ZWJ | ZWNJ if self.joins(c, after) => self.keep(c),
            ZWJ | ZWNJ => self.sign(c),
            _ if is_kept_selector(c) => match self.selects(c, after) {
                true => self.keep(c),
                false => self.sign(c),
            },
            _ if is_harmful(c) => self.sign(c),
            // One covers its neighbours; a row of them would cover the screen.
            _ if is_wide(c) && self.before == Some(c) => self.sign(c),
            _ if is_combining_mark(c) => {
                if self.before.is_none() {
                    self.out.push(DOTTED_CIRCLE);
                }
                self.keep(c);
            }
            _ => self.keep(c),
        }
    }

    /// A joiner says something behind a virama, between letters of a script that joins, and (ZWJ
    /// alone) between emoji. Elsewhere it would only make two different texts look the same.
    fn joins(&self, joiner: char, after: Option<char>) -> bool {
        let Some(before) = self.before else {
            return false;
        };
        // Alone behind a virama it shapes the letter before it, also at the end of a word.
        if is_virama(before) {
            return !matches!(after, Some(ZWJ | ZWNJ));
        }
        // A selector behind a joiner has nothing to choose for, and is shown as a sign, as what is
        // harmful is: with a sign nothing joins.
        let after = after.filter(|&c| !is_kept_selector(c) && !is_harmful(c));
        match (shape(before), after.and_then(shape)) {
            (Some(Shape::Joining), Some(Shape::Joining)) => true,
            (Some(Shape::Emoji), Some(Shape::Emoji)) => joiner == ZWJ,
            _ => false,
        }
    }

    /// A selector chooses a form of the one character before it, where that has several.
    fn selects(&self, selector: char, after: Option<char>) -> bool {
        let Some(before) = self.before else {
            return false;
        };
        match selector {
            '\u{fe0e}' | '\u{fe0f}' => is_emoji_base(before),
            '\u{180e}' => is_mongolian(before) && after.is_some_and(is_mongolian),
            '\u{180b}'..='\u{180f}' => is_mongolian(before),
            '\u{fe00}'..='\u{fe0d}' => {
                let has_forms = shape(before) == Some(Shape::Joining) || is_ideograph(before);
                has_forms || ('\u{2190}'..'\u{2c00}').contains(&before)
            }
            _ => is_ideograph(before),
        }
    }

    /// What stands for a character that is not shown.
    fn sign(&mut self, c: char) {
        match c {
            // The control pictures are made for this.
            '\0'..='\u{1f}' => self
                .out
                .push(char::from_u32(0x2400 + c as u32).unwrap_or('\u{fffd}')),
            '\u{7f}' => self.out.push('\u{2421}'),
            _ => {
                // Writing to a String does not fail.
                let _ = write!(self.out, "<{:04X}>", c as u32);
            }
        }
        self.before = None;
    }
}

/// England, Scotland, Wales: a black flag, tags, and the tag that ends them. Gives the tags.
fn flag_of_tags(c: char, behind: &[char]) -> Option<&[char]> {
    if c != BLACK_FLAG {
        return None;
    }
    let is_tag = |c: &&char| matches!(**c, '\u{e0030}'..='\u{e0039}' | '\u{e0061}'..='\u{e007a}');
    let tags = behind.iter().take_while(is_tag).count();
    let ends = behind.get(tags) == Some(&TAG_END);
    ((3..=FLAG_TAGS_MAX).contains(&tags) && ends).then(|| behind.split_at(tags + 1).0)
}
