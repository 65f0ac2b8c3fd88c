//! What an operator wants of a runner: that it takes nothing new, how many jobs it runs at once, that it is forgotten. It holds
//! whatever restarts, the gateway or the runner.

use std::io;

use ostler_api::backend::{Drained, Forgotten, SlotsSet};

use ostler_job::Wall;

use super::{Runner, RunnerName, Runners};

/// Who drains a runner that is broken.
const GATEWAY: &str = "gateway";

/// What holds of one runner.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Will {
    pub(super) drained: Option<Drained>,
    /// Jobs that it may run at once, instead of as many as it says; never 0.
    pub(super) slots: Option<u32>,
}

impl Runners {
    /// Sets it and writes it down, and answers whether it was otherwise before; `None`: no such runner. Whoever drained it first
    /// is who did. Blocks.
    pub(in super::super) fn set_drained(
        &self,
        name: &RunnerName,
        drained: Option<Drained>,
    ) -> io::Result<Option<bool>> {
        self.change(name, |runner| {
            let before = &mut runner.will.drained;
            // Whoever drains one that is broken knows it, and wants it so.
            let kind = |it: &Option<Drained>| it.as_ref().map(|it| it.broken.is_some());
            let is_news = kind(before) != kind(&drained);
            if is_news {
                *before = drained;
            }
            is_news
        })
    }

    /// The driver found that it cannot start what it is given, or that it can again. What an operator wants of it stays. The file
    /// has it later.
    pub(in super::super) fn note_broken(&self, name: &RunnerName, why: Option<String>, now: Wall) {
        let (_, all) = &mut *self.lock();
        let Some(runner) = all.get_mut(name) else { return };
        if runner.will.drained.as_ref().is_none_or(|it| it.broken.is_some()) {
            let by = || Some(GATEWAY.to_owned());
            let broken = |why| Drained { by: by(), since: Some(now), broken: Some(why) };
            runner.will.drained = why.map(broken);
        }
    }

    /// Sets it and writes it down, and answers whether it was otherwise before. Blocks.
    pub(in super::super) fn set_slots(
        &self,
        name: &RunnerName,
        slots: Option<u32>,
    ) -> io::Result<(SlotsSet, bool)> {
        let set = self.change(name, |runner| {
            if runner.is_linked() && runner.slots == 0 && slots.is_some() {
                return (SlotsSet::TakesNone, false);
            }
            (SlotsSet::Done, std::mem::replace(&mut runner.will.slots, slots) != slots)
        })?;
        Ok(set.unwrap_or((SlotsSet::Unknown, false)))
    }

    /// What is not on the disk is not so.
    fn change<T>(
        &self,
        name: &RunnerName,
        change: impl FnOnce(&mut Runner) -> T,
    ) -> io::Result<Option<T>> {
        let (before, changed) = {
            let (_, all) = &mut *self.lock();
            let Some(runner) = all.get_mut(name) else { return Ok(None) };
            (runner.will.clone(), change(runner))
        };
        if let Err(error) = self.keep() {
            if let Some(runner) = self.lock().1.get_mut(name) {
                runner.will = before;
            }
            return Err(error);
        }
        Ok(Some(changed))
    }

    /// Forgets a runner. One that has a link and is no member is this host's own, and stays. Blocks.
    pub(in super::super) fn forget(&self, name: &str, was_member: bool) -> io::Result<Forgotten> {
        let name = RunnerName::from(name);
        let known = {
            let (_, all) = &mut *self.lock();
            match all.get_mut(&name) {
                Some(runner) if runner.is_linked() && !was_member => return Ok(Forgotten::Own),
                Some(runner) if runner.is_linked() => {
                    runner.forgotten = true;
                    true
                }
                Some(_) => all.remove(&name).is_some(),
                None => false,
            }
        };
        if known {
            self.keep()?;
        }
        Ok(if known || was_member { Forgotten::Done } else { Forgotten::Unknown })
    }
}
