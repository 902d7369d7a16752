//! Chat with no server: peers that find each other, pass on what was said, and agree on its order.
//!
//! Every decision is made by pure machines, `lamparina_order::converging` (what is delivered, in which
//! order, to whom it is passed on) and `lamparina_order::membership` (who is there, who is dialled, who
//! coordinates). Here are sockets, files and time, and what a program says and hears: a [`Peer`].
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use lamparina_peer::{Event, Identity, Peer, PeerConfig, Recipients};
//! use lamparina_protocol::peer::PeerName;
//! use lamparina_protocol::{Nick, RoomName};
//!
//! # let folder = std::env::temp_dir().join(format!("lamparina-peer-doc-{}", std::process::id()));
//! let config = |name: &str| {
//!     let (name, namespace) = (Nick::try_from(name)?, RoomName::try_from("lab")?);
//!     let data = folder.join(name.as_str());
//!     let mut config = PeerConfig::new(PeerName { name, namespace }, data, Identity::generate()?);
//!     config.listen = vec!["127.0.0.1:0".parse()?];
//!     config.multicast = None;
//!     Ok::<_, Box<dyn std::error::Error>>(config)
//! };
//! let mut ana = Peer::start(config("ana")?).await?;
//! let bob = Peer::start(config("bob")?).await?;
//! bob.dial(ana.listening()[0].to_string()).await;
//!
//! bob.send(Recipients::All, "hello".to_owned()).await?;
//! let line = loop {
//!     match ana.next_event().await {
//!         Some(Event::Message(line)) => break line,
//!         Some(_) => {}
//!         None => return Err("ana has ended".into()),
//!     }
//! };
//! assert_eq!((line.from.to_string(), line.text), ("bob@lab".to_owned(), "hello".to_owned()));
//!
//! let summary = bob.close(std::time::Duration::from_secs(5)).await;
//! assert_eq!((summary.sent, summary.committed, summary.pending), (1, 1, 0));
//! # drop(ana);
//! # let _ = std::fs::remove_dir_all(folder);
//! # Ok(())
//! # }
//! ```
//!
//! # Map, along the data flow
//!
//! | module | does |
//! |---|---|
//! | [`config`] | what a peer is started with |
//! | [`event`] | what it tells |
//! | [`error`] | why something is not possible, in words |
//! | `foreign` | sockets of PyP2P |
//! | `links` | a task for each link, between its socket and the node |
//! | `node` | the thread that owns the machines and the store |
//! | [`multicast`] | beacons by UDP multicast, on each interface |
//! | [`mod@doctor`] | why peers do not find each other |
//! | [`store`] | messages on disk |
//! | [`show`] | events and answers as JSON and as readable, harmless lines |
//! | [`cli`] | the program |

pub mod cli;
pub mod config;
mod config_file;
pub mod doctor;
pub mod error;
pub mod event;
mod foreign;
mod links;
pub mod multicast;
mod node;
mod peer;
pub mod show;
pub mod store;

pub use config::{MulticastConfig, PeerConfig, RendezvousConfig};
pub use doctor::{DoctorConfig, Report, doctor};
pub use error::PeerError;
pub use event::{
    CoordinatorLine, Direction, Equivocation, Event, HistoryKey, Kind, Line, LinkLine, MergeReport,
    Merged, NamePattern, NamePatternError, PeerLine, PeerState, Recipients, Spoken, Summary, Trace,
    Why,
};
pub use lamparina_keys::Identity;
pub use peer::{Peer, Speaker};
pub use store::StoreError;
