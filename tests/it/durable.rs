//! Durable jobs from submit to record, through the API of a real gateway with a real runner.

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt as _,
    thread,
    time::Duration,
};

use nix::sys::signal::Signal;
use ostler_tests::{
    Api, Gateway, Runner, Setup, command_of, is_alive, kill, own_address, pids_of, sha256,
    wait_for, wait_until,
};
use serde_json::{Value, json};

fn start() -> Gateway {
    setup().start()
}

fn setup() -> Setup {
    Setup::bare().more("[runner]\njob_slots = 4\n").args(&["--no-app"])
}

/// The processes of a gateway's tree that are neither the gateway nor its runner.
fn of_jobs(gateway: &Gateway) -> Vec<u32> {
    let mut pids = pids_of(gateway.mark());
    pids.retain(|pid| {
        let line = command_of(*pid);
        !line.contains(" serve ") && !line.contains(" runner ") && is_alive(*pid)
    });
    pids
}

fn assert_no_process(gateway: &Gateway) {
    let told = |pids: &[u32]| pids.iter().map(|pid| command_of(*pid)).collect::<Vec<_>>();
    let left = of_jobs(gateway);
    assert!(left.is_empty(), "left behind: {:?}", told(&left));
}

/// A command line that is tried once.
fn once(command: &str) -> Value {
    json!({ "command": command, "retry": { "attempts": 1 } })
}

#[test]
fn a_command_runs_and_its_record_says_how_it_ended() {
    let gateway = start();
    let api = Api::of(&gateway);
    let job = api.submit(&once("echo out; echo err >&2; exit 3"));
    let job = api.wait_finished(job);
    assert_eq!(job["state"], "dead");
    assert_eq!(job["reason"], "exit_status");
    assert_eq!(job["exit_status"], 3);
    let attempt = &job["attempts_list"][0];
    assert_eq!(attempt["output_bytes"], 8);
    let id = job["id"].as_u64().unwrap();
    let text = |stream: &str| api.get(&format!("/v1/jobs/{id}/log?stream={stream}")).text();
    assert_eq!((text("stdout"), text("stderr")), ("out\n".into(), "err\n".into()));
}

#[test]
fn a_submit_that_waits_answers_with_the_result() {
    let gateway = start();
    let api = Api::of(&gateway);
    let answer = api.post("/v1/jobs?wait=30s", &json!({ "command": "echo hello" }));
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.json()["state"], "succeeded");
}

#[test]
fn a_job_is_told_who_it_is_and_nothing_of_the_runner() {
    let gateway = start();
    let api = Api::of(&gateway);
    let id = api.run("env");
    let job = api.wait_finished(id);
    let log = String::from_utf8(api.log(id)).unwrap();
    let fence = job["attempts_list"][0]["fence"].to_string();
    assert!(log.contains(&format!("OSTLER_JOB={id}\n")), "{log}");
    assert!(log.contains(&format!("OSTLER_FENCE={fence}\n")), "{log}");
    assert!(!log.contains("OSTLER_TOKEN"), "{log}");
}

#[test]
fn what_a_job_wrote_is_mailed_by_the_sendmail_of_its_runner() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let (program, mail) = (folder.path().join("sendmail"), folder.path().join("mail"));
    let line = format!("#!/bin/sh\ncat > {0}.new && mv {0}.new {0}\n", mail.display());
    fs::write(&program, line).expect("a temporary folder is writable");
    fs::set_permissions(&program, Permissions::from_mode(0o755)).expect("a file of ours");
    let config = format!("[runner]\njob_slots = 4\nsendmail = {:?}\n", program.display());
    let gateway = Setup::bare().more(&config).args(&["--no-app"]).start();
    let api = Api::of(&gateway);
    let job = json!({ "command": "echo out; exit 3", "mailto": "ops@example.com", "retry": { "attempts": 1 } });
    let id = api.wait_finished(api.submit(&job))["id"].to_string();
    wait_until("the mail is sent", || mail.exists());
    let text = fs::read_to_string(&mail).expect("it is there");
    assert!(text.contains("\nTo: ops@example.com\n") && text.ends_with("\n\nout\n"), "{text}");
    assert!(text.contains(&format!("\nX-Ostler-Job: {id}\n")), "{text}");
    wait_until("the mailer is gone", || of_jobs(&gateway).is_empty());
    // What it says when it fails is in the runner's log.
    fs::write(&program, "#!/bin/sh\necho no such relay; exit 75\n").expect("it is ours");
    let job = api.wait_finished(api.submit(&job));
    assert_eq!(job["reason"], "exit_status", "{job}");
    wait_until("the log says so", || gateway.stdout().contains("no such relay"));
}

