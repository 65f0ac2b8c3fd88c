//! Sends a body that did not fit into the REQ frame, once the job has a child.

use std::{future::poll_fn, sync::Arc};

use bytes::Bytes;
use http::StatusCode;
use ostler_job::Termination;
use ostler_pool::{
    carrier::{Assignment, Passing},
    passing::Failure,
};
use ostler_wire::Reset;

use crate::request::{
    Upload,
    spool::{self, Body, BodyError, SpoolFile},
};

/// Bytes read from a spool file at a time.
const READ: usize = 256 << 10;

/// What is to be sent; a body that streams can be sent once.
#[derive(Debug)]
pub(super) enum Rest {
    Nothing,
    Memory(Bytes),
    File(Arc<SpoolFile>),
    Stream { body: Option<Upload>, limit: std::time::Duration, bytes_max: u64 },
}

impl Rest {
    pub(super) fn new(body: Body, more: bool, limit: std::time::Duration, bytes_max: u64) -> Self {
        match body {
            Body::Memory(_) if !more => Self::Nothing,
            Body::Memory(bytes) => Self::Memory(bytes),
            Body::File(file) => Self::File(file),
            Body::Stream(body, _) => Self::Stream { body: Some(body), limit, bytes_max },
        }
    }

    /// Starts sending to the child, beside whatever else the request's task does.
    pub(super) fn start(&mut self, passing: &Arc<Passing>, assignment: Assignment) -> Sending {
        let passing = passing.clone();
        let task = match self {
            Self::Nothing => return Sending(None),
            Self::Memory(bytes) => {
                let mut bytes = bytes.clone();
                tokio::spawn(async move {
                    // An error means that the stream is gone, which the request's task learns by itself.
                    let _ = send(&assignment, &mut bytes, true).await;
                })
            }
            Self::File(file) => tokio::spawn(send_file(passing, assignment, file.clone())),
            Self::Stream { body, limit, bytes_max } => match body.take() {
                Some(body) => {
                    tokio::spawn(send_stream(passing, assignment, body, *limit, *bytes_max))
                }
                None => {
                    // The first child took the body and gave the job back; it cannot be had again.
                    give_up(&passing, &assignment, Failure::from(Termination::ChildDied));
                    return Sending(None);
                }
            },
        };
        Sending(Some(task))
    }
}

/// A running pump; it ends with the job.
#[derive(Debug)]
pub(super) struct Sending(Option<tokio::task::JoinHandle<()>>);

impl Sending {
    pub(super) const NONE: Self = Self(None);
}

impl Drop for Sending {
    fn drop(&mut self) {
        if let Some(task) = &self.0 {
            task.abort();
        }
    }
}

async fn send(assignment: &Assignment, bytes: &mut Bytes, end: bool) -> Result<(), ()> {
    poll_fn(|cx| assignment.carrier.poll_send(cx, assignment.stream, bytes, end)).await
}

async fn send_file(passing: Arc<Passing>, assignment: Assignment, file: Arc<SpoolFile>) {
    let mut offset = 0;
    while offset < file.len() {
        match file.clone().read(offset, READ).await {
            Ok(mut bytes) => {
                offset += bytes.len() as u64;
                let end = offset == file.len();
                if send(&assignment, &mut bytes, end).await.is_err() {
                    return;
                }
            }
            Err(error) => {
                let detail = Bytes::from(format!("cannot read the spooled body: {error}"));
                give_up(
                    &passing,
                    &assignment,
                    Failure { termination: Termination::Overload, detail },
                );
                return;
            }
        }
    }
}

async fn send_stream(
    passing: Arc<Passing>,
    assignment: Assignment,
    mut body: Upload,
    limit: std::time::Duration,
    bytes_max: u64,
) {
    let mut sent = 0;
    while let Some(piece) = spool::next_piece(&mut body, limit).await {
        let failed = match piece {
            Err(BodyError::Timeout) => Termination::BodyTimeout,
            Err(BodyError::Client(error)) if spool::is_malformed(&error) => Termination::BadRequest,
            Err(BodyError::Client(_)) => Termination::BodyAborted,
            Ok(piece) if sent + piece.len() as u64 > bytes_max => Termination::BodyTooLarge,
            Ok(mut piece) => {
                sent += piece.len() as u64;
                if send(&assignment, &mut piece, false).await.is_err() {
                    return;
                }
                continue;
            }
        };
        give_up(&passing, &assignment, Failure::from(failed));
        return;
    }
    let _ = send(&assignment, &mut Bytes::new(), true).await;
}

/// The child must not take half a body for a whole one.
fn give_up(passing: &Arc<Passing>, assignment: &Assignment, failure: Failure) {
    passing.fail(failure);
    assignment.carrier.reset(assignment.stream, Reset::ClientGone);
}

/// What a body that broke off means for the client.
pub(super) fn status(termination: Termination) -> StatusCode {
    match termination {
        Termination::BodyTimeout => StatusCode::REQUEST_TIMEOUT,
        Termination::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        Termination::BodyAborted
        | Termination::BadRequest
        | Termination::Ok
        | Termination::Answered
        | Termination::NoRoute
        | Termination::GoneWaiting
        | Termination::GoneRunning
        | Termination::GoneReading
        | Termination::QueueFull
        | Termination::TenantFull
        | Termination::QueueTimeout
        | Termination::Deadline
        | Termination::AppFailed
        | Termination::Quarantined
        | Termination::NoRunner
        | Termination::AppError
        | Termination::AppAborted
        | Termination::ChildDied
        | Termination::Protocol
        | Termination::Overload => StatusCode::BAD_REQUEST,
    }
}
