//! Bytes into lines, however they are cut, and values into lines that any reader can cut again: a
//! line is never longer than [`LINE_BYTES_MAX`], in either direction, and what we write is ASCII.

use serde::Serialize;

use crate::limits::LINE_BYTES_MAX;

/// A line has more than [`LINE_BYTES_MAX`] bytes, its newline counted.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("a line has more than {LINE_BYTES_MAX} bytes")]
pub struct LineTooLong;

/// Cuts a stream into lines; holds one that is not complete, and no more.
#[derive(Clone, Debug, Default)]
pub struct LineReader {
    partial: Vec<u8>,
}

impl LineReader {
    /// Takes what came, and gives each line that is complete, without its newline. What is no UTF-8 in
    /// it is replaced.
    ///
    /// # Errors
    ///
    /// [`LineTooLong`], behind the lines before it: nothing that comes later can be read.
    pub fn push(&mut self, mut bytes: &[u8], lines: &mut Vec<String>) -> Result<(), LineTooLong> {
        while let Some(at) = bytes.iter().position(|&byte| byte == b'\n') {
            let (line, rest) = bytes.split_at(at);
            self.hold(line, LINE_BYTES_MAX - 1)?;
            lines.push(String::from_utf8_lossy(&self.partial).into_owned());
            self.partial.clear();
            bytes = &rest[1..];
        }
        self.hold(bytes, LINE_BYTES_MAX)
    }

    /// Takes the end of the stream: what came behind the last newline is a line too, where there is
    /// something.
    pub fn end(&mut self) -> Option<String> {
        let partial = std::mem::take(&mut self.partial);
        (!partial.is_empty()).then(|| String::from_utf8_lossy(&partial).into_owned())
    }

    /// Adds to the line that is not complete, which then has at most `bytes_max` bytes.
    fn hold(&mut self, bytes: &[u8], bytes_max: usize) -> Result<(), LineTooLong> {
        if self.partial.len() + bytes.len() > bytes_max {
            return Err(LineTooLong);
        }
        self.partial.extend_from_slice(bytes);
        Ok(())
    }
}

/// `value` as one line of ASCII JSON, with its newline.
///
/// # Errors
///
/// [`LineTooLong`].
pub fn write<T: Serialize>(value: &T) -> Result<String, LineTooLong> {
    let line = write_long(value);
    if line.len() > LINE_BYTES_MAX {
        return Err(LineTooLong);
    }
    Ok(line)
}

/// The same without a bound, for whoever has bounded `value`.
pub(crate) fn write_long<T: Serialize>(value: &T) -> String {
    let json = serde_json::to_string(value).expect("texts, numbers and lists of them are JSON");
    let mut line = String::with_capacity(json.len() + 1);
    let mut units = [0; 2];
    for c in json.chars() {
        if c.is_ascii() {
            line.push(c);
            continue;
        }
        // JSON has what is not ASCII inside strings only, where this means the same.
        for unit in c.encode_utf16(&mut units) {
            line.push_str(&format!("\\u{unit:04x}"));
        }
    }
    line.push('\n');
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn lines(pieces: &[&[u8]], expect: &[&str], rest: Option<&str>) {
        let (mut reader, mut all) = (LineReader::default(), Vec::new());
        for piece in pieces {
            reader.push(piece, &mut all).unwrap();
        }
        assert_eq!(all, expect);
        assert_eq!(reader.end().as_deref(), rest);
    }

    #[test]
    fn rule_6_lines_are_the_same_however_they_are_cut() {
        lines(&[b""], &[], None);
        lines(&[b"a\nb\n"], &["a", "b"], None);
        lines(&[b"a", b"b", b"\n"], &["ab"], None);
        lines(&[b"\n\n"], &["", ""], None);
        lines(&[b"a\r\n", b"b"], &["a\r"], Some("b"));
        lines(&[b"\xc3", b"\xa9\n"], &["\u{e9}"], None);
        lines(&[b"\xff\n"], &["\u{fffd}"], None);
    }

    #[test]
    fn rule_16_a_line_has_32768_bytes_with_its_newline() {
        let (mut reader, mut all) = (LineReader::default(), Vec::new());
        let full = [vec![b'x'; LINE_BYTES_MAX - 1], vec![b'\n']].concat();
        reader.push(&full, &mut all).unwrap();
        reader.push(&full[..9_000], &mut all).unwrap();
        reader.push(&full[9_000..], &mut all).unwrap();
        assert_eq!(all.len(), 2);
        let longer = [vec![b'x'; LINE_BYTES_MAX], vec![b'\n']].concat();
        reader.push(&longer[..LINE_BYTES_MAX], &mut all).unwrap();
        assert_eq!(reader.push(b"\n", &mut all), Err(LineTooLong));
        let mut reader = LineReader::default();
        let behind = [b"a\n".as_slice(), &longer].concat();
        assert_eq!(reader.push(&behind, &mut all), Err(LineTooLong));
        assert_eq!(all.len(), 3, "what stands before it is a line all the same");
        let mut reader = LineReader::default();
        let endless = vec![b'x'; LINE_BYTES_MAX + 1];
        assert_eq!(reader.push(&endless, &mut all), Err(LineTooLong));
    }

    #[test]
    fn rule_13_what_is_written_is_ascii_on_one_line() {
        for (text, json) in [
            ("bom dia", r#""bom dia""#),
            ("\u{e9}", r#""\u00e9""#),
            ("\u{1f600}", r#""\ud83d\ude00""#),
            ("\u{2028}\n\u{7f}", "\"\\u2028\\n\u{7f}\""),
            ("\"\\", r#""\"\\""#),
        ] {
            assert_eq!(write(&text).unwrap(), format!("{json}\n"));
        }
        assert_eq!(
            write(&"x".repeat(LINE_BYTES_MAX - 3)).unwrap().len(),
            LINE_BYTES_MAX
        );
        assert_eq!(write(&"x".repeat(LINE_BYTES_MAX - 2)), Err(LineTooLong));
    }

    proptest! {
        #[test]
        fn any_text_is_written_and_read_again(text: String, at in 0_usize..50) {
            let line = write(&text).unwrap();
            prop_assert!(line.is_ascii());
            let (mut reader, mut all) = (LineReader::default(), Vec::new());
            let (one, two) = line.as_bytes().split_at(at.min(line.len()));
            reader.push(one, &mut all).unwrap();
            reader.push(two, &mut all).unwrap();
            prop_assert_eq!(all.len(), 1);
            prop_assert_eq!(serde_json::from_str::<String>(&all[0]).unwrap(), text);
        }
    }
}
