//! What a command has written is mailed when it is over, and nobody waits for that.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, chown},
    time::Duration,
};

use nix::unistd::{User, geteuid};
use ostler_job::{
    Wall,
    durable::{Command, Delivery, Finish, FiringKey, Reason, Report, Retry, ScheduleName},
};

use ostler_module::Executor;

use ostler_shell_module::Setup;

use crate::bench::{Bench, sh, with_bench, with_bench_where};

/// A sendmail that keeps its arguments, its environment and each message in the folder of the test.
fn sendmail(bench: &Bench, more: &str) {
    let folder = bench.path("");
    let folder = folder.display();
    let script = format!(
        "#!/bin/sh\ncd {folder}\nprintf '%s\\n' \"$*\" > arguments\nenv > environment\nid -un > user\n{more}\ncat > message.$$ && mv message.$$ mail.$OSTLER_MAIL\n"
    );
    let path = bench.path("sendmail");
    fs::write(&path, script).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
}

fn mailed(line: &str) -> Command {
    Command { mailto: Some("ops@example.com".into()), ..sh(line) }
}

/// The mail of an attempt, once it is there and no mailer is left.
async fn mail(bench: &Bench, finish: &Finish) -> String {
    let path = bench.path(&format!("mail.{}", finish.key));
    let mail = Bench::wait_for("the mail", || fs::read_to_string(&path).ok()).await;
    bench.settled().await;
    mail
}

/// Mails that were sent so far; those of commands before it are there once another one's is.
async fn mails(bench: &mut Bench) -> usize {
    let last = bench.run(mailed("echo last")).await;
    mail(bench, &last).await;
    let names = fs::read_dir(bench.path("")).unwrap().flatten().map(|entry| entry.file_name());
    names.filter(|name| name.to_string_lossy().starts_with("mail.")).count() - 1
}

#[test]
fn what_a_command_wrote_is_mailed_when_it_is_over() {
    with_bench(async |bench| {
        sendmail(bench, "");
        let schedule = ScheduleName::new("nightly").unwrap();
        let firing = Some(Box::new(FiringKey { schedule, due: Wall(0) }));
        let command = mailed("echo out; echo err >&2; exit 3");
        bench.start_with(command, |spec| spec.firing = firing);
        let finish = bench.finish().await;
        let text = mail(bench, &finish).await;
        let (head, body) = text.split_once("\n\n").unwrap();
        assert!(body == "out\nerr\n" || body == "err\nout\n", "{body}");
        for line in [
            "To: ops@example.com",
            "X-Ostler-Job: 1",
            "X-Ostler-Attempt: 1",
            "X-Ostler-Exit-Status: 3",
            "X-Ostler-Schedule: nightly",
        ] {
            assert!(head.lines().any(|it| it == line), "{line} is not in {head}");
        }
        assert!(head.contains("\nSubject: Cron <"), "{head}");
        assert!(head.ends_with("> echo out; echo err >&2; exit 3 (failed)"), "{head}");
        let arguments = fs::read_to_string(bench.path("arguments")).unwrap();
        assert_eq!(arguments, "-i -odi -oem -oi -t\n");
    });
}

#[test]
fn a_mailer_may_leave_the_delivery_to_another_process() {
    let change = |setup: &mut Setup| setup.mail_time = Duration::from_secs(4);
    with_bench_where(change, async |bench| {
        let later = |what: &str| {
            format!(
                "cat > queued.$$; export Q=queued.$$; setsid sh -c '{what}' < /dev/null > /dev/null 2>&1 & exit 0"
            )
        };
        sendmail(bench, &later("sleep 1; mv $Q mail.$OSTLER_MAIL"));
        let finish = bench.run(mailed("echo x")).await;
        assert!(mail(bench, &finish).await.ends_with("\n\nx\n"));
        // One that takes too long is killed; the mail was taken all the same.
        sendmail(bench, &later("echo $$ > hangs; sleep 1000"));
        bench.run(mailed("echo x")).await;
        bench.text_of("hangs").await;
        bench.settled().await;
        assert_eq!(bench.troubles.borrow().len(), 0);
    });
}

