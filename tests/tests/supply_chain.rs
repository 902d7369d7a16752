//! What comes from others: known licences, one registry, a reason for each; and `bincode`, which
//! nobody keeps any more, behind one module.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// The only file that may name `bincode`.
const CODEC: &str = "crates/protocol/src/codec.rs";
const REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";

fn root() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent()
        .expect("this package is in a folder of the workspace")
}

fn text(file: &str) -> String {
    fs::read_to_string(root().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// What cargo knows of the packages that are built here. Those of other systems need not be there.
fn metadata() -> Value {
    let tool = |name: &str, other: &str| std::env::var(name).unwrap_or_else(|_| other.to_owned());
    let version = Command::new(tool("RUSTC", "rustc"))
        .arg("-vV")
        .output()
        .expect("rustc runs");
    let version = String::from_utf8_lossy(&version.stdout).into_owned();
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    let output = Command::new(tool("CARGO", "cargo"))
        .args([
            "metadata",
            "--offline",
            "--locked",
            "--format-version",
            "1",
            "--filter-platform",
        ])
        .arg(host.expect("rustc says for what it compiles"))
        .current_dir(root())
        .output()
        .expect("cargo runs");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).expect("cargo prints JSON")
}

fn strings<'a>(of: &'a Value, key: &str) -> &'a str {
    of[key].as_str().unwrap_or_default()
}

/// Packages of others, then names of what our members depend on themselves.
fn packages(metadata: &Value) -> (Vec<&Value>, BTreeSet<&str>) {
    let all = metadata["packages"]
        .as_array()
        .expect("packages are a list");
    let (ours, others): (Vec<&Value>, Vec<&Value>) =
        all.iter().partition(|package| package["source"].is_null());
    let direct = ours
        .iter()
        .flat_map(|package| package["dependencies"].as_array().into_iter().flatten())
        .filter(|dependency| !dependency["source"].is_null())
        .map(|dependency| strings(dependency, "name"))
        .collect();
    (others, direct)
}

/// The licences that `deny.toml` allows.
fn allowed() -> BTreeSet<String> {
    let policy = text("deny.toml");
    let list = policy
        .split_once("\nallow = [")
        .expect("deny.toml allows some licences")
        .1;
    let list = list.split_once(']').expect("the list ends").0;
    let words = list.split('"').skip(1).step_by(2);
    words.map(str::to_owned).collect()
}

/// Whether a licence expression can be met with what is allowed: `OR` and `/` choose, `AND` and
/// `WITH` need both sides. An exception only adds to what a licence gives.
fn is_met(expression: &str, allowed: &BTreeSet<String>) -> bool {
    let words = expression
        .replace('(', " ( ")
        .replace(')', " ) ")
        .replace('/', " OR ");
    let words: Vec<&str> = words.split_whitespace().collect();
    let (met, rest) = any_of(&words, allowed);
    met && rest.is_empty()
}

