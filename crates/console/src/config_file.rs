//! A configuration file: TOML, one line a setting, each known and each within its range, or the file
//! is refused with the line to change. A setting is an option of the command line without its dashes: what a
//! value may be is said once, by the options.

use std::path::Path;

use clap::{Arg, Command};
use lamparina_protocol::clean;
use toml::{Table, Value};

/// Bytes of a configuration file, at most.
const BYTES_MAX: u64 = 1 << 20;
/// A name at least so near to a known one is taken for a slip.
const NEAR: f64 = 0.6;

/// What a program's file may hold.
#[derive(Clone, Debug)]
pub struct Settings<'a> {
    /// The options; its name is the program's.
    pub command: Command,
    /// Options that are no settings.
    pub not: &'a [&'a str],
    /// Where all settings are listed, as a sentence that ends there.
    pub listed: &'a str,
    /// Numbers may have fractions.
    pub fractions: bool,
}

impl Settings<'_> {
    /// Reads a file: each setting by its name, as options of the command line.
    ///
    /// # Errors
    ///
    /// In words, with the file and the line to change.
    pub fn read(&self, path: &Path) -> Result<Vec<(String, Vec<String>)>, String> {
        let wrong = |what: String| {
            let place = path.display();
            clean::words(&format!("{place}: {what}"))
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
            let options = self.options(name, value).map_err(wrong)?;
            settings.push((name.clone(), options));
        }
        Ok(settings)
    }

    /// Every setting: what the parser of options calls it, and what people do.
    pub fn names(&self) -> Vec<(String, String)> {
        let options = self.command.get_arguments();
        options.filter_map(|option| self.name_of(option)).collect()
    }

    /// The same of one option, where it is a setting.
    pub fn name_of(&self, option: &Arg) -> Option<(String, String)> {
        let name = option.get_long()?;
        (!self.not.contains(&name)).then(|| (option.get_id().to_string(), name.to_owned()))
    }

    /// A line as options, each tried alone.
    fn options(&self, name: &str, value: &Value) -> Result<Vec<String>, String> {
        if !self.names().iter().any(|(_, known)| known == name) {
            return Err(self.unknown(name));
        }
        let values = match value {
            Value::Array(values) => values.iter().map(|value| self.one(name, value)).collect(),
            value => self.one(name, value).map(|value| vec![value]),
        }?;
        let options: Vec<_> = values
            .iter()
            .map(|value| format!("--{name}={value}"))
            .collect();
        let command = self.command.clone();
        let program = command.get_name().to_owned();
        let tried = command.try_get_matches_from(
            std::iter::once(program.as_str()).chain(options.iter().map(String::as_str)),
        );
        match tried {
            Ok(_) => Ok(options),
            Err(error) => Err(format!(
                "{name} = {value}: {}",
                first_line(&error.to_string())
            )),
        }
    }

    fn one(&self, name: &str, value: &Value) -> Result<String, String> {
        match value {
            Value::String(text) => Ok(text.clone()),
            Value::Integer(number) => Ok(number.to_string()),
            Value::Boolean(yes) => Ok(yes.to_string()),
            Value::Float(number) if self.fractions => Ok(number.to_string()),
            Value::Table(_) => Err(format!(
                "[{name}] is a section, and settings stand in none: write {name} = VALUE"
            )),
            Value::Float(_) | Value::Datetime(_) | Value::Array(_) => {
                let number = if self.fractions {
                    "number"
                } else {
                    "whole number"
                };
                Err(format!(
                    "{name} = {value}: give a text, a {number}, true or false"
                ))
            }
        }
    }

    fn unknown(&self, name: &str) -> String {
        let nearness = |known: &str| strsim::jaro_winkler(&name.replace('_', "-"), known);
        let nearest = self
            .names()
            .into_iter()
            .map(|(_, known)| known)
            .max_by(|one, other| nearness(one).total_cmp(&nearness(other)));
        match nearest.filter(|known| nearness(known) >= NEAR) {
            Some(known) => format!("{name} is no setting; did you mean {known}?"),
            None => format!("{name} is no setting; {}", self.listed),
        }
    }
}

/// Of an error of the command line, what it says first.
pub fn first_line(words: &str) -> &str {
    let line = words.lines().next().unwrap_or_default();
    line.strip_prefix("error: ").unwrap_or(line)
}
