//! Waits for many jobs: progress while they run, a summary when they have finished.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{IsTerminal as _, Write as _, stderr},
    process::ExitCode,
    time::{Duration, Instant},
};

use super::{
    output::{Format, Pages},
    table::{Cell, Look, draw, left, right},
    view::{JobView, Page, tone},
};
use crate::{client::Client, failure::Failure, terminal::put};

/// Ids of one request: their list must fit a request head.
const CHUNK: usize = 200;
const PAUSE: Duration = Duration::from_millis(250);
/// How long a gateway may be gone.
const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until all of them have finished; gives 1 when one of them failed.
pub(crate) async fn wait(
    client: &Client,
    ids: &[u64],
    format: Format,
) -> Result<ExitCode, Failure> {
    let mut batch = Batch { open: ids.iter().copied().collect(), ..Batch::default() };
    let mut heard = Instant::now();
    loop {
        match batch.look(client).await {
            Ok(()) => heard = Instant::now(),
            Err(failure) if failure.is_unavailable() && heard.elapsed() < PATIENCE => {}
            Err(failure) => return Err(failure),
        }
        batch.show();
        if batch.open.is_empty() {
            break;
        }
        tokio::time::sleep(PAUSE).await;
    }
    batch.end_of_progress();
    batch.summary(format)?;
    let failed = batch.done.values().any(|job| job.state != "succeeded") || batch.gone > 0;
    Ok(if failed { ExitCode::from(1) } else { ExitCode::SUCCESS })
}

#[derive(Debug, Default)]
struct Batch {
    open: BTreeSet<u64>,
    done: BTreeMap<u64, JobView>,
    running: usize,
    /// Deleted by somebody meanwhile.
    gone: usize,
    shown: bool,
}

impl Batch {
    async fn look(&mut self, client: &Client) -> Result<(), Failure> {
        self.running = 0;
        let open: Vec<u64> = self.open.iter().copied().collect();
        for ids in open.chunks(CHUNK) {
            let list = ids.iter().map(u64::to_string).collect::<Vec<_>>().join(",");
            let page: Page = client.get(&format!("/v1/jobs?id={list}&limit={CHUNK}")).await?;
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
            self.gone += missing.len();
            self.open.retain(|id| !missing.contains(id));
        }
        Ok(())
    }

    fn failed(&self) -> usize {
        self.done.values().filter(|job| job.state != "succeeded").count()
    }

    fn show(&mut self) {
        if !stderr().is_terminal() {
            return;
        }
        let all = self.open.len() + self.done.len() + self.gone;
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
        if self.gone > 0 {
            counts.insert("deleted", self.gone);
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
