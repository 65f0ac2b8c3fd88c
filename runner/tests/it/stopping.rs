//! A runner that is told to end together with its jobs, and what the next one in its folder knows of them.

use std::{
    fs,
    path::Path,
    thread::sleep,
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::json;

use crate::{
    gateway::RunnerLink,
    jobs_link::{Jobs, key, shell, shell_with},
    runner::{is_alive, wait_for},
};

/// Where a signal goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum To {
    Job,
    Supervisor,
    Runner,
}

use To::{Job, Runner, Supervisor};

/// A job that runs, with its process and its supervisor's.
fn running(line: &str) -> (Jobs, RunnerLink, [Pid; 2]) {
    let (jobs, mut link) = Jobs::start();
    let file = jobs.place.path("pids");
    link.run(&[shell(1, &format!("echo $$ $PPID >{}; {line}", file.display()))]);
    link.report("started", &key(1));
    let pids = pids_in(&file);
    (jobs, link, pids)
}

fn pids_in(file: &Path) -> [Pid; 2] {
    let text = wait_for("two numbers in a file", || {
        fs::read_to_string(file).ok().filter(|text| text.ends_with('\n'))
    });
    let pids: Vec<Pid> =
        text.split_whitespace().map(|pid| Pid::from_raw(pid.parse().unwrap())).collect();
    pids.try_into().unwrap()
}

fn ending_after(line: &str, signal: Signal, order: &[To], pause: Duration) -> serde_json::Value {
    let (jobs, mut link, [job, supervisor]) = running(line);
    for (nth, to) in order.iter().enumerate() {
        if nth > 0 {
            // Not waited for anything: whoever stops a service takes so long between two processes of it.
            sleep(pause);
        }
        match to {
            Job => drop(kill(job, signal)),
            Supervisor => drop(kill(supervisor, signal)),
            Runner => jobs.runner.signal(signal),
        }
    }
    link.finished(1)["ending"].clone()
}

#[test]
fn a_signal_to_the_whole_tree_is_no_failure_of_a_job_in_whatever_order_it_comes() {
    let orders = [
        [Job, Supervisor, Runner],
        [Runner, Supervisor, Job],
        [Supervisor, Runner, Job],
        [Job, Runner, Supervisor],
    ];
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP] {
        for (nth, order) in orders.iter().enumerate() {
            let pause = Duration::from_millis([0, 20, 300, 100][nth]);
            let ending = ending_after("exec sleep 1000", signal, order, pause);
            assert_eq!(ending["reason"], "lost", "{signal} {order:?} {pause:?}: {ending}");
        }
    }
}

#[test]
fn nor_is_what_a_job_makes_of_the_signal() {
    let all = [Supervisor, Job, Runner];
    for line in [
        "trap 'exit 1' TERM; sleep 1000 & wait",
        "trap 'exit 143' TERM; sleep 1000 & wait",
        "trap 'kill -9 $$' TERM; sleep 1000 & wait",
    ] {
        let ending = ending_after(line, Signal::SIGTERM, &all, Duration::from_millis(50));
        assert_eq!(ending["reason"], "lost", "{line}: {ending}");
    }
    // A shell that hears of its child's end first says so by its status.
    let line = "trap 'exit 130' TERM; sleep 1000 & wait";
    let ending = ending_after(line, Signal::SIGTERM, &[Job, Runner], Duration::from_millis(50));
    assert_eq!(ending["reason"], "lost", "{ending}");
}

#[test]
fn a_killed_job_and_supervisor_of_a_runner_that_is_told_to_end_are_no_failure() {
    for order in [[Supervisor, Job], [Job, Supervisor]] {
        let (jobs, mut link, [job, supervisor]) = running("exec sleep 1000");
        for to in order {
            kill(if to == Job { job } else { supervisor }, Signal::SIGKILL).unwrap();
        }
        jobs.runner.signal(Signal::SIGTERM);
        assert_eq!(link.finished(1)["ending"]["reason"], "lost");
    }
}

#[test]
fn a_job_that_succeeds_after_the_signal_has_succeeded() {
    let line = "trap 'exit 0' TERM; sleep 1000 & wait";
    let all = [Supervisor, Job, Runner];
    let ending = ending_after(line, Signal::SIGTERM, &all, Duration::ZERO);
    assert_eq!(ending["reason"], "ok");
}

