//! Mails what a job has written, as crond does: by the sendmail of this host, as the job's user, once the attempt is over.
//!
//! Nobody waits for it, and what becomes of it is told in the runner's log and nowhere else. It runs below a supervisor as
//! commands do, so that a mailer that hangs is killed with whatever it has started, and none outlives the runner, which waits
//! for them a moment. What was not handed to one by then is not mailed: it is kept nowhere, so nothing is mailed twice.

mod letter;
mod message;
mod turns;

use std::{
    cell::Cell,
    fmt, io,
    path::{Path, PathBuf},
    rc::Rc,
    time::Duration,
};

use nix::unistd::{User, geteuid, gethostname};
use ostler_job::durable::{AttemptKey, Finish, Order, Terminate};
use ostler_module::Observer;
use tokio::{
    task::spawn_blocking,
    time::{Instant, sleep_until, timeout},
};

pub(crate) use self::letter::Letter;
use self::turns::Turns;
use crate::{
    control::{Control, IdleSupervisors},
    environment::of_runner,
    input::hold,
    kept::Kept,
    message::{Ended, Said, Task},
    orphans::kill_orphans,
    outputs::Outputs,
    setup::Setup,
};

/// Where a sendmail is, unless the runner's config says otherwise.
const PLACES: [&str; 2] = ["/usr/sbin/sendmail", "/usr/lib/sendmail"];
/// How crond calls it: the recipients are those of the header, and a line with a dot ends nothing.
const OPTIONS: [&str; 5] = ["-i", "-odi", "-oem", "-oi", "-t"];
/// How long a mailer may take.
pub const MAIL_TIME: Duration = Duration::from_secs(60);
/// How long its supervisor may take to kill it.
const KILL_TIME: Duration = Duration::from_secs(10);
/// A supervisor that has told the end is gone in a moment.
const FAREWELL: Duration = Duration::from_secs(5);
/// Bytes of what a mailer says that are told when it fails.
const SAYS_MAX: usize = 300;

/// The mails of a runner.
#[derive(Debug, Default)]
pub(crate) struct Mailer {
    turns: Turns,
    /// Held by each mail from the end of its attempt until nothing is done about it any more.
    under_way: Rc<()>,
    /// It was said that there is no sendmail here.
    has_told: Cell<bool>,
}

/// A letter, and who hears what goes wrong with it.
pub(crate) struct Addressed(pub(crate) Letter, pub(crate) Rc<dyn Observer>);

impl fmt::Debug for Addressed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One mail.
#[derive(Debug)]
pub(crate) struct Mail {
    pub(crate) letter: Letter,
    pub(crate) finish: Finish,
    /// Its log, or why there is none.
    pub(crate) output: io::Result<Kept>,
}

impl Mailer {
    /// What a mail holds while it is under way.
    pub(crate) fn hold(&self) -> Rc<()> {
        Rc::clone(&self.under_way)
    }

    /// Whether any is under way.
    pub(crate) fn is_busy(&self) -> bool {
        Rc::strong_count(&self.under_way) > 1
    }

    /// Sends it, and says in the runner's log why not.
    pub(crate) async fn send(
        &self,
        (setup, idle): (&Setup, &IdleSupervisors),
        mail: Mail,
        observer: &Rc<dyn Observer>,
    ) {
        let Some(program) = sendmail(setup.sendmail.as_deref()) else {
            if !self.has_told.replace(true) {
                observer.trouble("output of jobs is not mailed", nowhere(setup));
            }
            return;
        };
        self.has_told.set(false);
        let key = mail.finish.key;
        let to = mail.letter.mailto.clone();
        if let Err(why) = self.in_turn((setup, idle), &program, mail).await {
            let told = format!("job {}, attempt {}, to {to}: {why}", key.job, key.attempt);
            observer.trouble("the output of a job could not be mailed", told);
        }
    }

    /// Sends it when there is room. Its output is read then, so that what waits takes a descriptor and no memory.
    async fn in_turn(
        &self,
        (setup, idle): (&Setup, &IdleSupervisors),
        program: &Path,
        Mail { letter, finish, output }: Mail,
    ) -> Result<(), String> {
        let user = letter.user.clone().unwrap_or_else(own_user);
        let place = self.turns.place(&user)?;
        place.turn().await;
        let read = spawn_blocking(move || output?.read()).await;
        let output = read.map_err(|e| format!("its log could not be read: {e}"))?;
        let output = output.map_err(|e| format!("its log could not be read: {e}"))?;
        let message = message::message(&letter, &finish, (&user, &host()), &output);
        drop(output);
        let key = finish.key;
        let task = task(setup, key, program, letter.user);
        let started = idle.start(&setup.launcher, &task, Some(hold(&message)?), true);
        let (control, outputs) = started.map_err(|e| format!("its mailer cannot start: {e}"))?;
        let running = Running { control, outputs, says: Vec::new() };
        running.run(idle, key, setup.mail_time).await
    }
}

/// The sendmail of this host, if there is one.
fn sendmail(configured: Option<&Path>) -> Option<PathBuf> {
    let places = PLACES.iter().map(Path::new);
    match configured {
        Some(path) => Some(path).filter(|path| path.is_file()).map(Path::to_owned),
        None => places.into_iter().find(|path| path.is_file()).map(Path::to_owned),
    }
}

