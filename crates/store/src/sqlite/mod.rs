//! The journal as a SQLite database, `lamparina.db` in the data folder. A batch is one
//! transaction, synced before it counts as stored.
//!
//! | file | keeps |
//! |---|---|
//! | `files` | the folder and the file, for their owner only |
//! | `lock` | one server for each store |
//! | `schema` | tables, their version, and how older ones become today's |
//! | `error` | why a store cannot be opened, and what to do |
//! | `writer` | all of a batch or nothing, and nothing any more after a failure |
//! | `checkpoint` | the write-ahead log into the database, beside the writer |
//! | `row` | rows of the table as columns |
//! | `reader` | what is durable, beside the writer |
//! | `guard` | files made to harm are refused, and what one may ask is bounded |
//! | `watch` | the files that are written are those that stand at their paths |
//! | `read_only` | a database for reading, whatever became of its server |
//! | `offline` | what is done to a journal that no server has |
//! | `open` | a store for a server: locked, replayed, in a new term |

mod checkpoint;
mod error;
mod files;
pub mod guard;
mod lock;
pub(crate) mod offline;
mod open;
mod read_only;
mod reader;
mod row;
mod schema;
pub(crate) mod watch;
mod writer;

#[cfg(test)]
pub(crate) mod tests;

pub use error::OpenError;
pub use files::{DATABASE, INDEX, LOCK};
pub use lock::Lock;
pub use open::{Opened, RECENT_BYTES_MAX, RECENT_MAX, Readers, accept_shorter, open};
pub use read_only::ReadOnly;
pub use reader::SqliteReader;
pub use schema::Meta;
pub use writer::SqliteJournal;
