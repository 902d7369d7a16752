//! A key in a form that people can compare: `SHA256:` and 43 characters, as SSH writes it, or six
//! words. The fingerprint decides; the words are its first 66 bits, for a comparison by voice.
//!
//! It is the SHA-256 of the 32 bytes of an Ed25519 public key, so that any tool can make it again:
//! `printf KEY | xxd -r -p | sha256sum`, in base64.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest, Sha256};

use crate::words::{WORD_BITS, word};

/// Words of a fingerprint.
pub const FINGERPRINT_WORDS: usize = 6;
const PREFIX: &str = "SHA256:";
/// Base64 (RFC 4648), without padding.
const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
/// Digits of 32 bytes, six bits each.
const DIGITS_COUNT: usize = 43;

// The words come from the first eight and a half bytes; 64 of the 66 bits from the first eight.
const _: () = assert!(FINGERPRINT_WORDS as u32 * WORD_BITS == 66);

/// The SHA-256 of a public key.
#[derive(Clone, Copy, Eq, Ord, PartialEq, PartialOrd)]
pub struct Fingerprint([u8; 32]);

/// A text is no fingerprint.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("a fingerprint is written `SHA256:` and {DIGITS_COUNT} characters")]
pub struct FingerprintError;

impl Fingerprint {
    /// The fingerprint of an Ed25519 public key.
    pub fn of(key: &[u8; 32]) -> Self {
        Self(Sha256::digest(key).into())
    }

    /// Its first 66 bits as words.
    pub fn words(&self) -> [&'static str; FINGERPRINT_WORDS] {
        std::array::from_fn(|place| {
            let bits = |at: usize| usize::from(self.0[at / 8] >> (7 - at % 8) & 1);
            let from = place * WORD_BITS as usize;
            let number =
                (from..from + WORD_BITS as usize).fold(0, |number, at| number << 1 | bits(at));
            word(number)
        })
    }

    /// The same in one text, a blank between words.
    pub fn spoken(&self) -> String {
        self.words().join(" ")
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(PREFIX)?;
        for three in self.0.chunks(3) {
            let bits = three
                .iter()
                .fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte));
            let bits = bits << (8 * (3 - three.len()));
            for place in 0..=three.len() {
                let digit = bits >> (18 - 6 * place) & 0x3f;
                write!(f, "{}", char::from(DIGITS[digit as usize]))?;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({self})")
    }
}

impl FromStr for Fingerprint {
    type Err = FingerprintError;

    fn from_str(text: &str) -> Result<Self, FingerprintError> {
        let digits = text.strip_prefix(PREFIX).ok_or(FingerprintError)?;
        if digits.len() != DIGITS_COUNT {
            return Err(FingerprintError);
        }
        let mut bytes = [0; 32];
        let (mut bits, mut count, mut next) = (0_u32, 0, 0);
        for digit in digits.bytes() {
            let value = DIGITS.iter().position(|known| *known == digit);
            bits = bits << 6 | value.ok_or(FingerprintError)? as u32;
            count += 6;
            if count >= 8 {
                count -= 8;
                bytes[next] = (bits >> count) as u8;
                next += 1;
                bits &= (1 << count) - 1;
            }
        }
        // The last two bits belong to nothing: another way to write the same is refused.
        match bits {
            0 => Ok(Self(bytes)),
            _ => Err(FingerprintError),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `printf '00..1f' | xxd -r -p | openssl sha256 -binary | base64`, and its first bits by hand.
    #[test]
    fn a_known_key_has_the_fingerprint_that_other_tools_give() {
        let key = std::array::from_fn(|place| place as u8);
        let fingerprint = Fingerprint::of(&key);
        let text = "SHA256:Yw3NKWbEM2aRElRIu7JbT/QSpJxzLbLIq8G4WBvXEN0";
        assert_eq!(fingerprint.to_string(), text);
        assert_eq!(text.parse(), Ok(fingerprint));
        assert_eq!(fingerprint.spoken(), "glide hover engage snow drip rebuild");
    }

    #[test]
    fn every_fingerprint_is_read_back_and_nothing_else() {
        for number in 0..200_u8 {
            let fingerprint = Fingerprint::of(&[number; 32]);
            assert_eq!(fingerprint.to_string().parse(), Ok(fingerprint));
        }
        let text = Fingerprint::of(&[7; 32]).to_string();
        let last = text.len() - 1;
        let longer = format!("{text}A");
        // Its last digit holds two bits that are no part of the fingerprint.
        let place = DIGITS
            .iter()
            .position(|digit| *digit == text.as_bytes()[last]);
        let other = DIGITS[place.unwrap() ^ 1];
        let other = format!("{}{}", &text[..last], char::from(other));
        for bad in [
            "",
            "SHA256:",
            &text[..last],
            &longer,
            &text[1..],
            &other,
            &text.replace('S', "s"),
        ] {
            assert_eq!(bad.parse::<Fingerprint>(), Err(FingerprintError), "{bad}");
        }
    }
}
