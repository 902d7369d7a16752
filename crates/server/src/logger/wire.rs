//! What the server and its logger say to each other, both in lines.
//!
//! To the logger, on its stdin: log lines, which begin with a digit, and `!reopen`, which therefore
//! no event can forge. From the logger, on its stdout: what became of them.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

/// The first argument of a process that plays the logger.
pub(super) const ROLE: &str = "__lamparina-logger";
/// Close the file and open it again by its name.
pub(super) const REOPEN: &[u8] = b"!reopen\n";

/// What the logger says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Status {
    /// The file is open.
    Ready,
    /// This many lines in all were taken from stdin and handed to the operating system.
    Wrote(u64),
    /// Something cannot be done, in words; lines wait until it can.
    Failed(String),
}

impl Status {
    /// Its line, without the newline.
    pub(super) fn to_line(&self) -> String {
        match self {
            Self::Ready => "ready".to_owned(),
            Self::Wrote(lines) => format!("wrote {lines}"),
            Self::Failed(words) => format!("failed {}", words.replace(['\n', '\r'], " ")),
        }
    }

    /// What a line says; `None` for one that is not of this protocol.
    pub(super) fn parse(line: &str) -> Option<Self> {
        match line.split_once(' ') {
            None => (line == "ready").then_some(Self::Ready),
            Some(("wrote", lines)) => lines.parse().ok().map(Self::Wrote),
            Some(("failed", words)) => Some(Self::Failed(words.to_owned())),
            Some(_) => None,
        }
    }
}

/// What the logger is told on its command line.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Orders {
    pub(super) file: PathBuf,
    pub(super) rotate_bytes: u64,
    pub(super) keep: u32,
}

impl Orders {
    /// As arguments, the role first.
    pub(super) fn to_args(&self) -> [OsString; 4] {
        [
            ROLE.into(),
            self.file.clone().into(),
            self.rotate_bytes.to_string().into(),
            self.keep.to_string().into(),
        ]
    }

    /// From the arguments after the role.
    pub(super) fn parse(mut args: impl Iterator<Item = OsString>) -> Option<Self> {
        let orders = Self {
            file: args.next()?.into(),
            rotate_bytes: number(&args.next()?)?,
            keep: number(&args.next()?)?,
        };
        args.next().is_none().then_some(orders)
    }
}

fn number<T: std::str::FromStr>(text: &OsStr) -> Option<T> {
    text.to_str()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ends_understand_each_other() {
        for status in [
            Status::Ready,
            Status::Wrote(0),
            Status::Wrote(u64::MAX),
            Status::Failed("cannot write: no space".to_owned()),
        ] {
            assert_eq!(Status::parse(&status.to_line()), Some(status));
        }
        for line in ["", "wrote", "wrote x", "wrote -1", "ready 1", "hello"] {
            assert_eq!(Status::parse(line), None, "{line:?}");
        }
        let orders = Orders {
            file: "logs/a b.log".into(),
            rotate_bytes: 7,
            keep: 0,
        };
        let args = orders.to_args().into_iter().skip(1);
        assert_eq!(Orders::parse(args), Some(orders));
    }
}
