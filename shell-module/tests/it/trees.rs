//! Whatever a command starts, nothing of it is left when its end is told.

use std::{
    collections::BTreeMap,
    fs,
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::{Pid, geteuid},
};
use ostler_job::{
    Span,
    durable::{Command, Order, Reason, Report},
};
use ostler_shell_module::{kill_orphans, state_mark};

use crate::bench::{Bench, argv, sh, with_bench};

#[test]
fn a_grandchild_that_keeps_the_pipe_does_not_hold_the_job() {
    with_bench(async |bench| {
        let started = Instant::now();
        let finish = bench.run(sh("sleep 1000 & echo done")).await;
        assert_eq!((finish.ending.reason, finish.log.head.as_str()), (Reason::Ok, "done\n"));
        assert!(started.elapsed().as_secs() < 10);
        bench.assert_nothing_is_left();
    });
}

/// Daemons of every sort: in a session of their own, forked twice, with no environment, deaf to signals.
fn daemons(bench: &Bench) -> String {
    let mark = bench.path("mark");
    let mark = mark.display();
    format!(
        "setsid sleep 1000 &
         (setsid sh -c 'trap \"\" TERM HUP INT; sleep 1000 & sleep 1000 & wait' &)
         env -i setsid sh -c '(sleep 1000; : {mark}) & sleep 1000; : {mark}' &
         (env -i PATH=$PATH sh -c 'while :; do sleep 1000; : {mark}; done' </dev/null >/dev/null 2>&1 &)
         sleep 0.1; echo up >{mark}"
    )
}

#[test]
fn daemons_and_orphans_are_gone_with_the_main_process() {
    with_bench(async |bench| {
        let line = daemons(bench);
        let finish = bench.run(sh(&line)).await;
        assert_eq!(finish.ending.reason, Reason::Ok);
        bench.assert_nothing_is_left();
    });
}

#[test]
fn daemons_and_orphans_are_gone_when_it_is_said_that_the_job_is_killed() {
    with_bench(async |bench| {
        let line = format!("{}; sleep 1000", daemons(bench));
        let key = bench.start(Command { grace: Some(Span::from_millis(300)), ..sh(&line) });
        bench.text_of("mark").await;
        bench.steer(key, Order::Kill);
        assert_eq!(bench.finish().await.ending.reason, Reason::Killed);
        bench.assert_nothing_is_left();
    });
}

/// Some hundred processes that fork for ever and start anew what is killed.
fn bomb(bench: &Bench) -> String {
    let mark = bench.path("mark");
    format!(
        "f() {{ if [ $1 -gt 0 ]; then f $(($1-1)) & f $(($1-1)) & fi; while :; do sleep 0.5 & wait; done; }}
         f 6 & (while :; do true & wait; done) & (while :; do setsid true & wait; done) &
         sleep 0.5; echo up >{}; wait",
        mark.display()
    )
}

#[test]
fn nothing_is_left_of_a_fork_bomb() {
    with_bench(async |bench| {
        let line = bomb(bench);
        let key = bench.start(sh(&line));
        bench.text_of("mark").await;
        assert!(bench.left().len() > 100);
        bench.steer(key, Order::KillNow);
        assert_eq!(bench.finish().await.ending.reason, Reason::Killed);
        bench.assert_nothing_is_left();
    });
}

#[test]
fn nothing_is_left_of_a_fork_bomb_at_its_limit() {
    if !geteuid().is_root() {
        return;
    }
    with_bench(async |bench| {
        let limits = BTreeMap::from([("nproc".to_owned(), 200)]);
        let user = Some("nobody".to_owned());
        // A shell gives up at its limit; this does not.
        let line = "import os,time\nwhile 1:\n try: os.fork()\n except OSError: time.sleep(.001)";
        let bomb = Command { limits, user, ..argv(&["/usr/bin/python3", "-c", line]) };
        let key = bench.start(bomb);
        Bench::wait_for("the bomb", || (bench.left().len() > 50).then_some(())).await;
        bench.steer(key, Order::KillNow);
        assert_eq!(bench.finish().await.ending.reason, Reason::Killed);
        bench.assert_nothing_is_left();
    });
}

#[test]
fn a_job_whose_supervisor_is_killed_is_killed_too() {
    with_bench(async |bench| {
        let out = bench.path("pid");
        let line = format!(
            "setsid sleep 1000 & (sleep 1000 &) ; env -i sleep 1000 & echo $PPID >{}; sleep 1000",
            out.display()
        );
        bench.start(sh(&line));
        let pid: i32 = bench.text_of("pid").await.trim().parse().unwrap();
        kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap();
        let finish = bench.finish().await;
        assert_eq!((finish.ending.reason, finish.ending.signal), (Reason::Signal, Some(9)));
        assert!(finish.ending.detail.unwrap().contains("its supervisor was killed"));
        bench.assert_nothing_is_left();
    });
}

