//! Who is called how, and which key opens what is for them alone. A name is what its owner says; who it is
//! is the key. Keeps: a name that several keys have, or had in what is stored here, is never guessed, whoever of
//! them is there.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use lamparina_protocol::nick::NickKey;
use lamparina_protocol::peer::private::PrivateRecipient;
use lamparina_protocol::peer::{Announcement, PeerName};
use lamparina_protocol::{AuthorKey, Instant};

use crate::error::PeerError;
use crate::event::NamePattern;

/// Authors that are remembered, at most; of those that are absent the newest makes room for another, so that
/// strangers displace strangers.
const NAMES_MAX: usize = 4_096;
/// People are told of a further key while no more than so many others bear its name.
const BEARERS_TOLD_MAX: usize = 4;
/// That somebody else uses one's own key is told no more often.
const SAME_KEY_EVERY: Duration = Duration::from_secs(60);
/// Candidates that an error names.
const CANDIDATES_MAX: usize = 12;
/// Digits of a key that tell people apart in lists.
pub(super) const SHOWN_DIGITS: usize = 8;

/// How a name is compared.
type Folded = (NickKey, NickKey);

/// Somebody, as they announced themselves last; before that, as their messages name them.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Known {
    name: PeerName,
    /// None until they announce themselves in this life.
    sealing: Option<[u8; 32]>,
    /// Not set aside: heard lately, and not gone.
    present: bool,
    /// Greater for those who came later.
    nth: u64,
    /// People were told that it bears another's name.
    is_told: bool,
}

/// Everybody else that announced themselves in this life, or whose messages or addresses are stored.
#[derive(Debug)]
pub(super) struct Names {
    own: AuthorKey,
    known: BTreeMap<AuthorKey, Known>,
    /// Who bears each name.
    bearers: BTreeMap<Folded, BTreeSet<AuthorKey>>,
    next: u64,
    /// When somebody else that uses one's own key may be told of again.
    same_key_at: Option<Instant>,
}

/// A name that had one key shows another.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct NewKey {
    name: PeerName,
    key: AuthorKey,
    before: AuthorKey,
}

impl NewKey {
    /// What people are told.
    pub(super) fn words(&self) -> String {
        let Self { name, key, before } = self;
        format!(
            "{name} is also what {} calls itself now, and {} was called so before: a name is only a claim. Ask \
             them by another way, and name the one that you mean by its key, as in /msg {} TEXT",
            short_key(key),
            short_key(before),
            short_key(before),
        )
    }
}

/// Somebody that a message is for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Recipient {
    pub(super) sealed_for: PrivateRecipient,
    pub(super) name: PeerName,
}

impl Names {
    /// Nobody is known yet to who has the key `own`.
    pub(super) const fn new(own: AuthorKey) -> Self {
        Self {
            own,
            known: BTreeMap::new(),
            bearers: BTreeMap::new(),
            next: 0,
            same_key_at: None,
        }
    }

    /// An announcement came. Gives what people should be told.
    pub(super) fn announced(&mut self, said: &Announcement) -> Option<NewKey> {
        let news = self.bears(said.author, &said.name);
        if let Some(known) = self.known.get_mut(&said.author) {
            (known.sealing, known.present) = (Some(said.sealing), !said.gone);
        }
        news
    }

    /// A message, or what was kept, names somebody. Gives what people should be told.
    pub(super) fn seen(&mut self, author: AuthorKey, name: &PeerName) -> Option<NewKey> {
        // What one announces of oneself is newer.
        let known = self.known.get(&author);
        if known.is_some_and(|known| known.sealing.is_some() || known.name == *name) {
            return None;
        }
        self.bears(author, name)
    }

    fn bears(&mut self, author: AuthorKey, name: &PeerName) -> Option<NewKey> {
        if author == self.own {
            return None;
        }
        let folded = fold(name);
        match self.known.get_mut(&author) {
            Some(known) => {
                let before = std::mem::replace(&mut known.name, name.clone());
                if fold(&before) == folded {
                    return None;
                }
                self.unindex(&author, &before);
            }
            None => {
                self.make_room()?;
                self.next += 1;
                let known = Known {
                    name: name.clone(),
                    sealing: None,
                    present: false,
                    nth: self.next,
                    is_told: false,
                };
                self.known.insert(author, known);
            }
        }
        let bearers = self.bearers.entry(folded).or_default();
        bearers.insert(author);
        let others = bearers.len() - 1;
        let known = &self.known;
        let others_by_age = bearers.iter().filter(|other| **other != author);
        let before = *others_by_age.min_by_key(|other| known.get(*other).map(|known| known.nth))?;
        let known = self.known.get_mut(&author)?;
        if known.is_told || others > BEARERS_TOLD_MAX {
            return None;
        }
        known.is_told = true;
        Some(NewKey {
            name: name.clone(),
            key: author,
            before,
        })
    }

