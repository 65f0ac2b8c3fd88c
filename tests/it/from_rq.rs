//! docs/FROM_RQ.md does what it says: its commands are pasted one after the other into one shell.

use std::time::Duration;

use ostler_tests::Session;

fn is_node(name: &str) -> bool {
    ["node1", "node2", "node3", "node4"].contains(&name)
}

#[test]
fn the_session_of_ruby_queue_can_be_pasted() {
    let session = Session::of("FROM_RQ.md", Duration::from_secs(60));
    a_list_is_submitted(&session);
    what_runs_and_what_has_finished_is_listed(&session);
    finished_jobs_are_found_deleted_and_retried(&session);
    a_job_survives_its_node(&session);
    assert_eq!(session.below("A job for one host"), "this ran on node2\n");
    let left = session.left();
    assert!(left.is_empty(), "left running: {left:?}");
}

fn a_list_is_submitted(session: &Session) {
    assert_eq!(session.below("Submit a list"), "1\n2\n3\n4\n");
    let status = session.below("Status");
    assert!(status.contains(" of 8 busy"), "{status}");
    for node in 1..=4 {
        assert!(status.contains(&format!("node{node}  ready")), "{status}");
    }
}

fn what_runs_and_what_has_finished_is_listed(session: &Session) {
    let running = session.rows("What runs");
    // One of the four fails at once.
    assert!((3..=4).contains(&running.len()), "{running:?}");
    for row in running {
        assert!(matches!(&*row[1], "leased" | "running"), "{row:?}");
        assert!(is_node(&row[3]), "{row:?}");
    }
    // Before the table there is the summary of the wait, and with it the job that failed, unless it had done so before.
    let mut finished = session.rows("What has finished");
    finished.retain(|row| row.len() > 3);
    let mut ends: Vec<[&str; 3]> =
        finished.iter().map(|row| [&*row[0], &row[1], &row[2]]).collect();
    if ends.len() > 4 {
        assert_eq!(ends.remove(0), ["3", "dead", "1"]);
    }
    let expected = [
        ["4", "succeeded", "0"],
        ["3", "dead", "1"],
        ["2", "succeeded", "0"],
        ["1", "succeeded", "0"],
    ];
    assert_eq!(ends, expected);
    assert!(finished.iter().all(|row| is_node(&row[3])), "{finished:?}");
}

fn finished_jobs_are_found_deleted_and_retried(session: &Session) {
    let rows = session.rows("Query by exit status");
    let words: Vec<String> = rows.iter().map(|row| row[..3].join(" ")).collect();
    assert_eq!(words, ["deleted 3 jobs", "3 dead 1", "will retry 1"]);
}

fn a_job_survives_its_node(session: &Session) {
    let page = session.below("A node reboots");
    assert!(page.contains("state:         succeeded"), "{page}");
    let attempts: Vec<Vec<&str>> =
        page.lines().map(|line| line.split_whitespace().collect()).collect();
    let attempt = |number: &str, reason: &str| {
        attempts
            .iter()
            .any(|words| words.starts_with(&[number, "node3"]) && words.contains(&reason))
    };
    assert!(attempt("1", "lost") && attempt("2", "ok"), "{page}");
}