#[test]
fn a_runner_that_ends_waits_a_moment_for_what_is_being_mailed_and_no_longer() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let [program, begun, mail] = ["sendmail", "begun", "mail"].map(|it| folder.path().join(it));
    let config = format!("[runner]\njob_slots = 4\nsendmail = {:?}\n", program.display());
    for (takes, is_mailed) in [("1", true), ("1000", false)] {
        let line = format!(
            "#!/bin/sh\n: > {}\nsleep {takes}\ncat > {}\n",
            begun.display(),
            mail.display()
        );
        fs::write(&program, line).expect("a temporary folder is writable");
        fs::set_permissions(&program, Permissions::from_mode(0o755)).expect("a file of ours");
        let gateway = Setup::bare().more(&config).args(&["--no-app"]).start();
        let api = Api::of(&gateway);
        api.wait_finished(api.submit(&json!({ "command": "echo out", "mailto": "ops" })));
        wait_until("the mailer runs", || begun.exists());
        gateway.stop();
        assert_eq!(mail.exists(), is_mailed, "a mailer that takes {takes} s");
        for left in [&begun, &mail] {
            let _ = fs::remove_file(left);
        }
    }
}

#[test]
fn a_failed_job_is_tried_again_after_its_delay() {
    let gateway = start();
    let api = Api::of(&gateway);
    let flag = gateway.state().join("flag");
    let command = format!("test -e {0} || {{ touch {0}; exit 75; }}", flag.display());
    let retry = json!({ "attempts": 3, "delay": "50ms", "exit_codes": [75] });
    let job = api.wait_finished(api.submit(&json!({ "command": command, "retry": retry })));
    assert_eq!((&job["state"], &job["attempts"]), (&json!("succeeded"), &json!(2)), "{job}");
    let job = api.wait_finished(api.submit(&json!({ "command": "exit 1", "retry": retry })));
    assert_eq!((&job["state"], &job["attempts"]), (&json!("dead"), &json!(1)), "{job}");
}

#[test]
fn a_job_that_names_no_retry_is_tried_again_unless_it_could_not_be_started() {
    let gateway = start();
    let api = Api::of(&gateway);
    let answer = api.post("/v1/jobs", &api.marked(&json!({ "command": "exit 1" }))).json();
    assert_eq!(answer["attempts_max"], 4, "{answer}");
    let id = answer["id"].as_u64().unwrap();
    let job = api.wait_state(id, "retrying");
    assert_eq!((&job["failures"], &job["retry"]["delay_seconds"]), (&json!(1), &json!(10.0)));
    for job in [json!({ "command": "no-such-command" }), json!({ "argv": ["no-such-command"] })] {
        let job = api.wait_finished(api.submit(&job));
        assert_eq!((&job["state"], &job["attempts"]), (&json!("dead"), &json!(1)), "{job}");
        let why = job["not_retried"].as_str().unwrap_or_default();
        assert!(why.starts_with("it could not be started"), "{job}");
    }
    let answer = api.post("/v1/jobs?wait=1m", &api.marked(&json!({ "command": "exit 1" })));
    let job = answer.json();
    assert_eq!((answer.status, &job["state"], &job["attempts"]), (200, &json!("dead"), &json!(1)));
}

