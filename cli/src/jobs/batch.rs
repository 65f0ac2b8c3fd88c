//! Waits for many jobs: progress while they run, a summary when they have finished.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{IsTerminal as _, Write as _, stderr},
    process::ExitCode,
    time::{Duration, Instant},
};

use tokio::time::timeout;

use super::{
    output::{Format, Pages},
    patience::{Patience, WAITING},
    table::{Cell, Look, draw, left, right},
    view::{JobView, Page, tone},
};
use crate::{
    client::Client,
    failure::{self, Failure},
    terminal::{note, put, say},
};

/// Ids of one request: their list must fit a request head.
const CHUNK: usize = 200;
/// Between two looks.
pub(crate) const PAUSE: Duration = Duration::from_millis(250);
/// One that says nothing for so long has died without a word.
const SILENCE: Duration = Duration::from_secs(45);

/// Waits until all of them have finished; gives 1 when one of them failed.
pub(crate) async fn wait(
    client: &Client,
    ids: &[u64],
    format: Format,
) -> Result<ExitCode, Failure> {
    let mut batch = Batch::of(ids);
    batch.finish(client).await?;
    batch.told(format)
}

/// The same, for jobs that somebody named: all of them must be there.
pub(crate) async fn wait_for_named(
    client: &Client,
    ids: &[u64],
    format: Format,
) -> Result<ExitCode, Failure> {
    let mut batch = Batch::of(ids);
    batch.look_patiently(client).await?;
    if !batch.gone.is_empty() {
        return Err(batch.missing());
    }
    batch.finish(client).await?;
    batch.told(format)
}

/// Waits until one of them has finished, and gives all that have by then. Jobs that somebody named must be there.
pub(crate) async fn wait_for_any(
    client: &Client,
    ids: &[u64],
    named: bool,
) -> Result<Vec<JobView>, Failure> {
    let mut batch = Batch { is_quiet: true, ..Batch::of(ids) };
    let mut begun = Instant::now();
    batch.look_patiently(client).await?;
    if named && !batch.gone.is_empty() {
        return Err(batch.missing());
    }
    while batch.done.is_empty() && !batch.open.is_empty() {
        tokio::time::sleep(pause_after(begun)).await;
        begun = Instant::now();
        batch.look_patiently(client).await?;
    }
    // All of them were deleted.
    if batch.done.is_empty() {
        Err(batch.missing())
    } else {
        Ok(batch.done.into_values().collect())
    }
}

/// Waits for one, and gives it as it is then.
pub(crate) async fn wait_for_one(client: &Client, id: u64) -> Result<JobView, Failure> {
    let mut batch = Batch { is_quiet: true, ..Batch::of(&[id]) };
    batch.look_patiently(client).await?;
    batch.finish(client).await?;
    batch.done.remove(&id).ok_or_else(|| batch.missing())
}

/// Ctrl-C ends the waiting, and not what is waited for.
pub(crate) async fn interrupted(
    waiting: impl Future<Output = Result<ExitCode, Failure>>,
    told: &str,
) -> Result<ExitCode, Failure> {
    tokio::select! {
        ended = waiting => ended,
        _ = tokio::signal::ctrl_c() => {
            if stderr().is_terminal() {
                // Below the ^C.
                say("");
            }
            note(told);
            Ok(ExitCode::from(130))
        }
    }
}

/// A long list is looked at less often, so that it costs no more than a part of the gateway's time.
fn pause_after(begun: Instant) -> Duration {
    PAUSE.max(begun.elapsed() * 10)
}

/// A page of jobs, or word that there is none to be had now.
pub(crate) async fn page(client: &Client, path: &str) -> Result<Page, Failure> {
    let silent = |_| Failure::unavailable(format!("{} fell silent", client.whom()));
    timeout(SILENCE, client.get(path)).await.map_err(silent)?
}

#[derive(Debug, Default)]
struct Batch {
    open: BTreeSet<u64>,
    done: BTreeMap<u64, JobView>,
    running: usize,
    /// Deleted by somebody meanwhile, or never there.
    gone: BTreeSet<u64>,
    shown: bool,
    /// Shows no progress.
    is_quiet: bool,
}

impl Batch {
    fn of(ids: &[u64]) -> Self {
        Self { open: ids.iter().copied().collect(), ..Self::default() }
    }

