//! A tenant, as the names of files tell it.

use data_encoding::HEXLOWER;
use ostler_job::durable::TENANT_DEFAULT;
use sha2::{Digest, Sha256};

/// Digits of a tenant's hash that tell its files from others'.
pub(super) const DIGITS: usize = 16;

/// See the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Owner(u64);

impl Owner {
    /// The owner of a tenant's files; what nobody's token uploaded is of the tenant without a name.
    pub fn of(tenant: &str) -> Self {
        Self::read(&hash(tenant)[..DIGITS]).unwrap_or(Self(0))
    }

    /// What the name of a log ends with; `None`: nothing.
    pub(super) fn suffix(self) -> Option<String> {
        (self != Self::default()).then(|| format!("{:016x}", self.0))
    }

    pub(super) fn read(digits: &str) -> Option<Self> {
        u64::from_str_radix(digits, 16).ok().filter(|_| digits.len() == DIGITS).map(Self)
    }
}

impl Default for Owner {
    fn default() -> Self {
        Self::of(TENANT_DEFAULT)
    }
}

pub(super) fn hash(tenant: &str) -> String {
    HEXLOWER.encode(&Sha256::digest(tenant.as_bytes()))
}
