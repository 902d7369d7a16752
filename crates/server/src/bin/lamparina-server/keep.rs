//! The data folder: opening it, copying it, putting a copy in its place.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use lamparina_server::Durable;

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

pub(crate) fn open(folder: &Path) -> Result<Durable, String> {
    let _ = folder;
    Durable::nowhere().map_err(|error| error.to_string())
}

pub(crate) fn backup(_: &Path, _: &Path, _: bool) -> Result<ExitCode, String> {
    Err("not yet".to_owned())
}

pub(crate) fn restore(_: &Path, _: &Path) -> Result<ExitCode, String> {
    Err("not yet".to_owned())
}
