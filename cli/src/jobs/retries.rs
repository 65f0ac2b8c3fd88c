//! Requests that are repeated until they are answered, which a key makes safe: the gateway does them once.

use std::{
    fs::File,
    io::Read as _,
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::HeaderMap;
use tokio::time::timeout;

use crate::{
    client::{Ask, Client, Problem},
    failure::{self, Failure},
    terminal::note,
    values,
};

/// How long one try of several may take: the way may have died without a word.
const TRY: Duration = Duration::from_secs(15);
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
) -> Result<Answer, Failure> {
    let keyed = || match key {
        Some(key) => make().header("idempotency-key", key),
        None => make(),
    };
    match key {
        Some(_) => repeat(client, patience, keyed).await,
        None => once(client, keyed()).await,
    }
}

/// Bytes with their headers, or why there are none.
pub(crate) type Answer = Result<(HeaderMap, Bytes), Problem>;

/// Asks until there is an answer, at most so long. Doing it twice must be as good as once.
pub(crate) async fn repeat<'a>(
    client: &Client,
    patience: Duration,
    make: impl Fn() -> Ask<'a>,
) -> Result<Answer, Failure> {
    repeat_within(client, (patience, TRY), make).await
}

async fn repeat_within<'a>(
    client: &Client,
    (patience, limit): (Duration, Duration),
    make: impl Fn() -> Ask<'a>,
) -> Result<Answer, Failure> {
    let begun = Instant::now();
    let mut pause = PAUSE_MIN;
    let mut is_told = false;
    loop {
        // The last try may take as long as an answer may.
        let left = patience.saturating_sub(begun.elapsed());
        let request = make();
        let limit = (left > limit && !request.is_long()).then_some(limit);
        let answer = match limit {
            Some(limit) => {
                let silent = Failure::unavailable(format!("{} fell silent", client.whom()));
                timeout(limit, once(client, request)).await.unwrap_or(Err(silent))
            }
            None => once(client, request).await,
        };
        let over = begun.elapsed() + pause > patience;
        let why = match &answer {
            Err(failure) if failure.is_unavailable() && !over => {
                format!("{} does not answer", client.whom())
            }
            // It is starting, or its disk is busy with something else.
            Ok(Err(problem)) if problem.code() == failure::UNAVAILABLE && !over => {
                problem.sentence()
            }
            _ => return answer,
        };
        if !std::mem::replace(&mut is_told, true) {
            note(&format!("{why}; trying for {}", values::show_duration(patience)));
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(PAUSE_MAX);
    }
}

async fn once(client: &Client, request: Ask<'_>) -> Result<Answer, Failure> {
    Ok(match client.answer(request).await? {
        Ok(reply) => {
            let headers = reply.headers.clone();
            Ok((headers, reply.bytes().await?))
        }
        Err(problem) => Err(problem),
    })
}

#[cfg(test)]
mod tests {
    use std::{
        io::{BufRead as _, BufReader, Write as _},
        net::TcpListener,
        thread,
    };

    use http::Method;

    use super::*;

    /// A gateway that reads each request and goes away. Says how many came until it is told to stop.
    fn gone_after_reading() -> (String, impl FnOnce() -> usize) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let gateway = thread::spawn(move || {
            let mut came = 0;
            loop {
                let (stream, _) = listener.accept().unwrap();
                let lines = BufReader::new(stream).lines().map_while(Result::ok);
                if lines.take_while(|line| !line.is_empty()).count() == 0 {
                    return came;
                }
                came += 1;
            }
        });
        let stop = move || {
            drop(std::net::TcpStream::connect(address).unwrap());
            gateway.join().unwrap()
        };
        (address.to_string(), stop)
    }

    #[test]
    fn what_has_no_key_is_not_asked_twice_when_its_answer_is_lost() {
        let make = || Ask::new(Method::POST, "/v1/jobs");
        let tries = |key: Option<&str>| {
            let (address, stop) = gone_after_reading();
            let client = Client::for_tests(&address);
            let asking = ask(&client, make, key, Duration::from_secs(1));
            assert!(crate::client::block_on(asking).is_err());
            stop()
        };
        assert_eq!(tries(None), 1, "it may have been done");
        assert!(tries(Some("17")) > 1, "twice is as good as once");
    }

    #[test]
    fn a_try_that_falls_silent_is_followed_by_another() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = Client::for_tests(&listener.local_addr().unwrap().to_string());
        let gateway = thread::spawn(move || {
            let silent = listener.accept().unwrap();
            let (mut stream, _) = listener.accept().unwrap();
            let lines = BufReader::new(stream.try_clone().unwrap()).lines().map(Result::unwrap);
            assert!(lines.take_while(|line| !line.is_empty()).count() > 1);
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n17").unwrap();
            silent
        });
        let limits = (Duration::from_secs(60), Duration::from_millis(50));
        let asking = repeat_within(&client, limits, || Ask::new(Method::GET, "/v1/jobs"));
        let (_, bytes) = crate::client::block_on(asking).unwrap().unwrap();
        assert_eq!(bytes, "17");
        drop(gateway.join().unwrap());
    }
}
