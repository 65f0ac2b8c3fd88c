//! What runs out is shared, bounded, and told of.

use std::fs;

use ostler_tests::{Api, Setup, wait_until};
use serde_json::json;

#[test]
fn a_store_that_was_removed_or_replaced_takes_no_jobs_until_it_is_back() {
    let gateway = Setup::bare().args(&["--no-app"]).start();
    let api = Api::of(&gateway);
    let first = api.run("true");
    api.wait_finished(first);
    let (path, aside) = (gateway.state().join("jobs.db"), gateway.state().join("aside.db"));
    for replaced in [false, true] {
        fs::rename(&path, &aside).unwrap();
        if replaced {
            fs::copy(&aside, &path).unwrap();
        }
        // Not noticed by a clock: no submit is answered that would be lost.
        let answer = api.post("/v1/jobs", &json!({ "command": "true" }));
        assert_eq!(answer.status, 503, "{}", answer.text());
        let told = answer.text();
        let how = if replaced { "was replaced by another file" } else { "was removed" };
        assert!(told.contains("jobs.db") && told.contains(how), "{told}");
        wait_until("it says that it is not ready", || gateway.api("/readyz").status == 503);
        fs::rename(&aside, &path).unwrap();
        wait_until("jobs are taken again", || {
            api.post("/v1/jobs", &json!({ "command": "true" })).status == 202
        });
    }
    // An idle gateway notices it as well.
    fs::rename(&path, &aside).unwrap();
    wait_until("it says that it is not ready", || gateway.api("/readyz").status == 503);
    fs::rename(&aside, &path).unwrap();
    wait_until("it is ready again", || gateway.api("/readyz").status == 200);
    assert_eq!(api.job(first)["state"], "succeeded");
}
