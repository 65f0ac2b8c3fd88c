//! Why jobs wait, as the driver knows it. It is asked of its thread in small pieces, which nobody else waits long for, and answered at
//! once: what is told changes nothing, so no commit is waited for.

use ostler_api::backend::Unavailable;
use ostler_driver::{Explained, Why};
use ostler_job::JobId;
use tokio::sync::oneshot;

use super::{Jobs, driver_thread::DriverMessage};

/// Jobs that are asked for at once.
const PIECE: usize = 100;

impl Jobs {
    /// Why each of these jobs has not started, as far as anything holds it up.
    pub(crate) async fn whys(&self, jobs: Vec<JobId>) -> Result<Vec<Option<Why>>, Unavailable> {
        let mut whys = Vec::with_capacity(jobs.len());
        for piece in jobs.chunks(PIECE) {
            let (answer, answered) = oneshot::channel();
            // The thread is gone only when the gateway ends: then nobody answers.
            let _ = self.inbox.send(DriverMessage::Whys { jobs: piece.to_vec(), answer });
            match answered.await {
                Ok(Some(told)) => whys.extend(told),
                Ok(None) => whys.extend(piece.iter().map(|_| Some(self.store_failed()))),
                Err(_) => whys.extend(piece.iter().map(|_| Some(Why::Ending))),
            }
        }
        Ok(whys)
    }

    /// All that is to be said of a job's place; `None`: it waits for nothing.
    pub(crate) async fn explain(&self, job: JobId) -> Result<Option<Explained>, Unavailable> {
        let (answer, answered) = oneshot::channel();
        let _ = self.inbox.send(DriverMessage::Explain { job, answer });
        let alone = |why| Some(Explained { whys: vec![why], ..Explained::default() });
        Ok(match answered.await {
            Ok(Some(explained)) => explained.map(|it| *it),
            Ok(None) => alone(self.store_failed()),
            Err(_) => alone(Why::Ending),
        })
    }

    fn store_failed(&self) -> Why {
        let Unavailable(problem) = self.unavailable();
        Why::Store { problem }
    }
}