#[test]
fn a_timeout_ends_the_whole_tree() {
    let gateway = start();
    let api = Api::of(&gateway);
    let job = json!({
        "command": "trap '' TERM; setsid sleep 300 & sleep 300", "timeout": "200ms", "grace": "100ms", "retry": { "attempts": 1 },
    });
    let job = api.wait_finished(api.submit(&job));
    assert_eq!(job["reason"], "timeout", "{job}");
    assert_no_process(&gateway);
}

#[test]
fn a_killed_fork_bomb_leaves_nothing() {
    // Root has no limit of processes: it makes way for somebody who has.
    let user = nix::unistd::geteuid().is_root().then_some("nobody");
    let slots = "[runner]\njob_slots = 4\njob_users = [\"nobody\"]\n";
    let gateway = Setup::bare().more(slots).args(&["--no-app"]).start();
    let api = Api::of(&gateway);
    // Each process makes two more in sessions of their own; the limit keeps it off the rest of the machine.
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
    let bomb = folder.path().join("bomb.sh");
    fs::write(&bomb, "trap '' TERM\nsetsid sh $0 & setsid sh $0 & sleep 300\n").unwrap();
    let job = json!({
        "argv": ["sh", bomb], "user": user, "cwd": "/", "limits": { "nproc": 300 },
        "grace": "50ms",
    });
    let id = api.submit(&job);
    wait_until("the bomb goes off", || of_jobs(&gateway).len() > 50);
    let answer = api.post(&format!("/v1/jobs/{id}/cancel"), &json!({}));
    assert_eq!(answer.status, 200, "{}", answer.text());
    let job = api.wait_finished(id);
    // Said only once it is true.
    assert_no_process(&gateway);
    assert_eq!(job["state"], "cancelled", "{job}");
}

#[test]
fn a_grandchild_that_keeps_the_pipe_does_not_hold_the_job() {
    let gateway = start();
    let api = Api::of(&gateway);
    let job = api.wait_finished(api.run("setsid sleep 300 & echo started"));
    assert_eq!(job["state"], "succeeded", "{job}");
    assert_no_process(&gateway);
}

#[test]
fn a_log_larger_than_the_memory_of_both_is_kept_whole_and_served_in_ranges() {
    // It is there twice, at the runner and at the gateway, and a tenant has as much of the disk as it leaves: no more of it
    // than any machine that builds this has left.
    let gateway = setup().more("[limits]\ndisk_reserve = 0").start();
    let api = Api::of(&gateway);
    let id = api.run("head -c 200000000 /dev/zero; printf END");
    let job = api.wait_finished(id);
    assert_eq!(job["attempts_list"][0]["output_bytes"], 200_000_003_u64, "{job}");
    let last = |api: &Api| {
        let lines = "Range: bytes=-3\r\n";
        api.request("GET", &format!("/v1/jobs/{id}/log"), lines, &[])
    };
    wait_until("the whole log is at the gateway", || last(&api).body == b"END");
    assert_eq!(last(&api).status, 206);
    let peak = memory_peak(gateway.pid()) + memory_peak(gateway.runner_pid());
    assert!(peak < 150 << 20, "{peak} bytes of memory for a log");
}

/// The largest resident set of a process, bytes.
fn memory_peak(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("the process lives");
    let kib = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = kib.and_then(|text| text.split_whitespace().next()?.parse::<u64>().ok());
    kib.expect("the kernel tells it") << 10
}

#[test]
fn a_payload_reaches_standard_input_whole() {
    let gateway = start();
    let api = Api::of(&gateway);
    let bytes: Vec<u8> = (0..3_000_000_u32).map(|n| (n * 7 % 251) as u8).collect();
    let kind = "Content-Type: application/octet-stream\r\n";
    let answer = api.request("POST", "/v1/payloads", kind, &bytes);
    assert_eq!(answer.status, 201, "{}", answer.text());
    let name = answer.json()["sha256"].as_str().unwrap().to_owned();
    assert_eq!(name, sha256(&bytes));
    let id = api.submit(&json!({ "command": "sha256sum", "stdin": { "payload": name } }));
    api.wait_finished(id);
    assert!(String::from_utf8(api.log(id)).unwrap().starts_with(&name));
}

