//! Payloads and logs as files.
#![allow(clippy::unwrap_used, reason = "a test: what cannot go wrong ends it")]

use std::{
    fs,
    io::{ErrorKind, Read as _, Write as _},
    path::Path,
    time::{Duration, SystemTime},
};

use ostler_job::{
    JobId,
    durable::{AttemptKey, Fence, Payload},
};
use ostler_store::{Files, Owner};

fn upload(files: &Files, parts: &[&[u8]]) -> Payload {
    let mut upload = files.upload(Owner::default()).unwrap();
    for part in parts {
        upload.write(part).unwrap();
    }
    upload.finish().unwrap()
}

fn read(files: &Files, sha256: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    files.payload(sha256).unwrap().read_to_end(&mut bytes).unwrap();
    bytes
}

fn key(job: u64, attempt: u32, fence: u64) -> AttemptKey {
    AttemptKey { job: JobId(job), attempt, fence: Fence(fence) }
}

fn count(folder: &Path) -> usize {
    fs::read_dir(folder).unwrap().count()
}

/// Waits until the folder was counted.
fn counted(files: &Files, bytes: u64) {
    while files.size() != bytes {
        std::thread::yield_now();
    }
}

#[test]
fn a_payload_is_those_tenants_who_uploaded_it() {
    let state = tempfile::tempdir().unwrap();
    let files = Files::open(state.path()).unwrap();
    let mut upload = files.upload(Owner::default()).unwrap();
    upload.write(b"secret").unwrap();
    let payload = upload.finish().unwrap();
    let owns = |tenant: &str| files.owns_payload(&payload.sha256, tenant).unwrap();
    assert!(!owns("shop"));
    files.own_payload(&payload.sha256, "shop", 6).unwrap();
    files.own_payload(&payload.sha256, "shop", 6).unwrap();
    assert!(owns("shop") && !owns("bank") && !owns("shop/../bank"));
    assert!(files.own_payload("../../etc/passwd", "shop", 6).is_err());
    let future = SystemTime::now() + Duration::from_secs(60);
    assert_eq!(files.sweep_payloads(future, |_| true).unwrap(), 0);
    assert!(owns("shop"), "as long as it is there");
    files.sweep_payloads(future, |_| false).unwrap();
    files.sweep_payloads(future, |_| false).unwrap();
    assert!(!owns("shop"), "and no longer");
}

#[test]
fn a_payload_is_found_by_what_it_is() {
    let state = tempfile::tempdir().unwrap();
    let files = Files::open(state.path()).unwrap();
    let payload = upload(&files, &[b"ab", b"", b"c"]);
    // The published value for "abc".
    let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    assert_eq!(payload, Payload { sha256: abc.to_owned(), bytes: 3 });
    assert_eq!(read(&files, abc), b"abc");
    assert_eq!(files.payload(&"0".repeat(64)).unwrap_err().kind(), ErrorKind::NotFound);
    drop(files);
    assert_eq!(read(&Files::open(state.path()).unwrap(), abc), b"abc");
}

#[test]
fn the_same_bytes_are_kept_once() {
    let state = tempfile::tempdir().unwrap();
    let files = Files::open(state.path()).unwrap();
    let (one, two) = (upload(&files, &[b"same"]), upload(&files, &[b"sa", b"me"]));
    assert_eq!(one, two);
    let folder = state.path().join("files/payload").join(&one.sha256[..2]);
    assert_eq!(count(&folder), 1);
    counted(&files, 4);
    assert_eq!(count(&state.path().join("files/upload")), 0);
}

#[test]
fn a_payload_that_a_crash_cut_short_is_uploaded_anew() {
    let state = tempfile::tempdir().unwrap();
    let files = Files::open(state.path()).unwrap();
    let payload = upload(&files, &[b"whole"]);
    let folder = state.path().join("files/payload").join(&payload.sha256[..2]);
    fs::write(folder.join(&payload.sha256), b"wh").unwrap();
    upload(&files, &[b"whole"]);
    assert_eq!(read(&files, &payload.sha256), b"whole");
}

