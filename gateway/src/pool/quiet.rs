//! Jobs that children are not heard of, and jobs that no child is given.

use std::sync::Arc;

use ostler_job::Termination;
use ostler_wire::Reset;

use super::{
    Pool,
    passing::{Failure, Passing, Seat},
};
use crate::clock;

impl Pool {
    /// Ends the waiting jobs whose kind is held back.
    pub(crate) fn hold_back(&self) {
        let jobs: Vec<Arc<Passing>> = self.lock().jobs.values().cloned().collect();
        for job in jobs.iter().filter(|job| job.started_at().is_none() && job.is_held_back()) {
            job.fail(Failure::from(Termination::Quarantined));
            self.leave(job, Reset::ClientGone);
        }
    }

    /// Where a child should be at work for a second, or two, four and so on, and has not begun to answer.
    pub(crate) fn unanswered(&self) -> Vec<Seat> {
        let now = clock::now();
        let jobs: Vec<Arc<Passing>> = self.lock().jobs.values().cloned().collect();
        let due = jobs.iter().filter(|job| job.is_to_be_asked_about(now));
        // Those behind another one are its child's next.
        let seats = due.filter_map(|job| job.seat());
        seats.filter(|seat| seat.carrier.is_oldest(seat.stream)).collect()
    }
}
