//! What hinders the way to an API, as sentences.

use std::io;

use super::{ANSWER, Address};
use crate::failure::Failure;

impl Address {
    pub(super) fn no_tls(&self, error: &io::Error) -> Failure {
        let reason = error.get_ref().and_then(|error| error.downcast_ref::<rustls::Error>());
        match reason {
            Some(rustls::Error::InvalidCertificate(_)) => Failure::lasting(format!(
                "cannot trust the API at {self}: {error}; name its authority with --ca FILE"
            )),
            Some(rustls::Error::InvalidMessage(_)) => Failure::lasting(format!(
                "what answers at {self} speaks no TLS; write http:// if that is meant"
            )),
            _ => Failure::unavailable(format!("cannot speak TLS with the API at {self}: {error}")),
        }
    }

    pub(super) fn no_answer(&self) -> Failure {
        let limit = ANSWER.as_secs();
        Failure::unavailable(format!("the API at {self} does not answer within {limit} s"))
    }

    pub(super) fn unreachable(&self, error: &io::Error) -> Failure {
        if error.kind() != io::ErrorKind::ConnectionRefused {
            return Failure::unavailable(format!("cannot reach the API at {self}: {error}"));
        }
        Failure::unavailable(format!(
            "no gateway answers at {self}; start one with `ostler serve` (or `ostler gateway`), or \
             name another with --api"
        ))
    }
}
