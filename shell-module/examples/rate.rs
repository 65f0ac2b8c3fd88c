//! How many commands a second the executor alone runs, and what each costs: `rate LAUNCHER [JOBS] [AT_ONCE]`.
#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a measurement talks, or fails")]

use std::{rc::Rc, time::Instant};

use nix::{
    sys::{
        resource::{UsageWho, getrusage},
        time::TimeValLike,
        wait::waitpid,
    },
    unistd::Pid,
};
use ostler_job::{
    JobId, Wall,
    durable::{AttemptKey, Command, Fence, Report, Spec, Start, Work},
};
use ostler_module::{Executor, Observer};
use ostler_shell_module::{Setup, Shell, Users};
use tokio::{sync::mpsc, task::LocalSet};

struct Sender(mpsc::UnboundedSender<Report>);

impl Observer for Sender {
    fn observe(&self, report: Report) {
        self.0.send(report).unwrap();
    }
}

fn start(shell: &mut Shell, observer: &Rc<dyn Observer>, job: u64) {
    let command = Command { argv: vec!["true".into()], ..Command::default() };
    let spec = Spec::new(Work::Shell(Box::new(command)), "true");
    let key = AttemptKey { job: JobId(job), attempt: 1, fence: Fence(job) };
    shell.start(Start { key, spec }, observer);
}

/// User and system time of this process and of those that it has waited for, in microseconds.
fn cpu_us() -> i64 {
    let of = |who| {
        let used = getrusage(who).unwrap();
        (used.user_time() + used.system_time()).num_microseconds()
    };
    of(UsageWho::RUSAGE_SELF) + of(UsageWho::RUSAGE_CHILDREN)
}

async fn measure(mut shell: Shell, jobs: u64, at_once: u64) {
    let (sender, mut reports) = mpsc::unbounded_channel();
    let observer: Rc<dyn Observer> = Rc::new(Sender(sender));
    let (begun, cpu) = (Instant::now(), cpu_us());
    let (mut started, mut done) = (0, 0);
    let mut waits: Vec<u64> = Vec::new();
    let mut begun_at = std::collections::BTreeMap::new();
    while done < jobs {
        while started < jobs && started - done < at_once {
            started += 1;
            begun_at.insert(started, Instant::now());
            start(&mut shell, &observer, started);
        }
        match reports.recv().await.unwrap() {
            Report::Started { key, at: Wall(_) } => {
                waits.push(u64::try_from(begun_at[&key.job.0].elapsed().as_micros()).unwrap());
            }
            Report::Finished(finish) => {
                assert_eq!(finish.ending.exit_status, Some(0));
                shell.forget(finish.key);
                done += 1;
            }
            Report::Paused { .. } | Report::NotStarted { .. } | Report::Log { .. } => {}
        }
    }
    let seconds = begun.elapsed().as_secs_f64();
    // What the supervisors used counts once they are waited for.
    drop(shell);
    while waitpid(None::<Pid>, None).is_ok() {}
    waits.sort_unstable();
    let at = |percent: usize| waits[(waits.len() - 1) * percent / 100];
    println!(
        "{at_once} at once: {:.0} jobs/s, {} us CPU a job, start p50 {} us, p95 {} us",
        jobs as f64 / seconds,
        (cpu_us() - cpu) / i64::try_from(jobs).unwrap(),
        at(50),
        at(95)
    );
}

fn main() {
    let mut args = std::env::args().skip(1);
    let launcher = args.next().expect("LAUNCHER is named").into();
    let mut number = |default| args.next().map_or(default, |n| n.parse().unwrap());
    let (jobs, at_once) = (number(2000), number(2));
    let folder = tempfile::tempdir().unwrap();
    let (state, runner) = (folder.path().to_owned(), "here".to_owned());
    let setup = Setup {
        launcher,
        runner,
        state,
        users: Users::default(),
        secrets: None,
        umask: None,
        log_max: 1 << 20,
        sendmail: None,
        mail_time: ostler_shell_module::MAIL_TIME,
    };
    let shell = Shell::new(setup).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    LocalSet::new().block_on(&runtime, measure(shell, jobs, at_once));
}
