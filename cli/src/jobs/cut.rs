//! Output that is not there, though its attempt is over: nobody may take what was shown for the whole.

use http::{HeaderMap, header::RETRY_AFTER};
use serde::Deserialize;

use crate::{
    failure::{self, Failure},
    terminal::{counted, note},
};

/// Exit status of a captured output that is not the whole of one attempt.
pub(super) const CUT: u8 = 125;

/// What is missing.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(crate) struct Cut {
    bytes: u64,
    /// The runner still has it.
    waits: bool,
}

impl Cut {
    /// As the answer to a request for a log has it.
    pub(crate) fn of(headers: &HeaderMap) -> Option<Self> {
        let bytes = headers.get("ostler-log-missing")?.to_str().ok()?.parse().ok()?;
        Some(Self { bytes, waits: headers.contains_key(RETRY_AFTER) })
    }

    /// Says so. What may still come is a failure that may pass, and so is all of it for whoever relies on the output.
    pub(crate) fn tell(self, job: u64, is_captured: bool) -> Result<(), Failure> {
        let bytes = counted(self.bytes, "byte", "bytes");
        let what = match self.waits {
            true => format!("{bytes} of the output are not here; the runner still has them"),
            false => format!("{bytes} of the output were not kept; `ostler show {job}` says why"),
        };
        match (self.waits, is_captured) {
            (_, true) => Err(Failure::with(CUT, vec![what])),
            (true, false) => Err(Failure::with(failure::TEMPORARY, vec![what])),
            (false, false) => {
                note(&what);
                Ok(())
            }
        }
    }
}