#[test]
fn a_job_waits_until_its_time() {
    let gateway = start();
    let api = Api::of(&gateway);
    let later = api.submit(&json!({ "command": "true", "delay": "1h" }));
    api.wait_finished(api.run("true"));
    assert_eq!(api.job(later)["state"], "scheduled");
    let answer = api.post(&format!("/v1/jobs/{later}/retry"), &json!({}));
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(api.wait_finished(later)["state"], "succeeded");
}

#[test]
fn a_job_that_is_pinned_to_a_runner_that_nobody_knows_says_so_or_is_refused_if_that_is_wanted() {
    let gateway = start();
    let api = Api::of(&gateway);
    let pinned = json!({ "command": "true", "host": "nobody", "unrunnable": "refuse" });
    let answer = api.post("/v1/jobs", &pinned);
    assert_eq!(answer.status, 409, "{}", answer.text());
    assert_eq!(answer.json()["pointer"], "/host");
    let job = api.job(api.submit(&json!({ "command": "true", "host": "nobody" })));
    assert_eq!((&job["state"], &job["reason"]), (&"pending".into(), &"no_runner".into()));
}

#[test]
fn a_paused_job_does_not_start_and_a_stopped_one_goes_on() {
    let gateway = start();
    let api = Api::of(&gateway);
    let act = |id: u64, verb: &str| {
        let answer = api.post(&format!("/v1/jobs/{id}/{verb}"), &json!({}));
        assert_eq!(answer.status, 200, "{verb}: {}", answer.text());
    };
    let waiting = api.submit(&json!({ "command": "true", "paused": true }));
    let running = api.run("sleep 0.3; echo went on");
    api.wait_state(running, "running");
    act(running, "pause");
    api.wait_state(running, "stopped");
    assert_eq!(api.job(waiting)["state"], "paused");
    act(running, "resume");
    act(waiting, "resume");
    assert_eq!(api.wait_finished(running)["state"], "succeeded");
    assert_eq!(api.wait_finished(waiting)["state"], "succeeded");
}

#[test]
fn a_running_job_outlives_the_gateway_and_its_end_is_heard() {
    let gateway = setup().args(&["--api", &own_address().to_string()]).start();
    let door = gateway.api_address().to_string();
    let api = Api::of(&gateway);
    let ran = gateway.state().join("ran");
    let id = api.run(&format!("echo begun >> {0}; sleep 1; echo ended >> {0}", ran.display()));
    api.wait_state(id, "running");
    let (state, _remains) = gateway.crash();
    let gateway = setup().args(&["--api", &door]).early().start_in(state);
    let job = api.wait_finished(id);
    assert_eq!((&job["state"], &job["attempts"]), (&json!("succeeded"), &json!(1)), "{job}");
    assert_eq!(fs::read_to_string(gateway.state().join("ran")).unwrap(), "begun\nended\n");
}

#[test]
fn a_stop_waits_for_what_ends_in_the_time_that_jobs_have() {
    let patient = || setup().more("job_drain = \"60s\"\n");
    let gateway = patient().start();
    let api = Api::of(&gateway);
    let id = api.run("sleep 2; echo attempt $OSTLER_ATTEMPT");
    api.wait_state(id, "running");
    let gateway = patient().early().start_in(gateway.stop());
    let api = Api::of(&gateway);
    let job = api.wait_finished(id);
    assert_eq!((&job["state"], &job["attempts"]), (&json!("succeeded"), &json!(1)), "{job}");
    assert_eq!(api.log(id), b"attempt 1\n");
}

