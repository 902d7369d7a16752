//! The simulated world of peers without a server: the real machines in virtual time, links that are first in, first
//! out, late, one-way for a while, and break; peers that crash, lose what was not on the disk, and come back; and
//! peers that lie. One seed is one run, to the byte.
//!
//! | module | holds |
//! |---|---|
//! | [`plan`] | what a seed means: how many peers, and what befalls them |
//! | [`pipe`] | a link, with its two ends and what is under way |
//! | [`node`] | a peer's machine, its log and its disk |
//! | [`truth`] | what was said, and what must hold of every delivery |
//! | [`hostile`] | peers that lie |
//! | [`world`] | everything together |

pub mod hostile;
pub mod node;
pub mod pipe;
pub mod plan;
pub mod truth;
pub mod world;
