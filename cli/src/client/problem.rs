//! What the API refuses, as sentences and exit codes.

use http::StatusCode;
use serde::Deserialize;

use crate::failure::{self, Failure};

/// Problem details (RFC 9457), as far as a person or a script needs them.
#[derive(Clone, Debug, Default, Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
pub(crate) struct Problem {
    #[serde(default, rename = "type")]
    kind: String,
    #[serde(default)]
    title: String,
    #[serde(default)]
    pub(crate) detail: String,
    #[serde(default)]
    pointer: Option<String>,
    #[serde(default)]
    pub(crate) errors: Vec<Wrong>,
    #[serde(skip)]
    status: u16,
}

/// A sentence of the API with the cures of this program.
pub(crate) fn for_people(detail: &str) -> String {
    detail
        .replace("GET /v1/jobs lists them", "`ostler list` shows those there are")
        .replace("GET /v1/schedules lists them", "`ostler schedule list` shows those there are")
        .replace("GET /v1/queues lists them", "`ostler queue list` shows those there are")
        .replace("GET /v1/tokens lists", "`ostler token list` shows")
        .replace("; POST it to /v1/payloads first", "; give the input with --stdin-file")
        .replace("move them by move_to=OTHER", "move them by --move-to OTHER")
        .replace("detach it from all, and if", "detach it with --all, and if")
        .replace("move_to: is the queue itself", "--move-to is the queue itself")
        .replace("; with relocate it is ended", "; with --relocate it is ended")
}

/// One of several things that are wrong.
#[derive(Clone, Debug, Default, Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
pub(crate) struct Wrong {
    /// The line of a batch.
    #[serde(default)]
    pub(crate) line: Option<usize>,
    #[serde(default)]
    pub(crate) detail: String,
    #[serde(default)]
    pub(crate) pointer: Option<String>,
    /// What is wrong in the query.
    #[serde(default)]
    parameter: Option<String>,
    /// The problem's type, where each line has one of its own.
    #[serde(default, rename = "type")]
    kind: String,
}

impl Wrong {
    /// The exit code of a list with this line: what is wrong with a request, is of a job's data.
    pub(crate) fn code(&self) -> u8 {
        code_of(&self.kind).filter(|code| *code != failure::USAGE).unwrap_or(failure::DATA)
    }

    /// `DETAIL (field POINTER)`, or `PARAMETER: DETAIL`
    pub(crate) fn sentence(&self) -> String {
        match &self.parameter {
            Some(parameter) => for_people(&format!("{parameter}: {}", self.detail)),
            None => with_field(&self.detail, self.pointer.as_deref()),
        }
    }
}

fn with_field(detail: &str, pointer: Option<&str>) -> String {
    let detail = for_people(detail);
    match pointer.filter(|pointer| !pointer.is_empty()) {
        // The API's sentence goes on from the name of the field.
        Some(pointer) if ["is ", "has ", "must "].iter().any(|verb| detail.starts_with(verb)) => {
            format!("field {pointer} {detail}")
        }
        Some(pointer) => format!("{detail} (field {pointer})"),
        None => detail,
    }
}

impl Problem {
    /// Reads an answer that is no success, whatever it is.
    pub(crate) fn read(status: StatusCode, body: &[u8]) -> Self {
        let mut problem: Self = serde_json::from_slice(body).unwrap_or_default();
        problem.status = status.as_u16();
        if problem.detail.is_empty() {
            problem.detail = match problem.title.is_empty() {
                true => format!("the API answered {status}"),
                false => problem.title.clone(),
            };
        }
        problem
    }

    /// `DETAIL (field POINTER)`
    pub(crate) fn sentence(&self) -> String {
        with_field(&self.detail, self.pointer.as_deref())
    }

    /// Its stable name.
    pub(crate) fn name(&self) -> &str {
        name(&self.kind)
    }

    /// Whether a field is what is wrong.
    pub(crate) fn is_about(&self, pointer: &str) -> bool {
        let told = self.errors.iter().map(|it| &it.pointer).chain([&self.pointer]);
        told.flatten().any(|it| it == pointer)
    }

    /// The exit code.
    pub(crate) fn code(&self) -> u8 {
        code_of(self.name()).unwrap_or(match self.status {
            401 | 403 => failure::DENIED,
            404 => failure::NOT_FOUND,
            409 => failure::DATA,
            429 => failure::TEMPORARY,
            502..=504 => failure::UNAVAILABLE,
            500.. => failure::SOFTWARE,
            _ => failure::USAGE,
        })
    }

