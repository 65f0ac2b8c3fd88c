//! The budget of spool files on the disk, shared among clients.
//!
//! A client may have all that nobody else needs. When room runs out, whoever holds most, and more than an equal part, is the
//! first to be cut: the file goes whose client has taken, or sent, nothing for the longest. So one client can neither keep
//! the others out nor hold their children. A part of the disk is never touched: the store needs it.

use std::{
    collections::BTreeMap,
    fs::File,
    io,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
};

use ostler_job::{Mono, Span};
use ostler_machine::{clock, disk::Disk, peer::Peer};

/// A client's file that was not touched for this long may be cut for another file of the same client.
const STALLED: Span = Span::from_secs(1);
/// Files that are cut for one piece, at most.
const CUTS_MAX: usize = 64;

/// A file's claim on room.
#[derive(Debug)]
pub(super) struct Claim {
    pub(super) file: File,
    client: Peer,
    held: AtomicU64,
    touched: AtomicU64,
    cut: AtomicBool,
    settled: AtomicBool,
}

impl Claim {
    pub(super) fn is_cut(&self) -> bool {
        self.cut.load(Relaxed)
    }

    /// The client has taken or sent something.
    pub(super) fn touch(&self) {
        self.touched.store(clock::now().0, Relaxed);
    }

    fn may_be_cut(&self) -> bool {
        !self.settled.load(Relaxed) && self.held.load(Relaxed) > 0
    }
}

#[derive(Debug, Default)]
struct Client {
    used: u64,
    files: Vec<Arc<Claim>>,
}

#[derive(Debug, Default)]
struct Inner {
    used: u64,
    clients: BTreeMap<Peer, Client>,
    cut: u64,
}

/// The room that all spool files may take together.
#[derive(Debug)]
pub(crate) struct Budget {
    folder: PathBuf,
    max: u64,
    files_max: usize,
    disk: Arc<Disk>,
    inner: Mutex<Inner>,
}

