//! The shell around the core: sockets, time and chance. Decides nothing.

mod dial;
mod driver;
mod request;

pub(crate) use driver::{Driver, Ends, Handed, LinkPlan, wall_clock};
pub(crate) use request::Request;
pub use request::{ChannelStatus, NetStatus};
