//! How the line looks: in one row of the terminal, of which the part around the cursor is shown,
//! so that it can always be taken away and drawn again.

use lamparina_protocol::clean;
use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

/// The bytes that draw the line, cursor in its place, on an empty row of so many `columns`. `status`
/// stands before it.
pub(crate) fn view(status: &str, (text, at): (&str, usize), columns: usize) -> String {
    let room = columns.saturating_sub(1).max(1);
    let status = fit(status, room / 2);
    let room = room - status.width();
    // From the cursor to the left as far as there is room, then to the right.
    let (mut shown, mut left) = (Vec::new(), 0);
    for cell in text[..at].graphemes(true).rev().map(cell) {
        if left + cell.width() > room {
            break;
        }
        left += cell.width();
        shown.push(cell);
    }
    let head: String = shown.into_iter().rev().collect();
    let (mut tail, mut right) = (String::new(), 0);
    for cell in text[at..].graphemes(true).map(cell) {
        if left + right + cell.width() > room {
            break;
        }
        right += cell.width();
        tail.push_str(&cell);
    }
    let back = match right {
        0 => String::new(),
        right => format!("\u{1b}[{right}D"),
    };
    format!("{status}{head}{tail}{back}")
}

/// What is typed is shown as harmless as what comes; each character is a cell or two wide.
fn cell(grapheme: &str) -> String {
    match grapheme {
        "\t" => " ".to_owned(),
        other => clean::line(other),
    }
}

fn fit(text: &str, room: usize) -> String {
    let mut width = 0;
    let fits = text.graphemes(true).take_while(|grapheme| {
        width += grapheme.width();
        width <= room
    });
    fits.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_part_around_the_cursor_is_shown_and_nothing_wraps() {
        assert_eq!(view("", ("hello", 5), 80), "hello");
        assert_eq!(view("", ("hello", 2), 80), "hello\u{1b}[3D");
        assert_eq!(view("", ("hello", 5), 4), "llo");
        assert_eq!(view("", ("hello", 0), 4), "hel\u{1b}[3D");
        assert_eq!(view("* wait ", ("hello", 5), 80), "* wait hello");
        assert_eq!(view("* wait ", ("hello", 5), 9), "* waello");
        assert_eq!(view("", ("日本", 6), 4), "本");
        assert_eq!(view("", ("a\u{1b}b", 3), 80), "a␛b");
        assert_eq!(view("", ("", 0), 0), "");
    }
}
