//! What people ask of lists beyond states: ranges, names, ends, orders, numbers of each kind.

use std::collections::BTreeMap;

use ostler_job::{
    JobId, Wall,
    durable::{
        CountQuery, Edit, Epoch, GroupKey, IdRange, Input, JobState, NameFilter, Reason,
        ScheduleName, Sort, Spec, Status, Work,
    },
};
use ostler_store::{Change, Filter, Query, ReadLimit, Store};

use crate::{
    Make,
    make::{
        edited, find, find_sorted, fired, ids, in_state, pending, shell, spec, submit, submit_as,
        update,
    },
};

fn filter() -> Filter {
    Filter::default()
}

fn text(text: &str) -> Option<String> {
    Some(text.to_owned())
}

fn keep(store: &dyn Store, batch: impl IntoIterator<Item = Change>) {
    store.commit(Epoch(0), &batch.into_iter().collect::<Vec<_>>()).unwrap();
}

/// Jobs of a filter in any order of ids, however many are on a page.
fn found(store: &dyn Store, filter: &Filter) -> Vec<u64> {
    let expected = find(store, filter, 100);
    for limit in [1, 2, 7] {
        assert_eq!(find(store, filter, limit), expected, "{filter:?}, {limit} a page");
        let mut upwards = find_sorted(store, filter, Sort::Oldest, limit);
        upwards.reverse();
        assert_eq!(upwards, expected, "{filter:?} upwards, {limit} a page");
    }
    expected
}

pub(crate) fn ids_are_found_by_ranges(make: Make<'_>) {
    let engine = make();
    let store = engine.open();
    keep(&*store, (1..=9).map(submit));
    let range = |first, last| IdRange::new(JobId(first), JobId(last));
    for (ids, expected) in [
        (vec![range(2, 4)], vec![4, 3, 2]),
        (vec![range(8, u64::MAX)], vec![9, 8]),
        (vec![range(0, 0)], vec![]),
        (vec![range(12, 20)], vec![]),
        (vec![range(7, 8), range(1, 1), range(3, 4)], vec![8, 7, 4, 3, 1]),
        (vec![range(2, 6), range(4, 5), range(6, 7)], vec![7, 6, 5, 4, 3, 2]),
        (vec![range(0, u64::MAX)], vec![9, 8, 7, 6, 5, 4, 3, 2, 1]),
    ] {
        let filter = Filter { ids, ..filter() };
        assert_eq!(found(&*store, &filter), expected, "{filter:?}");
    }
    let late = Filter { ids: vec![range(2, 8)], since: Some(Wall(1005)), ..filter() };
    assert_eq!(found(&*store, &late), [8, 7, 6, 5]);
}

pub(crate) fn names_are_found_whole_and_by_how_they_begin(make: Make<'_>) {
    let engine = make();
    let store = engine.open();
    let names = ["nightly", "nightly-2", "Nightly", "night", "größe", "größe\u{10ffff}", "n%y"];
    let named = |(id, name): (u64, &str)| {
        submit_as(id, Spec { name: text(name), ..spec("noop") }, pending())
    };
    keep(&*store, (1..).zip(names).map(named).chain([submit(8)]));
    let whole = |name: &str| {
        found(&*store, &Filter { name: Some(NameFilter::Is(name.to_owned())), ..filter() })
    };
    let begins = |name: &str| {
        found(&*store, &Filter { name: Some(NameFilter::Begins(name.to_owned())), ..filter() })
    };
    assert_eq!((whole("nightly"), whole("night*"), whole("")), (vec![1], vec![], vec![]));
    assert_eq!((whole("größe"), whole("n%y")), (vec![5], vec![7]));
    assert_eq!(
        (begins("nightly"), begins("night"), begins("N")),
        (vec![2, 1], vec![4, 2, 1], vec![3])
    );
    assert_eq!((begins("größe"), begins("größe\u{10ffff}")), (vec![6, 5], vec![6]));
    assert_eq!(begins(""), [7, 6, 5, 4, 3, 2, 1], "whatever has a name");
    assert_eq!(begins("n%"), [7], "it is no pattern");
}

