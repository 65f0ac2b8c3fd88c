//! Random sequences of changes, on the engine and on the model.

use ostler_job::{
    JobId, Span, Wall,
    durable::{
        CountQuery, Cursor, Dedupe, DedupeScope, Edit, Epoch, Fence, FiringKey, GroupKey, Held,
        IdRange, Input, JobState, NameFilter, QueueName, Reason, Retry, ScheduleName, Sort, Status,
        Then, Work,
    },
};
use ostler_store::{Change, Filter, Memory, OfQueues, Query, ReadLimit, Same, Store, Unfinished};
use proptest::{collection::vec, option, prelude::*, sample::select, test_runner::TestRunner};

use crate::{
    Make,
    make::{attempt, edited, event, load, payload, shell, spec, submit_at, update},
};

fn status() -> impl Strategy<Value = Status> {
    let ending = (option::of(0..3_i32), option::of(9..10_i32), option::of(0..40_u64), reason());
    let host = || option::of(select(vec!["host-1", "host-2"]));
    let place = (select(JobState::ALL), host(), host(), option::of(Just(mail())), 0..3_u64);
    (place, ending).prop_map(|((state, runner, host, queue, fence), ending)| {
        let (exit_status, signal, finished, reason) = ending;
        let since = Wall(1_000 + fence);
        let paused =
            (state == JobState::Paused).then(|| Held { who: "ops \"1\"".to_owned(), since });
        Status {
            queue,
            reason,
            runner: runner.map(str::to_owned),
            fence: Fence(fence),
            exit_status,
            signal,
            paused,
            finished_at: finished.map(Wall),
            ..Status::new(state, None, host.map(str::to_owned))
        }
    })
}

fn mail() -> QueueName {
    QueueName::new("mail").unwrap()
}

fn nightly() -> ScheduleName {
    ScheduleName::new("nightly").unwrap()
}

fn reason() -> impl Strategy<Value = Option<Reason>> {
    option::of(select(vec![Reason::Ok, Reason::ExitStatus, Reason::Lost]))
}

/// Names and users, some of which begin as others do.
fn word() -> impl Strategy<Value = Option<&'static str>> {
    option::of(select(vec!["a", "ab", "abc", "b"]))
}

fn submit() -> impl Strategy<Value = Change> {
    let tags = vec(select(vec!["red", "blue"]), 0..3);
    let words = select(vec!["one", "two"]);
    // Ids are made ascending afterwards, except for the few that are to be refused.
    let jump = prop_oneof![30 => 1..4_u64, 1 => Just(0)];
    let stdin = option::weighted(0.3, select(vec!['a', 'b']));
    (jump, status(), tags, words, 0..40_u64, stdin, word(), word()).prop_map(
        |(jump, status, tags, words, at, stdin, name, user)| {
            let stdin = stdin.map_or(Input::Empty, |digit| Input::Payload(payload(digit)));
            let mut it = if at % 2 == 0 { spec(words) } else { shell(&["run", words], stdin) };
            it.identity = words.to_owned();
            it.name = name.map(str::to_owned);
            if let Work::Shell(command) = &mut it.work {
                command.user = user.map(str::to_owned);
            }
            it.content = (at % 5 > 1).then_some(words.len() as u64 + u64::from(words == "one"));
            let (scope, then) = (DedupeScope::Done, Then::Reject);
            it.dedupe = (at % 7 > 3).then_some(Dedupe { scope, window: None, then });
            it.firing =
                (at % 4 == 1).then(|| Box::new(FiringKey { schedule: nightly(), due: Wall(at) }));
            it.tags = tags.into_iter().map(str::to_owned).collect();
            it.tenant = if at % 3 == 0 { "other" } else { "default" }.to_owned();
            submit_at(jump, it, status, at)
        },
    )
}

fn edit() -> impl Strategy<Value = Edit> {
    let tags = option::of(vec(select(vec!["red", "blue"]), 0..3));
    let words = |tags: Vec<&str>| tags.into_iter().map(str::to_owned).collect();
    let span = || option::of(option::of((1..9_u64).prop_map(Span::from_secs)));
    let retry = option::of((1..5_u32).prop_map(|attempts| Retry { attempts, ..Retry::usual() }));
    let at = option::of(option::of((0..40_u64).prop_map(Wall)));
    (tags, span(), span(), retry, at).prop_map(move |(tags, within, timeout, retry, not_before)| {
        let tags = tags.map(words);
        Edit { within, tags, retry, timeout, not_before, ..Edit::default() }
    })
}

