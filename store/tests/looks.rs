//! Looks into many jobs: all ways find the same, and one that ends early says how far it came.
#![allow(clippy::unwrap_used, reason = "a test: what cannot go wrong ends it")]

mod make;

use std::{fs, time::Instant};

use make::{find_sorted, ids, in_state, spec, submit, submit_at};
use ostler_job::{
    JobId, Wall,
    durable::{
        CountQuery, Counts, Epoch, GroupKey, IdRange, JobState, NameFilter, Reason, Sort, Spec,
        Status,
    },
};
use ostler_store::{Change, Fault, Filter, Memory, Query, ReadLimit, Sqlite, Store};
use tempfile::TempDir;

const JOBS: u64 = 7000;
const SORTS: [Sort; 4] = [Sort::Newest, Sort::Oldest, Sort::LastFinished, Sort::FirstFinished];

/// Of many kinds, some of them rare; and the clock was set back and forth meanwhile.
fn job(id: u64) -> Change {
    let spec = Spec {
        name: (!id.is_multiple_of(4)).then(|| format!("job-{}", id % 100)),
        tenant: ["default", "shop", "rare"][usize::from(id % 3 == 1) + usize::from(id == 7)].into(),
        ..spec(if id.is_multiple_of(7) { "seventh" } else { "noop" })
    };
    let mut status: Status = in_state(JobState::ALL[(id % 11) as usize]);
    status.runner = id
        .is_multiple_of(5)
        .then(|| ["host-1", "host-2"][usize::from(id.is_multiple_of(2000))].into());
    status.exit_status = [None, Some(0), Some(0), Some(3)][(id % 4) as usize];
    status.reason = [None, Some(Reason::Ok), Some(Reason::Lost)][(id % 3) as usize];
    status.host = id.is_multiple_of(6).then(|| "host-1".to_owned());
    status.finished_at = status.finished_at.map(|_| Wall(1_000_000 + id * 7919 % 5000));
    status.signal = id.is_multiple_of(13).then_some(9);
    let at = match id {
        2000..2500 => 1_000_000 - 300_000 + id,
        4000..4100 => 1_000_000 + 300_000 + id,
        _ => 1_000_000 + id * 10,
    };
    submit_at(id, spec, status, at)
}

fn stores() -> (TempDir, Sqlite, Memory) {
    let folder = tempfile::tempdir().unwrap();
    let store = Sqlite::open(&folder.path().join("store.db")).unwrap();
    let model = Memory::new();
    let jobs: Vec<_> = (1..=JOBS).map(job).collect();
    // Some go again, so that there are marks without their jobs.
    let gone: Vec<_> = (3000..4000)
        .filter(|id| JobState::ALL[(id % 11) as usize].is_finished())
        .map(|id| Change::Delete { job: JobId(id) })
        .collect();
    for batch in jobs.chunks(500).chain([&gone[..]]) {
        store.commit(Epoch(0), batch).unwrap();
        model.commit(Epoch(0), batch).unwrap();
    }
    (folder, store, model)
}

fn filters() -> Vec<Filter> {
    let default = Filter::default;
    let text = |text: &str| Some(text.to_owned());
    let mut filters = vec![
        default(),
        Filter { states: vec![JobState::Succeeded], ..default() },
        Filter { states: vec![JobState::Succeeded, JobState::Paused], ..default() },
        Filter { states: vec![JobState::Succeeded], tenant: text("rare"), ..default() },
        Filter { runner: text("host-2"), ..default() },
        Filter { runner: text("host-1"), states: vec![JobState::Dead], ..default() },
        Filter { runner: text("nobody"), ..default() },
        Filter { identity: text("seventh"), tenant: text("shop"), ..default() },
        Filter { reasons: vec![Reason::Ok, Reason::Lost], ..default() },
        Filter { reasons: vec![Reason::Lost], states: vec![JobState::Dead], ..default() },
        Filter { host: text("host-1"), ..default() },
        Filter { name: text("job-17").map(NameFilter::Is), ..default() },
        Filter { name: text("job-").map(NameFilter::Begins), ..default() },
        Filter { name: text("job-1").map(NameFilter::Begins), runner: text("host-1"), ..default() },
        Filter { finished_since: Some(Wall(1_000_100)), ..default() },
        Filter { finished_since: Some(Wall(1_004_000)), ..default() },
        Filter { finished_until: Some(Wall(1_004_900)), tenant: text("shop"), ..default() },
        Filter { ids: vec![IdRange::new(JobId(50), JobId(6500))], ..default() },
        Filter { ids: (0..700).map(|id| JobId(id * 10).into()).collect(), ..default() },
    ];
    for code in [0, 3, 5] {
        for excluded in [false, true] {
            filters.push(Filter { exit_status: Some((code, excluded)), ..default() });
        }
    }
    for at in [0, 700_000, 702_300, 1_000_005, 1_005_000, 1_304_050, 1_059_999, 2_000_000] {
        filters.push(Filter { until: Some(Wall(at)), ..default() });
        filters.push(Filter { since: Some(Wall(at)), ..default() });
        let (since, until) = (Some(Wall(at - at / 9)), Some(Wall(at)));
        filters.push(Filter { since, until, ..default() });
    }
    filters
}

