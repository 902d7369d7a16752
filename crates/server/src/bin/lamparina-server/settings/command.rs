//! `lamparina-server config`: what holds, whether a file is right, and a file to begin with.

use std::ffi::OsString;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use lamparina_server::limits::TABLE;

use super::{File, Origin, Setting, Settings, Wrong, default_place, of_file};
use crate::keep;
use crate::limit_options::variable;
use crate::options::ConfigCommand;

/// Does it; prints to stdout.
pub(crate) fn run(
    asked: &ConfigCommand,
    config: Option<PathBuf>,
    args: &[OsString],
) -> Result<ExitCode, Wrong> {
    let words = match asked {
        ConfigCommand::Check { file } => check(file.clone().or(config))?,
        ConfigCommand::Show { origin } => show(&Settings::read(args)?, *origin),
        ConfigCommand::Example => example(),
    };
    // Whoever has closed stdout does not want to know.
    let _ = std::io::stdout().lock().write_all(words.as_bytes());
    Ok(ExitCode::SUCCESS)
}

fn check(file: Option<PathBuf>) -> Result<String, Wrong> {
    let file = file.or_else(default_place).ok_or_else(|| {
        Wrong::File("name the file to check: neither XDG_CONFIG_HOME nor HOME is set".to_owned())
    })?;
    let read = File::read(&file)?;
    let count = read.settings.len();
    let word = if count == 1 { "setting" } else { "settings" };
    Ok(format!(
        "{}: {count} {word}, nothing wrong\n",
        read.path.display()
    ))
}

fn show(settings: &Settings, origin: bool) -> String {
    let lines = settings.all.iter().map(|setting| {
        let line = line(setting, settings);
        match origin {
            true => format!("{line}  # {}\n", words(setting)),
            false => format!("{line}\n"),
        }
    });
    lines.collect()
}

fn words(setting: &Setting) -> String {
    match &setting.origin {
        Origin::Default => "default".to_owned(),
        Origin::File(path) => path.display().to_string(),
        Origin::Environment if setting.name == "log-level" => {
            "environment, LAMPARINA_LOG".to_owned()
        }
        Origin::Environment => format!("environment, {}", variable(&setting.name)),
        Origin::CommandLine => "command line".to_owned(),
    }
}

fn line(setting: &Setting, settings: &Settings) -> String {
    let name = &setting.name;
    let in_memory = settings.options.in_memory;
    match (name.as_str(), setting.values.as_slice()) {
        ("in-memory", _) => format!("in-memory = {in_memory}"),
        ("data", _) if in_memory => "# data: nothing is kept".to_owned(),
        ("data", []) => match keep::folder(None) {
            Ok(folder) => format!("data = {}", quoted(&folder.display().to_string())),
            Err(why) => format!("# data: {why}"),
        },
        ("listen" | "udp", values) if !values.is_empty() => {
            let values: Vec<_> = values.iter().map(|value| quoted(value)).collect();
            format!("{name} = [{}]", values.join(", "))
        }
        (_, [value]) => format!("{name} = {}", written(value)),
        _ => format!("# {name} is not set"),
    }
}

/// A value as TOML.
fn written(value: &str) -> String {
    match value.parse::<u64>().is_ok() || matches!(value, "true" | "false") {
        true => value.to_owned(),
        false => quoted(value),
    }
}

fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}

fn example() -> String {
    let mut out = "# What lamparina-server is started with. Every line is optional; the values are the \
                   defaults.\n# The command line and the environment have precedence over this file.\n"
        .to_owned();
    let settings = of_file();
    for option in settings.command.get_arguments() {
        let Some((_, name)) = settings.name_of(option) else {
            continue;
        };
        let about = option
            .get_help()
            .map(ToString::to_string)
            .unwrap_or_default();
        let beyond = TABLE.iter().find(|limit| limit.name == name);
        let beyond = beyond.map(|limit| format!("; beyond: {}", limit.beyond));
        let defaults = option.get_default_values().iter();
        let defaults: Vec<_> = defaults.map(|value| value.to_string_lossy()).collect();
        let line = match (name.as_str(), defaults.as_slice()) {
            ("listen", values) => {
                let values: Vec<_> = values.iter().map(|value| quoted(value)).collect();
                format!("listen = [{}]", values.join(", "))
            }
            (name, [value]) => format!("{name} = {}", written(value)),
            (name, _) => format!("{name} = .."),
        };
        out.push_str(&format!(
            "\n# {}{}\n# {line}\n",
            about.replace('\n', " "),
            beyond.unwrap_or_default()
        ));
    }
    out
}
