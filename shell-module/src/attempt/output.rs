//! What the command writes: read, kept, and reported while it grows.

use std::future::pending;

use ostler_job::durable::Report;
use tokio::task::{JoinHandle, spawn_blocking};

use super::{DRAIN_MAX, LOG_PAUSE, READ_CHUNK, Running, in_future};
use crate::log::Batch;

impl Running {
    /// Reads what has come, at most so much of each pipe.
    pub(super) fn read_outputs(&mut self, max: usize) {
        let mut buffer = [0; READ_CHUNK];
        for (output, stream) in self.outputs.iter_mut().zip(1..) {
            let mut left = max;
            while left > 0
                && let Some(pipe) = output
            {
                match pipe.try_read(&mut buffer) {
                    Ok(0) => *output = None,
                    Ok(read) => {
                        self.log.borrow_mut().append(stream, &buffer[..read]);
                        left = left.saturating_sub(read);
                    }
                    Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
                    Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => break,
                    Err(_) => *output = None,
                }
            }
        }
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
        let mut drained = 0;
        while drained < DRAIN_MAX {
            let before = self.log.borrow().written();
            self.read_outputs(READ_CHUNK);
            if self.log.borrow().written() == before {
                break;
            }
            drained += READ_CHUNK;
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
