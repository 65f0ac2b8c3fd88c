//! A model of the rest of the gateway: jobs in a map, states changed by hand.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    io::{self, Write as _},
    net::IpAddr,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard},
};

use ostler_driver::{
    Answer, Explained, Figures, NewJob, QueueVerb, ScheduleFigures, ScheduleVerb, Verb, Why,
};
use ostler_job::{
    JobId, Mono, Since, Span, Wall,
    durable::{
        Attempt, AttemptKey, CountQuery, Counts, Event, EventKind, Fence, Firing, Job, JobState,
        Page, Payload, Query, Queue, QueueName, QueueShape, Schedule, ScheduleName, ScheduleShape,
        ShapeOwner, Status, Token,
    },
};
use ostler_machine::secret::hex;
use sha2::{Digest as _, Sha256};
use tokio::sync::{broadcast, watch};

use super::{
    queues,
    rules::{fits, steer, take},
    schedules,
};
use crate::{
    backend::{
        Backend, BackendFuture, DoneSince, Drained, Forgotten, Full, Refusal, Revoked, RunnerView,
        Sink, SlotsSet, Unavailable,
    },
    view,
};

#[derive(Default)]
pub(super) struct State {
    pub(super) jobs: BTreeMap<JobId, Job>,
    pub(super) attempts: BTreeMap<JobId, Vec<Attempt>>,
    pub(super) keys: BTreeMap<String, (String, Vec<JobId>)>,
    pub(super) events: Vec<Event>,
    pub(super) tokens: Vec<Arc<Token>>,
    pub(super) runners: Vec<RunnerView>,
    pub(super) queues: BTreeMap<QueueName, Arc<Queue>>,
    pub(super) schedules: BTreeMap<ScheduleName, Arc<Schedule>>,
    /// Newest first.
    pub(super) firings: BTreeMap<ScheduleName, Vec<Firing>>,
    /// What the last order to move a cursor was told.
    pub(super) cursor_fired: Vec<Wall>,
    /// How often a schedule fires before its cursor can be moved.
    pub(super) fires_before: u32,
    /// Why jobs wait.
    pub(super) whys: BTreeMap<JobId, Why>,
    pub(super) explained: BTreeMap<JobId, Explained>,
    /// The store was not read yet, and why.
    pub(super) unread: Option<String>,
    /// The store fails, and says so.
    pub(super) down: Option<String>,
    /// No more jobs may wait.
    pub(super) full: bool,
    /// Payloads and the tenants that uploaded them.
    pub(super) owners: BTreeSet<(String, String)>,
    /// Bytes that payloads may take at once, and why no more.
    pub(super) room: Option<(u64, Full)>,
    /// Requests that were refused for want of a right.
    pub(super) refusals: Vec<Refusal>,
    /// Submits and how many jobs each had.
    pub(super) submits: Vec<usize>,
    pub(super) next: u64,
    /// After so many groups of jobs that are steered, every token ends.
    pub(super) steers_left: Option<usize>,
    watches: BTreeMap<JobId, watch::Sender<u64>>,
}

pub(super) struct Fake {
    state: Mutex<State>,
    live: broadcast::Sender<Arc<Event>>,
    token_news: watch::Sender<u64>,
    pub(super) folder: tempfile::TempDir,
}

