//! A Lamparina client as a library: one order for every message, checked as it comes; nothing said
//! is lost or sent twice, also when the connection is.
//!
//! # Example
//!
//! A server in the same program, two people, one message:
//!
//! ```
//! use lamparina_client::profile::Profile;
//! use lamparina_client::{Client, ClientConfig, Event};
//! use lamparina_protocol::{Audience, Nick};
//! use lamparina_server::{Links, ServerConfig, identity};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
//! let server = listener.local_addr()?.to_string();
//! let config = ServerConfig::new(Links::Sealed(identity::generate()?));
//! tokio::spawn(lamparina_server::run(listener, config, std::future::pending()));
//!
//! let connect = async |name: &str| {
//!     let nick = Nick::try_from(name)?;
//!     // A profile that leaves no trace; programs that come back use `Profile::open`.
//!     let profile = Profile::ephemeral(&nick)?;
//!     let config = ClientConfig::new(server.clone(), nick, profile);
//!     Ok::<_, Box<dyn std::error::Error>>(Client::connect(config).await?)
//! };
//! let (mut ana, mut bob) = (connect("ana").await?, connect("bob").await?);
//!
//! let name = ana.send(Audience::Unicast(Nick::try_from("bob")?), "hello").await?;
//! let delivered = loop {
//!     match bob.next_event().await {
//!         Some(Event::Message(message)) => break message,
//!         Some(_) => {}
//!         None => return Err("bob's conversation is over".into()),
//!     }
//! };
//! assert_eq!((delivered.from.as_str(), delivered.text.as_str()), ("ana", "hello"));
//! assert_eq!(delivered.pseq, name.pseq);
//!
//! let summary = ana.close().await;
//! assert_eq!((summary.sent, summary.committed, summary.pending), (1, 1, 0));
//! # Ok(())
//! # }
//! ```
//!
//! # Map, along the data flow
//!
//! | module | does | |
//! |---|---|---|
//! | [`lines`], [`command`] | bytes into lines into commands | pure |
//! | [`core`] | decides: what to send, when to connect, what to tell | pure |
//! | `net` | moves bytes and time between core, link and library | shell |
//! | `disk` | keeps the outbox and the place read on disk | shell |
//! | [`Client`] | the library's handle | shell |
//! | [`show`] | events as JSON and as readable, harmless lines | pure |
//! | [`profile`] | who one is: a key and numbers that grow | shell |
//! | [`cli`] | the program | shell |
//!
//! # Bounds, and what happens when they are reached
//!
//! | what | bound | then |
//! |---|---|---|
//! | unsettled messages | [`core::outbox::OUTBOX_MAX`], [`core::outbox::OUTBOX_BYTES_MAX`] | `send` waits; the program stops reading stdin |
//! | events that nobody takes | [`EVENTS_WAITING_MAX`] | reading from the server stops |
//! | events kept aside while `send` waits | [`EVENTS_ASIDE_MAX`] | `send` says so |
//! | messages that the disk refuses | none kept | told by [`Event::Error`], code `outbox`; nothing is sent |
//! | a typed line | [`command::LINE_BYTES_MAX`] | told, skipped, nothing sent |
//! | names known to be present | [`core::conversation::PRESENT_MAX`] | `/who` asks the server anyway |
//!
//! # Known limitations
//!
//! Numbers of `/queue` begin anew with each run.

pub mod cli;
mod client;
pub mod command;
pub mod core;
pub mod demo;
mod disk;
mod net;
pub mod profile;
pub mod show;

pub use client::{
    CLOSE_WITHIN, Client, ClientConfig, ClientError, EVENTS_ASIDE_MAX, EVENTS_WAITING_MAX, Mark,
    Reads,
};
pub use core::event::{Commit, Ending, Event, MessageName, Summary};
pub use core::pass::Pass;
pub use disk::DiskError;
pub use lamparina_console::lines;
pub use net::{AnyServer, ChannelStatus, NetStatus, ServerCheck};
