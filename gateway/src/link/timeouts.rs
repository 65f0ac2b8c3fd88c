//! Ends the requests of a pool that have timed out, and has runners look after children that are not heard of.

use std::sync::Arc;

use ostler_job::Termination;
use ostler_machine::clock;
use ostler_pool::{Pool, passing::Failure};
use ostler_wire::Reset;

use super::local::LocalLinks;
use crate::still::read_first;

/// Sleeps until something has timed out.
pub(crate) async fn run(pool: Arc<Pool>, links: Arc<LocalLinks>) {
    loop {
        read_first(pool.any_timeout().await).await;
        let timed_out = pool.handle_time(clock::now());
        for (assignment, quiet) in timed_out.quiet {
            links.unanswered(&assignment, quiet);
        }
        for job in timed_out.overdue {
            // What its child has not come to is only taken away: somebody else's request runs there.
            let assignment = job.assignment().filter(|_| job.started_at().is_some());
            job.fail(Failure::from(Termination::Deadline));
            pool.leave(&job, Reset::Deadline);
            if let Some(assignment) = assignment {
                links.overdue(&assignment.carrier, assignment.stream);
            }
        }
    }
}
