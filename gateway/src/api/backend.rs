//! What the API asks of the rest of the gateway, as one narrow trait, so that the whole router is tested against a model.
//!
//! [`Jobs`] implements it by delegation, and that is all there is to say here.

use std::{fs::File, io, net::IpAddr, path::PathBuf, pin::Pin, sync::Arc};

use ostler_driver::{Answer, Figures, NewJob, Verb};
use ostler_job::{
    JobId, Wall,
    durable::{Attempt, AttemptKey, Payload},
};
use ostler_store::{Event, Job, Owner, Page, Query, Same, StoreError, Token, Upload};
use tokio::sync::{broadcast, watch};

use super::guard::Over;
use crate::jobs::{Forgotten, Full, Jobs, Refusal, RunnerView, Unavailable};

/// An answer that takes a while.
pub(crate) type Soon<'a, T> = Pin<Box<dyn Future<Output = Result<T, Unavailable>> + Send + 'a>>;

/// Of which jobs the newest success is wanted: whose, the same as what, since when.
#[derive(Clone, Debug)]
pub(crate) struct DoneSince {
    pub(crate) tenant: String,
    pub(crate) identity: String,
    pub(crate) content: Option<u64>,
    pub(crate) since: Wall,
}

/// See the module. Methods that end in `_blocking` may not be called on a runtime's thread.
pub(crate) trait Backend: Send + Sync + 'static {
    fn submit<'a>(
        &'a self,
        who: &'a str,
        key: Option<(String, String)>,
        jobs: Vec<NewJob>,
        all_or_none: bool,
    ) -> Soon<'a, Vec<Answer>>;
    fn steer<'a>(&'a self, who: &'a str, verb: Verb, jobs: Vec<JobId>) -> Soon<'a, Vec<Answer>>;
    /// These jobs, in this order, as far as they exist.
    fn get(&self, jobs: Vec<JobId>) -> Soon<'_, Vec<Job>>;
    /// A page for somebody; it may be partial.
    fn query<'a>(&'a self, who: &'a str, query: Query) -> Soon<'a, Page>;
    /// The attempts that are over, oldest first.
    fn attempts(&self, job: JobId) -> Soon<'_, Vec<Attempt>>;
    fn keyed(&self, key: String) -> Soon<'_, Option<(String, Vec<JobId>)>>;
    fn done_since(&self, kinds: Vec<DoneSince>) -> Soon<'_, Vec<Option<JobId>>>;
    fn tail(&self, after: u64, max: usize) -> Soon<'_, Vec<Event>>;
    /// Writes a copy of the store to a file, tells its size, and puts it on record.
    fn backup<'a>(&'a self, who: &'a str, to: PathBuf) -> Soon<'a, u64>;
    fn watch(&self, job: JobId) -> watch::Receiver<u64>;
    fn events(&self) -> broadcast::Receiver<Arc<Event>>;
    fn runners(&self) -> Vec<RunnerView>;
    fn drain<'a>(&'a self, who: &'a str, runner: &'a str, drain: bool) -> Soon<'a, bool>;
    fn forget_runner<'a>(&'a self, who: &'a str, runner: &'a str) -> Soon<'a, Forgotten>;
    fn token(&self, hash: &str) -> Option<Arc<Token>>;
    fn tokens(&self) -> Vec<Arc<Token>>;
    /// Keeps a token that is changed.
    fn put_token<'a>(&'a self, who: &'a str, token: Token) -> Soon<'a, ()>;
    /// Keeps a new one; `false`: its name is taken.
    fn create_token<'a>(&'a self, who: &'a str, token: Token) -> Soon<'a, bool>;
    /// Returns when the token of a hash lets nobody in any more.
    fn token_over(&self, hash: String) -> Over;
    /// A request was refused for want of a right.
    fn note_refusal(&self, why: Refusal, from: Option<IpAddr>);
    fn figures(&self) -> Figures;
    /// Why no jobs are taken at present.
    fn problem(&self) -> Option<String>;
    /// Bytes of the store and the files beside it.
    fn size_blocking(&self) -> u64;
    /// Whether a tenant's payloads may take so many bytes more.
    fn room_blocking(&self, tenant: &str, bytes: u64) -> Result<(), Full>;
    fn upload_blocking(&self, tenant: &str) -> io::Result<Box<dyn Sink>>;
    fn payload_blocking(&self, sha256: &str) -> io::Result<File>;
    /// The size of a payload that a job is about to name: it stays until the job is stored.
    fn keep_payload_blocking(&self, sha256: &str) -> io::Result<u64>;
    /// A token of this tenant uploaded it, as it is.
    fn own_payload_blocking(&self, payload: &Payload, tenant: &str) -> io::Result<()>;
    /// Whether one did.
    fn owns_payload_blocking(&self, sha256: &str, tenant: &str) -> io::Result<bool>;
    fn log_blocking(&self, key: AttemptKey, tenant: &str) -> io::Result<File>;
}

