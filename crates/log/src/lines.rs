//! Lines of a file, one at a time and bounded: a file of any size is read in little memory.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use crate::finding::Stop;

/// Bytes of a line, at most: the longest text, escaped, and what accompanies it.
const LINE_BYTES_MAX: usize = 4 * 1024 * 1024;

/// The lines of a file, numbered from 1.
#[derive(Debug)]
pub struct Lines<R = BufReader<File>> {
    file: PathBuf,
    reader: R,
    number: u64,
    bytes: Vec<u8>,
}

/// One line, without its end.
#[derive(Clone, Copy, Debug)]
pub struct Line<'a> {
    /// Its number in the file.
    pub number: u64,
    /// Its text; what is not UTF-8 is `None`.
    pub text: Option<&'a str>,
    /// It has a line end. One without was cut off, or is being written.
    pub whole: bool,
}

impl Lines {
    /// Opens a file to read.
    ///
    /// # Errors
    ///
    /// [`Stop::Failed`], in words.
    pub fn open(file: &Path) -> Result<Self, Stop> {
        let opened = File::open(file);
        let opened = opened
            .map_err(|error| Stop::Failed(format!("cannot read {}: {error}", file.display())))?;
        Ok(Self::over(file, BufReader::new(opened)))
    }
}

impl<R: BufRead> Lines<R> {
    /// Takes the lines from `reader`; `file` is what they are called.
    pub fn over(file: &Path, reader: R) -> Self {
        Self {
            file: file.to_owned(),
            reader,
            number: 0,
            bytes: Vec::new(),
        }
    }

    /// The next line.
    ///
    /// # Errors
    ///
    /// [`Stop::Failed`] where the file cannot be read, or has a line beyond any bound.
    pub fn read(&mut self) -> Result<Option<Line<'_>>, Stop> {
        self.bytes.clear();
        let limit = LINE_BYTES_MAX as u64 + 1;
        let read = (&mut self.reader)
            .take(limit)
            .read_until(b'\n', &mut self.bytes);
        let file = self.file.display();
        let read = read.map_err(|error| Stop::Failed(format!("cannot read {file}: {error}")))?;
        if read == 0 {
            return Ok(None);
        }
        self.number += 1;
        let number = self.number;
        if read > LINE_BYTES_MAX {
            let words = format!(
                "{file}, line {number}: more than {LINE_BYTES_MAX} bytes; this is no such file"
            );
            return Err(Stop::Failed(words));
        }
        let whole = self.bytes.last() == Some(&b'\n');
        let bytes = self.bytes.strip_suffix(b"\n").unwrap_or(&self.bytes);
        let text = std::str::from_utf8(bytes).ok();
        Ok(Some(Line {
            number,
            text,
            whole,
        }))
    }

    /// The file.
    pub fn file(&self) -> &Path {
        &self.file
    }
}
