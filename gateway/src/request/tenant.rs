//! Names of tenants that come in header fields. Many of them are secrets, API keys above all, and no log or metric may tell one:
//! a tenant that the config does not name is known by a hash whose key never leaves the state folder.

use std::{collections::BTreeMap, fmt::Write as _, io, path::Path};

use bytes::Bytes;
use sha2::{Digest as _, Sha256};

/// The key's file in the state folder: names stay the same through restarts.
const FILE: &str = "tenants.key";
const KEY: usize = 32;
/// Bytes of a hash that are told: enough that no two tenants share one.
const TOLD: usize = 8;

/// See the module.
pub(crate) struct TenantNames {
    key: [u8; KEY],
}

impl std::fmt::Debug for TenantNames {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TenantNames")
    }
}

impl TenantNames {
    /// Reads the key, or makes it.
    pub(crate) fn open(state: &Path) -> io::Result<Self> {
        let path = state.join(FILE);
        match ostler_private::read(&path) {
            Ok(bytes) => {
                if let Ok(key) = bytes.try_into() {
                    return Ok(Self { key });
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        let mut key = [0; KEY];
        rustls::crypto::aws_lc_rs::default_provider()
            .secure_random
            .fill(&mut key)
            .map_err(|_| io::Error::other("the system has no randomness"))?;
        ostler_private::replace(&path, &key)?;
        Ok(Self { key })
    }

    /// What a tenant is called whose field has this value.
    pub(super) fn name(&self, value: &[u8], known: &BTreeMap<String, String>) -> Bytes {
        let mapped = std::str::from_utf8(value).ok().and_then(|value| known.get(value));
        match mapped {
            Some(name) => Bytes::copy_from_slice(name.as_bytes()),
            None => Bytes::from(self.hash(value)),
        }
    }

    /// A name that tells nothing of its value.
    pub(super) fn hash(&self, value: &[u8]) -> String {
        let mut hash = Sha256::new();
        hash.update(self.key);
        hash.update(value);
        let mut name = String::with_capacity(2 * TOLD);
        for byte in &hash.finalize()[..TOLD] {
            write!(name, "{byte:02x}").expect("a String takes every write");
        }
        name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_has_one_name_as_long_as_the_state_folder_lives_and_another_elsewhere() {
        let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let name = |state: &Path, value: &[u8]| {
            let known = BTreeMap::from([("sk_live_1".to_owned(), "acme".to_owned())]);
            TenantNames::open(state).unwrap().name(value, &known)
        };
        assert_eq!(name(here.path(), b"sk_live_1"), "acme");
        let hash = name(here.path(), b"sk_live_2");
        assert_eq!(hash.len(), 2 * TOLD);
        assert!(hash.iter().all(u8::is_ascii_hexdigit));
        assert_eq!(name(here.path(), b"sk_live_2"), hash);
        assert_ne!(name(here.path(), b"sk_live_3"), hash);
        assert_ne!(name(there.path(), b"sk_live_2"), hash);
        let long = [b'x'; 200];
        assert_ne!(name(here.path(), &long), name(here.path(), &long[..199]));
    }

    #[cfg(unix)]
    #[test]
    fn nobody_else_may_read_the_key() {
        use std::os::unix::fs::PermissionsExt as _;
        let state = tempfile::tempdir().unwrap();
        TenantNames::open(state.path()).unwrap();
        let mode = std::fs::metadata(state.path().join(FILE)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}
