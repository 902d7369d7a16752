//! Bytes into lines, with bounded memory: a line that is too long or no text is told as such, its
//! rest skipped, and the lines behind it are whole. Pure.

use lamparina_protocol::message::TEXT_BYTES_MAX;

use crate::command::{CommandError, LINE_BYTES_MAX};

/// Cuts bytes at line feeds.
#[derive(Debug, Default)]
pub struct LineCutter {
    /// The beginning of a line, at most [`LINE_BYTES_MAX`] bytes.
    begun: Vec<u8>,
    /// The present line is over the limit and has been told.
    skipping: bool,
    /// The first line is over; only that one may begin with a byte order mark.
    past_first: bool,
}

/// What some editors put before a text in UTF-8, and nobody typed.
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// A line, or why it is none.
pub type Line = Result<String, CommandError>;

impl LineCutter {
    /// Takes some bytes; pushes what is complete now to `out`.
    pub fn push(&mut self, mut bytes: &[u8], out: &mut Vec<Line>) {
        while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
            self.extend(&bytes[..end], out);
            self.end(out);
            bytes = &bytes[end + 1..];
        }
        self.extend(bytes, out);
    }

    /// Nothing follows: what has begun is the last line.
    pub fn finish(&mut self, out: &mut Vec<Line>) {
        if !self.begun.is_empty() {
            self.end(out);
        }
        self.skipping = false;
    }

    fn extend(&mut self, bytes: &[u8], out: &mut Vec<Line>) {
        if self.skipping {
            return;
        }
        if self.begun.len() + bytes.len() > LINE_BYTES_MAX {
            self.begun = Vec::new();
            self.skipping = true;
            let text = format!(
                "a line is longer than a message can be, {TEXT_BYTES_MAX} bytes of text; nothing of \
                 it was sent, split it"
            );
            out.push(Err(CommandError::new("too-long", text)));
            return;
        }
        self.begun.extend_from_slice(bytes);
    }

    fn end(&mut self, out: &mut Vec<Line>) {
        let first = !std::mem::replace(&mut self.past_first, true);
        if first && self.begun.starts_with(BYTE_ORDER_MARK) {
            self.begun.drain(..BYTE_ORDER_MARK.len());
        }
        if std::mem::take(&mut self.skipping) {
            return;
        }
        let line = String::from_utf8(std::mem::take(&mut self.begun));
        out.push(line.map_err(|error| {
            let at = error.utf8_error().valid_up_to() + 1;
            let text = format!(
                "a line is not valid UTF-8 (from its byte {at} on); nothing of it was sent"
            );
            CommandError::new("not-utf8", text)
        }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(bytes: &[u8], step: usize) -> Vec<String> {
        let (mut cutter, mut out) = (LineCutter::default(), Vec::new());
        bytes
            .chunks(step)
            .for_each(|chunk| cutter.push(chunk, &mut out));
        cutter.finish(&mut out);
        let show = |line: Line| line.unwrap_or_else(|error| format!("error {}", error.code));
        out.into_iter().map(show).collect()
    }

    #[test]
    fn any_split_gives_the_same_lines() {
        let bytes = b"one\n\ntwo \r\n\xff\xfe\nthr\xc3\xa9\nlast";
        let expected = ["one", "", "two \r", "error not-utf8", "thr\u{e9}", "last"];
        for step in [1, 2, 3, 7, 100] {
            assert_eq!(cut(bytes, step), expected, "in steps of {step}");
        }
        assert_eq!(cut(b"", 1), [""; 0]);
        assert_eq!(cut(b"x\n", 1), ["x"]);
    }

    #[test]
    fn a_byte_order_mark_is_no_text_at_the_very_beginning_only() {
        for step in [1, 2, 100] {
            let lines = cut("\u{feff}MSG:a:b\n\u{feff}x".as_bytes(), step);
            assert_eq!(lines, ["MSG:a:b", "\u{feff}x"]);
        }
        assert_eq!(cut("\u{feff}".as_bytes(), 1), [""]);
    }

    #[test]
    fn a_line_too_long_is_told_with_the_limit_of_a_text() {
        let (mut cutter, mut out) = (LineCutter::default(), Vec::new());
        cutter.push(&vec![b'x'; LINE_BYTES_MAX + 1], &mut out);
        let text = out.pop().unwrap().unwrap_err().text;
        assert!(text.contains("262144 bytes of text"), "{text}");
    }

    #[test]
    fn a_line_too_long_is_told_once_and_the_next_is_whole() {
        let mut bytes = vec![b'x'; 3 * LINE_BYTES_MAX];
        bytes.extend_from_slice(b"\nnext\n");
        for step in [1_000, 65_536, bytes.len()] {
            assert_eq!(cut(&bytes, step), ["error too-long", "next"]);
        }
        let longest = vec![b'x'; LINE_BYTES_MAX];
        assert_eq!(cut(&longest, 4_096)[0].len(), LINE_BYTES_MAX);
        let unfinished = vec![b'x'; LINE_BYTES_MAX + 1];
        assert_eq!(cut(&unfinished, 4_096), ["error too-long"]);
    }
}
