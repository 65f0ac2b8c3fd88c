//! Which runners may come in: each name belongs to one key, with what it was let in for, until an operator removes it.
//!
//! A certificate says only that we signed it once. What counts is this list, which is looked at whenever a link comes up and
//! watched while it is there.

pub mod authority;
pub mod token;

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

use ostler_job::{Span, Wall};
use ostler_machine::clock;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use self::token::Scope;

/// What stands for the key of this host's own runner, which comes in by the local socket; no hash reads so.
const OWN: &str = "local";
/// The file in the state folder.
const FILE: &str = "members.json";

/// Longer than any certificate holds that was signed before.
const CERTIFICATE: Span = Span::from_secs((authority::LEAF_DAYS + 1) * 86_400);

/// A runner that joined.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Member {
    /// SHA-256 of its public key, in hex.
    key: String,
    /// SHA-256 of the secret that it joined with: whoever shows both again has not heard our answer.
    secret_sha256: String,
    scope: Scope,
    joined_at: Wall,
    /// Its key is good for nothing any more since then.
    #[serde(default)]
    removed_at: Option<Wall>,
    /// Nobody knows a runner of its name since then: it was not heard for long.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    unknown_since: Option<Wall>,
}

impl Member {
    fn new(key: &str, secret_sha256: &str, scope: Scope) -> Self {
        Self {
            key: key.to_owned(),
            secret_sha256: secret_sha256.to_owned(),
            scope,
            joined_at: clock::wall_now(),
            removed_at: None,
            unknown_since: None,
        }
    }
}

type All = BTreeMap<String, Member>;

/// Why a runner is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stranger {
    /// Nobody of that name joined, or longer ago than this list.
    Unknown,
    /// The name is another key's.
    OtherKey,
    /// An operator removed it.
    Removed,
}

impl Stranger {
    /// The sentence for the runner's operator.
    pub const fn told(self) -> &'static str {
        match self {
            Self::Unknown => {
                "the gateway does not know this runner; let it join with a new token of `ostler token join`"
            }
            Self::OtherKey => {
                "the gateway knows another runner by this name, with a key of its own; choose another name \
                 with --name, or forget the other one with `ostler runner remove NAME`"
            }
            Self::Removed => {
                "this runner was removed; to let it come back, start it with a new token of `ostler token join`"
            }
        }
    }
}

/// See the module.
#[derive(Debug)]
pub struct Members {
    file: PathBuf,
    all: Mutex<All>,
    /// Changes with the list.
    changes: watch::Sender<u64>,
}

impl Members {
    /// Reads the list of a state folder. One that is damaged is an error: who may come in is not guessed.
    pub fn open(state: &Path) -> io::Result<Self> {
        let file = state.join(FILE);
        let all = match ostler_private::read(&file) {
            Ok(text) => serde_json::from_slice(&text).map_err(|error| {
                let file = file.display();
                io::Error::other(format!(
                    "{file} is damaged: {error}; move it away, and all runners join anew"
                ))
            })?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => All::new(),
            Err(error) => return Err(error),
        };
        Ok(Self { file, all: Mutex::new(all), changes: watch::Sender::new(0) })
    }

    fn lock(&self) -> MutexGuard<'_, All> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the runner with this name and key may do.
    pub fn check(&self, name: &str, key: &str) -> Result<Scope, Stranger> {
        check(&self.lock(), name, key)
    }

    /// Whether this very runner joined with this secret already.
    pub fn has_joined(&self, name: &str, key: &str, secret_sha256: &str) -> bool {
        let all = self.lock();
        all.get(name).is_some_and(|it| {
            it.removed_at.is_none() && it.key == key && it.secret_sha256 == secret_sha256
        })
    }

    /// Whether a runner of this name and key may join.
    pub fn may_join(&self, name: &str, key: &str) -> Result<(), Stranger> {
        may_join(&self.lock(), name, key)
    }

    /// Binds the name to the key, unless it is another's meanwhile. Blocks.
    pub fn join(
        &self,
        name: &str,
        key: &str,
        secret_sha256: &str,
        scope: Scope,
    ) -> io::Result<Result<(), Stranger>> {
        let member = Member::new(key, secret_sha256, scope);
        let mut all = self.lock();
        if let Err(stranger) = may_join(&all, name, key) {
            return Ok(Err(stranger));
        }
        self.put(&mut all, name, member).map(Ok)
    }

