//! Durable jobs over the link.

use std::{fs, time::Duration};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use ostler_wire::Kind;
use serde_json::json;

use crate::{
    gateway::Gateway,
    jobs_link::{Jobs, key, noop, shell},
    runner::{Place, is_alive, wait_for},
};

#[test]
fn a_job_runs_is_reported_and_is_held_until_it_is_settled() {
    let (_jobs, mut link) = Jobs::start();
    let (_, slots, keys) = link.beat(|_, _| true);
    assert_eq!((slots, keys), (2, json!([])));
    link.run(&[shell(1, "echo out; exit 3")]);
    let finished = link.finished(1);
    assert_eq!(finished["ending"], json!({ "reason": "exit_status", "exit_status": 3 }));
    assert_eq!(
        (&finished["log"]["head"], &finished["log"]["written"]),
        (&json!("out\n"), &json!(4))
    );
    link.beat(|_, keys| *keys == json!([key(1)]));
    link.settle(0, &[key(1)]);
    link.beat(|_, keys| *keys == json!([]));
}

#[test]
fn a_noop_job_finishes_in_the_same_breath() {
    let (_jobs, mut link) = Jobs::start();
    let starts: Vec<_> = (1..=500).map(noop).collect();
    link.run(&starts);
    let frame = link.expect(Kind::Report, |_| true);
    let reports: Vec<serde_json::Value> = serde_json::from_slice(&frame.body).unwrap();
    assert_eq!(reports.len(), 500);
    assert!(reports.iter().all(|r| r["report"] == "finished" && r["ending"]["reason"] == "ok"));
}

#[test]
fn an_attempt_that_is_here_already_is_not_started_again() {
    let (jobs, mut link) = Jobs::start();
    let out = jobs.place.path("out");
    let job = shell(1, &format!("echo ran >>{}; sleep 1000", out.display()));
    link.run(std::slice::from_ref(&job));
    link.report("started", &key(1));
    link.run(&[job.clone(), shell(2, "exit 0")]);
    link.finished(2);
    link.steer(&key(1), "kill_now");
    link.finished(1);
    // Over, but not settled.
    link.run(&[job, shell(3, "exit 0")]);
    link.finished(3);
    assert_eq!(fs::read_to_string(out).unwrap(), "ran\n");
}

#[test]
fn a_job_is_stopped_continued_and_killed_by_order() {
    let (_jobs, mut link) = Jobs::start();
    link.run(&[shell(1, "sleep 1000; true")]);
    let started = link.report("started", &key(1));
    assert!(started["at"].as_u64().unwrap() > 1_600_000_000_000);
    link.steer(&key(1), "stop");
    assert_eq!(link.report("paused", &key(1))["stopped"], true);
    link.steer(&key(1), "continue");
    assert_eq!(link.report("paused", &key(1))["stopped"], false);
    link.steer(&key(1), "kill");
    let finished = link.finished(1);
    assert_eq!(finished["ending"], json!({ "reason": "killed", "signal": 15 }));
}

#[test]
fn the_next_link_hears_everything_that_is_not_settled_and_of_the_same_process() {
    let (jobs, mut link) = Jobs::start();
    let (incarnation, ..) = link.beat(|_, _| true);
    link.run(&[shell(1, "exit 7"), shell(2, "sleep 1000"), shell(3, "exit 0")]);
    link.report("started", &key(2));
    link.finished(1);
    link.finished(3);
    drop(link);
    let mut link = jobs.gateway.accept();
    let (again, _, keys) = link.beat(|_, _| true);
    assert_eq!((again, keys), (incarnation, json!([key(2), key(1), key(3)])));
    link.report("started", &key(2));
    let finished = link.finished(1);
    assert_eq!(finished["ending"]["exit_status"], 7);
    link.finished(3);
    link.settle(0, &[key(1), key(3)]);
    drop(link);
    let mut link = jobs.gateway.accept();
    let (_, _, keys) = link.beat(|_, _| true);
    assert_eq!(keys, json!([key(2)]));
}

