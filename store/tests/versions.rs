//! Files of earlier versions, and numbers of later ones.
#![allow(clippy::unwrap_used, reason = "a test: what cannot go wrong ends it")]

mod make;

use std::{fs, path::Path};

use make::{
    event, find, find_sorted, fixture, in_state, load, pending, shell, spec, submit, submit_as,
};
use ostler_job::{
    JobId, Wall,
    durable::{
        Epoch, Fate, Held, Input, JobState, MissedPolicy, NameFilter, OverlapPolicy, Queue,
        QueueName, QueueShape, Rate, ScheduleName, ShapeOwner, Sort, Spec, Status,
    },
};
use ostler_store::{Change, Fault, Filter, Memory, Sqlite, Store, Token};
use rusqlite::Connection;

/// Everything that version 1 keeps. Never changed: the fixture was made of it.
fn version_1() -> Vec<Change> {
    let tagged = Spec {
        name: Some("nightly".to_owned()),
        tags: vec!["red".to_owned()],
        tenant: "other".to_owned(),
        ..shell(&["echo", "hello"], Input::Payload(make::payload('a')))
    };
    let token = Token {
        name: "first".to_owned(),
        hash: "0".repeat(64),
        scopes: ["admin".to_owned()].into(),
        tenant: None,
        created_at: Wall(1),
        expires_at: None,
        revoked_at: None,
    };
    let key = Change::Key {
        key: "key".to_owned(),
        request: "hash".to_owned(),
        jobs: vec![JobId(1), JobId(2)],
        at: Wall(5),
    };
    vec![
        submit_as(1, tagged, pending()),
        submit_as(2, spec("noop"), in_state(JobState::Succeeded)),
        Change::Attempt(Box::new(make::attempt(2, 1, 1 << 32))),
        event(3, "{}"),
        key,
        Change::Token(token),
    ]
}

/// Made the first fixture: `STORE_FIXTURE=1 cargo test -p ostler-store --test versions fixture`. Done once, when
/// a version is released; after that the file never changes.
#[test]
fn the_fixture_is_made_when_asked_for() {
    if std::env::var_os("STORE_FIXTURE").is_none() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let store = Sqlite::open(&path).unwrap();
    load(&store);
    store.commit(Epoch(0), &version_1()).unwrap();
    store.backup(&fixture("v1.db")).unwrap();
}

#[test]
fn a_file_of_version_1_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    fs::copy(fixture("v1.db"), &path).unwrap();
    let store = Sqlite::open(&path).unwrap();
    let model = Memory::new();
    load(&model);
    model.commit(Epoch(0), &version_1()).unwrap();
    assert_eq!(load(&store), load(&model));
    for job in [1, 2].map(JobId) {
        assert_eq!(store.job(job), model.job(job));
        assert_eq!(store.attempts(job), model.attempts(job));
    }
    assert_eq!(store.keyed("key"), model.keyed("key"));
    assert_eq!(make::events(&store), make::events(&model));
    assert!(store.payload_used(&make::payload('a').sha256).unwrap());
    let red = Filter { tags: vec!["red".to_owned()], ..Filter::default() };
    assert_eq!(find(&store, &red, 10), [1]);
    let named = |name: &str| {
        let name = Some(NameFilter::Is(name.to_owned()));
        find(&store, &Filter { name, ..Filter::default() }, 10)
    };
    assert_eq!((named("nightly"), named("noop")), (vec![1], vec![]), "what it has has a name");
    let ended = Filter { finished_until: Some(Wall(5001)), ..Filter::default() };
    assert_eq!(find_sorted(&store, &ended, Sort::LastFinished, 10), [2]);
    store.commit(Epoch(0), &[submit(3)]).unwrap();
}

/// One job in each state, as the fixture of version 3 has them.
fn each_state() -> Vec<Change> {
    let out = |state: JobState| state.is_out().then(|| "host-1".to_owned());
    let status = |state: JobState| Status {
        runner: out(state),
        stop: state == JobState::Stopped,
        ..in_state(state)
    };
    let jobs = (1..).zip(JobState::ALL);
    jobs.map(|(id, state)| submit_as(id, spec("noop"), status(*state))).collect()
}

fn file_of_version_3(path: &Path) {
    let text = fs::read_to_string(fixture("v3.sql")).unwrap();
    Connection::open(path).unwrap().execute_batch(&text).unwrap();
}