    /// The name is this host's own runner's: whoever may open the local socket may have it, and nobody else. Blocks.
    pub(crate) fn keep_own(&self, name: &str) -> io::Result<()> {
        let mut all = self.lock();
        if all.get(name).is_some_and(|member| member.key == OWN && member.removed_at.is_none()) {
            return Ok(());
        }
        self.put(&mut all, name, Member::new(OWN, "", Scope::default()))
    }

    /// Whether a runner of this name joined and may come in.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.lock().get(name).is_some_and(|it| it.removed_at.is_none() && it.key != OWN)
    }

    /// Takes a runner's right away; `false`: there is none of that name. Blocks.
    pub fn remove(&self, name: &str) -> io::Result<bool> {
        let mut all = self.lock();
        let Some(member) = all.get(name).filter(|member| member.removed_at.is_none()) else {
            return Ok(false);
        };
        if member.key == OWN {
            return Ok(false);
        }
        let removed = Member { removed_at: Some(clock::wall_now()), ..member.clone() };
        self.put(&mut all, name, removed).map(|()| true)
    }

    /// The own runner is gone for good, and its name is free. Blocks.
    pub fn give_up(&self, name: &str) -> io::Result<bool> {
        let mut all = self.lock();
        let Some(member) = all.get(name).filter(|it| it.key == OWN && it.removed_at.is_none())
        else {
            return Ok(false);
        };
        let removed = Member { removed_at: Some(clock::wall_now()), ..member.clone() };
        self.put(&mut all, name, removed).map(|()| true)
    }

    /// Lets go of those whose certificates are over for certain: who was removed, and whom `is_known` has not known, as long ago
    /// as a certificate holds. Until then a removed key is refused, and a name is its key's. Blocks.
    pub(crate) fn forget_gone(&self, now: Wall, is_known: impl Fn(&str) -> bool) -> io::Result<()> {
        let mut all = self.lock();
        let mut next = all.clone();
        for (name, member) in next.iter_mut().filter(|(_, it)| it.removed_at.is_none()) {
            let since = member.unknown_since.take();
            member.unknown_since = (!is_known(name)).then(|| since.unwrap_or(now));
        }
        next.retain(|_, it| {
            let gone = it.removed_at.or(it.unknown_since);
            gone.is_none_or(|since| now.since(since) < CERTIFICATE)
        });
        if next == *all { Ok(()) } else { self.replace(&mut all, next) }
    }

    fn put(&self, all: &mut All, name: &str, member: Member) -> io::Result<()> {
        let mut next = all.clone();
        next.insert(name.to_owned(), member);
        self.replace(all, next)
    }

    /// Written first: what is not on the disk is not so.
    fn replace(&self, all: &mut All, next: All) -> io::Result<()> {
        ostler_private::replace(&self.file, &serde_json::to_vec_pretty(&next)?)?;
        *all = next;
        self.changes.send_modify(|count| *count += 1);
        Ok(())
    }

    /// Returns when this runner may not stay, and says why.
    pub async fn gone(&self, name: &str, key: &str) -> Stranger {
        let mut changes = self.changes.subscribe();
        loop {
            if let Err(stranger) = self.check(name, key) {
                return stranger;
            }
            if changes.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }
}

fn check(all: &All, name: &str, key: &str) -> Result<Scope, Stranger> {
    match all.get(name) {
        None => Err(Stranger::Unknown),
        Some(member) if member.key != key => Err(Stranger::OtherKey),
        Some(member) if member.removed_at.is_some() => Err(Stranger::Removed),
        Some(member) => Ok(member.scope.clone()),
    }
}