#[test]
fn every_way_finds_what_the_model_finds() {
    let (_folder, store, model) = stores();
    for filter in filters() {
        for sort in SORTS {
            let expected = find_sorted(&model, &filter, sort, 7000);
            assert_eq!(find_sorted(&store, &filter, sort, 700), expected, "{filter:?} {sort:?}");
        }
    }
}

fn over() -> ReadLimit {
    ReadLimit { until: Some(Instant::now()), ..ReadLimit::default() }
}

#[test]
fn a_look_that_ends_early_comes_further_each_time_and_misses_nothing() {
    let (_folder, store, model) = stores();
    let mut ended = [0; SORTS.len()];
    for (filter, place) in filters().iter().flat_map(|it| (0..SORTS.len()).map(move |n| (it, n))) {
        let sort = SORTS[place];
        let (mut found, mut after, mut partial) = (Vec::new(), None, 0);
        loop {
            let query = Query { filter: filter.clone(), sort, after, limit: 100 };
            let page = store.search(&query, &over()).unwrap();
            found.extend(ids(&page.jobs));
            partial += u32::from(page.partial);
            let further = |next| after.is_none_or(|after| sort.is_after(next, after));
            assert!(page.next.is_none_or(further));
            assert!(!page.partial || page.next.is_some());
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(found, find_sorted(&model, filter, sort, 7000), "{filter:?} {sort:?}");
        ended[place] += partial;
    }
    assert!(ended.iter().all(|partial| *partial > 0), "some end early in each order: {ended:?}");
}

#[test]
fn a_count_that_ends_early_goes_on_and_counts_none_twice() {
    let (_folder, store, model) = stores();
    let keys = [
        vec![GroupKey::State, GroupKey::Tenant],
        vec![GroupKey::Identity],
        vec![GroupKey::Name, GroupKey::Reason],
        Vec::new(),
    ];
    let mut parts = 0;
    for (filter, by) in filters().iter().flat_map(|it| keys.iter().map(move |by| (it, by))) {
        let mut query = CountQuery { filter: filter.clone(), by: by.clone(), below: None };
        let expected = model.count(&query, &over()).unwrap();
        let mut whole = Counts::default();
        loop {
            let part = store.count(&query, &over()).unwrap();
            part.groups.into_iter().for_each(|(group, jobs)| whole.add(group, jobs));
            assert!(part.next.is_none_or(|next| query.below.is_none_or(|below| next < below)));
            query.below = part.next;
            if query.below.is_none() {
                break;
            }
            parts += 1;
        }
        assert_eq!(whole, expected, "{query:?}");
    }
    assert!(parts > 0, "none ended early");
}

#[test]
fn what_is_written_to_a_file_that_lost_its_name_is_no_commit() {
    for victim in ["store.db", "store.db-wal"] {
        let folder = tempfile::tempdir().unwrap();
        let store = Sqlite::open(&folder.path().join("store.db")).unwrap();
        store.commit(Epoch(0), &[submit(1)]).unwrap();
        let (path, aside) = (folder.path().join(victim), folder.path().join("aside"));
        fs::rename(&path, &aside).unwrap();
        for replaced in [false, true] {
            if replaced {
                fs::copy(&aside, &path).unwrap();
            }
            let error = store.commit(Epoch(0), &[submit(2 + u64::from(replaced))]).unwrap_err();
            assert_eq!(error.fault, Fault::Gone, "{victim}: {error}");
            assert!(error.detail.contains(victim), "{error}");
            assert_eq!(store.check().unwrap_err().fault, Fault::Gone);
        }
        fs::rename(&aside, &path).unwrap();
        store.commit(Epoch(0), &[submit(9)]).unwrap();
        assert!(store.job(JobId(9)).unwrap().is_some());
    }
}
