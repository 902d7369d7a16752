//! The lines between a case and its nodes. A node answers each order with one line, in their order.

use std::net::SocketAddr;

/// What a node is told.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Order {
    /// Make a link to this address. Answered at once.
    Dial(SocketAddr),
    /// Answered when so many links are open.
    Links(usize),
    /// Say so many messages of so many bytes. Answered when they have been taken.
    Say {
        /// How many.
        count: u64,
        /// Bytes of each text.
        bytes: usize,
    },
    /// Answered when so many messages are here, one's own included.
    Expect(u64),
    /// Answered with the bytes sent so far on all links.
    Sent,
}

impl Order {
    /// As a line.
    pub(crate) fn line(self) -> String {
        match self {
            Self::Dial(addr) => format!("dial {addr}"),
            Self::Links(count) => format!("links {count}"),
            Self::Say { count, bytes } => format!("say {count} {bytes}"),
            Self::Expect(total) => format!("expect {total}"),
            Self::Sent => "sent".to_owned(),
        }
    }

    /// Reads a line; `None` where it is no order.
    pub(crate) fn parse(line: &str) -> Option<Self> {
        let words: Vec<_> = line.split(' ').collect();
        Some(match words[..] {
            ["dial", addr] => Self::Dial(addr.parse().ok()?),
            ["links", count] => Self::Links(count.parse().ok()?),
            ["say", count, bytes] => Self::Say {
                count: count.parse().ok()?,
                bytes: bytes.parse().ok()?,
            },
            ["expect", total] => Self::Expect(total.parse().ok()?),
            ["sent"] => Self::Sent,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_is_read_as_it_is_written() {
        let orders = [
            Order::Dial(SocketAddr::from(([127, 0, 0, 1], 5_000))),
            Order::Links(7),
            Order::Say {
                count: 9,
                bytes: 128,
            },
            Order::Expect(72),
            Order::Sent,
        ];
        for order in orders {
            assert_eq!(Order::parse(&order.line()), Some(order));
        }
        assert_eq!(Order::parse("say 1"), None);
    }
}
