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
                let asked = self.answered(|ask| matches!(ask, Ask::History { .. }));
                Event::History { count, more, asked }
            }
            ToClient::Found { hits, more, upto } => {
                self.answered(|ask| matches!(ask, Ask::Find { .. }));
                Event::Found { hits, more, upto }
            }
            ToClient::Trace(trace) => {
                self.answered(|ask| matches!(ask, Ask::Trace(_)));
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
                self.answered(|ask| matches!(ask, Ask::Why(..)));
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

    /// Settles the oldest request that `fits`; says whether there was one. Where none fits, an error
    /// that named no request was taken for its answer: then it is that error's request that goes, so
    /// that each answer settles one.
    pub(super) fn answered(&mut self, fits: impl Fn(&Ask) -> bool) -> bool {
        if self.outbox.answered(fits).is_some() {
            return true;
        }
        let guessed = self.guessed > 0;
        if guessed {
            self.guessed -= 1;
            self.outbox.answered(|ask| *ask != Ask::Who);
        }
        guessed
    }

    /// The oldest request that this may be the answer to is answered: by an error, which names none.
    pub(super) fn answered_by_error(&mut self, code: RefusalCode) {
        let settled = match code {
            RefusalCode::NickTaken | RefusalCode::NickInvalid => {
                self.outbox.answered(|ask| matches!(ask, Ask::Rename(_)))
            }
            RefusalCode::NotInRoom => {
                let room = |ask: &Ask| matches!(ask, Ask::Join(_) | Ask::Leave(_));
                self.outbox.answered(room)
            }
            RefusalCode::NotFound => self.outbox.answered(Ask::reads),
            RefusalCode::Limit => {
                self.guessed += 1;
                self.outbox.answered(|ask| *ask != Ask::Who)
            }
            // What is no question is refused at once, and a question hardly ever so.
            _ => {
                self.guessed += 1;
                let done = |ask: &Ask| *ask != Ask::Who && !ask.reads();
                let settled = self.outbox.answered(done);
                settled.or_else(|| self.outbox.answered(Ask::reads))
            }
        };
        let waiting = self.outbox.len() - self.outbox.messages();
        if settled.is_none() || waiting == 0 {
            // Nothing is left that could have been meant.
            self.guessed = 0;
        }
    }
}
