//! A line of `logs/server.log`, as far as it says something of the order. Written from the form's
//! documentation (`lamparina_server::logger`), not from its code: a second reader.

use std::collections::BTreeMap;

/// What a line says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Said {
    /// A message has its place.
    Produced(Box<Produced>),
    /// A client handed over what it was delivered.
    Consumed {
        /// The nick it had.
        by: String,
        /// The last stamp handed over.
        upto: u64,
    },
    /// Lines are missing here.
    Dropped {
        /// How many.
        count: u64,
    },
    /// A server started, on this log where the line names one.
    Started {
        /// Which.
        log: Option<String>,
    },
    /// A server ended by itself: nothing is missing before.
    Stopped,
    /// Anything else.
    Other,
}

/// A message, as the log tells it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Produced {
    /// Its place.
    pub stamp: u64,
    /// `unicast`, `multicast` or `broadcast`.
    pub kind: String,
    /// Its author's nick.
    pub from: String,
    /// Comma between names; of many the first ones.
    pub to: String,
    /// Names left out.
    pub to_more: u64,
    /// Bytes of its text.
    pub bytes: u64,
    /// The stamp up to which its author had been delivered.
    pub seen: u64,
    /// Where texts are logged, its beginning or all of it.
    pub text: Option<String>,
}

/// Reads a line without its end; `None` for what is no line of such a log.
pub fn read(line: &str) -> Option<Said> {
    let (_time, pairs) = line.split_once(' ')?;
    let mut pairs = split(pairs)?;
    let event = pairs.remove("event")?;
    let number = |key: &str| pairs.get(key)?.parse::<u64>().ok();
    match event.as_str() {
        "produced" => {
            let (stamp, bytes, seen) = (number("stamp")?, number("bytes")?, number("seen")?);
            let to_more = number("to_more").unwrap_or(0);
            Some(Said::Produced(Box::new(Produced {
                stamp,
                kind: pairs.remove("kind")?,
                from: pairs.remove("from")?,
                to: pairs.remove("to")?,
                to_more,
                bytes,
                seen,
                text: pairs.remove("text"),
            })))
        }
        "consumed" => {
            let upto = number("upto")?;
            let by = pairs.remove("by")?;
            Some(Said::Consumed { by, upto })
        }
        "dropped" => number("count").map(|count| Said::Dropped { count }),
        "started" => Some(Said::Started {
            log: pairs.remove("log"),
        }),
        "stopped" => Some(Said::Stopped),
        _ => Some(Said::Other),
    }
}

/// The pairs by key.
fn split(mut rest: &str) -> Option<BTreeMap<&str, String>> {
    let mut pairs = BTreeMap::new();
    loop {
        let (key, after) = rest.split_once('=')?;
        if key.is_empty() || key.contains(' ') {
            return None;
        }
        let (value, after) = match after.strip_prefix('"') {
            Some(quoted) => unquote(quoted)?,
            None => {
                let end = after.find(' ').unwrap_or(after.len());
                (after[..end].to_owned(), &after[end..])
            }
        };
        pairs.insert(key, value);
        if after.is_empty() {
            return Some(pairs);
        }
        rest = after.strip_prefix(' ')?;
    }
}

/// A quoted value is a JSON string: it ends at the first quote that is not escaped.
fn unquote(text: &str) -> Option<(String, &str)> {
    let mut escaped = false;
    let end = text.char_indices().find_map(|(at, c)| {
        let ends = c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
        ends.then_some(at)
    })?;
    let value = serde_json::from_str(&format!("\"{}\"", &text[..end])).ok()?;
    Some((value, &text[end + 1..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_by_their_documentation() {
        let line = r#"2026-11-20T18:42:01.123456Z event=produced stamp=42 kind=multicast from=ana to=bob,carla bytes=5 seen=40 text="a \"b\" \\ \u001b \n c=d""#;
        let Some(Said::Produced(produced)) = read(line) else {
            panic!("{:?}", read(line));
        };
        assert_eq!((produced.stamp, produced.bytes, produced.seen), (42, 5, 40));
        assert_eq!(
            (produced.from.as_str(), produced.to.as_str()),
            ("ana", "bob,carla")
        );
        assert_eq!(produced.text.as_deref(), Some("a \"b\" \\ \u{1b} \n c=d"));
        let line = "2026-11-20T18:42:01.125310Z event=consumed by=bob upto=42 count=3";
        let (by, upto) = ("bob".to_owned(), 42);
        assert_eq!(read(line), Some(Said::Consumed { by, upto }));
        assert_eq!(
            read("t event=dropped count=3 cause=stalled"),
            Some(Said::Dropped { count: 3 })
        );
        assert_eq!(read("t event=stopped reason=\"\""), Some(Said::Stopped));
        assert_eq!(read("t event=left nick=x"), Some(Said::Other));
    }

    #[test]
    fn what_is_no_such_line_is_none() {
        for line in [
            "",
            "x",
            "t event",
            "t a=b",
            "t event=produced stamp=x",
            "t event=\"x",
            "t event=a  b=c",
        ] {
            assert_eq!(read(line), None, "{line:?}");
        }
    }
}
