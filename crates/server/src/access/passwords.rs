//! The password file: a line each, `nick:PHC string` of Argon2id. Everything is judged when it is
//! read, so that no line can cost more memory or time than is allowed; who is not in it costs as much
//! to refuse as who is.

use std::collections::BTreeMap;

use argon2::password_hash::phc::{Output, PasswordHash};
use argon2::{Algorithm, Argon2, Block, Params, PasswordHasher, Version};
use lamparina_protocol::Nick;
use lamparina_protocol::nick::NickKey;

/// Bytes of a password file, at most.
pub const FILE_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Memory that checking one password may take, in KiB.
const MEMORY_KIB_MAX: u32 = 64 * 1024;
/// Passes over it, at most.
const PASSES_MAX: u32 = 10;
/// Lanes, at most.
const LANES_MAX: u32 = 4;

/// The passwords of a file.
#[derive(Clone)]
pub struct Passwords {
    by_nick: BTreeMap<NickKey, String>,
    /// Checked for who is not in the file.
    nobody: String,
}

/// Where passwords are checked, kept from one to the next: given back to the allocator and taken
/// again, tens of MiB each time, it would leave holes and grow to many times that.
#[derive(Default)]
pub(crate) struct Memory(Vec<Block>);

impl std::fmt::Debug for Passwords {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Passwords({})", self.by_nick.len())
    }
}

/// Why a password file is not taken.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum PasswordError {
    /// A line that is not `nick:hash`.
    #[error("line {0} is not NICK:HASH: lamparina-server password hash NICK prints one")]
    Line(usize),
    /// A name that is none.
    #[error("line {0}: {1}")]
    Nick(usize, String),
    /// A name that is there before.
    #[error("line {0}: {1} has a line before")]
    Twice(usize, Nick),
    /// A hash that is not taken.
    #[error("line {0}: {1}: lamparina-server password hash NICK prints a line that can be used")]
    Hash(usize, &'static str),
    /// Nobody is in it.
    #[error("nobody is in it: lamparina-server password hash NICK prints a line for it")]
    Empty,
    /// What it is made with failed.
    #[error("the password cannot be hashed: {0}")]
    Failed(String),
}

impl Passwords {
    /// Reads the lines of a file. Empty lines and those that begin with `#` say nothing.
    ///
    /// # Errors
    ///
    /// [`PasswordError`], with the line.
    pub fn parse(text: &str) -> Result<Self, PasswordError> {
        let mut by_nick = BTreeMap::new();
        let mut nobody = None;
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (name, hash) = line.split_once(':').ok_or(PasswordError::Line(number))?;
            let nick = Nick::try_from(name.trim())
                .map_err(|error| PasswordError::Nick(number, error.to_string()))?;
            let hash = hash.trim();
            check(hash).map_err(|why| PasswordError::Hash(number, why))?;
            nobody.get_or_insert_with(|| hash.to_owned());
            if by_nick.insert(nick.key(), hash.to_owned()).is_some() {
                return Err(PasswordError::Twice(number, nick));
            }
        }
        let nobody = nobody.ok_or(PasswordError::Empty)?;
        Ok(Self { by_nick, nobody })
    }

    /// Whether this is the password of `nick`. Takes as long for who has none; tens of milliseconds
    /// and up to 64 MiB, so call it where that does no harm.
    pub(crate) fn verify(&self, nick: &Nick, password: &str, memory: &mut Memory) -> bool {
        let found = self.by_nick.get(&nick.key());
        let hash = found.unwrap_or(&self.nobody);
        let Ok(hash) = PasswordHash::new(hash) else {
            return false; // It was judged when it was read.
        };
        is_it(&hash, password, memory) && found.is_some()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.by_nick.len()
    }

    /// Whether there is nobody; never so for a file that was taken.
    pub fn is_empty(&self) -> bool {
        self.by_nick.is_empty()
    }
}

/// What stands behind the nick in a password file: Argon2id, 19 MiB, two passes (what OWASP
/// recommends), with a random salt.
///
/// # Errors
///
/// [`PasswordError::Failed`].
pub fn hash(password: &str) -> Result<String, PasswordError> {
    let failed = |error: &dyn std::fmt::Display| PasswordError::Failed(error.to_string());
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::default());
    let hash = argon2.hash_password(password.as_bytes());
    Ok(hash.map_err(|error| failed(&error))?.to_string())
}

