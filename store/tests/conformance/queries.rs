//! Filters, pages, and what else is looked for.

use ostler_job::{
    JobId, Wall,
    durable::{
        Cursor, Dedupe, DedupeScope, Epoch, Input, JobState, QueueName, Spec, Status, Then, Work,
    },
};
use ostler_store::{Change, Filter, Query, Same};

use crate::{
    Make,
    make::{find, ids, in_state, payload, pending, shell, spec, submit, submit_as, submit_at},
};

fn filter() -> Filter {
    Filter::default()
}

fn text(text: &str) -> Option<String> {
    Some(text.to_owned())
}

pub(crate) fn pages_go_down_to_the_last(make: Make<'_>) {
    let engine = make();
    let store = engine.open();
    let batch: Vec<_> = (1..=7).map(submit).collect();
    store.commit(Epoch(0), &batch).unwrap();
    let page = |below: Option<u64>, limit| {
        let after = below.map(|below| Cursor::of_id(JobId(below)));
        let page = store.query(&Query { after, limit, ..Query::default() }).unwrap();
        (ids(&page.jobs), page.next.map(|it| it.id.0))
    };
    assert_eq!(page(None, 3), (vec![7, 6, 5], Some(5)));
    assert_eq!(page(Some(5), 3), (vec![4, 3, 2], Some(2)));
    assert_eq!(page(Some(2), 3), (vec![1], None));
    assert_eq!(page(None, 7), (vec![7, 6, 5, 4, 3, 2, 1], None));
    assert_eq!(page(Some(1), 3), (vec![], None));
    assert_eq!(page(Some(u64::MAX), 1), (vec![7], Some(7)));
    assert_eq!(page(None, 0), (vec![], None));
}

fn mail() -> QueueName {
    QueueName::new("mail").unwrap()
}

/// Jobs that differ in everything: odd ones red and of another tenant, every third also blue, one in each state.
fn varied() -> Vec<Change> {
    let one = |(id, state): (u64, &JobState)| {
        let mut spec = shell(&["run", &format!("part-{id}")], Input::Empty);
        if id % 2 == 1 {
            spec.tags.push("red".to_owned());
            spec.tenant = "other".to_owned();
        }
        if id % 3 == 0 {
            spec.tags.push("blue".to_owned());
        }
        let runner = Some(format!("host-{}", id % 2));
        let queue = (id % 4 == 0).then(mail);
        submit_as(id, spec, Status { runner, queue, ..in_state(*state) })
    };
    (1..).zip(JobState::ALL).map(one).collect()
}

pub(crate) fn every_condition_narrows(make: Make<'_>) {
    let engine = make();
    let store = engine.open();
    store.commit(Epoch(0), &varied()).unwrap();
    let red = || vec!["red".to_owned()];
    let red_and_blue = vec!["red".to_owned(), "blue".to_owned()];
    use JobState::{Dead, Pending, Scheduled, Succeeded};
    let cases = [
        (filter(), vec![11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1]),
        (Filter { states: vec![Scheduled, Dead, Pending, Dead], ..filter() }, vec![9, 2, 1]),
        (Filter { states: vec![Succeeded, Pending], ..filter() }, vec![8, 2]),
        (Filter { tenant: text("other"), ..filter() }, vec![11, 9, 7, 5, 3, 1]),
        (Filter { tenant: text("default"), ..filter() }, vec![10, 8, 6, 4, 2]),
        (Filter { tenant: text("nobody"), ..filter() }, vec![]),
        (Filter { queue: Some(mail()), ..filter() }, vec![8, 4]),
        (Filter { queue: Some(mail()), states: vec![Succeeded], ..filter() }, vec![8]),
        (
            Filter { queue: Some(QueueName::default()), tags: red(), ..filter() },
            vec![11, 9, 7, 5, 3, 1],
        ),
        (Filter { queue: QueueName::new("other"), ..filter() }, vec![]),
        (Filter { tags: red(), ..filter() }, vec![11, 9, 7, 5, 3, 1]),
        (Filter { tags: red_and_blue, ..filter() }, vec![9, 3]),
        (Filter { tags: red(), states: vec![Dead, Pending], ..filter() }, vec![9]),
        (Filter { identity: text("a command"), until: Some(Wall(1003)), ..filter() }, vec![2, 1]),
        (Filter { runner: text("host-0"), since: Some(Wall(1006)), ..filter() }, vec![10, 8, 6]),
        (Filter { since: Some(Wall(1003)), until: Some(Wall(1005)), ..filter() }, vec![4, 3]),
        (Filter { text: text("PART-1"), ..filter() }, vec![11, 10, 1]),
        (
            Filter { ids: [3, 99, 8, 3, 1].map(|id| JobId(id).into()).to_vec(), ..filter() },
            vec![8, 3, 1],
        ),
        (
            Filter { ids: [3, 8].map(|id| JobId(id).into()).to_vec(), tags: red(), ..filter() },
            vec![3],
        ),
        (Filter { finished_until: Some(Wall(5001)), ..filter() }, vec![11, 10, 9, 8]),
        (Filter { finished_until: Some(Wall(5000)), ..filter() }, vec![]),
    ];
    for (filter, expected) in cases {
        for limit in [1, 2, 100] {
            assert_eq!(find(&*store, &filter, limit), expected, "{filter:?}, {limit} a page");
        }
    }
}

