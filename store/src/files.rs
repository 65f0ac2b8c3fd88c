//! Bytes beside the store: payloads by what they are, logs by whose they are.
//!
//! ```text
//! files/payload/ab/abcdef…             the bytes whose SHA-256 is abcdef…
//! files/payload/ab/abcdef….0123…       a mark: the tenant of that hash has uploaded them
//! files/log/17/4017.1.4294967297       the log of job 4017's first attempt, under that fence
//! files/log/17/4017.1.429….0123…       the same of a tenant that has a name
//! files/upload/…                       payloads that are not whole yet; what a crash left there goes at the next start
//! ```
//! A payload has its name only when it is on the disk. It deliberately lacks any knowledge of which payloads are used: the
//! store has that, and [`Files::sweep_payloads`] is told.

mod names;
mod owner;
mod owners;
mod size;
mod upload;

pub use owner::Owner;
pub use size::Expected;
pub use upload::Upload;

use std::{
    fs::{File, FileTimes},
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};

use ostler_job::{JobId, durable::AttemptKey};

use self::{names::private_folder, size::Size};
use crate::StoreError;

/// The folder of payloads and logs. Methods block; streams of gigabytes go through in pieces.
#[derive(Clone, Debug)]
pub struct Files {
    folder: PathBuf,
    size: Arc<Size>,
    /// Held while a payload is made young, or found to be old and removed.
    ages: Arc<Mutex<()>>,
    /// It is there.
    ready: Arc<Mutex<bool>>,
}

impl Files {
    /// Opens the folder `files` of a state folder, made when it is not there.
    pub fn open(state: &Path) -> Result<Self, StoreError> {
        let files = Self::at(state);
        files.prepare()?;
        Ok(files)
    }

    /// The same folder, which is made by [`Files::prepare`].
    pub fn at(state: &Path) -> Self {
        let (size, ages, ready) = (Arc::default(), Arc::default(), Arc::default());
        Self { folder: state.join("files"), size, ages, ready }
    }

    /// Makes the folder, once. Until it can be made, nothing is kept.
    pub fn prepare(&self) -> Result<(), StoreError> {
        let mut ready = self.ready.lock().unwrap_or_else(PoisonError::into_inner);
        if *ready {
            return Ok(());
        }
        let name = self.folder.display().to_string();
        self.make().map_err(|error| crate::sqlite::from_io("making", &name, &error))?;
        self.size.count(self.folder.clone());
        *ready = true;
        Ok(())
    }

    fn make(&self) -> io::Result<()> {
        private_folder(&self.folder)?;
        for part in ["payload", "log", "upload"] {
            private_folder(&self.folder.join(part))?;
        }
        for left in ostler_private::list(&self.folder.join("upload"))? {
            ostler_private::remove(&left?.path())?;
        }
        names::sync(&self.folder)?;
        self.folder.parent().map_or(Ok(()), names::sync)
    }

    /// Begins a payload, which weighs on this tenant from its first byte.
    pub fn upload(&self, owner: Owner) -> io::Result<Upload> {
        Upload::begin(self.clone(), owner)
    }

    /// Opens a payload for reading; `NotFound` when there is none.
    pub fn payload(&self, sha256: &str) -> io::Result<File> {
        ostler_private::open(&names::payload(&self.folder, sha256)?)
    }

    /// Bytes of a payload that a job is about to name; `NotFound` when there is none. From now on it is as young as one
    /// just uploaded, so that it is not swept away before the job is stored.
    pub fn keep_payload(&self, sha256: &str) -> io::Result<u64> {
        let _none_goes = self.lock_ages();
        let file = self.payload(sha256)?;
        file.set_times(FileTimes::new().set_modified(SystemTime::now()))?;
        Ok(file.metadata()?.len())
    }

