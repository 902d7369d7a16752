//! What is asked about messages, and what the server says of them.

use lamparina_protocol::message::{RefusalCode, ToClient};

use super::{Conversation, Output};
use crate::core::event::Event;
use crate::core::outbox::Ask;

impl Conversation {
    /// An answer from what the server has stored, or a receipt.
    pub(super) fn answer(&mut self, answer: ToClient, out: &mut Vec<Output>) {
        let event = match answer {
            ToClient::History { count, more } => {
                let asked = self
                    .outbox
                    .answered(|ask| matches!(ask, Ask::History { .. }));
                let asked = asked.is_some();
                Event::History { count, more, asked }
            }
            ToClient::Found { hits, more, upto } => {
                self.outbox.answered(|ask| matches!(ask, Ask::Find { .. }));
                Event::Found { hits, more, upto }
            }
            ToClient::Trace(trace) => {
                self.outbox.answered(|ask| matches!(ask, Ask::Trace(_)));
                Event::Trace(trace)
            }
            ToClient::Why {
                earlier,
                later,
                reason,
                chain,
                hidden,
                left_out,
            } => {
                self.outbox.answered(|ask| matches!(ask, Ask::Why(..)));
                Event::Why {
                    earlier,
                    later,
                    reason,
                    chain,
                    hidden,
                    left_out,
                }
            }
            ToClient::Receipts {
                by,
                member,
                messages,
            } => {
                let each = messages.into_iter().map(|message| Event::Receipt {
                    stamp: message.stamp,
                    by: by.clone(),
                    member,
                    delivered: message.delivered,
                    of: message.of,
                });
                return out.extend(each.map(Output::Event));
            }
            // The others are answered elsewhere.
            _ => return,
        };
        out.push(Output::Event(event));
    }

    /// The oldest request that this may be the answer to is answered: by an error.
    pub(super) fn answered_by_error(&mut self, code: RefusalCode) {
        let fits = |ask: &Ask| match code {
            RefusalCode::NickTaken | RefusalCode::NickInvalid => matches!(ask, Ask::Rename(_)),
            RefusalCode::NotInRoom => matches!(ask, Ask::Join(_) | Ask::Leave(_)),
            RefusalCode::NotFound => ask.reads(),
            _ => *ask != Ask::Who,
        };
        self.outbox.answered(fits);
    }
}
