//! Who is called how, and which key opens what is for them alone. A name is what its owner says; who it is
//! is the key, so that a name that several have is never guessed.

use std::collections::BTreeMap;

use lamparina_protocol::AuthorKey;
use lamparina_protocol::peer::private::PrivateRecipient;
use lamparina_protocol::peer::{Announcement, PeerName};

use crate::error::PeerError;
use crate::event::NamePattern;

/// Authors that are remembered, at most; one that is absent makes room for another.
const NAMES_MAX: usize = 4_096;
/// Candidates that an error names.
const CANDIDATES_MAX: usize = 12;
/// Digits of a key that tell people apart in lists.
pub(super) const SHOWN_DIGITS: usize = 8;

/// Somebody, as they announced themselves last.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Known {
    pub(super) name: PeerName,
    sealing: [u8; 32],
    /// Not set aside: heard lately, and not gone.
    present: bool,
}

/// Everybody that announced themselves in this life.
#[derive(Debug, Default)]
pub(super) struct Names(BTreeMap<AuthorKey, Known>);

/// Somebody that a message is for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Recipient {
    pub(super) sealed_for: PrivateRecipient,
    pub(super) name: PeerName,
}

impl Names {
    /// An announcement came.
    pub(super) fn announced(&mut self, said: &Announcement) {
        if !self.0.contains_key(&said.author) && self.0.len() >= NAMES_MAX {
            let absent = self.0.iter().find(|(_, known)| !known.present);
            let Some(absent) = absent.map(|(author, _)| *author) else {
                return;
            };
            self.0.remove(&absent);
        }
        let known = Known {
            name: said.name.clone(),
            sealing: said.sealing,
            present: !said.gone,
        };
        self.0.insert(said.author, known);
    }

    /// Somebody was set aside, or is back.
    pub(super) fn set_present(&mut self, author: &AuthorKey, present: bool) {
        if let Some(known) = self.0.get_mut(author) {
            known.present = present;
        }
    }

    /// What somebody is called.
    pub(super) fn name(&self, author: &AuthorKey) -> Option<&PeerName> {
        self.0.get(author).map(|known| &known.name)
    }

    /// Whom a name means.
    ///
    /// # Errors
    ///
    /// In words, with candidates, where that is nobody or several.
    pub(super) fn resolve(&self, pattern: &NamePattern) -> Result<Recipient, PeerError> {
        let fits = |(author, known): &(&AuthorKey, &Known)| is_meant(pattern, author, &known.name);
        let all: Vec<(&AuthorKey, &Known)> = self.0.iter().filter(fits).collect();
        let present: Vec<_> = all.iter().filter(|(_, known)| known.present).collect();
        let found = match (&all[..], &present[..]) {
            ([one], _) => one,
            // Of several of one name, only one of whom is there, that one is meant.
            (_, [one]) => *one,
            ([], _) => return Err(self.nobody(pattern)),
            (several, _) => {
                let named = several.iter().map(|(author, known)| shown(author, known));
                return Err(PeerError::Ambiguous {
                    asked: pattern.to_string(),
                    candidates: named.take(CANDIDATES_MAX).collect(),
                });
            }
        };
        let (author, known) = found;
        Ok(Recipient {
            sealed_for: PrivateRecipient {
                author: **author,
                sealing: known.sealing,
            },
            name: known.name.clone(),
        })
    }

    fn nobody(&self, pattern: &NamePattern) -> PeerError {
        let present = self.0.iter().filter(|(_, known)| known.present);
        let named = present.map(|(_, known)| known.name.to_string());
        PeerError::NoSuchPeer {
            asked: pattern.to_string(),
            candidates: named.take(CANDIDATES_MAX).collect(),
        }
    }
}

/// Whether a pattern fits somebody.
pub(super) fn is_meant(pattern: &NamePattern, author: &AuthorKey, name: &PeerName) -> bool {
    match pattern {
        NamePattern::Name(wanted) => wanted.key() == name.name.key(),
        NamePattern::Full(wanted) => same_name(wanted, name),
        NamePattern::Key(digits) => author.to_string().starts_with(digits.as_str()),
    }
}

/// Whether two spellings are one name.
fn same_name(one: &PeerName, other: &PeerName) -> bool {
    one.name.key() == other.name.key() && one.namespace.key() == other.namespace.key()
}

fn shown(author: &AuthorKey, known: &Known) -> String {
    let key = author.to_string();
    format!("{} (~{})", known.name, &key[..SHOWN_DIGITS])
}

#[cfg(test)]
mod tests {
    use super::*;
    use lamparina_protocol::Lamport;
    use lamparina_protocol::nick::{Nick, RoomName};
    use lamparina_protocol::peer::Incarnation;

    fn name(text: &str) -> PeerName {
        let (name, namespace) = text.split_once('@').unwrap();
        PeerName {
            name: Nick::try_from(name).unwrap(),
            namespace: RoomName::try_from(namespace).unwrap(),
        }
    }

    fn names(all: &[(u8, &str)]) -> Names {
        let mut names = Names::default();
        for &(author, text) in all {
            names.announced(&Announcement {
                author: AuthorKey([author; 32]),
                incarnation: Incarnation(1),
                beat: 1,
                last: None,
                clock: Lamport::ZERO,
                name: name(text),
                addr: None,
                sealing: [author; 32],
                gone: false,
            });
        }
        names
    }

    #[track_caller]
    fn check(names: &Names, pattern: &str, expected: Result<u8, &str>) {
        let found = names.resolve(&NamePattern::parse(pattern).unwrap());
        let found = found.map(|recipient| recipient.sealed_for.author.0[0]);
        match expected {
            Ok(author) => assert_eq!(found.unwrap(), author),
            Err(part) => {
                let words = found.unwrap_err().to_string();
                assert!(words.contains(part), "{words}");
            }
        }
    }

    #[test]
    fn names_mean_one_or_an_error() {
        let mut names = names(&[
            (1, "ana@lab"),
            (2, "ana@lan"),
            (3, "Rui@lab"),
            (4, "bob@lab"),
        ]);
        check(&names, "rui", Ok(3));
        check(&names, "ana@lab", Ok(1));
        check(&names, "ana@LAN", Ok(2));
        check(&names, "~02020202", Ok(2));
        check(
            &names,
            "ana",
            Err("ana@lab (~01010101), ana@lan (~02020202)"),
        );
        check(
            &names,
            "eva",
            Err("nobody is called eva; known are ana@lab, ana@lan, Rui@lab"),
        );
        check(&names, "~ffffffff", Err("nobody is called ~ffffffff"));
        // Of two of one name the one that is there is meant; of two that are both absent, none.
        names.set_present(&AuthorKey([2; 32]), false);
        check(&names, "ana", Ok(1));
        names.set_present(&AuthorKey([1; 32]), false);
        check(&names, "ana", Err("may be any of"));
        check(&names, "ana@lan", Ok(2));
    }

    #[test]
    fn a_key_says_who_somebody_is_and_not_a_name() {
        let names = names(&[(1, "ana@lab"), (2, "ana@lab")]);
        check(&names, "ana@lab", Err("~01010101"));
        check(&names, "~01010101", Ok(1));
    }
}
