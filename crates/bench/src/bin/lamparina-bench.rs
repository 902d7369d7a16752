//! Measures the Lamparina server beside a raw baseline; see `--help`.

use std::process::ExitCode;

fn main() -> ExitCode {
    lamparina_bench::main()
}
