//! Which of the process's roles are ready for work, and the page of its metrics.

use std::sync::{Arc, Mutex, PoisonError};

use metrics::Page;
use metrics::registry::ROLE_READY;

/// The roles of one process, each with whether it is ready.
#[derive(Debug, Clone, Default)]
pub struct Readiness {
    roles: Arc<Mutex<Vec<(&'static str, bool)>>>,
    page: Page,
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

    /// The metrics of the process.
    pub fn page(&self) -> &Page {
        &self.page
    }

    /// Shows on the page which of the roles that there are by now are ready.
    pub fn show(&self) {
        let handle = |(role, _)| (role, self.page.gauge(&ROLE_READY, &[role]));
        let handles: Vec<_> = self.roles().into_iter().map(handle).collect();
        let readiness = self.clone();
        self.page.before_reading(move || {
            for ((_, gauge), (_, ready)) in handles.iter().zip(readiness.roles()) {
                gauge.set(ready.into());
            }
        });
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
    /// Where the role shows its metrics: beside the flag, on the operations listener.
    pub fn page(&self) -> &Page {
        &self.readiness.page
    }

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

    #[test]
    fn the_page_says_which_roles_are_ready_when_it_is_read() {
        let readiness = Readiness::default();
        let (gateway, _consumer) =
            (readiness.flag("ingest-gateway"), readiness.flag("delivery-consumer"));
        readiness.show();
        gateway.raise();
        let text = readiness.page().text().unwrap();
        assert!(text.contains("hooklog_role_ready{role=\"ingest-gateway\"} 1\n"), "{text}");
        assert!(text.contains("hooklog_role_ready{role=\"delivery-consumer\"} 0\n"), "{text}");
    }
}
