//! A Lamparina client as a library: one order for every message, checked as it comes.
//!
//! # Map, along the data flow
//!
//! | module | does |
//! |---|---|
//! | [`core`] | decides: what to send, when to connect, what to show |

pub mod cli;
mod client;
pub mod command;
pub mod core;
pub mod demo;
pub mod lines;
mod net;
pub mod profile;
pub mod show;

pub use client::{
    CLOSE_WITHIN, Client, ClientConfig, ClientError, EVENTS_ASIDE_MAX, EVENTS_WAITING_MAX,
};
pub use core::event::{Commit, Ending, Event, MessageName, Summary};
pub use net::{ChannelStatus, NetStatus};
