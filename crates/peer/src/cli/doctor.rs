//! `doctor`: whether this machine can be found, in words. What it looks at is the library's.

use std::io::{self, Write};

use lamparina_console::exit::{Exit, Stop};
use lamparina_protocol::clean;

use super::args::Args;
use super::setup;
use crate::doctor::doctor;
use crate::show::json;

/// Runs it.
pub(super) async fn run(args: &Args) -> Result<Exit, Stop> {
    let config = setup::examined(args).await?;
    let report = doctor(&config).await;
    let words = match args.options.json {
        true => json::doctor(&report),
        false => clean::words(&report.to_string()),
    };
    let mut out = io::stdout().lock();
    match writeln!(out, "{}", words.trim_end()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            let text = format!("cannot write to stdout: {error}");
            Err(Stop::new(Exit::Failed, text))
        }
        _ if report.is_good() => Ok(Exit::Done),
        _ => Ok(Exit::Failed),
    }
}
