//! Jobs that run and are ended to wait in another queue.

use ostler_job::durable::{QueueName, QueueShape};

use super::*;
use crate::{Places, QueueOrder, QueueRefusal, QueueVerb};

fn mail() -> QueueName {
    QueueName::new("mail").expect("it is a name")
}

impl Bench {
    fn order_mail(&mut self, verb: QueueVerb) -> Answer {
        let order = QueueOrder { ticket: Ticket(3), who: "ops".into(), queue: mail(), verb };
        self.driver.handle_queue(order, self.now);
        self.settle();
        self.answers().remove(0)
    }

    fn relocate(&mut self, job: JobId) -> Answer {
        self.steer(Verb::Move { host: None, queue: Some(mail()), relocate: true }, job)
    }

    fn record(&self, job: JobId) -> Vec<(Reason, Option<String>)> {
        let attempts = self.store.attempts(job).expect("the model reads");
        let endings = attempts.into_iter().filter_map(|it| it.ending);
        endings.map(|it| (it.reason, it.detail)).collect()
    }
}

/// A job that runs, tried twice at most, and a queue that is paused.
fn running() -> (Bench, JobId, AttemptKey) {
    let mut bench = Bench::new();
    bench.order_mail(QueueVerb::Put(Box::default()));
    bench.order_mail(QueueVerb::Pause);
    bench.beat("a", 1, &[]);
    let retry = Retry { attempts: 2, ..Retry::default() };
    let job = bench.submit(Spec { retry, ..spec() });
    let key = bench.run();
    bench.start("a", key);
    (bench, job, key)
}

#[test]
fn a_job_that_runs_is_ended_politely_and_waits_in_the_other_queue_without_a_failure() {
    let (mut bench, job, key) = running();
    let running = JobState::Running;
    assert_eq!(bench.relocate(job), Answer::Done { job, state: running });
    assert_eq!(bench.orders(), [Order::Kill]);
    let status = bench.status(job);
    assert_eq!((status.state, status.moves_to, status.queue), (running, Some(mail()), None));
    bench.finish("a", key, Reason::Killed);
    let status = bench.status(job);
    assert_eq!((status.state, status.queue), (JobState::Pending, Some(mail())));
    assert_eq!((status.failures, status.crashes, status.moves_to), (0, 0, None));
    let detail = "it was ended to wait in the queue mail".to_owned();
    assert_eq!(bench.record(job), [(Reason::Killed, Some(detail))]);
    bench.order_mail(QueueVerb::Resume);
    let next = bench.run();
    assert_eq!((next.job, next.attempt), (job, 2));
    // All of its attempts are left.
    bench.finish("a", next, Reason::ExitStatus);
    assert_eq!(bench.state(job), JobState::Retrying);
}

#[test]
fn a_job_that_is_on_its_way_to_a_queue_may_be_sent_there_again_though_it_took_the_last_place() {
    let (mut bench, job, _) = running();
    let shape = QueueShape { waiting_max: Some(1), ..QueueShape::default() };
    bench.order_mail(QueueVerb::Put(Box::new(shape)));
    for _ in 0..2 {
        assert_eq!(bench.relocate(job), Answer::Done { job, state: JobState::Running });
    }
}

#[test]
fn a_job_that_is_on_its_way_may_be_sent_elsewhere_or_back_and_one_that_is_there_runs_on() {
    let (mut bench, job, key) = running();
    let own = |bench: &mut Bench, queue: &str| {
        let queue = Some(QueueName::new(queue).expect("it is a name"));
        bench.steer(Verb::Move { host: None, queue, relocate: true }, job)
    };
    assert_eq!(own(&mut bench, "default"), Answer::Done { job, state: JobState::Running });
    assert_eq!(bench.orders(), [], "it is there");
    bench.relocate(job);
    let (ticket, who) = (Ticket(3), "ops".to_owned());
    let post = QueueName::new("post").expect("it is a name");
    let verb = QueueVerb::Put(Box::default());
    bench.driver.handle_queue(QueueOrder { ticket, who, queue: post.clone(), verb }, bench.now);
    bench.settle();
    assert_eq!(own(&mut bench, "post"), Answer::Done { job, state: JobState::Running });
    assert_eq!(bench.status(job).moves_to, Some(post));
    own(&mut bench, "default");
    bench.beat("a", 0, &[key]);
    bench.finish("a", key, Reason::Killed);
    let status = bench.status(job);
    assert_eq!((status.state, status.queue), (JobState::Pending, None));
}

#[test]
fn what_ends_by_itself_meanwhile_has_ended() {
    let (mut bench, job, key) = running();
    bench.relocate(job);
    bench.finish("a", key, Reason::Ok);
    let status = bench.status(job);
    assert_eq!((status.state, status.queue), (JobState::Succeeded, None));
    let (mut bench, job, key) = running();
    bench.relocate(job);
    bench.finish("a", key, Reason::ExitStatus);
    let status = bench.status(job);
    assert_eq!((status.state, status.failures), (JobState::Retrying, 1), "it failed by itself");
    assert_eq!(status.queue, Some(mail()), "and is tried again where it was to go");
}

