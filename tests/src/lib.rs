//! The whole system under test.
//!
//! | module | holds |
//! |---|---|
//! | [`attack`] | attacks on a real server, and whether its bounds hold |
//! | [`peers`] | the simulated world of peers without a server |
//! | [`real`] | real processes over loopback: servers, clients, raw frames, a proxy, signals |
//! | [`sim`] | the simulated world: one seed is one run |

pub mod attack;
pub mod peers;
pub mod real;
pub mod sim;
