//! A Lamparina client as a library: one order for every message, checked as it comes.
//!
//! # Map, along the data flow
//!
//! | module | does |
//! |---|---|
//! | [`core`] | decides: what to send, when to connect, what to show |

pub mod core;