#[test]
fn a_stop_gives_what_runs_back_and_the_next_start_runs_it_again() {
    let brief = || setup().more("job_drain = \"300ms\"\n");
    let gateway = brief().start();
    let api = Api::of(&gateway);
    // The first attempt would go on for long; the next one ends at once.
    let command = "[ $OSTLER_ATTEMPT -gt 1 ] || { head -c 20000 /dev/zero; sleep 300; }";
    let long = |delivery: &str| json!({ "command": command, "delivery": delivery });
    let again = api.submit(&long("at_least_once"));
    let once = api.submit(&long("at_most_once"));
    let host = api.job(again)["runner"].clone();
    api.wait_state(again, "running");
    api.wait_state(once, "running");
    let state = gateway.stop();
    let gateway = brief().early().start_in(state);
    let api = Api::of(&gateway);
    // Its name is known before it is back.
    let host = if host.is_null() { api.job(again)["runner"].clone() } else { host };
    let pinned = api.submit(&json!({ "command": "true", "host": host }));
    let job = api.wait_finished(again);
    assert_eq!((&job["state"], &job["attempts"]), (&json!("succeeded"), &json!(2)), "{job}");
    assert_eq!((&job["failures"], &job["crashes"]), (&json!(0), &json!(0)), "{job}");
    let first = &job["attempts_list"][0];
    assert_eq!((&first["reason"], &first["output_bytes"]), (&json!("lost"), &json!(20_000)));
    let job = api.wait_finished(once);
    assert_eq!((&job["state"], &job["reason"]), (&json!("dead"), &json!("lost")), "{job}");
    assert_eq!(api.wait_finished(pinned)["state"], "succeeded");
    let log = api.get(&format!("/v1/jobs/{again}/log?attempt=1"));
    assert_eq!(log.body.len(), 20_000, "its log is whole");
}

#[test]
fn jobs_of_a_killed_runner_run_again_unless_they_must_not() {
    let gateway = start();
    let api = Api::of(&gateway);
    let long = |delivery: &str| json!({ "command": "sleep 2", "delivery": delivery });
    let again = api.submit(&long("at_least_once"));
    let once = api.submit(&long("at_most_once"));
    api.wait_state(again, "running");
    api.wait_state(once, "running");
    kill(gateway.runner_pid());
    let job = api.wait_finished(once);
    assert_eq!((&job["state"], &job["reason"]), (&json!("dead"), &json!("lost")), "{job}");
    let job = api.wait_finished(again);
    assert_eq!((&job["state"], &job["crashes"]), (&json!("succeeded"), &json!(1)), "{job}");
    assert_no_process(&gateway);
}

#[test]
fn a_runner_that_stands_still_longer_than_its_lease_finishes_nothing_twice() {
    let gateway = start();
    let api = Api::of(&gateway);
    let (ran, go) = (gateway.state().join("ran"), gateway.state().join("go"));
    let wait = format!("until [ -e {} ]; do sleep 0.1; done", go.display());
    let id = api.run(&format!("echo >> {}; {wait}", ran.display()));
    api.wait_state(id, "running");
    let runner = gateway.runner_pid();
    ostler_tests::signal(runner, Signal::SIGSTOP);
    let begin = std::time::Instant::now();
    while api.job(id)["state"] == "running" {
        assert!(begin.elapsed() < Duration::from_secs(30), "the lease does not run out");
        thread::sleep(Duration::from_millis(100));
    }
    assert!(begin.elapsed() < Duration::from_secs(20), "{:?}", begin.elapsed());
    ostler_tests::signal(runner, Signal::SIGCONT);
    // Nobody else was given the job: it goes on where it was.
    api.wait_state(id, "running");
    fs::write(go, "").expect("the state folder is writable");
    let job = api.wait_finished(id);
    assert_eq!((&job["state"], &job["attempts"]), (&json!("succeeded"), &json!(1)), "{job}");
    assert_eq!(fs::read(ran).expect("it ran"), b"\n");
}

