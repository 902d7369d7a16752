//! The whole system under test: simulated, where one seed is one run.

pub mod sim;
