//! Who of a message's recipients has it by now: counts each recipient once, since what a client
//! handed over only grows. Messages to many are not followed one by one; `/trace` counts those.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use lamparina_protocol::message::{RECEIPTS_MAX, Receipt};
use lamparina_protocol::{Lamport, MemberId};

/// Recipients up to which a message is followed.
pub const FOLLOWED_RECIPIENTS_MAX: usize = 64;
/// Messages followed at a time; the oldest is no longer followed then.
pub const FOLLOWED_MESSAGES_MAX: usize = 16_384;

/// One message.
#[derive(Clone, Debug)]
struct Followed {
    stamp: Lamport,
    author: MemberId,
    /// In ascending order; the author may be among them and does not count.
    recipients: Arc<[MemberId]>,
    of: u32,
    delivered: u32,
}

/// The newest messages to few.
#[derive(Clone, Debug, Default)]
pub(super) struct Receipts {
    /// By stamp.
    followed: VecDeque<Followed>,
}

impl Receipts {
    /// A message that is stored now, later than all before.
    pub(super) fn follow(
        &mut self,
        stamp: Lamport,
        author: MemberId,
        recipients: &Arc<[MemberId]>,
    ) {
        let own = usize::from(recipients.binary_search(&author).is_ok());
        let of = recipients.len() - own;
        if of == 0 || recipients.len() > FOLLOWED_RECIPIENTS_MAX {
            return;
        }
        if self.followed.len() >= FOLLOWED_MESSAGES_MAX {
            self.followed.pop_front();
        }
        self.followed.push_back(Followed {
            stamp,
            author,
            recipients: Arc::clone(recipients),
            of: of as u32,
            delivered: 0,
        });
    }

    /// `member` handed over everything after `from` up to `to`. Gives what that completes, by
    /// author, in parts of at most [`RECEIPTS_MAX`].
    pub(super) fn consumed(
        &mut self,
        member: MemberId,
        from: Lamport,
        to: Lamport,
    ) -> Vec<(MemberId, Vec<Receipt>)> {
        let first = self.followed.partition_point(|one| one.stamp <= from);
        let mut by_author: BTreeMap<MemberId, Vec<Receipt>> = BTreeMap::new();
        for one in self.followed.iter_mut().skip(first) {
            if one.stamp > to {
                break;
            }
            if one.author != member && one.recipients.binary_search(&member).is_ok() {
                one.delivered += 1;
                by_author.entry(one.author).or_default().push(Receipt {
                    stamp: one.stamp,
                    delivered: one.delivered,
                    of: one.of,
                });
            }
        }
        let parts = by_author.into_iter().flat_map(|(author, receipts)| {
            let parts: Vec<_> = receipts.chunks(RECEIPTS_MAX).map(<[_]>::to_vec).collect();
            parts.into_iter().map(move |part| (author, part))
        });
        parts.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn members(numbers: &[u32]) -> Arc<[MemberId]> {
        numbers.iter().copied().map(MemberId).collect()
    }

    #[track_caller]
    fn check(receipts: &mut Receipts, member: u32, from: u64, to: u64, expected: &[&str]) {
        let told = receipts.consumed(MemberId(member), Lamport::new(from), Lamport::new(to));
        let told: Vec<String> = told
            .into_iter()
            .map(|(author, receipts)| {
                let each = receipts
                    .iter()
                    .map(|one| format!("{}:{}/{}", one.stamp, one.delivered, one.of));
                format!("m{author} {}", each.collect::<Vec<_>>().join(" "))
            })
            .collect();
        assert_eq!(told, expected);
    }

    #[test]
    fn each_recipient_counts_once_for_what_it_was_sent() {
        let mut receipts = Receipts::default();
        receipts.follow(Lamport::new(1), MemberId(0), &members(&[0, 1, 2]));
        receipts.follow(Lamport::new(3), MemberId(1), &members(&[0]));
        receipts.follow(Lamport::new(4), MemberId(0), &members(&[2]));
        check(&mut receipts, 1, 0, 3, &["m0 1:1/2"]);
        check(&mut receipts, 2, 0, 4, &["m0 1:2/2 4:1/1"]);
        check(&mut receipts, 2, 4, 9, &[]);
        check(&mut receipts, 0, 0, 4, &["m1 3:1/1"]);
    }

    #[test]
    fn messages_to_many_or_nobody_are_not_followed_and_old_ones_are_forgotten() {
        let mut receipts = Receipts::default();
        let many: Vec<u32> = (0..=FOLLOWED_RECIPIENTS_MAX as u32).collect();
        receipts.follow(Lamport::new(1), MemberId(0), &members(&many));
        receipts.follow(Lamport::new(2), MemberId(0), &members(&[0]));
        check(&mut receipts, 1, 0, 9, &[]);
        for stamp in 3..=(FOLLOWED_MESSAGES_MAX as u64 + 3) {
            receipts.follow(Lamport::new(stamp), MemberId(0), &members(&[1]));
        }
        assert_eq!(receipts.followed.len(), FOLLOWED_MESSAGES_MAX);
        check(&mut receipts, 1, 0, 4, &["m0 4:1/1"]);
    }
}
