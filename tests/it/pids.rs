//! Process ids come round again: who is signalled is still the one that was meant.

use ostler_tests::{Api, PidSpace};
use serde_json::{Value, json};

/// Ids that there are: a few hundred short jobs use them all up.
const PID_MAX: u32 = 400;
/// Each takes three ids at least.
const SHORT: usize = 300;

fn states(api: &Api, jobs: &[u64]) -> Vec<Value> {
    jobs.iter().map(|id| api.job(*id)["state"].clone()).collect()
}

#[test]
fn a_kill_ends_the_job_that_was_meant_although_ids_come_round_again() {
    let space = PidSpace::start(PID_MAX);
    let api = space.api();
    let long: Vec<u64> = (0..3).map(|_| api.run("sleep 300")).collect();
    long.iter().for_each(|id| drop(api.wait_state(*id, "running")));
    let short = vec![json!({ "command": "sh -c true & true" }); SHORT];
    for id in api.submit_all(&short) {
        assert_eq!(api.wait_finished(id)["state"], "succeeded");
    }
    assert_eq!(states(&api, &long), ["running", "running", "running"]);
    let answer = api.post(&format!("/v1/jobs/{}/kill", long[0]), &json!({}));
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(api.wait_finished(long[0])["state"], "cancelled");
    // What came after it in the meantime had every chance to be hit.
    for id in api.submit_all(&short[..50]) {
        assert_eq!(api.wait_finished(id)["state"], "succeeded");
    }
    assert_eq!(states(&api, &long[1..]), ["running", "running"]);
}
