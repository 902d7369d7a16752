//! What a check found to be wrong: one name for programs, one sentence, and the entries or lines that
//! contradict each other.

use std::fmt;

use lamparina_order::Record;
use lamparina_order::verify::journal::Brief;
use lamparina_protocol::clean;
use serde::Serialize;

/// What is wrong. Says what should be there, and points at both sides.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Finding {
    /// A short name that does not change, for programs.
    pub name: &'static str,
    /// What is wrong and what should be there. Cleaned.
    pub what: String,
    /// What it is about: a label and an entry or a line, the earlier one first. Cleaned.
    pub about: Vec<(&'static str, String)>,
}

impl Finding {
    /// A finding about nothing in particular yet.
    pub fn new(name: &'static str, what: impl AsRef<str>) -> Self {
        Self {
            name,
            what: clean::line(what.as_ref()),
            about: Vec::new(),
        }
    }

    /// Points at a line of anything.
    #[must_use]
    pub fn with(mut self, label: &'static str, line: impl AsRef<str>) -> Self {
        self.about.push((label, clean::line(line.as_ref())));
        self
    }

    /// Points at an entry of a journal.
    #[must_use]
    pub fn with_entry(self, label: &'static str, record: &Record) -> Self {
        self.with(label, Brief(record).to_string())
    }
}

#[derive(Serialize)]
struct Json<'a> {
    v: u8,
    r#type: &'static str,
    name: &'static str,
    what: &'a str,
    about: Vec<About<'a>>,
}

#[derive(Serialize)]
struct About<'a> {
    is: &'static str,
    line: &'a str,
}

impl Finding {
    /// The same as one line of JSON.
    pub fn json(&self) -> String {
        let about = self.about.iter().map(|(is, line)| About { is, line });
        let line = Json {
            v: 1,
            r#type: "violation",
            name: self.name,
            what: &self.what,
            about: about.collect(),
        };
        // Texts and lists of them: every value has a form.
        serde_json::to_string(&line).unwrap_or_default()
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "violation ({}): {}", self.name, self.what)?;
        let mut about = self.about.iter();
        about.try_for_each(|(label, line)| write!(f, "\n  {label:<9} {line}"))
    }
}

/// Why a check could not be made, or what it found.
#[derive(Debug, thiserror::Error)]
pub enum Stop {
    /// Something is wrong with what was checked.
    #[error("{0}")]
    Found(Box<Finding>),
    /// It could not be read, or is not what it was said to be.
    #[error("{0}")]
    Failed(String),
    /// Whoever read the output has had enough.
    #[error("the output is closed")]
    Unread,
}

impl From<Finding> for Stop {
    fn from(finding: Finding) -> Self {
        Self::Found(Box::new(finding))
    }
}

impl From<std::io::Error> for Stop {
    fn from(error: std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::BrokenPipe => Self::Unread,
            _ => Self::Failed(error.to_string()),
        }
    }
}
