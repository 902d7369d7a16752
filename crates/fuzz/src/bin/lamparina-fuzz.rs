//! Runs the targets for as long as asked on a stable toolchain, and prints how often.

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;
use lamparina_fuzz::runner::{Broken, Done};
use lamparina_fuzz::{ALL, Target, corpus, runner};

const EXAMPLES: &str = "\
Examples:
  lamparina-fuzz                                every target, 1,000,000 executions of a cheap one
  lamparina-fuzz --executions 10000000 codec    one target, longer
  lamparina-fuzz --threads 4 --seed 2           four threads, each from a seed of its own
  lamparina-fuzz --write-corpus                 make the seeds in the repository anew

A target that costs N times as much as the cheapest is executed N times less often. An input that
breaks a property is written to the folder of --broken: add it to the target's corpus, and mend
what it found. Exit codes: 0 every property held, 1 one did not, 2 the command line is wrong.";

/// Gives hostile bytes to everything that reads bytes from outside.
#[derive(Debug, Parser)]
#[command(version, after_help = EXAMPLES)]
struct Options {
    /// Which; all of them when none is named
    #[arg(value_name = "TARGET", value_parser = target)]
    targets: Vec<Target>,
    /// How often, for a target of cost 1
    #[arg(long, value_name = "N", default_value_t = 1_000_000)]
    executions: u64,
    /// Decides every input
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    seed: u64,
    /// How many work at once; they share the executions
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=256))]
    threads: u64,
    /// Where an input is written that breaks a property
    #[arg(long, value_name = "DIR", default_value = ".")]
    broken: PathBuf,
    /// Write the seeds of the corpora into the repository, and end
    #[arg(long)]
    write_corpus: bool,
}

fn main() -> ExitCode {
    let options = Options::parse();
    match run(&options) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("lamparina-fuzz: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> std::io::Result<bool> {
    let targets = match options.targets.is_empty() {
        true => ALL,
        false => &options.targets,
    };
    let mut total = 0;
    for target in targets {
        if options.write_corpus {
            corpus::write(&corpus::folder(), target)?;
            continue;
        }
        let began = Instant::now();
        match share(options, target) {
            Ok(done) => {
                total += done.executions;
                println!(
                    "{:<12} {:>12} executions, {:>7.1} s, slowest {:>9.3} ms",
                    target.name,
                    done.executions,
                    began.elapsed().as_secs_f64(),
                    done.slowest.as_secs_f64() * 1_000.0
                );
            }
            Err(Broken(input)) => {
                let file = options.broken.join(format!("broken-{}", target.name));
                fs::write(&file, input)?;
                println!(
                    "{:<12} a property does not hold: {}",
                    target.name,
                    file.display()
                );
                return Ok(false);
            }
        }
    }
    if !options.write_corpus {
        println!(
            "{:<12} {total:>12} executions, every property held",
            "total"
        );
    }
    Ok(true)
}

/// Executes one target on all threads.
fn share(options: &Options, target: &Target) -> Result<Done, Broken> {
    let kept = corpus::read(&corpus::folder(), target).unwrap_or_default();
    let mut inputs: Vec<_> = kept.into_iter().map(|(_, input)| input).collect();
    inputs.extend((target.seeds)());
    inputs.sort();
    inputs.dedup();
    let each = (options.executions / target.cost / options.threads).max(1);
    std::thread::scope(|scope| {
        let (inputs, seeds) = (&inputs, options.seed..options.seed + options.threads);
        let threads: Vec<_> = seeds
            .map(|seed| scope.spawn(move || runner::run(target, inputs, each, seed)))
            .collect();
        let mut all = Done::default();
        for thread in threads {
            let done = thread.join().expect("a broken property is caught")?;
            all.executions += done.executions;
            all.slowest = all.slowest.max(done.slowest);
        }
        Ok(all)
    })
}

fn target(name: &str) -> Result<Target, String> {
    let names = || ALL.iter().map(|it| it.name).collect::<Vec<_>>().join(", ");
    let found = ALL.iter().find(|target| target.name == name);
    found
        .copied()
        .ok_or_else(|| format!("there is {}", names()))
}
