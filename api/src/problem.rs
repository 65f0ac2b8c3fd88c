//! Problem details (RFC 9457): the one form of every error of the API.

use std::fmt;

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use ostler_job::JobId;
use serde::Serialize;
use utoipa::ToSchema;

use crate::backend::Unavailable;

/// Where a problem's type is described.
pub(crate) const TYPES: &str = "https://ostler.dev/problems/";
pub(crate) const PROBLEM_JSON: &str = "application/problem+json";

macro_rules! kinds {
    ($($(#[$doc:meta])* $variant:ident = $name:literal, $status:ident, $title:literal;)*) => {
        /// What kind of problem it is; the names are stable.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Kind { $($(#[$doc])* $variant,)* }

        impl Kind {
            /// Every one.
            pub(crate) const ALL: &[Self] = &[$(Self::$variant),*];

            pub(crate) const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),* }
            }

            pub(crate) const fn status(self) -> StatusCode {
                match self { $(Self::$variant => StatusCode::$status),* }
            }

            const fn title(self) -> &'static str {
                match self { $(Self::$variant => $title),* }
            }
        }
    };
}

kinds! {
    /// The body is not JSON.
    BadJson = "bad_json", BAD_REQUEST, "The body is not JSON";
    /// The request itself is malformed, or too large in its head.
    BadRequest = "bad_request", BAD_REQUEST, "The request is malformed";
    /// The Host is none of this API's.
    Misdirected = "misdirected", MISDIRECTED_REQUEST, "Not a name of this API";
    /// A field is unknown, of the wrong type or outside what is allowed.
    InvalidField = "invalid_field", UNPROCESSABLE_ENTITY, "A field is wrong";
    /// The body, or a part of it, is too large.
    TooLarge = "too_large", PAYLOAD_TOO_LARGE, "Too large";
    /// There is no such thing, or not for this token.
    NotFound = "not_found", NOT_FOUND, "Not found";
    /// No token, or none that is known.
    Unauthenticated = "unauthenticated", UNAUTHORIZED, "A token is needed";
    /// The token does not allow it.
    Forbidden = "forbidden", FORBIDDEN, "Not allowed";
    /// It does not go with the present state of things.
    ConflictState = "conflict_state", CONFLICT, "Not in this state";
    /// Another job of the same identity makes this one superfluous.
    Duplicate = "duplicate", CONFLICT, "There is such a job";
    /// The idempotency key was used for another request.
    IdempotencyMismatch = "idempotency_mismatch", UNPROCESSABLE_ENTITY, "The key was used for another request";
    /// As many jobs wait as may.
    QueueFull = "queue_full", SERVICE_UNAVAILABLE, "The queue is full";
    /// Logs and payloads have as many bytes as they may, in all or of one tenant.
    FilesFull = "files_full", SERVICE_UNAVAILABLE, "No room for files";
    /// The store cannot be written or read, or the gateway ends.
    StoreUnavailable = "store_unavailable", SERVICE_UNAVAILABLE, "Not now";
    /// The query or a header field is wrong.
    BadQuery = "bad_query", BAD_REQUEST, "The query is wrong";
    /// The resource has other methods.
    MethodNotAllowed = "method_not_allowed", METHOD_NOT_ALLOWED, "Another method is needed";
    /// The resource has no form that the client accepts.
    NotAcceptable = "not_acceptable", NOT_ACCEPTABLE, "No acceptable form";
    /// A bug, or a disk that does not read.
    Internal = "internal", INTERNAL_SERVER_ERROR, "Internal error";
    /// The range lies beyond the end.
    RangeNotSatisfiable = "range_not_satisfiable", RANGE_NOT_SATISFIABLE, "No such range";
    /// The body is of a type that is not taken here.
    UnsupportedMediaType = "unsupported_media_type", UNSUPPORTED_MEDIA_TYPE, "Another Content-Type is needed";
}

/// One wrong field, parameter or line.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct FieldError {
    /// JSON pointer to the field of the body.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "/retry/attempts")]
    pub(crate) pointer: Option<String>,
    /// The query parameter or header field.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "limit")]
    pub(crate) parameter: Option<String>,
    /// The line of the batch, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(crate) line: Option<u64>,
    /// What is wrong, and the cure.
    #[schema(example = "0 is not allowed; expected a whole number from 1 to 100")]
    pub(crate) detail: String,
}

/// Problem details, RFC 9457.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = Problem)]
pub(crate) struct Body {
    /// Stable name of the kind of problem, as a URI.
    #[serde(rename = "type")]
    #[schema(example = "https://ostler.dev/problems/not_found")]
    pub(crate) kind: String,
    /// The kind of problem in words.
    pub(crate) title: &'static str,
    /// The HTTP status.
    #[schema(minimum = 400, maximum = 599)]
    pub(crate) status: u16,
    /// What is wrong this time, and what to do about it.
    pub(crate) detail: String,
    /// JSON pointer to the wrong field, when it is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(crate) pointer: Option<String>,
    /// Everything that is wrong.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) errors: Vec<FieldError>,
    /// The other job that is meant.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, value_type = Option<u64>)]
    pub(crate) job: Option<JobId>,
    /// Seconds after which to try again.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(crate) retry_after: Option<u64>,
    /// The request's id, as in the field `X-Request-Id`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(crate) request_id: Option<String>,
}

