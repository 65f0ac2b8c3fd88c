//! How attempts end: by themselves, by their time limit, by an order.

use std::time::{Duration, Instant};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use ostler_job::{
    Span,
    durable::{Command, Order, Reason, Report, Terminate},
};

use tokio::time::timeout;

use crate::bench::{Bench, PATIENCE, argv, sh, with_bench};

#[test]
fn a_command_ends_with_its_status_and_what_it_used() {
    with_bench(async |bench| {
        let finish = bench.run(argv(&["true"])).await;
        assert_eq!((finish.ending.reason, finish.ending.exit_status), (Reason::Ok, Some(0)));
        assert!(finish.started_at.is_some() && finish.ran > Span::ZERO);
        let finish = bench.run(sh("exit 75")).await;
        assert_eq!(
            (finish.ending.reason, finish.ending.exit_status),
            (Reason::ExitStatus, Some(75))
        );
        // The work is done by a grandchild.
        let line = "(i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done); true";
        let finish = bench.run(sh(line)).await;
        let used = finish.usage;
        assert!(used.user_us + used.system_us > 5_000 && used.rss_max > 100_000, "{used:?}");
    });
}

#[test]
fn what_its_orphans_used_is_charged_to_it() {
    with_bench(async |bench| {
        let busy = "i=0; while [ $i -lt 500000 ]; do i=$((i+1)); done; echo done >over";
        let line = format!("mkfifo over; (sh -c '{busy}' &); read done <over");
        let cwd = Some(bench.path("").to_string_lossy().into_owned());
        let used = bench.run(Command { cwd, ..sh(&line) }).await.usage;
        assert!(used.user_us + used.system_us > 30_000, "{used:?}");
    });
}

#[test]
fn a_signal_that_nobody_here_sent_is_told() {
    with_bench(async |bench| {
        let finish = bench.run(sh("kill -SEGV $$")).await;
        assert_eq!((finish.ending.reason, finish.ending.signal), (Reason::Signal, Some(11)));
        assert_eq!(finish.ending.exit_status, None);
        let finish = bench.run(sh("kill -9 $$")).await;
        let detail = finish.ending.detail.unwrap();
        assert!(detail.contains("it was killed, but not by Ostler"), "{detail}");
    });
}

#[test]
fn the_start_is_reported_before_the_end() {
    with_bench(async |bench| {
        let key = bench.start(sh("exit 0"));
        assert!(matches!(bench.next().await, Report::Started { key: k, .. } if k == key));
        assert!(matches!(bench.next().await, Report::Finished(_)));
    });
}

#[test]
fn a_time_limit_ends_a_command_politely_and_then_not() {
    with_bench(async |bench| {
        let limited = |line| Command {
            timeout: Some(Span::from_millis(200)),
            grace: Some(Span::from_millis(300)),
            ..sh(line)
        };
        let finish = bench.run(limited("trap 'echo bye; exit 9' TERM; sleep 1000 & wait")).await;
        assert_eq!((finish.ending.reason, finish.ending.exit_status), (Reason::Timeout, Some(9)));
        assert_eq!(finish.log.head, "bye\n");
        assert!(finish.ran >= Span::from_millis(200));
        let finish = bench.run(limited("trap '' TERM; while :; do sleep 1; done")).await;
        assert_eq!((finish.ending.reason, finish.ending.signal), (Reason::Timeout, Some(9)));
        assert!(finish.ran >= Span::from_millis(500));
    });
}

#[test]
fn an_order_to_kill_ends_a_command_politely_and_at_once_if_so_ordered() {
    with_bench(async |bench| {
        let key = bench.start(sh("sleep 1000; true"));
        bench.started().await;
        bench.steer(key, Order::Kill);
        let finish = bench.finish().await;
        assert_eq!((finish.ending.reason, finish.ending.signal), (Reason::Killed, Some(15)));
        let key = bench.start(sh("trap '' TERM; echo up; sleep 1000; sleep 1000"));
        bench.started().await;
        bench.steer(key, Order::KillNow);
        let finish = bench.finish().await;
        assert_eq!((finish.ending.reason, finish.ending.signal), (Reason::Killed, Some(9)));
    });
}

