//! Jobs of an earlier term, and fences above all of theirs.

use ostler_job::durable::{Change, KeptSchedule, Loaded, Queue, Unfinished};
use ostler_job::{
    HostId, JobId, Mono, Now, SupplierId, Wall,
    durable::{Fence, JobState, Order, Status, Term},
};

use super::{
    Driver, DriverConfig,
    jobs::{NEVER, Run, Sent},
};

/// What a runner says of fences counts below this: none that lies takes them all.
const HEARD_END: u64 = Term::FENCE_END / 2;

impl Driver {
    /// Takes an unfinished job up where the store has it. Leased ones wait for their runner as long as a lease lasts.
    pub fn restore(&mut self, job: impl Into<Unfinished>, now: Now) {
        let job: Unfinished = job.into();
        self.hear(now);
        let state = job.status.state;
        if state.is_finished() {
            return;
        }
        self.enter_known(&job, now);
        if state.is_out() && self.jobs[job.id].run.is_some() {
            self.adopt(job.id, state, now);
        } else if state == JobState::Paused {
            self.shift(job.id, state);
            self.restore_claims(job.id);
        } else if self.jobs[job.id].claims.is_some() {
            self.restore_claims(job.id);
            self.shift(job.id, JobState::Paused);
            self.forgive(job.id);
            self.unplaced.push((job.id, state));
        } else {
            self.wait(job.id, now);
        }
        self.forgive_unless_moved(job.id, state);
        self.done(now);
    }

    /// Nothing of this is news to the store, except a moment that came while nobody watched.
    fn forgive_unless_moved(&mut self, id: JobId, state: JobState) {
        if self.jobs.get(id).is_some_and(|it| it.state == state) {
            self.forgive(id);
        }
    }

    fn forgive(&mut self, id: JobId) {
        self.outbox.forgive(id);
        self.jobs[id].touched = false;
    }

    /// Every job is known: those that need what others may have wait for it now.
    pub fn place_restored(&mut self, now: Now) {
        self.hear(now);
        for (id, state) in std::mem::take(&mut self.unplaced) {
            if self.jobs.get(id).is_none_or(|job| job.state != JobState::Paused) {
                // It expired meanwhile, or was taken up by its runner.
                continue;
            }
            self.wait(id, now);
            self.forgive_unless_moved(id, state);
        }
        self.begin_schedules(now);
        self.done(now);
    }

    /// Tells the id of the next job, which is known only when every job of the store has been restored. No runner can have
    /// been heard before.
    pub fn begin(&mut self, next_job: JobId) {
        self.next_job = next_job;
    }

    /// Runners had links up to this number before: what may have been sent was on one of those.
    pub(crate) fn links_before(&mut self, newest: u64) {
        self.links_before = newest;
    }

    /// The fence of the next lease, above every fence before. When the term has no more, the next block is reserved in
    /// the batch that gives its first.
    pub(super) fn next_fence(&mut self) -> Fence {
        if self.fences.is_empty() {
            self.fences.end = self.fences.start + Term::BLOCK;
            self.outbox.change(Change::Reserve { fences: self.fences.end });
        }
        let fence = Fence(self.fences.start);
        self.fences.start += 1;
        fence
    }

    /// A runner speaks of a lease that is none. When its fence is yet to be given, the store is older than what it was
    /// given by, and everything beside it as well: fences go on above it.
    pub(super) fn hear_of(&mut self, Fence(fence): Fence) {
        if fence >= self.fences.start && fence < HEARD_END {
            self.fences.start = fence + 1;
            self.fences.end = self.fences.end.max(self.fences.start);
        }
    }