    /// Makes room for one more; `None` where everybody is there.
    fn make_room(&mut self) -> Option<()> {
        if self.known.len() < NAMES_MAX {
            return Some(());
        }
        let absent = self.known.iter().filter(|(_, known)| !known.present);
        let (newest, _) = absent.max_by_key(|(_, known)| known.nth)?;
        let newest = *newest;
        let known = self.known.remove(&newest)?;
        self.unindex(&newest, &known.name);
        Some(())
    }

    fn unindex(&mut self, author: &AuthorKey, name: &PeerName) {
        let folded = fold(name);
        if let Some(bearers) = self.bearers.get_mut(&folded) {
            bearers.remove(author);
            if bearers.is_empty() {
                self.bearers.remove(&folded);
            }
        }
    }

    /// Somebody was set aside, or is back.
    pub(super) fn set_present(&mut self, author: &AuthorKey, present: bool) {
        if let Some(known) = self.known.get_mut(author) {
            known.present = present;
        }
    }

    /// What somebody is called.
    pub(super) fn name(&self, author: &AuthorKey) -> Option<&PeerName> {
        self.known.get(author).map(|known| &known.name)
    }

    /// Whether somebody else bears a name of `author`'s, too.
    pub(super) fn is_shared(&self, author: &AuthorKey, name: &PeerName) -> bool {
        // The usual case is found without folding: each that is known bears one name.
        let all_differ = self.bearers.len() == self.known.len();
        if all_differ && self.name(author) == Some(name) {
            return false;
        }
        let bearers = self.bearers.get(&fold(name));
        bearers.is_some_and(|bearers| bearers.iter().any(|bearer| bearer != author))
    }

    /// Whether people are to be told, at `now`, that somebody else uses one's own key.
    pub(super) fn may_tell_same_key(&mut self, now: Instant) -> bool {
        let due = self.same_key_at.is_none_or(|at| at <= now);
        if due {
            self.same_key_at = Some(now + SAME_KEY_EVERY);
        }
        due
    }

    /// Whom a name means.
    ///
    /// # Errors
    ///
    /// In words, with candidates, where that is nobody or several.
    pub(super) fn resolve(&self, pattern: &NamePattern) -> Result<Recipient, PeerError> {
        let fits = |(author, known): &(&AuthorKey, &Known)| is_meant(pattern, author, &known.name);
        let all: Vec<(&AuthorKey, &Known)> = self.known.iter().filter(fits).collect();
        // That only one of several is there says nothing: whoever left may be meant, and is not replaced.
        let (author, known) = match &all[..] {
            [] => return Err(self.nobody(pattern)),
            [one] => *one,
            several => {
                let named = several.iter().map(|(author, known)| shown(author, known));
                return Err(PeerError::Ambiguous {
                    asked: pattern.to_string(),
                    candidates: named.take(CANDIDATES_MAX).collect(),
                });
            }
        };
        let Some(sealing) = known.sealing else {
            return Err(PeerError::Refused(format!(
                "{} has not announced itself since this peer started, so that nothing can be sealed for it: try \
                 again when it is here",
                shown(author, known)
            )));
        };
        Ok(Recipient {
            sealed_for: PrivateRecipient {
                author: *author,
                sealing,
            },
            name: known.name.clone(),
        })
    }

    fn nobody(&self, pattern: &NamePattern) -> PeerError {
        let present = self.known.iter().filter(|(_, known)| known.present);
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
        NamePattern::Full(wanted) => fold(wanted) == fold(name),
        NamePattern::Key(digits) => author.to_string().starts_with(digits.as_str()),
    }
}

fn fold(name: &PeerName) -> Folded {
    (name.name.key(), name.namespace.key())
}

fn shown(author: &AuthorKey, known: &Known) -> String {
    format!("{} ({})", known.name, short_key(author))
}

