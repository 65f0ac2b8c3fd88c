//! `Idempotency-Key`: whose a key is, which requests are the same, and what is known of it.

use http::{HeaderMap, HeaderName};
use ostler_driver::Answer;
use ostler_job::JobId;
use ostler_machine::secret::hex;
use sha2::{Digest as _, Sha256};

use super::take;
use crate::{Api, auth::Caller, parse, problem::Problem};

pub(crate) const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// The key of a request, if it has one.
pub(crate) fn key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(value) = headers.get(IDEMPOTENCY_KEY) else { return Ok(None) };
    let bytes = value.as_bytes();
    let good = (1..=255).contains(&bytes.len()) && bytes.iter().all(u8::is_ascii_graphic);
    match good {
        true => Ok(Some(String::from_utf8_lossy(bytes).into_owned())),
        false => Err(Problem::parameter(
            "Idempotency-Key",
            "expected 1 to 255 visible ASCII characters, such as a UUID",
        )),
    }
}

/// An idempotency key with whose it is, and the hash of its request.
pub(crate) fn keyed(caller: &Caller, key: &str, hash: Sha256) -> (String, String) {
    (format!("{}/{key}", caller.name()), hex(&hash.finalize()))
}

/// A request as it is compared: blanks and the order of fields make no other one of it.
pub(crate) fn same_text(text: &[u8]) -> Vec<u8> {
    let value = parse::strict::value(text);
    value.map_or_else(|_| text.to_vec(), |value| value.to_string().into_bytes())
}

/// What is known of a key: the jobs of the same request, or that it was another.
pub(crate) async fn known(
    api: &Api,
    key: &(String, String),
) -> Result<Option<Vec<JobId>>, Problem> {
    match api.backend().keyed(key.0.clone()).await? {
        None => Ok(None),
        Some((request, jobs)) if request == key.1 => Ok(Some(jobs)),
        Some((_, jobs)) => Err(take::refusal(&Answer::Keyed { jobs, same: false })),
    }
}