impl Budget {
    /// `max`: bytes, and files, at most.
    pub(crate) fn new(folder: PathBuf, max: (u64, usize), disk: Arc<Disk>) -> Self {
        Self { folder, max: max.0, files_max: max.1, disk, inner: Mutex::default() }
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Bytes in spool files now.
    pub(crate) fn used(&self) -> u64 {
        self.lock().used
    }

    /// Bytes that all spool files could have together, were every one of those there are cut.
    pub(crate) fn most(&self) -> u64 {
        let used = self.used();
        self.max.min(self.disk.room().saturating_add(used))
    }

    /// Files that were cut to make room.
    pub(crate) fn cut(&self) -> u64 {
        self.lock().cut
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A new file without a name. A client may have as many as are left to the others.
    pub(super) fn create(&self, client: Peer) -> io::Result<Arc<Claim>> {
        {
            let inner = self.lock();
            let files: usize = inner.clients.values().map(|of| of.files.len()).sum();
            let own = inner.clients.get(&client).map_or(0, |of| of.files.len());
            if files + own >= self.files_max {
                return Err(io::Error::new(io::ErrorKind::StorageFull, "too many spool files"));
            }
        }
        let claim = Arc::new(Claim {
            file: self.make()?,
            client,
            held: AtomicU64::new(0),
            touched: AtomicU64::new(clock::now().0),
            cut: AtomicBool::new(false),
            settled: AtomicBool::new(false),
        });
        self.lock().clients.entry(client).or_default().files.push(claim.clone());
        Ok(claim)
    }

    fn make(&self) -> io::Result<File> {
        let new = || tempfile::tempfile_in(&self.folder);
        let made = match new() {
            // It is nearly always empty, which is what programs that tidy up look for.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                ostler_private::folder(&self.folder)?;
                new()
            }
            made => made,
        };
        made.map_err(ostler_private::named(&self.folder))
    }

    /// Room for so many bytes of a file, made if need be. May block.
    pub(super) fn take(&self, claim: &Claim, bytes: u64) -> io::Result<()> {
        for _ in 0..CUTS_MAX {
            let mut inner = self.lock();
            if claim.is_cut() {
                return Err(io::Error::other("it was cut off to make room for others"));
            }
            let room = self.disk.room().min(self.max.saturating_sub(inner.used));
            if bytes <= room {
                self.disk.take(bytes);
                inner.used += bytes;
                inner.clients.entry(claim.client).or_default().used += bytes;
                claim.held.fetch_add(bytes, Relaxed);
                return Ok(());
            }
            let Some(victim) = inner.victim(claim, bytes, room) else { break };
            victim.cut.store(true, Relaxed);
            inner.release(&victim);
            inner.cut += 1;
            drop(inner);
            victim.file.set_len(0)?;
        }
        Err(io::Error::new(io::ErrorKind::StorageFull, "there is no room for more spool files"))
    }

    /// Some of a file's bytes were not written.
    pub(super) fn return_some(&self, claim: &Claim, bytes: u64) {
        let mut inner = self.lock();
        // Cut meanwhile, it holds nothing.
        let bytes = bytes.min(claim.held.load(Relaxed));
        claim.held.fetch_sub(bytes, Relaxed);
        inner.used -= bytes;
        if let Some(of) = inner.clients.get_mut(&claim.client) {
            of.used -= bytes;
        }
    }

    /// A file gets no more, and is not waited for by its client: it is ours to use up.
    pub(super) fn settle(claim: &Claim) {
        claim.settled.store(true, Relaxed);
    }

    /// A file is cut because its client took nothing for too long.
    pub(super) fn cut_off(&self, claim: &Claim) {
        let mut inner = self.lock();
        claim.cut.store(true, Relaxed);
        inner.release(claim);
        drop(inner);
        // What stays on the disk goes with the file.
        let _later = claim.file.set_len(0);
    }

    /// A file goes.
    pub(super) fn give(&self, claim: &Arc<Claim>) {
        let mut inner = self.lock();
        inner.release(claim);
        if let Some(of) = inner.clients.get_mut(&claim.client) {
            of.files.retain(|file| !Arc::ptr_eq(file, claim));
            if of.files.is_empty() {
                inner.clients.remove(&claim.client);
            }
        }
    }
}

impl Inner {
    fn release(&mut self, claim: &Claim) {
        let bytes = claim.held.swap(0, Relaxed);
        self.used -= bytes;
        if let Some(of) = self.clients.get_mut(&claim.client) {
            of.used -= bytes;
        }
    }

