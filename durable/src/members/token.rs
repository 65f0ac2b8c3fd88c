//! Join tokens: what lets a runner of another host ask for its certificate.
//!
//! The token itself carries the gateway's address, the authority's fingerprint and a secret; the gateway keeps only the
//! secret's hash, when it expires, how often it may be used and for what. The command line makes tokens while the gateway uses them:
//! a lock keeps them apart.

use std::{collections::BTreeSet, io, path::Path, time::Duration};

use nix::fcntl::{Flock, FlockArg};
use ostler_machine::{
    clock,
    secret::{self, base64url, sha256_hex},
};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::authority::Authority;

const PREFIX: &str = "ostler1.";
/// The file in the state folder, and its lock.
const FILE: (&str, &str) = ("tokens.json", "tokens.lock");
/// Letters of a token's id.
const ID: usize = 12;

/// What a token says, under short names since it is typed and pasted.
#[derive(Serialize)]
struct Token {
    /// The gateway's runner listener.
    a: String,
    /// SHA-256 of the authority's certificate, in hex.
    f: String,
    /// The secret.
    s: String,
    /// When it expires, in seconds since the epoch.
    e: u64,
}

/// What a runner may do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scope {
    /// The apps that it may serve; `None`: all.
    pub apps: Option<BTreeSet<String>>,
    /// It may run durable jobs.
    pub jobs: bool,
}

impl Default for Scope {
    fn default() -> Self {
        Self { apps: None, jobs: true }
    }
}

impl Scope {
    /// Whether it may serve an app.
    pub fn serves(&self, app: &str) -> bool {
        self.apps.as_ref().is_none_or(|apps| apps.contains(app))
    }
}

/// A token to make.
#[derive(Clone, Debug)]
pub struct TokenRequest {
    /// Where runners dial, `HOST:PORT`.
    pub address: String,
    /// How long it lets runners join.
    pub ttl: Duration,
    /// How many; `None`: any number.
    pub uses: Option<u32>,
    /// The one name that it lets in.
    pub name: Option<String>,
    /// What those may do that join with it.
    pub scope: Scope,
}

/// A token as the gateway remembers it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredToken {
    secret_sha256: String,
    expires: u64,
    #[serde(default = "once")]
    uses: Option<u32>,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    scope: Scope,
}

#[expect(clippy::unnecessary_wraps, reason = "the default of an optional field")]
const fn once() -> Option<u32> {
    Some(1)
}

/// A token that is good for something, as an operator sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Listed {
    /// What it is called; it says nothing of the secret.
    pub id: String,
    /// When it expires, in seconds since the epoch.
    pub expires: u64,
    /// How many runners may still join; `None`: any number.
    pub uses: Option<u32>,
    /// The one name that it lets in.
    pub name: Option<String>,
    /// What those may do that join with it.
    #[serde(flatten)]
    pub scope: Scope,
}

/// Why no token could be made.
#[derive(Debug, Error)]
pub enum TokenError {
    /// The state folder cannot be read or written.
    #[error("cannot keep join tokens in {path}: {1}", path = .0.display())]
    State(std::path::PathBuf, io::Error),
}

/// Makes a join token for a gateway that keeps its state in a folder.
pub fn create(state: &Path, wish: TokenRequest) -> Result<String, TokenError> {
    let failed = |error| TokenError::State(state.to_owned(), error);
    let authority = Authority::open(state).map_err(failed)?;
    let secret = secret::random();
    let expires = clock::wall().saturating_add(wish.ttl).as_secs();
    let TokenRequest { address, ttl: _, uses, name, scope } = wish;
    let kept =
        StoredToken { secret_sha256: sha256_hex(secret.as_bytes()), expires, uses, name, scope };
    change(state, |all| all.push(kept)).map_err(failed)?;
    let token = Token { a: address, f: authority.fingerprint(), s: secret, e: expires };
    let json = serde_json::to_vec(&token).expect("plain fields have a JSON form");
    Ok(format!("{PREFIX}{}", base64url(&json)))
}

/// The tokens that let somebody in.
pub fn list(state: &Path) -> Result<Vec<Listed>, TokenError> {
    let all = change(state, |all| all.clone());
    let all = all.map_err(|error| TokenError::State(state.to_owned(), error))?;
    let listed = |kept: StoredToken| Listed {
        id: id(&kept.secret_sha256).to_owned(),
        expires: kept.expires,
        uses: kept.uses,
        name: kept.name,
        scope: kept.scope,
    };
    Ok(all.into_iter().map(listed).collect())
}

/// Takes the token of an id back; `false`: there is none. Runners that joined stay.
pub fn revoke(state: &Path, wanted: &str) -> Result<bool, TokenError> {
    let revoked = change(state, |all| {
        let before = all.len();
        all.retain(|kept| id(&kept.secret_sha256) != wanted);
        all.len() < before
    });
    revoked.map_err(|error| TokenError::State(state.to_owned(), error))
}

fn id(secret_sha256: &str) -> &str {
    secret_sha256.get(..ID).unwrap_or(secret_sha256)
}

