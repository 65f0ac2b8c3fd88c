//! What a command finds when it starts, and why it cannot.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    os::unix::fs::PermissionsExt,
};

use nix::{
    sys::{
        resource::{Resource, getrlimit},
        signal::{Signal, kill},
    },
    unistd::{Pid, dup, geteuid},
};
use ostler_job::{
    Wall,
    durable::{Command, FiringKey, Input, Order, Payload, Reason, Report, ScheduleName},
};
use ostler_module::Executor;
use ostler_shell_module::Shell;

use crate::bench::{Bench, argv, sh, with_bench};

#[test]
fn a_command_finds_its_variables_and_not_the_runners() {
    with_bench(async |bench| {
        let env = BTreeMap::from([("WORD".to_owned(), "a b".to_owned())]);
        let shown = bench.output(Command { env, ..argv(&["env"]) }).await;
        let names: Vec<&str> = shown.lines().map(|l| l.split('=').next().unwrap()).collect();
        for line in [
            "WORD=a b",
            "OSTLER_JOB=1",
            "OSTLER_ATTEMPT=1",
            "OSTLER_FENCE=1001",
            "OSTLER_RUNNER=here",
        ] {
            assert!(shown.lines().any(|l| l == line), "{line} is not in {shown}");
        }
        assert!(names.contains(&"PATH") && !names.contains(&"CARGO_MANIFEST_DIR"), "{shown}");
    });
}

#[test]
fn a_firing_is_told_its_schedule_and_when_it_was_due_whatever_its_submitter_says() {
    with_bench(async |bench| {
        let of = ["OSTLER_SCHEDULE", "OSTLER_DUE"];
        let env: BTreeMap<String, String> =
            of.iter().map(|name| ((*name).to_owned(), "mine".to_owned())).collect();
        let command = || Command { env: env.clone(), ..sh("env | grep -E 'SCHEDULE|DUE' | sort") };
        for (due, told) in [
            (1_795_748_400_000, "2026-11-27T03:00:00Z"),
            (1_795_748_400_007, "2026-11-27T03:00:00.007Z"),
        ] {
            let schedule = ScheduleName::new("nightly").unwrap();
            let firing = Some(Box::new(FiringKey { schedule, due: Wall(due) }));
            bench.start_with(command(), |spec| spec.firing = firing);
            let shown = bench.finish().await.log.head;
            assert_eq!(shown, format!("OSTLER_DUE={told}\nOSTLER_SCHEDULE=nightly\n"));
        }
        // What is no firing has nothing of the kind to be told.
        assert_eq!(bench.output(command()).await, "OSTLER_DUE=mine\nOSTLER_SCHEDULE=mine\n");
    });
}

#[test]
fn a_command_has_only_three_descriptors_and_a_session_of_its_own() {
    // As whoever started the runner may have left one open, and every program inherits it.
    let _left_open = dup(File::open("/dev/null").unwrap()).unwrap();
    with_bench(async |bench| {
        let fds = bench.output(sh("ls /proc/$$/fd")).await;
        assert_eq!(fds, "0\n1\n2\n");
        let stat = bench.output(sh("cut -d' ' -f1,5,6 /proc/$$/stat")).await;
        let ids: Vec<&str> = stat.split_whitespace().collect();
        assert!(ids[0] == ids[1] && ids[1] == ids[2], "{stat}");
        let masks = bench.output(argv(&["grep", "-E", "Sig(Blk|Ign)", "/proc/self/status"])).await;
        // Signals 32 and 33 are the C library's own, and no program can set them.
        let of = |line: &str| u64::from_str_radix(line.split_whitespace().last().unwrap(), 16);
        assert!(masks.lines().all(|line| of(line).unwrap() & !0x1_8000_0000 == 0), "{masks}");
    });
}

