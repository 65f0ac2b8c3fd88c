//! The API against its own description: schemathesis asks what the description allows, and more, and finds nothing wrong.

use std::{process::Command, str};

use ostler_tests::{Api, Setup, venv_python};

/// What schemathesis may take, seconds.
const MAX_TIME: &str = "40";

/// Without slots whoever waits for a job waits for ever, and a key that was used for another request is refused. What a
/// description cannot say is a range of ids that goes backwards, a cursor of another order than the one that is asked for, and a
/// word that is there twice; that jobs are counted by no reason why they wait, and have one in no other state; that a queue is
/// attached to something, and guaranteed no more than its ceiling; what is an expression of a schedule, and when it fires at all; and a
/// bulk action takes a number for a tag. The queue of jobs
/// that name none is given no bound.
const CONFIG: &str = r#"
[[operations]]
include-name = "POST /v1/jobs"
parameters = { wait = "10ms" }
[operations.checks]
positive_data_acceptance.expected-statuses = ["2xx", "401", "403", "404", "409", "422", "5xx"]
[[operations]]
include-name = "GET /v1/jobs"
parameters = { id = "5-90", sort = "-id", cursor = "AAAAAAAAABE", reason = "ok" }
[[operations]]
include-name = "GET /v1/jobs/counts"
parameters = { id = "5-90", by = "state,tenant", reason = "ok" }
[[operations]]
include-name = "POST /v1/queues/{name}/purge"
parameters = { id = "5-90", reason = "ok" }
[[operations]]
include-name = "POST /v1/queues/{name}/attach"
[operations.checks]
positive_data_acceptance.expected-statuses = ["2xx", "401", "403", "404", "409", "422", "5xx"]
[[operations]]
include-name = "POST /v1/queues/{name}/detach"
[operations.checks]
positive_data_acceptance.expected-statuses = ["2xx", "401", "403", "404", "409", "422", "5xx"]
[[operations]]
include-name = "POST /v1/jobs/actions"
[operations.checks]
positive_data_acceptance.expected-statuses = ["2xx", "400", "401", "403", "404", "409", "422", "5xx"]
negative_data_rejection.expected-statuses = ["2xx", "4xx"]
[[operations]]
include-name = "PUT /v1/queues/{name}"
parameters = { name = "bounded" }
[operations.checks]
positive_data_acceptance.expected-statuses = ["2xx", "401", "403", "404", "409", "422", "5xx"]
[[operations]]
include-name = "PUT /v1/schedules/{name}"
[operations.checks]
positive_data_acceptance.expected-statuses = ["2xx", "401", "403", "404", "409", "422", "5xx"]
[[operations]]
include-name = "GET /v1/jobs/{id}/log"
parameters = { follow = "false" }
"#;

#[test]
fn schemathesis_finds_nothing_against_the_api() {
    // Without slots nothing that it submits is run.
    let gateway = Setup::bare().more("[runner]\njob_slots = 0\n").args(&["--no-app"]).start();
    let api = Api::of(&gateway);
    let description = api.get("/v1/openapi.json");
    assert!(description.json()["openapi"].as_str().is_some_and(|v| v.starts_with("3.1")));
    let file = gateway.state().join("openapi.json");
    std::fs::write(&file, &description.body).unwrap();
    let token = std::fs::read_to_string(gateway.state().join("api.token")).unwrap();
    std::fs::write(gateway.state().join("schemathesis.toml"), CONFIG).unwrap();
    let mut command = Command::new(venv_python().parent().unwrap().join("schemathesis"));
    command.arg("run").arg(&file).current_dir(gateway.state());
    command.arg("--url").arg(format!("http://{}", gateway.api_address()));
    command.arg("--header").arg(format!("Authorization: Bearer {}", token.trim()));
    // A backup writes where it is told, and the streams of events have no end of their own.
    command.args(["--exclude-path", "/v1/backup", "--exclude-path-regex", "events$"]);
    command.args(["--checks", "all", "--exclude-checks", "use_after_free"]);
    command.args(["--suppress-health-check", "filter_too_much"]);
    command.args(["--phases", "examples,coverage,fuzzing", "--max-examples", "30"]);
    command.args(["--max-time", MAX_TIME, "--seed", "1", "--no-color", "--request-timeout", "20"]);
    let out = command.output().expect("tests/setup has installed schemathesis");
    let told = str::from_utf8(&out.stdout).unwrap_or_default();
    assert!(out.status.success(), "{told}\n{}", String::from_utf8_lossy(&out.stderr));
    assert_eq!(api.get("/healthz").status, 200, "it lives");
}