#[test]
fn a_supervisor_that_was_stopped_obeys_an_order_to_kill() {
    with_bench(async |bench| {
        let out = bench.path("up");
        let key =
            bench.start(sh(&format!("kill -STOP $PPID; echo up >{}; sleep 1000", out.display())));
        bench.text_of("up").await;
        bench.steer(key, Order::KillNow);
        assert_eq!(bench.finish().await.ending.reason, Reason::Killed);
    });
}

#[test]
fn a_supervisor_that_its_job_stops_is_woken_and_one_that_stays_silent_is_killed() {
    with_bench(async |bench| {
        let finish = bench.run(sh("kill -STOP $PPID; exit 3")).await;
        assert_eq!(finish.ending.exit_status, Some(3), "{finish:?}");
        // By its group, its session and by its number; and what goes on and on stopping it.
        let finish = bench.run(sh("kill -STOP -- -$PPID; (kill -STOP $PPID &); exit 4")).await;
        assert_eq!(finish.ending.exit_status, Some(4), "{finish:?}");
    });
}

#[test]
fn a_supervisor_that_somebody_traces_holds_nobody_else_up_when_it_ends() {
    with_bench(async |bench| {
        let (pid, on) = (bench.path("pid"), bench.path("on"));
        let key = bench.start(sh(&format!("echo $PPID >{}; sleep 1000", pid.display())));
        let supervisor = bench.text_of("pid").await;
        // Lets it go on whenever it stops, and keeps it when it has ended. Where tracing is forbidden, nothing is shown.
        let tracer = "import ctypes,os,sys,time\nc=ctypes.CDLL(None); p=int(sys.argv[1]); c.ptrace(0x4206,p,0,0)\n\
                      open(sys.argv[2],'w').write('on\\n')\n\
                      while 1:\n try:\n  if os.waitid(os.P_PID,p,os.WSTOPPED|os.WNOHANG): c.ptrace(7,p,0,0)\n\
                      \x20except ChildProcessError: pass\n time.sleep(.002)";
        let mut python = std::process::Command::new("python3");
        let mut tracer = python.args(["-c", tracer, supervisor.trim()]).arg(&on).spawn().unwrap();
        bench.text_of("on").await;
        bench.steer(key, Order::KillNow);
        assert_eq!(bench.finish().await.ending.reason, Reason::Killed);
        assert_eq!(bench.output(sh("echo next")).await, "next\n");
        tracer.kill().unwrap();
        tracer.wait().unwrap();
    });
}

#[test]
fn processes_that_choose_odd_names_are_stopped_and_killed_as_well() {
    with_bench(async |bench| {
        let (ticks, pid) = (bench.path("ticks"), bench.path("pid"));
        let odd = "import os,time\nopen('/proc/self/comm','wb').write(b'\\xff) Z 1\\xfe')\n\
                   while 1:\n open(os.environ['TICKS'],'a').write('t'); time.sleep(.01)";
        fs::write(bench.path("odd.py"), odd).unwrap();
        let line = format!(
            "export TICKS={}; sh -c 'python3 {} & wait' & echo $PPID >{}; wait",
            ticks.display(),
            bench.path("odd.py").display(),
            pid.display()
        );
        let size = || fs::metadata(&ticks).map_or(0, |it| it.len());
        let key = bench.start(sh(&line));
        Bench::wait_for("a tick", || (size() > 0).then_some(())).await;
        bench.steer(key, Order::Stop);
        while !matches!(bench.next().await, Report::Paused { stopped: true, .. }) {}
        let before = size();
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert_eq!(size(), before, "it stands still");
        let supervisor: i32 = bench.text_of("pid").await.trim().parse().unwrap();
        kill(Pid::from_raw(supervisor), Signal::SIGKILL).unwrap();
        assert_eq!(bench.finish().await.ending.signal, Some(9));
        bench.assert_nothing_is_left();
    });
}

#[test]
fn a_process_whose_first_thread_has_ended_is_none_that_has() {
    with_bench(async |bench| {
        let (up, pid) = (bench.path("up"), bench.path("pid"));
        let code = "import threading,ctypes,time,sys\nt=threading.Thread(target=time.sleep,args=(1000,)); t.start()\n\
                    open(sys.argv[1],'w').write('up\\n')\nctypes.CDLL(None).pthread_exit(None)";
        fs::write(bench.path("code.py"), code).unwrap();
        let line = format!(
            "setsid python3 {} {} & echo $PPID >{}; wait",
            bench.path("code.py").display(),
            up.display(),
            pid.display()
        );
        bench.start(sh(&line));
        bench.text_of("up").await;
        let supervisor: i32 = bench.text_of("pid").await.trim().parse().unwrap();
        kill(Pid::from_raw(supervisor), Signal::SIGKILL).unwrap();
        assert_eq!(bench.finish().await.ending.signal, Some(9));
        bench.assert_nothing_is_left();
    });
}