fn short_key(key: &AuthorKey) -> String {
    format!("~{}", &key.to_string()[..SHOWN_DIGITS])
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

    const OWN: AuthorKey = AuthorKey([0xee; 32]);

    fn said(author: u8, text: &str) -> Announcement {
        Announcement {
            author: AuthorKey([author; 32]),
            incarnation: Incarnation(1),
            beat: 1,
            last: None,
            clock: Lamport::ZERO,
            name: name(text),
            addr: None,
            sealing: [author; 32],
            gone: false,
        }
    }

    fn names(all: &[(u8, &str)]) -> Names {
        let mut names = Names::new(OWN);
        for &(author, text) in all {
            names.announced(&said(author, text));
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
        // Whoever left is not replaced by who is there.
        names.set_present(&AuthorKey([2; 32]), false);
        check(&names, "ana", Err("may be any of"));
        check(&names, "ana@lan", Ok(2));
        check(&names, "rui", Ok(3));
    }

    #[test]
    fn a_key_says_who_somebody_is_and_not_a_name() {
        let mut names = names(&[(1, "ana@lab"), (2, "Ana@lab")]);
        check(&names, "ana@lab", Err("~01010101"));
        check(&names, "~01010101", Ok(1));
        for there in [1, 2] {
            names.set_present(&AuthorKey([1; 32]), there == 1);
            names.set_present(&AuthorKey([2; 32]), there == 2);
            check(&names, "ana@lab", Err("may be any of"));
        }
        // Who calls itself otherwise does not bear the name any more.
        names.announced(&said(2, "mal@lab"));
        check(&names, "ana@lab", Ok(1));
    }

    #[test]
    fn who_takes_the_name_of_somebody_stored_is_told_of_and_gets_nothing() {
        let [ana, mal] = [1, 2].map(|byte| AuthorKey([byte; 32]));
        let mut names = Names::new(OWN);
        // From the messages of an earlier life.
        assert_eq!(names.seen(ana, &name("ana@lab")), None);
        check(
            &names,
            "ana@lab",
            Err("~01010101) has not announced itself"),
        );
        assert!(!names.is_shared(&ana, &name("ana@lab")));
        let news = names.announced(&said(2, "Ana@lab")).unwrap();
        assert_eq!((news.key, news.before), (mal, ana));
        let words = news.words();
        assert!(
            words.contains("~02020202") && words.contains("/msg ~01010101"),
            "{words}"
        );
        check(&names, "ana@lab", Err("~01010101), Ana@lab (~02020202"));
        for author in [&ana, &mal] {
            assert!(names.is_shared(author, &name("ana@lab")));
        }
        // Once, however often it says so, and whatever else it calls itself between.
        for text in ["Ana@lab", "mal@lab", "ana@lab"] {
            assert_eq!(names.announced(&said(2, text)), None, "{text}");
        }
        check(&names, "ana@lab", Err("may be any of"));
        // The key that had the name before has it still.
        assert_eq!(names.announced(&said(1, "ana@lab")), None);
        check(&names, "~01010101", Ok(1));
    }

    #[test]
    fn a_message_with_anothers_name_shows_the_key_too() {
        let mut names = names(&[(1, "ana@lab"), (2, "bob@lab")]);
        // It was called so when it said this, and announces itself otherwise now.
        assert!(names.is_shared(&AuthorKey([2; 32]), &name("ana@lab")));
        assert!(!names.is_shared(&AuthorKey([1; 32]), &name("ana@lab")));
        let news = names.seen(AuthorKey([3; 32]), &name("ana@lab"));
        assert_eq!(news.unwrap().before, AuthorKey([1; 32]));
        assert!(names.is_shared(&AuthorKey([1; 32]), &name("ana@lab")));
        assert!(!names.is_shared(&AuthorKey([2; 32]), &name("bob@lab")));
    }

    #[test]
    fn an_own_name_is_not_among_those_of_others() {
        let mut names = Names::new(OWN);
        assert_eq!(names.seen(OWN, &name("ana@lab")), None);
        check(&names, "ana@lab", Err("nobody is called"));
    }

    #[test]
    fn strangers_displace_strangers() {
        let mut names = Names::new(OWN);
        let author = |n: u32| {
            let mut key = [0; 32];
            key[..4].copy_from_slice(&n.to_be_bytes());
            AuthorKey(key)
        };
        for n in 0..2 * NAMES_MAX as u32 {
            // Each takes the name of one before.
            let name = name(&format!("a{}@lab", n / 2));
            names.seen(author(n), &name);
        }
        assert_eq!(names.known.len(), NAMES_MAX);
        assert!(names.bearers.len() <= NAMES_MAX);
        assert!(names.name(&author(0)).is_some(), "known longest");
        names.announced(&said(9, "eva@lab"));
        check(&names, "eva", Ok(9));
    }

    #[test]
    fn another_with_ones_own_key_is_told_once_a_minute() {
        let mut names = Names::new(OWN);
        let at = |seconds| Instant::from_millis(1_000 * seconds);
        let told: Vec<u64> = (0..150)
            .filter(|&at_s| names.may_tell_same_key(at(at_s)))
            .collect();
        assert_eq!(told, [0, 60, 120]);
    }
}
