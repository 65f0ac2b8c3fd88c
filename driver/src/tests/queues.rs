//! Queues: what they take, what is done to them, and that no job is lost by it.

use ostler_job::durable::{Held, Queue, QueueName, QueueShape, Rate, ShapeOwner};

use super::*;
use crate::{Places, QueueLook, QueueOrder, QueueRefusal, QueueVerb, QueueView};

pub(super) fn name(text: &str) -> QueueName {
    QueueName::new(text).expect("it is a name")
}

pub(super) fn in_queue(queue: &str) -> Spec {
    Spec { queue: Some(name(queue)), ..spec() }
}

pub(super) fn put(shape: QueueShape) -> QueueVerb {
    QueueVerb::Put(Box::new(shape))
}

fn to(queue: &str) -> Verb {
    Verb::Move { host: None, queue: Some(name(queue)), relocate: false }
}

impl Bench {
    pub(super) fn order(
        &mut self,
        queue: &str,
        verb: QueueVerb,
    ) -> Result<QueueView, QueueRefusal> {
        let (who, queue) = ("ops".to_owned(), name(queue));
        self.driver.handle_queue(QueueOrder { ticket: Ticket(3), who, queue, verb }, self.now);
        self.settle();
        let answer = self.answers().remove(0);
        if let Answer::QueueRefused { why, .. } = answer {
            return Err(why);
        }
        let Answer::Queue(view) = answer else { panic!("{answer:?}") };
        Ok(view)
    }

    pub(super) fn places(&mut self, queue: &str, tenant: Option<&str>) -> (u64, u64) {
        let (queue, tenant) = (Some(name(queue)), tenant.map(str::to_owned));
        self.driver.handle_look(QueueLook { ticket: Ticket(4), queue, tenant }, self.now);
        self.settle();
        let answer = self.answers().remove(0);
        let Answer::Queue(QueueView { places, .. }) = answer else { panic!("{answer:?}") };
        (places.waiting, places.running)
    }

    pub(super) fn status_key(&self, job: JobId) -> AttemptKey {
        let Status { attempts, fence, .. } = self.status(job);
        AttemptKey { job, attempt: attempts, fence }
    }

    /// Starts again with what the configuration has.
    pub(super) fn restart_with(&mut self, queues: Vec<(QueueName, QueueShape)>) {
        self.config.queues = queues;
        self.restart();
    }
}

fn held(bench: &Bench) -> Option<Held> {
    Some(Held { who: "ops".to_owned(), since: bench.now.wall })
}

#[test]
fn a_job_goes_to_the_queue_that_it_names_and_to_no_other() {
    let mut bench = Bench::new();
    let refused = |why| [Answer::QueueRefused { queue: name("mail"), why }];
    assert_eq!(bench.submit_all(vec![in_queue("mail")]), refused(QueueRefusal::Unknown));
    assert!(bench.order("mail", put(QueueShape::default())).expect("it is made").is_new);
    let job = bench.submit(in_queue("mail"));
    assert_eq!(bench.status(job).queue, Some(name("mail")));
    // The one that is always there has no name in a record.
    let other = bench.submit(in_queue("default"));
    assert_eq!(bench.status(other).queue, None);
    assert_eq!((bench.places("mail", None), bench.places("default", None)), ((1, 0), (1, 0)));
    bench.beat("r", 1, &[]);
    assert_eq!((bench.places("mail", None), bench.places("default", None)), ((0, 1), (1, 0)));
    assert_eq!(bench.places("mail", Some("nobody")), (0, 0));
    assert_eq!(bench.places("mail", Some("default")), (0, 1));
}

