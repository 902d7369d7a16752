//! The code of an invite: 125 random bits, written as five groups of five letters and digits that
//! cannot be mistaken for one another. Read generously, kept nowhere: the journal has its hash.
//!
//! A fast hash is enough. Whoever has the journal would have to try 2^125 codes; a slow hash makes
//! guessing dear where secrets are chosen by people, and this one is not.

use std::fmt;

use lamparina_order::InviteHash;

/// Letters and digits of a code, without the dashes.
pub const CODE_CHARS: usize = 25;
/// Of one group.
const GROUP_CHARS: usize = 5;
/// Crockford's alphabet: no I, L, O, U.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/// So that the hash of a code is the hash of nothing else.
const CONTEXT: &str = "lamparina 2026-11 the code of an invite";

/// A code.
#[derive(Clone, Eq, PartialEq)]
pub struct InviteCode([u8; CODE_CHARS]);

/// Why a text is no code.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum CodeError {
    /// Too short or too long.
    #[error(
        "an invite's code has {CODE_CHARS} letters and digits, and this has {0}: copy all of it"
    )]
    Length(usize),
    /// Something that no code has.
    #[error("an invite's code has letters and digits and no {0:?}: copy it as it was printed")]
    Char(char),
}

impl InviteCode {
    /// The code of these random bytes, of each of which five bits are used.
    pub fn from_random(bytes: [u8; CODE_CHARS]) -> Self {
        Self(bytes.map(|byte| ALPHABET[usize::from(byte % 32)]))
    }

    /// Reads a code: capitals or not, dashes and blanks left out or not, `O` for `0`, `I` and `L` for `1`.
    ///
    /// # Errors
    ///
    /// [`CodeError`].
    pub fn parse(text: &str) -> Result<Self, CodeError> {
        let mut code = [0; CODE_CHARS];
        let mut chars = 0;
        let read = text.chars().filter(|c| *c != '-' && !c.is_whitespace());
        for c in read {
            let read = match c.to_ascii_uppercase() {
                'O' => '0',
                'I' | 'L' => '1',
                other => other,
            };
            let known = u8::try_from(read).ok().filter(|c| ALPHABET.contains(c));
            let known = known.ok_or(CodeError::Char(c))?;
            if let Some(place) = code.get_mut(chars) {
                *place = known;
            }
            chars += 1;
        }
        match chars {
            CODE_CHARS => Ok(Self(code)),
            other => Err(CodeError::Length(other)),
        }
    }

    /// What the order knows of it.
    pub fn hash(&self) -> InviteHash {
        InviteHash(blake3::derive_key(CONTEXT, &self.0))
    }
}

impl fmt::Display for InviteCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, c) in self.0.iter().enumerate() {
            if place > 0 && place % GROUP_CHARS == 0 {
                f.write_str("-")?;
            }
            write!(f, "{}", char::from(*c))?;
        }
        Ok(())
    }
}

impl fmt::Debug for InviteCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InviteCode(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_read_as_it_is_written_and_as_people_write() {
        let code = InviteCode::from_random(std::array::from_fn(|place| place as u8 + 64));
        let text = code.to_string();
        assert_eq!(text, "01234-56789-ABCDE-FGHJK-MNPQR");
        for way in [
            text.clone(),
            text.to_lowercase(),
            text.replace('-', ""),
            text.replace('-', " "),
            format!("  {text}\n"),
            "O1234-56789-abcde-fghjk-mnpqr".to_owned(),
            "oI234-56789-abcde-fghjk-mnpqr".to_owned(),
            "ol234-56789-abcde-fghjk-mnpqr".to_owned(),
        ] {
            assert_eq!(InviteCode::parse(&way), Ok(code.clone()), "{way}");
        }
        assert_eq!(format!("{code:?}"), "InviteCode(..)");
    }

    #[test]
    fn what_is_no_code_is_refused_in_words() {
        let check = |text: &str, expected| {
            assert_eq!(InviteCode::parse(text), Err(expected));
        };
        check("", CodeError::Length(0));
        check("01234-56789-ABCDE-FGHJK-MNPQ", CodeError::Length(24));
        check("01234-56789-ABCDE-FGHJK-MNPQRS", CodeError::Length(26));
        check(&"0".repeat(10_000), CodeError::Length(10_000));
        check("01234-56789-ABCDE-FGHJK-MNPQU", CodeError::Char('U'));
        check(
            "01234-56789-ABCDE-FGHJK-MNPQ\u{661}",
            CodeError::Char('\u{661}'),
        );
    }

    #[test]
    fn codes_have_hashes_of_their_own() {
        let code = InviteCode::from_random([0; CODE_CHARS]);
        let other = InviteCode::from_random([1; CODE_CHARS]);
        assert_ne!(code.hash(), other.hash());
        assert_ne!(code.hash().0, *blake3::hash(&code.0).as_bytes());
    }
}