#[test]
fn a_supervisor_that_can_open_nothing_leaves_its_job_to_the_runner() {
    with_bench(async |bench| {
        let finish = bench.run(sh("prlimit --pid $PPID --nofile=3:3; sleep 1000 & exit 0")).await;
        assert_eq!((finish.ending.reason, finish.ending.signal), (Reason::Signal, Some(9)));
        bench.assert_nothing_is_left();
    });
}

#[test]
fn what_is_left_behind_is_told_and_what_is_killed_by_order_is_not() {
    with_bench(async |bench| {
        let line = "sleep 1000 & sleep 1000 & setsid tail -f /dev/null & sleep 0.2; exit 0";
        let detail = bench.run(sh(line)).await.ending.detail.unwrap();
        assert!(detail.starts_with("3 processes that it left behind were killed ("), "{detail}");
        assert!(detail.contains("sleep") && detail.contains("tail"), "{detail}");
        // What has ended, and was not waited for, is nothing that was left.
        assert_eq!(bench.run(sh("true & true & sleep 0.2; exit 0")).await.ending.detail, None);
        let key = bench.start(sh("sleep 1000 & sleep 1000 & wait"));
        bench.started().await;
        bench.steer(key, Order::KillNow);
        assert_eq!(bench.finish().await.ending.detail, None);
    });
}

#[test]
fn a_supervisor_takes_the_next_job_unless_it_was_killed_or_had_to_kill() {
    with_bench(async |bench| {
        let first = bench.output(sh("echo $PPID")).await;
        assert_eq!(bench.output(sh("echo $PPID")).await, first);
        let supervisor = Pid::from_raw(first.trim().parse().unwrap());
        kill(supervisor, Signal::SIGKILL).unwrap();
        let stat = format!("/proc/{supervisor}/stat");
        let has_ended = || fs::read_to_string(&stat).map_or(true, |stat| stat.contains(") Z "));
        Bench::wait_for("it has ended", || has_ended().then_some(())).await;
        let second = bench.output(sh("echo $PPID")).await;
        assert_ne!(second, first);
        let key = bench.start(sh("sleep 1000"));
        bench.started().await;
        bench.steer(key, Order::KillNow);
        bench.finish().await;
        assert_ne!(bench.output(sh("echo $PPID")).await, second);
    });
}

#[test]
fn what_one_job_used_is_not_charged_to_the_next() {
    with_bench(async |bench| {
        let busy = "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done; echo $PPID";
        let one = bench.run(sh(busy)).await;
        let next = bench.run(sh("echo $PPID")).await;
        assert_eq!(one.log.head, next.log.head);
        assert!(next.usage.user_us < one.usage.user_us / 2, "{one:?} {next:?}");
    });
}

#[test]
fn a_supervisor_that_is_asked_to_end_stays() {
    with_bench(async |bench| {
        let finish = bench.run(sh("kill -TERM $PPID; kill -INT $PPID; sleep 0.05; exit 6")).await;
        assert_eq!(finish.ending.exit_status, Some(6));
        assert_eq!(bench.suspects.get(), 1, "not only the command was meant");
    });
}

#[test]
fn a_signal_to_an_idle_supervisor_is_not_about_its_next_job() {
    with_bench(async |bench| {
        let first = bench.run(sh("echo $PPID; exit 6")).await;
        let supervisor = Pid::from_raw(first.log.head.trim().parse().unwrap());
        kill(supervisor, Signal::SIGTERM).unwrap();
        let next = bench.run(sh("echo $PPID; exit 6")).await;
        assert_eq!(next.log.head, first.log.head);
        assert_eq!(bench.suspects.get(), 0);
    });
}

#[test]
fn strays_are_killed_by_their_mark_and_others_are_not() {
    with_bench(async |bench| {
        bench.start(sh("sleep 1000 & setsid sleep 1000 & wait"));
        bench.started().await;
        let mut other = std::process::Command::new("sleep").arg("1000").spawn().unwrap();
        Bench::wait_for("its processes", || (bench.left().len() >= 3).then_some(())).await;
        let marks = [state_mark(&bench.setup.state), "OSTLER_FENCE=1".to_owned()];
        assert_eq!(kill_orphans(&marks, None), 0);
        assert!(kill_orphans(&marks[..1], None) >= 3);
        assert!(other.try_wait().unwrap().is_none());
        other.kill().unwrap();
        other.wait().unwrap();
        assert_eq!(bench.finish().await.ending.reason, Reason::Signal);
    });
}
