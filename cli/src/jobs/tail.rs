//! Where the last lines of a log begin.

use http::{Method, header::CONTENT_RANGE};

use super::{follow::Skip, view::JobView};
use crate::{
    client::{Ask, Client},
    failure::Failure,
};

/// How much is looked at first; most often it is enough.
const FIRST: u64 = 16 << 10;

/// The byte at which the last lines of a log begin, and its length. `path` asks for the whole of it.
pub(crate) async fn start(client: &Client, path: &str, lines: u64) -> Result<(u64, u64), Failure> {
    let mut wanted = FIRST;
    loop {
        let ask = Ask::new(Method::GET, path).header("range", format!("bytes=-{wanted}"));
        let reply = client.ask(ask).await?;
        let range =
            reply.headers.get(CONTENT_RANGE).and_then(|value| value.to_str().ok()).and_then(part);
        let bytes = reply.bytes().await?;
        let (from, total) = range.unwrap_or((0, bytes.len() as u64));
        match last_lines(&bytes, lines) {
            // The beginning of the first line may be in what was not looked at.
            Some(start) => return Ok((from + start, total)),
            None if from == 0 => return Ok((0, total)),
            None => wanted = wanted.saturating_mul(8),
        }
    }
}

/// `bytes 3-9/10` as first byte and length of the whole.
fn part(range: &str) -> Option<(u64, u64)> {
    let (part, total) = range.strip_prefix("bytes ")?.split_once('/')?;
    Some((part.split_once('-')?.0.parse().ok()?, total.parse().ok()?))
}

/// Where the last lines begin; `None`: before these bytes, or with them.
fn last_lines(bytes: &[u8], lines: u64) -> Option<u64> {
    let end = bytes.strip_suffix(b"\n").map_or(bytes.len(), <[u8]>::len);
    let Some(before) = lines.checked_sub(1) else { return Some(bytes.len() as u64) };
    let before = usize::try_from(before).unwrap_or(usize::MAX);
    let ends = bytes[..end].iter().enumerate().rev().filter(|(_, byte)| **byte == b'\n');
    ends.map(|(index, _)| index as u64 + 1).nth(before)
}

/// What a follower passes over, to show the last lines of what there is and all that follows. `None`: nothing.
pub(crate) async fn skip(
    client: &Client,
    id: u64,
    attempt: Option<u32>,
    stream: Option<&str>,
    lines: u64,
) -> Result<Option<Skip>, Failure> {
    let attempt = match attempt {
        Some(attempt) => attempt,
        None => client.get::<JobView>(&format!("/v1/jobs/{id}")).await?.attempts,
    };
    if attempt == 0 {
        return Ok(None);
    }
    let stream = stream.unwrap_or("both");
    let path = format!("/v1/jobs/{id}/log?stream={stream}&attempt={attempt}");
    let (bytes, _) = start(client, &path, lines).await?;
    Ok(Some(Skip { attempt, bytes }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_lines_begin_after_the_one_before() {
        for (text, lines, start) in [
            ("a\nb\nc\n", 1, Some(4)),
            ("a\nb\nc\n", 2, Some(2)),
            ("a\nb\nc\n", 3, None),
            ("a\nb\nc", 1, Some(4)),
            ("a\n\n", 1, Some(2)),
            ("a\n\n", 2, None),
            ("a\nb\n", 0, Some(4)),
            ("", 1, None),
            ("", 0, Some(0)),
        ] {
            assert_eq!(last_lines(text.as_bytes(), lines), start, "{text:?} {lines}");
        }
        assert_eq!(part("bytes 3-9/10"), Some((3, 10)));
        assert_eq!(part("bytes */10"), None);
    }
}