#[test]
fn a_file_of_version_3_is_read_deleted_from_and_forgotten_as_before() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    file_of_version_3(&path);
    let (store, model) = (Sqlite::open(&path).unwrap(), Memory::new());
    model.commit(Epoch(0), &each_state()).unwrap();
    assert_eq!(load(&store), load(&model));
    let unfinished = |store: &dyn Store| {
        let mut jobs = Vec::new();
        store.load_unfinished(&mut |job| jobs.push(job.id)).unwrap();
        jobs
    };
    assert_eq!(unfinished(&store), unfinished(&model));
    for before in [(0, 9000), (9000, 0), (9000, 9000), (5000, 5000)] {
        let before = (Wall(before.0), Wall(before.1));
        let prunable = |store: &dyn Store| store.prunable(before, Wall(9999), 99).unwrap();
        assert_eq!(prunable(&store), prunable(&model), "{before:?}");
    }
    for id in (1..=11).map(JobId) {
        let delete =
            |store: &dyn Store| store.commit(Epoch(0), &[Change::Delete { job: id }]).is_ok();
        assert_eq!(delete(&store), delete(&model), "{id}");
    }
    assert_eq!(load(&store).0, load(&model).0);
}

/// What an index is made of may be damaged: that is no reason to refuse the whole file.
#[test]
fn a_file_with_a_damaged_record_is_brought_to_the_present_version() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    file_of_version_3(&path);
    let raw = Connection::open(&path).unwrap();
    for (job, damaged) in [
        (1, r#"{"name":"a","user":"b","#),
        (2, r#"["name":"a"#),
        (3, ""),
        (5, r#"{"firing":{"schedule":"nightly","#),
        (6, r#"["firing":{"schedule":"nightly"}]"#),
    ] {
        let row = (damaged, job);
        raw.execute("UPDATE spec SET spec = ? WHERE job = ?", row).unwrap();
    }
    let other = r#"{"work":{"module":"noop"},"name":"whole","identity":"noop","firing":{"schedule":"nightly","due":5}}"#;
    raw.execute("UPDATE spec SET spec = ? WHERE job = 4", [other]).unwrap();
    raw.close().unwrap();
    let store = Sqlite::open(&path).unwrap();
    let named = Filter { name: Some(NameFilter::Begins(String::new())), ..Filter::default() };
    assert_eq!(find(&store, &named, 10), [4]);
    let nightly = Filter { schedule: ScheduleName::new("nightly"), ..Filter::default() };
    assert_eq!(find(&store, &nightly, 10), [4]);
    assert_eq!(find(&store, &Filter::default(), 100).len(), 11);
}

#[test]
fn a_file_of_version_3_put_back_counts_what_is_unfinished() {
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("copy.db");
    file_of_version_3(&copy);
    let restored = Sqlite::restore(&folder.path().join("store.db"), &copy).unwrap();
    assert_eq!(restored.jobs, (11, 7));
}

/// A state that is waited in and that this version does not know: whatever its number, its jobs are kept.
#[test]
fn a_job_in_an_unknown_state_is_neither_deleted_nor_forgotten() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let store = Sqlite::open(&path).unwrap();
    let jobs = [1, 2].map(|id| submit_as(id, spec("noop"), in_state(JobState::Succeeded)));
    store.commit(Epoch(0), &jobs).unwrap();
    let raw = Connection::open(&path).unwrap();
    for number in [11, 12, 99, 255] {
        raw.execute("UPDATE job SET state = ? WHERE id = 1", [number]).unwrap();
        let all = (Wall(9000), Wall(9000));
        assert_eq!(store.prunable(all, Wall(9999), 99).unwrap(), [JobId(2)], "{number}");
        let error = store.commit(Epoch(0), &[Change::Delete { job: JobId(1) }]).unwrap_err();
        assert_eq!(error.fault, Fault::Fenced, "{number}");
        // A look at it is an error that names the number, and no panic.
        let error = store.job(JobId(1)).unwrap_err();
        assert!(error.to_string().contains(&format!("code {number}")), "{error}");
    }
    raw.execute("UPDATE job SET state = 7 WHERE id = 1", []).unwrap();
    store.commit(Epoch(0), &[Change::Delete { job: JobId(1) }]).unwrap();
}

/// Whatever else a later version may say of a queue: its name and its limits hold.
#[test]
fn a_queue_that_cannot_be_read_keeps_what_can() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let store = Sqlite::open(&path).unwrap();
    load(&store);
    let text = r#"{"name":"mail","shape":{"weight":7,"discipline":"new","rate":"5/1m","timeout":"x","more":1},
        "owner":"file","paused":{"who":"ops","since":5},"drained":3}"#;
    let raw = Connection::open(&path).unwrap();
    for (name, text) in [("mail", text), ("odd", "[]")] {
        raw.execute("INSERT INTO queue VALUES (?, ?)", [name, text]).unwrap();
    }
    let name = |name| QueueName::new(name).unwrap();
    let rate = Rate::read("5/1m").ok();
    let shape = QueueShape { weight: 7, rate, ..QueueShape::default() };
    let paused = Some(Held { who: "ops".to_owned(), since: Wall(5) });
    let mail = Queue { paused, ..Queue::new(name("mail"), shape, ShapeOwner::File) };
    let odd = Queue::new(name("odd"), QueueShape::default(), ShapeOwner::Api);
    assert_eq!(store.queues().unwrap(), [mail, odd]);
}