#[test]
fn a_job_that_somebody_kills_while_the_runner_stays_has_failed() {
    for (order, line) in [
        (&[Job][..], "exec sleep 1000"),
        (&[Job, Supervisor][..], "exec sleep 1000"),
        (&[][..], "kill -TERM $$"),
    ] {
        let ending = ending_after(line, Signal::SIGTERM, order, Duration::ZERO);
        assert_eq!(ending, json!({ "reason": "signal", "signal": 15 }), "{order:?}");
    }
}

#[test]
fn a_signal_to_an_idle_supervisor_says_nothing_of_its_next_job() {
    let (jobs, mut link) = Jobs::start();
    let first = jobs.place.path("first");
    link.run(&[shell(1, &format!("echo $$ $PPID >{}", first.display()))]);
    link.finished(1);
    let [job, supervisor] = pids_in(&first);
    kill(supervisor, Signal::SIGTERM).unwrap();
    let file = jobs.place.path("again");
    link.run(&[shell(2, &format!("echo $$ $PPID >{}; exit 3", file.display()))]);
    assert_eq!(link.finished(2)["ending"]["reason"], "exit_status");
    let [other, same] = pids_in(&file);
    assert!(same == supervisor && other != job, "the same supervisor");
}

#[test]
fn a_job_that_heeds_nothing_holds_the_end_up_for_no_longer_than_it_asked_for() {
    let (mut jobs, mut link, _) = running("trap '' TERM; sleep 1000; sleep 1000");
    let begin = Instant::now();
    jobs.runner.signal(Signal::SIGTERM);
    assert_eq!(link.finished(1)["ending"]["reason"], "lost");
    link.settle(0, &[key(1)]);
    jobs.runner.ended();
    // Alone it takes the 10 s of the drain that is set here, and one more.
    assert!(begin.elapsed() < Duration::from_secs(15), "{:?}", begin.elapsed());
}

#[test]
fn a_job_with_a_grace_of_its_own_has_it_when_its_runner_ends() {
    let (jobs, mut link) = Jobs::start_with(|config| config.job_drain = Duration::ZERO);
    let up = jobs.place.path("up");
    let line =
        format!("trap 'sleep 3; exit 0' TERM; echo >{}; while :; do sleep 0.1; done", up.display());
    link.run(&[shell_with(1, &line, &json!({ "grace": 60_000_000_000_u64 }))]);
    wait_for("the job to be up", || up.exists().then_some(()));
    jobs.runner.signal(Signal::SIGTERM);
    let ending = link.finished(1)["ending"].clone();
    assert_eq!(
        (&ending["reason"], &ending["exit_status"]),
        (&json!("lost"), &json!(0)),
        "{ending}"
    );
}

#[test]
fn a_job_that_was_ordered_to_end_is_killed_also_when_its_runner_ends() {
    let (jobs, mut link, _) = running("trap '' TERM; sleep 1000; sleep 1000");
    link.steer(&key(1), "kill");
    jobs.runner.signal(Signal::SIGTERM);
    link.beat(|slots, _| slots == 0);
    jobs.runner.signal(Signal::SIGTERM);
    assert_eq!(link.finished(1)["ending"]["reason"], "killed");
}

#[test]
fn a_runner_whose_name_is_anothers_lets_nothing_run() {
    let (jobs, link, [job, _]) = running("exec sleep 1000");
    drop(link);
    jobs.gateway.replace();
    wait_for("the job to be gone", || (!is_alive(job.as_raw())).then_some(()));
}

#[test]
fn a_word_from_who_started_it_does_not_hurry_a_runner_that_ends_already() {
    let (mut jobs, mut link) = Jobs::start();
    let go = jobs.place.path("go");
    nix::unistd::mkfifo(&go, nix::sys::stat::Mode::S_IRWXU).unwrap();
    link.run(&[shell(1, &format!("cat {}", go.display()))]);
    link.report("started", &key(1));
    jobs.runner.signal(Signal::SIGTERM);
    link.beat(|slots, _| slots == 0);
    jobs.runner.signal(Signal::SIGUSR1);
    // What comes next on the link is handled after the signal.
    link.run(&[shell(2, "exit 0")]);
    link.report("not_started", &key(2));
    fs::write(go, "").unwrap();
    assert_eq!(link.finished(1)["ending"]["reason"], "ok");
    link.settle(0, &[key(1), key(2)]);
    assert!(jobs.runner.ended().success());
}

