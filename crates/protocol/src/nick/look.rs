//! What a name looks like, and whether it may be claimed at all. Two names that a person could take
//! for one another share a look; a name mixes no scripts that could hide a foreign letter.
//!
//! The tables follow Unicode and change with it. So a look decides who may *claim* a name, at the
//! moment of the claim, and never what an old journal means: that is [`super::NickKey`]'s part.

use caseless::Caseless;
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;
use unicode_script::{Script, UnicodeScript};
use unicode_security::mixed_script::AugmentedScriptSet;
use unicode_security::skeleton;

use super::NickError;

/// Combining marks in a row that a name may have (UTS 39, 5.4).
pub const NICK_MARKS_MAX: usize = 4;
/// Version of Unicode behind scripts and skeletons; case folding is that of [`FOLDING_VERSION`].
pub const LOOK_VERSION: (u64, u64, u64) = unicode_security::UNICODE_VERSION;
/// Version of Unicode behind full case folding.
pub const FOLDING_VERSION: (u64, u64, u64) = caseless::UNICODE_VERSION;

/// What a name looks like. Names that share one cannot belong to two people.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct NickLook(Box<str>);

/// Both looks of a name: in small letters (`ana` and `АNА` wholly in Cyrillic), and as it is
/// written (`AIice` with a capital i, and `Alice`; `B0B` and `BOB`).
pub(super) fn looks(name: &str) -> [NickLook; 2] {
    let compatible: String = name.nfkc().collect();
    let written: String = skeleton(&compatible).collect();
    [look(&compatible), look(&written)]
}

/// NFKC, full case folding, NFKC, skeleton.
fn look(name: &str) -> NickLook {
    let folded: String = name.chars().default_case_fold().collect();
    let folded: String = folded.nfkc().collect();
    NickLook(skeleton(&folded).collect::<String>().into())
}

/// Whether a name of good form may be claimed by somebody who does not have it yet.
pub(super) fn claimable(name: &str) -> Result<(), NickError> {
    if looks(name).contains(&look("all")) {
        return Err(NickError::Reserved);
    }
    if !name.chars().any(is_seen) {
        return Err(NickError::Unseen);
    }
    // Unassigned and private-use characters: nobody knows what they look like.
    if let Some(unknown) = name.chars().find(|c| c.script() == Script::Unknown) {
        return Err(NickError::Forbidden(unknown));
    }
    let mut marks = 0;
    // Decomposed, so that a mark inside a letter counts like one behind it.
    for c in name.nfd() {
        marks = if is_combining_mark(c) { marks + 1 } else { 0 };
        if marks > NICK_MARKS_MAX {
            return Err(NickError::Marks);
        }
    }
    // In compatible form: a letter of the mathematical alphabets is a Latin one.
    if is_of_one_script(&name.nfkc().collect::<String>()) {
        Ok(())
    } else {
        Err(NickError::MixedScripts)
    }
}

/// Whether a character of a name shows itself, also where it stands alone: no mark, no variation
/// selector (a mark too), and no blank pattern. What a name may not have at all is not asked about.
fn is_seen(c: char) -> bool {
    /// Braille without a dot.
    const BLANK_PATTERN: char = '\u{2800}';
    !is_combining_mark(c) && c != BLANK_PATTERN
}

/// UTS 39: *single script*, or *highly restrictive*: Latin with Japanese, Korean, or Han and
/// Bopomofo.
fn is_of_one_script(name: &str) -> bool {
    if !AugmentedScriptSet::for_str(name).is_empty() {
        return true;
    }
    let is_latin = |c: &char| c.script_extension().contains_script(Script::Latin);
    let rest: String = name.chars().filter(|c| !is_latin(c)).collect();
    let rest = AugmentedScriptSet::for_str(&rest);
    rest.hanb || rest.jpan || rest.kore
}
