//! The program `lamparina-client`: arguments, lines, events, exit codes. stdout is data, stderr is
//! talk. Lines, the terminal and the end are those of [`lamparina_console`].
//!
//! | module | does |
//! |---|---|
//! | `args` | the command line |
//! | `setup` | who, where and how, from arguments, environment and the person |
//! | `exit` | the code of a conversation's end |
//! | `watch` | `--watch-link`: when to look |
//! | `chat` | the conversation |
//! | `send`, `tail` | for scripts |
//! | `identity`, `servers` | keys: one's own, and those of servers |
//! | `trust` | whether a server is the one it was |
//! | `demo` | a whole chat that proves its order |
//! | `local` | where they meet: the socket of a running client |

mod args;
mod chat;
mod demo;
mod exit;
mod identity;
mod local;
mod pass;
mod send;
mod servers;
mod setup;
mod tail;
mod trust;
mod watch;

use std::process::ExitCode;

use clap::Parser;
use lamparina_console::{logging, output};

use args::{Args, Task};
use exit::{Exit, Stop};

/// Runs the program.
pub fn main() -> ExitCode {
    // The demo's server starts this program again as its logger.
    if let Some(code) = lamparina_server::logger::run_if_logger() {
        return code;
    }
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => {
            let code = if error.use_stderr() {
                Exit::Usage
            } else {
                Exit::Done
            };
            // Nobody is left to be told that the words could not be written.
            let _ = error.print();
            return code.into();
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
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
            // Some of it may be a server's words.
            output::talk(&format!("error: {}", crate::show::clean::text(&stop.text)));
            stop.exit.into()
        }
    }
}

async fn run(args: Args) -> Result<Exit, Stop> {
    let levels = logging::start(args.common.log);
    match args.task {
        None => chat::run(args.common, args.address, args.chat, levels).await,
        Some(Task::Send(send)) => send::run(args.common, args.address, send).await,
        Some(Task::Tail(tail)) => tail::run(args.common, args.address, tail).await,
        Some(Task::Demo(_)) if args.address.is_some() => Err(Stop::new(
            Exit::Usage,
            "the demo holds a server of its own and takes no address; leave it out",
        )),
        Some(Task::Identity(identity)) => identity::run(&args.common, identity.task),
        Some(Task::Servers(servers)) => servers::run(servers.task),
        Some(Task::Demo(demo)) => demo::run(args.common, demo).await,
    }
}
