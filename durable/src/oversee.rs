//! What operators do to runners: let them take nothing new, set how many jobs they run at once, remove them. Written down first,
//! then told to the driver, and to the audit trail with it.

use std::io;

use ostler_api::backend::{Drained, Forgotten, SlotsSet, Unavailable};
use ostler_driver::{ActorInput, Offer, RunnerName};
use ostler_machine::{clock, threads};
use serde_json::{Value, json};

use super::Jobs;

impl Jobs {
    /// Lets a runner take nothing new, or take jobs again, whatever restarts; what waits for it alone stays. `false`: no
    /// such runner.
    pub async fn drain(&self, who: &str, runner: &str, drain: bool) -> Result<bool, Unavailable> {
        let (by, since) = (Some(who.to_owned()), Some(clock::wall_now()));
        let drained = drain.then_some(Drained { by, since, broken: None });
        let set = self.written(runner, move |jobs, name| jobs.runners.set_drained(name, drained));
        let Some(is_news) = set.await? else { return Ok(false) };
        let (verb, news) = if drain { ("drain", "draining") } else { ("undrain", "undrained") };
        let detail = json!({ "action": verb, "runner": runner });
        let news = (is_news.then_some(news), true);
        self.offer(who, runner, news, detail).await.map(|()| true)
    }

    /// Sets how many jobs a runner may run at once; what it runs goes on.
    pub(crate) async fn set_slots(
        &self,
        who: &str,
        runner: &str,
        slots: Option<u32>,
    ) -> Result<SlotsSet, Unavailable> {
        let set = self.written(runner, move |jobs, name| jobs.runners.set_slots(name, slots));
        let (set, is_news) = set.await?;
        if set == SlotsSet::Done {
            let detail = json!({ "action": "set_slots", "runner": runner, "slots": slots });
            let news = (is_news.then_some("slots"), false);
            self.offer(who, runner, news, detail).await?;
        }
        Ok(set)
    }

    /// Takes a runner's right to come in away, ends its link, and forgets its name. One that is connected stays unless this is
    /// to be `at_once`.
    pub(crate) async fn forget_runner(
        &self,
        who: &str,
        runner: &str,
        at_once: bool,
    ) -> Result<Forgotten, Unavailable> {
        let forgotten = self.written(runner, move |jobs, name| {
            if !at_once && jobs.members.has(name) && jobs.runners.is_linked(name) {
                return Ok(Forgotten::Connected);
            }
            let was_member = jobs.members.remove(name)?;
            let forgotten = jobs.runners.forget(name, was_member)?;
            if forgotten == Forgotten::Done {
                jobs.members.give_up(name)?;
            }
            Ok(forgotten)
        });
        let forgotten = forgotten.await?;
        if forgotten == Forgotten::Done {
            let detail = json!({ "action": "remove_runner", "runner": runner });
            let who = who.to_owned();
            self.ask(|ticket| ActorInput::Note { ticket, who, detail }).await?;
        }
        Ok(forgotten)
    }

    /// Does what writes a file, where it may block.
    async fn written<T: Send + 'static>(
        &self,
        runner: &str,
        write: impl FnOnce(&Self, &RunnerName) -> io::Result<T> + Send + 'static,
    ) -> Result<T, Unavailable> {
        let (jobs, name) = (self.clone(), RunnerName::from(runner));
        let written = threads::READS.run("", move |_| write(&jobs, &name)).await;
        let written = written.map_err(io::Error::other).flatten();
        written.map_err(|error| Unavailable(format!("cannot write: {error}")))
    }

    /// Tells the driver what the runner may take now, and answers when the audit trail has it.
    async fn offer(
        &self,
        who: &str,
        runner: &str,
        (news, wakes): (Option<&'static str>, bool),
        detail: Value,
    ) -> Result<(), Unavailable> {
        let (who, runner) = (who.to_owned(), RunnerName::from(runner));
        let answered = self.runners.offer(&runner, |slots| {
            let offer = Offer { runner: runner.clone(), news, wakes, slots };
            self.question(|ticket| ActorInput::Offer { ticket, who, offer, detail })
        });
        answered.answer().await.map(drop)
    }
}