#[test]
fn nothing_is_mailed_of_silence_of_jobs_without_an_address_and_of_addresses_that_are_none() {
    with_bench(async |bench| {
        sendmail(bench, "");
        bench.run(mailed("true")).await;
        bench.run(sh("echo x")).await;
        for address in ["", "-C/etc/passwd", "ops\nBcc: evil@example.com", "a b"] {
            let command = Command { mailto: Some(address.into()), ..sh("echo x") };
            assert_eq!(bench.run(command).await.ending.reason, Reason::Ok);
        }
        assert_eq!(mails(bench).await, 0);
        assert_eq!(bench.troubles.borrow().len(), 0);
    });
}

#[test]
fn only_the_attempt_that_ends_the_job_is_mailed() {
    with_bench(async |bench| {
        sendmail(bench, "");
        let three = Retry { attempts: 3, ..Retry::default() };
        let listed = Retry { exit_codes: vec![75], ..three.clone() };
        // Another one follows.
        bench.start_with(mailed("echo x; exit 1"), |spec| spec.retry = three.clone());
        bench.finish().await;
        assert_eq!(mails(bench).await, 0);
        // It has succeeded; it is not worth another; it runs at most once.
        bench.start_with(mailed("echo x"), |spec| spec.retry = three.clone());
        bench.finish().await;
        bench.start_with(mailed("echo x; exit 1"), |spec| spec.retry = listed);
        bench.finish().await;
        bench.start_with(mailed("echo x; exit 1"), |spec| {
            (spec.retry, spec.delivery) = (three, Delivery::AtMostOnce);
        });
        bench.finish().await;
        // The last one of them went through the same turns.
        Bench::wait_for("three mails", || {
            let names = fs::read_dir(bench.path("")).unwrap().flatten();
            let is_mail = |name: &str| name.starts_with("mail.");
            let mails = names.filter(|it| is_mail(&it.file_name().to_string_lossy())).count();
            (mails == 4).then_some(())
        })
        .await;
        bench.settled().await;
    });
}

#[test]
fn of_ten_megabytes_the_beginning_and_the_end_are_mailed() {
    with_bench(async |bench| {
        sendmail(bench, "");
        let line =
            "echo first; head -c 10000000 /dev/zero | tr '\\0' 'x' | fold -w 99; echo; echo last";
        let finish = bench.run(mailed(line)).await;
        // The log may go before it is mailed.
        bench.shell.forget(finish.key);
        let text = mail(bench, &finish).await;
        let (_, body) = text.split_once("\n\n").unwrap();
        assert!(body.starts_with("first\n") && body.ends_with("\nlast\n"));
        assert!(body.contains("bytes of the output are left out here"));
        assert!(body.len() < 300_000, "{}", body.len());
    });
}

#[test]
fn a_mailer_that_fails_or_is_missing_is_told_in_the_log_and_nowhere_else() {
    with_bench(async |bench| {
        for _ in 0..3 {
            assert_eq!(bench.run(mailed("echo x")).await.ending.reason, Reason::Ok);
        }
        bench.trouble(1).await;
        let (message, detail) = bench.troubles.borrow()[0].clone();
        assert_eq!(message, "output of jobs is not mailed");
        assert!(detail.contains("runner.sendmail"), "{detail}");
        // All three have looked before there is one: tasks have their turns in order.
        tokio::task::spawn_local(async {}).await.unwrap();
        assert_eq!(bench.troubles.borrow().len(), 1, "it is said once");
        sendmail(bench, "echo 'no such relay' >&2; exit 75");
        let finish = bench.run(mailed("echo x")).await;
        assert_eq!((finish.ending.reason, finish.ending.detail), (Reason::Ok, None));
        bench.trouble(2).await;
        let (_, detail) = bench.troubles.borrow()[1].clone();
        let told = "job 4, attempt 1, to ops@example.com: its mailer ended with exit status 75: no such relay";
        assert_eq!(detail, told);
        bench.settled().await;
    });
}

