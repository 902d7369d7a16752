//! The whole system under test.
//!
//! | module | holds |
//! |---|---|
//! | [`real`] | real processes over loopback: servers, clients, raw frames, a proxy, signals |

pub mod real;
