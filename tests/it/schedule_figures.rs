//! What is seen of schedules from without, on a real gateway with a real runner: metrics, alerts, events, the log.

use std::{collections::BTreeSet, fs, path::Path, process::Command};

use ostler_tests::{Api, Gateway, Setup, wait_until};
use serde_json::{Value, json};

use crate::observe::{assert_promtool_is_pleased, promtool};

fn start() -> Gateway {
    Setup::bare().more("[runner]\njob_slots = 4\n").args(&["--no-app"]).start()
}

fn put(api: &Api, name: &str, schedule: &Value) {
    let text = serde_json::to_vec(schedule).expect("a value is written");
    let head = "Content-Type: application/json\r\n";
    let answer = api.request("PUT", &format!("/v1/schedules/{name}"), head, &text);
    assert_eq!(answer.status, 201, "{}", answer.text());
}

fn view(api: &Api, name: &str) -> Value {
    api.get(&format!("/v1/schedules/{name}")).json()
}

/// The value of the one series of these labels, if it is there.
fn series(gateway: &Gateway, name: &str, labels: &[&str]) -> Option<f64> {
    let text = gateway.api("/metrics").text();
    let mut lines = text.lines().filter_map(|line| line.rsplit_once(' '));
    let (_, value) = lines.find(|(series, _)| {
        series.starts_with(&format!("{name}{{")) && labels.iter().all(|it| series.contains(it))
    })?;
    value.parse().ok()
}

#[test]
fn a_schedule_of_which_nothing_succeeds_is_overdue_wherever_one_looks_until_something_does() {
    let gateway = start();
    let api = Api::of(&gateway);
    let good = gateway.state().join("good");
    let job =
        json!({ "command": format!("test -e {}", good.display()), "retry": { "attempts": 1 } });
    put(&api, "each", &json!({ "cron": "* * * * * *", "expect_within": "2s", "job": job }));
    put(&api, "never", &json!({ "cron": "0 0 1 1 *", "job": { "command": "true" } }));
    let (each, never) = ("schedule=\"each\"", "schedule=\"never\"");
    wait_until("a schedule has its series before it fires", || {
        series(&gateway, "ostler_schedule_firings_total", &[never, "fate=\"missed\""]) == Some(0.0)
    });
    assert!(gateway.metric("ostler_schedule_next_due_timestamp_seconds", &[never]) > 1e9);
    assert_eq!(series(&gateway, "ostler_schedule_last_success_timestamp_seconds", &[each]), None);
    assert_eq!(gateway.metric("ostler_schedules", &["state=\"active\""]), 2.0);
    wait_until("it is overdue", || gateway.metric("ostler_schedule_overdue", &[each]) == 1.0);
    assert_eq!(gateway.metric("ostler_schedule_overdue", &[never]), 0.0);
    assert_eq!(gateway.metric("ostler_schedules_overdue", &[]), 1.0);
    let seen = view(&api, "each");
    assert!(seen["overdue"] == true && seen["overdue_since"].is_string(), "{seen}");
    let status = api.get("/v1/status").json();
    assert_eq!(
        (&status["schedules"]["active"], &status["schedules_overdue"]),
        (&2.into(), &1.into())
    );
    let data = status["zone_data"].as_str().unwrap_or_default();
    assert!(data.ends_with(')') && status["zone"].is_string(), "{status}");
    let told = api.get("/v1/events?after=0&follow=false").text();
    assert!(told.contains("\"action\":\"overdue\"") && told.contains("\"expect_within\":\"2s\""));
    wait_until("the log has it", || {
        gateway.stderr().contains("schedule each is overdue: nothing of it has succeeded for 2s")
    });
    fs::write(&good, "").expect("a file is made");
    wait_until("it is well again", || gateway.metric("ostler_schedule_overdue", &[each]) == 0.0);
    let succeeded = gateway.metric("ostler_schedule_last_success_timestamp_seconds", &[each]);
    assert!(succeeded > 1e9, "{succeeded}");
    wait_until("the log has that as well", || {
        gateway.stderr().contains("schedule each is not overdue any more")
    });
    let fired = gateway.metric("ostler_schedule_firings_total", &[each, "fate=\"fired\""]);
    let late = gateway.metric("ostler_schedule_lateness_seconds_count", &[]);
    assert!(
        fired >= 2.0 && late >= fired,
        "{fired} fired, of {late} it is known how late they were"
    );
    assert_promtool_is_pleased(&gateway);
    let gone = api.request("DELETE", "/v1/schedules/each", "", b"");
    assert_eq!(gone.status, 204, "{}", gone.text());
    wait_until("its series go with it", || !gateway.api("/metrics").text().contains(each));
}

#[test]
fn what_was_missed_and_what_runs_too_long_is_counted_and_told() {
    let gateway = start();
    let api = Api::of(&gateway);
    let slow = json!({ "command": "sleep 60" });
    put(
        &api,
        "slow",
        &json!({ "cron": "* * * * * *", "overlap": "queue_one", "max_run": "1s", "missed": "skip", "job": slow }),
    );
    let slow = "schedule=\"slow\"";
    let counted = |gateway: &Gateway, fate: &str| {
        gateway.metric("ostler_schedule_firings_total", &[slow, &format!("fate=\"{fate}\"")])
    };
    wait_until("it runs too long", || gateway.metric("ostler_schedule_too_long", &[slow]) == 1.0);
    wait_until("one waits", || gateway.metric("ostler_schedule_waiting", &[]) == 1.0);
    wait_until("others do not run", || counted(&gateway, "overlapped") >= 1.0);
    assert_eq!(counted(&gateway, "fired"), 1.0, "what waits has not fired");
    wait_until("the log has it", || gateway.stderr().contains("a firing of schedule slow, job "));
    let answer = api.post("/v1/schedules/slow/cursor", &json!({ "to": "2026-01-01T00:00:00Z" }));
    assert_eq!(answer.status, 200, "{}", answer.text());
    wait_until("what was missed is counted", || counted(&gateway, "missed") >= 500.0);
}

/// Metrics are named in alerts as they are on a gateway, and the alerts come when they are meant to.
#[test]
fn alerts_name_metrics_that_there_are_and_come_when_they_should() {
    let gateway = start();
    let api = Api::of(&gateway);
    put(&api, "some", &json!({ "cron": "* * * * *", "job": { "command": "true" } }));
    wait_until("it has series", || gateway.api("/metrics").text().contains("schedule=\"some\""));
    let metrics = gateway.api("/metrics").text();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../packaging/prometheus");
    let rules = fs::read_to_string(folder.join("ostler.rules.yml")).expect("there are rules");
    let of_rules = rules.lines().filter(|line| line.trim_start().starts_with("expr:"));
    let words =
        of_rules.flat_map(|line| line.split(|c: char| !c.is_ascii_alphanumeric() && c != '_'));
    let names: BTreeSet<_> = words.filter(|word| word.starts_with("ostler_")).collect();
    assert!(names.len() >= 5, "{names:?}");
    for name in names {
        let there = |line: &str| {
            line.starts_with(&format!("{name}{{")) || line.starts_with(&format!("{name} "))
        };
        assert!(metrics.lines().any(there), "{name} is not in:\n{metrics}");
    }
    for words in
        [["check", "rules", "ostler.rules.yml"], ["test", "rules", "ostler.rules.test.yml"]]
    {
        let output = Command::new(promtool()).args(words).current_dir(&folder).output();
        let output = output.expect("promtool starts");
        let said =
            String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{words:?}: {said}");
    }
}