/// Uses a token for a runner of this name, and tells what it may do; or says why not. Blocks.
pub fn take(
    state: &Path,
    secret_sha256: &str,
    name: &str,
) -> io::Result<Result<Scope, &'static str>> {
    change(state, |all| {
        let at = all.iter().position(|kept| kept.secret_sha256 == secret_sha256);
        let Some(at) = at else {
            return Err(
                "the join token is used up, revoked, unknown or has expired; make a new one with `ostler token join`",
            );
        };
        if all[at].name.as_ref().is_some_and(|only| only != name) {
            return Err(
                "the join token is for a runner of another name; give that with --name, or make another token",
            );
        }
        let scope = all[at].scope.clone();
        match all[at].uses.as_mut() {
            None => {}
            Some(uses) if *uses > 1 => *uses -= 1,
            Some(_) => drop(all.remove(at)),
        }
        Ok(scope)
    })
}

/// Changes the list, which nobody else does meanwhile. What has expired is not on it.
fn change<T>(state: &Path, change: impl FnOnce(&mut Vec<StoredToken>) -> T) -> io::Result<T> {
    let lock = ostler_private::lock(&state.join(FILE.1))?;
    let _held = Flock::lock(lock, FlockArg::LockExclusive).map_err(|(_, error)| error)?;
    let path = state.join(FILE.0);
    let before = match ostler_private::read(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => b"[]".to_vec(),
        Err(error) => return Err(error),
    };
    let mut kept: Vec<StoredToken> = serde_json::from_slice(&before)
        .map_err(|e| io::Error::other(format!("{} is damaged: {e}; remove it", path.display())))?;
    let now = clock::wall().as_secs();
    kept.retain(|token| token.expires > now);
    let done = change(&mut kept);
    let after = serde_json::to_vec_pretty(&kept)?;
    if after != before && !(kept.is_empty() && before == b"[]") {
        ostler_private::replace(&path, &after)?;
    }
    Ok(done)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn wish(ttl: Duration, uses: Option<u32>) -> TokenRequest {
        let address = "127.0.0.1:2692".to_owned();
        TokenRequest { address, ttl, uses, name: None, scope: Scope::default() }
    }

    /// The hash of the secret that was made last.
    fn newest(state: &Path) -> String {
        change(state, |all| all.last().unwrap().secret_sha256.clone()).unwrap()
    }

    #[test]
    fn a_token_is_valid_until_it_expires_and_its_secret_is_not_kept() {
        let state = tempfile::tempdir().unwrap();
        create(state.path(), wish(Duration::ZERO, None)).unwrap();
        create(state.path(), wish(HOUR, None)).unwrap();
        assert_eq!(list(state.path()).unwrap().len(), 1, "the expired one is gone");
        assert!(take(state.path(), &sha256_hex(b"guess"), "a").unwrap().is_err());
        // Longer than time goes on.
        create(state.path(), wish(Duration::MAX, None)).unwrap();
        assert!(take(state.path(), &newest(state.path()), "a").unwrap().is_ok());
    }

    #[test]
    fn a_token_lets_in_as_many_as_it_says() {
        let state = tempfile::tempdir().unwrap();
        for (uses, lets_in) in [(Some(1), 1), (Some(3), 3), (None, 9)] {
            create(state.path(), wish(HOUR, uses)).unwrap();
            let secret = newest(state.path());
            let took = (0..9).filter(|_| take(state.path(), &secret, "a").unwrap().is_ok()).count();
            assert_eq!(took, lets_in, "{uses:?}");
        }
    }

    #[test]
    fn a_token_is_for_a_name_and_a_scope_and_can_be_taken_back() {
        let state = tempfile::tempdir().unwrap();
        let scope = Scope { apps: Some(["shop".to_owned()].into()), jobs: false };
        let wish = TokenRequest {
            name: Some("web-1".into()),
            scope: scope.clone(),
            ..wish(HOUR, Some(1))
        };
        create(state.path(), wish).unwrap();
        let secret = newest(state.path());
        assert!(
            take(state.path(), &secret, "web-2").unwrap().unwrap_err().contains("another name")
        );
        assert_eq!(take(state.path(), &secret, "web-1").unwrap(), Ok(scope.clone()));
        assert!(scope.serves("shop") && !scope.serves("bank") && Scope::default().serves("bank"));
        create(state.path(), self::wish(HOUR, None)).unwrap();
        let (secret, listed) = (newest(state.path()), list(state.path()).unwrap());
        assert!(revoke(state.path(), &listed[0].id).unwrap());
        assert!(!revoke(state.path(), &listed[0].id).unwrap());
        assert!(take(state.path(), &secret, "a").unwrap().is_err());
    }

    #[test]
    fn tokens_that_are_made_at_once_all_count() {
        let state = tempfile::tempdir().unwrap();
        std::thread::scope(|scope| {
            for _ in 0..10 {
                scope.spawn(|| create(state.path(), wish(HOUR, Some(1))).unwrap());
            }
        });
        assert_eq!(list(state.path()).unwrap().len(), 10);
    }

    #[test]
    fn tokens_of_an_earlier_version_are_good_once() {
        let state = tempfile::tempdir().unwrap();
        let old =
            format!("[{{\"secret_sha256\": \"{}\", \"expires\": 99999999999}}]", sha256_hex(b"s"));
        std::fs::write(state.path().join(FILE.0), old).unwrap();
        assert_eq!(take(state.path(), &sha256_hex(b"s"), "a").unwrap(), Ok(Scope::default()));
        assert!(take(state.path(), &sha256_hex(b"s"), "a").unwrap().is_err());
    }
}