#[test]
fn a_signal_that_means_nothing_here_ends_neither_runner_nor_job() {
    let (mut jobs, mut link) = Jobs::start();
    let go = jobs.place.path("go");
    nix::unistd::mkfifo(&go, nix::sys::stat::Mode::S_IRWXU).unwrap();
    link.run(&[shell(1, &format!("cat {}", go.display()))]);
    link.report("started", &key(1));
    jobs.runner.signal(Signal::SIGUSR2);
    jobs.runner.signal(Signal::SIGHUP);
    fs::write(go, "").unwrap();
    assert_eq!(link.finished(1)["ending"]["reason"], "ok");
    link.settle(0, &[key(1)]);
    jobs.runner.signal(Signal::SIGTERM);
    assert!(jobs.runner.ended().success());
}

/// A job with a small log and one with a large one that have ended and are not settled.
fn ended() -> (Jobs, RunnerLink) {
    let (jobs, mut link) = Jobs::start();
    link.run(&[shell(1, "echo small; exit 3"), shell(2, "head -c 300000 /dev/zero")]);
    link.finished(1);
    link.finished(2);
    (jobs, link)
}

fn assert_told_by_the_next(jobs: &mut Jobs) {
    let mut config = jobs.place.config();
    config.apps.clear();
    jobs.runner = jobs.place.start(&config);
    let mut link = jobs.gateway.accept();
    let (_, _, keys) = link.beat(|_, _| true);
    assert_eq!(keys, json!([key(1), key(2)]));
    let finished = link.finished(1);
    assert_eq!(
        (&finished["ending"]["exit_status"], &finished["log"]["head"]),
        (&json!(3), &json!("small\n"))
    );
    let file = usize::try_from(link.finished(2)["log"]["file"].as_u64().unwrap()).unwrap();
    let (first, end, gone) = link.pull_log("2.1.1002", 0);
    assert_eq!((first.len(), end, gone), (262_144, false, false));
    let (rest, end, gone) = link.pull_log("2.1.1002", 262_144);
    assert_eq!((rest.len(), end, gone), (file - 262_144, true, false));
    // It is not run again, and no longer known when it is settled.
    link.run(&[shell(1, "exit 0"), shell(3, "exit 0")]);
    link.settle(0, &[key(1), key(2)]);
    link.finished(3);
    link.beat(|_, keys| *keys == json!([key(3)]));
    assert!(!jobs.place.path("state/jobs/2.1.1002.log").exists());
}

#[test]
fn what_a_runner_that_ended_in_order_had_not_told_the_next_one_tells() {
    let (mut jobs, link) = ended();
    let begin = Instant::now();
    jobs.runner.signal(Signal::SIGTERM);
    assert!(jobs.runner.ended().success());
    assert!(
        begin.elapsed() < Duration::from_secs(15),
        "a gateway that settles nothing is not waited for"
    );
    drop(link);
    assert_told_by_the_next(&mut jobs);
}

#[test]
fn what_a_killed_runner_had_not_told_the_next_one_tells() {
    let (mut jobs, link) = ended();
    jobs.runner.signal(Signal::SIGKILL);
    jobs.runner.ended();
    drop(link);
    assert_told_by_the_next(&mut jobs);
}

#[test]
fn what_is_settled_the_next_runner_does_not_tell() {
    let (mut jobs, mut link) = ended();
    link.settle(0, &[key(1), key(2)]);
    link.beat(|_, keys| *keys == json!([]));
    jobs.runner.signal(Signal::SIGKILL);
    jobs.runner.ended();
    drop(link);
    let mut config = jobs.place.config();
    config.apps.clear();
    jobs.runner = jobs.place.start(&config);
    let (_, _, keys) = jobs.gateway.accept().beat(|_, _| true);
    assert_eq!(keys, json!([]));
}

#[test]
fn a_gateway_that_asks_for_much_at_once_is_answered_as_it_reads() {
    let (_jobs, mut link) = Jobs::start();
    link.run(&[shell(1, "head -c 300000 /dev/zero")]);
    link.finished(1);
    let asked = 3000;
    for _ in 0..asked {
        link.send(ostler_wire::Kind::Pull, 0, |f| {
            f.put(b":what", b"log").put(b":id", b"1.1.1001").put(b":offset", b"0");
            f.put(b":max", b"4096");
        });
    }
    // More than any queue to a socket holds, and on the same link.
    for _ in 0..asked {
        let piece = link.expect(ostler_wire::Kind::Piece, |_| true);
        assert_eq!(piece.body.len(), 4096);
    }
    link.settle(0, &[key(1)]);
    link.beat(|_, keys| *keys == json!([]));
}
