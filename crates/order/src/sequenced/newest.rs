//! Keeps enough of what was said to one audience (all, or a room) to tell each of its members
//! the newest stamp that was for it, without touching the members for each message.

use lamparina_protocol::{Lamport, MemberId};

/// The newest message to an audience, and the newest one by another author than that one's.
///
/// A message is for everybody but its author. So for its author the newest is the other one, and
/// for everybody else the first.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Newest {
    last: Option<(MemberId, Lamport)>,
    by_another: Lamport,
}

impl Newest {
    /// The newest message: whose, and its stamp.
    pub(super) const fn last(&self) -> Option<(MemberId, Lamport)> {
        self.last
    }

    /// Who said the newest.
    pub(super) fn author(&self) -> Option<MemberId> {
        self.last.map(|(author, _)| author)
    }

    /// The newest stamp by another author than the newest one's.
    pub(super) const fn by_another(&self) -> Lamport {
        self.by_another
    }

    /// As it was.
    pub(super) const fn restore(author: MemberId, stamp: Lamport, by_another: Lamport) -> Self {
        Self {
            last: Some((author, stamp)),
            by_another,
        }
    }

    /// Notes a message by `author`, later than all before.
    pub(super) fn note(&mut self, author: MemberId, stamp: Lamport) {
        if let Some((other, before)) = self.last
            && other != author
        {
            self.by_another = before;
        }
        self.last = Some((author, stamp));
    }

    /// The newest stamp for `member`, who belongs to the audience since `since`; 0 for none.
    pub(super) fn for_member(&self, member: MemberId, since: Lamport) -> Lamport {
        let stamp = match self.last {
            Some((author, stamp)) if author != member => stamp,
            _ => self.by_another,
        };
        if stamp > since { stamp } else { Lamport::ZERO }
    }
}
