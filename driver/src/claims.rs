//! Serial keys and resources of jobs, as the scheduler numbers them.

use ostler_job::{
    JobId, Now,
    durable::{OnRetry, ResourceMode, Resources},
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
        // A key and a resource of one name are two things.
        let serial = needs.serial.iter().map(|key| (format!("serial {key}"), true));
        let resources = needs
            .resources
            .iter()
            .map(|(name, mode)| (format!("resource {name}"), *mode == ResourceMode::Exclusive));
        let list = serial.chain(resources).map(|(name, exclusive)| {
            let resource = ResourceId(self.0.hold(&name));
            Claim { resource, exclusive }
        });
        let list = list.collect();
        Some(Box::new(Claims { list, holds: needs.on_retry == OnRetry::Hold }))
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

impl Driver {
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

    /// A restored job that waits to be tried again, or was paused while it was out, has what it had.
    pub(super) fn restore_claims(&mut self, id: JobId) {
        let job = &self.jobs[id];
        let Some(claims) = job.claims.as_ref().filter(|claims| claims.holds) else { return };
        if job.attempts > 0 {
            self.scheduler.handle_hold(id, &claims.list);
        }
    }
}
