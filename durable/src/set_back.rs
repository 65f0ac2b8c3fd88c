//! Schedules go on from now when the clock was set back by hours and has stayed so, as after a start of the gateway: a host that
//! started with a clock that was hours ahead would have them fire so much too early, or stand silent, until then.

use std::time::Duration;

use ostler_driver::{Answer, ScheduleRefusal, ScheduleVerb, ScheduleView};
use ostler_job::durable::ScheduleName;
use ostler_machine::clock;

use super::{Jobs, Unavailable};

/// Schedules that are looked at at once.
const PAGE: usize = 500;
/// Before what could not be done is tried again.
const AGAIN: Duration = Duration::from_secs(10);
/// Whose orders these are; what is written of them is that a schedule was set back, and by no person.
const WHO: &str = "clock";

/// Runs until the runtime ends.
pub async fn run(jobs: Jobs) {
    loop {
        jobs.set_back.notified().await;
        let mut after = None;
        loop {
            match page(&jobs, after.clone()).await {
                Ok(None) => break,
                Ok(Some(last)) => after = Some(last),
                Err(_) => tokio::time::sleep(AGAIN).await,
            }
        }
    }
}

/// Sets back those whose names come next; answers the last of them.
async fn page(
    jobs: &Jobs,
    after: Option<ScheduleName>,
) -> Result<Option<ScheduleName>, Unavailable> {
    let answers = jobs.look_schedules(None, None, after, PAGE).await?;
    let mut last = None;
    for answer in answers {
        if let Answer::Schedule(view) = answer {
            last = Some(view.schedule.name.clone());
            set_back(jobs, view).await?;
        }
    }
    Ok(last)
}

/// What has a job is read after the look, and counts only if nothing was decided since.
async fn set_back(jobs: &Jobs, mut view: Box<ScheduleView>) -> Result<(), Unavailable> {
    loop {
        let name = view.schedule.name.clone();
        // Also of those that stand before it: somebody may have ordered them to run since.
        let now = clock::wall_now();
        let fired = jobs.fired_after(name.clone(), now, usize::MAX).await?;
        if fired.is_empty() && view.schedule.stand.cursor <= now {
            return Ok(());
        }
        let verb = ScheduleVerb::SetBack { fired, version: view.version };
        let answer = jobs.order_schedule(WHO, None, name.clone(), verb).await?;
        let has_changed =
            matches!(answer, Answer::ScheduleRefused { why: ScheduleRefusal::Changed, .. });
        if !has_changed {
            return Ok(());
        }
        let again = jobs.look_schedules(Some(name), None, None, 1).await?.pop();
        let Some(Answer::Schedule(again)) = again else { return Ok(()) };
        view = again;
    }
}
