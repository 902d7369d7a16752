//! Every setting's value and where it comes from: the command line, else the environment, else the
//! configuration file, else its default. What a value may be is said once, by the options: a file's
//! lines are read as if they stood on the command line, where nothing better is said there.

mod command;
mod reload;

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use clap::parser::ValueSource;
use clap::{ArgMatches, CommandFactory, FromArgMatches};
use lamparina_console::config_file::{self, first_line};

use crate::options::Options;
pub(crate) use command::run;
pub(crate) use reload::Reloader;

/// Options that are not settings.
const NO_SETTINGS: [&str; 4] = ["accept-shorter-log", "config", "help", "version"];

/// Where a value comes from.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Origin {
    Default,
    File(PathBuf),
    Environment,
    CommandLine,
}

/// A configuration file that is right.
struct File {
    path: PathBuf,
    /// By name, as options of the command line.
    settings: Vec<(String, Vec<String>)>,
}

impl File {
    fn read(path: &Path) -> Result<Self, Wrong> {
        let settings = of_file().read(path).map_err(Wrong::File)?;
        let path = path.to_owned();
        Ok(Self { path, settings })
    }
}

/// Why there are no settings.
#[derive(Debug)]
pub(crate) enum Wrong {
    /// An option or a variable: the parser of options says it.
    Option(clap::Error),
    /// The configuration file, in words.
    File(String),
}

/// All settings.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) options: Options,
    /// In the order of the options.
    pub(crate) all: Vec<Setting>,
}

/// One setting.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Setting {
    pub(crate) name: String,
    /// As it would be written; several where it may be given again, none where nothing is said.
    pub(crate) values: Vec<String>,
    pub(crate) origin: Origin,
}

impl std::fmt::Display for Wrong {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Option(error) => f.write_str(first_line(&error.to_string())),
            Self::File(words) => f.write_str(words),
        }
    }
}

impl Settings {
    /// Reads them; `args` begin with the program's name.
    pub(crate) fn read(args: &[OsString]) -> Result<Self, Wrong> {
        let given = Options::command().try_get_matches_from(args);
        let given = given.map_err(Wrong::Option)?;
        let file = match place(&given)? {
            Some(path) => Some(File::read(&path)?),
            None => None,
        };
        let decides = |name: &str| {
            matches!(
                given.value_source(name),
                Some(ValueSource::CommandLine | ValueSource::EnvVariable)
            )
        };
        let keeps_nothing = || decides("in_memory") && given.get_one("in_memory") == Some(&true);
        let mut merged: Vec<OsString> = args.iter().take(1).cloned().collect();
        let mut of_file = Vec::new();
        for (name, options) in file.iter().flat_map(|file| &file.settings) {
            let id = id(name);
            // Who asks for memory alone does not mean the folder that the file names.
            if decides(&id) || (id == "data" && keeps_nothing()) {
                continue;
            }
            merged.extend(options.iter().map(OsString::from));
            of_file.push(id);
        }
        merged.extend(args.iter().skip(1).cloned());
        let matches = Options::command().try_get_matches_from(merged);
        let matches = matches.map_err(Wrong::Option)?;
        let options = Options::from_arg_matches(&matches).map_err(Wrong::Option)?;
        let origin = |id: &str| match given.value_source(id) {
            Some(ValueSource::CommandLine) => Origin::CommandLine,
            Some(ValueSource::EnvVariable) => Origin::Environment,
            _ => match &file {
                Some(file) if of_file.iter().any(|other| other == id) => {
                    Origin::File(file.path.clone())
                }
                _ => Origin::Default,
            },
        };
        let all = names().map(|(id, name)| Setting {
            values: values(&matches, &id),
            origin: origin(&id),
            name,
        });
        let settings = Self {
            options,
            all: all.collect(),
        };
        settings.one_place()
    }

    /// The order is in memory or in a folder: what is said nearer holds.
    fn one_place(mut self) -> Result<Self, Wrong> {
        let origin = |name: &str| {
            let setting = self.all.iter().find(|setting| setting.name == name);
            setting.map(|setting| setting.origin.clone())
        };
        if !self.options.in_memory || self.options.data.is_none() {
            return Ok(self);
        }
        let rank = |origin: Option<Origin>| match origin {
            None | Some(Origin::Default) => 0,
            Some(Origin::File(_)) => 1,
            Some(Origin::Environment) => 2,
            Some(Origin::CommandLine) => 3,
        };
        let (memory, folder) = (rank(origin("in-memory")), rank(origin("data")));
        if memory == folder {
            return Err(Wrong::File(
                "in-memory keeps nothing and data names a folder to keep it in: choose one"
                    .to_owned(),
            ));
        }
        self.options.in_memory = memory > folder;
        if self.options.in_memory {
            self.options.data = None;
        }
        Ok(self)
    }
}

/// The configuration file to read, if there is one.
fn place(given: &ArgMatches) -> Result<Option<PathBuf>, Wrong> {
    if let Some(asked) = given.get_one::<PathBuf>("config") {
        return Ok(Some(asked.clone()));
    }
    Ok(default_place().filter(|path| path.exists()))
}

/// Where a configuration file is looked for when none is named.
fn default_place() -> Option<PathBuf> {
    let set = |name| std::env::var_os(name).filter(|value: &OsString| !value.is_empty());
    let folder = set("XDG_CONFIG_HOME")
        .map(PathBuf::from)
        .filter(|path| path.is_absolute());
    let folder = folder.or_else(|| Some(Path::new(&set("HOME")?).join(".config")))?;
    Some(folder.join("lamparina/server.toml"))
}

/// Every setting: what the parser of options calls it, and what people do.
fn names() -> impl Iterator<Item = (String, String)> {
    of_file().names().into_iter()
}

/// What a file may hold.
fn of_file() -> config_file::Settings<'static> {
    config_file::Settings {
        command: Options::command(),
        not: &NO_SETTINGS,
        listed: "`lamparina-server config example` lists all there are",
        fractions: false,
    }
}

/// What the parser of options calls a setting.
fn id(name: &str) -> String {
    let found = names().find(|(_, known)| known == name);
    found.map_or_else(|| name.to_owned(), |(id, _)| id)
}

fn values(matches: &ArgMatches, id: &str) -> Vec<String> {
    let raw = matches.get_raw(id).into_iter().flatten();
    raw.map(|value: &OsStr| value.to_string_lossy().into_owned())
        .collect()
}
