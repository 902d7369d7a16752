//! Names: one that is accepted is already as it is kept, is within its bounds, and has no sign that
//! a command gives a meaning to, in no spelling.

use lamparina_protocol::nick::{NICK_BYTES_MAX, NICK_GRAPHEMES_MAX};
use lamparina_protocol::{Nick, RoomName, clean};
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;
use unicode_segmentation::UnicodeSegmentation;

/// Reads the bytes, where they are UTF-8, as a nick and as a room's name.
pub fn nick(input: &[u8]) {
    let Ok(text) = str::from_utf8(input) else {
        return;
    };
    let read = Nick::try_from(text);
    let room = RoomName::try_from(text);
    assert_eq!(
        read.as_ref().map(Nick::as_str),
        room.as_ref().map(RoomName::as_str),
        "one rule for both"
    );
    let Ok(nick) = read else { return };
    let name = nick.as_str();
    assert_eq!(Nick::try_from(name), Ok(nick.clone()), "kept as it is kept");
    assert!((1..=NICK_BYTES_MAX).contains(&name.len()));
    assert!((1..=NICK_GRAPHEMES_MAX).contains(&name.graphemes(true).count()));
    assert!(!name.contains([':', ',', '#', '@', '/', '*']));
    assert!(!name.chars().any(|c| c.is_control() || c.is_whitespace()));
    assert!(!name.eq_ignore_ascii_case("all"));
    assert!(!clean::line(name).is_empty(), "a name is shown");
    if nick.claimable().is_ok() {
        let claimable = room.map(|room| room.claimable());
        assert_eq!(claimable, Ok(Ok(())), "one rule for both");
        // Marks and selectors are seen on another character only.
        let letters = name.nfd().filter(|&c| !is_combining_mark(c)).count();
        assert!(letters > 0, "a name that is claimed is seen");
    }
    for other in [name.to_lowercase(), name.to_uppercase()] {
        // Some letters have an upper case that is another letter (ı, ſ): ASCII has none.
        if let (true, Ok(other)) = (name.is_ascii(), Nick::try_from(other.as_str())) {
            assert_eq!(other.key(), nick.key(), "the same name in another case");
        }
    }
}

pub(super) fn seeds() -> Vec<Vec<u8>> {
    let names = [
        "ana",
        "Ana",
        "ALL",
        "zoë",
        "zoe\u{308}",
        "علی",
        "می\u{200c}خواهم",
        "क्षत्रिय",
        "a\u{202e}b",
        "a b",
        "a:b",
        "\u{ff1a}",
        "\u{ff21}\u{ff2c}\u{ff2c}",
        "👩‍👩‍👧‍👦",
        "İ",
        "ſ",
        "x\u{301}\u{301}\u{301}",
        "\u{fe0a}",
        "\u{301}",
        "\u{1f3f4}\u{e0067}\u{e0062}\u{e007f}",
    ];
    names.iter().map(|name| name.as_bytes().to_vec()).collect()
}
