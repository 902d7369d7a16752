//! Remote text, made harmless for a terminal: nothing in it moves the cursor, changes colours or
//! direction, hides, or passes for a line of its own. What was there is shown as a sign.
//!
//! Emoji joined by ZWJ, Persian with ZWNJ and Indic text stay whole: a joiner is kept where it
//! stands inside a grapheme cluster or between letters of a script that needs it.

use std::fmt::Write;

use unicode_segmentation::UnicodeSegmentation;

/// Combining marks of one cluster that are shown, at most.
pub const MARKS_MAX: usize = 8;
/// Blanks before every line of a text but its first.
pub const INDENT: &str = "    ";

const ZWNJ: char = '\u{200c}';
const ZWJ: char = '\u{200d}';

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

fn clean_line(line: &str, out: &mut String) {
    let mut before = None;
    let mut clusters = line.graphemes(true).peekable();
    while let Some(cluster) = clusters.next() {
        let after = clusters.peek().and_then(|next| next.chars().next());
        clean_cluster(cluster, before, after, out);
        before = cluster.chars().next_back();
    }
}

/// `before` and `after` are the characters around the cluster.
fn clean_cluster(cluster: &str, before: Option<char>, after: Option<char>, out: &mut String) {
    let mut marks = 0;
    let mut previous = before;
    let flag = is_flag_of_tags(cluster);
    let mut chars = cluster.chars().enumerate().peekable();
    while let Some((place, c)) = chars.next() {
        let next = chars.peek().map(|(_, next)| *next).or(after);
        let kept = match c {
            '\t' => {
                out.push(' ');
                previous = Some(c);
                continue;
            }
            ZWJ | ZWNJ => joins(previous, next),
            '\u{e0020}'..='\u{e007f}' => flag,
            '\u{fe00}'..='\u{fe0f}' | '\u{e0100}'..='\u{e01ef}' => place > 0,
            _ => !is_harmful(c),
        };
        if !kept {
            sign(c, out);
        } else if place > 0 && is_mark(c) {
            marks += 1;
            if marks <= MARKS_MAX {
                out.push(c);
            }
        } else {
            out.push(c);
        }
        previous = Some(c);
    }
}

/// A joiner says something between two characters that can be seen, and nowhere else. Between
/// characters of Latin, Greek and the like it would only make two different texts look the same.
fn joins(before: Option<char>, after: Option<char>) -> bool {
    let shapes = |c: char| !c.is_whitespace() && !is_harmful(c) && (c as u32) >= 0x0590;
    matches!((before, after), (Some(a), Some(b)) if (shapes(a) || is_mark(a)) && shapes(b))
}

/// England, Scotland, Wales: a black flag, tags, and the tag that ends them.
fn is_flag_of_tags(cluster: &str) -> bool {
    let mut chars = cluster.chars();
    chars.next() == Some('\u{1f3f4}')
        && cluster.ends_with('\u{e007f}')
        && chars.all(|c| matches!(c, '\u{e0020}'..='\u{e007f}'))
}

fn is_mark(c: char) -> bool {
    matches!(c, '\u{300}'..='\u{36f}' | '\u{483}'..='\u{489}' | '\u{591}'..='\u{5bd}'
        | '\u{610}'..='\u{61a}' | '\u{64b}'..='\u{65f}' | '\u{e31}' | '\u{e34}'..='\u{e3a}'
        | '\u{e47}'..='\u{e4e}' | '\u{1ab0}'..='\u{1aff}' | '\u{1dc0}'..='\u{1dff}'
        | '\u{20d0}'..='\u{20ff}' | '\u{fe20}'..='\u{fe2f}')
}

/// Characters that a terminal obeys, that turn text around, or that cannot be seen.
pub fn is_harmful(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}' | '\u{200e}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{feff}'
            | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}')
}

