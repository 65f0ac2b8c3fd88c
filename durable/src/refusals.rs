//! Requests of the API that were refused for want of a right: counted, and told to the operator now and then.

use std::{
    net::IpAddr,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use ostler_api::backend::Refusal;

/// Between two lines.
const PAUSE: Duration = Duration::from_secs(60);

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Refusals(Mutex<Since>);

#[derive(Debug, Default)]
struct Since {
    told_at: Option<Instant>,
    untold: u64,
}

impl Refusals {
    /// Notes one, and gives the line to tell if one is due. Guessing must not fill the log.
    pub(super) fn note(&self, why: Refusal, from: Option<IpAddr>, now: Instant) -> Option<String> {
        let mut since = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        since.untold += 1;
        if since.told_at.is_some_and(|at| now.duration_since(at) < PAUSE) {
            return None;
        }
        let untold = std::mem::take(&mut since.untold);
        since.told_at = Some(now);
        let what = match why {
            Refusal::NoToken => "it showed no token",
            Refusal::BadToken => "its token is unknown, expired or revoked",
            Refusal::Scope => "its token has not the scope",
        };
        let from = from.map_or_else(String::new, |from| format!(" from {from}"));
        Some(match untold {
            1 => format!("the API refused a request{from}: {what}"),
            count => format!("the API refused {count} requests; the last one{from}: {what}"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_is_told_at_once_and_the_rest_together() {
        let (refusals, begin) = (Refusals::default(), Instant::now());
        let from = Some(IpAddr::from([10, 0, 0, 7]));
        let first = refusals.note(Refusal::BadToken, from, begin).unwrap();
        assert_eq!(
            first,
            "the API refused a request from 10.0.0.7: its token is unknown, expired or revoked"
        );
        for second in 0..59 {
            let at = begin + Duration::from_secs(second);
            assert_eq!(refusals.note(Refusal::NoToken, from, at), None);
        }
        let told = refusals.note(Refusal::NoToken, None, begin + PAUSE).unwrap();
        assert_eq!(told, "the API refused 60 requests; the last one: it showed no token");
    }
}
