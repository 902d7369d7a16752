//! A session alone: every state and every input, as a table of text; and a world of sessions
//! around one order, against a naive count of who should have heard what.

mod resume;
mod stored;
mod table;
mod world;
