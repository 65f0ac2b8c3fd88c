//! Stopping and starting the parts in whatever order, together with their jobs or not.

use std::{
    fs,
    time::{Duration, Instant},
};

use nix::sys::signal::Signal;
use ostler_tests::{Api, Runner, Setup, create_token, own_address, pids_of, signal, wait_until};
use serde_json::json;

fn serve() -> Setup {
    Setup::bare().more("[runner]\njob_slots = 4\n").args(&["--no-app"])
}

/// A gateway without a runner of its own, at fixed doors.
fn alone() -> impl Fn() -> Setup {
    let (api, runners) = (own_address().to_string(), own_address().to_string());
    move || {
        let doors = ["--no-app", "--job-slots", "0", "--api", &api, "--runners", &runners];
        Setup::bare().args(&doors)
    }
}

#[test]
fn a_signal_to_every_process_of_a_service_is_no_failure_of_its_jobs() {
    for (which, backwards) in
        [(Signal::SIGTERM, false), (Signal::SIGTERM, true), (Signal::SIGINT, true)]
    {
        let mut gateway = serve().start();
        let api = Api::of(&gateway);
        // The first attempt would go on for long; the next one ends at once.
        let ids: Vec<u64> =
            (0..3).map(|_| api.run("[ $OSTLER_ATTEMPT -gt 1 ] || exec sleep 300")).collect();
        ids.iter().for_each(|id| drop(api.wait_state(*id, "running")));
        let mut all = pids_of(gateway.mark());
        if backwards {
            all.reverse();
        }
        all.into_iter().for_each(|pid| signal(pid, which));
        assert!(gateway.wait_exit().success(), "{}", gateway.stderr());
        let gateway = serve().start_in(gateway.into_state());
        let api = Api::of(&gateway);
        for id in ids {
            let job = api.wait_finished(id);
            assert_eq!(
                (&job["state"], &job["failures"]),
                (&json!("succeeded"), &json!(0)),
                "{job}"
            );
            assert_eq!(job["attempts_list"][0]["reason"], "lost", "{job}");
        }
    }
}

#[test]
fn durable_jobs_do_not_hold_a_stop_up() {
    let gateway = serve().start();
    let api = Api::of(&gateway);
    api.wait_state(api.run("sleep 300"), "running");
    // One that heeds nothing, and asks for no time.
    api.wait_state(api.run("trap '' TERM; sleep 300; sleep 300"), "running");
    let begin = Instant::now();
    drop(gateway.stop());
    // Alone it takes some 2 s; what `gateway.drain` allows for requests is 30.
    assert!(begin.elapsed() < Duration::from_secs(15), "{:?}", begin.elapsed());
}

#[test]
fn what_was_done_while_everything_was_stopped_is_neither_done_again_nor_lost() {
    let setup = alone();
    let gateway = setup().start();
    let runner = Runner::jobs_only(&create_token(gateway.state(), &[]), "far", 4);
    let api = Api::of(&gateway);
    let folder = tempfile::tempdir().unwrap();
    let (go, ran) = (folder.path().join("go"), folder.path().join("ran"));
    let command = format!(
        "echo $OSTLER_JOB >> {}; until [ -e {} ]; do sleep 0.05; done; head -c 20000 /dev/zero",
        ran.display(),
        go.display()
    );
    let ids: Vec<u64> = ["at_least_once", "at_most_once"]
        .map(|delivery| api.submit(&json!({ "command": command, "delivery": delivery })))
        .into();
    ids.iter().for_each(|id| drop(api.wait_state(*id, "running")));
    let (state, _remains) = gateway.leave();
    fs::write(&go, "").unwrap();
    wait_until("the jobs have ended", || {
        let kept = fs::read_to_string(runner.state().join("jobs/ended")).unwrap_or_default();
        kept.lines().filter(|line| line.starts_with('+')).count() == 2
    });
    runner.signal(Signal::SIGTERM);
    let kept = runner.into_state();
    let gateway = setup().early().start_in(state);
    let _runner = Runner::again(kept, &create_token(gateway.state(), &[]), "far", 4);
    let api = Api::of(&gateway);
    for id in ids {
        let job = api.wait_finished(id);
        assert_eq!((&job["state"], &job["attempts"]), (&json!("succeeded"), &json!(1)), "{job}");
        assert_eq!(job["crashes"], 0, "{job}");
        wait_until("its log is there", || {
            api.get(&format!("/v1/jobs/{id}/log")).body.len() == 20_000
        });
    }
    assert_eq!(fs::read_to_string(ran).unwrap().lines().count(), 2, "each ran once");
}

