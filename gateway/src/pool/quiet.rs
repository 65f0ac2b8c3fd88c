//! Jobs that children are not heard of, and jobs that no child is given.

use std::sync::Arc;

use ostler_job::Termination;
use ostler_machine::clock;
use ostler_wire::Reset;

use super::{
    Pool,
    passing::{Failure, Passing, Quiet, Seat},
};

impl Pool {
    /// Ends the waiting jobs whose kind is held back.
    pub(crate) fn hold_back(&self) {
        let jobs: Vec<Arc<Passing>> = self.lock().jobs.values().cloned().collect();
        let spare = self.spare(clock::now());
        let waits = |job: &&Arc<Passing>| job.started_at().is_none();
        for job in jobs.iter().filter(waits).filter(|job| job.is_held_back(spare)) {
            job.fail(Failure::from(Termination::Quarantined));
            self.leave(job, Reset::ClientGone);
        }
    }

    /// Where nothing has been heard of a child for a quarter of a second, or half of one, one, two and so on; and where a child
    /// has not begun what is somebody else's meanwhile.
    pub(crate) fn unanswered(&self) -> Vec<(Seat, Quiet)> {
        let now = clock::now();
        let inner = self.lock();
        let jobs: Vec<Arc<Passing>> = inner.jobs.values().cloned().collect();
        let unheard = inner.suppliers.values().filter(|supplier| supplier.unheard);
        let unheard: Vec<_> = unheard.map(|supplier| supplier.carrier.clone()).collect();
        drop(inner);
        let unheard = unheard.into_iter().filter_map(|carrier| {
            let stream = carrier.unheard()?;
            Some((Seat { carrier, stream }, Quiet::Unanswered))
        });
        let due = jobs.iter().filter_map(|job| Some((job.seat()?, job.is_to_be_asked_about(now)?)));
        // Those behind another one are its child's next.
        due.filter(|(seat, _)| seat.carrier.is_oldest(seat.stream)).chain(unheard).collect()
    }
}
