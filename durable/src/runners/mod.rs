//! The one record of what is known of each runner, those that serve apps alone too: its link, its operator's will and what it
//! said last. The driver has its leases, and is told how many jobs it may have; everybody who is shown a runner is shown this.
//!
//! Their names are in a file, so that jobs can be pinned to one that is only away when the gateway starts, and so that what an
//! operator wants of one holds.

mod kept;
mod will;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::BytesMut;
use ostler_api::backend::RunnerView;
use ostler_job::{JobId, Labels, Mono, Now, Span, Wall, durable::AttemptKey};
use tokio::sync::Notify;

use self::will::Will;
use super::hello::Hello;
use ostler_driver::{Beat, RunnerName};

/// A runner that was not heard of for this long is forgotten, unless an operator wants something of it.
const KEPT: Span = Span::from_secs(30 * 86_400);

const DAY: Span = Span::from_secs(86_400);

/// Sends frames to a runner; `false` when its link is gone.
pub(crate) type FrameSender = Arc<dyn Fn(BytesMut) -> bool + Send + Sync>;

/// A remote runner that was not heard of for this long is gone, and another may have its name.
const HEARTBEAT_TIMEOUT: Span = Span::from_secs(5);

/// A link as the table of runners knows it.
pub(super) struct Link {
    pub(super) number: u64,
    way: FrameSender,
    incarnation: Option<String>,
    who: String,
    labels: Arc<Labels>,
    /// When its runner was heard of last; `None`: the kernel tells at once when it is gone.
    heard: Option<Arc<AtomicU64>>,
    /// Told when another one takes its place.
    replaced: Arc<Notify>,
}

impl Link {
    pub(super) fn new(hello: &Hello, way: FrameSender, heard: Option<Arc<AtomicU64>>) -> Self {
        let (incarnation, who) = (hello.incarnation.clone(), hello.who.clone());
        let labels = hello.labels.clone();
        Self { number: 0, way, incarnation, who, labels, heard, replaced: Arc::default() }
    }

    pub(super) fn replaced(&self) -> Arc<Notify> {
        self.replaced.clone()
    }

    /// Whether it is of another process, which lives.
    fn stands_against(&self, other: &Self, now: Mono) -> bool {
        let differ = match (&self.incarnation, &other.incarnation) {
            (Some(this), Some(that)) => this != that,
            (None, _) | (_, None) => false,
        };
        let heard =
            |at: &Arc<AtomicU64>| now - Mono(at.load(Ordering::Relaxed)) < HEARTBEAT_TIMEOUT;
        differ && self.heard.as_ref().is_none_or(heard)
    }
}

/// Another process has the name of a runner, and is heard.
#[derive(Clone, Debug)]
pub struct NameTaken {
    /// It.
    pub by: String,
    /// Nobody was told so lately.
    pub(crate) is_news: bool,
}

#[derive(Default)]
struct Runner {
    /// The newest link, which is the only one that counts: a runner that has none is away.
    link: Option<Link>,
    /// Who was refused its name last, and when.
    refused: Option<(String, Mono)>,
    will: Will,
    /// It goes with its link.
    forgotten: bool,
    /// As it said last itself.
    slots: u32,
    /// As its newest link said, also when that is gone.
    labels: Arc<Labels>,
    /// The attempts that it has: as its last beat said, and what was given, settled and lost since. That is no list of leases, which
    /// are the driver's: an attempt is here too when it is over and not settled, or when its lease has run out unheard. A job may
    /// have two here: the end of an earlier one says nothing of a later one.
    held: BTreeSet<AttemptKey>,
    heard_at: Wall,
}

/// Between two words about one process that is refused.
const NEWS: Span = Span::from_secs(60);

impl Runner {
    /// Slots that may be filled.
    fn offers(&self) -> u32 {
        let is_drained = self.will.drained.as_ref().is_some_and(|it| it.broken.is_none());
        if is_drained { 0 } else { self.slots() }
    }

    /// Jobs that it may run at once: as many as it says, unless an operator says otherwise. One that offers none ends, or was
    /// started for none.
    fn slots(&self) -> u32 {
        self.will.slots.filter(|_| self.slots > 0).unwrap_or(self.slots)
    }

    /// Whether it stays known while it has no link.
    fn stays(&self, now: Wall) -> bool {
        self.will != Will::default() || now.since(self.heard_at) < KEPT
    }

    fn is_linked(&self) -> bool {
        self.link.is_some()
    }

    fn has(&self, link: u64) -> bool {
        self.link.as_ref().is_some_and(|it| it.number == link)
    }
}

/// A link that is up.
pub(super) struct Registered {
    pub(super) number: u64,
    /// The runner was not known, or not heard for long: the file should say so.
    pub(super) is_news: bool,
}

/// See the module.
#[derive(Default)]
pub(super) struct Runners {
    all: Mutex<(u64, BTreeMap<RunnerName, Runner>)>,
    /// Held while it is written, so that the last state is the one that stays.
    file: Mutex<PathBuf>,
}

impl Runners {
    /// Lets go of those that were not heard of for long, as a start does. One that has a link is heard, whether it runs jobs or not.
    pub(super) fn forget_unheard(&self, now: Wall) {
        let (_, all) = &mut *self.lock();
        all.values_mut()
            .filter(|it| it.is_linked())
            .for_each(|it| it.heard_at = it.heard_at.max(now));
        all.retain(|_, it| it.is_linked() || it.stays(now));
    }

    pub(super) fn is_known(&self, name: &str) -> bool {
        self.lock().1.contains_key(name)
    }

