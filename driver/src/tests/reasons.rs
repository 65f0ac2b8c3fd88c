//! Why jobs wait.

mod all;

use ostler_job::durable::{
    Held, OnRetry, QueueDiscipline, QueueShape, Rate, Resources, Slots, WaitReason,
};

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
    let held = |who: &str, since| Why::Paused { held: Some(Held { who: who.into(), since }) };
    let since = bench.now.wall;
    assert_eq!(bench.why(job), held("operator", since));
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

#[test]
fn every_pause_and_every_rate_on_the_way_up_is_told_from_the_queue_on() {
    let mut bench = Bench::new();
    bench.beat("r", 2, &[]);
    let rate = Some(Rate { jobs: 1, per: Span::from_secs(60), burst: 1 });
    let limited = QueueShape { rate, concurrency: Some(1), ..QueueShape::default() };
    bench.order("all", put(limited.clone())).expect("it is made");
    let below = QueueShape { parent: Some(name("all")), ..limited };
    bench.order("mail", put(below)).expect("it is made");
    bench.submit(in_queue("mail"));
    let job = bench.submit(in_queue("mail"));
    for queue in ["mail", "all"] {
        bench.order(queue, QueueVerb::Pause).expect("it is there");
    }
    let explained = bench.driver.explain(job, bench.now).expect("it is explained");
    let told = |why: &Why| {
        let (Why::QueuePaused { queue, .. }
        | Why::Concurrency { queue, .. }
        | Why::Rate { queue, .. }) = why
        else {
            return None;
        };
        Some(format!("{} {queue}", why.word().code()))
    };
    let told: Vec<_> = explained.whys.iter().filter_map(told).collect();
    let expected = [
        "queue_paused mail",
        "queue_paused all",
        "concurrency mail",
        "concurrency all",
        "rate mail",
        "rate all",
    ];
    assert_eq!(told, expected);
    assert_eq!(bench.word(job), "queue_paused");
}

#[test]
fn who_paused_a_job_first_is_told_until_it_is_resumed_whatever_restarts() {
    let mut bench = Bench::new();
    let new = NewJob { spec: Arc::new(spec()), paused: true, delayed: false, done_before: None };
    bench.request(vec![new], None, true);
    let (own, other) = (JobId(1), bench.submit(spec()));
    let since = bench.now.wall;
    bench.steer(Verb::Pause, other);
    bench.pass(SECOND);
    bench.steer(Verb::Pause, own);
    bench.restart();
    let held = |who: &str| Why::Paused { held: Some(Held { who: who.to_owned(), since }) };
    assert_eq!((bench.why(own), bench.why(other)), (held("me"), held("operator")));
    bench.steer(Verb::Resume, own);
    assert_eq!(bench.status(own).paused, None);
    bench.beat("r", 1, &[]);
    let key = bench.run();
    bench.start("r", key);
    bench.steer(Verb::Pause, own);
    let stopped = bench.status(own).paused.expect("it is stopped by somebody");
    assert_eq!(stopped.who, "operator");
    bench.steer(Verb::Kill, own);
    bench.finish("r", key, Reason::Killed);
    assert_eq!((bench.state(own), bench.status(own).paused), (JobState::Cancelled, None));
}

#[test]
fn the_cap_of_its_tenant_and_its_own_jobs_are_told_of_each_queue_above_a_job() {
    let mut bench = Bench::new();
    bench.beat("r", 3, &[]);
    let caps = QueueShape { tenant_concurrency: Some(1), ..QueueShape::default() };
    bench.order("all", put(QueueShape::default())).expect("it is made");
    let below = |shape| QueueShape { parent: Some(name("all")), ..shape };
    bench.order("mail", put(below(caps))).expect("it is made");
    bench.order("more", put(below(QueueShape::default()))).expect("it is made");
    let of = |tenant: &str, queue| Spec { tenant: tenant.to_owned(), ..in_queue(queue) };
    for (tenant, queue) in
        [("shop", "mail"), ("shop", "mail"), ("shop", "more"), ("other", "more"), ("other", "mail")]
    {
        bench.submit(of(tenant, queue));
    }
    let job = bench.submit(of("shop", "mail"));
    let explained = bench.driver.explain(job, bench.now).expect("it is explained");
    let told: Vec<_> =
        explained.levels.iter().map(|it| (it.waiting, it.running, it.own, it.tenant_max)).collect();
    let expected = [(3, 1, (2, 1), Some(1)), (3, 3, (2, 2), None), (3, 3, (2, 2), None)];
    assert_eq!(told, expected);
}

#[test]
fn below_guarantees_and_ceilings_no_start_is_estimated() {
    let mut bench = Bench::new();
    bench.beat("r", 1, &[]);
    let htb = QueueShape { discipline: QueueDiscipline::Htb, ..QueueShape::default() };
    bench.order("all", put(htb)).expect("it is made");
    let below =
        |ceiling| put(QueueShape { parent: Some(name("all")), ceiling, ..QueueShape::default() });
    bench.order("mail", below(None)).expect("it is made");
    bench.order("more", below(None)).expect("it is made");
    bench.submit(in_queue("mail"));
    let job = bench.submit(in_queue("mail"));
    let start = |bench: &Bench| bench.driver.explain(job, bench.now).expect("it waits").start;
    assert!(start(&bench).is_some(), "by weights alone it can be told");
    bench.order("more", below(Slots::read("2"))).expect("it is changed");
    assert_eq!(start(&bench), None);
    bench.order("more", QueueVerb::Delete).expect("it is empty");
    assert!(start(&bench).is_some());
}
