//! Writes `event=NAME` and `key=value`, one after another. Every value is cleaned and bounded here;
//! keys and names of events are our own words.

use std::net::{IpAddr, SocketAddr};

use lamparina_protocol::{Audience, Nick};

use super::event::{NAME_BYTES_MAX, NAMES_LOGGED_MAX, To, VALUE_LOGGED_MAX, Via};
use super::value::{cut, is_plainly_bare, push_value};

/// The part of a line after its time.
pub(super) struct Pairs<'a> {
    out: &'a mut Vec<u8>,
}

impl<'a> Pairs<'a> {
    pub(super) const fn new(out: &'a mut Vec<u8>) -> Self {
        Self { out }
    }
    pub(super) fn event(&mut self, name: &str) -> &mut Self {
        self.out.extend_from_slice(b"event=");
        self.out.extend_from_slice(name.as_bytes());
        self
    }

    fn key(&mut self, key: &str) {
        self.out.push(b' ');
        self.out.extend_from_slice(key.as_bytes());
        self.out.push(b'=');
    }

    pub(super) fn number(&mut self, key: &str, number: u64) -> &mut Self {
        self.key(key);
        push_number(self.out, number);
        self
    }

    pub(super) fn value(&mut self, key: &str, value: &str) -> &mut Self {
        self.bounded(key, value, VALUE_LOGGED_MAX)
    }

    pub(super) fn bounded(&mut self, key: &str, value: &str, max: usize) -> &mut Self {
        let kept = cut(value, max);
        self.key(key);
        push_value(self.out, kept);
        self.more(key, value.len() - kept.len())
    }

    fn more(&mut self, key: &str, left_out: usize) -> &mut Self {
        if left_out > 0 {
            self.out.push(b' ');
            self.out.extend_from_slice(key.as_bytes());
            self.out.extend_from_slice(b"_more=");
            push_number(self.out, left_out as u64);
        }
        self
    }

    pub(super) fn room(&mut self, room: &str) -> &mut Self {
        self.value("room", &format!("#{room}"))
    }

    pub(super) fn addr(&mut self, addr: SocketAddr) -> &mut Self {
        // An IPv6 scope would print as `%N`; nothing here needs quoting.
        self.key("addr");
        let text = match addr.ip() {
            IpAddr::V4(ip) => format!("{ip}:{}", addr.port()),
            IpAddr::V6(ip) => format!("[{ip}]:{}", addr.port()),
        };
        self.out.extend_from_slice(text.as_bytes());
        self
    }

    pub(super) fn via(&mut self, via: Via) -> &mut Self {
        match via {
            Via::Tcp => self,
            Via::Udp => self.value("via", "udp"),
        }
    }

    pub(super) fn names(&mut self, to: To<'_>) -> &mut Self {
        match to {
            To::Audience(Audience::Unicast(nick)) => self.value("to", nick.as_str()),
            To::Audience(Audience::Multicast(nicks)) => self.list(nicks.iter().map(Nick::as_str)),
            To::Audience(Audience::All) => self.value("to", "ALL"),
            To::Audience(Audience::Room(room)) => self.value("to", &format!("#{room}")),
            To::Names(names) => self.list(names.iter().map(String::as_str)),
            To::Strs(names) => self.list(names.iter().copied()),
        }
    }

    fn list<'n>(&mut self, names: impl ExactSizeIterator<Item = &'n str> + Clone) -> &mut Self {
        let left_out = names.len().saturating_sub(NAMES_LOGGED_MAX);
        let names = names.take(NAMES_LOGGED_MAX);
        let names = names.map(|name| cut(name, NAME_BYTES_MAX));
        self.key("to");
        if names.clone().all(is_plainly_bare) && names.len() > 0 {
            for (at, name) in names.enumerate() {
                if at > 0 {
                    self.out.push(b',');
                }
                self.out.extend_from_slice(name.as_bytes());
            }
        } else {
            push_value(self.out, &names.collect::<Vec<_>>().join(","));
        }
        self.more("to", left_out)
    }
}

/// Appends `number` in decimal; several times faster than the formatting of the standard library.
fn push_number(out: &mut Vec<u8>, mut number: u64) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}