    fn lock(&self) -> MutexGuard<'_, (u64, BTreeMap<RunnerName, Runner>)> {
        self.all.lock().expect("no code panics while it holds the runners")
    }

    /// A link of the runner is up; it takes the place of the one before, which counts no more from here on: `told`
    /// is called in between, with its number and whether there was one. Refused while another process with this name is heard.
    pub(super) fn up(
        &self,
        name: &RunnerName,
        mut link: Link,
        now: Now,
        told: impl FnOnce(u64, bool),
    ) -> Result<Registered, NameTaken> {
        let (count, all) = &mut *self.lock();
        let is_new = !all.contains_key(name);
        let runner = all.entry(name.clone()).or_default();
        if let Some(other) = runner.link.as_ref().filter(|it| it.stands_against(&link, now.mono)) {
            let lately = |(who, at): &(String, Mono)| *who == link.who && now.mono - *at < NEWS;
            let is_news = !runner.refused.as_ref().is_some_and(lately);
            if is_news {
                runner.refused = Some((link.who, now.mono));
            }
            return Err(NameTaken { by: other.who.clone(), is_news });
        }
        *count += 1;
        link.number = *count;
        let labels = link.labels.clone();
        let other = runner.link.replace(link);
        if let Some(other) = &other {
            other.replaced.notify_one();
        }
        told(*count, other.is_some());
        let before = std::mem::replace(&mut runner.heard_at, now.wall);
        runner.forgotten = false;
        let are_new = std::mem::replace(&mut runner.labels, labels.clone()) != labels;
        let is_news = is_new || are_new || now.wall.since(before) >= DAY;
        Ok(Registered { number: *count, is_news })
    }

    /// A link is down; `present` is called when it was the present one.
    pub(super) fn down(&self, name: &RunnerName, link: u64, present: impl FnOnce()) {
        let (_, all) = &mut *self.lock();
        let Some(runner) = all.get_mut(name).filter(|it| it.has(link)) else { return };
        runner.link = None;
        runner.slots = 0;
        if runner.forgotten {
            all.remove(name);
        }
        present();
    }

    /// Does something in the name of a link, if that is the present one; nothing can take its place meanwhile.
    pub(super) fn of_link<T>(
        &self,
        name: &RunnerName,
        link: u64,
        act: impl FnOnce() -> T,
    ) -> Option<T> {
        let all = self.lock();
        all.1.get(name).is_some_and(|runner| runner.has(link)).then(act)
    }

    /// The beat of a runner, if it came on the present link. `tell` hands it on with the slots that may be filled, before anything
    /// else is told of the runner. `None`: another link has its place.
    pub(super) fn beat(&self, mut beat: Beat, now: Wall, tell: impl FnOnce(Beat)) -> Option<()> {
        let (_, all) = &mut *self.lock();
        let runner = all.get_mut(&beat.runner).filter(|it| it.has(beat.link))?;
        runner.slots = beat.slots;
        runner.heard_at = now;
        runner.held = beat.held.iter().copied().collect();
        beat.slots = runner.offers();
        beat.labels = runner.labels.clone();
        beat.is_broken = runner.will.drained.as_ref().is_some_and(|it| it.broken.is_some());
        tell(beat);
        Some(())
    }

    /// Tells how many slots of a runner may be filled now; nothing else is told of it meanwhile.
    pub(super) fn offer<T>(&self, name: &RunnerName, tell: impl FnOnce(u32) -> T) -> T {
        let (_, all) = &*self.lock();
        tell(all.get(name).map_or(0, Runner::offers))
    }

    /// An attempt was given to the runner, or is settled there, or lost with it.
    pub(super) fn note_held(&self, name: &RunnerName, key: AttemptKey, has: bool) {
        let (_, all) = &mut *self.lock();
        let Some(runner) = all.get_mut(name) else { return };
        if has {
            runner.held.insert(key);
        } else {
            runner.held.remove(&key);
        }
    }

    /// The present link: its number, and the way.
    pub(super) fn way(&self, name: &RunnerName) -> Option<(u64, FrameSender)> {
        self.lock().1.get(name)?.link.as_ref().map(|link| (link.number, link.way.clone()))
    }

    pub(super) fn is_linked(&self, name: &RunnerName) -> bool {
        self.lock().1.get(name).is_some_and(Runner::is_linked)
    }

    /// Those that have a link; one that is forgotten too, until its link goes.
    pub(super) fn linked(&self) -> Vec<RunnerName> {
        let all = self.lock();
        all.1.iter().filter(|(_, it)| it.is_linked()).map(|(name, _)| name.clone()).collect()
    }

    /// The number of the last link of any runner.
    pub(super) fn newest_link(&self) -> u64 {
        self.lock().0
    }

    pub(super) fn views(&self) -> Vec<RunnerView> {
        let jobs = |runner: &Runner| {
            // In order, those of one job beside each other.
            let mut jobs: Vec<JobId> = runner.held.iter().map(|key| key.job).collect();
            jobs.dedup();
            jobs
        };
        let view = |(name, runner): (&RunnerName, &Runner)| RunnerView {
            name: name.to_string(),
            connected: runner.is_linked(),
            drained: runner.will.drained.clone(),
            slots: runner.slots(),
            slots_set: runner.will.slots,
            labels: (*runner.labels).clone(),
            held: jobs(runner),
            heard_at: runner.heard_at,
        };
        self.lock().1.iter().filter(|(_, it)| !it.forgotten).map(view).collect()
    }
}