#[test]
fn whoever_orders_the_end_again_gives_no_more_time() {
    with_bench(async |bench| {
        let grace = Some(Span::from_millis(500));
        let up = bench.path("up");
        let line = format!("trap '' TERM; echo up >{}; while :; do sleep 1; done", up.display());
        let key = bench.start(Command { grace, ..sh(&line) });
        bench.text_of("up").await;
        let begun = Instant::now();
        let finish = loop {
            assert!(begun.elapsed() < PATIENCE, "each order began the grace anew");
            bench.steer(key, Order::Kill);
            if let Ok(finish) = timeout(Duration::from_millis(100), bench.finish()).await {
                break finish;
            }
        };
        assert_eq!((finish.ending.reason, finish.ending.signal), (Reason::Killed, Some(9)));
    });
}

#[test]
fn an_order_before_the_command_runs_is_kept() {
    with_bench(async |bench| {
        let key = bench.start(sh("sleep 1000"));
        bench.steer(key, Order::KillNow);
        assert_eq!(bench.finish().await.ending.reason, Reason::Killed);
    });
}

#[test]
fn each_process_hears_sigterm_once_and_has_the_grace_also_after_the_main_one() {
    with_bench(async |bench| {
        let out = bench.path("out");
        let out = out.display();
        // The main process has no trap and dies of the signal; its child needs a while to tidy up.
        let line = format!(
            "sh -c 'trap \"sleep 0.3; echo done >>{out}; exit\" TERM; echo up >>{out}; sleep 1000 & wait' & wait"
        );
        let key = bench.start(sh(&line));
        bench.text_of("out").await;
        bench.steer(key, Order::Kill);
        let finish = bench.finish().await;
        assert_eq!((finish.ending.reason, finish.ending.signal), (Reason::Killed, Some(15)));
        assert_eq!(bench.text_of("out").await, "up\ndone\n");
    });
}

#[test]
fn a_stopped_command_stands_still_goes_on_and_can_be_killed() {
    with_bench(async |bench| {
        let out = bench.path("ticks");
        let line = format!("(while :; do echo t >>{}; sleep 0.01; done) & wait", out.display());
        let limited = Command { timeout: Some(Span::from_secs(60)), ..sh(&line) };
        let key = bench.start(limited);
        bench.text_of("ticks").await;
        bench.steer(key, Order::Stop);
        loop {
            if matches!(bench.next().await, Report::Paused { stopped: true, .. }) {
                break;
            }
        }
        let size = || std::fs::metadata(&out).unwrap().len();
        let before = size();
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert_eq!(size(), before);
        bench.steer(key, Order::Continue);
        assert!(matches!(bench.next().await, Report::Paused { stopped: false, .. }));
        Bench::wait_for("another tick", || (size() > before).then_some(())).await;
        bench.steer(key, Order::Stop);
        assert!(matches!(bench.next().await, Report::Paused { stopped: true, .. }));
        bench.steer(key, Order::Kill);
        let finish = bench.finish().await;
        assert_eq!((finish.ending.reason, finish.ending.signal), (Reason::Killed, Some(15)));
    });
}

#[test]
fn a_time_limit_stands_still_with_the_processes() {
    with_bench(async |bench| {
        let limited = Command { timeout: Some(Span::from_millis(400)), ..sh("sleep 0.05") };
        let key = bench.start(limited);
        bench.started().await;
        bench.steer(key, Order::Stop);
        assert!(matches!(bench.next().await, Report::Paused { stopped: true, .. }));
        tokio::time::sleep(Duration::from_millis(600)).await;
        bench.steer(key, Order::Continue);
        let finish = bench.finish().await;
        assert_eq!(finish.ending.reason, Reason::Ok);
        assert!(finish.stopped >= Span::from_millis(600), "{finish:?}");
        assert!(
            finish.ran < finish.stopped,
            "it ran for as long as it was not stopped: {finish:?}"
        );
    });
}

#[test]
fn what_a_handler_of_sigterm_starts_is_not_hit_by_the_same_order() {
    with_bench(async |bench| {
        for turn in 0..3 {
            let (up, clean) = (format!("up{turn}"), format!("clean{turn}"));
            // A shell's fork has the trap of its parent until it executes something.
            let line = format!(
                "tidy() {{ sleep 0.1 && echo ok >{clean} || echo broken >{clean}; exit 0; }}; trap tidy TERM; \
                 for i in 1 2 3 4 5 6 7 8 9 10; do sh -c 'echo >>{up}s; exec sleep 1000' & done; \
                 until test $(wc -l <{up}s) = 10; do sleep 0.01; done; echo >{up}; wait; wait",
                up = bench.path(&up).display(),
                clean = bench.path(&clean).display()
            );
            let key = bench.start(sh(&line));
            bench.text_of(&up).await;
            bench.steer(key, Order::Kill);
            assert_eq!(bench.finish().await.ending.reason, Reason::Killed);
            assert_eq!(bench.text_of(&clean).await, "ok\n");
        }
    });
}

