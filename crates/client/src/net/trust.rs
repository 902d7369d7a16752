//! Whether a server is the one that is meant, asked before it learns who calls.

use std::fmt::Debug;

use lamparina_protocol::seal::PublicKey;

/// Decides whether the server at an address is the one that is meant, by the key that it has proved to
/// hold. Asked at every connection, before anything of the client's identity is said; it holds up
/// the conversation meanwhile, so it must not wait for people.
pub trait ServerCheck: Debug + Send + Sync {
    /// `server` is the address as it was asked for.
    ///
    /// # Errors
    ///
    /// Why not, and what to do, in words. The conversation ends with them.
    fn check(&self, server: &str, key: &PublicKey) -> Result<(), String>;
}

/// Takes any server: links are sealed, and nobody knows with whom.
#[derive(Clone, Copy, Debug, Default)]
pub struct AnyServer;

impl ServerCheck for AnyServer {
    fn check(&self, _server: &str, _key: &PublicKey) -> Result<(), String> {
        Ok(())
    }
}
