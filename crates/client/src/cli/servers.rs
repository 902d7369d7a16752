//! `servers`: whose keys are known.

use std::io::{self, Write};
use std::time::{SystemTime, UNIX_EPOCH};

use lamparina_protocol::UnixMicros;
use serde_json::json;

use super::args::ServersTask;
use super::exit::{Exit, Stop};
use crate::profile::known_servers::{KnownServer, KnownServersError, Pinned};
use crate::profile::{KnownServers, Paths};

/// Runs it.
pub(super) fn run(task: ServersTask) -> Result<Exit, Stop> {
    let paths = Paths::from_env().map_err(|error| Stop::new(Exit::Failed, error.to_string()))?;
    let known = KnownServers::open(paths.known_servers());
    match task {
        ServersTask::List { json } => list(&known, json),
        ServersTask::Accept {
            address,
            fingerprint,
        } => {
            let pinned = Pinned::Fingerprint(fingerprint);
            let before = known.accept(&address, pinned, now()).map_err(failed)?;
            let words = fingerprint.spoken();
            let mut text = format!("{address} is trusted with the key {fingerprint} ({words})\n");
            if let Some(before) = before {
                text.push_str(&format!(
                    "and no longer with {}\n",
                    before.pinned.fingerprint()
                ));
            }
            say(&text)
        }
        ServersTask::Forget { address } => match known.forget(&address).map_err(failed)? {
            Some(server) => say(&format!(
                "{address} is forgotten; it was known by {}\n",
                server.pinned.fingerprint()
            )),
            None => Err(Stop::new(
                Exit::Failed,
                format!("nothing is known of {address}"),
            )),
        },
    }
}

fn list(known: &KnownServers, as_json: bool) -> Result<Exit, Stop> {
    let mut text = String::new();
    for server in known.list().map_err(failed)? {
        let fingerprint = server.pinned.fingerprint();
        let KnownServer {
            address,
            first_seen,
            ..
        } = &server;
        if as_json {
            let shown = json!({
                "v": 1, "type": "server", "server": address, "first_seen": first_seen,
                "fingerprint": fingerprint.to_string(), "words": fingerprint.words(),
            });
            text.push_str(&format!("{shown}\n"));
        } else {
            let words = fingerprint.spoken();
            text.push_str(&format!(
                "{address}  {fingerprint}  {words}  since {first_seen}\n"
            ));
        }
    }
    say(&text)
}

fn say(text: &str) -> Result<Exit, Stop> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Stop::new(
            Exit::Failed,
            format!("cannot write to stdout: {error}"),
        )),
        _ => Ok(Exit::Done),
    }
}

fn failed(error: KnownServersError) -> Stop {
    let exit = match error {
        KnownServersError::Address(_) => Exit::Usage,
        _ => Exit::Failed,
    };
    Stop::new(exit, error.to_string())
}

fn now() -> UnixMicros {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let micros = since.map_or(0, |since| since.as_micros());
    UnixMicros(u64::try_from(micros).unwrap_or(u64::MAX))
}
