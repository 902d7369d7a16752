//! `doctor`: whether this machine can be found, in words. What it looks at is the library's.

use lamparina_console::exit::{Exit, Stop};

use super::args::Args;

/// Runs it.
pub(super) async fn run(args: &Args) -> Result<Exit, Stop> {
    let (_multicast, _listen) = super::setup::places(args).await?;
    Err(Stop::new(Exit::Failed, "not yet"))
}
