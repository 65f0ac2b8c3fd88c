//! What runners say about an app, and what can be said about its pool.

use ostler_job::{Span, TenantId, Termination};
use ostler_machine::clock;
use ostler_notices::BootFailure;

use super::Pool;

/// The last word of one runner about one app.
#[derive(Clone, Debug, Default)]
pub struct AppState {
    pub ready: u32,
    /// The most that were ready at once since none was: what has been told.
    pub told: u32,
    /// Why it does not boot, while it does not.
    pub failure: Option<BootFailure>,
    /// Counts of the STATE frame by name: children by state, spawns, exits by reason.
    pub numbers: Vec<(String, u64)>,
}

impl Pool {
    /// Notes what a runner says about the app.
    pub fn set_state(&self, runner: &str, state: Option<AppState>) {
        {
            let mut inner = self.lock();
            match state {
                Some(state) => inner.states.insert(runner.to_owned(), state),
                None => inner.states.remove(runner),
            };
        }
        if self.is_failed() {
            self.fail_waiting(Termination::AppFailed);
        }
    }

    /// The states that runners told, by runner.
    pub fn states(&self) -> Vec<(String, AppState)> {
        self.lock().states.iter().map(|(name, state)| (name.clone(), state.clone())).collect()
    }

    /// The app fails to boot on every runner that has it, and no child is left from before.
    pub fn is_failed(&self) -> bool {
        let inner = self.lock();
        inner.suppliers.is_empty()
            && !inner.states.is_empty()
            && inner.states.values().all(|state| state.failure.is_some())
    }

    /// Slots are there, free or not.
    pub fn is_ready(&self) -> bool {
        self.lock().suppliers.values().any(|s| s.slots > 0)
    }

    /// Jobs that wait now, jobs that run now, and the longest wait.
    pub fn load(&self) -> (usize, usize, Span) {
        let inner = self.lock();
        let oldest = inner.scheduler.oldest_wait(clock::now()).unwrap_or_default();
        (inner.scheduler.waiting(), inner.scheduler.running(), oldest)
    }

    /// Waiting and running jobs by tenant name.
    pub fn by_tenant(&self) -> Vec<(String, u32, u32)> {
        let inner = self.lock();
        let row = |(tenant, waiting, running): (TenantId, u32, u32)| {
            (inner.tenants.name(tenant), waiting, running)
        };
        inner.scheduler.tenants().map(row).collect()
    }

    /// About how long a new job would wait: what Retry-After says.
    pub fn next_start(&self) -> Span {
        self.lock().scheduler.next_start(clock::now())
    }
}
