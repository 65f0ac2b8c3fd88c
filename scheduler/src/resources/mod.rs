//! Serial keys and resources: jobs that name the same one stand in its line, in the order in which they were submitted.
//!
//! A job has all of its resources at once or none of them, and while it waits for one it holds back only jobs behind it that
//! name one of its resources. The job with the smallest id of all that wait is first in each of its lines, so as soon as
//! the holders there are gone it has them all: no deadlock, and nobody starves. Readers that stand together go together.
//!
//! Who has its resources keeps them while it waits for a slot, runs, and, if its owner says so, until it is tried again.
//! A step costs O(log n) for each resource of a job, and as much for each job that it lets go.

mod line;
mod named;
#[cfg(test)]
mod tests;

use ostler_job::JobId;

use crate::hash::IdMap;
use line::{Line, Moved};
use named::Named;

/// A resource, as the owner of the scheduler numbers them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ResourceId(pub u32);

/// What a job wants of a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Which one; a job names each once.
    pub resource: ResourceId,
    /// It is to be the only one that has it.
    pub exclusive: bool,
}

/// A job that names resources.
struct Claimant {
    claims: Named,
    /// Lines in which it may not be served yet.
    blocked: u32,
    holds: bool,
    /// It keeps what it has although its slot is gone.
    keeps: bool,
}

/// Every line.
#[derive(Default)]
pub(crate) struct Resources {
    lines: IdMap<ResourceId, Line>,
    claimants: IdMap<JobId, Claimant>,
    /// Jobs that have all that they wait for, and were not told yet.
    ready: Vec<JobId>,
}

impl Resources {
    pub(crate) fn is_empty(&self) -> bool {
        self.claimants.is_empty()
    }

    /// Whether somebody has all that it waited for, and was not told yet.
    pub(crate) fn has_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// The job wants these; answers whether it has them at once.
    pub(crate) fn enter(&mut self, job: JobId, claims: &[Claim]) -> bool {
        if let Some(it) = self.claimants.get_mut(&job) {
            if std::mem::take(&mut it.keeps) && *it.claims == *claims {
                return it.holds;
            }
            self.leave(job);
        }
        if claims.iter().all(|it| it.exclusive && !self.lines.contains_key(&it.resource)) {
            self.take(job, claims);
            return true;
        }
        let mut blocked = 0;
        for claim in claims {
            let line = self.lines.entry(claim.resource).or_default().crowd();
            let (admitted, moved) = line.enter(job, claim.exclusive);
            blocked += u32::from(!admitted);
            self.count(moved);
        }
        let claims = claims.into();
        self.claimants.insert(job, Claimant { claims, blocked, holds: false, keeps: false });
        blocked == 0 && self.hold(job)
    }

    /// The job has these, which nobody names, from now on.
    fn take(&mut self, job: JobId, claims: &[Claim]) {
        self.lines.extend(claims.iter().map(|claim| (claim.resource, Line::Alone(job))));
        let claims = claims.into();
        self.claimants.insert(job, Claimant { claims, blocked: 0, holds: true, keeps: false });
    }

    /// The job has these already, whoever else does.
    pub(crate) fn force(&mut self, job: JobId, claims: &[Claim]) {
        self.leave(job);
        for claim in claims {
            let line = self.lines.entry(claim.resource).or_default().crowd();
            let moved = line.force(job, claim.exclusive);
            self.count(moved);
        }
        let claims = claims.into();
        self.claimants.insert(job, Claimant { claims, blocked: 0, holds: true, keeps: false });
    }

    /// What the job has stays with it until it enters again or leaves.
    pub(crate) fn keep(&mut self, job: JobId) {
        if let Some(it) = self.claimants.get_mut(&job) {
            it.keeps = it.holds;
        }
    }

    /// The job stays where it is in its lines until it enters again.
    pub(crate) fn stay(&mut self, job: JobId) {
        if let Some(it) = self.claimants.get_mut(&job) {
            it.keeps = true;
        }
    }

    /// Its slot is gone: it leaves, unless it keeps what it has.
    pub(crate) fn end(&mut self, job: JobId) {
        if self.claimants.get(&job).is_some_and(|it| !it.keeps) {
            self.leave(job);
        }
    }

    /// The job wants nothing any more.
    pub(crate) fn leave(&mut self, job: JobId) {
        let Some(it) = self.claimants.remove(&job) else { return };
        for claim in &*it.claims {
            let Some(line) = self.lines.get_mut(&claim.resource) else { continue };
            let (moved, is_empty) = line.leave(job);
            if is_empty {
                self.lines.remove(&claim.resource);
            }
            self.count(moved);
        }
    }

    /// A job that has all that it waited for.
    pub(crate) fn poll_ready(&mut self) -> Option<JobId> {
        while let Some(job) = self.ready.pop() {
            // Another one may have come before it meanwhile, or it left.
            let is_next = self.claimants.get(&job).is_some_and(|it| it.blocked == 0 && !it.holds);
            if is_next && self.hold(job) {
                return Some(job);
            }
        }
        None
    }

    /// For which resource the job waits, and a job that stands in its way.
    pub(crate) fn blocker(&self, job: JobId) -> Option<(ResourceId, JobId)> {
        let it = self.claimants.get(&job).filter(|it| !it.holds)?;
        it.claims.iter().find_map(|claim| {
            let blocker = self.lines.get(&claim.resource)?.blocker(job)?;
            Some((claim.resource, blocker))
        })
    }

    /// A job that has one of these, and with which this one cannot have it, whether it is known here or not.
    pub(crate) fn excludes(&self, job: JobId, claims: &[Claim]) -> Option<JobId> {
        claims
            .iter()
            .find_map(|claim| self.lines.get(&claim.resource)?.excludes(job, claim.exclusive))
    }

    /// Whether the job has all that it named.
    pub(crate) fn has(&self, job: JobId) -> bool {
        self.claimants.get(&job).is_some_and(|it| it.holds)
    }

    fn hold(&mut self, job: JobId) -> bool {
        let it = self.claimants.get_mut(&job).expect("only a claimant comes to hold");
        it.holds = true;
        let claims = std::mem::take(&mut it.claims);
        for claim in &*claims {
            let line = self.lines.get_mut(&claim.resource).expect("a claimant stands in its lines");
            let moved = line.crowd().hold(job);
            self.count(moved);
        }
        if let Some(it) = self.claimants.get_mut(&job) {
            it.claims = claims;
        }
        true
    }

    fn count(&mut self, moved: Moved) {
        for job in moved.excluded {
            if let Some(it) = self.claimants.get_mut(&job) {
                it.blocked += 1;
            }
        }
        for job in moved.admitted {
            if let Some(it) = self.claimants.get_mut(&job) {
                it.blocked -= 1;
                if it.blocked == 0 {
                    self.ready.push(job);
                }
            }
        }
    }

    /// Asserts everything that holds between two events: nobody who could have all that it wants waits.
    pub(crate) fn check(&self) {
        self.lines.values().for_each(Line::check);
        assert!(self.ready.is_empty(), "who is ready was told");
        for (job, it) in &self.claimants {
            if it.holds {
                continue;
            }
            let admits = |claim: &&Claim| self.lines[&claim.resource].admits(*job);
            let blocked = it.claims.iter().filter(|claim| !admits(claim)).count();
            assert_eq!(blocked, it.blocked as usize, "a claimant counts the lines that hold it up");
            assert!(blocked > 0, "nobody waits who could have all that it wants");
        }
    }
}