fn change() -> impl Strategy<Value = Change> {
    let id = 1..25_u64;
    let key = (select(vec!["k", "l"]), 0..40_u64, vec(1..9_u64, 0..3));
    prop_oneof![
        6 => submit(),
        6 => (id.clone(), 0..3_u64, status()).prop_map(|(job, fence, status)| update(job, fence, status)),
        3 => (id.clone(), 1..4_u32, 0..9_u64)
            .prop_map(|(job, number, fence)| Change::Attempt(Box::new(attempt(job, number, fence)))),
        3 => (id.clone(), edit()).prop_map(|(job, it)| edited(job, it)),
        3 => id.prop_map(|job| Change::Delete { job: JobId(job) }),
        3 => (0..40_u64).prop_map(|at| event(at, "")),
        2 => key.prop_map(|(key, at, jobs)| Change::Key {
            key: key.to_owned(),
            request: at.to_string(),
            jobs: jobs.into_iter().map(JobId).collect(),
            at: Wall(at),
        }),
        1 => (0..40_u64, 0..40_u64)
            .prop_map(|(events, keys)| Change::Forget { now: Wall(40), events: Wall(events), keys: Wall(keys) }),
    ]
}

fn filter() -> impl Strategy<Value = Filter> {
    let word = |words: Vec<&'static str>| option::weighted(0.3, select(words));
    let moment = || option::weighted(0.3, (0..40_u64).prop_map(Wall));
    let names = (
        vec(select(JobState::ALL), 0..4),
        word(vec!["other", "default"]),
        vec(select(vec!["red", "blue"]), 0..2),
        word(vec!["one", "two"]),
        word(vec!["host-1", "host-2"]),
        word(vec!["RUN", "two", "zero"]),
        option::weighted(0.3, select(vec![mail(), QueueName::default()])),
    );
    let more = (
        option::weighted(0.3, (any::<bool>(), select(vec!["", "a", "ab", "c"]))),
        word(vec!["host-1", "host-2"]),
        word(vec!["a", "b"]),
        vec(reason(), 0..3),
        option::weighted(0.2, select(vec![nightly(), ScheduleName::new("other").unwrap()])),
    );
    let range = (1..25_u64, 0..4_u64);
    let numbers = (
        option::weighted(0.3, (0..3_i32, any::<bool>())),
        option::weighted(0.2, vec(range, 1..6)),
        (moment(), moment(), moment(), moment()),
    );
    let owned = |word: Option<&str>| word.map(str::to_owned);
    (names, more, numbers).prop_map(move |(names, more, (exit_status, ids, moments))| {
        let (states, tenant, tags, identity, runner, text, queue) = names;
        let (name, host, user, reasons, schedule) = more;
        let (since, until, finished_since, finished_until) = moments;
        let name = name.map(|(whole, name)| match whole {
            true => NameFilter::Is(name.to_owned()),
            false => NameFilter::Begins(name.to_owned()),
        });
        let range = |(first, more)| IdRange::new(JobId(first), JobId(first + more));
        Filter {
            states,
            reasons: reasons.into_iter().flatten().collect(),
            tenant: owned(tenant),
            tags: tags.into_iter().map(str::to_owned).collect(),
            queue,
            name,
            identity: owned(identity),
            runner: owned(runner),
            host: owned(host),
            user: owned(user),
            schedule,
            exit_status,
            since,
            until,
            finished_since,
            finished_until,
            text: owned(text),
            ids: ids.into_iter().flatten().map(range).collect(),
        }
    })
}

/// A question, and in which order its answer is wanted, after which cursor, and counted by what.
fn question() -> impl Strategy<Value = (Query, Vec<GroupKey>)> {
    let sort = select(vec![Sort::Newest, Sort::Oldest, Sort::LastFinished, Sort::FirstFinished]);
    let cursor = option::of((0..40_u64, 1..25_u64));
    let by = vec(select(GroupKey::ALL), 0..3);
    (filter(), sort, cursor, 0..6_usize, by).prop_map(|(filter, sort, cursor, limit, by)| {
        let after = cursor.map(|(at, id)| match sort.is_by_finish() {
            true => Cursor { at: Wall(at), id: JobId(id) },
            false => Cursor::of_id(JobId(id)),
        });
        (Query { filter, sort, after, limit }, by)
    })
}

/// Turns the jumps of submits into ids.
fn number(batch: &mut [Change], last: &mut u64) {
    for change in batch {
        if let Change::Submit { job, .. } = change {
            job.0 += *last;
            *last = job.0;
        }
    }
}

