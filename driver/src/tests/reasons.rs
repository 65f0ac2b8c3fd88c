//! Why jobs wait.

use ostler_job::durable::{Held, OnRetry, QueueShape, Rate, Resources, WaitReason};

use super::{
    queues::{in_queue, name, put},
    *,
};
use crate::{Absence, Place, QueueVerb, Wanted, Why};

const SECOND: Span = Span::from_secs(1);

fn serial(key: &str) -> Spec {
    let needs = Resources { serial: Some(key.to_owned()), ..Resources::default() };
    Spec { needs, ..spec() }
}

impl Bench {
    fn why(&self, job: JobId) -> Why {
        self.driver.why(job, self.now).expect("whoever waits is told why")
    }

    fn word(&self, job: JobId) -> &'static str {
        self.why(job).word().code()
    }

    /// All words that hold, the first of which is told.
    fn words(&self, job: JobId) -> Vec<&'static str> {
        let explained = self.driver.explain(job, self.now).expect("it is explained");
        explained.whys.iter().map(|why| why.word().code()).collect()
    }
}

fn behind(before: u32) -> Why {
    let place = Place { before, is_exact: true, is_late: false };
    Why::Behind { queue: name("default"), place }
}

#[test]
fn who_waits_for_a_slot_is_told_whom_it_is_behind_and_the_first_that_all_are_taken() {
    let mut bench = Bench::new();
    bench.beat("r", 1, &[]);
    bench.submit(spec());
    let (running, jobs) =
        (bench.run(), [bench.submit(spec()), bench.submit(spec()), bench.submit(spec())]);
    assert_eq!(bench.why(jobs[0]), Why::SlotsBusy { slots: 1 });
    assert_eq!(bench.why(jobs[1]), behind(1));
    assert_eq!(bench.why(jobs[2]), behind(2));
    let other = bench.submit(Spec { tenant: "other".into(), ..spec() });
    assert_eq!(bench.why(other), Why::SlotsBusy { slots: 1 }, "it is behind nobody of its own");
    // Whoever has left is not in front of anybody.
    bench.steer(Verb::Cancel, jobs[1]);
    assert_eq!(bench.why(jobs[2]), behind(1));
    assert_eq!(bench.why(running.job).word(), WaitReason::Starting);
    bench.start("r", running);
    bench.finish("r", running, Reason::Ok);
    assert_eq!(bench.driver.why(running.job, bench.now), None, "it is over");
}

#[test]
fn without_a_runner_it_is_said_whether_there_is_none_or_none_takes_anything() {
    let mut bench = Bench::new();
    let job = bench.submit(spec());
    let none = |absence| Why::NoRunner { wanted: Wanted::Any, absence };
    assert_eq!(bench.why(job), none(Absence::Unknown));
    bench.beat("r", 0, &[]);
    assert_eq!(bench.why(job), none(Absence::Drained));
    bench.driver.handle_link_down(&"r".into(), bench.now);
    bench.settle();
    assert_eq!(bench.why(job), none(Absence::Away));
}

#[test]
fn a_pinned_job_is_told_what_is_with_its_runner() {
    let mut bench = Bench::new();
    bench.beat("other", 1, &[]);
    let pinned = || Spec { host: Some("r".into()), ..spec() };
    let job = bench.submit(pinned());
    let of = |absence| Why::NoRunner { wanted: Wanted::Host("r".into()), absence };
    assert_eq!(bench.why(job), of(Absence::Unknown));
    assert_eq!(bench.word(job), "no_runner");
    bench.beat("r", 1, &[]);
    let (run, next) = (bench.run(), bench.submit(pinned()));
    assert_eq!(
        bench.why(next),
        Why::RunnerFull { wanted: Wanted::Host("r".into()), slots: Some(1) }
    );
    bench.beat("r", 0, &[run]);
    assert_eq!(bench.word(next), "runner_drained");
    bench.driver.handle_link_down(&"r".into(), bench.now);
    bench.settle();
    assert_eq!(bench.word(next), "runner_away");
}

#[test]
fn a_runner_that_cannot_start_anything_is_said_to_be_broken() {
    let mut bench = Bench::new();
    bench.beat("other", 1, &[]);
    bench.is_broken = true;
    bench.beat("r", 1, &[]);
    let pinned = || Spec { host: Some("r".into()), ..spec() };
    bench.submit(pinned());
    let (tried, job) = (bench.runs().len(), bench.submit(pinned()));
    assert_eq!((tried, bench.word(job)), (1, "runner_broken"));
}