#[test]
fn a_copied_runner_is_refused_and_harms_nothing() {
    let gateway = alone()().start();
    let token = create_token(gateway.state(), &[]);
    let runner = Runner::jobs_only(&token, "far", 2);
    let api = Api::of(&gateway);
    let go = gateway.state().join("go");
    let id = api.run(&format!("until [ -e {} ]; do sleep 0.05; done", go.display()));
    api.wait_state(id, "running");
    let copy = tempfile::tempdir().unwrap();
    for name in ["runner.pem", "runner.key"] {
        fs::copy(runner.state().join(name), copy.path().join(name)).unwrap();
    }
    let clone = Runner::again(copy, &token, "far", 2);
    wait_until("it is told why", || clone.told().contains("another runner with the name far"));
    wait_until("so is the operator", || gateway.stderr().contains("a second runner with the name"));
    assert!(gateway.metric("ostler_runner_links_refused_total", &["host=\"far\""]) > 0.0);
    fs::write(go, "").unwrap();
    let job = api.wait_finished(id);
    assert_eq!((&job["state"], &job["attempts"]), (&json!("succeeded"), &json!(1)), "{job}");
    // Its place is free when the first one has gone.
    drop(runner);
    let job = api.wait_finished(api.run("true"));
    assert_eq!(job["state"], "succeeded", "{job}");
}

#[test]
fn a_second_runner_in_a_folder_is_refused_whatever_its_kind() {
    let gateway = serve().start();
    let api = Api::of(&gateway);
    let id = api.run("sleep 1; exit 0");
    api.wait_state(id, "running");
    let token = create_token(gateway.state(), &[]);
    let state = gateway.state().to_str().unwrap();
    let out = ostler_tests::run_ostler(&[
        "runner", "--join", &token, "--name", "second", "--state", state,
    ]);
    let told = String::from_utf8_lossy(&out.stderr);
    assert_eq!(out.status.code(), Some(69), "{told}");
    assert!(told.contains("another runner") && told.contains("--state"), "{told}");
    let job = api.wait_finished(id);
    assert_eq!((&job["state"], &job["attempts"]), (&json!("succeeded"), &json!(1)), "{job}");
}

#[test]
fn a_serve_in_the_folder_of_a_joined_runner_is_refused() {
    let gateway = alone()().start();
    let runner = Runner::jobs_only(&create_token(gateway.state(), &[]), "far", 1);
    wait_until("it has joined", || Api::of(&gateway).get("/v1/runners").text().contains("far"));
    let state = runner.state().to_str().unwrap();
    let doors = ["--http", "--api", "--runners"].map(|door| [door, "127.0.0.1:0"]).concat();
    let serve = [&["serve", "--no-app", "--state", state], &doors[..]].concat();
    let out = ostler_tests::run_ostler(&serve);
    let told = String::from_utf8_lossy(&out.stderr);
    assert_eq!(out.status.code(), Some(69), "{told}");
    assert!(told.contains("a runner that joined another gateway"), "{told}");
    assert_eq!(
        Api::of(&gateway).wait_finished(Api::of(&gateway).run("true"))["state"],
        "succeeded"
    );
}
