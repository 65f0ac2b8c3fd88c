//! Requests that are repeated until they are answered, which a key makes safe: the gateway does them once.

use std::{
    fs::File,
    io::Read as _,
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::HeaderMap;

use crate::{
    client::{Ask, Client, Problem},
    config::values,
    failure::Failure,
    terminal::note,
};

const PAUSE_MIN: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// A key that nobody else chooses; `None` where the host has no randomness.
pub(crate) fn own_key() -> Option<String> {
    let mut bytes = [0; 16];
    File::open("/dev/urandom").ok()?.read_exact(&mut bytes).ok()?;
    Some(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Asks until there is an answer, at most so long. Without a key nothing is repeated.
pub(crate) async fn ask<'a>(
    client: &Client,
    make: impl Fn() -> Ask<'a>,
    key: Option<&str>,
    patience: Duration,
) -> Result<Result<(HeaderMap, Bytes), Problem>, Failure> {
    let begun = Instant::now();
    let mut pause = PAUSE_MIN;
    let mut is_told = false;
    loop {
        let mut request = make();
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        let failure = match once(client, request).await {
            Err(failure) if failure.is_unavailable() && key.is_some() => failure,
            answered => return answered,
        };
        if begun.elapsed() + pause > patience {
            return Err(failure);
        }
        if !std::mem::replace(&mut is_told, true) {
            let time = values::show_duration(patience);
            note(&format!("the API at {} does not answer; trying for {time}", client.address()));
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(PAUSE_MAX);
    }
}

async fn once(
    client: &Client,
    request: Ask<'_>,
) -> Result<Result<(HeaderMap, Bytes), Problem>, Failure> {
    Ok(match client.answer(request).await? {
        Ok(reply) => {
            let headers = reply.headers.clone();
            Ok((headers, reply.bytes().await?))
        }
        Err(problem) => Err(problem),
    })
}
