//! What holds of a disk and of what was told: nothing before it is durable, and what was durable is
//! there after every restart.

use std::collections::BTreeMap;

use lamparina_order::{Record, Recorded};
use lamparina_protocol::message::{RefusalCode, ToClient};
use lamparina_protocol::{AuthorKey, Epoch, MemberId, Pseq};

use super::{Check, Checked, Name, Violation, Who, digest};

impl Check {
    /// Entries are on the disk.
    pub fn stored(&mut self, records: &[Record]) {
        for record in records {
            if let Recorded::Claimed { member, .. } | Recorded::Redeemed { member, .. } =
                &record.event
            {
                self.claimed.insert(*member);
            }
        }
    }

    /// Something was given to the link of a person; `author` is who has a member's number.
    ///
    /// # Errors
    ///
    /// As [`Self::ordered`].
    pub fn told(&mut self, who: Who, told: &ToClient, author: impl Fn(MemberId) -> Who) -> Checked {
        let name = |who, epoch: &Epoch, pseq: &Pseq| {
            let (epoch, pseq) = (*epoch, *pseq);
            Name { who, epoch, pseq }
        };
        match told {
            ToClient::Message(delivery) => {
                let author = author(delivery.member);
                let name = name(author, &delivery.epoch, &delivery.pseq);
                self.told_place(who, name, delivery.stamp.get())
            }
            ToClient::MessageParted(parted) => {
                let delivery = &parted.rest;
                let author = author(delivery.member);
                let name = name(author, &delivery.epoch, &delivery.pseq);
                self.told_place(who, name, delivery.stamp.get())
            }
            ToClient::Committed { epoch, pseq, stamp } => {
                self.told_place(who, name(who, epoch, pseq), stamp.get())
            }
            ToClient::Refused {
                epoch, pseq, code, ..
            } => self.told_refusal(name(who, epoch, pseq), *code),
            ToClient::Entered { member, .. } if !self.claimed.contains(member) => {
                Err(Violation::EnteredBeforeDurable(who))
            }
            _ => Ok(()),
        }
    }

    fn told_place(&mut self, viewer: Who, name: Name, stamp: u64) -> Checked {
        if let Some(first) = self.told_at.insert(stamp, name)
            && first != name
        {
            let second = name;
            return Err(Violation::StampTwice {
                stamp,
                first,
                second,
            });
        }
        if let Some(first) = self.told_of.insert(name, stamp)
            && first != stamp
        {
            let second = stamp;
            return Err(Violation::TwoPlaces {
                name,
                first,
                second,
            });
        }
        match self.ordered.get(&stamp).map(|ordered| ordered.name) {
            Some(there) if there == name => Ok(()),
            None => Err(Violation::BeforeDurable {
                viewer,
                name,
                stamp,
            }),
            there => Err(Violation::NotTheOrder {
                viewer,
                name,
                stamp,
                there,
            }),
        }
    }

    fn told_refusal(&self, name: Name, code: RefusalCode) -> Checked {
        let decides = !matches!(code, RefusalCode::TakenOver | RefusalCode::ShuttingDown);
        let code = code.name();
        if decides && !self.was_refused(&name, code) {
            return Err(Violation::RefusedBeforeDurable { name, code });
        }
        Ok(())
    }

    /// A server starts on this: everything that was durable is there, unchanged, and nothing else.
    ///
    /// # Errors
    ///
    /// As [`Self::ordered`].
    pub fn reopened(&self, records: &[Record], who_has: impl Fn(&AuthorKey) -> Who) -> Checked {
        let mut members = BTreeMap::new();
        let mut ordered = self.ordered.iter().peekable();
        for record in records {
            let message = match &record.event {
                Recorded::Claimed { member, author, .. }
                | Recorded::Redeemed { member, author, .. } => {
                    members.insert(*member, who_has(author));
                    continue;
                }
                Recorded::Message(message) => message,
                _ => continue,
            };
            let stamp = record.stamp.get();
            let name = members.get(&message.member).map(|who| Name {
                who: *who,
                epoch: message.epoch,
                pseq: message.pseq,
            });
            let next = ordered.next().map(|(at, there)| (*at, there.name));
            if next.zip(name) != name.map(|name| ((stamp, name), name)) {
                let (stamp, was) = next.map_or((stamp, None), |(at, was)| (at, Some(was)));
                let is = name.filter(|_| stamp == record.stamp.get());
                return Err(Violation::Lost { stamp, was, is });
            }
            let said = name.and_then(|name| self.said.get(&name).map(|said| (name, said)));
            if let Some((name, said)) = said
                && said.text != digest(&message.text)
            {
                let viewer = name.who;
                return Err(Violation::Altered { viewer, name });
            }
        }
        match ordered.next() {
            None => Ok(()),
            Some((stamp, was)) => Err(Violation::Lost {
                stamp: *stamp,
                was: Some(was.name),
                is: None,
            }),
        }
    }
}
