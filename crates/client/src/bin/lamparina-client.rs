//! The program `lamparina-client`; see [`lamparina_client::cli`].

use std::process::ExitCode;

fn main() -> ExitCode {
    lamparina_client::cli::main()
}
