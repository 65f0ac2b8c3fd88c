//! Processes with nothing to do: they sleep.

use std::{
    collections::BTreeMap,
    fs,
    time::{Duration, Instant},
};

use ostler_tests::{App, DEADLINE, Net, Runner, Setup, create_token, wait_until};

/// It is looked at for so long. What is written at the end of a start may still wake somebody the first time.
const WINDOW: Duration = Duration::from_secs(5);
/// Wake-ups in this time, twice as many as promised: 5 a second of a gateway, 2 of a runner.
const GATEWAY_MOST: u64 = 50;
const RUNNER_MOST: u64 = 20;

/// How often each thread of a process went to sleep. A machine with much to do makes that no more: it takes the processor away from those
/// that run, which is counted elsewhere.
fn sleeps(pid: u32) -> BTreeMap<u64, u64> {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).expect("it runs");
    let threads = threads.filter_map(|thread| {
        let thread = thread.ok()?;
        let status = fs::read_to_string(thread.path().join("status")).ok()?;
        let count =
            status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"))?;
        Some((thread.file_name().to_str()?.parse().ok()?, count.trim().parse().ok()?))
    });
    threads.collect()
}

/// How often processes went to sleep during the window.
fn count(pids: &[u32]) -> Vec<u64> {
    let before: Vec<_> = pids.iter().map(|pid| sleeps(*pid)).collect();
    let begin = Instant::now();
    wait_until("the window is over", || begin.elapsed() >= WINDOW);
    let since = |(pid, before): (&u32, BTreeMap<u64, u64>)| {
        let now = sleeps(*pid).into_iter();
        now.map(|(thread, count)| count - before.get(&thread).copied().unwrap_or(0)).sum()
    };
    pids.iter().zip(before).map(since).collect()
}

#[test]
fn a_gateway_and_its_runners_here_and_elsewhere_wake_seldom_when_there_is_nothing_to_do() {
    let net = Net::new(1);
    let (app, other) = (App::new(), App::new());
    let door = net.gateway().to_string();
    let gateway = Setup::new(&app).args(&["--runners", &door]).start();
    let runner = Runner::join(&net, 0, &create_token(gateway.state(), &[]), &other);
    let joined = || gateway.metric("ostler_children", &["host=\"host0\"", "state=\"idle\""]) == 2.0;
    wait_until("the other host serves", joined);
    assert_eq!(gateway.get("/x").text(), "hello /x");
    let pids = [gateway.pid(), gateway.runner_pid(), runner.pid()];
    let (begin, mut counted) = (Instant::now(), Vec::new());
    let is_quiet = |counted: &[u64]| {
        counted[0] <= GATEWAY_MOST && counted[1..].iter().all(|count| *count <= RUNNER_MOST)
    };
    while begin.elapsed() < DEADLINE / 2 {
        counted = count(&pids);
        if is_quiet(&counted) {
            return;
        }
    }
    panic!(
        "gateway, runner and the runner elsewhere went to sleep so often in {WINDOW:?}: {counted:?}"
    );
}
