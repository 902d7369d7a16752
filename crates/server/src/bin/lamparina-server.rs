//! To come.

use std::process::ExitCode;

fn main() -> ExitCode {
    if let Some(code) = lamparina_server::logger::run_if_logger() {
        return code;
    }
    ExitCode::SUCCESS
}