    /// Removes payloads that nobody uses and that were uploaded or kept before a moment, which should be so long ago that
    /// whoever uploaded one has submitted its job. Answers how many went.
    pub fn sweep_payloads(
        &self,
        older_than: SystemTime,
        is_used: impl Fn(&str) -> bool,
    ) -> io::Result<usize> {
        let mut swept = 0;
        for folder in ostler_private::list(&self.folder.join("payload"))? {
            for file in ostler_private::list(&folder?.path())? {
                let file = file?;
                let name = file.file_name();
                let Some(name) = name.to_str() else { continue };
                if !names::is_sha256(name) {
                    self.sweep_mark(name)?;
                    continue;
                }
                let sha256 = name;
                if is_used(sha256) {
                    continue;
                }
                // Looked at after the question: whoever has just named it has made it young. None becomes so between the
                // look and the end.
                let _none_comes = self.lock_ages();
                if file.metadata()?.modified()? < older_than {
                    self.remove(&file.path())?;
                    swept += 1;
                }
            }
        }
        Ok(swept)
    }

    /// The log file of an attempt, opened to append; made when it is not there. Whoever appends tells
    /// [`Files::log_grew`], and fsyncs it before it counts as whole.
    pub fn log_append(&self, key: AttemptKey, owner: Owner) -> io::Result<File> {
        let path = names::log(&self.folder, key, owner);
        let open = || self.size.change(&path, ostler_private::append);
        let file = match open() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                names::make_parent(&path)?;
                open()
            }
            file => file,
        }?;
        if file.metadata()?.len() == 0 {
            // The name is new, perhaps.
            names::sync(&names::logs(&self.folder, key.job))?;
        }
        Ok(file)
    }

    /// So many bytes were appended to a tenant's logs.
    pub fn log_grew(&self, owner: Owner, bytes: u64) {
        self.size.add(owner, i64::try_from(bytes).unwrap_or(i64::MAX));
    }

    /// Counts bytes as a tenant's that are on their way here, until they are there or do not come.
    pub fn expect(&self, owner: Owner, bytes: u64) -> Expected {
        Expected::new(Arc::clone(&self.size), owner, bytes)
    }

    /// Takes away what a log has; it is begun anew.
    pub fn log_clear(&self, key: AttemptKey, owner: Owner) -> io::Result<()> {
        let path = names::log(&self.folder, key, owner);
        self.size.change(&path, |path| ostler_private::truncated(path).map(drop))
    }

    /// The log file of an attempt for reading; `NotFound` when there is none.
    pub fn log(&self, key: AttemptKey, owner: Owner) -> io::Result<File> {
        match ostler_private::open(&names::log(&self.folder, key, owner)) {
            // Logs had no owners once.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                ostler_private::open(&names::log(&self.folder, key, Owner::default()))
            }
            file => file,
        }
    }

    /// Removes the logs of a job.
    pub fn delete_logs(&self, job: JobId) -> io::Result<()> {
        let prefix = format!("{job}.");
        let files = match ostler_private::list(&names::logs(&self.folder, job)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            files => files?,
        };
        for file in files {
            let file = file?;
            if file.file_name().to_str().is_some_and(|name| name.starts_with(&prefix)) {
                self.remove(&file.path())?;
            }
        }
        Ok(())
    }

    /// Removes logs that were last written before a moment and whose jobs are not there: those of a store that another one
    /// has taken the place of, and what came after its job was deleted. Answers how many went.
    pub fn sweep_logs(
        &self,
        older_than: SystemTime,
        absent: impl Fn(&[JobId]) -> Vec<JobId>,
    ) -> io::Result<usize> {
        let mut swept = 0;
        for folder in ostler_private::list(&self.folder.join("log"))? {
            let mut old = Vec::new();
            for file in ostler_private::list(&folder?.path())? {
                let file = file?;
                let job = file.file_name().to_str().and_then(names::job_of_log);
                if let Some(job) = job
                    && file.metadata()?.modified()? < older_than
                {
                    old.push((job, file.path()));
                }
            }
            let mut jobs: Vec<JobId> = old.iter().map(|(job, _)| *job).collect();
            jobs.sort_unstable();
            jobs.dedup();
            let absent = absent(&jobs);
            for (job, path) in old {
                if absent.binary_search(&job).is_ok() {
                    self.remove(&path)?;
                    swept += 1;
                }
            }
        }
        Ok(swept)
    }

    /// Bytes of all logs and payloads. Counted in the background when the folder is opened, and kept from then on.
    pub fn size(&self) -> u64 {
        self.size.get()
    }

    fn lock_ages(&self) -> MutexGuard<'_, ()> {
        self.ages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.size.change(path, ostler_private::remove)
    }
}
