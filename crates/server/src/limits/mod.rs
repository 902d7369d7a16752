//! Every limit of a server in one table: what it is called, what it is when nobody says otherwise,
//! between what it may be, and what happens beyond it. The program's options, its configuration
//! file and `docs/operations.md` are made from, or checked against, [`TABLE`].

mod connections;
mod fixed;
mod rates;
mod table;

use std::sync::{Arc, PoisonError, RwLock};

pub use connections::{Admitted, Connections, Over, Permit, WINDOW_FLOOR_BYTES, raise_file_limit};
pub use fixed::{FIXED, Fixed};
pub use rates::{AuthorRates, Rates, TooMuch, What};
pub use table::{Limit, Limits, TABLE};

/// The limits in force, shared by all who hold to them. What is changed holds from then on, for
/// connections and sessions that begin then.
#[derive(Clone, Debug, Default)]
pub struct InForce(Arc<RwLock<Limits>>);

impl InForce {
    /// These.
    pub fn new(limits: Limits) -> Self {
        Self(Arc::new(RwLock::new(limits)))
    }

    /// The limits now.
    pub fn get(&self) -> Limits {
        // Nothing that panics runs while they are written.
        *self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Others from now on.
    pub fn set(&self, limits: Limits) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = limits;
    }
}
