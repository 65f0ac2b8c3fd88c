//! How often a pool has to be told the time.

use ostler_job::Mono;

use super::{ChildPool, member::Member};

impl ChildPool {
    /// Whether something is to happen soon, so that time is to be told more often.
    pub(crate) fn is_restless(&self) -> bool {
        self.members.values().any(Member::is_restless)
            || self.backoff.is_held()
            || self.booting() + self.ready() < self.level
    }

    /// Whether nothing is to happen before `until` unless somebody says so, so that time need not be told till then.
    pub(crate) fn is_calm(&self, until: Mono) -> bool {
        let is_calm = |member: &Member| member.is_calm(until);
        let has_spare = self.waiting > 0 || self.level > self.limits.min;
        !self.is_restless() && !has_spare && self.members.values().all(is_calm)
    }
}
