//! The program `lamparina-peer`; see [`lamparina_peer::cli`].

use std::process::ExitCode;

fn main() -> ExitCode {
    lamparina_peer::cli::main()
}
