//! That every waiting job is told what holds it up, and that it is true.

use ostler_job::{HostId, JobId, QueueId};

use super::World;
use crate::at;

impl World {
    /// Of every job that waits something holds, and is so.
    pub(super) fn check_reasons(&mut self) {
        if self.s.poll_timeout().is_some_and(|(moment, _)| moment <= at(self.now)) {
            // What time has opened, nobody has told it of yet.
            return;
        }
        for (&id, &queue) in &self.waiting {
            let job = JobId(id);
            assert!(self.s.is_waiting(job), "job {id} waits");
            let Some(place) = self.s.place(job) else {
                self.check_blocker(job);
                continue;
            };
            let standing = self.s.standing(job).unwrap();
            let is_open = self.s.levels(QueueId(queue), at(self.now)).all(|level| level.is_open());
            if place.before == 0 && is_open && !standing.is_capped {
                let pin = self.hosts.get(&id);
                let may =
                    |host: &u32| pin.is_none_or(|pin| pin == host) && self.may_use(queue, *host);
                let free: u32 = (0..4).filter(may).map(|host| self.s.free_at(HostId(host))).sum();
                assert_eq!(free, 0, "job {id} is next in an open queue and has a slot");
            }
        }
        for &queue in self.queues.keys() {
            let opens = self.s.levels(QueueId(queue), at(self.now)).find_map(|it| it.closed_until);
            if let Some(opens) = opens {
                let told = self.told.entry(queue).or_insert(opens);
                *told = opens.max(*told);
            }
        }
    }

    /// What a job waits for is had, or wanted before it, by another one that there is.
    fn check_blocker(&self, job: JobId) {
        let (resource, blocker) = self.s.blocker(job).expect("who waits in no queue is told why");
        let names = |id: &u64| self.claims[id].iter().any(|claim| claim.resource == resource);
        assert!(names(&job.0) && names(&blocker.0), "{job} and {blocker} name it");
        if self.s.has_resources(blocker) {
            let has = [&self.running, &self.kept, &self.waiting];
            assert!(has.iter().any(|jobs| jobs.contains_key(&blocker.0)), "{blocker} is there");
        } else {
            assert!(blocker < job, "{blocker} stands before {job}");
            assert!(self.waiting.contains_key(&blocker.0), "{blocker} waits");
        }
    }

    /// No job of a queue starts before the moment that was told of it, or of one above.
    pub(super) fn check_told(&self, queue: u32) {
        let told = self.told.get(&queue);
        assert!(
            told.is_none_or(|&told| told <= at(self.now)),
            "queue {queue} opened before {told:?}"
        );
    }
}
