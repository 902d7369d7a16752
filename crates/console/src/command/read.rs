//! Words behind a command, read: for all commands alike, also those that one program has alone.

use lamparina_protocol::Lamport;

use super::CommandError;

/// The argument, where there is one; `form` is what to write.
///
/// # Errors
///
/// In words, where it is missing.
pub fn needed<'a>(argument: &'a str, form: &str) -> Result<&'a str, CommandError> {
    if argument.is_empty() {
        let text = format!("something is missing; write {form}");
        return Err(CommandError::new("malformed", text));
    }
    Ok(argument)
}

/// Nothing, for a command that takes no argument.
///
/// # Errors
///
/// In words, where something stands behind it.
pub fn alone(word: &str, argument: &str) -> Result<(), CommandError> {
    if !argument.is_empty() {
        let text = format!("/{word} stands alone; write it without {argument:?}");
        return Err(CommandError::new("malformed", text));
    }
    Ok(())
}

/// A stamp, as it stands before a message: `[42]`, or without the brackets.
///
/// # Errors
///
/// In words, with the `form` to write, where it is none.
pub fn stamp(word: &str, form: &str) -> Result<Lamport, CommandError> {
    let bare = word
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    match number(bare.unwrap_or(word), form)? {
        0 => Err(malformed(form)),
        stamp => Ok(Lamport::new(stamp)),
    }
}

/// A number.
///
/// # Errors
///
/// In words, with the `form` to write, where it is none.
pub fn number(word: &str, form: &str) -> Result<u64, CommandError> {
    word.parse().map_err(|_not_one| malformed(form))
}

/// The error of numbers that are none, or too few, or too many; `form` is what to write.
pub fn malformed(form: &str) -> CommandError {
    CommandError::new(
        "malformed",
        format!("this is no number, or one too few or many; write {form}"),
    )
}