    /// Puts a job with its record into the table, in no place yet.
    pub(super) fn enter_known(&mut self, job: &Unfinished, now: Now) {
        let Status { host, due, attempts, failures, crashes, fence, kill, .. } = &job.status;
        let place = (host.as_deref(), self.queue_of(job, now));
        self.enter(job.id, &(&job.scheduling).into(), place, job.submitted_at, now);
        if let Some(key) = &job.scheduling.firing {
            self.hold_firing(job.id, key, now);
        }
        let it = &mut self.jobs[job.id];
        it.due = due.unwrap_or(Wall(0));
        (it.attempts, it.failures, it.crashes) = (*attempts, *failures, *crashes);
        (it.fence, it.kill) = (*fence, *kill);
        // Retried by hand after its time: that time does not end it again.
        if job.scheduling.expires.is_some_and(|at| at < it.due)
            && job.status.state != JobState::Scheduled
        {
            self.timers.unexpire(job.id, it.expires);
            it.expires = NEVER;
        }
        self.pauses.extend(job.status.paused.clone().map(|held| (job.id, held)));
        let runner = job.status.runner.as_ref().map(|name| self.hosts.hold(name));
        let to = job.status.moves_to.as_ref().and_then(|queue| self.queues.find(Some(queue)));
        let run = runner.map(|runner| Run { to, ..past(runner, &job.status) });
        self.jobs[job.id].run = run.map(Box::new);
    }

    /// A runner has it, as far as the store knows.
    fn adopt(&mut self, id: JobId, state: JobState, now: Now) {
        self.shift(id, state);
        let kill = self.jobs[id].kill;
        let is_doubted = self.jobs[id].fence.0 < self.doubted;
        let links_before = if is_doubted { u64::MAX } else { self.links_before };
        let run = self.jobs[id].run_mut();
        let kill = kill || run.to.is_some();
        let runner = run.runner;
        let sent = Sent { at: now.mono, beats: 0, link: links_before };
        run.sent = Some(sent);
        if kill && run.kill.is_none() {
            run.kill = Some(Order::Kill);
        }
        if !self.runners.contains(runner) {
            let name = self.hosts.name(runner).clone();
            self.hosts.hold(&name);
            self.runners.insert(runner);
            self.runners.set_deadline(runner, Some(now.mono + self.config.lease));
            self.look_at_runner(runner, now);
        }
        self.hold_slot(id, runner, now);
    }

    /// The runner has the job without a grant: the scheduler hears that it holds a slot, and whose.
    pub(super) fn hold_slot(&mut self, id: JobId, runner: u32, now: Now) {
        self.runners.insert(runner).leased.insert(id);
        let job = self.scheduled(id, now);
        let claims = self.jobs[id].claims.as_ref().map_or(&[][..], |claims| &claims.list);
        let at = (SupplierId(runner), HostId(runner));
        // What was leased by another clock than this one was so before now, however it was set.
        let leased_at = self.jobs[id].run.as_ref().map_or(now.wall, |run| run.leased_at);
        let since = Mono(now.mono.0.saturating_sub(now.wall.since(leased_at).0));
        self.scheduler.handle_adopt_claiming(
            job,
            claims,
            Some(self.arrival(id, now)),
            at,
            (since, now.mono),
        );
        self.place(now);
        self.look_at_holder(id, (self.jobs[id].queue, runner), now);
    }
}

/// What the record tells of the last attempt.
fn past(runner: u32, status: &Status) -> Run {
    Run {
        runner,
        leased_at: status.leased_at.unwrap_or_default(),
        sent: None,
        incarnation: status.incarnation,
        started_at: status.started_at,
        seen: false,
        lost: false,
        kill: status.kill_now.then_some(Order::KillNow),
        stop: status.stop,
        to: None,
        retry_at: Mono(0),
        returns: 0,
        finished_at: None,
        exit_status: status.exit_status,
        signal: status.signal,
    }
}

/// A driver of a term that takes a store's queues, schedules and jobs up where they are: `read` gives each of the jobs, and what the store
/// has beside them. `newest`: the number of the last link of any runner.
pub fn load<E>(
    config: &DriverConfig,
    term: &Term,
    (newest, seed): (u64, u64),
    (queues, schedules): (Vec<Queue>, Vec<KeptSchedule>),
    read: impl FnOnce(&mut dyn FnMut(Unfinished)) -> Result<Loaded, E>,
    now: Now,
) -> Result<(Driver, Loaded), E> {
    let mut driver = Driver::new(config.clone(), term, JobId(0), seed);
    driver.links_before(newest);
    driver.restore_queues(queues, now);
    driver.restore_schedules(schedules, now);
    let loaded = read(&mut |job| driver.restore(job, now))?;
    driver.begin(loaded.next_job);
    driver.place_restored(now);
    Ok((driver, loaded))
}
