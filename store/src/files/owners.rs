//! Whose payloads are whose. The same bytes are kept once, but a name alone gives nobody the right to read them: it may be known from elsewhere,
//! and whether somebody has it tells something too.

use std::{fs, io, path::PathBuf};

use sha2::{Digest, Sha256};

use super::{Files, names, upload};

/// Between a payload's name and that of its owner's mark beside it.
const OF: char = '.';

impl Files {
    /// Notes that a tenant has uploaded a payload.
    pub fn own_payload(&self, sha256: &str, tenant: &str) -> io::Result<()> {
        ostler_private::append(&self.mark(sha256, tenant)?).map(drop)
    }

    /// Whether it has.
    pub fn owns_payload(&self, sha256: &str, tenant: &str) -> io::Result<bool> {
        self.mark(sha256, tenant)?.try_exists()
    }

    fn mark(&self, sha256: &str, tenant: &str) -> io::Result<PathBuf> {
        let payload = names::payload(&self.folder, sha256)?;
        let owner = upload::hex(&Sha256::digest(tenant.as_bytes()));
        Ok(payload.with_file_name(format!("{sha256}{OF}{owner}")))
    }

    /// Removes a mark whose payload has gone; what is no mark stays.
    pub(super) fn sweep_mark(&self, name: &str) -> io::Result<()> {
        let Some((sha256, owner)) = name.split_once(OF) else { return Ok(()) };
        if !names::is_sha256(sha256) || !names::is_sha256(owner) {
            return Ok(());
        }
        let payload = names::payload(&self.folder, sha256)?;
        match payload.try_exists()? {
            true => Ok(()),
            false => fs::remove_file(payload.with_file_name(name)),
        }
    }
}