    /// How the program ends for it.
    pub(crate) fn failure(&self) -> Failure {
        let mut lines = vec![self.sentence()];
        let shown = self.errors.iter().map(Wrong::sentence).filter(|line| *line != lines[0]);
        let shown: Vec<String> = shown.collect();
        lines.extend(shown);
        Failure::with(self.code(), lines)
    }
}

fn name(kind: &str) -> &str {
    kind.rsplit('/').next().unwrap_or(kind)
}

/// The exit code of a problem's type.
pub(crate) fn code_of(kind: &str) -> Option<u8> {
    Some(match name(kind) {
        "unauthenticated" | "forbidden" => failure::DENIED,
        "not_found" => failure::NOT_FOUND,
        "conflict_state" | "duplicate" => failure::DATA,
        "queue_full" | "files_full" => failure::TEMPORARY,
        "store_unavailable" => failure::UNAVAILABLE,
        "internal" => failure::SOFTWARE,
        "bad_json"
        | "invalid_field"
        | "too_large"
        | "idempotency_mismatch"
        | "bad_query"
        | "method_not_allowed"
        | "not_acceptable"
        | "range_not_satisfiable"
        | "unsupported_media_type" => failure::USAGE,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::answers::agree;

    #[test]
    fn problems_become_sentences_with_their_field_and_their_exit_code() {
        let body = br#"{"type":"https://ostler.dev/problems/invalid_field","status":400,
            "detail":"attempts must be from 1 to 100","pointer":"/retry/attempts"}"#;
        let problem = Problem::read(StatusCode::BAD_REQUEST, body);
        assert_eq!(problem.sentence(), "attempts must be from 1 to 100 (field /retry/attempts)");
        assert_eq!(problem.code(), 64);
        let codes = [
            ("unauthenticated", 401, 77),
            ("forbidden", 403, 77),
            ("not_found", 404, 66),
            ("conflict_state", 409, 65),
            ("queue_full", 503, 75),
            ("files_full", 503, 75),
            ("store_unavailable", 503, 69),
            ("internal", 500, 70),
        ];
        for (name, status, code) in codes {
            let body = format!("{{\"type\":\"https://ostler.dev/problems/{name}\"}}");
            let problem = Problem::read(StatusCode::from_u16(status).unwrap(), body.as_bytes());
            assert_eq!(problem.code(), code, "{name}");
        }
    }

    #[test]
    fn everything_that_is_wrong_is_told_once() {
        let body = br#"{"type":"https://ostler.dev/problems/bad_query","detail":"since: no time",
            "errors":[{"parameter":"since","detail":"no time"},
            {"parameter":"limit","detail":"too many"}]}"#;
        let failure = Problem::read(StatusCode::BAD_REQUEST, body).failure();
        assert_eq!(failure.lines().0, ["since: no time", "limit: too many"]);
        let body =
            br#"{"type":"https://ostler.dev/problems/invalid_field","detail":"no","pointer":"/a",
            "errors":[{"pointer":"/a","detail":"no"},{"pointer":"/b","detail":"never"}]}"#;
        let failure = Problem::read(StatusCode::UNPROCESSABLE_ENTITY, body).failure();
        assert_eq!(failure.lines().0, ["no (field /a)", "never (field /b)"]);
    }

    #[test]
    fn cures_name_the_flags_of_this_program() {
        let body = br#"{"type":"https://ostler.dev/problems/bad_query","detail":"move_to: is the queue itself; name another one",
            "errors":[{"parameter":"move_to","detail":"is the queue itself; name another one"}]}"#;
        let failure = Problem::read(StatusCode::BAD_REQUEST, body).failure();
        assert_eq!(failure.lines().0, ["--move-to is the queue itself; name another one"]);
        let detail = "the queue a has jobs, 1 waiting and 0 running; move them by move_to=OTHER, or purge it first";
        assert!(for_people(detail).ends_with("move them by --move-to OTHER, or purge it first"));
        let detail =
            "if that is meant, detach it from all, and if nothing of it is to start, pause it";
        assert!(for_people(detail).contains("detach it with --all"));
        assert_eq!(
            for_people("it runs; with relocate it is ended"),
            "it runs; with --relocate it is ended"
        );
    }

    #[test]
    fn an_answer_of_something_else_is_told_by_its_status() {
        let problem = Problem::read(StatusCode::BAD_GATEWAY, b"<html>");
        assert_eq!(problem.sentence(), "the API answered 502 Bad Gateway");
        assert_eq!(problem.code(), 69);
    }

    #[test]
    fn problems_are_read_by_the_names_that_the_api_gives_their_fields() {
        let unread = ["status", "job", "retry_after", "request_id"];
        agree::<Problem>("Problem", &unread);
    }
}
