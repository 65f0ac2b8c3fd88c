//! A payload on its way in.

use std::{
    fs::File,
    io::{self, Write as _},
    path::PathBuf,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

use data_encoding::HEXLOWER;
use ostler_job::durable::Payload;
use sha2::{Digest, Sha256};

use super::{Expected, Files, Owner, names};

/// A payload that is being written; dropped before it is finished, it leaves nothing.
#[derive(Debug)]
pub struct Upload {
    files: Files,
    file: File,
    partial: Partial,
    hash: Sha256,
    bytes: u64,
    /// What it has so far is there already, and somebody's.
    held: Expected,
}

/// A file that goes unless it was given another name.
#[derive(Debug)]
struct Partial(PathBuf);

impl Drop for Partial {
    fn drop(&mut self) {
        // It was renamed, or the next start removes it.
        let _gone = ostler_private::remove(&self.0);
    }
}

/// Names the next partial file of this process.
static NEXT: AtomicU64 = AtomicU64::new(0);

impl Upload {
    pub(super) fn begin(files: Files, owner: Owner) -> io::Result<Self> {
        let name = format!("{}.{}", std::process::id(), NEXT.fetch_add(1, Relaxed));
        let partial = Partial(files.folder.join("upload").join(name));
        let file = ostler_private::create_new(&partial.0)?;
        let held = files.expect(owner, 0);
        Ok(Self { files, file, partial, hash: Sha256::new(), bytes: 0, held })
    }

    /// Adds bytes.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.held.more(bytes.len() as u64);
        self.bytes += bytes.len() as u64;
        self.file.write_all(bytes).map_err(ostler_private::named(&self.partial.0))?;
        self.hash.update(bytes);
        Ok(())
    }

    /// Makes it durable, and tells its name. One that is there already is kept, and is young again.
    pub fn finish(self) -> io::Result<Payload> {
        let sha256 = HEXLOWER.encode(&self.hash.finalize());
        let (bytes, files) = (self.bytes, &self.files);
        match files.keep_payload(&sha256) {
            // Its length is compared because a file system may have lost what it had promised.
            Ok(there) if there == bytes => {}
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {
                self.file.sync_all().map_err(ostler_private::named(&self.partial.0))?;
                let path = names::payload(&files.folder, &sha256)?;
                names::make_parent(&path)?;
                files.size.change(&path, |path| ostler_private::rename(&self.partial.0, path))?;
                names::sync(path.parent().unwrap_or(&path))?;
            }
        }
        Ok(Payload { sha256, bytes })
    }
}
