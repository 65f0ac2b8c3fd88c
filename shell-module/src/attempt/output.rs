//! What the command writes: read, kept, and reported while it grows.

use std::future::pending;

use ostler_job::durable::Report;
use tokio::task::{JoinHandle, spawn_blocking};

use super::{DRAIN_MAX, LOG_PAUSE, Running, in_future};
use crate::log::Batch;

impl Running {
    /// Reads what has come.
    pub(super) fn read_outputs(&mut self, at_once: bool) {
        let Self { outputs, log, .. } = self;
        outputs.read(at_once, |stream, bytes| log.borrow_mut().append(stream, bytes));
        if self.log_due.is_none() {
            self.log_due = in_future(LOG_PAUSE);
        }
    }

    /// Begins to write what waits, unless a write is under way.
    pub(super) fn write_log(&mut self) {
        if self.writing.is_none()
            && let Some(batch) = self.log.borrow_mut().take_batch()
        {
            self.writing = Some(spawn_blocking(move || batch.write()));
        }
    }

    pub(super) fn note_written(&mut self, batch: Option<Batch>) {
        self.writing = None;
        if let Some(batch) = batch {
            self.log.borrow_mut().put_back(batch);
        }
        if self.log_due.is_none() && self.log.borrow().length() > self.reported {
            self.log_due = in_future(LOG_PAUSE);
        }
    }

    pub(super) fn report_log(&mut self) {
        let bytes = self.log.borrow().length();
        if bytes > self.reported {
            self.reported = bytes;
            self.observer.observe(Report::Log { key: self.key, bytes });
        }
    }

    /// Takes what is left in the pipes, without waiting for their end, and writes everything.
    pub(super) async fn finish_log(&mut self) {
        if let Some(batch) = written_now(&mut self.writing).await {
            self.log.borrow_mut().put_back(batch);
        }
        let begin = self.log.borrow().written();
        loop {
            let before = self.log.borrow().written();
            self.read_outputs(true);
            let now = self.log.borrow().written();
            if now == before || now - begin >= DRAIN_MAX {
                break;
            }
            self.write_log();
            if let Some(batch) = written_now(&mut self.writing).await {
                self.log.borrow_mut().put_back(batch);
            }
        }
        self.write_log();
        if let Some(batch) = written_now(&mut self.writing).await {
            self.log.borrow_mut().put_back(batch);
        }
        self.log.borrow_mut().close();
    }
}

/// The batch that was written; `None` when the writer panicked, which takes its bytes along.
pub(super) async fn written(writing: &mut Option<JoinHandle<Batch>>) -> Option<Batch> {
    match writing {
        Some(handle) => handle.await.ok(),
        None => pending().await,
    }
}

async fn written_now(writing: &mut Option<JoinHandle<Batch>>) -> Option<Batch> {
    writing.take()?.await.ok()
}
