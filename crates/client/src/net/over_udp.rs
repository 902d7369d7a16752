//! An attempt over UDP: one address of the server after the other, and then TCP, as [`Carriers`] says.
//! The conversation hears of the one that came about, or of the last one.
//!
//! [`Carriers`]: crate::core::carrier::Carriers

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;

use lamparina_protocol::Instant;
use lamparina_protocol::control::Hello;
use lamparina_protocol::datagram::{ConnectionId, DatagramConfig, Profile};
use lamparina_protocol::link::CloseReason;
use lamparina_protocol::seal::Transport;
use lamparina_transport::Connection;

use super::dial::dial;
use super::driver::Driver;
use super::serving::carrier_of;
use crate::core::carrier::{Carrier, is_silence};
use crate::core::event::Event;

/// A connection over UDP that has not opened yet.
#[derive(Debug)]
pub(super) struct Trying {
    hello: Hello,
    /// Addresses not tried yet.
    others: VecDeque<SocketAddr>,
    /// When it is given up, unless something comes before.
    pub(super) silent_at: Option<Instant>,
}

impl Driver {
    /// Calls the first of `peers`, or TCP where none is left.
    pub(super) fn try_peers(&mut self, mut peers: VecDeque<SocketAddr>, hello: Hello) {
        let Some(peer) = peers.pop_front() else {
            return self.fall_back(hello);
        };
        match self.call(peer, &hello) {
            Ok(connection) => {
                let silent_at = self.clock.now() + self.carriers.answer_within();
                self.trying = Some(Trying {
                    hello,
                    others: peers,
                    silent_at: Some(silent_at),
                });
                self.connected(Ok(connection), Some(peer));
            }
            // There is no way to that one.
            Err(_) => self.try_peers(peers, hello),
        }
    }

    fn call(&self, peer: SocketAddr, hello: &Hello) -> io::Result<Connection> {
        let connection = ConnectionId(getrandom::u64().map_err(io::Error::other)?);
        let skips = getrandom::u64().map_err(io::Error::other)?;
        let config = DatagramConfig::new(connection, skips);
        let config = match self.plan.line {
            Profile::Usual => config,
            Profile::Slow => config.slow(),
        };
        let link = self.new_link(hello, Transport::Udp)?;
        let link = link.over_datagrams(config);
        Connection::call(peer, link, self.clock, self.plan.line)
    }

    /// Goes on elsewhere where nothing answers.
    pub(super) fn look_at_trying(&mut self) {
        let (Some(trying), Some(connection)) = (&mut self.trying, &self.connection) else {
            return;
        };
        if connection.received_bytes() > 0 {
            trying.silent_at = None;
        }
        let late = trying.silent_at.is_some_and(|at| at <= self.clock.now());
        if late || connection.is_refused() {
            self.elsewhere();
        }
    }

    /// Whether a link that ended before it opened is none of the conversation's business.
    pub(super) fn goes_elsewhere(&mut self, reason: &CloseReason) -> bool {
        let elsewhere = self.trying.is_some() && is_silence(reason);
        if elsewhere {
            self.elsewhere();
        }
        elsewhere
    }

    /// Forgets the connection that is tried, and makes another one.
    fn elsewhere(&mut self) {
        let Some(Trying { hello, others, .. }) = self.trying.take() else {
            return;
        };
        self.connection = None;
        self.link_events.clear();
        self.try_peers(others, hello);
    }

    fn fall_back(&mut self, hello: Hello) {
        self.carriers.udp_is_silent();
        let server = self.plan.server.clone();
        self.dialing = Some((Box::pin(dial(server, Carrier::Tcp)), hello));
    }

    /// A connection has opened: says so where it is not the kind that there was before.
    pub(super) fn note_carrier(&mut self) {
        self.trying = None;
        let by = self.connection.as_ref().map_or(Carrier::Tcp, carrier_of);
        if self.carriers.opened(self.clock.now(), by) {
            let server = &self.plan.server;
            let text = match by {
                Carrier::Tcp => format!("nothing answers over UDP at {server}: going on over TCP"),
                Carrier::Udp => format!("{server} answers over UDP again: going on over UDP"),
            };
            self.backlog.push_back(Event::Carried { by, text });
        }
    }
}