    /// Looks again and again until all of them have finished.
    async fn finish(&mut self, client: &Client) -> Result<(), Failure> {
        while !self.open.is_empty() {
            let begun = Instant::now();
            self.look_patiently(client).await?;
            self.show();
            if !self.open.is_empty() {
                tokio::time::sleep(pause_after(begun)).await;
            }
        }
        Ok(())
    }

    /// Looks once, however often that must be tried.
    async fn look_patiently(&mut self, client: &Client) -> Result<(), Failure> {
        let mut patience = Patience::new(WAITING);
        while let Err(failure) = self.look(client).await {
            patience.bear(client, failure)?;
            tokio::time::sleep(PAUSE).await;
        }
        Ok(())
    }

    /// The summary, and the exit code.
    fn told(&self, format: Format) -> Result<ExitCode, Failure> {
        self.end_of_progress();
        self.summary(format)?;
        let failed = self.failed() > 0 || !self.gone.is_empty();
        Ok(if failed { ExitCode::from(1) } else { ExitCode::SUCCESS })
    }

    fn missing(&self) -> Failure {
        let lines = self
            .gone
            .iter()
            .map(|id| format!("there is no job {id}; `ostler list` shows those there are"));
        let lines = lines.collect();
        Failure::with(failure::NOT_FOUND, lines)
    }

    async fn look(&mut self, client: &Client) -> Result<(), Failure> {
        self.running = 0;
        let open: Vec<u64> = self.open.iter().copied().collect();
        for ids in open.chunks(CHUNK) {
            let list = ids.iter().map(u64::to_string).collect::<Vec<_>>().join(",");
            let page = page(client, &format!("/v1/jobs?id={list}&limit={CHUNK}")).await?;
            let mut missing: BTreeSet<u64> = ids.iter().copied().collect();
            for job in page.jobs {
                missing.remove(&job.id);
                if job.is_finished() {
                    self.open.remove(&job.id);
                    self.done.insert(job.id, job);
                } else {
                    self.running += usize::from(job.state == "running");
                }
            }
            // A page that came back early says nothing of the others.
            if !page.partial {
                self.open.retain(|id| !missing.contains(id));
                self.gone.append(&mut missing);
            }
        }
        Ok(())
    }

    fn failed(&self) -> usize {
        self.done.values().filter(|job| job.state != "succeeded").count()
    }

    fn show(&mut self) {
        if self.is_quiet || !stderr().is_terminal() {
            return;
        }
        let all = self.open.len() + self.done.len() + self.gone.len();
        let (done, failed) = (self.done.len(), self.failed());
        let line = format!("{done} of {all} done, {failed} failed, {} running", self.running);
        let _ = write!(stderr().lock(), "\r{line}\x1b[K");
        self.shown = true;
    }

    fn end_of_progress(&self) {
        if self.shown {
            let _ = writeln!(stderr().lock());
        }
    }

    fn summary(&self, format: Format) -> Result<(), Failure> {
        let jobs: Vec<&JobView> = self.done.values().collect();
        if format != Format::Table {
            let mut pages = Pages::new(format);
            pages.page(&jobs, |_| String::new())?;
            return pages.end();
        }
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for job in &jobs {
            *counts.entry(job.state.as_str()).or_default() += 1;
        }
        if !self.gone.is_empty() {
            counts.insert("deleted", self.gone.len());
        }
        let rows: Vec<Vec<Cell>> = counts
            .into_iter()
            .map(|(state, count)| vec![Cell::toned(state, tone(state)), count.to_string().into()])
            .collect();
        let look = Look::of_stdout();
        put(draw(&[left("STATE"), right("JOBS")], &rows, look))?;
        let failed: Vec<Vec<Cell>> = jobs
            .into_iter()
            .filter(|job| job.state != "succeeded")
            .map(|job| {
                vec![
                    job.id.to_string().into(),
                    Cell::toned(job.state.as_str(), tone(&job.state)),
                    job.ending().into(),
                    job.title().into(),
                ]
            })
            .collect();
        if failed.is_empty() {
            return Ok(());
        }
        let columns = [right("ID"), left("STATE"), left("EXIT"), left("COMMAND")];
        put("\n".to_owned() + &draw(&columns, &failed, look))
    }
}
