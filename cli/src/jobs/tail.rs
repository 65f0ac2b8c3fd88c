//! Where the last lines of a log begin.

use bytes::Bytes;
use http::{Method, header::CONTENT_RANGE};

use super::{follow::Skip, view::JobView};
use crate::{
    client::{Ask, Client},
    failure::Failure,
};

/// How much is looked at first; most often it is enough.
const FIRST: u64 = 16 << 10;
/// How much is looked at at once, at most: however far back it is, no more is held.
const MOST: u64 = 4 << 20;

/// The byte at which the last lines of a log begin, and its length. `path` asks for the whole of it.
pub(crate) async fn start(client: &Client, path: &str, lines: u64) -> Result<(u64, u64), Failure> {
    let (bytes, mut from, total) = look(client, path, &format!("-{FIRST}")).await?;
    let mut back = Back { lines, total };
    let mut found = back.look(&bytes, from);
    let mut step = FIRST;
    while found.is_none() && from > 0 {
        step = step.saturating_mul(8).min(MOST);
        let begin = from.saturating_sub(step);
        let (bytes, at, _) = look(client, path, &format!("{begin}-{}", from - 1)).await?;
        if at != begin || bytes.len() as u64 != from - begin {
            let what = format!("the API's answer is not the part {begin}-{} of the log", from - 1);
            return Err(Failure::broken(what));
        }
        found = back.look(&bytes, begin);
        from = begin;
    }
    Ok((found.unwrap_or(0), total))
}

/// A part of a log, where it begins, and how long the whole is.
async fn look(client: &Client, path: &str, range: &str) -> Result<(Bytes, u64, u64), Failure> {
    let ask = Ask::new(Method::GET, path).header("range", format!("bytes={range}"));
    let reply = client.ask(ask).await?;
    let range =
        reply.headers.get(CONTENT_RANGE).and_then(|value| value.to_str().ok()).and_then(part);
    let bytes = reply.bytes().await?;
    // A log without output has no parts.
    let (from, total) = range.unwrap_or((0, bytes.len() as u64));
    Ok((bytes, from, total))
}

/// `bytes 3-9/10` as first byte and length of the whole.
fn part(range: &str) -> Option<(u64, u64)> {
    let (part, total) = range.strip_prefix("bytes ")?.split_once('/')?;
    Some((part.split_once('-')?.0.parse().ok()?, total.parse().ok()?))
}

/// Counts lines from the end of a log.
struct Back {
    /// Those that are still to be found.
    lines: u64,
    /// Bytes of the log.
    total: u64,
}

impl Back {
    /// Where the lines begin, if that is in these bytes, which end where those before began.
    fn look(&mut self, bytes: &[u8], from: u64) -> Option<u64> {
        if self.lines == 0 {
            return Some(self.total);
        }
        let ends = bytes.iter().enumerate().rev().filter(|(_, byte)| **byte == b'\n');
        for begin in ends.map(|(index, _)| from + index as u64 + 1) {
            // What ends the log begins no line.
            if begin < self.total {
                self.lines -= 1;
                if self.lines == 0 {
                    return Some(begin);
                }
            }
        }
        None
    }
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
            let total = text.len() as u64;
            for cut in 0..=text.len() {
                let mut back = Back { lines, total };
                let (before, after) = text.as_bytes().split_at(cut);
                let found = back.look(after, cut as u64).or_else(|| back.look(before, 0));
                assert_eq!(found, start, "{text:?} {lines} {cut}");
            }
        }
        assert_eq!(part("bytes 3-9/10"), Some((3, 10)));
        assert_eq!(part("bytes */10"), None);
    }
}
