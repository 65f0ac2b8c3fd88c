//! Whose turn it is: what tenants are charged for, over restarts and lost runners.

use std::collections::BTreeMap;

use ostler_job::durable::QueueShape;

use super::queues::{name, put};
use super::*;

pub(super) fn of(tenant: &str, n: usize) -> Spec {
    Spec { tenant: tenant.into(), identity: format!("{tenant} {n}"), ..spec() }
}

impl Bench {
    /// Whose jobs run, and how many of each tenant.
    fn running(&self) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for job in self.driver.runners.iter().flat_map(|(_, it)| it.leased.iter().copied()) {
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

#[test]
fn a_promise_that_cannot_be_kept_is_answered_with_a_word() {
    let within = |n, seconds| Spec { within: Some(Span::from_secs(seconds)), ..of("shop", n) };
    let expected = |answers: &[Answer]| match answers {
        [Answer::Late { expected, .. }] => expected.as_secs_f64(),
        [Answer::Done { .. }] => 0.0,
        other => panic!("{other:?}"),
    };
    let mut bench = Bench::new();
    let told = expected(&bench.submit_all(vec![within(0, 1)]));
    assert_eq!(told, 0.0, "without a runner nothing is known");
    bench.beat("host", 2, &[]);
    bench.submit_all((1..2000).map(|n| of("shop", n)).collect());
    let told = expected(&bench.submit_all(vec![within(2000, 5)]));
    assert_eq!(told, 0.0, "what has time does not go before it");
    bench.submit_all((3000..3040).map(|n| within(n, 5)).collect());
    let told = expected(&bench.submit_all(vec![within(4000, 6)]));
    assert!((18.0..23.0).contains(&told), "40 jobs of a second on two slots: {told}");
    assert_eq!(expected(&bench.submit_all(vec![within(4001, 60)])), 0.0);
    // Others have their part of the slots.
    bench.submit_all((0..40).map(|n| Spec { within: None, ..of("bank", n) }).collect());
    let told = expected(&bench.submit_all(vec![within(4002, 6)]));
    assert!((38.0..46.0).contains(&told), "{told}");
}

#[test]
fn what_takes_longer_than_it_is_promised_is_told_so() {
    let mut bench = Bench::new();
    bench.beat("host", 1, &[]);
    let slow = Spec { within: Some(Span::from_millis(10)), ..of("shop", 0) };
    assert!(matches!(bench.submit_all(vec![slow.clone()])[..], [Answer::Done { .. }]));
    let key = bench.run();
    bench.start("host", key);
    bench.finish("host", key, Reason::Ok);
    let answers = bench.submit_all(vec![slow]);
    let [Answer::Late { expected, state, .. }] = answers[..] else { panic!("{answers:?}") };
    assert!(expected.0.abs_diff(Span::from_millis(20).0) < 1000, "{expected:?}");
    assert_eq!(state, JobState::Leased);
}

#[test]
fn a_tenant_that_waits_has_its_new_weight_at_once_and_not_with_its_next_job() {
    let mut bench = Bench::new();
    let weighing = |weight| {
        let tenant_weights = BTreeMap::from([("shop".to_owned(), weight)]);
        put(QueueShape { tenant_weights, ..QueueShape::default() })
    };
    bench.order("mail", put(QueueShape::default())).expect("it is made");
    bench.beat("host", 1, &[]);
    let in_mail = |tenant: &str, n| Spec { queue: Some(name("mail")), ..of(tenant, n) };
    let other = bench.submit(in_mail("other", 0));
    let shop = bench.submit(in_mail("shop", 0));
    let job = bench.submit(in_mail("shop", 1));
    let weight = |bench: &Bench, job| {
        let explained = bench.driver.explain(job, bench.now).expect("it waits");
        explained.standing.expect("in a line").weight
    };
    assert_eq!(weight(&bench, job), 1);
    bench.order("mail", weighing(5)).expect("it is changed");
    assert_eq!((weight(&bench, shop), weight(&bench, job)), (5, 5));
    bench.order("mail", put(QueueShape::default())).expect("it is changed");
    assert_eq!(weight(&bench, job), 1, "who is not named any more is as all are");
    assert_ne!(other, shop);
}
