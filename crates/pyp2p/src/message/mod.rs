//! What peers say to each other. Whatever arrives is read generously ([`read()`]); what we say always
//! has every member of its type ([`Message`]).

mod read;
mod write;

use std::fmt;

pub use read::{Greeting, Received, Unreadable, read};
pub use write::{Card, Message, Ttl};

/// The version of the protocol that we tell.
pub const VERSION: &str = "1.0";
/// What we can, as HELLO and HELLO_OK tell it.
pub const FEATURES: [&str; 2] = ["ack", "metrics"];

/// Whom a PUB is for.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Topic {
    /// Every connected peer: `*`.
    All,
    /// Those of one namespace: `#namespace`.
    Namespace(String),
}

impl Topic {
    /// Reads `*`, `#namespace`, or a bare namespace, as one program writes it (rule 4).
    pub fn read(dst: &str) -> Self {
        match dst.strip_prefix('#').unwrap_or(dst) {
            "" | "*" => Self::All,
            namespace => Self::Namespace(namespace.to_owned()),
        }
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("*"),
            Self::Namespace(namespace) => write!(f, "#{namespace}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rule_4_a_topic_is_a_star_or_a_namespace_also_without_its_sign() {
        for (dst, expect) in [
            ("*", "*"),
            ("#lab", "#lab"),
            ("lab", "#lab"),
            ("", "*"),
            ("#", "*"),
        ] {
            assert_eq!(Topic::read(dst).to_string(), expect);
        }
    }
}