pub(crate) fn hosts_and_users_are_found(make: Make<'_>) {
    let engine = make();
    let store = engine.open();
    let job = |id, host: Option<&str>, user: Option<&str>| {
        let mut spec = shell(&["run"], Input::Empty);
        if let Work::Shell(command) = &mut spec.work {
            command.user = user.map(str::to_owned);
        }
        let runner = text("web-2");
        submit_as(id, spec, Status { host: host.map(str::to_owned), runner, ..pending() })
    };
    let jobs = [
        job(1, Some("web-1"), Some("www")),
        job(2, None, Some("backup")),
        job(3, Some("web-1"), None),
        submit(4),
    ];
    keep(&*store, jobs);
    assert_eq!(found(&*store, &Filter { host: text("web-1"), ..filter() }), [3, 1]);
    assert_eq!(found(&*store, &Filter { host: text("web-2"), ..filter() }), [0; 0]);
    assert_eq!(found(&*store, &Filter { user: text("backup"), ..filter() }), [2]);
    let both = Filter { user: text("www"), host: text("web-1"), ..filter() };
    assert_eq!(found(&*store, &both), [1]);
    // A move changes where it is pinned.
    keep(&*store, [update(1, 0, Status { host: text("web-2"), ..pending() })]);
    assert_eq!(found(&*store, &Filter { host: text("web-2"), ..filter() }), [1]);
}

pub(crate) fn firings_are_found_by_their_schedule(make: Make<'_>) {
    let engine = make();
    let store = engine.open();
    let quoting = shell(&["echo", "\"firing\":{\"schedule\":\"nightly\"}"], Input::Empty);
    let jobs = [
        submit_as(1, fired("nightly", 5), pending()),
        submit_as(2, fired("hourly", 5), in_state(JobState::Succeeded)),
        submit_as(3, fired("nightly", 6), in_state(JobState::Dead)),
        submit_as(4, quoting, pending()),
        submit_as(5, Spec { name: text("nightly"), ..spec("noop") }, pending()),
        submit_as(6, fired("nightly-2", 6), pending()),
    ];
    keep(&*store, jobs);
    let of = |schedule: &str| Filter { schedule: ScheduleName::new(schedule), ..filter() };
    assert_eq!(found(&*store, &of("nightly")), [3, 1]);
    assert_eq!(found(&*store, &of("hourly")), [2]);
    assert_eq!(found(&*store, &of("night")), [0; 0]);
    let dead = Filter { states: vec![JobState::Dead], ..of("nightly") };
    assert_eq!(found(&*store, &dead), [3]);
    assert_eq!(find_sorted(&*store, &of("nightly"), Sort::LastFinished, 1), [3]);
    let count = CountQuery { filter: of("nightly"), by: vec![GroupKey::State], below: None };
    let counts = store.count(&count, &ReadLimit::default()).unwrap().groups;
    assert_eq!(counts, BTreeMap::from([(vec![text("pending")], 1), (vec![text("dead")], 1)]));
    // An edit writes the whole of it anew.
    let tags = Some(vec!["red".to_owned()]);
    keep(&*store, [edited(1, Edit { tags, ..Edit::default() })]);
    assert_eq!(found(&*store, &of("nightly")), [3, 1]);
}

pub(crate) fn reasons_are_found(make: Make<'_>) {
    let engine = make();
    let store = engine.open();
    let ended = |(id, reason): (u64, Option<Reason>)| {
        let state = if id < 3 { JobState::Succeeded } else { JobState::Dead };
        submit_as(id, spec("noop"), Status { reason, ..in_state(state) })
    };
    let reasons = [Some(Reason::Ok), None, Some(Reason::Ok), Some(Reason::Lost), None];
    keep(&*store, (1..).zip(reasons).map(ended));
    let of = |reasons: &[Reason]| found(&*store, &Filter { reasons: reasons.to_vec(), ..filter() });
    assert_eq!(
        (of(&[Reason::Ok]), of(&[Reason::Lost]), of(&[Reason::Timeout])),
        (vec![3, 1], vec![4], vec![])
    );
    assert_eq!(of(&[Reason::Lost, Reason::Ok, Reason::Lost]), [4, 3, 1]);
}