#[test]
fn a_drained_queue_takes_nothing_new_and_works_off_what_waits() {
    let mut bench = Bench::new();
    let job = bench.submit(spec());
    let done = bench.submit(spec());
    bench.steer(Verb::Cancel, done);
    let elsewhere = {
        bench.order("mail", put(QueueShape::default())).expect("it is made");
        bench.submit(in_queue("mail"))
    };
    let drained = bench.order("default", QueueVerb::Drain).expect("it is there").queue;
    assert_eq!(drained.drained, held(&bench));
    let why = QueueRefusal::Drained(held(&bench).expect("it is held"));
    let refused = Answer::QueueRefused { queue: name("default"), why };
    assert_eq!(bench.submit_all(vec![spec()])[0], refused);
    assert_eq!(bench.steer(to("default"), elsewhere), refused, "nor by a move");
    assert_eq!(bench.steer(Verb::Retry, done), refused, "nor anew");
    bench.restart();
    assert_eq!(bench.submit_all(vec![spec()]), [refused], "after a restart, too");
    bench.beat("r", 1, &[]);
    bench.finish("r", bench.run(), Reason::Ok);
    assert_eq!(bench.state(job), JobState::Succeeded);
    bench.order("default", QueueVerb::Resume).expect("it is there");
    bench.submit(spec());
}

#[test]
fn a_full_queue_says_that_it_is_this_one_and_keeps_places_for_other_tenants() {
    let mut bench = Bench::new();
    let shape = QueueShape { waiting_max: Some(4), ..QueueShape::default() };
    bench.order("mail", put(shape)).expect("it is made");
    let of = |tenant: &str| Spec { tenant: tenant.into(), ..in_queue("mail") };
    let full = |answer: &Answer| {
        let Answer::QueueFull { queue, .. } = answer else { panic!("{answer:?}") };
        queue.clone()
    };
    let jobs = |n| {
        (0..n).map(|_| NewJob {
            spec: Arc::new(of("a")),
            paused: false,
            delayed: false,
            done_before: None,
        })
    };
    let answers = bench.request(jobs(3).collect(), None, false);
    assert_eq!(full(&answers[2]), Some(name("mail")), "half of it is one tenant's at most");
    bench.submit(of("b"));
    assert_eq!(full(&bench.submit_all(vec![of("b")])[0]), Some(name("mail")));
    bench.submit(Spec { tenant: "b".into(), ..spec() });
    // Those that were there when it was made smaller stay.
    bench.order("mail", put(QueueShape { waiting_max: Some(1), ..QueueShape::default() })).unwrap();
    assert_eq!(bench.places("mail", None), (3, 0));
}

#[test]
fn a_full_queue_takes_nothing_by_a_retry_by_hand() {
    let mut bench = Bench::new();
    bench.beat("a", 1, &[]);
    bench.order("mail", put(QueueShape { waiting_max: Some(4), ..QueueShape::default() })).unwrap();
    let done: Vec<JobId> = (0..4)
        .map(|_| {
            let job = bench.submit(in_queue("mail"));
            bench.finish("a", bench.run(), Reason::ExitStatus);
            job
        })
        .collect();
    bench.beat("a", 0, &[]);
    let answers: Vec<Answer> = done.iter().map(|&job| bench.steer(Verb::Retry, job)).collect();
    let is_full = |it: &Answer| matches!(it, Answer::QueueFull { queue: Some(queue), .. } if *queue == name("mail"));
    let full: Vec<bool> = answers.iter().map(is_full).collect();
    assert_eq!(full, [false, false, true, true], "as many as a submit might");
    assert_eq!((bench.state(done[2]), bench.places("mail", None)), (JobState::Dead, (2, 0)));
}