#[test]
fn the_main_process_alone_hears_sigterm_when_it_is_so_asked() {
    with_bench(async |bench| {
        let (out, up) = (bench.path("out"), bench.path("up"));
        // The child would tell of a signal; its parent ends it in its own way.
        let line = format!(
            "trap 'kill -USR1 $!; wait $!; echo done >>{out}; exit 3' TERM; \
             sh -c 'trap \"echo child heard >>{out}\" TERM; trap \"echo child asked >>{out}; exit\" USR1; echo >{up}; \
             while :; do sleep 0.01; done' & wait",
            out = out.display(),
            up = up.display()
        );
        let main = |line: &str| Command { terminate: Terminate::Main, ..sh(line) };
        let key = bench.start(main(&line));
        bench.text_of("up").await;
        bench.steer(key, Order::Kill);
        let finish = bench.finish().await;
        assert_eq!((finish.ending.reason, finish.ending.exit_status), (Reason::Killed, Some(3)));
        assert_eq!(bench.text_of("out").await, "child asked\ndone\n");
        // Paused, it is woken together with those that it asks.
        std::fs::remove_file(bench.path("up")).unwrap();
        let key = bench.start(Command { grace: Some(Span::from_secs(600)), ..main(&line) });
        bench.text_of("up").await;
        bench.steer(key, Order::Stop);
        while !matches!(bench.next().await, Report::Paused { stopped: true, .. }) {}
        bench.steer(key, Order::Kill);
        let finish = bench.finish().await;
        assert_eq!((finish.ending.reason, finish.ending.exit_status), (Reason::Killed, Some(3)));
        // What the main process leaves is killed with its end, whatever is left of the grace.
        let long = Command { grace: Some(Span::from_secs(600)), ..main("sleep 1000 & wait") };
        let key = bench.start(long);
        bench.started().await;
        bench.steer(key, Order::Kill);
        assert_eq!(bench.finish().await.ending.signal, Some(15));
    });
}

#[test]
fn an_order_to_kill_that_finds_the_command_ended_has_not_ended_it() {
    with_bench(async |bench| {
        let (up, go) = (bench.path("up"), bench.path("go"));
        let line = format!(
            "echo $PPID $$ >{}; until [ -e {} ]; do sleep 0.01; done; exit 3",
            up.display(),
            go.display()
        );
        let key = bench.start(sh(&line));
        let pids = bench.text_of("up").await;
        let (supervisor, main) = pids.trim().split_once(' ').unwrap();
        let supervisor = Pid::from_raw(supervisor.parse().unwrap());
        // It hears of the end and of the order in the same moment.
        kill(supervisor, Signal::SIGSTOP).unwrap();
        std::fs::write(&go, "").unwrap();
        let stat = format!("/proc/{main}/stat");
        let is_over = || std::fs::read_to_string(&stat).unwrap().contains(") Z ").then_some(());
        Bench::wait_for("its end", is_over).await;
        // Who gives an order wakes the supervisor.
        bench.steer(key, Order::Kill);
        let ending = bench.finish().await.ending;
        assert_eq!((ending.reason, ending.exit_status), (Reason::ExitStatus, Some(3)));
    });
}

#[test]
fn an_end_by_a_signal_without_a_name_is_told_and_ends_nobody_else() {
    with_bench(async |bench| {
        let finish = bench.run(sh("kill -35 $$")).await;
        assert_eq!((finish.ending.reason, finish.ending.signal), (Reason::Signal, Some(35)));
        // An orphan that dies so is the supervisor's to reap, and no reason to end the others.
        let line = "(sh -c 'kill -40 $$' &) & wait; sleep 0.3; exit 5";
        let finish = bench.run(sh(line)).await;
        assert_eq!(finish.ending.exit_status, Some(5));
        let key = bench.start(sh("kill -64 $$ & wait; sleep 1000"));
        bench.started().await;
        bench.steer(key, Order::KillNow);
        // Whichever came first.
        let reason = bench.finish().await.ending.reason;
        assert!([Reason::Killed, Reason::Signal].contains(&reason), "{reason:?}");
    });
}

#[test]
fn who_has_used_its_processor_time_is_told_so() {
    with_bench(async |bench| {
        let limits = [("cpu".to_owned(), 1)].into();
        let finish = bench.run(Command { limits, ..sh("while :; do :; done") }).await;
        assert_eq!((finish.ending.reason, finish.ending.signal), (Reason::Signal, Some(24)));
    });
}
