//! The whole system under test.
//!
//! | module | holds |
//! |---|---|
//! | [`real`] | real processes over loopback: servers, clients, raw frames, a proxy, signals |
//! | [`sim`] | the simulated world: one seed is one run |

pub mod real;
pub mod sim;