fn may_join(all: &All, name: &str, key: &str) -> Result<(), Stranger> {
    let given_up = all.get(name).is_some_and(|member| member.removed_at.is_some());
    match check(all, name, key) {
        Ok(_) | Err(Stranger::Unknown) => Ok(()),
        // A name that was given up is free for another key.
        Err(Stranger::OtherKey) if given_up => Ok(()),
        Err(stranger) => Err(stranger),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope() -> Scope {
        Scope::default()
    }

    #[test]
    fn a_name_belongs_to_one_key_until_it_is_removed() {
        let state = tempfile::tempdir().unwrap();
        let members = Members::open(state.path()).unwrap();
        assert_eq!(members.check("a", "k1"), Err(Stranger::Unknown));
        members.join("a", "k1", "s", scope()).unwrap().unwrap();
        assert!(members.check("a", "k1").is_ok());
        assert_eq!(members.check("a", "k2"), Err(Stranger::OtherKey));
        assert_eq!(
            members.may_join("a", "k2"),
            Err(Stranger::OtherKey),
            "whether it is here or away"
        );
        assert!(members.has_joined("a", "k1", "s"));
        assert!(!members.has_joined("a", "k2", "s") && !members.has_joined("a", "k1", "other"));
        let again = Members::open(state.path()).unwrap();
        assert!(again.check("a", "k1").is_ok(), "it is written down");
        assert!(members.remove("a").unwrap());
        assert!(!members.remove("a").unwrap() && !members.remove("b").unwrap());
        assert_eq!(members.check("a", "k1"), Err(Stranger::Removed));
        assert_eq!(members.may_join("a", "k1"), Err(Stranger::Removed), "a removed key stays out");
        assert!(!members.has_joined("a", "k1", "s"));
        assert!(members.may_join("a", "k2").is_ok(), "the name is free");
        assert_eq!(Members::open(state.path()).unwrap().check("a", "k1"), Err(Stranger::Removed));
    }

    #[tokio::test]
    async fn a_link_hears_of_its_removal() {
        let state = tempfile::tempdir().unwrap();
        let members = Members::open(state.path()).unwrap();
        members.join("a", "k", "s", scope()).unwrap().unwrap();
        let (gone, ()) = tokio::join!(members.gone("a", "k"), async {
            members.join("b", "k", "s", scope()).unwrap().unwrap();
            tokio::task::yield_now().await;
            members.remove("a").unwrap();
        });
        assert_eq!(gone, Stranger::Removed);
    }

    #[test]
    fn the_own_runners_name_is_nobody_elses() {
        let state = tempfile::tempdir().unwrap();
        let members = Members::open(state.path()).unwrap();
        members.join("a", "k", "s", scope()).unwrap().unwrap();
        for _ in 0..2 {
            members.keep_own("a").unwrap();
            assert_eq!(members.check("a", "k"), Err(Stranger::OtherKey));
            assert_eq!(members.may_join("a", "k2"), Err(Stranger::OtherKey));
        }
        assert!(!members.remove("a").unwrap(), "it needs no right to come in");
        assert!(members.give_up("a").unwrap());
        assert!(members.may_join("a", "k2").is_ok());
        members.keep_own("a").unwrap();
        assert_eq!(members.may_join("a", "k2"), Err(Stranger::OtherKey), "it came back");
    }

    #[test]
    fn who_is_gone_is_forgotten_when_no_certificate_of_it_holds_any_more() {
        const DAY: Span = Span::from_secs(86_400);
        let state = tempfile::tempdir().unwrap();
        let members = Members::open(state.path()).unwrap();
        for name in ["here", "gone", "removed", "back"] {
            members.join(name, name, "s", scope()).unwrap().unwrap();
        }
        members.remove("removed").unwrap();
        let start = clock::wall_now();
        let look = |days: u64, known: &[&str]| {
            let now = start.after(Span(DAY.0 * days));
            members.forget_gone(now, |name| known.contains(&name)).unwrap();
            let left = Members::open(state.path()).unwrap();
            assert_eq!(*left.lock(), *members.lock(), "it is written down");
            members.lock().keys().cloned().collect::<Vec<_>>()
        };
        assert_eq!(look(0, &["here"]).len(), 4);
        assert_eq!(look(60, &["here", "back"]).len(), 4);
        assert_eq!(look(authority::LEAF_DAYS, &["here"]).len(), 4);
        assert_eq!(members.check("removed", "removed"), Err(Stranger::Removed));
        assert_eq!(members.may_join("gone", "other"), Err(Stranger::OtherKey));
        assert_eq!(look(authority::LEAF_DAYS + 2, &["here"]), ["back", "here"]);
        assert_eq!(members.check("removed", "removed"), Err(Stranger::Unknown), "still refused");
        assert!(members.may_join("gone", "other").is_ok(), "the name is free");
        assert_eq!(look(1_000, &["here"]), ["here"]);
    }

    #[test]
    fn a_damaged_list_lets_nobody_in() {
        let state = tempfile::tempdir().unwrap();
        std::fs::write(state.path().join(FILE), "{").unwrap();
        assert!(Members::open(state.path()).unwrap_err().to_string().contains("damaged"));
    }
}
