//! What operators do, told to the driver with the records that it needs.

use std::collections::HashMap;

use ostler_job::JobId;
use ostler_store::Job;

use super::{Jobs, Unavailable, failed};
use ostler_driver::{ActorInput, Answer, Steer, SteerJob, Verb};

impl Jobs {
    /// Does something to jobs; answers when that is safe. One answer for each job.
    pub(crate) async fn steer(
        &self,
        who: &str,
        verb: Verb,
        jobs: Vec<JobId>,
    ) -> Result<Vec<Answer>, Unavailable> {
        let mut answers = self.steer_once(who, &verb, &jobs).await?;
        let unknown = |&place: &usize| answers[place] == Answer::Unknown;
        let places: Vec<usize> = (0..answers.len()).filter(unknown).collect();
        if places.is_empty() {
            return Ok(answers);
        }
        // A job that was read as unfinished may have finished before the driver heard. The driver answers in the order of
        // its commits, so that the record is new when it is read now.
        let missed = places.iter().map(|&place| jobs[place]).collect();
        let there = self.get(missed).await.map_err(failed)?;
        let there: HashMap<_, _> =
            there.into_iter().map(|job| (job.id, job.status.state)).collect();
        let there =
            |place: usize| there.get(&jobs[place]).map(|&state| (place, jobs[place], state));
        let again: Vec<_> = places.into_iter().filter_map(there).collect();
        let ids: Vec<JobId> = again.iter().map(|&(_, job, _)| job).collect();
        let repeated = match ids.is_empty() {
            true => Vec::new(),
            false => self.steer_once(who, &verb, &ids).await?,
        };
        for ((place, job, state), answer) in again.into_iter().zip(repeated) {
            // One that changes faster than anybody looks is there all the same.
            let is_known = answer != Answer::Unknown;
            answers[place] = if is_known { answer } else { Answer::NotNow { job, state } };
        }
        Ok(answers)
    }

    async fn steer_once(
        &self,
        who: &str,
        verb: &Verb,
        jobs: &[JobId],
    ) -> Result<Vec<Answer>, Unavailable> {
        let found = self.get(jobs.to_vec()).await.map_err(failed)?;
        let mut finished: HashMap<JobId, Job> = found
            .into_iter()
            .filter(|job| job.status.state.is_finished())
            .map(|job| (job.id, job))
            .collect();
        let record = |&id: &JobId| SteerJob { id, finished: finished.remove(&id).map(Box::new) };
        let jobs = jobs.iter().map(record).collect();
        let (who, verb) = (who.to_owned(), verb.clone());
        self.ask(|ticket| ActorInput::Steer(Steer { ticket, who, verb, jobs })).await
    }
}
