//! Saturation: whether an app lacks children: requests wait long for one, or did of late.

use ostler_job::{Mono, Span};

use super::Pool;

/// A wait of this length is felt.
const LONG: Span = Span::from_secs(1);
/// How long that is remembered.
const REMEMBERED: Span = Span::from_secs(30);

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Saturation {
    felt: Option<Mono>,
}

impl Saturation {
    /// Told the longest wait of now; whether there is a lack.
    fn is_felt(&mut self, wait: Span, now: Mono) -> bool {
        if wait >= LONG {
            self.felt = Some(now);
        }
        self.felt.is_some_and(|felt| now - felt <= REMEMBERED)
    }
}

impl Pool {
    /// How many slots are free, when the app lacks children so that each of them is worth something; else any number.
    pub fn spare(&self, now: Mono) -> u32 {
        let mut inner = self.lock();
        let wait = inner.scheduler.oldest_wait(now).unwrap_or_default();
        if inner.saturation.is_felt(wait, now) { inner.scheduler.free() } else { u32::MAX }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lack_is_felt_when_somebody_waits_long_and_remembered_for_a_while() {
        let at = |s| Mono(0) + Span::from_secs(s);
        let mut lack = Saturation::default();
        assert!(!lack.is_felt(Span::from_millis(999), at(1)));
        assert!(lack.is_felt(LONG, at(2)));
        assert!(lack.is_felt(Span::ZERO, at(32)) && !lack.is_felt(Span::ZERO, at(33)));
    }
}
