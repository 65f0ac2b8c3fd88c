//! An executor, what it reports, and a way to see what is left of its processes.

use std::{
    cell::{Cell, RefCell},
    fs,
    path::PathBuf,
    rc::Rc,
    time::{Duration, Instant},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use nix::unistd::Pid;
use ostler_job::{
    JobId,
    durable::{AttemptKey, Command, Fence, Finish, Order, Report, Spec, Start, Work},
};
use ostler_module::{Executor, Observer};
use ostler_shell_module::{Setup, Shell, Users, state_mark};
use tokio::{sync::mpsc, task::LocalSet, time::timeout};

/// No condition takes longer on a loaded machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) struct Bench {
    pub(crate) shell: Shell,
    pub(crate) setup: Setup,
    observer: Rc<dyn Observer>,
    reports: mpsc::UnboundedReceiver<Report>,
    folder: tempfile::TempDir,
    jobs: u64,
    /// Ends that may be the work of whoever ends everything.
    pub(crate) suspects: Rc<Cell<usize>>,
    /// What the runner's log has: message and detail.
    pub(crate) troubles: Troubles,
}

type Troubles = Rc<RefCell<Vec<(&'static str, String)>>>;

struct Sender(mpsc::UnboundedSender<Report>, Rc<Cell<usize>>, Troubles);

impl Observer for Sender {
    fn observe(&self, report: Report) {
        // A test that has ended hears nothing more.
        let _ = self.0.send(report);
    }

    fn suspect(&self, finished: Report) {
        self.1.set(self.1.get() + 1);
        self.observe(finished);
    }

    fn trouble(&self, message: &'static str, detail: String) {
        self.2.borrow_mut().push((message, detail));
    }
}

/// Runs a test on a bench of its own.
pub(crate) fn with_bench(test: impl AsyncFnOnce(&mut Bench)) {
    with_bench_where(|_| {}, test);
}

/// The same, on one that is not as usual.
pub(crate) fn with_bench_where(
    change: impl FnOnce(&mut Setup),
    test: impl AsyncFnOnce(&mut Bench),
) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    LocalSet::new().block_on(&runtime, async {
        let mut bench = Bench::new(change);
        test(&mut bench).await;
        bench.assert_nothing_is_left();
    });
}

/// A command line.
pub(crate) fn sh(line: &str) -> Command {
    argv(&["/bin/sh", "-c", line])
}

pub(crate) fn argv(argv: &[&str]) -> Command {
    Command { argv: argv.iter().map(|&a| a.to_owned()).collect(), ..Command::default() }
}