#[test]
fn an_upload_that_is_given_up_leaves_nothing() {
    let state = tempfile::tempdir().unwrap();
    let folder = state.path().join("files/upload");
    let files = Files::open(state.path()).unwrap();
    let mut given_up = files.upload(Owner::default()).unwrap();
    given_up.write(b"half").unwrap();
    assert_eq!(count(&folder), 1);
    drop(given_up);
    assert_eq!(count(&folder), 0);
    // Neither does one that died with its process.
    fs::write(folder.join("1.1"), b"half").unwrap();
    Files::open(state.path()).unwrap();
    assert_eq!(count(&folder), 0);
}

#[test]
fn no_name_leads_out_of_the_folder() {
    let state = tempfile::tempdir().unwrap();
    let files = Files::open(state.path()).unwrap();
    let (upper, short) = ("A".repeat(64), "a".repeat(63));
    let traversal = format!("../../{}", "a".repeat(58));
    for name in ["", "..", "/etc/passwd", &upper, &short, &traversal, &"é".repeat(32)] {
        for outcome in [files.payload(name).map(drop), files.keep_payload(name).map(drop)] {
            assert_eq!(outcome.unwrap_err().kind(), ErrorKind::NotFound, "{name}");
        }
    }
}

#[test]
fn only_old_payloads_that_nobody_uses_are_swept() {
    let state = tempfile::tempdir().unwrap();
    let files = Files::open(state.path()).unwrap();
    let [used, idle, kept] = [b"used", b"idle", b"kept"].map(|it| upload(&files, &[it]).sha256);
    let hours = |n: u64| SystemTime::now() - Duration::from_secs(n * 3600);
    for sha256 in [&used, &idle, &kept] {
        files.payload(sha256).unwrap().set_modified(hours(5)).unwrap();
    }
    assert_eq!(files.keep_payload(&kept).unwrap(), 4);
    fs::write(state.path().join("files/payload").join(&used[..2]).join("note"), "").unwrap();
    let is_used = |sha256: &str| sha256 == used;
    assert_eq!(files.sweep_payloads(hours(6), is_used).unwrap(), 0);
    assert_eq!(files.sweep_payloads(hours(1), is_used).unwrap(), 1);
    assert!(files.payload(&idle).is_err());
    assert_eq!((read(&files, &used), read(&files, &kept)), (b"used".to_vec(), b"kept".to_vec()));
    counted(&files, 8);
    assert_eq!(
        files.sweep_payloads(SystemTime::now() + Duration::from_secs(3600), is_used).unwrap(),
        1
    );
    counted(&files, 4);
}

#[test]
fn a_log_is_appended_to_and_goes_with_its_job() {
    let state = tempfile::tempdir().unwrap();
    let files = Files::open(state.path()).unwrap();
    assert_eq!(files.log(key(17, 1, 9), Owner::default()).unwrap_err().kind(), ErrorKind::NotFound);
    for part in ["one ", "two"] {
        files
            .log_append(key(17, 1, 9), Owner::default())
            .unwrap()
            .write_all(part.as_bytes())
            .unwrap();
        files.log_grew(Owner::default(), part.len() as u64);
    }
    for other in [key(17, 2, 10), key(1017, 1, 9), key(171, 1, 9)] {
        files.log_append(other, Owner::default()).unwrap();
    }
    let mut text = String::new();
    files.log(key(17, 1, 9), Owner::default()).unwrap().read_to_string(&mut text).unwrap();
    assert_eq!((text.as_str(), files.size()), ("one two", 7));
    assert!(state.path().join("files/log/17/17.1.9").exists());
    files.delete_logs(JobId(17)).unwrap();
    files.delete_logs(JobId(5)).unwrap();
    assert!(
        files.log(key(17, 1, 9), Owner::default()).is_err()
            && files.log(key(17, 2, 10), Owner::default()).is_err()
    );
    assert!(
        files.log(key(1017, 1, 9), Owner::default()).is_ok()
            && files.log(key(171, 1, 9), Owner::default()).is_ok()
    );
    assert_eq!(files.size(), 0);
}