/// What stands for a character that is not shown.
fn sign(c: char, out: &mut String) {
    match c {
        // The control pictures are made for this.
        '\0'..='\u{1f}' => out.push(char::from_u32(0x2400 + c as u32).unwrap_or('\u{fffd}')),
        '\u{7f}' => out.push('\u{2421}'),
        _ => {
            // Writing to a String does not fail.
            let _ = write!(out, "<{:04X}>", c as u32);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(given: &str, expected: &str) {
        assert_eq!(text(given), expected, "for {given:?}");
    }

    #[track_caller]
    fn whole(given: &str) {
        check(given, given);
    }

    #[test]
    fn what_a_terminal_would_obey_is_shown_instead() {
        check("\u{1b}[31mred\u{1b}[0m", "␛[31mred␛[0m");
        check("\u{1b}]0;title\u{7}", "␛]0;title␇");
        check("\u{9b}31m", "<009B>31m");
        check("a\rb", "a␍b");
        check("a\u{8}b\u{7f}", "a␈b␡");
        check("a\tb", "a b");
        check("a\0b", "a␀b");
        check("a\u{85}b", "a<0085>b");
    }

    #[test]
    fn lines_stay_inside_their_message() {
        check("a\nb", "a\n    b");
        check("a\r\nb\r\n", "a\n    b\n    ");
        check("a\n[7] bob: no", "a\n    [7] bob: no");
        check("a\u{2028}b\u{2029}c", "a<2028>b<2029>c");
        assert_eq!(line("a\nb"), "a␊b");
    }

    #[test]
    fn direction_and_invisible_characters_are_shown_instead() {
        check("a\u{202e}b\u{202c}", "a<202E>b<202C>");
        check("a\u{2066}b\u{2069}", "a<2066>b<2069>");
        check("a\u{200f}b\u{61c}", "a<200F>b<061C>");
        check("a\u{200b}b\u{feff}c\u{2060}d", "a<200B>b<FEFF>c<2060>d");
        check("soft\u{ad}hyphen", "soft<00AD>hyphen");
        check("a\u{200d}b", "a<200D>b");
        check("a\u{200c}b", "a<200C>b");
        check("\u{200d}", "<200D>");
        check("end\u{200d}", "end<200D>");
        check("a\u{e0041}\u{e0042}", "a<E0041><E0042>");
        check("\u{fe0f}", "<FE0F>");
    }

    #[test]
    fn what_needs_joiners_stays_whole() {
        whole("👩‍👩‍👧‍👦 family");
        whole("👩🏽‍🚀 ❤️‍🔥 🏳️‍🌈");
        whole("🏴\u{e0067}\u{e0062}\u{e0065}\u{e006e}\u{e0067}\u{e007f}");
        whole("می\u{200c}خواهم");
        whole("क्\u{200d}ष र्\u{200d}य");
        whole("ශ්\u{200d}රී");
        whole("1️⃣ 🇧🇷");
        whole("日本語 한국어 ไทย العربية עברית");
        whole("cafe\u{301} Zoë");
    }

    #[test]
    fn stacked_marks_are_clamped() {
        let stacked = format!("Z{}x", "\u{301}".repeat(50));
        let expected = format!("Z{}x", "\u{301}".repeat(MARKS_MAX));
        check(&stacked, &expected);
    }

    #[test]
    fn nothing_harmful_is_ever_left() {
        let mut random = 1_u64;
        for _ in 0..20_000 {
            let mut given = String::new();
            for _ in 0..8 {
                random = random
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1);
                let pick = (random >> 33) as u32;
                let c = match pick % 4 {
                    0 => pick % 0xa0,
                    1 => 0x2000 + pick % 0x70,
                    2 => 0xe0000 + pick % 0x80,
                    _ => pick % 0x3000,
                };
                given.extend(char::from_u32(c));
            }
            let cleaned = line(&given);
            let bad = cleaned
                .chars()
                .find(|c| c.is_control() || ('\u{202a}'..='\u{202e}').contains(c));
            assert_eq!(bad, None, "{given:?} became {cleaned:?}");
        }
    }
}
