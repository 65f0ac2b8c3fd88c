//! A child's answer, checked, as the client's reply.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use hyper::ext::ReasonPhrase;
use ostler_heads::http1::scan;
use ostler_job::Termination;
use ostler_machine::clock;
use ostler_pool::passing::Answer;
use ostler_wire::{Fields, message::is_reason_phrase};

use super::{
    forward::ForwardedJob,
    pieces::{Buffered, Streamed},
};
use crate::request::{
    Answered, Refusal, Reply, RequestRecord, Route, Source,
    reply_buffer::ReplyBuffer,
    respond::{has_no_body, told_length},
};

/// Fields of an app's answer; no client takes as many.
const FIELDS_MAX: usize = 1000;

/// Replies up to this size are not counted as memory: there are no more of them than requests.
const SMALL: usize = 16 << 10;

/// The app's answer, checked: a child's bytes are as foreign as a client's.
pub(super) fn from_child(
    record: &mut RequestRecord,
    route: &Route,
    job: ForwardedJob,
    answer: Answer,
) -> Answered {
    let status = StatusCode::from_u16(answer.status).map_err(|_| broken("status"))?;
    let (headers, reason) = app_headers(&answer.fields)?;
    let source = if answer.ended {
        check_length(&record.method, status, &headers, answer.first.len())?;
        record.ended = Some(clock::now());
        whole(record, route, job, answer.first)
    } else if has_no_body(&record.method, status) {
        // Nobody asks for the rest, and the app is let to its end all the same.
        tokio::spawn(job.let_end());
        record.ended = Some(clock::now());
        Source::Whole(None)
    } else if route.stream_response {
        Source::Pieces(Box::new(Streamed { first: Some(answer.first), job }))
    } else {
        Source::Pieces(Box::new(Buffered::begun(
            answer.first,
            job,
            ReplyBuffer::new(record, route),
        )))
    };
    Ok(Reply::new(status, headers, source, Termination::Ok).called(reason))
}

/// A reply that is there already: in memory, if it is small or there is room.
fn whole(record: &mut RequestRecord, route: &Route, job: ForwardedJob, reply: Bytes) -> Source {
    if reply.len() <= SMALL || record.method == Method::HEAD || record.hold(reply.len()) {
        return Source::Whole(Some(reply));
    }
    Source::Pieces(Box::new(Buffered::whole(reply, job, ReplyBuffer::new(record, route))))
}

fn broken(what: &'static str) -> Refusal {
    let mut refusal = Refusal::new(StatusCode::BAD_GATEWAY, Termination::Protocol)
        .because("the app gave no proper answer");
    refusal.detail = Bytes::from(format!("the app's answer has a malformed {what}"));
    refusal
}

fn app_headers(fields: &[u8]) -> Result<(HeaderMap, Option<ReasonPhrase>), Refusal> {
    let fields = Fields::parse(fields).map_err(|_| broken("head"))?;
    let mut headers = HeaderMap::with_capacity(8);
    let mut reason = None;
    for (name, value) in fields {
        if is_reason_phrase(name) {
            reason = Some(ReasonPhrase::try_from(value).map_err(|_| broken("reason phrase"))?);
            continue;
        }
        let name = HeaderName::from_bytes(name).map_err(|_| broken("header name"))?;
        // HTTP/1 forgives blanks around a value; HTTP/2 ends the stream, or the connection (RFC 9113 8.2.1).
        let value = HeaderValue::from_bytes(scan::trim(value));
        let value = value.map_err(|_| broken("header value"))?;
        if name == header::CONTENT_LENGTH {
            let digits = !value.is_empty() && value.as_bytes().iter().all(u8::is_ascii_digit);
            match headers.get(&name) {
                // The same twice is no question (RFC 9110 8.6).
                Some(told) if *told == value => continue,
                Some(_) => return Err(broken("Content-Length")),
                None if !digits => return Err(broken("Content-Length")),
                None => {}
            }
        }
        let full = headers.len() >= FIELDS_MAX;
        if !is_hop_by_hop(&name) && (full || headers.try_append(name, value).is_err()) {
            return Err(broken("head: too many fields"));
        }
    }
    Ok((headers, reason))
}

fn is_hop_by_hop(name: &HeaderName) -> bool {
    name == header::CONNECTION
        || name == header::TRANSFER_ENCODING
        || name == header::UPGRADE
        || name == header::TE
        || name == header::TRAILER
        || matches!(name.as_str(), "keep-alive" | "proxy-connection")
}

fn check_length(
    method: &Method,
    status: StatusCode,
    headers: &HeaderMap,
    len: usize,
) -> Result<(), Refusal> {
    let bodyless = method == Method::HEAD || status == StatusCode::NOT_MODIFIED;
    match told_length(headers) {
        Some(told) if !bodyless && told != len as u64 => Err(broken("Content-Length")),
        Some(_) | None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
