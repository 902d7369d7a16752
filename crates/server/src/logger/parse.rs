//! The reader of the form of a line, written from its documentation alone: what tests hold the
//! writer against.

/// A value as it was before it was written.
pub(super) type Pair = (String, String);

/// The time and the pairs of a line without its newline.
pub(super) fn parse(line: &str) -> Option<(&str, Vec<Pair>)> {
    let (time, mut rest) = line.split_once(' ')?;
    let mut pairs = Vec::new();
    loop {
        let (key, after) = rest.split_once('=')?;
        let (value, after) = match after.strip_prefix('"') {
            Some(quoted) => unquote(quoted)?,
            None => {
                let end = after.find(' ').unwrap_or(after.len());
                (after[..end].to_owned(), &after[end..])
            }
        };
        pairs.push((key.to_owned(), value));
        if after.is_empty() {
            return Some((time, pairs));
        }
        rest = after.strip_prefix(' ')?;
    }
}

/// The value whose opening quote is behind us, and what follows its closing one.
fn unquote(text: &str) -> Option<(String, &str)> {
    let mut units = Vec::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((String::from_utf16(&units).ok()?, &text[at + 1..])),
            '\\' => match chars.next()?.1 {
                'n' => units.push(u16::from(b'\n')),
                'r' => units.push(u16::from(b'\r')),
                't' => units.push(u16::from(b'\t')),
                'u' => {
                    let hex: String = (0..4).map_while(|_| chars.next()).map(|(_, c)| c).collect();
                    units.push(u16::from_str_radix(&hex, 16).ok()?);
                }
                same @ ('"' | '\\') => units.push(same as u16),
                _ => return None,
            },
            _ => units.extend_from_slice(c.encode_utf16(&mut [0; 2])),
        }
    }
    None
}
