//! Keeps what operators asked until it is answered: each ticket once, and each answer to its asker.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use crate::hub::{Ask, Asked, ConnectionId, OperatorAnswer, OperatorAsk, Ticket};

/// No connection has this number: operators are answered by ticket.
const NO_CONNECTION: ConnectionId = ConnectionId(u64::MAX);

/// Questions on their way: at most one for each connection of an operator.
#[derive(Debug, Default)]
pub(crate) struct Operators(Mutex<Waiting>);

#[derive(Debug, Default)]
struct Waiting {
    next: u64,
    answers: BTreeMap<Ticket, oneshot::Sender<OperatorAnswer>>,
}

impl Operators {
    /// A question for the order, and where its answer comes.
    pub(crate) fn ask(&self, ask: OperatorAsk) -> (Asked, oneshot::Receiver<OperatorAnswer>) {
        let (answer, answered) = oneshot::channel();
        let mut waiting = self.lock();
        let ticket = Ticket(waiting.next);
        waiting.next += 1;
        // Who has gone is not answered.
        waiting.answers.retain(|_, answer| !answer.is_closed());
        waiting.answers.insert(ticket, answer);
        let ask = Ask::Operate {
            ticket,
            ask: Box::new(ask),
        };
        let by = NO_CONNECTION;
        (Asked { by, ask }, answered)
    }

    /// What the order said.
    pub(crate) fn answer(&self, ticket: Ticket, answer: OperatorAnswer) {
        if let Some(waiting) = self.lock().answers.remove(&ticket) {
            let _ = waiting.send(answer);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