impl Fake {
    pub(super) fn new() -> Arc<Self> {
        let queue = Queue::new(QueueName::default(), QueueShape::default(), ShapeOwner::Api);
        let queues = [(QueueName::default(), Arc::new(queue))].into();
        let state = Mutex::new(State { next: 1, queues, ..State::default() });
        let (live, _) = broadcast::channel(16);
        Arc::new(Self {
            state,
            live,
            token_news: watch::Sender::new(0),
            folder: tempfile::tempdir().unwrap(),
        })
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Changes a job's status, and tells who watches.
    pub(super) fn change(&self, id: u64, change: impl FnOnce(&mut Status)) {
        let mut state = self.state();
        change(&mut state.jobs.get_mut(&JobId(id)).unwrap().status);
        drop(state);
        self.news(id);
    }

    /// Something about a job or its log is new.
    pub(super) fn news(&self, id: u64) {
        let watch = self.state().watches.get(&JobId(id)).cloned();
        if let Some(watch) = watch {
            watch.send_modify(|count| *count += 1);
        }
    }

    pub(super) fn tell(&self, kind: EventKind, job: Option<u64>, detail: &str) {
        let mut state = self.state();
        let seq = state.events.len() as u64 + 1;
        let who = (kind == EventKind::Operator).then(|| "first".to_owned());
        let detail = detail.to_owned();
        let event = Event { seq, at: Wall(1_000), kind, job: job.map(JobId), who, detail };
        state.events.push(event.clone());
        drop(state);
        let _ = self.live.send(Arc::new(event));
    }

    pub(super) fn log_path(&self, key: AttemptKey) -> PathBuf {
        self.folder.path().join(format!("{}.{}.log", key.job, key.attempt))
    }

    pub(super) fn append(&self, key: AttemptKey, bytes: &[u8]) {
        let path = self.log_path(key);
        let mut file = File::options().append(true).create(true).open(path).unwrap();
        file.write_all(bytes).unwrap();
        self.news(key.job.0);
    }

    fn ready<T: Send + 'static>(
        &self,
        value: impl FnOnce(&mut State) -> T,
    ) -> BackendFuture<'_, T> {
        let mut state = self.state();
        let answer = match &state.down {
            Some(why) => Err(Unavailable(why.clone())),
            None => Ok(value(&mut state)),
        };
        Box::pin(std::future::ready(answer))
    }
}

