//! Keeps every value on its line and every line readable back: whatever a value holds, what is
//! written holds no raw control, bidi or invisible character, and means exactly that value.
//!
//! A value is *bare* when it is not empty and holds neither blanks nor `"`, `=`, `\` nor anything
//! that must be escaped. Every other value is a JSON string: in double quotes, with `\"`, `\\`,
//! `\n`, `\r`, `\t` and `\uXXXX` (two of them, a surrogate pair, beyond U+FFFF).

use lamparina_protocol::clean::{MARKS_MAX, is_harmful};
use unicode_normalization::char::is_combining_mark;
use unicode_segmentation::UnicodeSegmentation;

/// The flag on which the emoji of regions are built, by tag characters.
const BLACK_FLAG: char = '\u{1f3f4}';

/// Appends `value` to `out`, bare or quoted.
pub(super) fn push_value(out: &mut Vec<u8>, value: &str) {
    if is_plainly_bare(value) {
        out.extend_from_slice(value.as_bytes());
        return;
    }
    let start = out.len();
    out.push(b'"');
    let mut bare = !value.is_empty();
    // A mark without a base of its own would sit on our quote, or on the escape before it. Only at
    // the start and after a control can a cluster begin with one.
    let mut exposed = true;
    for cluster in value.graphemes(true) {
        bare &= push_cluster(out, cluster, exposed && is_baseless(cluster));
        exposed = cluster.chars().any(is_hidden);
    }
    if bare {
        out.remove(start);
    } else {
        out.push(b'"');
    }
}

/// Whether `value` stands bare, found without a look at graphemes: so are nearly all.
pub(super) fn is_plainly_bare(value: &str) -> bool {
    // All of them, without stopping at the first: many bytes are judged at a time.
    let bare = value
        .bytes()
        .fold(true, |bare, byte| bare & is_bare_ascii(byte));
    bare && !value.is_empty()
}

/// The longest start of `text` of at most `max` bytes.
pub(super) fn cut(text: &str, max: usize) -> &str {
    let mut end = text.len().min(max);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

const fn is_bare_ascii(byte: u8) -> bool {
    (byte > b' ') & (byte < 0x7f) & (byte != b'"') & (byte != b'=') & (byte != b'\\')
}

/// Appends one grapheme cluster; whether it may also stand in a bare value.
fn push_cluster(out: &mut Vec<u8>, cluster: &str, baseless: bool) -> bool {
    let mut base = None;
    let mut bare = true;
    let mut marks = 0;
    for c in cluster.chars() {
        // Marks beyond what any language stacks are written as escapes: they would cover lines.
        marks = if is_combining_mark(c) { marks + 1 } else { 0 };
        let joins = base.is_some_and(|base| is_joining(c, base));
        if c.is_ascii() {
            bare &= push_ascii(out, c as u8);
        } else if baseless || (is_hidden(c) && !joins) || marks > MARKS_MAX {
            push_escape(out, c);
            bare = false;
        } else {
            out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            bare &= !c.is_whitespace();
        }
        base = base.or(Some(c));
    }
    bare
}

fn push_ascii(out: &mut Vec<u8>, byte: u8) -> bool {
    match byte {
        b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
        b'\n' => out.extend_from_slice(b"\\n"),
        b'\r' => out.extend_from_slice(b"\\r"),
        b'\t' => out.extend_from_slice(b"\\t"),
        0..0x20 | 0x7f => push_escape(out, char::from(byte)),
        _ => {
            out.push(byte);
            return is_bare_ascii(byte);
        }
    }
    false
}

fn push_escape(out: &mut Vec<u8>, c: char) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    for &mut unit in c.encode_utf16(&mut [0; 2]) {
        out.extend_from_slice(b"\\u");
        for shift in [12, 8, 4, 0] {
            out.push(HEX[usize::from((unit >> shift) & 0xf)]);
        }
    }
}

/// Whether `cluster` would melt into a character before it.
fn is_baseless(cluster: &str) -> bool {
    let quoted = format!("\"{cluster}");
    quoted.graphemes(true).nth(1).is_none()
}

/// Whether a hidden character is at work inside a cluster whose first visible character is `base`.
const fn is_joining(c: char, base: char) -> bool {
    match c {
        '\u{200c}' | '\u{200d}' | '\u{180b}'..='\u{180d}' | '\u{180f}' => true,
        '\u{fe00}'..='\u{fe0f}' | '\u{e0100}'..='\u{e01ef}' => true,
        // Tags can carry a whole hidden text; they belong to flags only.
        '\u{e0020}'..='\u{e007f}' => base as u32 == BLACK_FLAG as u32,
        _ => false,
    }
}

/// Controls, characters that turn the direction of a line, and those that show nothing.
fn is_hidden(c: char) -> bool {
    is_harmful(c)
        || matches!(c, '\u{180b}'..='\u{180f}' | '\u{200c}'..='\u{200d}' | '\u{fe00}'..='\u{fe0f}'
            | '\u{e0100}'..='\u{e01ef}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(value: &str, written: &str) {
        let mut out = b"k=".to_vec();
        push_value(&mut out, value);
        assert_eq!(String::from_utf8(out).unwrap(), format!("k={written}"));
    }

    #[test]
    fn plain_values_stay_bare() {
        check("ana", "ana");
        check("bob,carla", "bob,carla");
        check("127.0.0.1:5000", "127.0.0.1:5000");
        check("Zoë", "Zoë");
        check("علی", "علی");
        check("👩\u{200d}🚀", "👩\u{200d}🚀");
        check("❤\u{fe0f}", "❤\u{fe0f}");
    }

    #[test]
    fn what_could_mislead_is_quoted() {
        check("", r#""""#);
        check("a b", r#""a b""#);
        check("a=b", r#""a=b""#);
        check("a\"b", r#""a\"b""#);
        check("a\\b", r#""a\\b""#);
        check("a\u{a0}b", "\"a\u{a0}b\"");
        check("\"\u{301}x", "\"\\\"\u{301}x\"");
        check("=\u{301}x", "\"=\u{301}x\"");
    }

    #[test]
    fn what_hides_or_acts_is_escaped() {
        check("a\nb\r\n\tc", r#""a\nb\r\n\tc""#);
        check("\u{1b}[31m", r#""\u001b[31m""#);
        check("\u{7f}\u{9b}", r#""\u007f\u009b""#);
        check("a\u{202e}b", r#""a\u202eb""#);
        check("a\u{200b}b", r#""a\u200bb""#);
        check("a\u{2028}b", r#""a\u2028b""#);
        check("\u{200d}a", r#""\u200da""#);
        check("\u{301}a", r#""\u0301a""#);
        check("x\n\u{301}a", r#""x\n\u0301a""#);
        check("a\u{e0041}", r#""a\udb40\udc41""#);
        check("a\u{e000}\u{fffe}", r#""a\ue000\ufffe""#);
        let (kept, escaped) = ("\u{489}".repeat(MARKS_MAX), r"\u0489".repeat(2));
        check(
            &format!("a{}", "\u{489}".repeat(MARKS_MAX + 2)),
            &format!("\"a{kept}{escaped}\""),
        );
    }

    #[test]
    fn cuts_between_characters() {
        assert_eq!(cut("añb", 2), "a");
        assert_eq!(cut("añb", 3), "añ");
        assert_eq!(cut("añb", 99), "añb");
    }
}