    /// The file that is to make room for a client's next bytes.
    fn victim(&self, asker: &Claim, bytes: u64, room: u64) -> Option<Arc<Claim>> {
        let (biggest, of) = self.clients.iter().max_by_key(|(_, of)| of.used)?;
        let holders = self.clients.values().filter(|of| of.used > 0).count() as u64;
        let own = self.clients.get(&asker.client).map_or(0, |of| of.used);
        let holders = holders + u64::from(own == 0);
        let part = (self.used + room) / holders.max(1);
        let needs = own + bytes <= part && of.used > part;
        if *biggest != asker.client && !needs {
            return None;
        }
        let now = clock::now();
        let is_other = |file: &&Arc<Claim>| !std::ptr::eq(Arc::as_ptr(file), asker);
        let files = of.files.iter().filter(|file| file.may_be_cut()).filter(is_other);
        let longest = files.min_by_key(|file| file.touched.load(Relaxed))?;
        let stalled = now - Mono(longest.touched.load(Relaxed));
        (needs || stalled >= STALLED).then(|| longest.clone())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;

    use super::{super::spool::SpoolFile, *};

    fn peer(last: u8) -> Peer {
        Peer::of([10, 0, 0, last].into())
    }

    fn budget(max: u64) -> (tempfile::TempDir, Arc<Budget>) {
        let folder = tempfile::tempdir().unwrap();
        let disk = Arc::new(Disk::new(folder.path().to_owned(), Some(0)));
        let budget = Arc::new(Budget::new(folder.path().to_owned(), (max, 1000), disk));
        (folder, budget)
    }

    async fn file(budget: &Arc<Budget>, last: u8, bytes: usize) -> (Arc<SpoolFile>, bool) {
        let file = Arc::new(SpoolFile::create(budget, peer(last)).unwrap());
        let fits = file.append(Bytes::from(vec![b'x'; bytes])).await.is_ok();
        (file, fits)
    }

    #[tokio::test]
    async fn a_client_may_have_all_and_is_cut_when_another_needs_its_part() {
        let (_folder, budget) = budget(100);
        let mut big = Vec::new();
        for _ in 0..10 {
            let (file, fits) = file(&budget, 1, 10).await;
            assert!(fits, "what nobody needs is there for whoever does");
            big.push(file);
        }
        assert!(!file(&budget, 1, 10).await.1, "it cuts nothing of itself that moves");
        let (small, fits) = file(&budget, 2, 30).await;
        assert!(fits, "the other has its part");
        assert_eq!(budget.used(), 100);
        assert_eq!(big.iter().filter(|file| file.is_cut()).count(), 3);
        assert!(big[..3].iter().all(|file| file.is_cut()), "the longest untouched go first");
        assert!(big[0].clone().read(0, 10).await.is_err());
        assert!(big[0].append(Bytes::from_static(b"y")).await.is_err());
        assert_eq!(small.clone().read(0, 30).await.unwrap().len(), 30);
        assert!(!file(&budget, 2, 30).await.1, "not more than its part");
        assert_eq!(budget.cut(), 3, "and nothing is cut in vain");
        drop((big, small));
        assert_eq!(budget.used(), 0);
        assert!(budget.lock().clients.is_empty());
    }

    #[tokio::test]
    async fn files_are_shared_like_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let disk = Arc::new(Disk::new(folder.path().to_owned(), Some(0)));
        let budget = Budget::new(folder.path().to_owned(), (100, 4), disk);
        assert!(budget.create(peer(1)).is_ok() && budget.create(peer(1)).is_ok());
        assert!(budget.create(peer(1)).is_err(), "as many as it leaves to others");
        assert!(budget.create(peer(2)).is_ok());
    }

    #[tokio::test]
    async fn what_asks_for_more_is_not_cut_for_itself_however_long_it_was_let_lie() {
        let (_folder, budget) = budget(100);
        let (only, _) = file(&budget, 1, 90).await;
        tokio::time::sleep(Duration::from_millis(1100)).await;
        let refused = only.append(Bytes::from(vec![b'x'; 20])).await.unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::StorageFull, "there may be room in a moment");
        assert_eq!(only.clone().read(0, 90).await.unwrap().len(), 90);
    }

    #[test]
    fn what_was_cut_meanwhile_gives_nothing_back() {
        let (_folder, budget) = budget(100);
        let claim = budget.create(peer(1)).unwrap();
        budget.take(&claim, 40).unwrap();
        budget.cut_off(&claim);
        budget.return_some(&claim, 40);
        assert_eq!(budget.used(), 0);
        budget.give(&claim);
    }

    #[tokio::test]
    async fn what_is_whole_and_waits_for_us_is_not_cut() {
        let (_folder, budget) = budget(100);
        let (whole, _) = file(&budget, 1, 90).await;
        whole.settle();
        assert!(!file(&budget, 2, 20).await.1);
        assert!(!whole.is_cut());
    }

    #[tokio::test]
    async fn many_clients_have_equal_parts() {
        let (_folder, budget) = budget(100);
        let mut kept = Vec::new();
        for last in 1..=10 {
            for _ in 0..10 {
                kept.push(file(&budget, last, 5).await.0);
            }
        }
        for last in 1..=10 {
            let own = budget.lock().clients[&peer(last)].used;
            assert!((5..=20).contains(&own), "client {last} has {own}");
        }
    }
}