fn output_of(program: &str) -> String {
    let output = std::process::Command::new(program).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn folder_umask_niceness_and_limits_are_as_asked() {
    with_bench(async |bench| {
        let folder = bench.path("somewhere");
        fs::create_dir(&folder).unwrap();
        let cwd = folder.to_string_lossy().into_owned();
        let limits = BTreeMap::from([("nofile".to_owned(), 99), ("core".to_owned(), 0)]);
        let asked = Command {
            cwd: Some(cwd.clone()),
            umask: Some(0o27),
            nice: Some(7),
            limits,
            ..sh("pwd; umask; nice; ulimit -n; ulimit -Hn; ulimit -c")
        };
        let shown = bench.output(asked).await;
        // Added to whatever niceness the tests run with; 19 is the end.
        let own: i32 = output_of("nice").trim().parse().unwrap();
        let expected = format!("{cwd}\n0027\n{}\n99\n99\n0\n", (own + 7).min(19));
        assert_eq!(shown, expected);
    });
}

#[test]
fn a_permitted_user_is_become_with_its_home() {
    if !geteuid().is_root() {
        return;
    }
    with_bench(async |bench| {
        let nobody = |line| Command { user: Some("nobody".into()), ..sh(line) };
        let shown = bench.output(nobody("id -un; id -Gn; echo $USER; test -w / || echo no")).await;
        assert_eq!(shown, "nobody\nnogroup\nnobody\nno\n");
        let refused = bench.run(Command { user: Some("daemon".into()), ..sh("id") }).await;
        assert_unstartable(&refused.ending, "runs no command as daemon; add the user");
    });
}

#[test]
fn standard_input_comes_empty_as_text_as_bytes_or_as_a_payload() {
    with_bench(async |bench| {
        let cat = |stdin| Command { stdin, ..argv(&["cat"]) };
        assert_eq!(bench.output(cat(Input::Empty)).await, "");
        assert_eq!(bench.output(cat(Input::Text("grüße".into()))).await, "grüße");
        assert_eq!(bench.output(cat(Input::Base64("aGkK".into()))).await, "hi\n");
        fs::write(bench.setup.payloads().join("ab12"), "paid").unwrap();
        let payload = Payload { sha256: "ab12".into(), bytes: 4 };
        assert_eq!(bench.output(cat(Input::Payload(payload))).await, "paid");
        let long = Input::Text("x".repeat(2 << 20));
        let counted = bench.output(Command { stdin: long, ..argv(&["wc", "-c"]) }).await;
        assert_eq!(counted.trim(), "2097152");
    });
}

#[test]
fn secrets_are_given_by_name() {
    with_bench(async |bench| {
        fs::write(bench.path("secrets"), "DB_PASSWORD=hush\n").unwrap();
        fs::set_permissions(bench.path("secrets"), fs::Permissions::from_mode(0o600)).unwrap();
        let with = |name: &str| Command { secrets: vec![name.into()], ..sh("echo $DB_PASSWORD") };
        assert_eq!(bench.output(with("DB_PASSWORD")).await, "hush\n");
        let finish = bench.run(with("OTHER")).await;
        assert_unstartable(&finish.ending, "this runner has no secret OTHER; add it to");
    });
}

fn assert_unstartable(ending: &ostler_job::durable::Ending, detail: &str) {
    let said = ending.detail.clone().unwrap_or_default();
    assert!(ending.reason == Reason::Unstartable && said.contains(detail), "{ending:?}");
}

#[test]
fn what_cannot_be_started_says_why_and_what_helps() {
    with_bench(async |bench| {
        fs::write(bench.path("plain"), "no program").unwrap();
        fs::write(bench.path("script"), "#!/no/such/interpreter\n").unwrap();
        fs::set_permissions(bench.path("script"), fs::Permissions::from_mode(0o755)).unwrap();
        fs::copy(bench.path("script"), bench.path("busy")).unwrap();
        let _writer = File::options().append(true).open(bench.path("busy")).unwrap();
        let path = |bench: &Bench, name| bench.path(name).to_string_lossy().into_owned();
        let (plain, script) = (path(bench, "plain"), path(bench, "script"));
        let busy = path(bench, "busy");
        let within = |cwd: &str| Command { cwd: Some(cwd.into()), ..sh("true") };
        let limits = BTreeMap::from([("frobs".to_owned(), 1)]);
        let cases = [
            (
                argv(&["no-such-command"]),
                "command not found: no-such-command is in no folder of PATH",
            ),
            (argv(&["/no/such/command"]), "/no/such/command does not exist; install it"),
            (argv(&["ulimit", "-n"]), "it is a word of the shell and no program: run it by sh -c"),
            (argv(&["echo a"]), "it looks like a command line: run it by sh -c"),
            (argv(&["/bin/echo a >b"]), "it looks like a command line: run it by sh -c"),
            (argv(&[&plain]), "may not be executed by the command's user; make it executable"),
            (argv(&[&busy]), "while somebody has it open to write; close it first"),
            (argv(&[&script]), "the interpreter that it names does not exist"),
            (argv(&["/"]), "may not be executed"),
            (within("/no/such/folder"), "there is no folder /no/such/folder; make it"),
            (within("/etc/passwd"), "/etc/passwd is not a folder"),
            (Command { limits, ..sh("true") }, "there is no limit frobs; known are"),
            (argv(&["echo", "a\0b"]), "an argument contains a NUL"),
            (Command { stdin: Input::Base64("%".into()), ..sh("true") }, "is not base64"),
            (argv(&[]), "no command is named"),
        ];
        for (command, detail) in cases {
            let finish = bench.run(command).await;
            assert_unstartable(&finish.ending, detail);
            assert_eq!(finish.started_at, None);
        }
    });
}

#[test]
fn a_user_may_open_its_outputs_by_their_names() {
    if !geteuid().is_root() {
        return;
    }
    with_bench(async |bench| {
        let line = "echo out >/dev/stdout; echo err >/dev/stderr; echo piped | tee /dev/stderr";
        let finish = bench.run(Command { user: Some("nobody".into()), ..sh(line) }).await;
        assert_eq!(finish.ending.reason.code(), "ok", "{finish:?}");
        assert_eq!(finish.log.head.matches("piped\n").count(), 2, "{finish:?}");
    });
}

#[test]
fn no_signal_is_ignored_or_blocked_in_a_command() {
    with_bench(async |bench| {
        let shown =
            bench.output(argv(&["/bin/grep", "-E", "^Sig(Ign|Blk)", "/proc/self/status"])).await;
        assert_eq!(shown, "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n");
    });
}

/// From here on supervisors start under a limit of no process at all, which binds a user that is not root and has one
/// already. Gives back the executor that there was.
fn without_room(bench: &mut Bench) -> Shell {
    let real = bench.setup.launcher.display().to_string();
    let launcher = bench.path("launcher");
    fs::write(&launcher, format!("#!/bin/sh\nexec prlimit --nproc=0 {real} \"$@\"\n")).unwrap();
    fs::set_permissions(&launcher, fs::Permissions::from_mode(0o700)).unwrap();
    bench.setup.launcher = launcher;
    std::mem::replace(&mut bench.shell, Shell::new(bench.setup.clone()).unwrap())
}

#[test]
fn a_host_without_room_for_a_process_gives_the_job_back() {
    if !geteuid().is_root() {
        return;
    }
    with_bench(async |bench| {
        let nobody = |line| Command { user: Some("nobody".into()), ..sh(line) };
        let other = bench.start(nobody("sleep 1000"));
        bench.started().await;
        let mut before = without_room(bench);
        let key = bench.start(nobody("echo hi"));
        assert_eq!(bench.next().await, Report::NotStarted { key });
        // Within limits that the job brings along, it is the job that has no room.
        let limits = [("nproc".to_owned(), 0)].into();
        let own = Command { limits, ..nobody("echo hi") };
        assert_unstartable(&bench.run(own).await.ending, "within its own limits; raise them");
        before.steer(other, Order::KillNow);
        bench.finish().await;
    });
}

#[test]
fn no_command_inherits_what_another_did_to_its_supervisor() {
    with_bench(async |bench| {
        let standing =
            "ulimit -n; ulimit -c; nice; cat /proc/self/oom_score_adj /proc/self/coredump_filter";
        let before = bench.output(sh(standing)).await;
        for change in [
            "prlimit --pid $PPID --nofile=99:99 --core=0:0",
            "renice 7 -p $PPID",
            "echo 900 >/proc/$PPID/oom_score_adj",
            "echo 1 >/proc/$PPID/coredump_filter",
        ] {
            let finish = bench.run(sh(change)).await;
            assert_eq!(finish.ending.reason, Reason::Ok, "{change}: {finish:?}");
            assert_eq!(bench.output(sh(standing)).await, before, "{change}");
        }
    });
}

#[test]
fn an_idle_supervisor_that_somebody_stopped_takes_its_next_command() {
    with_bench(async |bench| {
        let finish = bench.run(sh("echo $PPID")).await;
        let supervisor = Pid::from_raw(finish.log.head.trim().parse().unwrap());
        kill(supervisor, Signal::SIGSTOP).unwrap();
        let next = bench.run(sh("echo $PPID")).await;
        assert_eq!(next.log.head, finish.log.head);
    });
}

#[test]
fn what_a_command_calls_itself_counts_for_nothing() {
    with_bench(async |bench| {
        let names = ["OSTLER_JOB", "OSTLER_FENCE", "OSTLER_RUNNER_STATE"];
        let env = names.map(|name| (name.to_owned(), "another".to_owned())).into();
        let shown = bench.output(Command { env, ..sh("env") }).await;
        assert!(!shown.contains("another"), "its processes are found by these: {shown}");
    });
}

#[test]
fn no_command_gets_more_than_the_runner_has() {
    with_bench(async |bench| {
        let (_, most) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
        let limits = BTreeMap::from([("nofile".to_owned(), most + 1)]);
        let finish = bench.run(Command { limits, ..sh("ulimit -n") }).await;
        assert_unstartable(&finish.ending, "no command gets more");
    });
}

#[test]
fn a_command_gains_no_rights_where_its_runner_says_so() {
    with_bench(async |bench| {
        bench.setup.users.no_new_privs = true;
        bench.shell = Shell::new(bench.setup.clone()).unwrap();
        let shown = bench.output(sh("grep NoNewPrivs: /proc/self/status")).await;
        assert!(shown.trim_end().ends_with('1'), "{shown}");
    });
}

#[test]
fn payloads_that_a_runner_before_left_are_gone() {
    with_bench(async |bench| {
        let left = bench.setup.payloads().join("left");
        fs::write(&left, "of the one before").unwrap();
        bench.shell = Shell::new(bench.setup.clone()).unwrap();
        assert!(!left.exists());
    });
}
