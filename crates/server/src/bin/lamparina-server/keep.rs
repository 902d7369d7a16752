//! The data folder: opening it, copying it, putting a copy in its place.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use lamparina_server::Durable;
use lamparina_store::backup::{self, Extent};
use lamparina_store::sqlite::Lock;
use tracing::{info, warn};

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

/// Opens the order in `folder`, made where it is missing.
pub(crate) fn open(folder: &Path) -> Result<Durable, String> {
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

/// Copies the order in `folder` to `file`.
pub(crate) fn backup(folder: &Path, file: &Path, replace: bool) -> Result<ExitCode, String> {
    let extent = backup::backup(folder, file, replace).map_err(|error| error.to_string())?;
    println!(
        "{}: {}, of one moment and on the disk",
        file.display(),
        words(extent)
    );
    Ok(ExitCode::SUCCESS)
}

/// Puts the order of `file` in the place of the one in `folder`.
pub(crate) fn restore(file: &Path, folder: &Path) -> Result<ExitCode, String> {
    let _lock = Lock::take(folder).map_err(|error| error.to_string())?;
    let stamp = jiff::Timestamp::now()
        .strftime("%Y%m%dT%H%M%SZ")
        .to_string();
    let restored = backup::restore(file, folder, &stamp).map_err(|error| error.to_string())?;
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

fn words(extent: Extent) -> String {
    format!(
        "{} entries, the last message at stamp {}",
        extent.last_index, extent.last_stamp
    )
}
