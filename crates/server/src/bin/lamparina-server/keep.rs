//! The data folder: opening it, copying it, putting a copy in its place.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use lamparina_log::source::Source;
use lamparina_log::verify::{Against, verify};
use lamparina_server::Durable;
use lamparina_store::backup::{self, Extent};
use lamparina_store::sqlite::{self, Lock};
use tracing::{info, warn};

/// As of lamparina-log: what is there is not what was written.
const VERIFICATION_FAILED: u8 = 7;

/// The folder asked for, or the user's own.
pub(crate) fn folder(asked: Option<&Path>) -> Result<PathBuf, String> {
    if let Some(asked) = asked {
        return Ok(asked.to_owned());
    }
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    let data = set("XDG_DATA_HOME")
        .map(PathBuf::from)
        .filter(|path| path.is_absolute())
        .or_else(|| Some(PathBuf::from(set("HOME")?).join(".local/share")));
    let data = data.ok_or("no place for the data folder: name one with --data DIR, or set HOME")?;
    Ok(data.join("lamparina"))
}

/// Opens the order in `folder`, made where it is missing; also where its newest entries are missing,
/// when that is accepted.
pub(crate) fn open(folder: &Path, accept_shorter: bool) -> Result<Durable, String> {
    if accept_shorter {
        let aside = sqlite::accept_shorter(folder, &format!("before-{}", stamp()));
        match aside.map_err(|error| error.to_string())? {
            Some(aside) => warn!(
                "the newest entries are missing, and the order goes on without them: what the \
                 search file knew of them is kept as {}",
                aside.display()
            ),
            None => info!("no entry is missing: --accept-shorter-log has nothing to do"),
        }
    }
    let durable = Durable::open(folder, |words| warn!("{words}"));
    let durable = durable.map_err(|error| error.to_string())?;
    let stamp = durable.state.last_stamp();
    match durable.last_index.0 {
        1 => info!("a new order in {}", folder.display()),
        _ => info!(
            "the order in {} goes on after stamp {stamp}",
            folder.display()
        ),
    }
    Ok(durable)
}

/// Copies the order in `folder` to `file`, and verifies the copy.
pub(crate) fn backup(folder: &Path, file: &Path, replace: bool) -> Result<ExitCode, String> {
    let extent = backup::backup(folder, file, replace).map_err(|error| error.to_string())?;
    if let Err(why) = verified(file) {
        eprintln!(
            "{} is a copy, and what it is a copy of is not as it was written: {why}",
            file.display()
        );
        return Ok(ExitCode::from(VERIFICATION_FAILED));
    }
    println!(
        "{}: {}; verified, of one moment, on the disk",
        file.display(),
        words(extent)
    );
    Ok(ExitCode::SUCCESS)
}

/// Puts the order of `file`, which is verified first, in the place of the one in `folder`.
pub(crate) fn restore(file: &Path, folder: &Path) -> Result<ExitCode, String> {
    let _lock = Lock::take(folder).map_err(|error| error.to_string())?;
    if let Err(why) = verified(file) {
        eprintln!("nothing was changed: {why}");
        return Ok(ExitCode::from(VERIFICATION_FAILED));
    }
    let restored = backup::restore(file, folder, &stamp()).map_err(|error| error.to_string())?;
    println!("{}: {}", folder.display(), words(restored.now));
    if let Some((before, kept)) = restored.before {
        println!(
            "the order that was there ({}) is kept as {}",
            words(before),
            kept.display()
        );
        let cut = before.last_index.saturating_sub(restored.now.last_index);
        if cut > 0 {
            println!(
                "{cut} entries after stamp {} are cut away; clients that saw them are told so when \
                 they come back",
                restored.now.last_stamp
            );
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The moment, as a part of a file's name.
fn stamp() -> String {
    let now = jiff::Timestamp::now();
    now.strftime("%Y%m%dT%H%M%SZ").to_string()
}

/// Whether a journal is as it was written, from its first entry on.
fn verified(file: &Path) -> Result<(), String> {
    let source = Source::open(file).map_err(|error| error.to_string())?;
    let proof = verify(&source, Against::default());
    proof.map(|_| ()).map_err(|stop| stop.to_string())
}

fn words(extent: Extent) -> String {
    format!(
        "{} entries, the last message at stamp {}",
        extent.last_index, extent.last_stamp
    )
}
