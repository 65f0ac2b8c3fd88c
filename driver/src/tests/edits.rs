//! Jobs that are changed while they wait.

use ostler_job::durable::{QueueName, QueueShape, Resources};

use super::*;
use crate::{QueueOrder, QueueVerb};

fn mail() -> QueueName {
    QueueName::new("mail").expect("it is a name")
}

impl Bench {
    fn put(&mut self, shape: QueueShape) {
        let verb = QueueVerb::Put(Box::new(shape));
        let order = QueueOrder { ticket: Ticket(3), who: "ops".into(), queue: mail(), verb };
        self.driver.handle_queue(order, self.now);
        self.settle();
    }

    fn edit(&mut self, job: JobId, edit: Edit) -> Answer {
        self.steer(Verb::Edit(Box::new(edit)), job)
    }

    fn spec_of(&self, job: JobId) -> Spec {
        self.store.job(job).expect("the model reads").expect("the job is there").spec
    }
}

fn within(seconds: u64) -> Edit {
    Edit { within: Some(Some(Span::from_secs(seconds))), ..Edit::default() }
}

fn not_before(at: Option<Wall>) -> Edit {
    Edit { not_before: Some(at), ..Edit::default() }
}

#[test]
fn what_is_edited_is_on_record_and_goes_by_it_after_a_restart_too() {
    let mut bench = Bench::new();
    bench.put(QueueShape::default());
    let job = bench.submit(spec());
    let retry = Retry { attempts: 2, constant: true, ..Retry::default() };
    let edit = Edit {
        queue: Some(mail()),
        within: Some(Some(Span::from_secs(9))),
        tags: Some(vec!["red".into()]),
        retry: Some(retry.clone()),
        host: Some(Some("a".into())),
        ..Edit::default()
    };
    assert_eq!(bench.edit(job, edit), Answer::Done { job, state: JobState::Pending });
    let (kind, told) = bench
        .changes
        .iter()
        .find_map(|change| {
            let Change::Event { kind, who, detail, .. } = change else { return None };
            Some((*kind, (who.clone(), detail.clone())))
        })
        .expect("it is told");
    let detail = r#"{"fields":["queue","within","tags","retry","host"],"host":"a","queue":"mail","reason":"no_runner","state":"pending","verb":"edit"}"#;
    assert_eq!((kind, told), (EventKind::Edited, (Some("operator".into()), detail.into())));
    let spec = bench.spec_of(job);
    assert_eq!((&spec.retry, spec.within), (&retry, Some(Span::from_secs(9))));
    let edited = spec.edited.expect("it was edited");
    assert_eq!((edited.at, &*edited.by, edited.fields.len()), (bench.now.wall, "operator", 5));
    let status = bench.status(job);
    assert_eq!((status.queue, status.host.as_deref()), (Some(mail()), Some("a")));
    for restart in [false, true] {
        if restart {
            bench.restart();
        }
        bench.beat("b", 1, &[]);
        assert_eq!(bench.runs(), [], "it is for another host");
    }
    bench.beat("a", 1, &[]);
    bench.finish("a", bench.run(), Reason::ExitStatus);
    assert_eq!(bench.state(job), JobState::Retrying);
    bench.pass(Span::from_secs(2));
    bench.finish("a", bench.run(), Reason::ExitStatus);
    assert_eq!(bench.state(job), JobState::Dead);
}

#[test]
fn a_job_that_is_promised_sooner_goes_before_those_it_waited_behind() {
    for (edited, expected) in [(false, 0), (true, 1)] {
        let mut bench = Bench::new();
        let jobs = [bench.submit(spec()), bench.submit(spec())];
        if edited {
            bench.edit(jobs[1], within(5));
        }
        bench.beat("a", 1, &[]);
        assert_eq!(bench.run().job, jobs[expected]);
    }
}

#[test]
fn a_job_is_put_off_or_started_at_once_by_its_moment() {
    for restart in [false, true] {
        let mut bench = Bench::new();
        let job = bench.submit(spec());
        let later = bench.now.wall.after(Span::from_secs(60));
        bench.edit(job, not_before(Some(later)));
        assert_eq!((bench.state(job), bench.status(job).due), (JobState::Scheduled, Some(later)));
        let sooner = bench.now.wall.after(Span::from_secs(30));
        bench.edit(job, not_before(Some(sooner)));
        if restart {
            bench.restart();
        }
        bench.beat("a", 1, &[]);
        bench.beats_for(25, "a", &[]);
        assert_eq!(bench.state(job), JobState::Scheduled);
        bench.beats_for(10, "a", &[]);
        assert_eq!(bench.state(job), JobState::Leased);
        let other = bench.submit(Spec { not_before: Some(later), ..spec() });
        bench.edit(other, not_before(None));
        assert_eq!(
            (bench.state(other), bench.spec_of(other).not_before),
            (JobState::Pending, None)
        );
    }
}

