//! `identity`: the key of a profile, shown, made, taken elsewhere.

use std::fs;
use std::io::{self, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};

use lamparina_console::output::talk;
use serde_json::json;

use super::args::{Common, IdentityTask};
use super::exit::{Exit, Stop};
use crate::profile::{
    IDENTITY_BYTES_MAX, Identity, Paths, ProfileError, ProfileLock, ProfileName, sync_folder,
};

/// What a new key means, for whoever is about to make one.
const MEANING: &str = "\
A key is who one is: a nick belongs to the key that claimed it first, and so do its messages and
rooms. With a new key you are somebody else: your old nick stays with the old key.";

/// A profile whose key is meant.
struct Whose {
    paths: Paths,
    profile: ProfileName,
    file: PathBuf,
}

/// Runs it.
pub(super) fn run(common: &Common, task: IdentityTask) -> Result<Exit, Stop> {
    let whose = whose(common)?;
    match task {
        IdentityTask::Show { json } => show(&whose, json),
        IdentityTask::New { replace } => {
            put(&whose, Identity::generate().map_err(failed)?, replace)
        }
        IdentityTask::Export { file, force } => export(&whose, &file, force),
        IdentityTask::Import { file, replace } => put(&whose, read_key(&file)?, replace),
    }
}

fn whose(common: &Common) -> Result<Whose, Stop> {
    let named = common.name.as_ref().map(ProfileName::of);
    let profile = common.profile.clone().or(named).ok_or_else(|| {
        let text = "whose key? Name a profile with --profile NAME, or a nick with --name NICK";
        Stop::new(Exit::Usage, text)
    })?;
    let paths = Paths::from_env().map_err(failed)?;
    let file = paths.identity(&profile);
    Ok(Whose {
        paths,
        profile,
        file,
    })
}

fn show(whose: &Whose, as_json: bool) -> Result<Exit, Stop> {
    let key = there(whose)?;
    let (author, fingerprint) = (key.author().to_string(), key.fingerprint());
    if as_json {
        let shown = json!({
            "v": 1, "type": "identity", "profile": whose.profile.as_str(), "key": author,
            "fingerprint": fingerprint.to_string(), "words": fingerprint.words(),
            "file": whose.file.to_string_lossy(),
        });
        return say(&format!("{shown}\n"));
    }
    say(&format!(
        "profile      {}\nkey          ed25519 {author}\nfingerprint  {fingerprint}\nwords        {}\nfile         {}\n",
        whose.profile,
        fingerprint.spoken(),
        whose.file.display()
    ))
}

fn there(whose: &Whose) -> Result<Identity, Stop> {
    let read = Identity::read(&whose.file).map_err(failed)?;
    read.ok_or_else(|| {
        let text = format!(
            "the profile {} has no key yet: the first connection makes one, and so does `identity new`",
            whose.profile
        );
        Stop::new(Exit::Failed, text)
    })
}

/// Makes `key` the profile's.
fn put(whose: &Whose, key: Identity, replace: bool) -> Result<Exit, Stop> {
    // A client that runs would go on with the old key, and with an outbox that is its.
    let lock = ProfileLock::try_take(&whose.paths.lock(&whose.profile));
    let lock = lock.map_err(|error| {
        let text = format!("the profile {} cannot be locked: {error}", whose.profile);
        Stop::new(Exit::Failed, text)
    })?;
    let Some(_alone) = lock else {
        let text = format!(
            "a client of the profile {} is running: end it first",
            whose.profile
        );
        return Err(Stop::new(Exit::Failed, text));
    };
    let before = Identity::read(&whose.file).map_err(failed)?;
    match before {
        None => key.keep(&whose.file).map_err(failed)?,
        Some(before) if before.author() == key.author() => {
            talk("this is the profile's key already");
        }
        Some(before) if !replace => {
            let text = format!(
                "the profile {} has a key already, {}.\n{MEANING}\nNothing was changed. With \
                 --replace the old key is kept beside the new one; --profile with another name \
                 leaves it alone",
                whose.profile,
                before.fingerprint()
            );
            return Err(Stop::new(Exit::Failed, text));
        }
        Some(before) => replaced(whose, &key, &before)?,
    }
    show(whose, false)
}

/// Puts `key` in the place of `before`, and what `before` had not sent out of its way.
fn replaced(whose: &Whose, key: &Identity, before: &Identity) -> Result<(), Stop> {
    let now = jiff::Timestamp::now();
    let stamp = now.strftime("%Y%m%dT%H%M%S%.6fZ").to_string();
    // First: an outbox without its key would be refused, a key without an outbox begins one.
    let outboxes = set_aside(whose, before, &stamp).map_err(|error| {
        let text = format!("what the old key has not sent cannot be set aside: {error}");
        Stop::new(Exit::Failed, text)
    })?;
    let kept = key.replace(&whose.file, &stamp).map_err(failed)?;
    talk(&format!("the old key is kept as {}", kept.display()));
    if outboxes > 0 {
        talk("what it had not sent is kept beside its outbox, and is not sent by the new key");
    }
    talk(MEANING);
    Ok(())
}

fn set_aside(whose: &Whose, before: &Identity, stamp: &str) -> io::Result<usize> {
    let found = whose.paths.outboxes(&whose.profile)?;
    // Of the key's digits a few: enough to tell whose it was.
    let owner = &before.author().to_string()[..8];
    for file in &found {
        let mut aside = file.as_os_str().to_owned();
        aside.push(format!(".of-{owner}-{stamp}"));
        fs::rename(file, aside)?;
    }
    if let Some(folder) = found.first().and_then(|file| file.parent()) {
        sync_folder(folder)?;
    }
    Ok(found.len())
}

fn export(whose: &Whose, file: &Path, force: bool) -> Result<Exit, Stop> {
    let key = there(whose)?;
    let warning = "whoever has this key is you: keep it as you keep a password";
    if file != Path::new("-") {
        key.keep(file).map_err(failed)?;
        talk(&format!(
            "written to {}, for you only; {warning}",
            file.display()
        ));
        return Ok(Exit::Done);
    }
    if io::stdout().is_terminal() && !force {
        let text = "this would show the key on the terminal, where it stays in the scrollback: name a \
                    file, send it through a pipe, or insist with --force";
        return Err(Stop::new(Exit::Usage, text));
    }
    talk(warning);
    say(&key.to_text())
}

fn read_key(file: &Path) -> Result<Identity, Stop> {
    let mut bytes = Vec::new();
    let read = match file == Path::new("-") {
        true => io::stdin()
            .lock()
            .take(IDENTITY_BYTES_MAX)
            .read_to_end(&mut bytes),
        false => fs::File::open(file)
            .and_then(|opened| opened.take(IDENTITY_BYTES_MAX).read_to_end(&mut bytes)),
    };
    let name = file.display();
    read.map_err(|error| Stop::new(Exit::Failed, format!("cannot read {name}: {error}")))?;
    Identity::parse(&bytes)
        .map_err(|why| Stop::new(Exit::Failed, format!("{name} holds no key: {why}")))
}

fn say(text: &str) -> Result<Exit, Stop> {
    let mut out = io::stdout().lock();
    let said = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    match said {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Stop::new(
            Exit::Failed,
            format!("cannot write to stdout: {error}"),
        )),
        _ => Ok(Exit::Done),
    }
}

fn failed(error: impl Into<ProfileError>) -> Stop {
    Stop::new(Exit::Failed, error.into().to_string())
}
