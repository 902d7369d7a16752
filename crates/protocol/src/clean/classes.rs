//! What a character is to the cleaner: tables of ranges, each with its reason.

use unicode_normalization::char::canonical_combining_class;

/// How a character takes part in joining.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Shape {
    /// A letter or mark of a script in which joiners change the form of letters.
    Joining,
    /// A picture, or what modifies one.
    Emoji,
}

/// Characters that a terminal obeys, that turn text around, that cannot be seen, or that nobody
/// knows the look of. Joiners, variation selectors and combining marks are judged by where they stand.
pub fn is_harmful(c: char) -> bool {
    c.is_control() || is_invisible(c) || is_private(c) || is_no_character(c)
}

/// Format characters and fillers without a glyph; bidi controls; line separators; annotations;
/// tags. Cf that is drawn (Arabic number signs and the like) is not here.
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}'
        | '\u{200b}' | '\u{200e}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{3164}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{13430}'..='\u{1343f}'
        | '\u{16fe4}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e00ff}'
        | '\u{e01f0}'..='\u{e0fff}')
}

/// Private use: a font may draw anything there, also what looks like a part of the program.
fn is_private(c: char) -> bool {
    matches!(c, '\u{e000}'..='\u{f8ff}' | '\u{f0000}'..='\u{10ffff}')
}

fn is_no_character(c: char) -> bool {
    matches!(c, '\u{fdd0}'..='\u{fdef}') || (c as u32) & 0xfffe == 0xfffe
}

/// Variation selectors, and the Mongolian vowel separator.
pub(super) fn is_kept_selector(c: char) -> bool {
    matches!(c, '\u{180b}'..='\u{180f}' | '\u{fe00}'..='\u{fe0f}' | '\u{e0100}'..='\u{e01ef}')
}

/// The marks that kill a vowel and join consonants.
pub(super) fn is_virama(c: char) -> bool {
    canonical_combining_class(c) == 9
}

/// How a character takes part in joining, if it does.
pub(super) fn shape(c: char) -> Option<Shape> {
    match c {
        // Syriac, Arabic and their neighbours; Indic and the scripts that came of it; Mongolian.
        '\u{620}'..='\u{6d3}'
        | '\u{6d5}'..='\u{6dc}'
        | '\u{6df}'..='\u{6e8}'
        | '\u{6ea}'..='\u{6ef}'
        | '\u{6fa}'..='\u{6ff}'
        | '\u{710}'..='\u{8e1}'
        | '\u{8e3}'..='\u{109f}'
        | '\u{1700}'..='\u{17b3}'
        | '\u{17b6}'..='\u{17dd}'
        | '\u{1807}'
        | '\u{1820}'..='\u{18af}'
        | '\u{1900}'..='\u{1c4f}'
        | '\u{1cd0}'..='\u{1cff}'
        | '\u{a800}'..='\u{abff}'
        | '\u{fb50}'..='\u{fdcf}'
        | '\u{fdf0}'..='\u{fdfc}'
        | '\u{fe70}'..='\u{fefc}'
        | '\u{10ac0}'..='\u{10aff}'
        | '\u{10d00}'..='\u{10fff}'
        | '\u{11000}'..='\u{11fff}'
        | '\u{1e900}'..='\u{1e95f}' => Some(Shape::Joining),
        '\u{2190}'..='\u{2bff}' | '\u{1f000}'..='\u{1faff}' | '\u{fe0f}' | '\u{e007f}' => {
            Some(Shape::Emoji)
        }
        _ => None,
    }
}

/// Characters with a form as text and one as a picture.
pub(super) fn is_emoji_base(c: char) -> bool {
    matches!(c,
        '#' | '*' | '0'..='9' | '\u{a9}' | '\u{ae}' | '\u{203c}' | '\u{2049}'
        | '\u{2122}' | '\u{2139}' | '\u{2190}'..='\u{2bff}' | '\u{3030}' | '\u{303d}' | '\u{3297}'
        | '\u{3299}' | '\u{1f000}'..='\u{1faff}')
}

pub(super) fn is_ideograph(c: char) -> bool {
    matches!(c, '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{f900}'..='\u{faff}'
        | '\u{20000}'..='\u{3ffff}')
}

pub(super) fn is_mongolian(c: char) -> bool {
    matches!(c, '\u{1807}' | '\u{1820}'..='\u{18af}')
}

/// One character that fonts draw many columns wide, though it counts as one or two.
pub(super) fn is_wide(c: char) -> bool {
    matches!(
        c,
        '\u{2e3a}' | '\u{2e3b}' | '\u{a9c4}' | '\u{a9c5}' | '\u{fdfa}'
            ..='\u{fdfd}' | '\u{12031}' | '\u{12219}' | '\u{1242b}'
    )
}
