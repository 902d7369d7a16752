//! Every limit of a server in one table: what it is called, what it is when nobody says otherwise,
//! between what it may be, and what happens beyond it. The program's options, its configuration
//! file and `docs/operations.md` are made from, or checked against, [`TABLE`].

mod connections;
mod fixed;
mod rates;
mod table;
mod turns;

use std::sync::{Arc, PoisonError, RwLock};

pub use connections::{Admitted, Connections, Over, Permit, WINDOW_FLOOR_BYTES, raise_file_limit};
pub use fixed::{FIXED, Fixed};
pub use rates::{AuthorRates, Rates, TooMuch, What};
pub use table::{Limit, Limits, TABLE};
pub use turns::{Turn, Turns};

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

#[cfg(test)]
mod tests {
    use super::*;

    /// The table of `docs/operations.md`, as it must stand there.
    fn documented() -> String {
        let mut out = "| setting | what it limits | unit | default | from | to | beyond |\n\
                       |---|---|---|---|---|---|---|\n"
            .to_owned();
        for limit in TABLE {
            let Limit {
                name,
                about,
                unit,
                default,
                min,
                max,
                beyond,
                ..
            } = limit;
            out.push_str(&format!(
                "| `{name}` | {about} | {unit} | {default} | {min} | {max} | {beyond} |\n"
            ));
        }
        for fixed in FIXED {
            let Fixed {
                about,
                unit,
                value,
                beyond,
            } = fixed;
            out.push_str(&format!(
                "| (fixed) | {about} | {unit} | {value} | | | {beyond} |\n"
            ));
        }
        out
    }

    #[test]
    fn the_documented_table_is_this_one() {
        let doc = include_str!("../../../../docs/operations.md");
        let expected = documented();
        assert!(
            doc.contains(&expected),
            "docs/operations.md needs this table:\n{expected}"
        );
    }

    #[test]
    fn every_limit_is_within_its_range_and_has_a_place_of_its_own() {
        let mut names = std::collections::BTreeSet::new();
        for limit in TABLE {
            assert!(
                (limit.min..=limit.max).contains(&limit.default),
                "{}",
                limit.name
            );
            assert!(names.insert(limit.name));
            let (mut limits, before) = (Limits::default(), Limits::default());
            assert_eq!(*(limit.field)(&mut limits), limit.default);
            *(limit.field)(&mut limits) += 1;
            assert_ne!(limits, before);
        }
    }
}