#[test]
fn a_mailer_that_hangs_holds_up_no_job_and_is_killed_with_what_it_started() {
    let change = |setup: &mut Setup| setup.mail_time = Duration::from_secs(2);
    with_bench_where(change, async |bench| {
        let line =
            "setsid sh -c 'trap \"\" TERM; echo $$ > hangs; while :; do sleep 1; done' & wait";
        sendmail(bench, line);
        // More than one user's are sent at once.
        for _ in 0..5 {
            assert_eq!(bench.run(mailed("echo x")).await.ending.reason, Reason::Ok);
        }
        bench.text_of("hangs").await;
        assert_eq!(bench.troubles.borrow().len(), 0, "the jobs were over before");
        bench.trouble(5).await;
        let (_, detail) = bench.troubles.borrow()[4].clone();
        assert!(detail.contains("its mailer took more than 2s and was killed"), "{detail}");
        bench.settled().await;
    });
}

#[test]
fn a_user_whose_mailers_hang_holds_up_no_mail_of_others() {
    if !geteuid().is_root() {
        return;
    }
    with_bench(async |bench| {
        sendmail(bench, "[ $(id -un) != nobody ] || while [ ! -e go ]; do sleep 0.1; done");
        let nobody = User::from_name("nobody").unwrap().unwrap();
        chown(bench.path(""), Some(nobody.uid.as_raw()), None).unwrap();
        let hangs = Command { user: Some("nobody".into()), cwd: None, ..mailed("echo x") };
        // More than run at once.
        for _ in 0..10 {
            bench.run(hangs.clone()).await;
        }
        let other = bench.run(mailed("echo other")).await;
        let path = bench.path(&format!("mail.{}", other.key));
        Bench::wait_for("the mail of another user", || fs::read_to_string(&path).ok()).await;
        fs::write(bench.path("go"), "").unwrap();
        bench.settled().await;
        assert_eq!(bench.troubles.borrow().len(), 0);
    });
}

#[test]
fn a_mailer_has_the_rights_of_the_job_and_nothing_of_its_environment() {
    if !geteuid().is_root() {
        return;
    }
    with_bench(async |bench| {
        sendmail(bench, "");
        let nobody = User::from_name("nobody").unwrap().unwrap();
        chown(bench.path(""), Some(nobody.uid.as_raw()), None).unwrap();
        let env = [("SECRET", "x"), ("LD_PRELOAD", "/x.so"), ("MAILRC", "/x"), ("PATH", "/x")];
        let env = env.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let command = Command {
            env,
            user: Some("nobody".into()),
            argv: vec!["/bin/echo".into(), "x".into()],
            ..mailed("")
        };
        let finish = bench.run(command).await;
        let text = mail(bench, &finish).await;
        assert!(text.contains("\nSubject: Cron <nobody@"), "{text}");
        assert_eq!(fs::read_to_string(bench.path("user")).unwrap(), "nobody\n");
        let found = fs::read_to_string(bench.path("environment")).unwrap();
        for name in ["SECRET=", "LD_PRELOAD=", "MAILRC=", "PATH=/x\n", "OSTLER_JOB="] {
            assert!(!found.contains(name), "{found}");
        }
    });
}

#[test]
fn an_attempt_that_its_runner_has_ended_is_not_mailed() {
    with_bench(async |bench| {
        sendmail(bench, "");
        bench.start(mailed("echo x"));
        let mut finish = loop {
            if let Report::Finished(finish) = bench.next().await {
                break *finish;
            }
        };
        finish.ending.reason = Reason::Lost;
        bench.end(&finish);
        assert_eq!(mails(bench).await, 0);
    });
}
