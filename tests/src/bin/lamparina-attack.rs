//! Attacks a server of these sources over loopback and says whether its bounds hold.

use std::process::ExitCode;

use lamparina_tests::attack::{ATTACKS, Size};
use lamparina_tests::real::programs;

const USAGE: &str = "\
Attacks a Lamparina server over loopback, beside healthy clients, and says for each attack what was
done, what was measured, and whether the bound held.

Usage: lamparina-attack [--all | ATTACK..] [--quick] [--programs DIR]

  --all           every attack
  --quick         a few seconds each, as in the test suite
  --programs DIR  the folder of the programs to be attacked; built from these sources unless given

Exit codes: 0 every bound held, 1 one did not, 2 usage

Example: cargo run --release -p lamparina-tests --bin lamparina-attack -- --all

Attacks:";

fn main() -> ExitCode {
    let (mut size, mut wanted) = (Size::Full, Vec::new());
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--all" => wanted.extend(ATTACKS),
            "--quick" => size = Size::Quick,
            "--programs" => match args.next() {
                Some(folder) => match std::path::absolute(&folder) {
                    Ok(folder) => programs::take_from(folder),
                    Err(error) => return usage(&format!("{folder}: {error}")),
                },
                None => return usage("--programs wants a folder"),
            },
            "--help" | "-h" => {
                println!("{}", help());
                return ExitCode::SUCCESS;
            }
            name => match ATTACKS.iter().find(|attack| attack.name == name) {
                Some(attack) => wanted.push(attack),
                None => return usage(&format!("{name} is no attack")),
            },
        }
    }
    if wanted.is_empty() {
        return usage("nothing to do: name an attack, or --all");
    }
    let mut all_held = true;
    for attack in wanted {
        // What panics has found something, too, and says what.
        match std::panic::catch_unwind(|| (attack.run)(size)) {
            Ok(report) => {
                all_held &= report.held(true);
                println!("{report}");
            }
            Err(_) => {
                all_held = false;
                println!("{}: NOT HELD, see above", attack.name);
            }
        }
    }
    match all_held {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

fn help() -> String {
    let attacks = ATTACKS
        .iter()
        .map(|attack| format!("\n  {:<14}  {}", attack.name, attack.about));
    format!("{USAGE}{}", attacks.collect::<String>())
}

fn usage(why: &str) -> ExitCode {
    eprintln!("lamparina-attack: {why}\n\n{}", help());
    ExitCode::from(2)
}
