//! Numbers as words, so that two people can compare them by voice. The list is that of BIP-39: 2,048
//! short English words that differ in their first four letters (`words/PROVENANCE.md`).

/// Words of the list.
pub const WORDS_COUNT: usize = 2_048;
/// Bits that a word stands for.
pub const WORD_BITS: u32 = WORDS_COUNT.ilog2();

const LIST: &str = include_str!("words/english.txt");

const _: () = assert!(1 << WORD_BITS == WORDS_COUNT);

/// The word that stands for `number`, of which only the lowest [`WORD_BITS`] bits count.
pub fn word(number: usize) -> &'static str {
    let word = LIST.lines().nth(number % WORDS_COUNT);
    word.expect("the list has that many lines, as a test counts")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_number_has_a_word_of_its_own() {
        let words: Vec<_> = LIST.lines().collect();
        assert_eq!(words.len(), WORDS_COUNT);
        let beginnings: BTreeSet<_> = words
            .iter()
            .map(|word| &word[..word.len().min(4)])
            .collect();
        assert_eq!(
            beginnings.len(),
            WORDS_COUNT,
            "four letters tell them apart"
        );
        let plain = |word: &&str| word.bytes().all(|byte| byte.is_ascii_lowercase());
        assert!(words.iter().all(plain));
        assert!(words.is_sorted());
        assert_eq!(
            (word(0), word(2_047), word(2_048)),
            ("abandon", "zoo", "abandon")
        );
    }
}
