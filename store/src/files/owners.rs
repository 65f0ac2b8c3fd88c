//! Whose files are whose. Logs have their tenant in their names. The bytes of a payload are kept once, whoever uploaded them: each tenant
//! that did has a mark beside it. A payload's name alone gives nobody the right to read it: it may be known from elsewhere, and
//! whether somebody has it tells something too.

use std::{
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use super::{
    Files, names,
    owner::{DIGITS, Owner, hash},
};

/// Between a payload's name and that of its owner's mark beside it.
const OF: char = '.';

/// What a file weighs.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Weight {
    pub(super) bytes: i64,
    pub(super) owner: Option<Owner>,
    pub(super) owned: i64,
}

/// A log weighs on its tenant; of a payload, each mark does. What is not there weighs nothing.
pub(super) fn weigh(path: &Path) -> Weight {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let Ok(data) = path.metadata() else { return Weight::default() };
    let bytes = i64::try_from(data.len()).unwrap_or(i64::MAX);
    if names::is_sha256(name) {
        return Weight { bytes, ..Weight::default() };
    }
    if let Some((_, owner)) = name.split_once(OF).filter(|(of, _)| names::is_sha256(of)) {
        let owned = ostler_private::read_to_string(path).ok().and_then(|it| it.trim().parse().ok());
        let owner = owner.get(..DIGITS).and_then(Owner::read);
        return Weight { bytes: 0, owner, owned: owned.unwrap_or(0) };
    }
    let owner = names::owner_of_log(name);
    Weight { bytes, owner, owned: bytes }
}

impl Files {
    /// Notes that a tenant has uploaded a payload of so many bytes.
    pub fn own_payload(&self, sha256: &str, tenant: &str, bytes: u64) -> io::Result<()> {
        let mark = self.mark(sha256, tenant)?;
        let text = bytes.to_string();
        let write = |mark: &Path| {
            let mut file = ostler_private::truncated(mark)?;
            file.write_all(text.as_bytes()).map_err(ostler_private::named(mark))
        };
        self.size.change(&mark, write)
    }

    /// Whether it has.
    pub fn owns_payload(&self, sha256: &str, tenant: &str) -> io::Result<bool> {
        self.mark(sha256, tenant)?.try_exists()
    }

    fn mark(&self, sha256: &str, tenant: &str) -> io::Result<PathBuf> {
        let payload = names::payload(&self.folder, sha256)?;
        Ok(payload.with_file_name(format!("{sha256}{OF}{}", hash(tenant))))
    }

    /// Bytes of a tenant's logs and payloads.
    pub fn size_of(&self, owner: Owner) -> u64 {
        self.size.of_owner(owner)
    }

    /// Those of the tenant that has most.
    pub fn most(&self) -> u64 {
        self.size.most()
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
            false => self.remove(&payload.with_file_name(name)),
        }
    }
}
