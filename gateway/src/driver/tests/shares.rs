//! Whose turn it is: what tenants are charged for, over restarts and lost runners.

use std::collections::BTreeMap;

use super::*;

pub(super) fn of(tenant: &str, n: usize) -> Spec {
    Spec { tenant: tenant.into(), identity: format!("{tenant} {n}"), ..spec() }
}

impl Bench {
    /// Whose jobs run, and how many of each tenant.
    fn running(&self) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for job in self.driver.runners().iter().flat_map(|it| it.running.clone()) {
            let job = self.store.job(job).expect("the model reads").expect("it is there");
            *counts.entry(job.spec.tenant.clone()).or_default() += 1;
        }
        counts
    }
}

#[test]
fn what_runs_when_a_gateway_starts_again_holds_its_slots_and_is_charged() {
    let mut bench = Bench::new();
    bench.beat("host", 4, &[]);
    let mut held = Vec::new();
    for n in 0..4 {
        bench.submit(of("greedy", n));
        held.push(bench.run());
    }
    for key in &held {
        bench.start("host", *key);
    }
    bench.submit_all((4..10).map(|n| of("greedy", n)).collect());
    bench.restart();
    bench.submit_all((0..4).map(|n| of("other", n)).collect());
    bench.beat("host", 4, &held);
    assert_eq!(bench.runs(), [], "no slot is free");
    let figures = bench.driver.figures(bench.now);
    assert_eq!(figures.slots, (4, 4));
    bench.beats_for(20, "host", &held);
    let mut granted = Vec::new();
    bench.beat("host", 8, &held);
    granted.extend(bench.runs());
    assert_eq!(granted.len(), 4);
    let both = [("greedy".to_owned(), 4), ("other".to_owned(), 4)];
    assert_eq!(bench.running(), BTreeMap::from(both), "who has run nothing comes first");
}

#[test]
fn a_refused_batch_names_no_job_that_is_not_there() {
    let mut bench = Bench::new();
    let once = |n| Spec { dedupe: dedupe(DedupeScope::Queued, Then::Reject), ..of("shop", n) };
    let known = bench.submit(once(0));
    let answers = bench.submit_all(vec![once(1), once(2), once(1), once(0), once(2)]);
    let refused = Answer::Duplicate { job: known };
    assert_eq!(
        answers,
        [
            Answer::WithOthers,
            Answer::WithOthers,
            Answer::Repeated { of: 0 },
            refused,
            Answer::Repeated { of: 1 },
        ]
    );
    let next = bench.submit(of("shop", 3));
    assert_eq!(next.0, known.0 + 1, "no id was used up");
}