#[test]
fn a_full_queue_takes_nothing_by_a_move_and_what_it_does_not_take_stays() {
    let mut bench = Bench::new();
    bench.order("mail", put(QueueShape { waiting_max: Some(4), ..QueueShape::default() })).unwrap();
    let of = |tenant: &str| Spec { tenant: tenant.into(), ..spec() };
    let jobs: Vec<JobId> = ["a", "a", "a", "b", "b"].map(|it| bench.submit(of(it))).into();
    let verb = to("mail");
    let steered = jobs.iter().map(|&id| SteerJob { id, finished: None }).collect();
    let steer = Steer { ticket: Ticket(2), who: "operator".into(), verb, jobs: steered };
    bench.driver.handle_steer(steer, bench.now);
    bench.settle();
    let is_full = |it: &Answer| matches!(it, Answer::QueueFull { queue: Some(queue), .. } if *queue == name("mail"));
    let full: Vec<bool> = bench.answers().iter().map(is_full).collect();
    assert_eq!(full, [false, false, true, false, true], "as many as a submit might");
    assert_eq!((bench.places("mail", None), bench.places("default", None)), ((3, 0), (2, 0)));
    assert!(bench.status(jobs[2]).queue.is_none(), "it stays");
    // Whatever is in it is there already.
    assert!(matches!(bench.steer(to("mail"), jobs[0]), Answer::Done { .. }));
    bench.steer(Verb::Cancel, jobs[3]);
    assert!(matches!(bench.steer(to("mail"), jobs[4]), Answer::Done { .. }), "there is room");
}

#[test]
fn what_was_done_to_a_queue_outlives_a_restart() {
    let mut bench = Bench::new();
    let shape = QueueShape { weight: 7, ..QueueShape::default() };
    bench.order("mail", put(shape.clone())).expect("it is made");
    bench.order("mail", QueueVerb::Pause).expect("it is there");
    let paused = held(&bench);
    bench.pass(Span::from_secs(5));
    // Whoever pauses it again does not make it younger.
    bench.order("mail", QueueVerb::Pause).expect("it is there");
    let job = bench.submit(in_queue("mail"));
    bench.restart();
    let kept = bench.store.queues().expect("the model reads").remove(0);
    assert_eq!(
        kept,
        Queue { paused: paused.clone(), ..Queue::new(name("mail"), shape, ShapeOwner::Api) }
    );
    assert_eq!(bench.places("mail", None), (1, 0));
    // A new shape leaves it paused, and its jobs where they are.
    let view = bench.order("mail", put(QueueShape::default())).expect("it is there");
    assert_eq!((view.queue.paused.clone(), view.is_new), (paused, false));
    assert_eq!(bench.status(job).queue, Some(name("mail")));
}

#[test]
fn a_queue_of_the_configuration_is_shaped_there_and_held_by_operators() {
    let mut bench = Bench::new();
    let shape = |weight| QueueShape { weight, ..QueueShape::default() };
    bench.order("mail", put(shape(2))).expect("it is made");
    bench.order("mail", QueueVerb::Pause).expect("it is there");
    let paused = held(&bench);
    bench.restart_with(vec![(name("mail"), shape(7)), (name("new"), shape(3))]);
    let kept = |bench: &Bench| {
        let kept = bench.store.queues().expect("the model reads").into_iter();
        kept.map(|it| (it.name.to_string(), it.shape.weight, it.owner, it.paused))
            .collect::<Vec<_>>()
    };
    let file = ShapeOwner::File;
    let expected =
        [("mail".to_owned(), 7, file, paused.clone()), ("new".to_owned(), 3, file, None)];
    assert_eq!(kept(&bench), expected);
    assert_eq!(bench.order("mail", put(shape(9))), Err(QueueRefusal::OfFile));
    assert_eq!(bench.order("new", QueueVerb::Delete), Err(QueueRefusal::OfFile));
    bench.order("new", QueueVerb::Drain).expect("it is there");
    // Nothing is news when it is started again; what leaves the file stays as it is, and is the API's.
    bench.restart();
    assert_eq!(bench.changes.len(), 0, "{:?}", bench.changes);
    bench.restart_with(Vec::new());
    let expected = [("mail".to_owned(), 7, paused), ("new".to_owned(), 3, None)];
    let api = expected.map(|(name, weight, paused)| (name, weight, ShapeOwner::Api, paused));
    assert_eq!(kept(&bench), api);
    bench.order("mail", put(shape(9))).expect("it is the API's");
}