pub(crate) fn text_is_found_as_people_see_it(make: Make<'_>) {
    let engine = make();
    let store = engine.open();
    let named = Spec { name: text("Nightly \"Report\""), ..spec("noop") };
    let command = shell(&["echo", "a\tb\\c", "größe"], Input::Text("within".to_owned()));
    let mut words = shell(&["print", "a\tb\\c", "größe"], Input::Empty);
    if let Work::Shell(command) = &mut words.work {
        command.line = None;
    }
    let batch = [
        submit_as(1, named, pending()),
        submit_as(2, command, pending()),
        submit_as(3, words, pending()),
    ];
    store.commit(Epoch(0), &batch).unwrap();
    let found = |what: &str| find(&*store, &Filter { text: text(what), ..filter() }, 10);
    assert_eq!(found("nightly \"r"), [1]);
    assert_eq!(found("A\tB\\C"), [3, 2]);
    // As one line, whether it is shown with quotes or without.
    for line in ["print 'a\tb", "PRINT a\tb\\c größe", "c' 'größe'"] {
        assert_eq!(found(line), [3], "{line}");
    }
    assert_eq!(found("print größe"), [0; 0]);
    assert_eq!(found("größe"), [3, 2]);
    assert_eq!(found("echo a"), [2]);
    // Neither the names of fields nor what is not shown.
    assert_eq!(found("argv"), [0; 0]);
    assert_eq!(found("within"), [0; 0]);
    assert_eq!(found(&"x".repeat(100_000)), [0; 0]);
}

pub(crate) fn text_is_no_pattern(make: Make<'_>) {
    let engine = make();
    let store = engine.open();
    let job = |id, word: &str| submit_as(id, shell(&[word], Input::Empty), pending());
    store
        .commit(Epoch(0), &[job(1, "100%"), job(2, "a_b!"), job(3, "100"), job(4, "acb")])
        .unwrap();
    let found = |what: &str| find(&*store, &Filter { text: text(what), ..filter() }, 10);
    assert_eq!(found("0%"), [1]);
    assert_eq!(found("a_b"), [2]);
    assert_eq!(found("b!"), [2]);
    assert_eq!(found("100"), [3, 1]);
}

pub(crate) fn exit_statuses_are_found_and_excluded(make: Make<'_>) {
    let engine = make();
    let store = engine.open();
    let job = |id, exit_status, signal| {
        let status = Status { exit_status, signal, ..in_state(JobState::Dead) };
        submit_as(id, spec("noop"), status)
    };
    let batch = [
        job(1, Some(0), None),
        job(2, Some(3), None),
        job(3, None, Some(9)),
        job(4, None, None),
        job(5, Some(0), Some(15)),
    ];
    store.commit(Epoch(0), &batch).unwrap();
    let found = |code, not| {
        let states = [vec![], vec![JobState::Dead], vec![JobState::Succeeded, JobState::Dead]];
        let found = states.map(|states| {
            find(&*store, &Filter { exit_status: Some((code, not)), states, ..filter() }, 2)
        });
        assert!(found.iter().all(|it| *it == found[0]), "{found:?}");
        found[0].clone()
    };
    assert_eq!(found(0, false), [5, 1]);
    assert_eq!(found(0, true), [5, 3, 2]);
    assert_eq!(found(3, false), [2]);
    assert_eq!(found(3, true), [5, 3, 1]);
    assert_eq!(found(9, false), [0; 0]);
}

