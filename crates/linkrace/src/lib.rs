//! The race: our link, QUIC and KCP over the same bad lines, all as state machines in virtual time.
//! The same seed gives the same run.
//!
//! # Map, along the data flow
//!
//! | module | does |
//! |---|---|
//! | `args` | reads the command line |
//! | [`cases`] | what is raced, what should be reached, and what each run gives |
//! | [`load`], [`chance`], [`body`] | what applications send, when, and how one knows that it came whole |
//! | [`end`], [`ends`] | the transports behind one interface |
//! | [`road`] | the line: bottleneck, then losses and delay, by `lamparina-impair` |
//! | [`flow`] | two ends and what they are to carry |
//! | [`world`] | lets time pass |
//! | [`ledger`], [`trace`], [`digest`] | what came when; samples; whether two runs are the same |
//! | [`oracle`] | the limit of repair by asking |
//! | `table` | prints figures |
//!
//! # Known limitations
//!
//! - Work takes no virtual time: no end ever waits for its processor.
//! - There is no ECN on the line, and no other datagram length than 1,200 bytes at most.
//! - With quinn's BBR runs of the same seed differ a little: it draws from the system's randomness.

mod args;
pub mod body;
pub mod cases;
pub mod chance;
pub mod digest;
pub mod end;
pub mod ends;
pub mod flow;
pub mod ledger;
pub mod load;
pub mod oracle;
pub mod road;
mod table;
pub mod trace;
pub mod world;

use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::Parser as _;

use args::Cli;
use cases::{Case, Column, Effort};
use table::Figure;

/// Why there is no result.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("there is no case {0:?}; --list names them all")]
    NoCase(String),
    #[error("cannot write {0}: {1}")]
    Trace(String, io::Error),
    #[error("cannot write the result: {0}")]
    Output(#[from] io::Error),
}

/// The program.
pub fn main() -> ExitCode {
    match run(&Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever reads has had enough.
        Err(Failure::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
            ExitCode::SUCCESS
        }
        Err(failure) => {
            eprintln!("lamparina-linkrace: {failure}");
            ExitCode::from(2)
        }
    }
}

fn run(cli: &Cli) -> Result<(), Failure> {
    let cases = chosen(cli)?;
    let mut out = io::stdout();
    if cli.list {
        for case in &cases {
            let labels: Vec<&str> = case.rows.iter().map(|row| row.label.as_str()).collect();
            writeln!(out, "{:16} {}", case.name, labels.join("; "))?;
        }
        return Ok(());
    }
    if !cli.json {
        writeln!(out, "{}", table::head(&cli.columns(), cli.goals))?;
    }
    for (number, case) in cases.iter().enumerate() {
        let figures = race(cli, case, number == 0)?;
        for (place, row) in case.rows.iter().enumerate() {
            let figures = figures
                .iter()
                .map(|(column, figures)| (*column, figures.get(place).cloned()));
            let figures: Vec<(Column, Option<Figure>)> = figures.collect();
            if !cli.json {
                writeln!(out, "{}", table::line(row, &figures, cli.goals))?;
                continue;
            }
            for (column, figure) in figures {
                if let Some(figure) = figure {
                    let object = table::object(case, row, column, &figure, cli.goals);
                    writeln!(out, "{object}")?;
                }
            }
        }
        out.flush()?;
    }
    Ok(())
}

fn chosen(cli: &Cli) -> Result<Vec<Case>, Failure> {
    if cli.cases.is_empty() {
        return Ok(cases::all());
    }
    let mut chosen = Vec::new();
    for name in &cli.cases {
        let found = cases::find(name);
        if found.is_empty() {
            return Err(Failure::NoCase(name.clone()));
        }
        chosen.extend(found);
    }
    Ok(chosen)
}

/// Figures of one case, for each column one for each row; none for who does not take part.
fn race(cli: &Cli, case: &Case, first: bool) -> Result<Vec<(Column, Vec<Figure>)>, Failure> {
    let mut all = Vec::new();
    for column in cli.columns() {
        let takes_part = case.columns.contains(&column);
        let mut figures = vec![Figure::default(); if takes_part { case.rows.len() } else { 0 }];
        for seed in cli.seed
            ..cli
                .seed
                .saturating_add(if takes_part { cli.seeds() } else { 0 })
        {
            let effort = Effort {
                quick: cli.quick,
                trace: cli.trace.is_some() && first && seed == cli.seed && column == Column::Ours,
            };
            let ran = case.run(column, seed, effort);
            for (figure, value) in figures.iter_mut().zip(&ran.values) {
                figure.values.push(*value);
            }
            if cli.verbose {
                let (name, notes) = (column.name(), ran.notes.join("; "));
                eprintln!("{} {name} seed {seed}: {notes}", case.name);
            }
            if let (Some(file), Some(text)) = (&cli.trace, ran.trace) {
                std::fs::write(file, text)
                    .map_err(|error| Failure::Trace(file.display().to_string(), error))?;
            }
        }
        all.push((column, figures));
    }
    Ok(all)
}