#[test]
fn a_gateway_that_stands_still_loses_nothing() {
    let gateway = start();
    let api = Api::of(&gateway);
    let ids: Vec<u64> = (0..8).map(|_| api.run("sleep 0.5; echo done")).collect();
    api.wait_state(ids[0], "running");
    gateway.signal(Signal::SIGSTOP);
    // Longer than a lease: leases are counted by the gateway's own clock, which stood still in no way.
    thread::sleep(Duration::from_secs(20));
    gateway.signal(Signal::SIGCONT);
    for id in ids {
        let job = api.wait_finished(id);
        assert_eq!((&job["state"], &job["attempts"]), (&json!("succeeded"), &json!(1)), "{job}");
    }
}

#[test]
fn a_drained_runner_takes_nothing_and_its_work_goes_elsewhere() {
    let gateway = start();
    let api = Api::of(&gateway);
    let token = ostler_tests::create_token(gateway.state(), &[]);
    let other = Runner::jobs_only(&token, "other", 2);
    wait_until("both runners are there", || {
        api.get("/v1/runners").json()["runners"].as_array().unwrap().len() == 2
    });
    let runners = api.get("/v1/runners").json();
    let first = runners["runners"].as_array().unwrap().iter().find(|r| r["name"] != "other");
    let first = first.unwrap()["name"].as_str().unwrap().to_owned();
    let answer = api.post(&format!("/v1/runners/{first}/drain"), &json!({}));
    assert_eq!(answer.status, 200, "{}", answer.text());
    let ids: Vec<u64> = (0..6).map(|_| api.run("true")).collect();
    for id in ids {
        assert_eq!(api.wait_finished(id)["runner"], "other");
    }
    let pinned = api.submit(&json!({ "command": "true", "host": first }));
    assert_eq!(api.post(&format!("/v1/runners/{first}/undrain"), &json!({})).status, 200);
    assert_eq!(api.wait_finished(pinned)["runner"], json!(first));
    drop(other);
}

#[test]
fn a_hundred_thousand_jobs_wait_and_one_of_another_tenant_is_not_held_up() {
    let gateway = start();
    let api = Api::of(&gateway);
    let flood: Vec<Value> = (0..10_000)
        .map(|_| json!({ "command": "sleep 60", "tenant": "flood", "paused": false }))
        .collect();
    for _ in 0..10 {
        assert_eq!(api.submit_all(&flood).len(), 10_000);
    }
    let answer = api.post(
        "/v1/jobs/actions",
        &json!({ "action": "kill", "filter": { "state": "active", "tenant": "flood" } }),
    );
    assert_eq!(answer.status, 200, "{}", answer.text());
    let job = api.submit(&json!({ "command": "echo guest", "tenant": "guest" }));
    let begin = std::time::Instant::now();
    while api.job(job)["finished_at"].is_null() {
        // The slots are held by what runs for a minute: freeing one is enough, whoever waits before us.
        api.post(
            "/v1/jobs/actions",
            &json!({ "action": "kill", "filter": { "state": "active", "tenant": "flood" } }),
        );
        assert!(begin.elapsed() < Duration::from_secs(30), "the guest waits");
        thread::sleep(Duration::from_millis(200));
    }
    let rest = json!({ "action": "kill", "filter": { "tenant": "flood", "state": "unfinished" } });
    wait_for("the flood is cancelled", || {
        (!api.post("/v1/jobs/actions", &rest).json()["more"].as_bool()?).then_some(())
    });
}

#[test]
fn metrics_tell_of_durable_jobs_and_promtool_finds_nothing_wrong() {
    let gateway = start();
    let api = Api::of(&gateway);
    api.wait_finished(api.run("echo counted"));
    wait_until("the metrics follow", || {
        gateway.metric("ostler_durable_finished_total", &["state=\"succeeded\""]) == 1.0
    });
    assert_eq!(gateway.metric("ostler_durable_submitted_total", &[]), 1.0);
    assert_eq!(gateway.metric("ostler_durable_log_bytes_total", &[]), 8.0);
    assert!(gateway.metric("ostler_store_commit_seconds_count", &[]) > 0.0);
    assert!(gateway.metric("ostler_store_bytes", &[]) > 0.0);
    crate::observe::assert_promtool_is_pleased(&gateway);
}