/// Whatever a later version may say of a schedule, or damage: it is there, does not fire, and says why.
#[test]
fn a_schedule_that_cannot_be_read_keeps_what_can_and_does_not_fire() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let store = Sqlite::open(&path).unwrap();
    load(&store);
    let all = ["a", "b", "c", "d", "e", "f"].map(|name| make::schedule(name, 5));
    let put = all.each_ref().map(make::put_schedule);
    store.commit(Epoch(0), &put).unwrap();
    let raw = Connection::open(&path).unwrap();
    let later = r#"{"shape":{"cron":"@daily","zone":"Asia/Tokyo","overlap":"new","missed":"skip","more":1,
        "spec":{"work":{"module":"later"},"identity":"own","tenant":"other"}},"owner":"file","more":2}"#;
    for (name, text) in [("a", later), ("b", "[]"), ("c", "{\"shape\":{")] {
        raw.execute("UPDATE schedule SET schedule = ? WHERE name = ?", [text, name]).unwrap();
    }
    raw.execute("UPDATE stand SET stand = '{' WHERE schedule = 'd'", []).unwrap();
    let other =
        "UPDATE schedule SET schedule = replace(schedule, 'shell', 'later') WHERE name = 'f'";
    raw.execute(other, []).unwrap();
    let kept = store.schedules(Wall(u64::MAX)).unwrap();
    let [a, b, c, d, e, f] = &kept[..] else { panic!("nothing is lost: {kept:?}") };
    assert_eq!(
        (a.schedule.shape.cron.as_str(), a.schedule.shape.zone.as_str()),
        ("@daily", "Asia/Tokyo")
    );
    assert_eq!(a.schedule.shape.missed, MissedPolicy::Skip);
    assert_eq!(a.schedule.shape.overlap, OverlapPolicy::default());
    let spec = &a.schedule.shape.spec;
    assert_eq!((spec.work.module(), &*spec.identity, &*spec.tenant), ("unknown", "own", "other"));
    assert_eq!((a.schedule.owner, c.schedule.owner), (ShapeOwner::File, ShapeOwner::Api));
    assert_eq!(d.schedule.shape, all[3].shape);
    for kept in [a, b, c, d, f] {
        let fault = kept.schedule.stand.fault.as_deref().unwrap_or_default();
        assert!(fault.contains("put it again, or delete it"), "{kept:?}");
        assert!(!kept.schedule.stand.fires());
        assert_eq!(kept.schedule.stand.cursor, Wall(5));
    }
    assert_eq!(e.schedule, all[4]);
    // Where it stands is written, and what could not be read is there still.
    store.commit(Epoch(0), &[make::stand("a", 5, make::schedule("a", 9).stand)]).unwrap();
    let text = "SELECT schedule FROM schedule WHERE name = 'a'";
    assert_eq!(raw.query_row(text, [], |row| row.get::<_, String>(0)).unwrap(), later);
    store.commit(Epoch(0), &put).unwrap();
    assert_eq!(
        store
            .schedules(Wall(u64::MAX))
            .unwrap()
            .into_iter()
            .map(|it| it.schedule)
            .collect::<Vec<_>>(),
        all
    );
}

#[test]
fn a_firing_whose_fate_is_unknown_is_shown_among_the_others() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let store = Sqlite::open(&path).unwrap();
    let fired = |due| make::put_firing("a", &make::firing(due, Fate::Fired, Some(due)));
    let missed = make::put_firing("a", &make::firing(4, Fate::Missed, None));
    store
        .commit(
            Epoch(0),
            &[make::put_schedule(&make::schedule("a", 5)), fired(2), fired(3), missed],
        )
        .unwrap();
    let raw = Connection::open(&path).unwrap();
    for number in [5, 99, 300, -1] {
        raw.execute("UPDATE firing SET fate = ? WHERE due > 2", [number]).unwrap();
        let all = store.firings(&make::schedule_name("a"), None, 9).unwrap();
        let fates: Vec<_> = all.iter().map(|it| it.fate).collect();
        assert_eq!(fates, [Fate::Refused, Fate::Fired, Fate::Fired], "{number}");
        let detail = all[1].detail.as_deref().unwrap_or_default();
        assert!(detail.contains(&format!("code {number}")), "{detail}");
        assert_eq!((all[1].job, all[2].detail.as_ref()), (Some(JobId(3)), None));
        assert_eq!(store.schedules(Wall(u64::MAX)).unwrap().len(), 1);
    }
}