#[test]
fn a_job_ends_and_is_reported_although_there_was_no_gateway_meanwhile() {
    let (jobs, mut link) = Jobs::start();
    let (pid, go) = (jobs.place.path("pid"), jobs.place.path("go"));
    nix::unistd::mkfifo(&go, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let line = format!("echo $$ >{}; cat {}; exit 5", pid.display(), go.display());
    link.run(&[shell(1, &line)]);
    link.report("started", &key(1));
    let pid = pid_in(&pid);
    drop(link);
    fs::write(go, "").unwrap();
    wait_for("the job's end", || (!is_alive(pid)).then_some(()));
    let mut link = jobs.gateway.accept();
    assert_eq!(link.finished(1)["ending"]["exit_status"], 5);
}

#[test]
fn a_fenced_attempt_is_killed_and_not_spoken_of() {
    let (jobs, mut link) = Jobs::start();
    let pid = jobs.place.path("pid");
    link.run(&[shell(1, &format!("trap '' TERM; echo $$ >{}; sleep 1000; true", pid.display()))]);
    link.report("started", &key(1));
    let pid = pid_in(&pid);
    link.settle(1, &[key(1)]);
    wait_for("the job's end", || (!is_alive(pid)).then_some(()));
    link.run(&[shell(2, "exit 0")]);
    let next = link.report_that(|report| report["report"] == "finished");
    assert_eq!(next["key"], key(2));
    link.beat(|_, keys| *keys == json!([key(2)]));
}

#[test]
fn a_large_log_is_pulled_while_it_grows_and_is_there_until_settled() {
    let (jobs, mut link) = Jobs::start();
    let go = jobs.place.path("go");
    nix::unistd::mkfifo(&go, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let line = format!("head -c 300000 /dev/zero; cat {}; echo end", go.display());
    link.run(&[shell(1, &line)]);
    link.report_that(|r| r["report"] == "log" && r["bytes"].as_u64().unwrap() > 300_000);
    let (first, end, gone) = link.pull_log("1.1.1001", 0);
    assert_eq!((first.len(), end, gone), (262_144, false, false));
    fs::write(go, "").unwrap();
    let finished = link.finished(1);
    let bytes = finished["log"]["file"].as_u64().unwrap();
    assert!(finished["log"]["whole"].is_null() && finished["log"]["written"] == 300_004);
    let (rest, end, _) = link.pull_log("1.1.1001", 262_144);
    assert!(end && rest.ends_with(b"end\n") && rest.len() as u64 == bytes - 262_144);
    let file = jobs.place.path("state/jobs/1.1.1001.log");
    assert!(file.exists());
    link.settle(0, &[key(1)]);
    assert_eq!(link.pull_log("1.1.1001", 0), (Vec::new(), false, true));
    assert!(!file.exists());
}

#[test]
fn a_runner_that_drains_takes_nothing_and_lets_jobs_finish() {
    let (mut jobs, mut link) = Jobs::start();
    let go = jobs.place.path("go");
    nix::unistd::mkfifo(&go, nix::sys::stat::Mode::S_IRWXU).unwrap();
    link.run(&[shell(1, &format!("cat {}", go.display()))]);
    link.report("started", &key(1));
    jobs.runner.signal(Signal::SIGTERM);
    link.beat(|slots, _| slots == 0);
    link.run(&[shell(2, "exit 0")]);
    link.report("not_started", &key(2));
    fs::write(go, "").unwrap();
    assert_eq!(link.finished(1)["ending"]["reason"], "ok");
    link.settle(0, &[key(1), key(2)]);
    assert!(jobs.runner.ended().success());
}

#[test]
fn a_job_that_outlasts_the_drain_is_killed_and_given_back() {
    let (mut jobs, mut link) =
        Jobs::start_with(|config| config.job_drain = Duration::from_millis(100));
    link.run(&[shell(1, "sleep 1000"), shell(2, "sleep 1000")]);
    link.report("started", &key(1));
    link.report("started", &key(2));
    link.steer(&key(2), "stop");
    jobs.runner.signal(Signal::SIGTERM);
    for job in [1, 2] {
        let finished = link.report_that(|r| r["report"] == "finished");
        let lost = json!({ "reason": "lost", "signal": 15, "detail": "the runner was stopped" });
        assert_eq!(finished["ending"], lost, "{job}");
        link.settle(0, &[finished["key"].clone()]);
    }
    assert!(jobs.runner.ended().success());
}

#[test]
fn a_second_signal_kills_jobs_at_once() {
    let (mut jobs, mut link) = Jobs::start();
    link.run(&[shell(1, "trap '' TERM; while :; do sleep 1; done")]);
    link.report("started", &key(1));
    jobs.runner.signal(Signal::SIGTERM);
    link.beat(|slots, _| slots == 0);
    jobs.runner.signal(Signal::SIGTERM);
    assert_eq!(link.finished(1)["ending"]["reason"], "lost");
    link.settle(0, &[key(1)]);
    assert!(jobs.runner.ended().success());
}

#[test]
fn jobs_die_with_their_runner() {
    let (jobs, mut link) = Jobs::start();
    let pid = jobs.place.path("pid");
    let line = format!("setsid sleep 1000 & echo $! >{}; sleep 1000", pid.display());
    link.run(&[shell(1, &line)]);
    link.report("started", &key(1));
    let pid = pid_in(&pid);
    jobs.runner.signal(Signal::SIGKILL);
    wait_for("the end of the job", || (!is_alive(pid)).then_some(()));
}

#[test]
fn a_runner_kills_what_an_earlier_one_left_before_it_says_a_word() {
    let (mut jobs, mut link) = Jobs::start();
    let pids = jobs.place.path("pids");
    let line = format!("setsid sleep 1000 & echo $! $PPID >{}; exec sleep 1000", pids.display());
    link.run(&[shell(1, &line)]);
    link.report("started", &key(1));
    let (incarnation, ..) = link.beat(|_, keys| *keys == json!([key(1)]));
    let text = wait_for("two numbers", || {
        fs::read_to_string(&pids).ok().filter(|text| text.ends_with('\n'))
    });
    let pids: Vec<i32> = text.split_whitespace().map(|n| n.parse().unwrap()).collect();
    // The runner first, stopped, so that it cannot see to the job whose supervisor dies.
    jobs.runner.signal(Signal::SIGSTOP);
    kill(Pid::from_raw(pids[1]), Signal::SIGKILL).unwrap();
    jobs.runner.signal(Signal::SIGKILL);
    jobs.runner.ended();
    assert!(is_alive(pids[0]));
    let mut config = jobs.place.config();
    config.apps.clear();
    let runner = jobs.place.start(&config);
    let mut link = jobs.gateway.accept();
    let (again, _, keys) = link.beat(|_, _| true);
    assert!(!is_alive(pids[0]));
    assert!(again != incarnation && keys == json!([]));
    runner.logged("that it did", |line| line["message"] == "jobs of an earlier runner were killed");
}

#[test]
fn a_killed_supervisor_costs_its_job_and_no_child_of_an_app() {
    let place = Place::new();
    let gateway = Gateway::listen(&place.path("gateway.sock"));
    let _runner = place.start(&place.config());
    let mut link = gateway.accept();
    let mut lane = link.lane();
    let pids = place.path("pids");
    let line = format!("setsid sleep 1000 & echo $PPID >{}; sleep 1000", pids.display());
    link.run(&[shell(1, &line)]);
    link.report("started", &key(1));
    kill(Pid::from_raw(pid_in(&pids)), Signal::SIGKILL).unwrap();
    let finished = link.finished(1);
    assert_eq!(finished["ending"]["reason"], "signal");
    assert_eq!(lane.get("/", ""), "hello");
}

#[test]
fn what_this_runner_does_not_understand_ends_by_itself() {
    let (_jobs, mut link) = Jobs::start();
    let spec = json!({ "work": { "module": "dance" }, "identity": "x" });
    link.run(&[json!({ "key": key(1), "spec": spec }), shell(2, "exit 0")]);
    let finished = link.finished(1);
    let detail = finished["ending"]["detail"].as_str().unwrap();
    assert!(detail.starts_with("this runner does not understand the job"), "{detail}");
    link.finished(2);
}

fn pid_in(file: &std::path::Path) -> i32 {
    let text = wait_for("a number in a file", || {
        fs::read_to_string(file).ok().filter(|text| text.ends_with('\n'))
    });
    text.trim().parse().unwrap()
}