fn nowhere(setup: &Setup) -> String {
    match &setup.sendmail {
        Some(path) => format!("there is no {} (runner.sendmail)", path.display()),
        None => format!(
            "there is no sendmail in {}; install one, or name it by runner.sendmail",
            PLACES.join(" or ")
        ),
    }
}

fn own_user() -> String {
    User::from_uid(geteuid()).ok().flatten().map_or_else(|| geteuid().to_string(), |it| it.name)
}

/// This host's name up to its first dot, as crond writes it.
fn host() -> String {
    let name = gethostname().unwrap_or_default().to_string_lossy().into_owned();
    name.split('.').next().unwrap_or_default().to_owned()
}

/// Nothing of the job's own environment, limits or folder. A mailer gains rights by what it executes where it has to: those of
/// the group that owns the queue.
fn task(setup: &Setup, key: AttemptKey, program: &Path, user: Option<String>) -> Task {
    let program = program.to_string_lossy().into_owned();
    let mut env = of_runner(setup, user.is_some());
    env.insert(MARK.to_owned(), key.to_string());
    Task {
        argv: [program].into_iter().chain(OPTIONS.map(str::to_owned)).collect(),
        env,
        cwd: Some("/".to_owned()),
        user,
        umask: setup.umask,
        no_new_privs: false,
        nice: None,
        limits: std::collections::BTreeMap::new(),
        terminate: Terminate::All,
        // Some deliver what they have taken when whoever called them has gone on.
        lingers: true,
    }
}

/// The variable that says whose mail a mailer sends.
const MARK: &str = "OSTLER_MAIL";

/// A mailer that runs.
#[derive(Debug)]
struct Running {
    control: Control,
    outputs: Outputs,
    /// What it says, the first of it.
    says: Vec<u8>,
}

impl Running {
    async fn run(
        mut self,
        idle: &IdleSupervisors,
        key: AttemptKey,
        time: Duration,
    ) -> Result<(), String> {
        let mut until = Instant::now() + time;
        let mut is_late = false;
        let ended = loop {
            let Self { control, outputs, .. } = &mut self;
            tokio::select! {
                biased;
                said = control.next() => match said {
                    Some(Said::Ended(ended)) => break Some(Ok(ended)),
                    Some(Said::Failed(why)) => break Some(Err(why)),
                    Some(Said::NoRoom) => {
                        break Some(Err("the host has no room for its mailer".to_owned()));
                    }
                    Some(Said::Started { .. } | Said::Stopped(_) | Said::Here) => {}
                    None => break None,
                },
                () = sleep_until(until) => {
                    if is_late {
                        break None;
                    }
                    (is_late, until) = (true, Instant::now() + KILL_TIME);
                    self.control.order(Order::KillNow);
                }
                () = outputs.readable() => self.hear(false),
            }
        };
        self.hear(true);
        let result = match &ended {
            // It has taken the mail, whatever becomes of those that it left to deliver it.
            Some(Ok(ended)) if ended.exit_status == Some(0) => Ok(()),
            Some(Ok(_)) | None if is_late => {
                Err(format!("its mailer took more than {time:?} and was killed"))
            }
            Some(Ok(ended)) => Err(self.complaint(ended)),
            Some(Err(why)) => Err(why.clone()),
            None => Err("the supervisor of its mailer was killed".to_owned()),
        };
        let is_lost = ended.is_none();
        let is_clean = match &ended {
            Some(Ok(ended)) => !ended.hit && !ended.worn && ended.left == 0,
            Some(Err(_)) => true,
            None => false,
        };
        self.leave(idle, key, (is_clean, is_lost)).await;
        result
    }

    /// It is read to its end, so that it cannot hang by that, and most of it forgotten.
    fn hear(&mut self, at_once: bool) {
        let Self { outputs, says, .. } = self;
        outputs.read(at_once, |_, bytes| {
            let room = SAYS_MAX.saturating_sub(says.len());
            says.extend_from_slice(&bytes[..bytes.len().min(room)]);
        });
    }

    fn complaint(&self, ended: &Ended) -> String {
        let how = match (ended.exit_status, ended.signal) {
            (Some(status), _) => format!("exit status {status}"),
            (None, signal) => format!("signal {}", signal.unwrap_or_default()),
        };
        let says = String::from_utf8_lossy(&self.says).replace(char::is_control, " ");
        format!("its mailer ended with {how}: {}", says.trim())
    }

    /// Keeps the supervisor for the next task, or sees to its end.
    async fn leave(self, idle: &IdleSupervisors, key: AttemptKey, how: (bool, bool)) {
        let (is_clean, is_lost) = how;
        let left = if is_clean { idle.keep(self.control) } else { Some(self.control) };
        let Some(mut control) = left else { return };
        if is_lost {
            control.kill();
        }
        if timeout(FAREWELL, control.end()).await.is_err() {
            control.kill();
        }
        if is_lost {
            let marks = [format!("{MARK}={key}")];
            // A search that panicked leaves what a search at the next start of the runner finds.
            let _ = spawn_blocking(move || kill_orphans(&marks, None)).await;
        }
    }
}
