//! Kills a server under load as often as it is told, and checks what clients were told after each.

use std::process::ExitCode;

use lamparina_tests::real::{crash, programs};

const USAGE: &str = "\
Kills a Lamparina server under load, starts it again on what it left, and checks after each cycle
that nothing committed was lost, repeated or moved for any client.

Usage: lamparina-crash [--cycles N] [--seed N] [--programs DIR]

  --cycles N      how often; 20 unless given
  --seed N        gives the moments of the kills; 1 unless given
  --programs DIR  the folder of the server to be killed; built from these sources unless given

Example: cargo run --release -p lamparina-tests --bin lamparina-crash -- --cycles 1000";

fn main() -> ExitCode {
    let (mut cycles, mut seed) = (20, 1);
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        if arg == "--programs" {
            match args.next() {
                Some(folder) => programs::take_from(folder.into()),
                None => return usage("--programs wants a folder"),
            }
            continue;
        }
        let number = match arg.as_str() {
            "--cycles" => &mut cycles,
            "--seed" => &mut seed,
            "--help" | "-h" => {
                println!("{USAGE}");
                return ExitCode::SUCCESS;
            }
            other => return usage(&format!("{other} is not known")),
        };
        match args.next().and_then(|value| value.parse().ok()) {
            Some(value) => *number = value,
            None => return usage(&format!("{arg} wants a number")),
        }
    }
    let began = std::time::Instant::now();
    let tally = crash::run(cycles, seed, |cycle, tally| {
        if cycle % 20 == 0 || cycle == cycles {
            println!(
                "{cycle} kills ({} under load), {} committed, {} delivered, 0 lost, 0 repeated, \
                 0 out of order ({} s)",
                tally.under_load,
                tally.committed,
                tally.delivered,
                began.elapsed().as_secs()
            );
        }
    });
    println!("done: {} kills, {} messages", tally.kills, tally.committed);
    ExitCode::SUCCESS
}

fn usage(why: &str) -> ExitCode {
    eprintln!("lamparina-crash: {why}\n\n{USAGE}");
    ExitCode::from(2)
}
