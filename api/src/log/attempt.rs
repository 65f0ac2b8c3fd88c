//! The log of one attempt: found, opened, and how much of it is there.

use std::{io, sync::Arc};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use ostler_job::durable::{Attempt, AttemptKey, Job};
use tokio::time::{Duration, Instant};

use super::{
    chunks::{Layout, Which},
    source::Source,
};
use crate::{
    Api, body,
    problem::{Kind, Problem},
};

/// How long a reader waits for more of a log whose attempt is over; its runner may be gone with the rest.
const REST: Duration = Duration::from_secs(10);

/// The log of one attempt, as far as it is there.
#[derive(Clone, Debug)]
pub(super) struct AttemptLog {
    pub(super) number: u32,
    pub(super) source: Source,
    /// It is over, and its log has so many bytes.
    pub(super) ends_at: Option<u64>,
    /// Bytes that the command wrote, when it is over.
    written: u64,
}

/// What of an attempt's output is not there, though the attempt is over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Missing {
    pub(super) bytes: u64,
    /// They may still come from its runner; else they were not kept.
    pub(super) waits: bool,
}

impl AttemptLog {
    /// What is missing of it, when so many bytes of both streams are there.
    pub(super) fn missing(&self, there: u64) -> Missing {
        let Some(end) = self.ends_at else { return Missing::default() };
        let waiting = end.saturating_sub(self.source.len());
        let bytes = self.written.saturating_sub(there).max(waiting);
        Missing { bytes, waits: waiting > 0 }
    }
}

/// What the headers of a log tell.
pub(super) async fn layout(source: &Source, which: Which) -> Result<Layout, Problem> {
    let source = source.clone();
    body::blocking(move || Layout::of(&source, which)).await?.map_err(unreadable)
}

pub(super) fn unreadable(error: io::Error) -> Problem {
    Problem::internal(format!("cannot read the log: {error}"))
}

/// The log of an attempt of a job, the last one unless a number is given. `None`: there is no attempt yet.
pub(super) async fn open(
    api: &Api,
    job: &Job,
    number: Option<u32>,
) -> Result<Option<AttemptLog>, Problem> {
    let last = job.status.attempts;
    let number = number.unwrap_or(last);
    if number == 0 && last == 0 {
        return Ok(None);
    }
    let over = api.backend().attempts(job.id).await?;
    if let Some(attempt) = over.iter().rev().find(|attempt| attempt.key.attempt == number) {
        return finished(api, job, attempt).await.map(Some);
    }
    if number != last || number == 0 {
        return Err(no_attempt(job, number));
    }
    let key = AttemptKey { job: job.id, attempt: number, fence: job.status.fence };
    let source = file(api, job, key).await?;
    Ok(Some(AttemptLog { number, source, ends_at: None, written: 0 }))
}

/// The same for somebody who reads it once: of an attempt that is over, when all of it has come from its runner, or nothing more
/// comes of it.
pub(super) async fn open_whole(
    api: &Api,
    job: &Job,
    number: Option<u32>,
) -> Result<Option<AttemptLog>, Problem> {
    let mut watch = api.backend().watch(job.id);
    let (mut here, mut until) = (0, Instant::now() + REST);
    loop {
        watch.mark_unchanged();
        let Some(log) = open(api, job, number).await? else { return Ok(None) };
        let len = log.source.len();
        let missing = log.ends_at.map_or(0, |end| end.saturating_sub(len));
        if len > here {
            (here, until) = (len, Instant::now() + REST);
        }
        if missing == 0 || Instant::now() >= until {
            return Ok(Some(log));
        }
        tokio::select! {
            changed = watch.changed() => if changed.is_err() { return Ok(Some(log)) },
            () = tokio::time::sleep_until(until) => {}
            () = api.draining() => return Ok(Some(log)),
        }
    }
}

fn no_attempt(job: &Job, number: u32) -> Problem {
    let there = match job.status.attempts {
        0 => "it has had none yet".to_owned(),
        last => format!("it has had {last}"),
    };
    Problem::new(Kind::NotFound, format!("job {} has no attempt {number}; {there}", job.id))
}

async fn finished(api: &Api, job: &Job, attempt: &Attempt) -> Result<AttemptLog, Problem> {
    let number = attempt.key.attempt;
    let source = match &attempt.log.whole {
        Some(text) => {
            let bytes = STANDARD.decode(text).map_err(|error| {
                Problem::internal(format!("the log in the record is damaged: {error}"))
            })?;
            Source::Whole(Bytes::from(bytes))
        }
        None => file(api, job, attempt.key).await?,
    };
    let ends_at = Some(attempt.log.file.max(if let Source::Whole(it) = &source {
        it.len() as u64
    } else {
        0
    }));
    Ok(AttemptLog { number, source, ends_at, written: attempt.log.written })
}

async fn file(api: &Api, job: &Job, key: AttemptKey) -> Result<Source, Problem> {
    let (backend, tenant) = (api.share(), job.spec.tenant.clone());
    match body::blocking(move || backend.log_blocking(key, &tenant)).await? {
        Ok(file) => Ok(Source::File(Arc::new(file))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Source::Nothing),
        Err(error) => Err(Problem::internal(format!("cannot open the log: {error}"))),
    }
}
