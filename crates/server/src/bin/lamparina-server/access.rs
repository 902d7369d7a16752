//! Who may become a member: what is asked for on the command line, and the password file.

use std::io::Read as _;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Args, ValueEnum};
use lamparina_protocol::Nick;
use lamparina_protocol::message::PASSWORD_BYTES_MAX;
use lamparina_server::access::{Access, PASSWORD_FILE_BYTES_MAX, Passwords, hash};
use tracing::{info, warn};

/// Who may become a member.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum Who {
    /// Everybody who can reach the server
    Open,
    /// Who has an invite, or a password
    Invite,
}

/// Options for who may become a member.
#[derive(Debug, Args)]
pub(crate) struct AccessOptions {
    /// Who may become a member. By default everybody, where only this machine can reach the server,
    /// else who has an invite. Members come back without one
    #[arg(long, value_name = "WHO", env = "LAMPARINA_ACCESS")]
    pub(crate) access: Option<Who>,
    /// File of lines NICK:HASH (`lamparina-server password hash` prints them): who knows the
    /// password of a nick needs no invite. Access is by invite then
    #[arg(long, value_name = "FILE", env = "LAMPARINA_PASSWORD_FILE")]
    pub(crate) password_file: Option<PathBuf>,
}

impl AccessOptions {
    /// Who may become a member of a server that listens on these; `lasting` where it keeps its order.
    pub(crate) fn access(&self, addrs: &[SocketAddr], lasting: bool) -> Result<Access, String> {
        let reachable = addrs.iter().any(|addr| !addr.ip().is_loopback());
        let passwords = self.password_file.as_deref().map(read).transpose()?;
        let open = match self.access {
            Some(Who::Open) if passwords.is_some() => {
                return Err(
                    "--access open lets everybody in and needs no --password-file: leave \
                            one of them out"
                        .to_owned(),
                );
            }
            Some(asked) => asked == Who::Open,
            None => !reachable && passwords.is_none(),
        };
        if open {
            if reachable {
                warn!("everybody who can reach this server can become a member (--access open)");
            }
            return Ok(Access::Open);
        }
        if !lasting && passwords.is_none() {
            return Err(
                "without a data folder there is nothing to ask for invites: leave \
                        --in-memory out, or let everybody in with --access open"
                    .to_owned(),
            );
        }
        info!("new members need an invite: lamparina-server invite new");
        Ok(Access::Invite(passwords.map(Arc::new)))
    }
}

fn read(file: &Path) -> Result<Passwords, String> {
    let name = file.display();
    let opened = std::fs::File::open(file);
    let mut opened =
        opened.map_err(|error| format!("cannot read the passwords in {name}: {error}"))?;
    let stat = opened.metadata();
    if stat.is_ok_and(|stat| stat.permissions().mode() & 0o007 != 0) {
        warn!("{name} can be read by other users of this machine: chmod 600 {name}");
    }
    let mut text = String::new();
    let limit = PASSWORD_FILE_BYTES_MAX as u64 + 1;
    let read = opened.by_ref().take(limit).read_to_string(&mut text);
    read.map_err(|error| format!("cannot read the passwords in {name}: {error}"))?;
    if text.len() > PASSWORD_FILE_BYTES_MAX {
        return Err(format!(
            "{name} has more than {PASSWORD_FILE_BYTES_MAX} bytes"
        ));
    }
    let passwords = Passwords::parse(&text).map_err(|error| format!("{name}: {error}"))?;
    info!("{} passwords in {name}", passwords.len());
    Ok(passwords)
}

/// Prints a line for a password file. The password comes from stdin: an argument could be read by
/// everybody on this machine.
pub(crate) fn password_hash(nick: &str) -> Result<ExitCode, String> {
    let nick = Nick::try_from(nick).map_err(|error| error.to_string())?;
    let password = password_from_stdin(&nick)?;
    if password.is_empty() || password.len() > PASSWORD_BYTES_MAX {
        return Err(format!(
            "a password has 1 to {PASSWORD_BYTES_MAX} bytes, without its newline"
        ));
    }
    println!(
        "{nick}:{}",
        hash(&password).map_err(|error| error.to_string())?
    );
    Ok(ExitCode::SUCCESS)
}

fn password_from_stdin(nick: &Nick) -> Result<String, String> {
    use std::io::IsTerminal as _;
    if std::io::stdin().is_terminal() {
        let ask = |words: String| {
            rpassword::prompt_password(words)
                .map_err(|error| format!("cannot read the password: {error}"))
        };
        let password = ask(format!("password of {nick}: "))?;
        if ask("again: ".to_owned())? != password {
            return Err("the two are not the same: nothing was printed".to_owned());
        }
        return Ok(password);
    }
    let mut line = String::new();
    let limit = PASSWORD_BYTES_MAX as u64 + 2;
    let read = std::io::stdin()
        .lock()
        .take(limit)
        .read_to_string(&mut line);
    read.map_err(|error| format!("cannot read the password from stdin: {error}"))?;
    Ok(line.strip_suffix('\n').unwrap_or(&line).to_owned())
}
