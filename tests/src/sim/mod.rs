//! The simulated world: the real machines of client and server in virtual time, a bad channel
//! between them, no socket and no thread. One seed is one run, to the byte.
//!
//! | module | holds |
//! |---|---|
//! | [`dice`], [`agenda`], [`trace`] | chance, time and memory of a run: the same seed, the same bytes |
//! | [`keys`] | who has which key, and which worlds are sealed |
//! | [`weather`], [`wire`] | how bad the channel is, and one direction of it |
//! | [`links`] | the small world: two links and a channel |
//! | [`people`] | what people do, and what befalls them |
//! | [`served`], [`server`] | the server's machines, driven as its shell drives them |
//! | [`disk`], [`reading`] | what survives the server, and how it is read |
//! | [`client`] | the client's machine, driven as its shell drives it |
//! | [`world`] | everything together, over streams and over datagrams |
//! | [`model`] | a naive second opinion on what the order decides |
//! | [`check`] | what must hold, at every step |
//! | [`seeds`] | runs seeds, and says which one failed |

pub mod agenda;
pub mod check;
pub mod client;
pub mod dice;
pub mod disk;
pub mod keys;
pub mod links;
pub mod model;
pub mod people;
pub mod reading;
pub mod seeds;
pub mod served;
pub mod server;
pub mod trace;
pub mod weather;
pub mod wire;
pub mod world;
