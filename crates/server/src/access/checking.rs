//! The threads that check passwords: two, for each takes tens of milliseconds of a processor and tens
//! of MiB. Who comes when many wait is told to come again: a flood costs what two checks cost.

use std::sync::{Arc, Mutex, PoisonError, mpsc};

use lamparina_protocol::Nick;
use tokio::sync::oneshot;

use super::passwords::{Memory, Passwords};

/// Passwords checked at a time.
const THREADS: usize = 2;
/// Passwords that wait for their turn.
pub const WAITING_MAX: usize = 64;

/// What came of a password.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Checked {
    /// It is the one of that name.
    Right,
    /// It is not.
    Wrong,
    /// Too many wait.
    Busy,
}

struct Job {
    nick: Nick,
    password: String,
    done: oneshot::Sender<bool>,
}

/// Checks passwords, a few at a time. The threads end with it.
#[derive(Clone, Debug)]
pub struct Checker {
    jobs: mpsc::SyncSender<Job>,
}

impl Checker {
    /// Starts the threads.
    ///
    /// # Errors
    ///
    /// When the system gives none.
    pub fn start(passwords: &Arc<Passwords>) -> std::io::Result<Self> {
        let (jobs, waiting) = mpsc::sync_channel::<Job>(WAITING_MAX);
        let waiting = Arc::new(Mutex::new(waiting));
        for number in 0..THREADS {
            let (waiting, passwords) = (Arc::clone(&waiting), Arc::clone(passwords));
            let thread = std::thread::Builder::new().name(format!("password-{number}"));
            thread.spawn(move || work(&waiting, &passwords))?;
        }
        Ok(Self { jobs })
    }

    /// Whether this is the password of `nick`.
    pub async fn check(&self, nick: Nick, password: String) -> Checked {
        let (done, checked) = oneshot::channel();
        let job = Job {
            nick,
            password,
            done,
        };
        if self.jobs.try_send(job).is_err() {
            return Checked::Busy;
        }
        match checked.await {
            Ok(true) => Checked::Right,
            Ok(false) => Checked::Wrong,
            Err(_) => Checked::Busy,
        }
    }
}

fn work(waiting: &Mutex<mpsc::Receiver<Job>>, passwords: &Passwords) {
    let mut memory = Memory::default();
    loop {
        let job = waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .recv();
        let Ok(job) = job else {
            return;
        };
        // Who has gone need not be told.
        if !job.done.is_closed() {
            let _ = job
                .done
                .send(passwords.verify(&job.nick, &job.password, &mut memory));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn passwords_are_checked_and_a_flood_is_told_to_wait() {
        let file = format!("ana:{}", super::super::passwords::hash("x").unwrap());
        let passwords = Arc::new(Passwords::parse(&file).unwrap());
        let checker = Checker::start(&passwords).unwrap();
        let ana = Nick::try_from("ana").unwrap();
        assert_eq!(
            checker.check(ana.clone(), "x".to_owned()).await,
            Checked::Right
        );
        assert_eq!(
            checker.check(ana.clone(), "y".to_owned()).await,
            Checked::Wrong
        );
        let mut flood = tokio::task::JoinSet::new();
        for _ in 0..4 * WAITING_MAX {
            let (checker, ana) = (checker.clone(), ana.clone());
            flood.spawn(async move { checker.check(ana, "y".to_owned()).await });
        }
        let all = flood.join_all().await;
        let busy = all
            .iter()
            .filter(|checked| **checked == Checked::Busy)
            .count();
        // All came before the first few were done.
        assert!(busy >= WAITING_MAX, "{busy}");
        assert!(!all.contains(&Checked::Right));
        assert_eq!(checker.check(ana, "x".to_owned()).await, Checked::Right);
    }
}