fn ended(id: u64, at: u64) -> Change {
    let status = Status { finished_at: Some(Wall(at)), ..in_state(JobState::Succeeded) };
    submit_as(id, spec("noop"), status)
}

pub(crate) fn what_finished_when_is_found(make: Make<'_>) {
    let engine = make();
    let store = engine.open();
    keep(&*store, [ended(1, 30), ended(2, 10), submit(3), ended(4, 20)]);
    let within = |since: Option<u64>, until: Option<u64>| {
        let (finished_since, finished_until) = (since.map(Wall), until.map(Wall));
        found(&*store, &Filter { finished_since, finished_until, ..filter() })
    };
    assert_eq!(within(Some(20), None), [4, 1]);
    assert_eq!(within(None, Some(20)), [2]);
    assert_eq!(within(Some(10), Some(30)), [4, 2]);
    assert_eq!(within(Some(30), Some(10)), [0; 0]);
    assert_eq!(
        within(None, Some(u64::MAX)),
        [4, 2, 1],
        "what has not finished is not before any moment"
    );
}

pub(crate) fn every_order_has_every_page(make: Make<'_>) {
    let engine = make();
    let store = engine.open();
    keep(&*store, [ended(1, 30), ended(2, 10), ended(3, 30), ended(4, 20), ended(5, 30)]);
    for limit in [1, 2, 3, 5, 9] {
        let sorted = |sort| find_sorted(&*store, &filter(), sort, limit);
        assert_eq!(sorted(Sort::Newest), [5, 4, 3, 2, 1]);
        assert_eq!(sorted(Sort::Oldest), [1, 2, 3, 4, 5]);
        assert_eq!(sorted(Sort::LastFinished), [5, 3, 1, 4, 2]);
        assert_eq!(sorted(Sort::FirstFinished), [2, 4, 1, 3, 5]);
        let some = Filter { ids: vec![IdRange::new(JobId(2), JobId(4))], ..filter() };
        assert_eq!(find_sorted(&*store, &some, Sort::LastFinished, limit), [3, 4, 2]);
    }
}

pub(crate) fn what_has_not_finished_is_in_no_order_of_ends(make: Make<'_>) {
    let engine = make();
    let store = engine.open();
    keep(&*store, [submit(1), ended(2, 5), submit(3)]);
    for sort in [Sort::LastFinished, Sort::FirstFinished] {
        assert_eq!(find_sorted(&*store, &filter(), sort, 9), [2]);
        let waiting = Filter { states: vec![JobState::Pending], ..filter() };
        assert_eq!(find_sorted(&*store, &waiting, sort, 9), [0; 0]);
    }
}

/// Pages of two, while after each of them another job finishes, and two more come.
pub(crate) fn a_page_goes_on_where_it_ended_whatever_comes_meanwhile(make: Make<'_>) {
    for sort in [Sort::Newest, Sort::Oldest, Sort::LastFinished, Sort::FirstFinished] {
        let engine = make();
        let store = engine.open();
        keep(&*store, (1..=6).map(|id| ended(id, 100 + id / 2)).chain((7..=9).map(submit)));
        let (mut after, mut seen, mut round) = (None, Vec::new(), 0);
        loop {
            let query = Query { sort, after, limit: 2, ..Query::default() };
            let page = store.query(&query).unwrap();
            seen.extend(ids(&page.jobs));
            after = page.next;
            if after.is_none() {
                break;
            }
            if round == 3 {
                continue;
            }
            let finished_at = Some(Wall(200 + round));
            let done = Status { finished_at, ..in_state(JobState::Succeeded) };
            let came = 10 + round * 2;
            keep(&*store, [update(7 + round, 0, done), submit(came), submit(came + 1)]);
            round += 1;
        }
        let mut once = seen.clone();
        once.sort_unstable();
        once.dedup();
        assert_eq!(once.len(), seen.len(), "{sort:?}: none comes twice: {seen:?}");
        assert!((1..=6).all(|id| once.contains(&id)), "{sort:?}: none is passed over: {seen:?}");
    }
}