fn is_it(hash: &PasswordHash, password: &str, memory: &mut Memory) -> bool {
    let (Some(salt), Some(due)) = (&hash.salt, &hash.hash) else {
        return false;
    };
    let version = hash.version.map_or(Ok(Version::V0x13), Version::try_from);
    let (Ok(params), Ok(version)) = (Params::try_from(hash), version) else {
        return false;
    };
    let blocks = params.block_count();
    if memory.0.len() < blocks {
        memory.0.resize(blocks, Block::default());
    }
    let mut made = vec![0; due.as_bytes().len()];
    let argon2 = Argon2::new(Algorithm::Argon2id, version, params);
    let salt: &[u8] = salt.as_ref();
    let done = argon2.hash_password_into_with_memory(
        password.as_bytes(),
        salt,
        &mut made,
        &mut memory.0[..blocks],
    );
    // Outputs are compared in constant time.
    done.is_ok() && Output::new(&made).is_ok_and(|made| made == *due)
}

fn check(text: &str) -> Result<(), &'static str> {
    let hash =
        PasswordHash::new(text).map_err(|_other| "what stands behind the name is no hash")?;
    if hash.algorithm.as_str() != "argon2id" {
        return Err("the hash is not one of argon2id");
    }
    if hash.salt.is_none() || hash.hash.is_none() {
        return Err("the hash is not whole");
    }
    let params = Params::try_from(&hash).map_err(|_other| "the hash has strange parameters")?;
    let dear = params.m_cost() > MEMORY_KIB_MAX
        || params.t_cost() > PASSES_MAX
        || params.p_cost() > LANES_MAX;
    match dear {
        true => Err("the hash takes too much to check (at most 64 MiB, 10 passes, 4 lanes)"),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nick(text: &str) -> Nick {
        Nick::try_from(text).unwrap()
    }

    /// Cheap ones, for tests alone.
    fn cheap(password: &str) -> String {
        let params = Params::new(8, 1, 1, None).unwrap();
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        argon2
            .hash_password(password.as_bytes())
            .unwrap()
            .to_string()
    }

    #[test]
    fn a_password_is_its_names_alone() {
        let file = format!(
            "# who may\n\nana:{}\n Zoë : {}\n",
            cheap("one"),
            cheap("two")
        );
        let passwords = Passwords::parse(&file).unwrap();
        assert_eq!(passwords.len(), 2);
        let mut memory = Memory::default();
        let mut check = |name: &str, password: &str, expected| {
            assert_eq!(
                passwords.verify(&nick(name), password, &mut memory),
                expected,
                "{name} {password}"
            );
        };
        check("ana", "one", true);
        check("ANA", "one", true);
        check("zoë", "two", true);
        check("ana", "two", false);
        check("ana", "", false);
        // Who is not in it has no password, and not the first one's either.
        check("bob", "one", false);
    }

    #[test]
    fn a_hash_made_here_is_taken() {
        let hash = hash("correct horse").unwrap();
        assert!(
            hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"),
            "{hash}"
        );
        let passwords = Passwords::parse(&format!("ana:{hash}")).unwrap();
        let mut memory = Memory::default();
        assert!(passwords.verify(&nick("ana"), "correct horse", &mut memory));
        assert!(!passwords.verify(&nick("ana"), "correct horsf", &mut memory));
    }

    #[test]
    fn lines_that_are_none_are_named() {
        let check = |line: &str, expected: &str| {
            let file = format!("ana:{}\n{line}\n", cheap("x"));
            let error = Passwords::parse(&file).unwrap_err().to_string();
            assert!(
                error.contains("line 2") && error.contains(expected),
                "{error}"
            );
        };
        check("bob", "NICK:HASH");
        check("b b:x", "");
        check("bob:secret", "no hash");
        check(
            "bob:$argon2i$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$MDEyMzQ1Njc4OWFiY2RlZg",
            "argon2id",
        );
        check("bob:$argon2id$v=19$m=8,t=1,p=1", "whole");
        let dear = "bob:$argon2id$v=19$m=4000000,t=1,p=1$c2FsdHNhbHQ$MDEyMzQ1Njc4OWFiY2RlZg";
        check(dear, "too much");
        check(&format!("Ana:{}", cheap("y")), "before");
        assert_eq!(
            Passwords::parse("# nobody\n").unwrap_err(),
            PasswordError::Empty
        );
    }
}
