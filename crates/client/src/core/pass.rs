//! What a client gives before its name, to become a member where that needs something. Given until
//! it was let in once: from then on its key is known.

use lamparina_protocol::message::ToServer;

/// What to give. Shown nowhere.
#[derive(Clone, Default, Eq, PartialEq)]
pub struct Pass {
    /// The code of an invite.
    pub invite: Option<String>,
    /// The password for the name.
    pub password: Option<String>,
}

impl std::fmt::Debug for Pass {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let of = |there: bool| if there { "given" } else { "none" };
        let invite = of(self.invite.is_some());
        write!(
            f,
            "Pass(invite {invite}, password {})",
            of(self.password.is_some())
        )
    }
}

impl Pass {
    /// The messages that give it, in order.
    pub(crate) fn messages(&self) -> impl Iterator<Item = ToServer> + use<> {
        let invite = self.invite.clone().map(|code| ToServer::Invite { code });
        let password = self.password.clone();
        let password = password.map(|password| ToServer::Password { password });
        invite.into_iter().chain(password)
    }
}
