//! Serial keys and resources of jobs, as the scheduler numbers them.

use ostler_job::{
    JobId, Now,
    durable::{JobState, OnRetry, ResourceMode, Resources},
};
use ostler_scheduler::{Claim, ResourceId};

use super::{Driver, names::Names};

/// What one job names.
#[derive(Debug)]
pub(super) struct Claims {
    pub(super) list: Box<[Claim]>,
    /// It keeps what it has while it waits to be tried again.
    pub(super) holds: bool,
}

/// Every key and resource that an unfinished job names.
#[derive(Debug, Default)]
pub(super) struct ResourceNames(Names);

impl ResourceNames {
    /// The claims of a job that needs these, if it needs any.
    pub(super) fn hold(&mut self, needs: &Resources) -> Option<Box<Claims>> {
        if needs.is_empty() {
            return None;
        }
        let list = names(needs).map(|(name, exclusive)| {
            let resource = ResourceId(self.0.hold(&name));
            Claim { resource, exclusive }
        });
        let list = list.collect();
        Some(Box::new(Claims { list, holds: needs.on_retry == OnRetry::Hold }))
    }

    /// The claims of a job that needs these, as far as anybody else names them.
    fn known(&self, needs: &Resources) -> Vec<Claim> {
        let find = |(name, exclusive): (String, bool)| {
            self.0.find(&name).map(|number| Claim { resource: ResourceId(number), exclusive })
        };
        names(needs).filter_map(find).collect()
    }

    /// The job that named these is over.
    pub(super) fn release(&mut self, claims: &Claims) {
        for claim in &claims.list {
            self.0.release(claim.resource.0, |_| false);
        }
    }

    /// What a job calls one of these, and whether that is a serial key.
    pub(super) fn told(&self, ResourceId(number): ResourceId) -> (String, bool) {
        match self.0.name(number).split_once(' ') {
            Some((kind, name)) => (name.to_owned(), kind == "serial"),
            None => unreachable!("names are made with a space"),
        }
    }

    /// What a job needs, of claims that are held.
    pub(super) fn needs(&self, claims: &Claims) -> Resources {
        let on_retry = if claims.holds { OnRetry::Hold } else { OnRetry::Pass };
        let mut needs = Resources { on_retry, ..Resources::default() };
        for claim in &claims.list {
            let name = self.0.name(claim.resource.0);
            let mode = if claim.exclusive { ResourceMode::Exclusive } else { ResourceMode::Shared };
            match name.split_once(' ') {
                Some(("serial", key)) => needs.serial = Some(key.to_owned()),
                Some((_, name)) => {
                    needs.resources.insert(name.to_owned(), mode);
                }
                None => unreachable!("names are made with a space"),
            }
        }
        needs
    }
}

/// What a job names, as it is called here, and whether it is to have that for itself. A key and a resource of one name are two things.
fn names(needs: &Resources) -> impl Iterator<Item = (String, bool)> {
    let serial = needs.serial.iter().map(|key| (format!("serial {key}"), true));
    let resources = needs.resources.iter();
    serial.chain(resources.map(|(name, mode)| {
        let exclusive = *mode == ResourceMode::Exclusive;
        (format!("resource {name}"), exclusive)
    }))
}

impl Driver {
    /// Whether another job has what this one needs, which waits or was given up, so that the two may not run at once.
    pub(super) fn is_excluded(&self, id: JobId, needs: Option<&Resources>) -> bool {
        let given_up = needs.map(|needs| self.resources.known(needs));
        let own = self.jobs.get(id).and_then(|job| job.claims.as_ref());
        let list = own.map(|claims| &*claims.list).or(given_up.as_deref()).unwrap_or(&[]);
        self.scheduler.excluder(id, list).is_some()
    }

    /// The job's slot is gone: what it has stays with it where it comes back, or may.
    pub(super) fn keep_claims(&mut self, id: JobId, comes_back: bool) {
        if self.jobs[id].claims.as_ref().is_some_and(|claims| comes_back || claims.holds) {
            self.scheduler.handle_keep(id);
        }
    }

    /// The job, which is over, needs nothing any more.
    pub(super) fn drop_claims(&mut self, id: JobId, now: Now) {
        if self.jobs[id].claims.is_some() {
            self.scheduler.handle_release(id, now.mono);
            self.place(now);
        }
    }

    /// A restored job that was tried, and waits to be tried again or until somebody resumes it, has what it had.
    pub(super) fn restore_claims(&mut self, id: JobId) {
        if self.has_begun(id)
            && let Some(claims) = &self.jobs[id].claims
        {
            self.scheduler.handle_hold(id, &claims.list);
        }
    }

    /// The job, which waits, is paused. One that was tried keeps what it has: its work may be half done.
    pub(super) fn set_aside(&mut self, id: JobId, now: Now) {
        if self.jobs[id].state == JobState::Pending && self.has_begun(id) {
            self.scheduler.handle_set_aside(id, now.mono);
            self.place(now);
        } else {
            self.withdraw(id, now);
        }
    }

    /// The job was paused on its way to a runner, where it never began: it waits as one that was never given to any, and holds up nobody.
    pub(super) fn drop_unbegun(&mut self, id: JobId, now: Now) {
        if self.jobs[id].attempts == 0 {
            self.drop_claims(id, now);
        }
    }

    /// Whether it keeps what it needs until it is over, since it was tried. Retried by hand after its end it has not been: its failures
    /// and crashes are forgotten then, while its attempts are counted on.
    fn has_begun(&self, id: JobId) -> bool {
        let job = &self.jobs[id];
        let was_tried = (job.failures, job.crashes) != (0, 0);
        was_tried && job.claims.as_ref().is_some_and(|claims| claims.holds)
    }
}
