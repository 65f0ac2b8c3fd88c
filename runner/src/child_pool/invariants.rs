//! What must hold whenever a pool's actions have been drained.

use super::{ChildPool, member::Phase};

impl ChildPool {
    /// Asserts that the level is one that was asked for, and that each child's marks fit where it is in its life. Debug builds call it
    /// whenever the actions are drained.
    ///
    /// # Panics
    /// When something does not hold, with the sentence that is broken.
    pub(super) fn check_invariants(&self) {
        let (min, max) = if self.stopping { (0, 0) } else { (self.limits.min, self.limits.max) };
        assert!((min..=max).contains(&self.level), "a level is between the fewest and the most");
        for (id, member) in &self.members {
            let loaded = member.phase != Phase::Ready || member.ready_at.is_some();
            assert!(loaded, "child {id} serves since it is READY");
            assert!(
                member.due.is_none() || member.ready_at.is_some(),
                "child {id} wears out by serving"
            );
            let climbs = member
                .escalation
                .is_none_or(|escalation| member.running == Some(escalation.stream()));
            assert!(climbs, "child {id} is escalating for what it runs");
        }
        let counts = self.counts();
        let counted = counts.starting + counts.idle + counts.busy + counts.draining;
        assert_eq!(counted as usize, self.members.len(), "every child is in one state");
    }

    /// Checks in debug builds; release builds do not check by themselves.
    pub(super) fn drained(&self) {
        if cfg!(debug_assertions) {
            self.check_invariants();
        }
    }
}

#[cfg(test)]
mod tests {
    use ostler_job::{Mono, Span};

    use super::*;
    use crate::child_pool::{ChildId, ChildPoolConfig, escalation::Escalation, member::Member};

    fn pool() -> ChildPool {
        let (second, now) = (Span::from_secs(1), Mono(1));
        let limits = ChildPoolConfig {
            min: 1,
            max: 2,
            boot: second,
            grace: second,
            idle: second,
            requests: 0,
            lifetime: None,
        };
        let mut pool = ChildPool::new(limits, 1);
        pool.handle_spawned(ChildId(1), now);
        pool.handle_ready(ChildId(1), now);
        pool.check_invariants();
        pool
    }

    fn member(pool: &mut ChildPool) -> &mut Member {
        pool.members.get_mut(&ChildId(1)).unwrap()
    }

    #[test]
    #[should_panic(expected = "a level is between the fewest and the most")]
    fn a_level_beyond_the_limits_is_noticed() {
        let mut pool = pool();
        pool.level = 3;
        pool.check_invariants();
    }

    #[test]
    #[should_panic(expected = "child 1 serves since it is READY")]
    fn a_child_that_serves_without_having_been_ready_is_noticed() {
        let mut pool = pool();
        member(&mut pool).ready_at = None;
        pool.check_invariants();
    }

    #[test]
    #[should_panic(expected = "child 1 is escalating for what it runs")]
    fn a_child_that_would_be_killed_for_another_request_is_noticed() {
        let mut pool = pool();
        member(&mut pool).escalation = Some(Escalation::new(5, Mono(1), Span::from_secs(1)));
        member(&mut pool).running = Some(6);
        pool.check_invariants();
    }
}
