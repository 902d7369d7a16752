//! The program `lamparina-log`: arguments, output, exit codes. stdout is data, stderr is talk.

mod args;

use std::io::{self, BufWriter, Write};
use std::process::ExitCode;
use std::time::SystemTime;

use clap::Parser;
use lamparina_order::Record;
use lamparina_order::verify::journal::Brief;
use lamparina_protocol::{UnixMicros, clean};

use crate::captures::Captures;
use crate::export::{Export, Filter, Form, Owners};
use crate::finding::Stop;
use crate::source::{Row, Source};
use crate::verify::{Against, Alike, Checked, Proof, compare, verify};
use crate::why;
use args::{Args, ExportArgs, Task, VerifyArgs, WhyArgs};

/// Something could not be done.
const FAILED: u8 = 1;
/// The command line is wrong.
const USAGE: u8 = 2;
/// Something is not as it should be.
const VIOLATED: u8 = 7;

/// Bytes gathered for one write.
const OUTPUT_BYTES: usize = 64 * 1024;

/// Runs the program.
pub fn main() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => {
            let code = if error.use_stderr() { USAGE } else { 0 };
            // Nobody is left to be told that the words could not be written.
            let _ = error.print();
            return code.into();
        }
    };
    let mut out = BufWriter::with_capacity(OUTPUT_BYTES, io::stdout().lock());
    let json = matches!(&args.task, Task::Verify(args) if args.json);
    let done = match args.task {
        Task::Verify(args) => run_verify(&args, &mut out),
        Task::Why(args) => run_why(&args, &mut out),
        Task::Export(args) => run_export(*args, &mut out),
    };
    let done = done.and_then(|()| Ok(out.flush()?));
    match done {
        // Whoever closed the output has what he wanted.
        Ok(()) | Err(Stop::Unread) => ExitCode::SUCCESS,
        Err(Stop::Found(finding)) => {
            let words = match json {
                true => finding.json(),
                false => finding.to_string(),
            };
            // What was found good before it stands above it.
            let told = out
                .flush()
                .and_then(|()| writeln!(out, "{words}"))
                .and_then(|()| out.flush());
            // Also where nobody reads it, the code says it.
            drop(told);
            VIOLATED.into()
        }
        Err(Stop::Failed(words)) => {
            let _ = writeln!(io::stderr(), "error: {}", clean::line(&words));
            FAILED.into()
        }
    }
}

fn run_verify(args: &VerifyArgs, out: &mut impl Write) -> Result<(), Stop> {
    let mut captures = Captures::default();
    for file in &args.captures {
        captures.read(file)?;
    }
    if !args.captures.is_empty() && !args.json {
        writeln!(out, "{}", Checked(captures.seen()))?;
        for file in captures.cut() {
            let file = clean::line(file);
            writeln!(out, "  remark    the last line of {file} is not whole")?;
        }
    }
    let Some(store) = &args.store else {
        return Ok(());
    };
    let source = Source::open(store)?;
    let other = args.other_store.as_deref().map(Source::open).transpose()?;
    if let Some(other) = &other {
        // Where they part says more than what is wrong with one of them, so it comes first.
        let alike = compare(&source, other)?;
        if !args.json {
            tell_compared(out, &source, other, alike)?;
        }
    }
    let against = Against {
        log: args.log.as_deref(),
        captures: (!args.captures.is_empty()).then_some(&captures),
    };
    tell_proved(out, &verify(&source, against)?, args.json)?;
    if let Some(other) = &other {
        tell_proved(out, &verify(other, Against::default())?, args.json)?;
    }
    Ok(())
}

fn tell_proved(out: &mut impl Write, proof: &Proof, json: bool) -> Result<(), Stop> {
    match json {
        true => writeln!(out, "{}", proof.json())?,
        false => writeln!(out, "{proof}")?,
    }
    Ok(())
}

fn tell_compared(
    out: &mut impl Write,
    first: &Source,
    second: &Source,
    alike: Alike,
) -> Result<(), Stop> {
    let name = |source: &Source| clean::line(&source.file().display().to_string());
    let (first, second) = (name(first), name(second));
    let words = match alike {
        Alike::Same { entries } => format!("both copies are the same: {entries} entries"),
        Alike::FirstIsShorter { common, more } => format!(
            "{first} is the beginning of {second}: {common} entries are the same, {more} more are in the second"
        ),
        Alike::SecondIsShorter { common, more } => format!(
            "{second} is the beginning of {first}: {common} entries are the same, {more} more are in the first"
        ),
    };
    Ok(writeln!(out, "{words}")?)
}

fn run_why(args: &WhyArgs, out: &mut impl Write) -> Result<(), Stop> {
    let source = Source::open(&args.store)?;
    let answer = why::why(&source, args.a, args.b)?;
    if args.json {
        writeln!(out, "{}", why::json(&answer))?;
        return Ok(());
    }
    let brief = |stamp: lamparina_protocol::Lamport| match source.message(stamp.get()) {
        Ok(Some(record)) => Brief(&record).to_string(),
        _ => format!("stamp {stamp}"),
    };
    writeln!(out, "{}", why::words(&answer, brief))?;
    Ok(())
}

fn run_export(args: ExportArgs, out: &mut impl Write) -> Result<(), Stop> {
    let source = Source::open(&args.store)?;
    let form = match (args.json, args.html) {
        (true, _) => Form::Json,
        (_, true) => Form::Html,
        _ => Form::Text,
    };
    let now = now();
    let filter = Filter {
        since: args.since.map(|when| when.seen_from(now)),
        until: args.until.map(|when| when.seen_from(now)),
        from: args.from,
        to: args.to,
        text: args.grep,
    };
    let owners = owners(&source, &filter)?;
    let title = source.file().display().to_string();
    let mut export = Export::begin(form, args.all, &title, out)?;
    match args.last {
        None => source.each(|row| {
            let record = record(row)?;
            if filter.admits(&record, &owners) {
                export.entry(&record)?;
            }
            Ok(())
        })?,
        Some(last) => {
            let mut found = Vec::new();
            source.each_before(None, |row| {
                if found.len() == last {
                    return Ok(false);
                }
                let record = record(row)?;
                if export.takes(&record) && filter.admits(&record, &owners) {
                    found.push(record);
                }
                Ok(true)
            })?;
            found
                .iter()
                .rev()
                .try_for_each(|record| export.entry(record))?;
        }
    }
    export.end()?;
    source.read_in_peace()
}

/// Who is meant by the nicks of the conditions.
fn owners(source: &Source, filter: &Filter) -> Result<Owners, Stop> {
    let mut owners = Owners::default();
    if !filter.names_people() {
        return Ok(owners);
    }
    source.each(|row| {
        if !row.has_text() {
            owners.note(&record(row)?);
        }
        Ok(())
    })?;
    match filter.unknown(&owners) {
        Some(nick) => Err(Stop::Failed(format!(
            "nobody was ever called {nick} in this journal"
        ))),
        None => Ok(owners),
    }
}

fn record(row: &Row) -> Result<Record, Stop> {
    row.columns().decode().map_err(|error| {
        let words = row.words();
        Stop::Failed(format!(
            "the journal is damaged ({words}: {error}): run lamparina-log verify"
        ))
    })
}

fn now() -> UnixMicros {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let micros = since.unwrap_or_default().as_micros();
    UnixMicros(u64::try_from(micros).unwrap_or(u64::MAX))
}
