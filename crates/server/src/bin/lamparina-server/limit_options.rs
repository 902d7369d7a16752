//! An option for each limit of the server's table: name, range, default and help are the table's.

use clap::builder::StyledStr;
use clap::error::Error;
use clap::{Arg, ArgMatches, Args, Command, FromArgMatches};
use lamparina_server::limits::{Limit, Limits, TABLE};

/// The limits as asked for.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct LimitOptions(pub(crate) Limits);

impl Args for LimitOptions {
    fn augment_args(command: Command) -> Command {
        command.args(TABLE.iter().map(option))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for LimitOptions {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        let mut limits = Self::default();
        limits.update_from_arg_matches(matches)?;
        Ok(limits)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        for limit in TABLE {
            if let Some(value) = matches.get_one::<u64>(limit.name) {
                *(limit.field)(&mut self.0) = *value;
            }
        }
        Ok(())
    }
}

fn option(limit: &'static Limit) -> Arg {
    let help = format!(
        "{} [{}; {} to {}]",
        limit.about, limit.unit, limit.min, limit.max
    );
    Arg::new(limit.name)
        .long(limit.name)
        .value_name("N")
        .env(kept(variable(limit.name)))
        .default_value(kept(limit.default.to_string()))
        .value_parser(clap::value_parser!(u64).range(limit.min..=limit.max))
        .help_heading("Limits")
        .help(StyledStr::from(help))
}

/// The variable of the environment behind a setting.
pub(crate) fn variable(name: &str) -> String {
    format!("LAMPARINA_{}", name.replace('-', "_").to_uppercase())
}

/// The parser of options keeps no texts of its own: a handful of names, for the program's life.
fn kept(text: String) -> &'static str {
    Box::leak(text.into_boxed_str())
}