#[test]
fn only_an_empty_queue_that_is_nobody_elses_is_deleted() {
    let mut bench = Bench::new();
    bench.order("mail", put(QueueShape::default())).expect("it is made");
    let job = bench.submit(in_queue("mail"));
    let has = |waiting, running| Err(QueueRefusal::HasJobs(Places { waiting, running }));
    assert_eq!(bench.order("mail", QueueVerb::Delete), has(1, 0));
    bench.beat("r", 1, &[]);
    let key = bench.run();
    assert_eq!(bench.order("mail", QueueVerb::Delete), has(0, 1));
    bench.finish("r", key, Reason::Ok);
    bench.order("mail", QueueVerb::Delete).expect("it is empty");
    assert_eq!(bench.store.queues(), Ok(Vec::new()));
    for (queue, why) in [("mail", QueueRefusal::Unknown), ("default", QueueRefusal::Default)] {
        assert_eq!(bench.order(queue, QueueVerb::Delete), Err(why));
    }
    // What finished in it is not run anew before there is such a queue again.
    let refused = Answer::QueueRefused { queue: name("mail"), why: QueueRefusal::Unknown };
    assert_eq!(bench.steer(Verb::Retry, job), refused);
    assert_eq!(bench.status(job).state, JobState::Succeeded);
    bench.order("mail", put(QueueShape::default())).expect("it is made");
    bench.steer(Verb::Retry, job);
    assert_eq!(bench.places("mail", None), (0, 1));
}

#[test]
fn a_waiting_job_is_moved_to_another_queue_and_keeps_all_else() {
    let mut bench = Bench::new();
    bench.order("mail", put(QueueShape::default())).expect("it is made");
    let mut jobs = Vec::new();
    for paused in [false, true] {
        let due = (!paused).then(|| bench.now.wall.after(Span::from_secs(60)));
        let spec = Spec { not_before: due, host: Some("h".into()), ..spec() };
        let job = bench.submit(spec);
        if paused {
            bench.steer(Verb::Pause, job);
        }
        jobs.push(job);
    }
    jobs.push(bench.submit(spec()));
    for &job in &jobs {
        let before = bench.status(job);
        assert_eq!(bench.steer(to("mail"), job), Answer::Done { job, state: before.state });
        let after = bench.status(job);
        assert_eq!(after, Status { queue: Some(name("mail")), ..before });
    }
    assert_eq!((bench.places("mail", None), bench.places("default", None)), ((3, 0), (0, 0)));
    let missing = Answer::QueueRefused { queue: name("no"), why: QueueRefusal::Unknown };
    assert_eq!(bench.steer(to("no"), jobs[0]), missing);
    bench.beat("r", 1, &[]);
    let running = bench.run().job;
    assert!(matches!(bench.steer(to("default"), running), Answer::NotNow { .. }));
    bench.restart();
    assert_eq!(bench.places("mail", None), (2, 1));
}

#[test]
fn a_purge_cancels_what_waits_in_its_queue_and_nothing_else() {
    let mut bench = Bench::new();
    bench.order("mail", put(QueueShape::default())).expect("it is made");
    let running = bench.submit(in_queue("mail"));
    bench.beat("r", 1, &[]);
    let (waiting, other) = (bench.submit(in_queue("mail")), bench.submit(spec()));
    let purge = || Verb::Purge(name("mail"));
    for job in [running, other] {
        assert!(matches!(bench.steer(purge(), job), Answer::NotNow { .. }));
        assert!(!bench.state(job).is_finished());
    }
    bench.steer(purge(), waiting);
    assert_eq!(bench.state(waiting), JobState::Cancelled);
    bench.order("mail", QueueVerb::Purged(1)).expect("it is there");
    let told = bench.changes.iter().filter_map(|change| {
        let Change::Event { who, detail, .. } = change else { return None };
        Some((who.as_deref(), detail.as_str()))
    });
    let expected = r#"{"action":"queue_purge","jobs":1,"queue":"mail"}"#;
    assert_eq!(told.collect::<Vec<_>>(), [(Some("ops"), expected)]);
}