#[test]
fn what_was_there_before_is_counted() {
    let state = tempfile::tempdir().unwrap();
    let files = Files::open(state.path()).unwrap();
    upload(&files, &[&[7; 100_000]]);
    files.log_append(key(1, 1, 1), Owner::default()).unwrap().write_all(b"hello").unwrap();
    let files = Files::open(state.path()).unwrap();
    counted(&files, 100_005);
    upload(&files, &[b"more"]);
    assert_eq!(files.size(), 100_009);
}

#[test]
fn old_logs_of_jobs_that_are_not_there_are_swept() {
    let state = tempfile::tempdir().unwrap();
    let files = Files::open(state.path()).unwrap();
    let hours = |n: u64| SystemTime::now() - Duration::from_secs(n * 3600);
    for (log, age) in
        [(key(1, 1, 5), 9), (key(2, 1, 6), 9), (key(1002, 1, 7), 9), (key(3, 1, 8), 1)]
    {
        files.log_append(log, Owner::default()).unwrap().set_modified(hours(age)).unwrap();
    }
    fs::write(state.path().join("files/log/1/note"), "").unwrap();
    let absent = |jobs: &[JobId]| jobs.iter().filter(|job| job.0 != 1).copied().collect();
    assert_eq!(files.sweep_logs(hours(5), absent).unwrap(), 2);
    assert!(
        files.log(key(1, 1, 5), Owner::default()).is_ok()
            && files.log(key(3, 1, 8), Owner::default()).is_ok()
    );
    assert!(
        files.log(key(2, 1, 6), Owner::default()).is_err()
            && files.log(key(1002, 1, 7), Owner::default()).is_err()
    );
}

#[test]
fn what_each_tenant_has_is_known_and_comes_back_with_the_folder() {
    let state = tempfile::tempdir().unwrap();
    let files = Files::open(state.path()).unwrap();
    let (shop, bank) = (Owner::of("shop"), Owner::of("bank"));
    let sizes = |files: &Files| [Owner::default(), shop, bank].map(|it| files.size_of(it));
    let mut upload = files.upload(bank).unwrap();
    upload.write(&[7; 100]).unwrap();
    assert_eq!((sizes(&files), files.size()), ([0, 0, 100], 100), "from the first byte");
    let payload = upload.finish().unwrap();
    // The same bytes are kept once, and are each one's.
    files.own_payload(&payload.sha256, "bank", 100).unwrap();
    files.own_payload(&payload.sha256, "shop", 100).unwrap();
    files.own_payload(&payload.sha256, "shop", 100).unwrap();
    for (job, owner, bytes) in [(1, shop, 10), (2, Owner::default(), 5), (1001, bank, 7)] {
        let mut log = files.log_append(key(job, 1, job), owner).unwrap();
        log.write_all(&vec![b'x'; bytes]).unwrap();
        files.log_grew(owner, bytes as u64);
    }
    assert_eq!((sizes(&files), files.size(), files.most()), ([5, 110, 107], 122, 110));
    let again = Files::open(state.path()).unwrap();
    counted(&again, 122);
    while again.most() != 110 {
        std::thread::yield_now();
    }
    assert_eq!(sizes(&again), [5, 110, 107]);
    assert_eq!(again.log(key(1, 1, 1), shop).unwrap().metadata().unwrap().len(), 10);
    again.log_clear(key(1, 1, 1), shop).unwrap();
    again.delete_logs(JobId(1001)).unwrap();
    let future = SystemTime::now() + Duration::from_secs(60);
    again.sweep_payloads(future, |_| false).unwrap();
    again.sweep_payloads(future, |_| false).unwrap();
    assert_eq!((sizes(&again), again.size()), ([5, 0, 0], 5));
}

#[test]
fn an_upload_that_breaks_off_weighs_on_nobody() {
    let state = tempfile::tempdir().unwrap();
    let files = Files::open(state.path()).unwrap();
    let mut upload = files.upload(Owner::of("shop")).unwrap();
    upload.write(b"half").unwrap();
    drop(upload);
    assert_eq!((files.size_of(Owner::of("shop")), files.size()), (0, 0));
}