/// A payload that is being written; dropped before it is finished, it leaves nothing.
pub(crate) trait Sink: Send {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()>;
    fn finish(self: Box<Self>) -> io::Result<Payload>;
}

impl Sink for Upload {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        Self::write(self, bytes)
    }

    fn finish(self: Box<Self>) -> io::Result<Payload> {
        Self::finish(*self)
    }
}

fn unavailable(error: StoreError) -> Unavailable {
    Unavailable(error.to_string())
}

impl Backend for Jobs {
    fn submit<'a>(
        &'a self,
        who: &'a str,
        key: Option<(String, String)>,
        jobs: Vec<NewJob>,
        all_or_none: bool,
    ) -> Soon<'a, Vec<Answer>> {
        Box::pin(self.submit(who, key, jobs, all_or_none))
    }

    fn steer<'a>(&'a self, who: &'a str, verb: Verb, jobs: Vec<JobId>) -> Soon<'a, Vec<Answer>> {
        Box::pin(self.steer(who, verb, jobs))
    }

    fn get(&self, jobs: Vec<JobId>) -> Soon<'_, Vec<Job>> {
        Box::pin(async move { self.get(jobs).await.map_err(unavailable) })
    }

    fn query<'a>(&'a self, who: &'a str, query: Query) -> Soon<'a, Page> {
        Box::pin(self.search(who, query))
    }

    fn attempts(&self, job: JobId) -> Soon<'_, Vec<Attempt>> {
        Box::pin(
            async move { self.read(move |store| store.attempts(job)).await.map_err(unavailable) },
        )
    }

    fn keyed(&self, key: String) -> Soon<'_, Option<(String, Vec<JobId>)>> {
        Box::pin(
            async move { self.read(move |store| store.keyed(&key)).await.map_err(unavailable) },
        )
    }

    fn done_since(&self, kinds: Vec<DoneSince>) -> Soon<'_, Vec<Option<JobId>>> {
        Box::pin(async move {
            let find = move |store: &dyn ostler_store::Store| {
                let one = |it: &DoneSince| {
                    let same = Same::of(&it.identity, it.content);
                    store.succeeded_since(&it.tenant, same, it.since)
                };
                kinds.iter().map(one).collect()
            };
            self.read(find).await.map_err(unavailable)
        })
    }

    fn tail(&self, after: u64, max: usize) -> Soon<'_, Vec<Event>> {
        Box::pin(async move {
            self.read(move |store| store.tail(after, max)).await.map_err(unavailable)
        })
    }

    fn backup<'a>(&'a self, who: &'a str, to: PathBuf) -> Soon<'a, u64> {
        Box::pin(async move { self.backup(who, to).await })
    }

    fn watch(&self, job: JobId) -> watch::Receiver<u64> {
        self.watch(job)
    }

    fn events(&self) -> broadcast::Receiver<Arc<Event>> {
        self.events()
    }

    fn runners(&self) -> Vec<RunnerView> {
        self.runners()
    }

    fn drain<'a>(&'a self, who: &'a str, runner: &'a str, drain: bool) -> Soon<'a, bool> {
        Box::pin(self.drain(who, runner, drain))
    }

    fn forget_runner<'a>(&'a self, who: &'a str, runner: &'a str) -> Soon<'a, Forgotten> {
        Box::pin(self.forget_runner(who, runner))
    }

    fn token(&self, hash: &str) -> Option<Arc<Token>> {
        self.token(hash)
    }

    fn tokens(&self) -> Vec<Arc<Token>> {
        self.tokens()
    }

    fn put_token<'a>(&'a self, who: &'a str, token: Token) -> Soon<'a, ()> {
        Box::pin(self.put_token(who, token))
    }

    fn create_token<'a>(&'a self, who: &'a str, token: Token) -> Soon<'a, bool> {
        Box::pin(self.create_token(who, token))
    }

    fn token_over(&self, hash: String) -> Over {
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
        Ok(Box::new(self.files.upload(Owner::of(tenant))?))
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