/// A request that ends with an error. Small, since it is half of every result.
#[derive(Clone, Debug)]
pub(crate) struct Problem(Box<(Kind, Body, Extra)>);

/// What an error tells in header fields.
#[derive(Clone, Debug, Default)]
struct Extra {
    challenge: Option<&'static str>,
    total: Option<u64>,
}

impl Problem {
    pub(crate) fn new(kind: Kind, detail: impl Into<String>) -> Self {
        let body = Body {
            kind: format!("{TYPES}{}", kind.name()),
            title: kind.title(),
            status: kind.status().as_u16(),
            detail: detail.into(),
            pointer: None,
            errors: Vec::new(),
            job: None,
            retry_after: None,
            request_id: None,
        };
        Self(Box::new((kind, body, Extra::default())))
    }

    /// The kind for what is wrong with the fields of a body; the first one is the problem's own.
    pub(crate) fn fields(errors: Vec<FieldError>) -> Self {
        let first = errors.first().cloned().unwrap_or_default();
        let mut problem = Self::new(Kind::InvalidField, first.detail);
        problem.0.1.pointer = first.pointer;
        problem.0.1.errors = errors;
        problem
    }

    /// The kind for what is wrong with the query.
    pub(crate) fn parameters(errors: Vec<FieldError>) -> Self {
        let first = errors.first().cloned().unwrap_or_default();
        let name = first.parameter.unwrap_or_default();
        let mut problem = Self::new(Kind::BadQuery, format!("{name}: {}", first.detail));
        problem.0.1.errors = errors;
        problem
    }

    /// One query parameter or header field is wrong.
    pub(crate) fn parameter(name: &str, detail: impl Into<String>) -> Self {
        let parameter = Some(name.to_owned());
        Self::parameters(vec![FieldError {
            parameter,
            detail: detail.into(),
            ..Default::default()
        }])
    }

    pub(crate) fn at(mut self, pointer: &str) -> Self {
        self.0.1.pointer = Some(pointer.to_owned());
        self
    }

    /// The field that it is about lies within another.
    pub(crate) fn within(mut self, outer: &str) -> Self {
        self.0.1.pointer = self.0.1.pointer.map(|inner| format!("{outer}{inner}"));
        self
    }

    pub(crate) fn with_errors(mut self, errors: Vec<FieldError>) -> Self {
        self.0.1.errors = errors;
        self
    }

    pub(crate) fn about(mut self, job: JobId) -> Self {
        self.0.1.job = Some(job);
        self
    }

    pub(crate) fn retry_after(mut self, seconds: u64) -> Self {
        self.0.1.retry_after = Some(seconds);
        self
    }

    /// What `WWW-Authenticate` says.
    pub(crate) fn challenge(mut self, challenge: &'static str) -> Self {
        self.0.2.challenge = Some(challenge);
        self
    }

    /// The range lies beyond so many bytes.
    pub(crate) fn beyond(total: u64) -> Self {
        let detail = format!("the range begins beyond the end; there are {total} bytes");
        let mut problem = Self::new(Kind::RangeNotSatisfiable, detail);
        problem.0.2.total = Some(total);
        problem
    }

    pub(crate) fn no_job(job: impl fmt::Display) -> Self {
        Self::new(Kind::NotFound, format!("there is no job {job}; GET /v1/jobs lists them"))
    }

    /// A disk that does not read, or the like.
    pub(crate) fn internal(what: impl fmt::Display) -> Self {
        Self::new(Kind::Internal, what.to_string())
    }

    /// Another status than the kind's usual one.
    pub(crate) fn with_status(mut self, status: StatusCode) -> Self {
        self.0.1.status = status.as_u16();
        self
    }

    fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.0.1.status).unwrap_or_else(|_| self.kind().status())
    }

    pub(crate) fn kind(&self) -> Kind {
        self.0.0
    }

    pub(crate) fn body(&self) -> &Body {
        &self.0.1
    }

    /// The response's bytes, once the request's id is known.
    pub(crate) fn render(&self, request_id: &str) -> Vec<u8> {
        let body = Body { request_id: Some(request_id.to_owned()), ..self.0.1.clone() };
        serde_json::to_vec(&body).unwrap_or_default()
    }
}

impl From<Unavailable> for Problem {
    fn from(Unavailable(why): Unavailable) -> Self {
        Self::new(Kind::StoreUnavailable, why).retry_after(1)
    }
}

impl IntoResponse for Problem {
    /// Head only: [`super::finish`] renders the body, since it knows the request's id.
    fn into_response(self) -> Response {
        let mut response = self.status().into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
        if let Some(seconds) = self.body().retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if let Some(challenge) = self.0.2.challenge {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        if let Some(total) = self.0.2.total
            && let Ok(value) = HeaderValue::try_from(format!("bytes */{total}"))
        {
            headers.insert(header::CONTENT_RANGE, value);
        }
        response.extensions_mut().insert(self);
        response
    }
}
