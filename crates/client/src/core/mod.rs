//! What a client does, decided without I/O: time, chance and the connection's events are
//! arguments, everything that follows is in the output.
//!
//! | module | keeps |
//! |---|---|
//! | [`conversation`] | the whole machine: one author's talk with a server, across connections |
//! | [`outbox`] | what is asked for and not settled, in order |
//! | [`keep`] | what of it is on disk |
//! | [`cursor`] | that nothing is shown twice and no gap is silent |
//! | [`consumed`] | that reports of what was handed over are few |
//! | [`pass`] | what is given to become a member |
//! | [`backoff`] | when to try again |
//! | [`carrier`] | over UDP or over TCP |
//! | [`meter`] | what the link is like, in numbers and a word |
//! | [`event`] | what the person or program is told |

pub mod backoff;
pub mod carrier;
pub mod consumed;
pub mod conversation;
pub mod cursor;
pub mod event;
pub mod keep;
pub mod meter;
pub mod outbox;
mod pace;
pub mod pass;
#[cfg(test)]
pub(crate) mod testing;
mod verdict;