fn any_of<'a>(words: &'a [&'a str], allowed: &BTreeSet<String>) -> (bool, &'a [&'a str]) {
    let (mut met, mut rest) = all_of(words, allowed);
    while let Some((&"OR", after)) = rest.split_first() {
        let (other, left) = all_of(after, allowed);
        met |= other;
        rest = left;
    }
    (met, rest)
}

fn all_of<'a>(words: &'a [&'a str], allowed: &BTreeSet<String>) -> (bool, &'a [&'a str]) {
    let (mut met, mut rest) = one(words, allowed);
    while let Some((&"AND", after)) = rest.split_first() {
        let (other, left) = one(after, allowed);
        met &= other;
        rest = left;
    }
    (met, rest)
}

fn one<'a>(words: &'a [&'a str], allowed: &BTreeSet<String>) -> (bool, &'a [&'a str]) {
    match words.split_first() {
        Some((&"(", after)) => {
            let (met, rest) = any_of(after, allowed);
            match rest.split_first() {
                Some((&")", rest)) => (met, rest),
                _ => (false, rest),
            }
        }
        Some((name, rest)) => match rest.split_first() {
            Some((&"WITH", after)) => (allowed.contains(*name), &after[1.min(after.len())..]),
            _ => (allowed.contains(*name), rest),
        },
        None => (false, words),
    }
}

#[test]
fn expressions_are_judged_as_they_are_written() {
    let allowed = ["MIT", "Apache-2.0"].map(str::to_owned).into();
    for (expression, met) in [
        ("MIT", true),
        ("GPL-3.0", false),
        ("GPL-3.0 OR MIT", true),
        ("GPL-3.0/MIT", true),
        ("MIT AND GPL-3.0", false),
        ("(MIT OR GPL-3.0) AND Apache-2.0", true),
        ("(MIT OR Apache-2.0) AND GPL-3.0", false),
        ("GPL-3.0 OR Apache-2.0 AND MIT", true),
        ("Apache-2.0 WITH LLVM-exception OR GPL-3.0", true),
        ("GPL-3.0 WITH MIT", false),
        ("", false),
        ("MIT MIT", false),
        ("(MIT", false),
    ] {
        assert_eq!(is_met(expression, &allowed), met, "{expression}");
    }
}

#[test]
fn every_dependency_has_an_allowed_licence() {
    let (metadata, allowed) = (metadata(), allowed());
    assert!(allowed.contains("MIT") && !allowed.iter().any(|name| name.contains("GPL")));
    let (others, _) = packages(&metadata);
    assert!(others.len() > 50, "cargo names what is built");
    let refused: Vec<_> = others
        .iter()
        .filter(|package| !is_met(strings(package, "license"), &allowed))
        .map(|package| format!("{}: {}", strings(package, "name"), package["license"]))
        .collect();
    assert_eq!(refused, [""; 0]);
}

#[test]
fn everything_comes_from_one_registry() {
    // The whole lock file: also what other systems need.
    let lock = text("Cargo.lock");
    let sources = lock
        .lines()
        .filter_map(|line| line.strip_prefix("source = "));
    let others: Vec<_> = sources
        .filter(|source| source.trim_matches('"') != REGISTRY)
        .collect();
    assert_eq!(others, [""; 0]);
    // Whatever has no source is ours, and only that.
    let without = lock
        .split("[[package]]")
        .skip(1)
        .filter(|package| !package.contains("\nsource = "))
        .filter(|package| !package.contains("name = \"lamparina-"));
    assert_eq!(without.collect::<Vec<_>>(), [""; 0]);
}

#[test]
fn every_direct_dependency_has_its_reason() {
    let metadata = metadata();
    let (_, direct) = packages(&metadata);
    let page = text("docs/dependencies.md");
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `"));
    let reasons: Vec<(&str, &str)> = rows.filter_map(|row| row.split_once("` | ")).collect();
    for (name, reason) in &reasons {
        assert!(
            reason.trim_end_matches(" |").len() > 10,
            "{name} has no reason"
        );
    }
    let named: BTreeSet<&str> = reasons.iter().map(|(name, _)| *name).collect();
    assert_eq!(named.len(), reasons.len(), "each once");
    let without: Vec<_> = direct.difference(&named).collect();
    assert!(
        without.is_empty(),
        "docs/dependencies.md does not say why: {without:?}"
    );
    let gone: Vec<_> = named.difference(&direct).collect();
    assert!(
        gone.is_empty(),
        "docs/dependencies.md names what is not used: {gone:?}"
    );
}

#[test]
fn bincode_is_known_to_one_module_and_pinned() {
    let mut files = Vec::new();
    for folder in ["crates", "tests"] {
        find_sources(&root().join(folder), &mut files);
    }
    assert!(files.len() > 100, "the sources are found");
    let own = Path::new(file!()).file_name();
    let others: Vec<_> = files
        .into_iter()
        .filter(|file| !file.ends_with(CODEC) && file.file_name() != own)
        .filter(|file| fs::read_to_string(file).is_ok_and(|text| text.contains("bincode")))
        .collect();
    assert!(others.is_empty(), "only {CODEC} may name it: {others:?}");
    assert!(text(CODEC).contains("bincode::"));
    assert!(text("Cargo.toml").contains("bincode = { version = \"=2.0.1\""));
}

fn find_sources(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("folders of the workspace can be read") {
        let path = entry.expect("their entries too").path();
        if path.is_dir() {
            find_sources(&path, files);
        } else if path.extension().is_some_and(|end| end == "rs") {
            files.push(path);
        }
    }
}
