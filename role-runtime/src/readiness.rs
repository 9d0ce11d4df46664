//! Which of the process's roles are ready for work.

use std::sync::{Arc, Mutex, PoisonError};

/// The roles of one process, each with whether it is ready.
#[derive(Debug, Clone, Default)]
pub struct Readiness {
    roles: Arc<Mutex<Vec<(&'static str, bool)>>>,
}

impl Readiness {
    /// A role's own flag; it is down until the role raises it.
    pub fn flag(&self, role: &'static str) -> ReadyFlag {
        self.update(|roles| roles.push((role, false)));
        ReadyFlag { role, readiness: self.clone() }
    }

    /// Every role with whether it is ready.
    pub fn roles(&self) -> Vec<(&'static str, bool)> {
        self.update(|roles| roles.clone())
    }

    fn update<T>(&self, change: impl FnOnce(&mut Vec<(&'static str, bool)>) -> T) -> T {
        change(&mut self.roles.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// One role's flag. A role raises it when it can do its work, and never lowers it because a
/// store is away: it goes on trying, and a restart would not help.
#[derive(Debug, Clone)]
pub struct ReadyFlag {
    role: &'static str,
    readiness: Readiness,
}

impl ReadyFlag {
    pub fn raise(&self) {
        tracing::info!(role = self.role, "ready");
        self.readiness.update(|roles| {
            for (role, ready) in roles.iter_mut() {
                *ready |= *role == self.role;
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flag_raises_its_own_role_and_no_other() {
        let readiness = Readiness::default();
        let (gateway, _consumer) = (readiness.flag("gateway"), readiness.flag("consumer"));
        gateway.raise();
        assert_eq!(readiness.roles(), [("gateway", true), ("consumer", false)]);
    }
}
