//! The journal for people and programs: every entry that is wanted, in the order of the journal, one
//! at a time, with no limit that was not asked for.
//!
//! | file | does |
//! |---|---|
//! | `filter` | which entries |
//! | `when` | moments, as they are given and written |
//! | `json`, `text`, `html` | the forms |

mod filter;
mod html;
pub(crate) mod json;
#[cfg(test)]
mod tests;
mod text;
mod when;

use std::io::Write;

use lamparina_order::{Record, Recorded};

pub use filter::{Filter, Owners, Pattern, Whom};
pub use json::visible;
pub use when::When;

use crate::finding::Stop;

/// How entries look.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Form {
    /// One JSON object a line.
    Json,
    /// Plain lines.
    Text,
    /// One page.
    Html,
}

/// Writes the entries that are wanted.
#[derive(Debug)]
pub struct Export<W> {
    form: Form,
    /// Also what is no message.
    all: bool,
    page: html::Page,
    out: W,
    written: u64,
}

impl<W: Write> Export<W> {
    /// Begins; `title` is what a page is called.
    ///
    /// # Errors
    ///
    /// Where `out` cannot be written.
    pub fn begin(form: Form, all: bool, title: &str, mut out: W) -> Result<Self, Stop> {
        if form == Form::Html {
            out.write_all(html::head(title).as_bytes())?;
        }
        Ok(Self {
            form,
            all,
            page: html::Page::default(),
            out,
            written: 0,
        })
    }

    /// Whether such an entry is written at all.
    pub const fn takes(&self, record: &Record) -> bool {
        self.all || matches!(record.event, Recorded::Message(_))
    }

    /// Writes an entry, if such are written.
    ///
    /// # Errors
    ///
    /// Where `out` cannot be written.
    pub fn entry(&mut self, record: &Record) -> Result<(), Stop> {
        if !self.takes(record) {
            return Ok(());
        }
        let line = match self.form {
            Form::Json => json::line(record) + "\n",
            Form::Text => text::line(record) + "\n",
            Form::Html => self.page.entry(record),
        };
        self.written += 1;
        Ok(self.out.write_all(line.as_bytes())?)
    }

    /// Ends; returns how many entries were written.
    ///
    /// # Errors
    ///
    /// Where `out` cannot be written.
    pub fn end(mut self) -> Result<u64, Stop> {
        if self.form == Form::Html {
            self.out.write_all(html::TAIL.as_bytes())?;
        }
        self.out.flush()?;
        Ok(self.written)
    }
}