#[test]
fn a_time_that_has_not_come_is_told_and_so_is_that_of_the_next_attempt() {
    let mut bench = Bench::new();
    bench.beat("r", 1, &[]);
    let until = bench.now.wall.after(Span::from_secs(60));
    let job = bench.submit(Spec { not_before: Some(until), ..spec() });
    assert_eq!(bench.why(job), Why::NotBefore { until });
    let retry = Retry { attempts: 3, constant: true, delay: SECOND, ..Retry::default() };
    let job = bench.submit(Spec { retry, ..spec() });
    let run = bench.run();
    bench.start("r", run);
    bench.finish("r", run, Reason::ExitStatus);
    let until = bench.now.wall.after(SECOND);
    assert_eq!(bench.why(job), Why::Retry { until, attempt: 2, came_back: false });
    bench.pass(Span::from_millis(999));
    assert_eq!(bench.state(job), JobState::Retrying, "nothing starts before it");
    bench.pass(Span::from_millis(1));
    assert_eq!(bench.runs().len(), 1, "and it does then");
}

#[test]
fn a_paused_job_and_a_paused_queue_are_told_apart_with_who_did_it() {
    let mut bench = Bench::new();
    bench.beat("r", 1, &[]);
    bench.order("mail", put(QueueShape::default())).expect("it is made");
    bench.order("mail", QueueVerb::Pause).expect("it is there");
    let job = bench.submit(in_queue("mail"));
    let held = Some(Held { who: "ops".to_owned(), since: bench.now.wall });
    assert_eq!(bench.why(job), Why::QueuePaused { queue: name("mail"), held });
    bench.steer(Verb::Pause, job);
    assert_eq!(bench.why(job), Why::Paused);
    assert_eq!(bench.words(job), ["paused", "queue_paused"], "both hold it up");
}

#[test]
fn a_concurrency_and_a_rate_are_told_with_what_they_let_through() {
    let mut bench = Bench::new();
    bench.beat("r", 8, &[]);
    let shape = QueueShape { concurrency: Some(1), ..QueueShape::default() };
    bench.order("mail", put(shape)).expect("it is made");
    bench.submit(in_queue("mail"));
    let job = bench.submit(in_queue("mail"));
    assert_eq!(bench.why(job), Why::Concurrency { queue: name("mail"), running: 1, max: 1 });
    let rate = Rate { jobs: 1, per: Span::from_secs(10), burst: 1 };
    let shape = QueueShape { rate: Some(rate), ..QueueShape::default() };
    bench.order("slow", put(shape)).expect("it is made");
    bench.submit(in_queue("slow"));
    let (first, second) = (bench.submit(in_queue("slow")), bench.submit(in_queue("slow")));
    let until = bench.now.wall.after(Span::from_secs(10));
    let why = Why::Rate { queue: name("slow"), rate, until };
    assert_eq!((bench.why(first), bench.why(second)), (why.clone(), why));
    bench.pass(Span::from_millis(9_999));
    assert_eq!((bench.runs().len(), bench.word(first)), (0, "rate"));
    bench.pass(Span::from_millis(1));
    assert_eq!(bench.run().job, first, "it starts when it was told to");
    assert_eq!(bench.word(second), "rate");
}

#[test]
fn who_waits_for_a_key_is_told_which_job_has_it_and_where_that_is() {
    let mut bench = Bench::new();
    bench.beat("r", 1, &[]);
    let mut spec = serial("repo:42");
    spec.tenant = "shop".into();
    spec.needs.on_retry = OnRetry::Hold;
    spec.retry = Retry { attempts: 3, constant: true, delay: SECOND, ..Retry::default() };
    let holder = bench.submit(spec);
    let run = bench.run();
    let (job, last) = (bench.submit(serial("repo:42")), bench.submit(serial("repo:42")));
    let told = |bench: &Bench, job| {
        let why = bench.why(job);
        let Why::Resource { name, is_serial: true, blocker: Some(it) } = why else {
            panic!("{why:?}");
        };
        assert_eq!((name.as_str(), &*it.tenant), ("repo:42", "shop"));
        (it.job, it.state, it.has_it)
    };
    assert_eq!(told(&bench, job), (holder, JobState::Leased, true));
    assert_eq!(told(&bench, last), (holder, JobState::Leased, true));
    bench.start("r", run);
    bench.finish("r", run, Reason::ExitStatus);
    assert_eq!(told(&bench, job), (holder, JobState::Retrying, true), "it keeps it");
}

