//! Who waits for which job.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard},
};

use ostler_job::JobId;
use tokio::sync::watch;

/// One channel for each job that somebody waits for.
#[derive(Debug, Default)]
pub(super) struct Watches(Mutex<HashMap<JobId, watch::Sender<u64>>>);

impl Watches {
    fn lock(&self) -> MutexGuard<'_, HashMap<JobId, watch::Sender<u64>>> {
        self.0.lock().expect("no code panics while it holds the watches")
    }

    /// Changes when [`Watches::poke`] names the job.
    pub(super) fn watch(&self, job: JobId) -> watch::Receiver<u64> {
        let mut all = self.lock();
        if all.len() >= CROWD {
            all.retain(|_, sender| sender.receiver_count() > 0);
        }
        all.entry(job).or_insert_with(|| watch::Sender::new(0)).subscribe()
    }

    /// The job or its log changed.
    pub(super) fn poke(&self, job: JobId) {
        let mut all = self.lock();
        let Some(sender) = all.get(&job) else { return };
        if sender.receiver_count() == 0 {
            all.remove(&job);
        } else {
            sender.send_modify(|count| *count = count.wrapping_add(1));
        }
    }
}

/// From so many on, those that nobody waits for any more are looked for.
const CROWD: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_poke_wakes_the_watchers_of_that_job_alone() {
        let watches = Watches::default();
        let (one, other) = (watches.watch(JobId(1)), watches.watch(JobId(2)));
        watches.poke(JobId(1));
        assert!(one.has_changed().unwrap());
        assert!(!other.has_changed().unwrap());
    }

    #[test]
    fn what_nobody_waits_for_is_forgotten() {
        let watches = Watches::default();
        drop(watches.watch(JobId(1)));
        watches.poke(JobId(1));
        assert!(watches.lock().is_empty());
    }
}
