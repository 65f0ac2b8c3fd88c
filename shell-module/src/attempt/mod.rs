//! One attempt from its start to its end: its supervisor, its output, its time limits.

mod contact;
mod end;
mod output;

use std::{cell::RefCell, future::pending, os::fd::OwnedFd, rc::Rc, time::Duration};

use ostler_job::{
    Wall,
    durable::{AttemptKey, Command, FiringKey, Order, Reason, Report},
};
use ostler_module::Observer;
use tokio::{
    sync::mpsc,
    task::{JoinHandle, spawn_blocking},
    time::{Instant, sleep, sleep_until, timeout},
};

pub(crate) use self::end::unstartable;
use self::{contact::Contact, output::written};
use crate::{
    control::{Control, IdleSupervisors},
    environment::environment,
    input,
    log::{Batch, Log},
    message::{Ended, Said, Task},
    orphans::{kill_orphans, state_mark},
    outputs::Outputs,
    setup::Setup,
};

/// Between SIGTERM and SIGKILL, unless the job says otherwise.
const GRACE: Duration = Duration::from_secs(10);
/// Between two reports of a log that grows, and two writes of it.
const LOG_PAUSE: Duration = Duration::from_millis(100);
/// Bytes read of the pipes once no process is left. Whoever was handed the pipe by other means does not hold the end up.
const DRAIN_MAX: u64 = 1 << 20;
/// A host that has no room for a process gets a rest before the attempt is given back.
const NO_ROOM: Duration = Duration::from_secs(1);
/// Supervisors that are killed before they have read the task, at most: on a host that starts none that lives, the next
/// one helps no more.
const UNTOUCHED_MAX: u32 = 8;
/// A supervisor that has told the end is gone in a moment.
const FAREWELL: Duration = Duration::from_secs(5);

/// Runs the attempt and reports its end.
pub(crate) async fn run(
    (setup, idle): (&Setup, &IdleSupervisors),
    key: AttemptKey,
    (command, firing): (&Command, Option<&FiringKey>),
    log: Rc<RefCell<Log>>,
    mut orders: mpsc::Receiver<Order>,
    observer: &Rc<dyn Observer>,
) {
    let mut untouched = 0;
    let (running, end) = loop {
        let (task, stdin) = match prepare(setup, key, command, firing) {
            Ok(prepared) => prepared,
            Err(detail) => return observer.observe(unstartable(key, detail)),
        };
        let Ok(supervisor) = idle.start(&setup.launcher, &task, stdin, command.merge) else {
            sleep(NO_ROOM).await;
            return observer.observe(Report::NotStarted { key });
        };
        // It holds secrets, and the attempt may take days.
        drop(task);
        let mut running = Running::new(key, command, supervisor, Rc::clone(&log), orders, observer);
        match running.run(setup).await {
            End::Untouched if untouched < UNTOUCHED_MAX => {
                untouched += 1;
                orders = running.orders;
            }
            // The slot rests with it, so that a host without room does not take one job after the other.
            End::NoRoom | End::Untouched => {
                sleep(NO_ROOM).await;
                return observer.observe(Report::NotStarted { key });
            }
            end @ (End::Failed(_) | End::Ended(_) | End::SupervisorLost) => break (running, end),
        }
    };
    match running.is_suspect(&end) {
        true => observer.suspect(running.report(&end)),
        false => observer.observe(running.report(&end)),
    }
    let control = running.control;
    let left = if end.is_clean() { idle.keep(control) } else { Some(control) };
    if let Some(mut control) = left {
        // Its last steps take no time worth waiting for. What is killed is reaped with the strangers.
        if timeout(FAREWELL, control.end()).await.is_err() {
            control.kill();
        }
    }
}

/// A limit beyond what the clock can say is none.
fn in_future(after: Duration) -> Option<Instant> {
    Instant::now().checked_add(after)
}

fn prepare(
    setup: &Setup,
    key: AttemptKey,
    command: &Command,
    firing: Option<&FiringKey>,
) -> Result<(Task, Option<OwnedFd>), String> {
    let env = environment(setup, key, command, firing)?;
    let stdin = input::open(&command.stdin, &setup.payloads())?;
    let task = Task {
        argv: command.argv.clone(),
        env,
        cwd: command.cwd.clone(),
        user: command.user.clone(),
        umask: command.umask.or(setup.umask),
        nice: command.nice,
        no_new_privs: setup.users.no_new_privs,
        limits: command.limits.clone(),
        terminate: command.terminate,
        lingers: false,
    };
    Ok((task, stdin))
}

struct Running {
    key: AttemptKey,
    control: Control,
    contact: Contact,
    outputs: Outputs,
    log: Rc<RefCell<Log>>,
    orders: mpsc::Receiver<Order>,
    observer: Rc<dyn Observer>,
    /// What is being written to the log's file.
    writing: Option<JoinHandle<Batch>>,
    /// When the log is written and reported next; `None`: it has not grown.
    log_due: Option<Instant>,
    reported: u64,
    grace: Duration,
    timeout: Option<Duration>,
    timeout_at: Option<Instant>,
    /// When the grace of a kill is over.
    kill_at: Option<Instant>,
    stopped_since: Option<Instant>,
    /// Why it is being killed.
    cause: Option<Reason>,
    started: Option<(Wall, i32)>,
}

/// Something happened.
enum Turn {
    Said(Option<Said>),
    Order(Order),
    Written(Option<Batch>),
    Output,
    Time,
}

/// How it came to its end.
enum End {
    Failed(String),
    /// The host had no room for its process.
    NoRoom,
    Ended(Box<Ended>),
    SupervisorLost,
    /// An idle supervisor was killed before it had read the task: another one gets it.
    Untouched,
}

