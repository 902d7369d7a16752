//! Races our link, QUIC and KCP over the same bad lines; see `--help`.

use std::process::ExitCode;

fn main() -> ExitCode {
    lamparina_linkrace::main()
}
