//! Every target on its corpus and on inputs made from it: the same ones in each run. Under
//! `cargo bolero` the same tests are driven by a coverage-guided engine.

use lamparina_fuzz::{ALL, corpus, runner, targets};

/// Executions of a target of cost 1 here; `lamparina-fuzz` makes as many as one likes.
const EXECUTIONS: u64 = 60_000;

macro_rules! targets {
    ($($name:ident)*) => {$(
        #[test]
        fn $name() {
            // No input but the corpus: what the engine makes up differs from run to run.
            // BOLERO_RANDOM_ITERATIONS asks for that.
            bolero::check!().with_iterations(0).for_each(targets::$name);
            quick(stringify!($name));
        }
    )*

        #[test]
        fn every_target_has_its_test() {
            let here = [$(stringify!($name)),*];
            let all: Vec<_> = ALL.iter().map(|target| target.name).collect();
            assert_eq!(here[..], all);
        }
    };
}

targets! {
    captures clean codec commands control datagram_handshake datagram_pairs datagrams directory frames handshake
    impair journal known_servers link nick packet_ack peers pyp2p reassembly rows sealed server_log
}

fn quick(name: &str) {
    let target = ALL.iter().find(|target| target.name == name);
    let target = target.expect("every test has its target");
    let kept = corpus::read(&corpus::folder(), target).expect("every target has a corpus");
    let inputs: Vec<_> = kept.into_iter().map(|(_, input)| input).collect();
    let done = runner::run(target, &inputs, EXECUTIONS / target.cost, 1);
    assert!(done.is_ok(), "the input that breaks a property: {done:?}");
}

#[test]
fn the_corpora_are_those_that_the_command_makes() {
    for target in ALL {
        let kept = corpus::read(&corpus::folder(), target).expect("every target has a corpus");
        let seeds = kept
            .into_iter()
            .filter(|(name, _)| name.starts_with("seed-"));
        let seeds: Vec<_> = seeds.collect();
        assert!(
            seeds == corpus::seeds(target),
            "run lamparina-fuzz --write-corpus ({})",
            target.name
        );
    }
}

#[test]
fn the_same_seed_makes_the_same_inputs() {
    let make = |seed| {
        let mut random = lamparina_fuzz::mutate::Random::new(seed);
        let corpus = (ALL[0].seeds)();
        let mut all = Vec::new();
        for _ in 0..1_000 {
            let mut input = Vec::new();
            lamparina_fuzz::mutate::next(&mut random, &corpus, 300, &mut input);
            assert!(input.len() <= 300);
            all.push(input);
        }
        all
    };
    assert_eq!(make(7), make(7));
    assert_ne!(make(7), make(8));
}

#[test]
fn a_broken_property_is_found_and_given() {
    let target = lamparina_fuzz::Target {
        name: "broken",
        reads: "nothing",
        run: |input| assert!(!input.contains(&0xff), "this panic is meant"),
        seeds: Vec::new,
        bytes_max: 64,
        cost: 1,
    };
    let runner::Broken(input) = runner::run(&target, &[], 10_000, 1).expect_err("it is found");
    assert!(input.contains(&0xff));
}