impl End {
    /// Its supervisor is as good as new.
    const fn is_clean(&self) -> bool {
        match self {
            Self::Failed(_) => true,
            Self::Ended(ended) => !ended.hit && !ended.worn && ended.left == 0,
            Self::SupervisorLost | Self::Untouched | Self::NoRoom => false,
        }
    }
}

impl Running {
    fn new(
        key: AttemptKey,
        command: &Command,
        (control, outputs): (Control, Outputs),
        log: Rc<RefCell<Log>>,
        orders: mpsc::Receiver<Order>,
        observer: &Rc<dyn Observer>,
    ) -> Self {
        Self {
            key,
            control,
            contact: Contact::new(),
            outputs,
            log,
            orders,
            observer: Rc::clone(observer),
            writing: None,
            log_due: None,
            reported: 0,
            grace: command.grace.map_or(GRACE, |span| Duration::from_nanos(span.0)),
            timeout: command.timeout.map(|span| Duration::from_nanos(span.0)),
            timeout_at: None,
            kill_at: None,
            stopped_since: None,
            cause: None,
            started: None,
        }
    }

    async fn run(&mut self, setup: &Setup) -> End {
        // A start that hangs is limited too; the command's own time begins anew with it.
        self.timeout_at = self.timeout.and_then(in_future);
        let end = loop {
            match self.next().await {
                Turn::Said(Some(Said::Failed(why))) => break End::Failed(why),
                Turn::Said(Some(Said::NoRoom)) => break End::NoRoom,
                Turn::Said(Some(Said::Ended(ended))) => break End::Ended(ended),
                Turn::Said(None) if self.control.is_untouched() => return End::Untouched,
                Turn::Said(None) => break End::SupervisorLost,
                Turn::Said(Some(Said::Started { at, pid })) => self.note_start(at, pid),
                Turn::Said(Some(Said::Stopped(stopped))) => self.note_stop(stopped),
                Turn::Said(Some(Said::Here)) => self.contact.heard(),
                Turn::Order(order) => self.obey(order, Reason::Killed),
                Turn::Written(batch) => self.note_written(batch),
                Turn::Output => self.read_outputs(false),
                Turn::Time => {}
            }
            self.keep_time();
        };
        if matches!(end, End::SupervisorLost) {
            self.kill_what_is_left(setup).await;
        }
        self.finish_log().await;
        end
    }

    async fn next(&mut self) -> Turn {
        let timeout_at = self.timeout_at.filter(|_| self.stopped_since.is_none());
        let wake = [timeout_at, self.kill_at, self.log_due, self.contact.due()]
            .into_iter()
            .flatten()
            .min();
        let has_room = self.log.borrow().has_room();
        let Self { control, orders, writing, outputs, .. } = self;
        tokio::select! {
            biased;
            said = control.next() => Turn::Said(said),
            Some(order) = orders.recv() => Turn::Order(order),
            written = written(writing) => Turn::Written(written),
            () = outputs.readable(), if has_room => Turn::Output,
            () = until(wake) => Turn::Time,
        }
    }

    fn note_start(&mut self, at: Wall, pid: i32) {
        self.started = Some((at, pid));
        self.timeout_at = self.timeout.and_then(in_future).filter(|_| self.kill_at.is_none());
        self.observer.observe(Report::Started { key: self.key, at });
    }

    /// The time limit stands still with the processes.
    fn note_stop(&mut self, stopped: bool) {
        match (stopped, self.stopped_since.take()) {
            (true, since) => self.stopped_since = since.or_else(|| Some(Instant::now())),
            (false, Some(since)) => {
                self.timeout_at = self.timeout_at.and_then(|at| at.checked_add(since.elapsed()));
            }
            (false, None) => {}
        }
        self.observer.observe(Report::Paused { key: self.key, stopped });
    }

    fn obey(&mut self, order: Order, cause: Reason) {
        match order {
            Order::Kill if self.kill_at.is_some() => return,
            Order::Kill => {
                self.cause.get_or_insert(cause);
                self.kill_at = in_future(self.grace);
            }
            Order::KillNow => {
                self.cause.get_or_insert(cause);
            }
            Order::Stop | Order::Continue => {}
        }
        self.control.order(order);
    }

    /// The limits that have come.
    fn keep_time(&mut self) {
        let now = Instant::now();
        let has_come = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        if self.stopped_since.is_none() && has_come(self.timeout_at) {
            self.timeout_at = None;
            self.obey(Order::Kill, Reason::Timeout);
        }
        if has_come(self.kill_at) {
            self.kill_at = None;
            self.obey(Order::KillNow, Reason::Killed);
        }
        if has_come(self.contact.due()) {
            self.contact.look().take(&mut self.control);
        }
        if has_come(self.log_due) {
            self.log_due = None;
            self.write_log();
            self.report_log();
        } else if self.log.borrow().is_due() {
            self.write_log();
        }
    }

    /// The supervisor was killed: its processes have fallen to the runner.
    async fn kill_what_is_left(&self, setup: &Setup) {
        let AttemptKey { job, fence, .. } = self.key;
        let marks = [
            state_mark(&setup.state),
            format!("OSTLER_JOB={job}"),
            format!("OSTLER_FENCE={}", fence.0),
        ];
        let session = self.started.map(|(_, pid)| pid);
        // A search that panicked leaves what a search at the next start of the runner finds.
        let _ = spawn_blocking(move || kill_orphans(&marks, session)).await;
    }
}

async fn until(wake: Option<Instant>) {
    match wake {
        Some(at) => sleep_until(at).await,
        None => pending().await,
    }
}
