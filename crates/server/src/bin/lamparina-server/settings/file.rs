//! A configuration file: TOML, one line a setting, each known and each within its range, or the file
//! is refused with the line to change.

use std::path::{Path, PathBuf};

use clap::CommandFactory;
use lamparina_protocol::clean;
use toml::{Table, Value};

use super::{Wrong, first_line, names};
use crate::options::Options;

/// Bytes of a configuration file, at most.
const BYTES_MAX: u64 = 1 << 20;
/// A name at least so near to a known one is taken for a slip.
const NEAR: f64 = 0.6;

/// A file that is right.
#[derive(Debug)]
pub(super) struct File {
    pub(super) path: PathBuf,
    /// By name, as options of the command line.
    pub(super) settings: Vec<(String, Vec<String>)>,
}

impl File {
    pub(super) fn read(path: &Path) -> Result<Self, Wrong> {
        let wrong = |what: String| {
            let place = path.display();
            Wrong::File(clean::words(&format!("{place}: {what}")))
        };
        let size = std::fs::metadata(path).map(|about| about.len());
        if size.as_ref().is_ok_and(|bytes| *bytes > BYTES_MAX) {
            return Err(wrong("no configuration has more than 1 MiB".to_owned()));
        }
        let text = std::fs::read_to_string(path).map_err(|error| {
            wrong(format!(
                "cannot be read: {error}; name one with --config FILE"
            ))
        })?;
        let table: Table = text.parse().map_err(|error: toml::de::Error| {
            wrong(format!("is not TOML: {}", error.to_string().trim_end()))
        })?;
        let mut settings = Vec::new();
        for (name, value) in &table {
            let options = options(name, value).map_err(wrong)?;
            settings.push((name.clone(), options));
        }
        let path = path.to_owned();
        Ok(Self { path, settings })
    }
}

/// A line as options, each tried alone.
fn options(name: &str, value: &Value) -> Result<Vec<String>, String> {
    if !names().any(|(_, known)| known == name) {
        return Err(unknown(name));
    }
    let values = match value {
        Value::Array(values) => values.iter().map(|value| one(name, value)).collect(),
        value => one(name, value).map(|value| vec![value]),
    }?;
    let options: Vec<_> = values
        .iter()
        .map(|value| format!("--{name}={value}"))
        .collect();
    let tried = Options::command().try_get_matches_from(
        std::iter::once("lamparina-server").chain(options.iter().map(String::as_str)),
    );
    match tried {
        Ok(_) => Ok(options),
        Err(error) => Err(format!(
            "{name} = {value}: {}",
            first_line(&error.to_string())
        )),
    }
}

fn one(name: &str, value: &Value) -> Result<String, String> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Integer(number) => Ok(number.to_string()),
        Value::Boolean(yes) => Ok(yes.to_string()),
        Value::Table(_) => Err(format!(
            "[{name}] is a section, and settings stand in none: write {name} = VALUE"
        )),
        Value::Float(_) | Value::Datetime(_) | Value::Array(_) => Err(format!(
            "{name} = {value}: give a text, a whole number, true or false"
        )),
    }
}

fn unknown(name: &str) -> String {
    let nearness = |known: &str| strsim::jaro_winkler(&name.replace('_', "-"), known);
    let nearest = names()
        .map(|(_, known)| known)
        .max_by(|one, other| nearness(one).total_cmp(&nearness(other)));
    match nearest.filter(|known| nearness(known) >= NEAR) {
        Some(known) => format!("{name} is no setting; did you mean {known}?"),
        None => {
            format!("{name} is no setting; `lamparina-server config example` lists all there are")
        }
    }
}
