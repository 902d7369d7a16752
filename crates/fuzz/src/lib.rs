//! Hostile bytes for everything of Lamparina that reads bytes or text from outside. Each target
//! asserts what must hold for any input, not only that nothing panics; an input that breaks a
//! property is kept in the corpus as a test.
//!
//! | module | does |
//! |---|---|
//! | [`targets`] | what is read, and what must hold |
//! | [`choices`] | input bytes as choices, for targets that want more than bytes |
//! | [`mutate`] | inputs from inputs, from one seed |
//! | [`corpus`] | inputs kept in the repository, and how they are made |
//! | [`runner`] | many executions on a stable toolchain, counted |
//!
//! The same targets run under `bolero` (`tests/targets.rs`), and so under a coverage-guided engine.

pub mod choices;
pub mod corpus;
pub mod mutate;
pub mod runner;
pub mod targets;

pub use targets::{ALL, Target};
