//! The shell around the core: sockets, time and chance. Decides nothing.

mod dial;
mod driver;
mod over_udp;
mod plan;
mod request;
mod serving;
mod trust;
mod waits;

pub(crate) use driver::{Driver, Ends, Handed, wall_clock};
pub(crate) use plan::{LinkPlan, SealPlan};
pub(crate) use request::Request;
pub use request::{ChannelStatus, NetStatus};
pub use trust::{AnyServer, ServerCheck};