#[test]
fn a_job_whose_queue_the_store_has_lost_is_not_lost_with_it() {
    let mut bench = Bench::new();
    bench.order("mail", put(QueueShape { weight: 7, ..QueueShape::default() })).expect("made");
    let job = bench.submit(in_queue("mail"));
    bench.store.commit(bench.epoch, &[Change::QueueGone(name("mail"))]).expect("it is written");
    bench.restart();
    assert_eq!(bench.places("mail", None), (1, 0));
    bench.beat("r", 1, &[]);
    bench.finish("r", bench.run(), Reason::Ok);
    assert_eq!(bench.state(job), JobState::Succeeded);
}

#[test]
fn there_are_no_more_queues_than_may_be() {
    // That many would be looked at by each check of what must hold.
    assert_eq!(DriverConfig::default().queues_max, QueueShape::QUEUES_MAX);
    let max = 10;
    let mut bench = Bench::with(DriverConfig { queues_max: max, ..DriverConfig::default() });
    let queues = (1..max).map(|n| (name(&format!("q{n}")), QueueShape::default())).collect();
    bench.restart_with(queues);
    let put = || put(QueueShape::default());
    assert_eq!(bench.order("one-more", put()), Err(QueueRefusal::TooMany(max)));
    bench.restart_with(Vec::new());
    bench.order("q1", put()).expect("it is there already");
    bench.order("q2", QueueVerb::Delete).expect("it is empty");
    assert!(bench.order("one-more", put()).expect("there is room").is_new);
}

/// Jobs that run, of both queues.
fn running(bench: &mut Bench) -> (u64, u64) {
    (bench.places("mail", None).1, bench.places("default", None).1)
}

#[test]
fn nothing_of_a_paused_queue_starts_before_it_is_resumed() {
    let mut bench = Bench::new();
    bench.order("mail", put(QueueShape::default())).expect("it is made");
    bench.order("mail", QueueVerb::Pause).expect("it is there");
    let job = bench.submit(in_queue("mail"));
    bench.submit(spec());
    bench.beat("r", 4, &[]);
    assert_eq!(running(&mut bench), (0, 1));
    bench.restart();
    bench.beat("r", 4, &[]);
    assert_eq!(bench.state(job), JobState::Pending, "after a restart, too");
    bench.order("mail", QueueVerb::Resume).expect("it is there");
    assert_eq!(bench.state(job), JobState::Leased);
}

#[test]
fn a_limit_holds_from_when_it_is_set_and_no_job_is_lost_by_it() {
    let mut bench = Bench::new();
    let limited = |concurrency| put(QueueShape { concurrency, ..QueueShape::default() });
    bench.order("mail", limited(Some(2))).expect("it is made");
    for _ in 0..5 {
        bench.submit(in_queue("mail"));
    }
    bench.beat("r", 9, &[]);
    assert_eq!(bench.places("mail", None), (3, 2));
    bench.order("mail", limited(Some(3))).expect("it is there");
    assert_eq!(bench.places("mail", None), (2, 3));
    bench.order("mail", limited(Some(1))).expect("it is there");
    assert_eq!(bench.places("mail", None), (2, 3), "what runs goes on");
    bench.order("mail", limited(None)).expect("it is there");
    assert_eq!(bench.places("mail", None), (0, 5));
}

#[test]
fn each_tenant_of_a_queue_runs_as_many_jobs_as_it_may_there() {
    let mut bench = Bench::new();
    let capped = |each, shop| {
        let tenant_caps = [("shop".to_owned(), shop)].into();
        put(QueueShape { tenant_concurrency: each, tenant_caps, ..QueueShape::default() })
    };
    bench.order("mail", capped(Some(1), 2)).expect("it is made");
    for tenant in ["shop", "shop", "shop", "a", "a", "b"] {
        bench.submit(Spec { tenant: tenant.into(), ..in_queue("mail") });
    }
    bench.beat("r", 9, &[]);
    let running =
        |bench: &mut Bench| ["shop", "a", "b"].map(|tenant| bench.places("mail", Some(tenant)).1);
    assert_eq!(running(&mut bench), [2, 1, 1]);
    bench.restart();
    bench.beat("r", 9, &[]);
    assert_eq!(running(&mut bench), [2, 1, 1], "after a restart, too");
    bench.order("mail", capped(Some(1), 3)).expect("it is there");
    assert_eq!(running(&mut bench), [3, 1, 1]);
    bench.order("mail", put(QueueShape::default())).expect("it is there");
    assert_eq!(running(&mut bench), [3, 2, 1], "without any, all of them");
}

