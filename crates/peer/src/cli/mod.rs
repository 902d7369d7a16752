//! The program `lamparina-peer`: arguments, lines, events, exit codes. stdout is data, stderr is talk. Lines,
//! the terminal and the end are those of [`lamparina_console`].
//!
//! | module | does |
//! |---|---|
//! | `args` | the command line |
//! | `setup` | who, where and how |
//! | `command` | what is typed |
//! | `chat` | lines in, events out, until the input ends and everything said is settled |
//! | `asking` | commands that ask |
//! | `talk` | what is shown, as JSON or as readable lines |
//! | `log` | the log file |
//! | `doctor` | whether this machine can be found |

pub(crate) mod args;
mod asking;
mod chat;
mod command;
mod doctor;
mod log;
mod setup;
mod talk;

use std::ffi::OsString;
use std::process::ExitCode;

use lamparina_console::exit::{Exit, Stop};
use lamparina_console::{logging, output};
use lamparina_protocol::clean;

use crate::config_file::{self, Wrong};
use args::{Args, Task};

/// Runs the program.
pub fn main() -> ExitCode {
    // The process that writes the log file is this program, started again.
    if let Some(code) = lamparina_server::logger::run_if_logger() {
        return code;
    }
    let args: Vec<OsString> = std::env::args_os().collect();
    let args = match config_file::read(&args) {
        Ok(args) => args,
        Err(wrong) => return told_wrongly(wrong).into(),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            output::talk(&format!("error: cannot start: {error}"));
            return Exit::Failed.into();
        }
    };
    let done = runtime.block_on(run(args));
    // A read of stdin that never ends must not hold up the end.
    runtime.shutdown_background();
    match done {
        Ok(exit) => exit.into(),
        Err(stop) => {
            // Some of it may be another's words.
            output::talk(&format!("error: {}", clean::text(&stop.text)));
            stop.exit.into()
        }
    }
}

async fn run(args: Args) -> Result<Exit, Stop> {
    let levels = logging::start(args.options.log);
    match args.task {
        None => chat::run(args, levels).await,
        Some(Task::Doctor) => doctor::run(&args).await,
    }
}

/// Says what is wrong; help and version are wrong in no way.
fn told_wrongly(wrong: Wrong) -> Exit {
    match wrong {
        Wrong::Option(error) => {
            // Nobody is left to be told that the words could not be written.
            let _ = error.print();
            match error.use_stderr() {
                true => Exit::Usage,
                false => Exit::Done,
            }
        }
        Wrong::File(words) => {
            output::talk(&format!("error: {words}"));
            Exit::Usage
        }
    }
}
