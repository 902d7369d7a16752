//! Every rule of `docs/pyp2p.md` has a test that bears its number in its name, and no test bears one
//! that the page does not have.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Where such tests are.
const FOLDERS: [&str; 4] = [
    "crates/pyp2p/src",
    "crates/pyp2p/tests",
    "crates/rendezvous/tests",
    "tests/tests",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Numbers of the paragraphs that begin with one, in bold.
fn rules(doc: &str) -> Vec<u32> {
    let lines = doc.lines().filter_map(|line| line.strip_prefix("**"));
    let numbers = lines.filter_map(|line| line.split_once(".** ")?.0.parse().ok());
    numbers.collect()
}

/// Numbers in the names of tests: `rule_12_..`, `rules_8_9_..`. A function without `#[test]` above it is
/// none.
fn named(source: &str) -> Vec<(u32, String)> {
    let mut numbers = Vec::new();
    let mut is_test = false;
    for line in source.lines().map(str::trim) {
        if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
            is_test = true;
            continue;
        }
        let name = line.split("fn ").nth(1).filter(|_| is_test);
        if !line.starts_with("#[") {
            is_test = false;
        }
        let Some(name) = name.and_then(|rest| rest.split('(').next()) else {
            continue;
        };
        let mut words = name.split('_');
        if !matches!(words.next(), Some("rule" | "rules")) {
            continue;
        }
        let these = words.map_while(|word| word.parse().ok());
        numbers.extend(these.map(|number| (number, name.to_owned())));
    }
    numbers
}

fn sources(folder: &Path, all: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, all);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            all.push(path);
        }
    }
}

#[test]
fn every_rule_has_a_test_that_names_it() {
    let doc = fs::read_to_string(root().join("docs/pyp2p.md")).unwrap();
    let rules = rules(&doc);
    let in_order: Vec<u32> = (1..=rules.len() as u32).collect();
    assert_eq!(rules, in_order, "rules are numbered from 1");
    let mut files = Vec::new();
    for folder in FOLDERS {
        sources(&root().join(folder), &mut files);
    }
    let mut tests: BTreeMap<u32, Vec<String>> = BTreeMap::new();
    for file in files {
        for (number, name) in named(&fs::read_to_string(file).unwrap()) {
            tests.entry(number).or_default().push(name);
        }
    }
    let tested: BTreeSet<u32> = tests.keys().copied().collect();
    let known: BTreeSet<u32> = rules.into_iter().collect();
    let untested: Vec<_> = known.difference(&tested).collect();
    assert!(untested.is_empty(), "rules without a test: {untested:?}");
    let unknown: Vec<_> = tested
        .difference(&known)
        .map(|number| &tests[number])
        .collect();
    assert!(
        unknown.is_empty(),
        "tests of rules that are none: {unknown:?}"
    );
}

#[test]
fn names_are_read_as_meant() {
    let source = "#[test]\nfn rule_1_a() {\n#[tokio::test]\n#[ignore]\nasync fn rules_2_30_b() {\nfn rule_4_helper() {\n#[test]\nfn other_5() {";
    let numbers: Vec<_> = named(source)
        .into_iter()
        .map(|(number, _)| number)
        .collect();
    assert_eq!(numbers, [1, 2, 30]);
    assert_eq!(
        rules("**1.** a\n**2.** b\n**x.** c\n3. d\n**Bold** e\n"),
        [1, 2]
    );
}
