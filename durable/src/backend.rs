//! What the API asks, answered by delegation; that is all there is to say here.

use std::{fs::File, io, net::IpAddr, path::PathBuf, sync::Arc};

use ostler_api::backend::{
    Backend, BackendFuture, DoneSince, Forgotten, Full, Refusal, Revoked, RunnerView, Sink,
    SlotsSet, Unavailable,
};
use ostler_driver::{Answer, Explained, Figures, NewJob, QueueVerb, ScheduleVerb, Verb, Why};
use ostler_job::{
    JobId, Wall,
    durable::{
        Attempt, AttemptKey, Firing, Payload, Queue, QueueName, ScheduleName, ScheduleShape,
    },
};
use ostler_store::{CountQuery, Counts, Event, Job, Owner, Page, Query, Same, Token, Upload};
use tokio::sync::{broadcast, watch};

use ostler_machine::clock;

use super::{Jobs, failed};

/// Moments that a schedule which is tried tells.
const NEXT: usize = 5;

/// A payload on its way to the files.
struct Incoming(Upload);

impl Sink for Incoming {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write(bytes)
    }

    fn finish(self: Box<Self>) -> io::Result<Payload> {
        self.0.finish()
    }
}

impl Backend for Jobs {
    fn submit<'a>(
        &'a self,
        who: &'a str,
        key: Option<(String, String)>,
        jobs: Vec<NewJob>,
        all_or_none: bool,
    ) -> BackendFuture<'a, Vec<Answer>> {
        Box::pin(self.submit(who, key, jobs, all_or_none))
    }

    fn steer<'a>(
        &'a self,
        who: &'a str,
        verb: Verb,
        jobs: Vec<JobId>,
    ) -> BackendFuture<'a, Vec<Answer>> {
        Box::pin(self.steer(who, verb, jobs))
    }

    fn get(&self, jobs: Vec<JobId>) -> BackendFuture<'_, Vec<Job>> {
        Box::pin(async move { self.get(jobs).await.map_err(failed) })
    }

    fn query<'a>(&'a self, who: &'a str, query: Query) -> BackendFuture<'a, Page> {
        Box::pin(self.search(who, query))
    }

    fn count<'a>(&'a self, who: &'a str, query: CountQuery) -> BackendFuture<'a, Counts> {
        Box::pin(self.count(who, query))
    }

    fn whys(&self, jobs: Vec<JobId>) -> BackendFuture<'_, Vec<Option<Why>>> {
        Box::pin(self.whys(jobs))
    }

    fn explain(&self, job: JobId) -> BackendFuture<'_, Option<Explained>> {
        Box::pin(self.explain(job))
    }

    fn attempts(&self, job: JobId) -> BackendFuture<'_, Vec<Attempt>> {
        Box::pin(async move { self.read(move |store| store.attempts(job)).await.map_err(failed) })
    }

    fn keyed(&self, key: String) -> BackendFuture<'_, Option<(String, Vec<JobId>)>> {
        Box::pin(async move { self.read(move |store| store.keyed(&key)).await.map_err(failed) })
    }

    fn done_since(&self, kinds: Vec<DoneSince>) -> BackendFuture<'_, Vec<Option<JobId>>> {
        Box::pin(async move {
            let find = move |store: &dyn ostler_store::Store| {
                let one = |it: &DoneSince| {
                    let same = Same::of(&it.identity, it.content);
                    store.succeeded_since(&it.tenant, same, it.since)
                };
                kinds.iter().map(one).collect()
            };
            self.read(find).await.map_err(failed)
        })
    }

    fn tail(&self, after: u64, max: usize) -> BackendFuture<'_, Vec<Event>> {
        Box::pin(
            async move { self.read(move |store| store.tail(after, max)).await.map_err(failed) },
        )
    }

    fn backup<'a>(&'a self, who: &'a str, to: PathBuf) -> BackendFuture<'a, u64> {
        Box::pin(async move { self.backup(who, to).await })
    }

    fn watch(&self, job: JobId) -> watch::Receiver<u64> {
        self.watch(job)
    }

    fn events(&self) -> broadcast::Receiver<Arc<Event>> {
        self.events()
    }

    fn queue(&self, name: &QueueName) -> Option<Arc<Queue>> {
        self.queues.get(name)
    }

    fn queue_names(&self) -> Vec<QueueName> {
        self.queues.names()
    }

    fn look_queues(
        &self,
        queue: Option<QueueName>,
        tenant: Option<String>,
    ) -> BackendFuture<'_, Vec<Answer>> {
        Box::pin(self.look_queues(queue, tenant))
    }

    fn order_queue<'a>(
        &'a self,
        who: &'a str,
        queue: QueueName,
        verb: QueueVerb,
    ) -> BackendFuture<'a, Answer> {
        Box::pin(self.order_queue(who, queue, verb))
    }

    fn look_schedules(
        &self,
        schedule: Option<ScheduleName>,
        tenant: Option<String>,
        after: Option<ScheduleName>,
        max: usize,
    ) -> BackendFuture<'_, Vec<Answer>> {
        Box::pin(self.look_schedules(schedule, tenant, after, max))
    }

    fn order_schedule<'a>(
        &'a self,
        who: &'a str,
        tenant: Option<String>,
        schedule: ScheduleName,
        verb: ScheduleVerb,
    ) -> BackendFuture<'a, Answer> {
        Box::pin(self.order_schedule(who, tenant, schedule, verb))
    }

    fn firings(
        &self,
        schedule: ScheduleName,
        before: Option<Wall>,
        max: usize,
    ) -> BackendFuture<'_, Vec<Firing>> {
        Box::pin(self.firings(schedule, before, max))
    }

    fn fired_after(
        &self,
        schedule: ScheduleName,
        after: Wall,
        max: usize,
    ) -> BackendFuture<'_, Vec<Wall>> {
        Box::pin(self.fired_after(schedule, after, max))
    }

    fn check_schedule(
        &self,
        name: &ScheduleName,
        shape: &ScheduleShape,
    ) -> Result<Vec<Wall>, String> {
        let now = clock::wall_now();
        self.source.plan(name, shape, now).map(|plan| plan.coming(now, NEXT))
    }

    fn runners(&self) -> Vec<RunnerView> {
        self.runners()
    }

    fn drain<'a>(&'a self, who: &'a str, runner: &'a str, drain: bool) -> BackendFuture<'a, bool> {
        Box::pin(self.drain(who, runner, drain))
    }

    fn set_slots<'a>(
        &'a self,
        who: &'a str,
        runner: &'a str,
        slots: Option<u32>,
    ) -> BackendFuture<'a, SlotsSet> {
        Box::pin(self.set_slots(who, runner, slots))
    }

    fn forget_runner<'a>(
        &'a self,
        who: &'a str,
        runner: &'a str,
        at_once: bool,
    ) -> BackendFuture<'a, Forgotten> {
        Box::pin(self.forget_runner(who, runner, at_once))
    }

    fn token(&self, hash: &str) -> Option<Arc<Token>> {
        self.token(hash)
    }

    fn tokens(&self) -> Vec<Arc<Token>> {
        self.tokens()
    }

    fn knows_nobody(&self) -> Option<Unavailable> {
        self.knows_nobody()
    }

    fn put_token<'a>(&'a self, who: &'a str, token: Token) -> BackendFuture<'a, ()> {
        Box::pin(self.put_token(who, token))
    }

    fn create_token<'a>(&'a self, who: &'a str, token: Token) -> BackendFuture<'a, bool> {
        Box::pin(self.create_token(who, token))
    }

    fn token_over(&self, hash: String) -> Revoked {
        let jobs = self.clone();
        Box::pin(async move { Self::token_over(&jobs, &hash).await })
    }

    fn note_refusal(&self, why: Refusal, from: Option<IpAddr>) {
        self.note_refusal(why, from);
    }

    fn figures(&self) -> Figures {
        self.figures()
    }

    fn problem(&self) -> Option<String> {
        self.trouble()
    }

    fn size_blocking(&self) -> u64 {
        self.store.size() + self.files.size()
    }

    fn room_blocking(&self, tenant: &str, bytes: u64) -> Result<(), Full> {
        let checked = self.room.check(Owner::of(tenant), bytes);
        checked.inspect_err(|_| self.metrics.full("payload"))
    }

    fn upload_blocking(&self, tenant: &str) -> io::Result<Box<dyn Sink>> {
        Ok(Box::new(Incoming(self.files.upload(Owner::of(tenant))?)))
    }

    fn payload_blocking(&self, sha256: &str) -> io::Result<File> {
        self.files.payload(sha256)
    }

    fn keep_payload_blocking(&self, sha256: &str) -> io::Result<u64> {
        self.files.keep_payload(sha256)
    }

    fn own_payload_blocking(&self, payload: &Payload, tenant: &str) -> io::Result<()> {
        self.files.own_payload(&payload.sha256, tenant, payload.bytes)
    }

    fn owns_payload_blocking(&self, sha256: &str, tenant: &str) -> io::Result<bool> {
        self.files.owns_payload(sha256, tenant)
    }

    fn log_blocking(&self, key: AttemptKey, tenant: &str) -> io::Result<File> {
        self.files.log(key, Owner::of(tenant))
    }
}