pub(crate) fn identities_are_told_apart(make: Make<'_>) {
    let engine = make();
    let store = engine.open();
    let words = ["noop", "Noop", "noop ", ""];
    let batch = (1..).zip(words).map(|(id, words)| submit_as(id, spec(words), pending()));
    store.commit(Epoch(0), &batch.collect::<Vec<_>>()).unwrap();
    for (id, words) in (1..).zip(words) {
        assert_eq!(find(&*store, &Filter { identity: text(words), ..filter() }, 10), [id]);
    }
}

pub(crate) fn the_newest_success_of_an_identity_is_found(make: Make<'_>) {
    let engine = make();
    let store = engine.open();
    let job = |id, words, state, finished: u64| {
        let status = Status { finished_at: Some(Wall(finished)), ..in_state(state) };
        submit_as(id, spec(words), status)
    };
    let of = |tenant: &str, id, finished| {
        let status = Status { finished_at: Some(Wall(finished)), ..in_state(JobState::Succeeded) };
        submit_as(id, Spec { tenant: tenant.to_owned(), ..spec("a") }, status)
    };
    let batch = [
        job(1, "a", JobState::Succeeded, 50),
        job(2, "a", JobState::Succeeded, 40),
        job(3, "a", JobState::Dead, 90),
        job(4, "b", JobState::Succeeded, 90),
        of("acme", 5, 60),
        of("bell", 6, 70),
    ];
    store.commit(Epoch(0), &batch).unwrap();
    let of =
        |tenant, since| store.succeeded_since(tenant, Same::Identity("a"), Wall(since)).unwrap();
    let newest = |words, since| {
        store.succeeded_since("default", Same::Identity(words), Wall(since)).unwrap()
    };
    // Another tenant's success, newer or not, is nobody else's.
    assert_eq!((of("acme", 0), of("bell", 0)), (Some(JobId(5)), Some(JobId(6))));
    assert_eq!((of("acme", 61), of("corp", 0)), (None, None));
    assert_eq!(newest("a", 0), Some(JobId(2)));
    assert_eq!(newest("a", 40), Some(JobId(2)));
    assert_eq!(newest("a", 41), Some(JobId(1)));
    assert_eq!(newest("a", 51), None);
    assert_eq!(newest("c", 0), None);
}

pub(crate) fn a_success_is_found_by_its_whole_work(make: Make<'_>) {
    let engine = make();
    let store = engine.open();
    let job = |id, content, asked: bool| {
        let status = Status { finished_at: Some(Wall(50)), ..in_state(JobState::Succeeded) };
        let (scope, then) = (DedupeScope::Done, Then::Reject);
        let dedupe = asked.then_some(Dedupe { scope, window: None, then });
        submit_as(id, Spec { content, dedupe, tags: vec!["t".into()], ..spec("kind") }, status)
    };
    let batch = [job(1, Some(7), true), job(2, Some(8), false), job(3, None, true)];
    store.commit(Epoch(0), &batch).unwrap();
    let of = |same| store.succeeded_since("default", same, Wall(50)).unwrap().map(|job| job.0);
    let content = |content| of(Same::Content(content, "kind"));
    assert_eq!((content(7), content(8), content(9)), (Some(1), Some(2), None));
    assert_eq!(of(Same::Identity("kind")), Some(3), "nobody named the identity of the others");
    assert_eq!(find(&*store, &Filter { tags: vec!["t".into()], ..filter() }, 10), [3, 2, 1]);
    store.commit(Epoch(0), &[Change::Delete { job: JobId(1) }]).unwrap();
    assert_eq!((content(7), content(8)), (None, Some(2)));
}

pub(crate) fn old_jobs_are_prunable_by_how_they_ended(make: Make<'_>) {
    let engine = make();
    let store = engine.open();
    let batch: Vec<_> = (1..)
        .zip(JobState::ALL)
        .map(|(id, state)| submit_as(id, spec("noop"), in_state(*state)))
        .collect();
    store.commit(Epoch(0), &batch).unwrap();
    let prunable = |succeeded, others, max| {
        let before = (Wall(succeeded), Wall(others));
        let jobs = store.prunable(before, Wall(9999), max).unwrap();
        jobs.into_iter().map(|job| job.0).collect::<Vec<_>>()
    };
    assert_eq!(prunable(5001, 5000, 10), [8]);
    assert_eq!(prunable(5000, 5001, 10), [9, 10, 11]);
    assert_eq!(prunable(9999, 9999, 2), [8, 9]);
    assert_eq!(prunable(0, 0, 10), [0; 0]);
}

