//! The command line.

use std::path::PathBuf;

use clap::{Args as ClapArgs, Parser, Subcommand};
use lamparina_protocol::Nick;

use crate::export::{Pattern, When, Whom};

const EXAMPLES: &str = "\
Examples:
  lamparina-log verify ~/.local/share/lamparina            judge a journal and what is beside it
  lamparina-log verify backup.db lamparina.db              and compare it with another copy
  lamparina-log verify --captures ana.json bob.json        did they see one order?
  lamparina-log why lamparina.db 17 42                     cause, or only arrival?
  lamparina-log export lamparina.db --html > chat.html     all of it, for people

STORE is a journal's file (lamparina.db, or a backup) or the folder that it is in. It is only ever
read: beside a running server, after a crash, on a disk that cannot be written.

Exit codes:
  0 done   1 failed   2 usage   7 verification failed";

const VERIFY_EXAMPLES: &str = "\
Examples:
  lamparina-log verify lamparina.db
  lamparina-log verify lamparina.db backup.db              which one is longer, or where they part
  lamparina-log verify lamparina.db --log logs/server.log  (files rotated to server.log.1 .. too)
  lamparina-log verify lamparina.db --captures ana.json bob.json
  lamparina-log verify --captures ana.json bob.json        without a journal
A capture is what `lamparina-client --json` printed.

What is checked, from the rows alone and without trusting the server that wrote them:
  rows       the chain (BLAKE3); no number left out
  stamps     one above the order's clock and the author's; growing; clocks and `seen` honest
  authors    each message of an author once and in its order; epochs grow; one owner for each nick
  audiences  recipients by name and by number agree; rooms are joined before they are spoken in
  beside it  terms, read positions; the search file: texts, words, snapshots
The first violation is named, with the entries that contradict each other.

Exit codes: 0 all is good, 7 a violation, 1 something could not be read, 2 usage";

const WHY_EXAMPLES: &str = "\
Examples:
  lamparina-log why lamparina.db 17 42
  lamparina-log why lamparina.db 17 42 --json

Says which of three it is: one author wrote both; the later one's author had seen the earlier one,
with the chain of messages between them; or neither had, and they stand as they arrived.";

const EXPORT_EXAMPLES: &str = "\
Examples:
  lamparina-log export lamparina.db                        plain lines, as the client shows them
  lamparina-log export lamparina.db --json                 one object a line, as clients print them
  lamparina-log export lamparina.db --html > chat.html     one page, nothing else needed
  lamparina-log export lamparina.db --since 2h
  lamparina-log export lamparina.db --since 2026-11-20 --until 2026-11-21T08:00
  lamparina-log export lamparina.db --from ana --to '#lab' --grep 'tea biscuits'
  lamparina-log export lamparina.db --grep '/te(a|e)s?/' --last 20
  lamparina-log export lamparina.db --json --all | jq 'select(.type == \"renamed\")'

In the order of the journal, every entry that passes all conditions. A person's messages are found
by any name that he has or had. Times are the server's clock when it ordered the message; without a
zone they are UTC.";

/// Reads the order on disk: proves it, explains it, exports it. Never writes.
#[derive(Debug, Parser)]
#[command(name = "lamparina-log", version, after_help = EXAMPLES)]
pub(super) struct Args {
    #[command(subcommand)]
    pub(super) task: Task,
}

#[derive(Debug, Subcommand)]
pub(super) enum Task {
    /// Judge a journal, and whatever should agree with it
    #[command(after_help = VERIFY_EXAMPLES)]
    Verify(VerifyArgs),
    /// Say why one message stands before another
    #[command(after_help = WHY_EXAMPLES)]
    Why(WhyArgs),
    /// Write messages out, as text, JSON or a page
    #[command(after_help = EXPORT_EXAMPLES)]
    Export(Box<ExportArgs>),
}

#[derive(ClapArgs, Debug)]
pub(super) struct VerifyArgs {
    /// The journal's file or folder
    #[arg(required_unless_present = "captures")]
    pub(super) store: Option<PathBuf>,
    /// Another copy of it, to compare
    pub(super) other_store: Option<PathBuf>,
    /// A server's log, to hold against the journal
    #[arg(long, value_name = "FILE", requires = "store")]
    pub(super) log: Option<PathBuf>,
    /// What clients printed with --json, one file a client
    #[arg(long, value_name = "FILE", num_args = 1..)]
    pub(super) captures: Vec<PathBuf>,
    /// One JSON object for each journal judged, or for the violation, instead of words
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(ClapArgs, Debug)]
pub(super) struct WhyArgs {
    /// The journal's file or folder
    pub(super) store: PathBuf,
    /// A stamp
    pub(super) a: u64,
    /// Another one
    pub(super) b: u64,
    /// One JSON object instead of words
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(ClapArgs, Debug)]
pub(super) struct ExportArgs {
    /// The journal's file or folder
    pub(super) store: PathBuf,
    /// One JSON object a line
    #[arg(long, group = "form")]
    pub(super) json: bool,
    /// Plain lines, made harmless for a terminal (this is the default)
    #[arg(long, group = "form")]
    pub(super) text: bool,
    /// One page, with a divider for each day and an anchor for each stamp (#s42)
    #[arg(long, group = "form")]
    pub(super) html: bool,
    /// From this moment on: a date, a moment, or how long ago (90s, 30m, 2h, 3d, 1w)
    #[arg(long, value_name = "T")]
    pub(super) since: Option<When>,
    /// Before this moment
    #[arg(long, value_name = "T")]
    pub(super) until: Option<When>,
    /// Written by this person
    #[arg(long, value_name = "NICK", value_parser = nick)]
    pub(super) from: Option<Nick>,
    /// For this person by name, in this room, or for everybody
    #[arg(long, value_name = "NICK|#ROOM|ALL")]
    pub(super) to: Option<Whom>,
    /// Holding all these words, in upper or lower case; or matching /RE/
    #[arg(long, value_name = "WORDS|/RE/")]
    pub(super) grep: Option<Pattern>,
    /// Only the last N of them
    #[arg(long, value_name = "N")]
    pub(super) last: Option<usize>,
    /// Also claims, renames, rooms, refusals, starts of the server
    #[arg(long)]
    pub(super) all: bool,
}

fn nick(text: &str) -> Result<Nick, String> {
    Nick::try_from(text).map_err(|error| error.to_string())
}