#[test]
fn a_tenant_that_only_a_cap_names_is_known_by_it_when_its_first_job_comes() {
    let mut bench = Bench::new();
    let tenant_caps = [("shop".to_owned(), 1)].into();
    let capped = put(QueueShape { tenant_caps, ..QueueShape::default() });
    bench.order("mail", capped).expect("it is made");
    bench.beat("r", 9, &[]);
    // Whose names come and go between gets no number that is somebody else's.
    for n in 0..40 {
        bench.submit(Spec { tenant: format!("t{n}"), ..spec() });
        bench.finish("r", bench.run(), Reason::Ok);
    }
    for _ in 0..2 {
        bench.submit(Spec { tenant: "shop".into(), ..in_queue("mail") });
    }
    assert_eq!(bench.places("mail", None), (1, 1));
    bench.order("mail", QueueVerb::Pause).expect("it is there");
    bench.order("mail", QueueVerb::Resume).expect("it is there");
    assert_eq!(bench.places("mail", None), (1, 1));
}

#[test]
fn a_rate_lets_jobs_start_when_their_time_has_come() {
    let mut bench = Bench::new();
    let rate = Rate::read("60/1m burst 2").ok();
    bench.order("mail", put(QueueShape { rate, ..QueueShape::default() })).expect("it is made");
    for _ in 0..5 {
        bench.submit(in_queue("mail"));
    }
    bench.beat("r", 9, &[]);
    assert_eq!(bench.places("mail", None), (3, 2), "a burst");
    bench.pass(Span::from_millis(900));
    assert_eq!(bench.places("mail", None), (3, 2));
    bench.pass(Span::from_millis(200));
    assert_eq!(bench.places("mail", None), (2, 3), "one each second, without any event");
}

#[test]
fn a_restart_neither_forgets_nor_multiplies_what_running_jobs_have_used_of_a_rate() {
    let mut bench = Bench::new();
    let rate = Rate::read("6/1h").ok();
    bench.order("mail", put(QueueShape { rate, ..QueueShape::default() })).expect("it is made");
    bench.beat("r", 9, &[]);
    let mut held = Vec::new();
    for _ in 0..5 {
        bench.submit(in_queue("mail"));
        let key = bench.run();
        bench.start("r", key);
        held.push(key);
        for _ in 0..120 {
            bench.pass(Span::from_secs(5));
            bench.beat("r", 9, &held);
        }
    }
    let job = bench.submit(in_queue("mail"));
    held.push(bench.run());
    bench.pass(Span::from_secs(5));
    let next = bench.submit(in_queue("mail"));
    bench.restart();
    bench.beat("r", 9, &held);
    assert_eq!(bench.places("mail", None), (1, 6), "{job} began just now");
    for _ in 0..118 {
        bench.pass(Span::from_secs(5));
        bench.beat("r", 9, &held);
    }
    assert_eq!(bench.state(next), JobState::Pending);
    bench.pass(Span::from_secs(5));
    assert_eq!(bench.state(next), JobState::Leased, "ten minutes after that one");
}

#[test]
fn what_is_moved_out_of_a_paused_queue_starts_and_into_it_waits() {
    let mut bench = Bench::new();
    bench.order("mail", put(QueueShape::default())).expect("it is made");
    bench.order("mail", QueueVerb::Pause).expect("it is there");
    bench.beat("r", 1, &[]);
    let job = bench.submit(in_queue("mail"));
    bench.steer(to("default"), job);
    assert_eq!(bench.state(job), JobState::Leased);
    let other = bench.submit(spec());
    bench.steer(to("mail"), other);
    bench.finish("r", bench.status_key(job), Reason::Ok);
    assert_eq!(bench.state(other), JobState::Pending);
}
