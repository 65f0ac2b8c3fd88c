//! Schedules: what is done to them is asked of the driver, what became of them is read from the store.

use ostler_driver::{ActorInput, Answer, ScheduleLook, ScheduleOrder, ScheduleVerb};
use ostler_job::{
    Wall,
    durable::{Firing, ScheduleName},
};

use super::{Jobs, Unavailable, failed};

impl Jobs {
    /// One schedule, or so many of those whose names come after one: of one tenant, or of all.
    pub(crate) async fn look_schedules(
        &self,
        schedule: Option<ScheduleName>,
        tenant: Option<String>,
        after: Option<ScheduleName>,
        max: usize,
    ) -> Result<Vec<Answer>, Unavailable> {
        let look = |ticket| ScheduleLook { ticket, schedule, tenant, after, max };
        self.ask(|ticket| ActorInput::LookSchedules(look(ticket))).await
    }

    /// Does something to a schedule; answers when that is safe.
    pub(crate) async fn order_schedule(
        &self,
        who: &str,
        tenant: Option<String>,
        schedule: ScheduleName,
        verb: ScheduleVerb,
    ) -> Result<Answer, Unavailable> {
        let who = who.to_owned();
        let order = |ticket| ScheduleOrder { ticket, who, tenant, schedule, verb };
        let mut answers = self.ask(|ticket| ActorInput::Schedule(order(ticket))).await?;
        Ok(answers.pop().expect("the driver answers an order once"))
    }

    /// What became of a schedule's firings that were due before a moment, newest first.
    pub(crate) async fn firings(
        &self,
        schedule: ScheduleName,
        before: Option<Wall>,
        max: usize,
    ) -> Result<Vec<Firing>, Unavailable> {
        self.read(move |store| store.firings(&schedule, before, max)).await.map_err(failed)
    }

    /// When those of its firings were due, after a moment, that have a job.
    pub(crate) async fn fired_after(
        &self,
        schedule: ScheduleName,
        after: Wall,
        max: usize,
    ) -> Result<Vec<Wall>, Unavailable> {
        self.read(move |store| store.fired_after(&schedule, after, max)).await.map_err(failed)
    }
}
