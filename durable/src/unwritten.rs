//! Kill orders that the store cannot take now: to the runners that it says have the jobs.

use ostler_job::durable::{AttemptKey, Order};

use super::{driver_thread::DriverThread, link::Outgoing};
use ostler_driver::{Answer, Steer, Verb};

impl DriverThread {
    /// Sends them. Answered as done when every job of it runs; otherwise refused like whatever needs the store.
    pub(super) fn kill_unwritten(&mut self, steer: &Steer) {
        let order = if steer.verb == Verb::Kill { Order::KillNow } else { Order::Kill };
        let ids: Vec<_> = steer.jobs.iter().map(|job| job.id).collect();
        let known = self.shared.store.jobs(&ids).unwrap_or_default();
        let mut frames = Outgoing::default();
        let mut answers = Vec::new();
        for job in known.into_iter().filter(|job| job.status.state.is_out()) {
            let (attempt, fence) = (job.status.attempts, job.status.fence);
            let Some(runner) = job.status.runner else { continue };
            frames.steer(runner.into(), AttemptKey { job: job.id, attempt, fence }, order);
            answers.push(Answer::Done { job: job.id, state: job.status.state });
        }
        // What is not sent is sent when the runner is back and the order is written.
        drop(frames.send(&self.shared.runners, &std::collections::HashMap::new()));
        if answers.len() != ids.len() {
            return self.refuse(steer.ticket);
        }
        if let Some(asker) = self.asked.remove(&steer.ticket) {
            // Who asked may have gone.
            let _ = asker.send(Ok(answers));
        }
    }
}