#[test]
fn a_gateway_that_ends_says_so() {
    let mut bench = Bench::new();
    bench.beat("r", 1, &[]);
    bench.driver.handle_rest(bench.now);
    let job = bench.submit(spec());
    assert_eq!(bench.why(job), Why::Ending);
}

#[test]
fn what_holds_a_job_up_is_asked_in_the_order_in_which_it_is_told() {
    let mut bench = Bench::new();
    bench.beat("other", 1, &[]);
    let rate = Rate { jobs: 1, per: Span::from_secs(10), burst: 1 };
    let shape = QueueShape { rate: Some(rate), concurrency: Some(1), ..QueueShape::default() };
    bench.order("mail", put(shape)).expect("it is made");
    let of = |spec: Spec| Spec { queue: Some(name("mail")), ..spec };
    bench.submit(of(serial("k")));
    bench.submit(of(spec()));
    let keyed = bench.submit(Spec { host: Some("r".into()), ..of(serial("k")) });
    let plain = bench.submit(of(spec()));
    bench.order("mail", QueueVerb::Pause).expect("it is there");
    for job in [keyed, plain] {
        let explained = bench.driver.explain(job, bench.now).expect("it is explained");
        let words: Vec<_> = explained.whys.iter().map(Why::word).collect();
        assert!(words.is_sorted(), "{words:?}");
        assert_eq!(words.first(), Some(&bench.why(job).word()), "the first is told");
    }
    let words = ["queue_paused", "no_runner", "resource", "concurrency", "rate"];
    assert_eq!(bench.words(keyed), words, "of its runner nothing was heard, so it is not full");
    let words = ["queue_paused", "concurrency", "rate", "behind", "slots_busy"];
    assert_eq!(bench.words(plain), words);
}

#[test]
fn slots_are_said_to_hold_a_job_up_as_well_only_while_all_are_taken() {
    let mut bench = Bench::new();
    bench.beat("r", 2, &[]);
    let shape = QueueShape { concurrency: Some(1), ..QueueShape::default() };
    bench.order("mail", put(shape)).expect("it is made");
    bench.submit(in_queue("mail"));
    let job = bench.submit(in_queue("mail"));
    assert_eq!(bench.words(job), ["concurrency"], "one of two slots is free");
    let pinned = bench.submit(Spec { host: Some("r".into()), ..in_queue("mail") });
    assert_eq!(bench.words(pinned), ["concurrency"]);
    bench.submit(spec());
    assert_eq!(bench.words(job), ["concurrency", "slots_busy"]);
    assert_eq!(bench.words(pinned), ["concurrency", "runner_full"]);
}

#[test]
fn an_explanation_has_the_way_up_with_gates_and_shares_and_a_start_where_nothing_else_holds() {
    let mut bench = Bench::new();
    bench.beat("r", 1, &[]);
    let shape = QueueShape { weight: 3, concurrency: Some(5), ..QueueShape::default() };
    bench.order("mail", put(shape)).expect("it is made");
    bench.submit(spec());
    bench.submit(spec());
    let job = bench.submit(in_queue("mail"));
    let explained = bench.driver.explain(job, bench.now).expect("it is explained");
    let levels: Vec<_> = explained.levels.iter().map(|it| it.queue.clone()).collect();
    assert_eq!(levels, [Some(name("mail")), None]);
    let mail = &explained.levels[0];
    assert_eq!((mail.share, mail.concurrency, mail.is_open), (Some((3, 4)), Some(5), true));
    assert_eq!((mail.waiting, mail.running), (1, 0));
    assert_eq!(explained.slots, (1, 1));
    let standing = explained.standing.expect("it waits there");
    assert_eq!((standing.weight, standing.share), (1, Some((1, 1))));
    assert!(explained.start.is_some(), "{explained:?}");
    bench.order("mail", QueueVerb::Pause).expect("it is there");
    let explained = bench.driver.explain(job, bench.now).expect("it is explained");
    assert_eq!(explained.start, None, "nobody knows when it is resumed");
}