#[test]
fn a_relocation_outlives_gateways_and_links() {
    let (mut bench, job, key) = running();
    bench.relocate(job);
    bench.restart();
    bench.beat("a", 1, &[key]);
    assert_eq!(bench.orders(), [Order::Kill], "again");
    bench.driver.handle_link_down(&"a".into(), bench.now);
    bench.settle();
    bench.beat("a", 1, &[key]);
    assert_eq!(bench.orders(), [Order::Kill], "and again");
    bench.finish("a", key, Reason::Killed);
    let status = bench.status(job);
    assert_eq!((status.state, status.queue), (JobState::Pending, Some(mail())));
}

#[test]
fn a_job_whose_runner_is_lost_meanwhile_is_there_once() {
    for ended in [false, true] {
        let (mut bench, job, key) = running();
        bench.relocate(job);
        bench.pass(Span::from_secs(30));
        let status = bench.status(job);
        assert_eq!((status.state, status.queue), (JobState::Pending, Some(mail())));
        // Its runner comes back with it, and nobody else was given it.
        if !ended {
            bench.beat("a", 1, &[key]);
            assert!(bench.orders().contains(&Order::Kill), "it is to end all the same");
            assert_eq!(bench.state(job), JobState::Running);
        }
        bench.finish("a", key, Reason::Killed);
        let status = bench.status(job);
        assert_eq!((status.state, status.queue), (JobState::Pending, Some(mail())), "{ended}");
        assert_eq!(status.moves_to, None);
    }
    // With another one it runs there, and what the first one says counts no more.
    let (mut bench, job, key) = running();
    bench.relocate(job);
    bench.pass(Span::from_secs(30));
    bench.order_mail(QueueVerb::Resume);
    bench.beat("b", 1, &[]);
    let next = bench.run();
    bench.finish("a", key, Reason::Killed);
    assert_eq!(bench.state(job), JobState::Leased);
    bench.finish("b", next, Reason::Ok);
    assert_eq!(bench.state(job), JobState::Succeeded);
}

#[test]
fn one_that_never_began_is_moved_without_an_attempt() {
    let mut bench = Bench::new();
    bench.order_mail(QueueVerb::Put(Box::default()));
    bench.order_mail(QueueVerb::Pause);
    bench.beat("a", 1, &[]);
    let job = bench.submit(spec());
    let key = bench.run();
    bench.relocate(job);
    bench.report("a", Report::NotStarted { key });
    let status = bench.status(job);
    assert_eq!((status.state, status.attempts), (JobState::Pending, 0));
    assert_eq!((status.queue, status.moves_to), (Some(mail()), None));
}

#[test]
fn what_may_start_once_only_is_not_relocated_and_what_waits_is_moved() {
    let mut bench = Bench::new();
    bench.order_mail(QueueVerb::Put(Box::default()));
    let once = Spec { delivery: Delivery::AtMostOnce, ..spec() };
    let (job, waits) = (bench.submit(once.clone()), bench.submit(once));
    bench.beat("a", 1, &[]);
    bench.run();
    let why = EditRefusal::Once;
    assert_eq!(bench.relocate(job), Answer::EditRefused { job, why });
    assert_eq!(bench.orders(), []);
    assert_eq!(bench.relocate(waits), Answer::Done { job: waits, state: JobState::Pending });
    assert_eq!(bench.status(waits).queue, Some(mail()));
}

#[test]
fn a_cancel_ends_a_job_that_is_being_relocated_and_a_pause_holds_it_there() {
    let (mut bench, job, key) = running();
    bench.relocate(job);
    bench.steer(Verb::Cancel, job);
    assert!(matches!(bench.relocate(job), Answer::NotNow { .. }), "it is ended for good");
    assert!(matches!(bench.order_mail(QueueVerb::Delete), Answer::Queue(_)), "nothing comes");
    bench.finish("a", key, Reason::Killed);
    assert_eq!(bench.state(job), JobState::Cancelled);
    let (mut bench, job, key) = running();
    bench.relocate(job);
    bench.steer(Verb::Pause, job);
    bench.finish("a", key, Reason::Killed);
    let status = bench.status(job);
    assert_eq!((status.state, status.queue), (JobState::Paused, Some(mail())));
}

#[test]
fn what_is_on_its_way_has_a_place_in_its_queue_which_stays_for_it() {
    let mut bench = Bench::new();
    let shape = QueueShape { waiting_max: Some(2), ..QueueShape::default() };
    bench.order_mail(QueueVerb::Put(Box::new(shape)));
    bench.beat("a", 3, &[]);
    let jobs = [bench.submit(spec()), bench.submit(spec()), bench.submit(spec())];
    assert!(matches!(bench.relocate(jobs[0]), Answer::Done { .. }));
    assert!(matches!(bench.relocate(jobs[1]), Answer::Done { .. }));
    assert!(matches!(bench.relocate(jobs[2]), Answer::QueueFull { .. }), "two are coming");
    let why = QueueRefusal::HasJobs(Places { waiting: 2, running: 0 });
    assert_eq!(bench.order_mail(QueueVerb::Delete), Answer::QueueRefused { queue: mail(), why });
}
