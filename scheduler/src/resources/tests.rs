//! Against an exact model: a list of jobs in order, walked from the front after each step.

use std::collections::BTreeMap;

use ostler_job::JobId;
use proptest::prelude::*;

use super::{Claim, ResourceId, Resources};

/// Jobs with their claims, who holds, and nothing else.
#[derive(Default)]
struct Model {
    jobs: BTreeMap<JobId, (Vec<Claim>, bool)>,
}

impl Model {
    /// Lets everybody have what the rule says, and answers who came to hold.
    fn settle(&mut self) -> Vec<JobId> {
        let mut came = Vec::new();
        while let Some(job) =
            self.jobs.iter().find(|(job, it)| !it.1 && self.may(**job)).map(|it| *it.0)
        {
            self.jobs.get_mut(&job).expect("it was found").1 = true;
            came.push(job);
        }
        came
    }

    /// No holder and nobody before it wants what it wants, unless both share.
    fn may(&self, job: JobId) -> bool {
        let (claims, _) = &self.jobs[&job];
        claims.iter().all(|claim| {
            self.jobs.iter().all(|(&other, (theirs, holds))| {
                other == job
                    || !(*holds || other < job)
                    || theirs.iter().all(|it| {
                        it.resource != claim.resource || !(it.exclusive || claim.exclusive)
                    })
            })
        })
    }
}

#[derive(Clone, Debug)]
enum Step {
    Enter(u64, Vec<(u32, bool)>),
    Force(u64, Vec<(u32, bool)>),
    Leave(u64),
    Keep(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let claims = || proptest::collection::btree_map(0..4_u32, any::<bool>(), 1..4);
    let list = |claims: BTreeMap<u32, bool>| claims.into_iter().collect::<Vec<_>>();
    prop_oneof![
        6 => (0..24_u64, claims()).prop_map(move |(job, claims)| Step::Enter(job, list(claims))),
        1 => (0..24_u64, claims()).prop_map(move |(job, claims)| Step::Force(job, list(claims))),
        5 => (0..24_u64).prop_map(Step::Leave),
        1 => (0..24_u64).prop_map(Step::Keep),
    ]
}

fn claims(of: &[(u32, bool)]) -> Vec<Claim> {
    of.iter().map(|&(n, exclusive)| Claim { resource: ResourceId(n), exclusive }).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_500, ..ProptestConfig::default() })]
    #[test]
    fn whoever_may_have_all_that_it_wants_has_it_and_nobody_else(steps in proptest::collection::vec(step(), 1..60)) {
        let (mut real, mut model) = (Resources::default(), Model::default());
        for step in steps {
            let mut came = Vec::new();
            match step {
                Step::Enter(job, wants) => {
                    let (job, wants) = (JobId(job), claims(&wants));
                    if model.jobs.contains_key(&job) {
                        continue;
                    }
                    model.jobs.insert(job, (wants.clone(), false));
                    if real.enter(job, &wants) {
                        came.push(job);
                    }
                }
                Step::Force(job, wants) => {
                    let (job, wants) = (JobId(job), claims(&wants));
                    if model.jobs.contains_key(&job) {
                        continue;
                    }
                    model.jobs.insert(job, (wants.clone(), true));
                    real.force(job, &wants);
                }
                Step::Leave(job) => {
                    model.jobs.remove(&JobId(job));
                    real.end(JobId(job));
                }
                Step::Keep(job) => {
                    let job = JobId(job);
                    real.keep(job);
                    if model.jobs.get(&job).is_some_and(|it| it.1) {
                        real.end(job);
                        let wants = model.jobs[&job].0.clone();
                        prop_assert!(real.enter(job, &wants), "what it kept it still has");
                    }
                }
            }
            while let Some(job) = real.poll_ready() {
                came.push(job);
            }
            let mut wanted = model.settle();
            came.sort_unstable();
            wanted.sort_unstable();
            prop_assert_eq!(&came, &wanted);
            real.check();
            for (&job, it) in &model.jobs {
                let blocker = real.blocker(job);
                prop_assert_eq!(blocker.is_none(), it.1, "who waits knows for whom");
                if let Some((resource, other)) = blocker {
                    prop_assert!(it.0.iter().any(|claim| claim.resource == resource));
                    prop_assert!(model.jobs[&other].1 || other < job);
                    prop_assert!(other != job);
                }
            }
        }
    }
}

#[test]
fn readers_that_stand_together_go_together_and_wait_behind_a_writer() {
    let mut it = Resources::default();
    let claim = |exclusive| [Claim { resource: ResourceId(7), exclusive }];
    assert!(it.enter(JobId(1), &claim(false)));
    assert!(it.enter(JobId(2), &claim(false)));
    assert!(!it.enter(JobId(3), &claim(true)));
    assert!(!it.enter(JobId(4), &claim(false)));
    assert!(!it.enter(JobId(5), &claim(false)));
    assert_eq!(it.blocker(JobId(4)), Some((ResourceId(7), JobId(3))));
    it.end(JobId(1));
    assert_eq!(it.poll_ready(), None);
    it.end(JobId(2));
    assert_eq!(it.poll_ready(), Some(JobId(3)));
    it.end(JobId(3));
    let mut next = [it.poll_ready(), it.poll_ready()];
    next.sort_unstable();
    assert_eq!(next, [Some(JobId(4)), Some(JobId(5))]);
}

#[test]
fn who_could_have_it_until_another_came_before_it_does_not_get_it() {
    let mut it = Resources::default();
    let claim = |of: &[u32]| claims(&of.iter().map(|&n| (n, true)).collect::<Vec<_>>());
    assert!(it.enter(JobId(9), &claim(&[1])));
    assert!(!it.enter(JobId(1), &claim(&[0, 1])));
    assert!(!it.enter(JobId(2), &claim(&[0])));
    // It names less from now on, and lets the one behind it go first for a moment.
    assert!(it.enter(JobId(1), &claim(&[0])));
    assert_eq!(it.poll_ready(), None);
    it.end(JobId(1));
    assert_eq!(it.poll_ready(), Some(JobId(2)));
}

#[test]
fn what_is_known_to_hold_others_than_it_waited_for_is_in_those_lines_alone() {
    let mut it = Resources::default();
    assert!(it.enter(JobId(9), &claims(&[(1, true)])));
    assert!(!it.enter(JobId(1), &claims(&[(0, true), (1, true)])));
    it.force(JobId(1), &claims(&[(2, true)]));
    assert!(it.enter(JobId(2), &claims(&[(0, true)])));
    it.end(JobId(9));
    it.end(JobId(1));
    assert_eq!(it.poll_ready(), None);
    it.check();
}

#[test]
fn who_stays_in_its_line_has_its_place_there_and_no_more_than_that() {
    let mut it = Resources::default();
    let claim = claims(&[(7, true)]);
    assert!(it.enter(JobId(1), &claim));
    assert!(!it.enter(JobId(2), &claim));
    it.stay(JobId(2));
    assert!(!it.enter(JobId(2), &claim), "another one has it");
    it.end(JobId(1));
    assert_eq!((it.poll_ready(), it.poll_ready()), (Some(JobId(2)), None));
    it.stay(JobId(2));
    it.end(JobId(2));
    assert!(it.has(JobId(2)), "its slot is gone, and it stays");
    assert!(it.enter(JobId(2), &claim));
    it.end(JobId(2));
    assert!(it.is_empty());
}
