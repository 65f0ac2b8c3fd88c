//! How long a gateway may be gone: it starts again, or the way to it is broken.

use std::time::{Duration, Instant};

use crate::{client::Client, failure::Failure, terminal::note, values};

/// For whoever waits for jobs.
pub(crate) const WAITING: Duration = Duration::from_secs(60);
/// Whoever waits is told after so long.
const TELLING: Duration = Duration::from_secs(3);

/// See the module.
#[derive(Debug)]
pub(crate) struct Patience {
    limit: Duration,
    gone_since: Option<Instant>,
    is_told: bool,
}

impl Patience {
    pub(crate) fn new(limit: Duration) -> Self {
        Self { limit, gone_since: None, is_told: false }
    }

    /// It is there.
    pub(crate) fn heard(&mut self) {
        *self = Self::new(self.limit);
    }

    /// It is not, for this reason, which is given back when it is no reason to wait, or has been for too long.
    pub(crate) fn bear(&mut self, client: &Client, failure: Failure) -> Result<(), Failure> {
        let gone = self.gone_since.get_or_insert_with(Instant::now).elapsed();
        if !failure.is_unavailable() || gone >= self.limit {
            return Err(failure);
        }
        if gone >= TELLING && !std::mem::replace(&mut self.is_told, true) {
            let time = values::show_duration(self.limit);
            note(&format!("{} does not answer; trying for {time}", client.whom()));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waiting_cannot_mend_is_not_waited_for_and_nothing_is_for_ever() {
        let client = Client::for_tests("127.0.0.1:1");
        let mut patience = Patience::new(WAITING);
        assert!(patience.bear(&client, Failure::unavailable("gone")).is_ok());
        assert!(patience.bear(&client, Failure::lasting("no TLS")).is_err());
        assert!(patience.bear(&client, Failure::usage("wrong")).is_err());
        let mut none = Patience::new(Duration::ZERO);
        assert!(none.bear(&client, Failure::unavailable("gone")).is_err());
    }
}