#[test]
fn a_job_that_came_back_unstarted_waits_for_its_moment_like_any_other() {
    let mut bench = Bench::new();
    bench.beat("a", 1, &[]);
    let job = bench.submit(spec());
    for _ in 0..5 {
        let key = bench.run();
        bench.report("a", Report::NotStarted { key });
    }
    assert_eq!(bench.state(job), JobState::Retrying, "nothing starts it at once");
    let hours = Span::from_secs(7_200);
    bench.edit(job, not_before(Some(bench.now.wall.after(hours))));
    bench.restart();
    bench.beat("a", 1, &[]);
    bench.beats_for(7_190, "a", &[]);
    assert_eq!(bench.state(job), JobState::Scheduled);
    bench.beats_for(20, "a", &[]);
    assert_eq!(bench.state(job), JobState::Leased);
}

#[test]
fn what_a_runner_has_or_is_over_is_not_edited() {
    let mut bench = Bench::new();
    bench.beat("a", 1, &[]);
    let job = bench.submit(spec());
    let key = bench.run();
    let refused = |state| Answer::NotNow { job, state };
    assert_eq!(bench.edit(job, within(5)), refused(JobState::Leased));
    bench.start("a", key);
    assert_eq!(bench.edit(job, within(5)), refused(JobState::Running));
    bench.finish("a", key, Reason::Ok);
    assert_eq!(bench.edit(job, within(5)), refused(JobState::Succeeded));
    assert_eq!(bench.spec_of(job).edited, None);
}

#[test]
fn a_job_that_waits_for_its_retry_is_edited_but_for_what_has_no_meaning_any_more() {
    let mut bench = Bench::new();
    bench.beat("a", 1, &[]);
    let delay = Span::from_secs(60);
    let retry = |attempts| Retry { attempts, delay, constant: true, ..Retry::default() };
    let job = bench.submit(Spec { retry: retry(9), ..spec() });
    bench.finish("a", bench.run(), Reason::ExitStatus);
    let edit = |attempts| Edit { retry: Some(retry(attempts)), ..within(5) };
    let refused = |why| Answer::EditRefused { job, why };
    assert_eq!(bench.edit(job, edit(1)), refused(EditRefusal::Spent { failures: 1 }));
    let at = Some(bench.now.wall);
    assert_eq!(bench.edit(job, not_before(at)), refused(EditRefusal::Begun));
    assert_eq!(bench.spec_of(job).within, None, "nothing of what was refused is done");
    assert_eq!(bench.edit(job, edit(2)), Answer::Done { job, state: JobState::Retrying });
    bench.beats_for(55, "a", &[]);
    bench.pass(Span::from_secs(6));
    bench.finish("a", bench.run(), Reason::ExitStatus);
    assert_eq!(bench.state(job), JobState::Dead, "two attempts, by the new policy");
}

#[test]
fn nothing_of_an_edit_is_done_when_its_queue_does_not_take_the_job() {
    let mut bench = Bench::new();
    bench.put(QueueShape { waiting_max: Some(1), ..QueueShape::default() });
    bench.submit(Spec { queue: Some(mail()), ..spec() });
    let job = bench.submit(spec());
    let before = (bench.spec_of(job), bench.status(job));
    let edit = Edit { queue: Some(mail()), host: Some(Some("a".into())), ..within(5) };
    assert!(matches!(bench.edit(job, edit), Answer::QueueFull { .. }));
    assert_eq!((bench.spec_of(job), bench.status(job)), before);
    bench.restart();
    assert_eq!((bench.spec_of(job), bench.status(job)), before);
}

#[test]
fn a_job_that_is_edited_keeps_what_it_has_of_its_resources_and_its_place_in_their_lines() {
    let needs = || Resources { serial: Some("k".into()), ..Resources::default() };
    let mut bench = Bench::new();
    // The first has the key and waits for its host.
    let first = bench.submit(Spec { needs: needs(), host: Some("away".into()), ..spec() });
    let second = bench.submit(Spec { needs: needs(), ..spec() });
    let third = bench.submit(Spec { needs: needs(), ..spec() });
    bench.beat("a", 4, &[]);
    for job in [second, first, third] {
        bench.edit(job, within(5));
        assert_eq!(bench.runs(), []);
    }
    bench.edit(first, Edit { host: Some(None), ..Edit::default() });
    for job in [first, second, third] {
        let key = bench.run();
        assert_eq!(key.job, job);
        bench.finish("a", key, Reason::Ok);
    }
}

#[test]
fn a_paused_job_is_edited_and_stays_paused() {
    let mut bench = Bench::new();
    bench.beat("a", 1, &[]);
    let due = bench.now.wall.after(Span::from_secs(60));
    let job = bench.submit(Spec { not_before: Some(due), ..spec() });
    bench.steer(Verb::Pause, job);
    let answer = bench.edit(job, Edit { not_before: Some(None), ..within(5) });
    assert_eq!(answer, Answer::Done { job, state: JobState::Paused });
    bench.steer(Verb::Resume, job);
    assert_eq!(bench.state(job), JobState::Leased);
}
