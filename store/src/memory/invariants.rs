//! What must hold between commits, whatever they were: a simulation drives the model through everything that can fail.

use super::Tables;

impl Tables {
    /// Asserts that all that is kept belongs together. It looks at everything.
    ///
    /// # Panics
    /// When something does not hold, with the sentence that is broken.
    pub(super) fn check_invariants(&self) {
        for (id, job) in &self.jobs {
            assert_eq!(*id, job.id, "a job is found by its id");
            assert!(id.0 <= self.last_job, "job {id} has an id that was given");
        }
        for ((job, number), attempt) in &self.attempts {
            assert!(self.jobs.contains_key(job), "attempt {number} of job {job} has its job");
            assert_eq!(
                (*job, *number),
                (attempt.key.job, attempt.key.attempt),
                "an attempt is found by its key"
            );
        }
        for (name, schedule) in &self.schedules {
            assert_eq!(*name, schedule.name, "a schedule is found by its name");
        }
        for ((schedule, due), firing) in &self.firings {
            assert_eq!(*due, firing.due, "a firing of {schedule} is found by when it was due");
        }
        let newest = self.events.last_key_value().map_or(0, |(seq, _)| *seq);
        assert!(newest <= self.last_event, "an event has a number that was given");
        assert!(
            self.keys.values().all(|key| key.order <= self.key_order),
            "keys are in their order"
        );
    }

    /// In debug builds, checks often while there is little, and more seldom with more.
    pub(super) fn changed(&mut self) {
        self.unchecked += 1;
        if cfg!(debug_assertions) && self.unchecked > (self.jobs.len() + self.events.len()) / 16 {
            self.unchecked = 0;
            self.check_invariants();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[should_panic(expected = "keys are in their order")]
    fn a_key_that_is_newer_than_the_newest_is_noticed() {
        let mut kept = Tables::default();
        kept.check_invariants();
        let key = super::super::tables::Key {
            order: 1,
            request: String::new(),
            jobs: Vec::new(),
            at: ostler_job::Wall(0),
        };
        kept.keys.insert("key".to_owned(), key);
        kept.check_invariants();
    }
}