impl Bench {
    fn new(change: impl FnOnce(&mut Setup)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut setup = Setup {
            launcher: env!("CARGO_BIN_EXE_ostler-supervisor-for-tests").into(),
            runner: "here".into(),
            state: folder.path().join("state"),
            users: Users { more: ["nobody".into()].into(), ..Users::default() },
            secrets: Some(folder.path().join("secrets")),
            umask: None,
            log_max: 4 << 30,
            sendmail: Some(folder.path().join("sendmail")),
            mail_time: PATIENCE,
        };
        change(&mut setup);
        let (sender, reports) = mpsc::unbounded_channel();
        let shell = Shell::new(setup.clone()).unwrap();
        let suspects = Rc::new(Cell::new(0));
        let troubles = Troubles::default();
        let observer = Rc::new(Sender(sender, suspects.clone(), troubles.clone()));
        Self { shell, setup, observer, reports, folder, jobs: 0, suspects, troubles }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn start(&mut self, command: Command) -> AttemptKey {
        self.start_with(command, |_| {})
    }

    /// The same, of a job that is not as usual.
    pub(crate) fn start_with(
        &mut self,
        command: Command,
        change: impl FnOnce(&mut Spec),
    ) -> AttemptKey {
        self.jobs += 1;
        let key = AttemptKey { job: JobId(self.jobs), attempt: 1, fence: Fence(1000 + self.jobs) };
        let mut spec = Spec::new(Work::Shell(Box::new(command)), "test");
        change(&mut spec);
        self.shell.start(Start { key, spec }, &self.observer);
        key
    }

    pub(crate) fn steer(&mut self, key: AttemptKey, order: Order) {
        self.shell.steer(key, order);
    }

    pub(crate) async fn next(&mut self) -> Report {
        timeout(PATIENCE, self.reports.recv()).await.expect("a report comes in time").unwrap()
    }

    /// The end of the next attempt that ends.
    pub(crate) async fn finish(&mut self) -> Finish {
        loop {
            match self.next().await {
                Report::Finished(finish) => {
                    self.shell.ended(&finish);
                    return *finish;
                }
                Report::NotStarted { key } => panic!("{key:?} was not started"),
                Report::Started { .. } | Report::Paused { .. } | Report::Log { .. } => {}
            }
        }
    }

    /// As a runner takes an end.
    pub(crate) fn end(&mut self, finish: &Finish) {
        self.shell.ended(finish);
    }

    /// Waits until the log has so many lines.
    pub(crate) async fn trouble(&self, lines: usize) {
        let many = || (self.troubles.borrow().len() >= lines).then_some(());
        Self::wait_for("a line of the log", many).await;
    }

    /// Waits until no mailer is left.
    pub(crate) async fn settled(&self) {
        Self::wait_for("mailers are gone", || self.left().is_empty().then_some(())).await;
    }

    pub(crate) async fn run(&mut self, command: Command) -> Finish {
        self.start(command);
        self.finish().await
    }

    /// Runs a command line to its successful end and returns what it wrote.
    pub(crate) async fn output(&mut self, command: Command) -> String {
        let finish = self.run(command).await;
        assert_eq!(finish.ending.reason.code(), "ok", "{finish:?}");
        finish.log.head
    }

    /// The report that says that its main process runs.
    pub(crate) async fn started(&mut self) {
        loop {
            if matches!(self.next().await, Report::Started { .. }) {
                return;
            }
        }
    }

    /// Processes of this bench's jobs: by their environment, or by this folder's name among their arguments.
    pub(crate) fn left(&self) -> Vec<String> {
        let mark = state_mark(&self.setup.state);
        let name = self.folder.path().to_string_lossy().into_owned();
        let mut left = Vec::new();
        for entry in fs::read_dir("/proc").unwrap().flatten() {
            let read = |file| fs::read(entry.path().join(file)).unwrap_or_default();
            let is_process = entry.file_name().to_str().is_some_and(|n| n.parse::<i32>().is_ok());
            let pid = Pid::this().to_string();
            if !is_process || entry.file_name().to_str() == Some(&pid) {
                continue;
            }
            let (environment, arguments) = (read("environ"), read("cmdline"));
            let arguments = String::from_utf8_lossy(&arguments).replace('\0', " ");
            let is_marked = environment.split(|&b| b == 0).any(|e| e == mark.as_bytes());
            if is_marked || arguments.contains(&name) {
                left.push(format!("{} {arguments}", entry.file_name().display()));
            }
        }
        left
    }

    pub(crate) fn assert_nothing_is_left(&self) {
        assert_eq!(self.left(), Vec::<String>::new());
    }

    /// Waits, letting the executor work.
    pub(crate) async fn wait_for<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
        let started = Instant::now();
        loop {
            if let Some(found) = condition() {
                return found;
            }
            assert!(started.elapsed() < PATIENCE, "did not come about: {what}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Waits until a file is there and whole, and returns its text.
    pub(crate) async fn text_of(&self, name: &str) -> String {
        let path = self.path(name);
        Self::wait_for(name, || fs::read_to_string(&path).ok().filter(|t| t.ends_with('\n'))).await
    }
}

/// The chunks of a log: stream, time in microseconds, bytes.
pub(crate) fn chunks(mut log: &[u8]) -> Vec<(u8, u64, Vec<u8>)> {
    let mut chunks = Vec::new();
    while !log.is_empty() {
        let at = u64::from_le_bytes(log[..8].try_into().unwrap());
        let length = u32::from_le_bytes(log[8..12].try_into().unwrap()) as usize;
        chunks.push((log[12], at, log[16..16 + length].to_vec()));
        log = &log[16 + length..];
    }
    chunks
}

/// The log of a finish that has it whole.
pub(crate) fn whole(finish: &Finish) -> Vec<u8> {
    STANDARD.decode(finish.log.whole.as_ref().expect("the log is small")).unwrap()
}