impl Backend for Fake {
    fn submit<'a>(
        &'a self,
        _: &'a str,
        key: Option<(String, String)>,
        jobs: Vec<NewJob>,
        all_or_none: bool,
    ) -> BackendFuture<'a, Vec<Answer>> {
        self.ready(|state| {
            state.submits.push(jobs.len());
            let before = (state.jobs.clone(), state.next);
            let answers: Vec<_> = jobs.iter().map(|job| take(state, job)).collect();
            let bad = |it: &Answer| !matches!(it, Answer::Done { .. } | Answer::Coalesced { .. });
            if all_or_none && answers.iter().any(bad) {
                (state.jobs, state.next) = before;
                let done = |job| {
                    answers
                        .iter()
                        .position(|it| *it == Answer::Done { job, state: JobState::Pending })
                };
                let other = |it: &Answer| {
                    if let Answer::Duplicate { job } = it {
                        done(*job).map_or_else(|| it.clone(), |of| Answer::Repeated { of })
                    } else if bad(it) {
                        it.clone()
                    } else {
                        Answer::WithOthers
                    }
                };
                return answers.iter().map(other).collect();
            }
            if let Some((key, request)) = key {
                let ids = answers.iter().filter_map(|it| match it {
                    Answer::Done { job, .. }
                    | Answer::Late { job, .. }
                    | Answer::Coalesced { job } => Some(*job),
                    Answer::Duplicate { .. }
                    | Answer::QueueFull { .. }
                    | Answer::Keyed { .. }
                    | Answer::WithOthers
                    | Answer::Repeated { .. }
                    | Answer::Unknown
                    | Answer::Queue(_)
                    | Answer::QueueRefused { .. }
                    | Answer::Schedule(_)
                    | Answer::ScheduleRefused { .. }
                    | Answer::EditRefused { .. }
                    | Answer::NotNow { .. } => None,
                });
                state.keys.insert(key, (request, ids.collect()));
            }
            answers
        })
    }

    fn steer<'a>(
        &'a self,
        _: &'a str,
        verb: Verb,
        jobs: Vec<JobId>,
    ) -> BackendFuture<'a, Vec<Answer>> {
        self.ready(|state| {
            let left = state.steers_left.as_mut().map(|left| {
                *left -= 1;
                *left
            });
            if left == Some(0) {
                state.tokens.clear();
            }
            jobs.into_iter().map(|id| steer(state, &verb, id)).collect()
        })
    }

    fn get(&self, jobs: Vec<JobId>) -> BackendFuture<'_, Vec<Job>> {
        self.ready(|state| jobs.iter().filter_map(|id| state.jobs.get(id).cloned()).collect())
    }

    fn query<'a>(&'a self, _: &'a str, query: Query) -> BackendFuture<'a, Page> {
        self.ready(|state| {
            let found = state.jobs.values().filter(|job| fits(job, &query));
            let mut jobs: Vec<Job> = found.cloned().collect();
            jobs.sort_by_key(|job| query.sort.cursor(job));
            if query.sort.is_downwards() {
                jobs.reverse();
            }
            let more = jobs.len() > query.limit;
            jobs.truncate(query.limit);
            let next = jobs.last().filter(|_| more).and_then(|job| query.sort.cursor(job));
            Page { jobs, next, partial: false }
        })
    }

    /// One job a look.
    fn count<'a>(&'a self, _: &'a str, query: CountQuery) -> BackendFuture<'a, Counts> {
        self.ready(|state| {
            let below = query.below.unwrap_or(JobId(u64::MAX));
            let mut counts = Counts::default();
            let Some((id, job)) = state.jobs.range(..below).next_back() else { return counts };
            if query.filter.matches(job) {
                counts.add(query.by.iter().map(|key| key.value(job)).collect(), 1);
            }
            counts.next = Some(*id);
            counts
        })
    }

    fn whys(&self, jobs: Vec<JobId>) -> BackendFuture<'_, Vec<Option<Why>>> {
        self.ready(|state| jobs.iter().map(|id| state.whys.get(id).cloned()).collect())
    }

    fn explain(&self, job: JobId) -> BackendFuture<'_, Option<Explained>> {
        self.ready(|state| state.explained.get(&job).cloned())
    }

    fn attempts(&self, job: JobId) -> BackendFuture<'_, Vec<Attempt>> {
        self.ready(|state| state.attempts.get(&job).cloned().unwrap_or_default())
    }

    fn keyed(&self, key: String) -> BackendFuture<'_, Option<(String, Vec<JobId>)>> {
        self.ready(|state| state.keys.get(&key).cloned())
    }

    fn done_since(&self, kinds: Vec<DoneSince>) -> BackendFuture<'_, Vec<Option<JobId>>> {
        self.ready(|state| {
            let newest = |kind: &DoneSince| {
                let same = |job: &&Job| {
                    job.spec.identity == kind.identity
                        && job.spec.tenant == kind.tenant
                        && job.status.state == JobState::Succeeded
                        && job.submitted_at >= kind.since
                };
                state.jobs.values().rev().find(same).map(|job| job.id)
            };
            kinds.iter().map(newest).collect()
        })
    }

    fn tail(&self, after: u64, max: usize) -> BackendFuture<'_, Vec<Event>> {
        self.ready(|state| {
            state.events.iter().filter(|it| it.seq > after).take(max).cloned().collect()
        })
    }

    fn backup<'a>(&'a self, _: &'a str, to: PathBuf) -> BackendFuture<'a, u64> {
        // Whatever a tool makes up, nothing outside the folder is written.
        let inside = to.starts_with(self.folder.path());
        self.ready(move |_| if inside { std::fs::write(to, b"copy").map_or(0, |()| 4) } else { 4 })
    }

    fn watch(&self, job: JobId) -> watch::Receiver<u64> {
        let mut state = self.state();
        state.watches.entry(job).or_insert_with(|| watch::Sender::new(0)).subscribe()
    }

    fn events(&self) -> broadcast::Receiver<Arc<Event>> {
        self.live.subscribe()
    }

    fn queue(&self, name: &QueueName) -> Option<Arc<Queue>> {
        self.state().queues.get(name).cloned()
    }

    fn queue_names(&self) -> Vec<QueueName> {
        self.state().queues.keys().cloned().collect()
    }

    fn look_queues(
        &self,
        queue: Option<QueueName>,
        tenant: Option<String>,
    ) -> BackendFuture<'_, Vec<Answer>> {
        self.ready(|state| queues::look(state, queue, tenant.as_deref()))
    }

    fn order_queue<'a>(
        &'a self,
        who: &'a str,
        queue: QueueName,
        verb: QueueVerb,
    ) -> BackendFuture<'a, Answer> {
        self.ready(|state| queues::order(state, who, queue, verb))
    }

    fn look_schedules(
        &self,
        schedule: Option<ScheduleName>,
        tenant: Option<String>,
        after: Option<ScheduleName>,
        max: usize,
    ) -> BackendFuture<'_, Vec<Answer>> {
        self.ready(|state| schedules::look(state, schedule, tenant.as_deref(), after, max))
    }

    fn order_schedule<'a>(
        &'a self,
        who: &'a str,
        tenant: Option<String>,
        schedule: ScheduleName,
        verb: ScheduleVerb,
    ) -> BackendFuture<'a, Answer> {
        self.ready(|state| schedules::order(state, who, tenant.as_deref(), schedule, verb))
    }

    fn firings(
        &self,
        schedule: ScheduleName,
        before: Option<Wall>,
        max: usize,
    ) -> BackendFuture<'_, Vec<Firing>> {
        self.ready(|state| {
            let all = state.firings.get(&schedule).into_iter().flatten();
            all.filter(|it| before.is_none_or(|at| it.due < at)).take(max).cloned().collect()
        })
    }

    fn fired_after(
        &self,
        schedule: ScheduleName,
        after: Wall,
        max: usize,
    ) -> BackendFuture<'_, Vec<Wall>> {
        self.ready(|state| {
            let all = state.firings.get(&schedule).into_iter().flatten();
            let fired = all.filter(|it| it.due > after && it.job.is_some());
            fired.map(|it| it.due).take(max).collect()
        })
    }

    fn check_schedule(
        &self,
        name: &ScheduleName,
        shape: &ScheduleShape,
    ) -> Result<Vec<Wall>, String> {
        schedules::check(name, shape)
    }

    fn runners(&self) -> Vec<RunnerView> {
        self.state().runners.clone()
    }

    fn drain<'a>(&'a self, who: &'a str, runner: &'a str, drain: bool) -> BackendFuture<'a, bool> {
        self.ready(|state| {
            let found = state.runners.iter_mut().find(|it| it.name == runner);
            let drained =
                Drained { by: Some(who.to_owned()), since: Some(Wall(2_000)), broken: None };
            found.map(|it| it.drained = drain.then_some(drained)).is_some()
        })
    }

    fn set_slots<'a>(
        &'a self,
        _: &'a str,
        runner: &'a str,
        slots: Option<u32>,
    ) -> BackendFuture<'a, SlotsSet> {
        self.ready(|state| {
            let Some(found) = state.runners.iter_mut().find(|it| it.name == runner) else {
                return SlotsSet::Unknown;
            };
            if found.slots == 0 {
                return SlotsSet::TakesNone;
            }
            (found.slots, found.slots_set) = (slots.unwrap_or(4), slots);
            SlotsSet::Done
        })
    }

    fn forget_runner<'a>(
        &'a self,
        _: &'a str,
        runner: &'a str,
        at_once: bool,
    ) -> BackendFuture<'a, Forgotten> {
        self.ready(|state| {
            if runner == "local" {
                return Forgotten::Own;
            }
            if !at_once && state.runners.iter().any(|it| it.name == runner && it.connected) {
                return Forgotten::Connected;
            }
            let before = state.runners.len();
            state.runners.retain(|it| it.name != runner);
            if state.runners.len() < before { Forgotten::Done } else { Forgotten::Unknown }
        })
    }

    fn token(&self, hash: &str) -> Option<Arc<Token>> {
        let now = view::now();
        let good = |it: &&Arc<Token>| {
            it.hash == hash && it.revoked_at.is_none() && it.expires_at.is_none_or(|at| at > now)
        };
        self.state().tokens.iter().find(good).cloned()
    }

    fn knows_nobody(&self) -> Option<Unavailable> {
        self.state().unread.clone().map(Unavailable)
    }

    fn tokens(&self) -> Vec<Arc<Token>> {
        self.state().tokens.clone()
    }

    fn put_token<'a>(&'a self, _: &'a str, token: Token) -> BackendFuture<'a, ()> {
        self.ready(|state| {
            state.tokens.retain(|it| it.name != token.name);
            state.tokens.push(Arc::new(token));
            self.token_news.send_modify(|count| *count += 1);
        })
    }

    fn create_token<'a>(&'a self, _: &'a str, token: Token) -> BackendFuture<'a, bool> {
        self.ready(|state| {
            let free = state.tokens.iter().all(|it| it.name != token.name);
            if free {
                state.tokens.push(Arc::new(token));
            }
            free
        })
    }

    fn token_over(&self, hash: String) -> Revoked {
        let mut news = self.token_news.subscribe();
        let good = |it: &&Arc<Token>| it.hash == hash && it.revoked_at.is_none();
        let is_over = self.state().tokens.iter().find(good).is_none();
        Box::pin(async move {
            // Any change of tokens is the end of this one, as far as the tests go.
            if !is_over {
                let _ = news.changed().await;
            }
        })
    }

    fn note_refusal(&self, why: Refusal, _: Option<IpAddr>) {
        self.state().refusals.push(why);
    }

    fn figures(&self) -> Figures {
        let state = self.state();
        let count = |at| state.jobs.values().filter(|job| job.status.state == at).count() as u64;
        let states = JobState::ALL.iter().map(|at| count(*at)).collect();
        Figures {
            states,
            oldest_runnable: Some(Since::ago(Span(0), Mono(0))),
            slots: (4, 1),
            schedules: ScheduleFigures { states: [4, 3, 2, 1], overdue: 2, ..Default::default() },
            ..Figures::default()
        }
    }

    fn problem(&self) -> Option<String> {
        self.state().down.clone()
    }

    fn size_blocking(&self) -> u64 {
        4096
    }

    fn room_blocking(&self, _: &str, bytes: u64) -> Result<(), Full> {
        self.state().room.filter(|(room, _)| bytes > *room).map_or(Ok(()), |(_, full)| Err(full))
    }

    fn upload_blocking(&self, _: &str) -> io::Result<Box<dyn Sink>> {
        let temporary = tempfile::NamedTempFile::new_in(self.folder.path())?;
        Ok(Box::new(Upload { temporary, hash: Sha256::new(), folder: self.folder.path().into() }))
    }

    fn payload_blocking(&self, sha256: &str) -> io::Result<File> {
        File::open(self.folder.path().join(sha256))
    }

    fn keep_payload_blocking(&self, sha256: &str) -> io::Result<u64> {
        Ok(self.payload_blocking(sha256)?.metadata()?.len())
    }

    fn own_payload_blocking(&self, payload: &Payload, tenant: &str) -> io::Result<()> {
        self.state().owners.insert((payload.sha256.clone(), tenant.to_owned()));
        Ok(())
    }

    fn owns_payload_blocking(&self, sha256: &str, tenant: &str) -> io::Result<bool> {
        Ok(self.state().owners.contains(&(sha256.to_owned(), tenant.to_owned())))
    }

    fn log_blocking(&self, key: AttemptKey, _: &str) -> io::Result<File> {
        File::open(self.log_path(key))
    }
}

struct Upload {
    temporary: tempfile::NamedTempFile,
    hash: Sha256,
    folder: PathBuf,
}

impl Sink for Upload {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.hash.update(bytes);
        self.temporary.write_all(bytes)
    }

    fn finish(self: Box<Self>) -> io::Result<Payload> {
        let sha256 = hex(&self.hash.finalize());
        let bytes = self.temporary.as_file().metadata()?.len();
        self.temporary.persist(self.folder.join(&sha256))?;
        Ok(Payload { sha256, bytes })
    }
}

/// The key of a job's attempt in tests.
pub(super) fn key(job: u64, attempt: u32) -> AttemptKey {
    AttemptKey { job: JobId(job), attempt, fence: Fence(u64::from(attempt)) }
}
