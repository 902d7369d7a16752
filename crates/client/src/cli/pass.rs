//! What to give to become a member: from arguments, the environment, a file, and the person in front.
//! A password is never an argument: everybody on the machine could read it.

use std::io::{self, BufRead as _, IsTerminal as _, Read as _};
use std::path::Path;

use lamparina_protocol::message::{INVITE_CODE_BYTES_MAX, PASSWORD_BYTES_MAX};

use super::args::Common;
use super::exit::{Exit, Stop};
use super::setup::Who;
use crate::core::pass::Pass;

/// What was asked for. Nothing where nothing was.
pub(super) fn pass(who: &Who, common: &Common) -> Result<Pass, Stop> {
    let invite = common.invite.clone();
    let invite = invite
        .map(|code| code.trim().to_owned())
        .filter(|code| !code.is_empty());
    if invite
        .as_ref()
        .is_some_and(|code| code.len() > INVITE_CODE_BYTES_MAX)
    {
        let text = "an invite's code looks like K7Q2M-8XH4T-...: copy it as it was printed";
        return Err(Stop::new(Exit::Usage, text));
    }
    let password = match &common.password_file {
        Some(file) => Some(from_file(file)?),
        None if common.password => Some(ask(who)?),
        None => std::env::var("LAMPARINA_PASSWORD")
            .ok()
            .filter(|text| !text.is_empty()),
    };
    if password
        .as_ref()
        .is_some_and(|text| !(1..=PASSWORD_BYTES_MAX).contains(&text.len()))
    {
        let text = format!("a password has 1 to {PASSWORD_BYTES_MAX} bytes");
        return Err(Stop::new(Exit::Usage, text));
    }
    Ok(Pass { invite, password })
}

fn from_file(file: &Path) -> Result<String, Stop> {
    let failed = |error: io::Error| {
        let text = format!("cannot read the password in {}: {error}", file.display());
        Stop::new(Exit::Usage, text)
    };
    let opened = std::fs::File::open(file).map_err(failed)?;
    let mut line = String::new();
    let limit = PASSWORD_BYTES_MAX as u64 + 2;
    io::BufReader::new(opened.take(limit))
        .read_line(&mut line)
        .map_err(failed)?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

fn ask(who: &Who) -> Result<String, Stop> {
    if !io::stdin().is_terminal() {
        let text =
            "nobody is here to ask for a password: use --password-file FILE or LAMPARINA_PASSWORD";
        return Err(Stop::new(Exit::Usage, text));
    }
    rpassword::prompt_password(format!("Password of {} at {}: ", who.nick, who.server))
        .map_err(|error| Stop::new(Exit::Usage, format!("cannot read the password: {error}")))
}
