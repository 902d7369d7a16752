//! Remote text for a terminal: nothing in what is shown moves a cursor, turns text around, hides,
//! or begins a line of its own; and it is not much longer than what came.

use lamparina_protocol::clean::{INDENT, MARKS_MAX, line, text};

/// A sign for a character takes at most this many times its bytes: `<0085>` for two.
const GROWTH_MAX: usize = 5;

/// Cleans the bytes, read as UTF-8 with signs for what is none.
pub fn clean(input: &[u8]) {
    let given = String::from_utf8_lossy(input);
    let one = line(&given);
    check(&one);
    assert!(!one.contains('\n'));
    assert!(one.len() <= GROWTH_MAX * given.len());
    let all = text(&given);
    assert!(all.len() <= GROWTH_MAX * given.len());
    let lines = all.split('\n').collect::<Vec<_>>();
    assert_eq!(lines.len(), given.split('\n').count());
    for (place, shown) in lines.iter().enumerate() {
        assert!(place == 0 || shown.starts_with(INDENT));
        check(shown);
    }
    if given.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
        assert_eq!(one, given, "plain text is shown as it is");
    }
}

fn check(shown: &str) {
    let bad = shown.chars().find(|c| {
        c.is_control()
            || matches!(c, '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{61c}' | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0001}')
    });
    assert_eq!(bad, None, "in {shown:?}");
    let mut marks = 0;
    for c in shown.chars() {
        marks = match c {
            '\u{300}'..='\u{36f}' => marks + 1,
            _ => 0,
        };
        // One may stand for itself at the beginning.
        assert!(marks <= MARKS_MAX + 1, "stacked marks in {shown:?}");
    }
}

pub(super) fn seeds() -> Vec<Vec<u8>> {
    let texts = [
        "plain text",
        "\u{1b}[31mred\u{1b}[0m \u{1b}]0;title\u{7}",
        "a\r\nb\nc\u{85}d\u{2028}e",
        "a\u{202e}b\u{202c} a\u{2066}b\u{2069} a\u{200f}\u{61c}",
        "a\u{200b}b\u{feff}c\u{2060}d\u{ad}e\u{200d}f\u{200c}g",
        "👩‍👩‍👧‍👦 👩🏽‍🚀 🏳️‍🌈 1️⃣ 🇧🇷",
        "🏴\u{e0067}\u{e0062}\u{e0065}\u{e006e}\u{e0067}\u{e007f} a\u{e0041}",
        "می\u{200c}خواهم क्\u{200d}ष ශ්\u{200d}රී",
        "Z\u{301}\u{301}\u{301}\u{301}\u{301}\u{301}\u{301}\u{301}\u{301}\u{301}x",
    ];
    let mut seeds: Vec<Vec<u8>> = texts.iter().map(|text| text.as_bytes().to_vec()).collect();
    seeds.push(b"no utf-8: \xff\xfe\xed\xa0\x80".to_vec());
    seeds
}