fn count(
    store: &dyn Store,
    filter: &Filter,
    by: &[GroupKey],
) -> BTreeMap<Vec<Option<String>>, u64> {
    let query = CountQuery { filter: filter.clone(), by: by.to_vec(), below: None };
    let counts = store.count(&query, &ReadLimit::default()).unwrap();
    assert_eq!(counts.next, None);
    counts.groups
}

pub(crate) fn jobs_are_counted_by_what_they_have_in_common(make: Make<'_>) {
    let engine = make();
    let store = engine.open();
    let job = |id: u64| {
        let tenant = if id.is_multiple_of(3) { "shop" } else { "default" };
        let name = id.is_multiple_of(2).then(|| "even".to_owned());
        let spec = Spec { name, tenant: tenant.to_owned(), ..spec("noop") };
        let state = if id > 5 { JobState::Dead } else { JobState::Succeeded };
        submit_as(id, spec, Status { exit_status: Some(i32::from(id > 5)), ..in_state(state) })
    };
    keep(&*store, (1..=7).map(job));
    let groups = |by: &[GroupKey], filter: &Filter| -> Vec<(String, u64)> {
        let groups = count(&*store, filter, by);
        let words = |group: Vec<Option<String>>| {
            group
                .into_iter()
                .map(|it| it.unwrap_or_else(|| "-".to_owned()))
                .collect::<Vec<_>>()
                .join(" ")
        };
        groups.into_iter().map(|(group, jobs)| (words(group), jobs)).collect()
    };
    let told = |group: &str, jobs| (group.to_owned(), jobs);
    use GroupKey::{ExitStatus, Identity, Name, Runner, State, Tenant};
    assert_eq!(groups(&[State], &filter()), [told("dead", 2), told("succeeded", 5)]);
    let both = [
        told("default dead", 1),
        told("default succeeded", 4),
        told("shop dead", 1),
        told("shop succeeded", 1),
    ];
    assert_eq!(groups(&[Tenant, State], &filter()), both);
    assert_eq!(
        groups(&[Name, ExitStatus], &filter()),
        [told("- 0", 3), told("- 1", 1), told("even 0", 2), told("even 1", 1)]
    );
    assert_eq!(groups(&[Runner], &filter()), [told("-", 7)]);
    assert_eq!(groups(&[Identity], &filter()), [told("noop", 7)]);
    let dead = Filter { states: vec![JobState::Dead], ..filter() };
    assert_eq!(groups(&[Tenant], &dead), [told("default", 1), told("shop", 1)]);
    let none = Filter { tenant: text("nobody"), ..filter() };
    assert_eq!(groups(&[State], &none), []);
    let early = Filter { finished_until: Some(Wall(1)), ..filter() };
    assert_eq!(groups(&[State], &early), []);
}

pub(crate) fn a_count_without_groups_is_one_number(make: Make<'_>) {
    let engine = make();
    let store = engine.open();
    keep(&*store, (1..=4).map(submit));
    let odd = [1, 3].map(|id| JobId(id).into()).to_vec();
    let counts = |filter: &Filter| count(&*store, filter, &[]).into_values().collect::<Vec<_>>();
    assert_eq!(counts(&filter()), [4]);
    assert_eq!(counts(&Filter { ids: odd, ..filter() }), [2]);
    assert_eq!(counts(&Filter { tenant: text("nobody"), ..filter() }), [0; 0]);
    assert_eq!(counts(&Filter { text: text("nowhere"), ..filter() }), [0; 0]);
}
