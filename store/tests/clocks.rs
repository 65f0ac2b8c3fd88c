//! What a clock that was wrong leaves behind.
#![allow(clippy::unwrap_used, reason = "a test: what cannot go wrong ends it")]

mod make;

use make::{event, events, spec, submit_at};
use ostler_job::{
    Wall,
    durable::{Epoch, JobState, Status},
};
use ostler_store::{Change, Sqlite, Store};

const DAY: u64 = 86_400_000;
const YEARS: u64 = 80 * 365 * DAY;

fn finished(at: u64) -> Status {
    Status { finished_at: Some(Wall(at)), ..make::in_state(JobState::Succeeded) }
}

/// Ten thousand jobs of 200 days, of which some were submitted or finished while the clock was years off, either way.
#[test]
fn moments_of_a_wrong_clock_end_no_retention() {
    let folder = tempfile::tempdir().unwrap();
    let store = Sqlite::open(&folder.path().join("store.db")).unwrap();
    let start = 2 * YEARS;
    let at = |id: u64| start + id * DAY / 50;
    let batch: Vec<_> = (1..=10_000)
        .map(|id| {
            let (submitted, ended) = match id {
                100 | 2_000..=4_500 => (at(id) + YEARS, at(id) + YEARS),
                101 => (at(id), at(id) + YEARS),
                6_000..=6_010 => (at(id) - YEARS, at(id) - YEARS),
                _ => (at(id), at(id) + 1000),
            };
            submit_at(id, spec("noop"), finished(ended), submitted)
        })
        .collect();
    store.commit(Epoch(0), &batch).unwrap();
    let now = at(10_000);
    let before = Wall(now - 30 * DAY);
    let old = store.prunable((before, before), Wall(now), 100_000).unwrap();
    let wrong = 1 + 2_501;
    assert_eq!(
        old.len(),
        8_499 - wrong,
        "150 days less 30, but for those that are of no known age"
    );
    assert!(old.iter().any(|job| job.0 == 101), "as old as its submit");
}

#[test]
fn events_and_keys_of_a_wrong_clock_keep_no_others() {
    let folder = tempfile::tempdir().unwrap();
    let stores: [Box<dyn Store>; 2] = [
        Box::new(Sqlite::open(&folder.path().join("store.db")).unwrap()),
        Box::new(ostler_store::Memory::new()),
    ];
    for store in stores {
        let key = |name: &str, at| Change::Key {
            key: name.to_owned(),
            request: String::new(),
            jobs: vec![],
            at: Wall(at),
        };
        let start = 2 * YEARS;
        let moments = [start, start + YEARS, start + DAY, start + 9 * DAY, start + 10 * DAY];
        let changes: Vec<_> = moments
            .iter()
            .enumerate()
            .flat_map(|(n, at)| [event(*at, ""), key(&n.to_string(), *at)])
            .collect();
        store.commit(Epoch(0), &changes).unwrap();
        let (now, old) = (Wall(start + 10 * DAY), Wall(start + 5 * DAY));
        store.commit(Epoch(0), &[Change::Forget { now, events: old, keys: old }]).unwrap();
        assert_eq!(events(&*store).iter().map(|it| it.seq).collect::<Vec<_>>(), [4, 5]);
        let known = (0..5).filter(|n| store.keyed(&n.to_string()).unwrap().is_some());
        assert_eq!(known.collect::<Vec<_>>(), [3, 4]);
    }
}
