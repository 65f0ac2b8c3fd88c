//! The executor that runners keep.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    ffi::OsStr,
    fs, io,
    path::{Path, PathBuf},
    rc::Rc,
};

use ostler_job::durable::{AttemptKey, Finish, Order, Start, Work};
use ostler_module::{Executor, Observer, Piece};
use tokio::{sync::mpsc, task::spawn_local};

use crate::{
    attempt::{self, unstartable},
    control::IdleSupervisors,
    log::Log,
    mail::{Addressed, Letter, Mail, Mailer},
    setup::Setup,
    share::Shares,
};

/// Orders that wait for one attempt, at most; the gateway repeats those that matter.
const ORDERS_MAX: usize = 64;

/// Runs commands. Lives on a local task set of tokio.
#[derive(Debug)]
pub struct Shell {
    shared: Rc<Shared>,
    attempts: BTreeMap<AttemptKey, HeldAttempt>,
}

/// What attempts share.
#[derive(Debug)]
struct Shared {
    setup: Setup,
    idle: IdleSupervisors,
    shares: Shares,
    mailer: Mailer,
}

/// An attempt until it is forgotten.
#[derive(Debug)]
struct HeldAttempt {
    log: Rc<RefCell<Log>>,
    orders: mpsc::Sender<Order>,
    /// What is to be mailed when it is over, and who hears of it.
    letter: Option<Addressed>,
}

impl Shell {
    /// Makes the folders anew: whatever an earlier process left there nobody asks for any more.
    pub fn new(setup: Setup) -> io::Result<Self> {
        Self::resume(setup, &[], |_| false)
    }

    /// The same, but for what an earlier process left of these attempts, which are over and not forgotten, and for the
    /// files of the runner's own beside the logs.
    pub fn resume(
        setup: Setup,
        ended: &[&Finish],
        is_foreign: impl Fn(&OsStr) -> bool,
    ) -> io::Result<Self> {
        // Whose they were is not known any more.
        let shares = Shares::default();
        let attempts: BTreeMap<AttemptKey, HeldAttempt> = ended
            .iter()
            .map(|finish| {
                let log = Log::of_earlier(setup.log(finish.key, shares.of("")), &finish.log);
                // Nobody takes its orders any more.
                let (orders, _) = mpsc::channel(1);
                (finish.key, HeldAttempt { log: Rc::new(RefCell::new(log)), orders, letter: None })
            })
            .collect();
        let logs: Vec<PathBuf> = attempts.keys().map(|key| setup.log_path(*key)).collect();
        empty_folder(&setup.logs(), |path| {
            logs.iter().any(|log| log == path) || path.file_name().is_some_and(&is_foreign)
        })?;
        empty_folder(&setup.payloads(), |_| false)?;
        let shared = Rc::new(Shared {
            setup,
            idle: IdleSupervisors::default(),
            shares,
            mailer: Mailer::default(),
        });
        Ok(Self { shared, attempts })
    }
}

/// Makes the folder, or removes what is in it but for what is kept.
fn empty_folder(folder: &Path, keeps: impl Fn(&Path) -> bool) -> io::Result<()> {
    ostler_private::folder(folder)?;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let path = entry.path();
        if entry.file_type()?.is_dir() {
            fs::remove_dir_all(&path)?;
        } else if !keeps(&path) {
            fs::remove_file(&path)?;
        }
    }
    Ok(())
}

impl Executor for Shell {
    fn name(&self) -> &'static str {
        "shell"
    }

    fn start(&mut self, start: Start, observer: &Rc<dyn Observer>) {
        let key = start.key;
        let mut spec = start.spec;
        let work = std::mem::replace(&mut spec.work, Work::Unknown);
        let Work::Shell(mut command) = work else {
            let detail = "the shell module runs commands only".to_owned();
            return observer.observe(unstartable(key, detail));
        };
        match self.shared.setup.users.of(&spec.tenant, &command) {
            Ok(user) => command.user = user,
            Err(detail) => return observer.observe(unstartable(key, detail)),
        }
        let letter = Letter::of(&spec, &command).map(|it| Addressed(it, Rc::clone(observer)));
        let share = self.shared.shares.of(&spec.tenant);
        let log = Rc::new(RefCell::new(self.shared.setup.log(key, share)));
        let (orders, inbox) = mpsc::channel(ORDERS_MAX);
        self.attempts.insert(key, HeldAttempt { log: Rc::clone(&log), orders, letter });
        let (shared, observer) = (Rc::clone(&self.shared), Rc::clone(observer));
        let firing = spec.firing;
        spawn_local(async move {
            let runner = (&shared.setup, &shared.idle);
            let work = (&*command, firing.as_deref());
            attempt::run(runner, key, work, log, inbox, &observer).await;
        });
    }

    fn steer(&mut self, key: AttemptKey, order: Order) {
        if let Some(kept) = self.attempts.get(&key) {
            // One that is over takes no orders any more.
            let _ = kept.orders.try_send(order);
        }
    }

    fn payload(&self, work: &Work) -> Option<ostler_job::durable::Payload> {
        work.payload().cloned()
    }

    fn read_log(&self, key: AttemptKey, offset: u64, max: usize) -> io::Result<Option<Piece>> {
        match self.attempts.get(&key) {
            Some(kept) => kept.log.borrow().read(offset, max),
            None => Ok(None),
        }
    }

    fn ended(&mut self, finish: &Finish) {
        let Some(held) = self.attempts.get_mut(&finish.key) else { return };
        let Some(Addressed(letter, observer)) = held.letter.take() else { return };
        if finish.log.written == 0 || letter.is_followed(finish) {
            return;
        }
        let (finish, output) = (finish.clone(), held.log.borrow().kept());
        let shared = Rc::clone(&self.shared);
        let held = shared.mailer.hold();
        spawn_local(async move {
            let _held = held;
            let runner = (&shared.setup, &shared.idle);
            shared.mailer.send(runner, Mail { letter, finish, output }, &observer).await;
        });
    }

    fn is_busy(&self) -> bool {
        self.shared.mailer.is_busy()
    }

    fn forget(&mut self, key: AttemptKey) {
        if let Some(kept) = self.attempts.remove(&key) {
            kept.log.borrow().remove();
        }
    }
}