pub(crate) fn named_jobs_come_in_the_order_asked(make: Make<'_>) {
    let engine = make();
    let store = engine.open();
    store.commit(Epoch(0), &[submit(1), submit(2), submit(3)]).unwrap();
    let jobs = store.jobs(&[3, 9, 1, 3].map(JobId)).unwrap();
    assert_eq!(ids(&jobs), [3, 1, 3]);
    assert_eq!(store.job(JobId(2)).unwrap().unwrap().submitted_at, Wall(1002));
    assert_eq!(store.job(JobId(0)).unwrap(), None);
    assert_eq!(store.job(JobId(u64::MAX)).unwrap(), None);
}

pub(crate) fn jobs_that_are_not_there_are_told(make: Make<'_>) {
    let engine = make();
    let store = engine.open();
    let done = |id| submit_as(id, spec("noop"), in_state(JobState::Succeeded));
    let batch = [done(1), done(2), done(4), Change::Delete { job: JobId(2) }];
    store.commit(Epoch(0), &batch).unwrap();
    let asked = [5, 4, 2, 1, 3].map(JobId);
    assert_eq!(store.absent(&asked).unwrap(), [5, 2, 3].map(JobId));
}

pub(crate) fn a_payload_is_used_while_its_jobs_are_there(make: Make<'_>) {
    let engine = make();
    let store = engine.open();
    let job = |id| {
        let spec = shell(&["cat"], Input::Payload(payload('a')));
        submit_as(id, spec, in_state(JobState::Succeeded))
    };
    let used = |digit| store.payload_used(&payload(digit).sha256).unwrap();
    store.commit(Epoch(0), &[job(1), job(2)]).unwrap();
    assert!(used('a') && !used('b'));
    store.commit(Epoch(0), &[Change::Delete { job: JobId(2) }]).unwrap();
    assert!(used('a'));
    store.commit(Epoch(0), &[Change::Delete { job: JobId(1) }]).unwrap();
    assert!(!used('a'));
}

pub(crate) fn a_payload_is_wanted_by_the_runner_that_has_its_job(make: Make<'_>) {
    let engine = make();
    let store = engine.open();
    let job = |id, state, runner: &str| {
        let spec = shell(&["cat"], Input::Payload(payload('a')));
        submit_as(id, spec, Status { runner: Some(runner.to_owned()), ..in_state(state) })
    };
    let states = JobState::ALL.iter().zip(1..);
    let jobs = states.map(|(state, id)| job(id, *state, state.code()));
    store.commit(Epoch(0), &jobs.collect::<Vec<_>>()).unwrap();
    let wanted =
        |digit, runner: &str| store.payload_wanted(&payload(digit).sha256, runner).unwrap();
    for state in JobState::ALL {
        assert_eq!(wanted('a', state.code()), state.is_out(), "{state}");
        assert!(!wanted('b', state.code()));
    }
    assert!(!wanted('a', "another"));
}

/// Enough jobs for an engine that keeps marks of when they came; the clock goes back in the middle.
pub(crate) fn a_moment_is_found_among_thousands(make: Make<'_>) {
    let engine = make();
    let at = |job: u64| if job <= 3000 { job * 10 } else { job * 10 - 15_000 };
    for part in [1..=2500, 2501..=5000] {
        let store = engine.open();
        let submits = part.map(|id| submit_at(id, spec("noop"), pending(), at(id)));
        store.commit(Epoch(0), &submits.collect::<Vec<_>>()).unwrap();
    }
    let store = engine.open();
    for moment in [0, 5, 9_990, 15_015, 20_000, 29_990, 30_000, 34_990, 36_000] {
        let since = Some(Wall(moment));
        let expected: Vec<_> = (1..=5000).rev().filter(|job| at(*job) >= moment).collect();
        assert_eq!(find(&*store, &Filter { since, ..filter() }, 1000), expected, "{moment}");
    }
}
