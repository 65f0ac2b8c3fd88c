//! How much may be told of one runner: it chooses what it says and how often, and the output goes to a disk.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use ostler_job::Mono;

use crate::GatewayEvent;

/// Bytes of one runner that are told at once.
const BURST: u64 = 4 << 20;
/// Bytes a second that are told beyond that: 1.4 GB a day.
const RATE: u64 = 16 << 10;
/// What a line has besides the texts of a runner.
const LINE: usize = 100;
/// Runners that are remembered; who has told nothing for long is forgotten then.
const RUNNERS_MAX: usize = 1024;

/// What was told of each runner.
#[derive(Debug, Default)]
pub(crate) struct RunnerQuota(Mutex<BTreeMap<String, Share>>);

#[derive(Clone, Copy, Debug)]
struct Share {
    room: u64,
    at: Mono,
    left_out: u64,
}

impl Share {
    const fn new(at: Mono) -> Self {
        Self { room: BURST, at, left_out: 0 }
    }

    fn grow(&mut self, now: Mono) {
        let grown = u128::from((now - self.at).0) * u128::from(RATE) / 1_000_000_000;
        self.room = u64::try_from(grown).unwrap_or(BURST).saturating_add(self.room).min(BURST);
        // What is less than a byte is kept for the next time.
        if grown > 0 {
            self.at = now;
        }
    }
}

impl RunnerQuota {
    /// Whether an event is told: `None`, it is not; else how many of the runner were left out since the last that was.
    pub(crate) fn take(&self, event: &GatewayEvent, now: Mono) -> Option<u64> {
        let Some((runner, bytes)) = weigh(event) else { return Some(0) };
        let mut shares = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if shares.len() >= RUNNERS_MAX && !shares.contains_key(runner) {
            shares.retain(|_, share| {
                share.grow(now);
                share.room < BURST
            });
        }
        let share = shares.entry(runner.to_owned()).or_insert_with(|| Share::new(now));
        share.grow(now);
        let Some(room) = share.room.checked_sub(bytes) else {
            share.left_out += 1;
            return None;
        };
        share.room = room;
        Some(std::mem::take(&mut share.left_out))
    }
}

/// The runner that is told of, and the bytes. What no runner causes has its own bounds.
fn weigh(event: &GatewayEvent) -> Option<(&str, u64)> {
    let (runner, bytes) = match event {
        GatewayEvent::AppReady { host, .. } => (host, 0),
        GatewayEvent::AppFailed { host, failure, .. } => {
            let texts = [
                &failure.stage,
                &failure.class,
                &failure.message,
                &failure.hint,
                &failure.stderr,
                &failure.backtrace,
            ];
            (host, texts.iter().map(|text| text.len()).sum())
        }
        GatewayEvent::RunnerJoined { name } => (name, 0),
        GatewayEvent::RunnerLost { name, reason } => (name, reason.len()),
        GatewayEvent::RunnerExceeds { name, what } => (name, what.len()),
        GatewayEvent::AppUnknown { app, host } => (host, app.len()),
        GatewayEvent::Warning(_) => return None,
    };
    Some((runner, (LINE + bytes) as u64))
}

#[cfg(test)]
mod tests {
    use ostler_job::Span;

    use super::*;
    use crate::BootFailure;

    fn failed(host: &str, bytes: usize) -> GatewayEvent {
        let failure = BootFailure { stderr: "x".repeat(bytes), ..BootFailure::default() };
        GatewayEvent::AppFailed { app: "shop".to_owned(), host: host.to_owned(), failure }
    }

    #[test]
    fn a_runner_that_tells_without_end_fills_no_disk_and_silences_no_other() {
        let (told, mut now) = (RunnerQuota::default(), Mono(1_000_000_000));
        let evil = failed("evil", 100_000);
        let first = (0..1000).filter(|_| told.take(&evil, now).is_some()).count();
        assert!((35..45).contains(&first), "{first} of 100 KB");
        assert_eq!(told.take(&failed("good", 100_000), now), Some(0));
        let lost = GatewayEvent::Warning("of nobody".to_owned());
        assert_eq!(told.take(&lost, now), Some(0));
        let mut bytes = 0;
        for _ in 0..36_000 {
            now += Span::from_millis(100);
            bytes += told.take(&evil, now).map_or(0, |_| 100_100);
        }
        assert!((50_000_000..60_000_000).contains(&bytes), "{bytes} in an hour");
        now += Span::from_secs(600);
        assert!(told.take(&evil, now).is_some_and(|left_out| left_out > 0), "it is said how many");
        assert_eq!(told.take(&evil, now), Some(0));
    }

    #[test]
    fn names_that_differ_each_time_fill_no_memory() {
        let (told, mut now) = (RunnerQuota::default(), Mono(1_000_000_000));
        for i in 0..5 * RUNNERS_MAX {
            now += Span::from_secs(1);
            let joined = GatewayEvent::RunnerJoined { name: format!("r{i}") };
            assert_eq!(told.take(&joined, now), Some(0));
        }
        assert!(told.0.lock().unwrap().len() <= RUNNERS_MAX);
    }
}
