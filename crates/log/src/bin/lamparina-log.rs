//! The program `lamparina-log`; see [`lamparina_log::cli`].

use std::process::ExitCode;

fn main() -> ExitCode {
    lamparina_log::cli::main()
}
