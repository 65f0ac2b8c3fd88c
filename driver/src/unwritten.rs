//! Kill orders while the store cannot be written: they go out at once, because what fills the disk may be just what is to be
//! killed. They are decided, and written, when the store takes changes again. A gateway that ends before that forgets that
//! they were orders, and the attempt counts as a failed one.

use ostler_job::{Now, durable::Report};

use super::{Steer, Verb, actor::Actor, actor_input::Output};

impl Steer {
    /// Whether it ends what runs.
    pub(super) const fn is_kill(&self) -> bool {
        matches!(self.verb, Verb::Cancel | Verb::Kill)
    }
}

impl Actor {
    /// A kill order that cannot be written, or was not. One about a job whose end is only not written yet is refused: it
    /// has nothing to kill.
    pub(super) fn kill_unwritten(&mut self, steer: Steer) {
        let ended = |report: &Report| {
            let of_job = steer.jobs.iter().any(|job| job.id == report.key().job);
            of_job && matches!(report, Report::Finished(_))
        };
        if self.kept.any(ended) {
            return self.outputs.push_back(Output::Refuse(steer.ticket));
        }
        self.unwritten.push(steer.clone());
        self.outputs.push_back(Output::Kill(steer));
    }

    /// The store takes changes again.
    pub(super) fn write_kills(&mut self, now: Now) {
        for steer in std::mem::take(&mut self.unwritten) {
            self.steer(steer, now);
        }
    }

    pub(super) fn steer(&mut self, steer: Steer, now: Now) {
        if steer.is_kill() {
            self.next.steers.push(steer.clone());
        }
        self.driver.handle_steer(steer, now);
    }
}