pub(crate) fn it_does_what_the_model_does(make: Make<'_>) {
    let mut runner = TestRunner::new(ProptestConfig { cases: 48, ..ProptestConfig::default() });
    let batches = vec(vec(change(), 1..12), 1..8);
    let questions = vec(question(), 12);
    runner
        .run(&(batches, questions), |(batches, questions)| {
            let (engine, model) = (make(), Memory::new());
            let store = engine.open();
            let mut last = 0;
            for mut batch in batches {
                number(&mut batch, &mut last);
                let fault = |error: ostler_store::StoreError| error.fault;
                let (ours, expected) =
                    (store.commit(Epoch(0), &batch), model.commit(Epoch(0), &batch));
                let expected = expected.map_err(fault);
                prop_assert_eq!(ours.map_err(fault), expected.clone());
                if expected != Err(ostler_store::Fault::Fenced) {
                    continue;
                }
                // One of them was to blame: the others are to be there as well.
                for change in &batch {
                    let one = std::slice::from_ref(change);
                    let (ours, expected) =
                        (store.commit(Epoch(0), one), model.commit(Epoch(0), one));
                    prop_assert_eq!(ours.map_err(fault), expected.map_err(fault));
                }
            }
            alike(&*store, &model)?;
            asked(&*store, &model, questions)?;
            drop(store);
            let store = engine.open();
            alike(&*store, &model)?;
            let (jobs, loaded) = load(&*store);
            let expected = load(&model);
            let light: Vec<_> = jobs.iter().cloned().map(Unfinished::from).collect();
            let mut again = Vec::new();
            store.load_unfinished(&mut |job| again.push(job)).unwrap();
            prop_assert_eq!(light, again);
            prop_assert_eq!((jobs, loaded), expected);
            Ok(())
        })
        .unwrap();
}

fn alike(store: &dyn Store, model: &Memory) -> Result<(), TestCaseError> {
    prop_assert_eq!(store.tail(0, 999).unwrap(), model.tail(0, 999).unwrap());
    for job in (1..60).map(JobId) {
        prop_assert_eq!(store.job(job).unwrap(), model.job(job).unwrap());
        prop_assert_eq!(store.attempts(job).unwrap(), model.attempts(job).unwrap());
    }
    for key in ["k", "l", "m"] {
        prop_assert_eq!(store.keyed(key).unwrap(), model.keyed(key).unwrap());
    }
    for digit in ['a', 'b'] {
        let sha256 = payload(digit).sha256;
        prop_assert_eq!(store.payload_used(&sha256), model.payload_used(&sha256));
    }
    Ok(())
}

fn asked(
    store: &dyn Store,
    model: &Memory,
    questions: Vec<(Query, Vec<GroupKey>)>,
) -> Result<(), TestCaseError> {
    for (query, by) in questions {
        let Query { filter, limit, .. } = &query;
        let moments = (filter.since.unwrap_or(Wall(20)), filter.until.unwrap_or(Wall(30)));
        prop_assert_eq!(store.query(&query), model.query(&query), "{:?}", query);
        let below = query.after.map(|after| after.id);
        let count = CountQuery { filter: filter.clone(), by, below };
        let counted = |store: &dyn Store| store.count(&count, &ReadLimit::default());
        prop_assert_eq!(counted(store), counted(model), "{:?}", count);
        let prunable = |store: &dyn Store| store.prunable(moments, Wall(40), *limit).unwrap();
        prop_assert_eq!(prunable(store), prunable(model));
        let queues = [mail(), QueueName::default()];
        for of in [
            OfQueues::One(&queues[0]),
            OfQueues::One(&queues[1]),
            OfQueues::AllBut(&queues[..1]),
            OfQueues::AllBut(&queues[1..]),
            OfQueues::AllBut(&queues),
        ] {
            let prunable =
                |store: &dyn Store| store.prunable_of(of, moments, Wall(40), *limit).unwrap();
            prop_assert_eq!(prunable(store), prunable(model), "{:?}", of);
        }
        for (tenant, words) in [("default", "one"), ("other", "one"), ("default", "two")] {
            let content = words.len() as u64 + u64::from(words == "one");
            for same in [Same::Identity(words), Same::Content(content, words)] {
                let newest =
                    |store: &dyn Store| store.succeeded_since(tenant, same, moments.0).unwrap();
                prop_assert_eq!(newest(store), newest(model), "{:?}", same);
            }
        }
    }
    Ok(())
}
