//! What must hold of the numbers that the writer gives, whatever a commit was. What is in the file is somebody else's word: that is
//! refused with an error and never asserted.

use super::{write::Counters, writer::Writer};

impl Writer {
    /// Asserts that numbers go on from where they were, and that those beside the file are not behind. Debug builds call it after
    /// every commit.
    ///
    /// # Panics
    /// When something does not hold, with the sentence that is broken.
    pub(super) fn check_invariants(&self, before: &Counters) {
        let now = self.counters();
        assert!(now.last_job >= before.last_job, "the number of a job is never given again");
        assert!(now.last_event >= before.last_event, "the number of an event is never given again");
        let Some(known) = self.known() else { return };
        assert!(
            known.jobs.reserved >= now.last_job && known.events.reserved >= now.last_event,
            "what is given was reserved beside the file before"
        );
    }

    /// Checks in debug builds; release builds do not check by themselves.
    pub(super) fn changed(&self, before: &Counters) {
        if cfg!(debug_assertions) {
            self.check_invariants(before);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn writer() -> (tempfile::TempDir, Writer) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("jobs.db");
        let db = super::super::open::writer(&path, None).unwrap();
        (folder, Writer::new(db, &path).unwrap())
    }

    #[test]
    #[should_panic(expected = "the number of a job is never given again")]
    fn a_job_number_that_goes_back_is_noticed() {
        let (_folder, writer) = writer();
        writer.check_invariants(&Counters::default());
        writer.check_invariants(&Counters { last_job: 1, ..Counters::default() });
    }
}
