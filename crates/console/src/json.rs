//! An event as one line of JSON: `v` first, then its fields in the order of its type. Remote text is
//! exactly what came, escaped.

use std::io;

use lamparina_protocol::clean;
use serde::Serialize;

/// The version that every line carries.
const VERSION: u8 = 1;

#[derive(Serialize)]
struct Line<'a, E> {
    v: u8,
    #[serde(flatten)]
    event: &'a E,
}

/// `event`, a structure or a tagged enum of them, as one line without its end.
pub fn line<E: Serialize>(event: &E) -> String {
    let line = Line { v: VERSION, event };
    let mut out = Vec::new();
    let written = line.serialize(&mut serde_json::Serializer::with_formatter(
        &mut out, Visible,
    ));
    // Numbers, texts and lists of them: every value has a form, and memory takes what is written.
    debug_assert!(written.is_ok());
    String::from_utf8(out).unwrap_or_default()
}

/// Escapes, besides what JSON demands, what a terminal would obey or hide: the text is the same.
struct Visible;

impl serde_json::ser::Formatter for Visible {
    fn write_string_fragment<W>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()>
    where
        W: ?Sized + io::Write,
    {
        let mut rest = fragment;
        while let Some((at, harmful)) = rest.char_indices().find(|(_, c)| clean::is_harmful(*c)) {
            writer.write_all(&rest.as_bytes()[..at])?;
            for unit in harmful.encode_utf16(&mut [0; 2]) {
                write!(writer, "\\u{unit:04x}")?;
            }
            rest = &rest[at + harmful.len_utf8()..];
        }
        writer.write_all(rest.as_bytes())
    }
}
