//! One client's session: who it is, what it may ask now, what it is told next. Pure: no clock, no
//! task, no socket.
//!
//! | file | holds |
//! |---|---|
//! | `machine` | the states, and what moves between them |
//! | `admission` | how it gets in where access is by invite |
//! | `request` | frames from the client become requests |
//! | `bulk` | long texts, which travel beside their messages |
//! | `loose` | an ill-formed name costs one request, not the connection |
//! | `follow` | the tail becomes frames to the client, each with its own `prev` |
//! | `reading` | what comes from the store: deliveries missed, answers to questions |
//! | `catch_up` | from the store to the tail without gap or repetition |
//! | `parked` | answers to a client that catches up |
//! | `resume` | where a returning member goes on |
//! | `output`, `reason` | what the shell is to do; ends in one word |

mod admission;
mod bulk;
mod catch_up;
mod follow;
mod loose;
mod machine;
mod output;
mod parked;
mod reading;
mod reason;
mod request;
mod resume;

pub use admission::{Admission, Check, Verdict};
pub use bulk::TEXTS_WAITING_BYTES_MAX;
pub use follow::{Followed, Outbox};
pub use machine::{
    CLOSE_WITHIN, Input, NAME_WITHIN, OWN_WAITING_BYTES_MAX, OWN_WAITING_MAX, Place, Session,
    SessionConfig,
};
pub use output::{Act, Logged, Output};
pub use resume::{Resume, Source, resume};

#[cfg(test)]
mod tests;
