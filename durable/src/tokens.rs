//! Tokens in memory, by their hash, so that a request costs no read. A name is one token's.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError, RwLock},
    time::Duration,
};

use ostler_job::Wall;
use ostler_machine::clock;
use ostler_store::Token;
use tokio::sync::watch;

/// Between two looks at the clock, which may be set.
const LOOK: Duration = Duration::from_secs(30);

/// Every token that the store has.
#[derive(Debug, Default)]
pub(super) struct Tokens {
    by_hash: RwLock<BTreeMap<String, Arc<Token>>>,
    /// Names of tokens that are on their way to the store.
    coming: Mutex<BTreeSet<String>>,
    changes: watch::Sender<u64>,
}

/// A name that nobody else gets while this is kept.
#[derive(Debug)]
pub(super) struct Reserved<'a> {
    tokens: &'a Tokens,
    name: String,
}

impl Drop for Reserved<'_> {
    fn drop(&mut self) {
        self.tokens.coming.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.name);
    }
}

impl Tokens {
    /// Takes the place of whatever had its name.
    pub(super) fn put(&self, token: Token) {
        let mut all = self.by_hash.write().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, other| other.name != token.name);
        all.insert(token.hash.clone(), Arc::new(token));
        drop(all);
        self.changes.send_modify(|count| *count += 1);
    }

    /// Reserves a name that no token has, had or is about to have.
    pub(super) fn reserve(&self, name: &str) -> Option<Reserved<'_>> {
        let mut coming = self.coming.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = self.all().iter().any(|token| token.name == name);
        let free = !taken && coming.insert(name.to_owned());
        free.then(|| Reserved { tokens: self, name: name.to_owned() })
    }

    /// The token of a hash, if it lets anybody in now.
    pub(super) fn valid(&self, hash: &str, now: Wall) -> Option<Arc<Token>> {
        let token = self.by_hash.read().unwrap_or_else(PoisonError::into_inner).get(hash)?.clone();
        let over = token.revoked_at.is_some() || token.expires_at.is_some_and(|end| end <= now);
        (!over).then_some(token)
    }

    /// Returns when the token of a hash lets nobody in any more.
    pub(super) async fn over(&self, hash: &str) {
        let mut changes = self.changes.subscribe();
        loop {
            let now = clock::wall_now();
            let Some(token) = self.valid(hash, now) else { return };
            let left = token.expires_at.map_or(LOOK, |end| Duration::from_millis(end.0 - now.0));
            tokio::select! {
                // The sender is ours.
                _ = changes.changed() => {}
                () = tokio::time::sleep(left.min(LOOK)), if token.expires_at.is_some() => {}
            }
        }
    }

    pub(super) fn all(&self) -> Vec<Arc<Token>> {
        self.by_hash.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }
}

/// What the audit trail says of a token: what it allows as well, since the token itself may be gone when somebody asks.
pub(super) fn audited(token: &Token) -> serde_json::Value {
    let verb = if token.revoked_at.is_some() { "token_revoke" } else { "token_create" };
    let expires = token.expires_at.map(clock::show);
    serde_json::json!({
        "action": verb, "token": token.name, "scopes": token.scopes, "tenant": token.tenant, "expires_at": expires,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(expires_at: Option<Wall>, revoked_at: Option<Wall>) -> Token {
        Token {
            name: "t".into(),
            hash: "h".into(),
            scopes: ["read".to_owned()].into(),
            tenant: None,
            created_at: Wall(0),
            expires_at,
            revoked_at,
        }
    }

    #[test]
    fn a_token_ends_when_it_expires_or_is_revoked() {
        let tokens = Tokens::default();
        tokens.put(token(Some(Wall(10)), None));
        assert!(tokens.valid("h", Wall(9)).is_some());
        assert!(tokens.valid("h", Wall(10)).is_none());
        assert!(tokens.valid("other", Wall(0)).is_none());
        tokens.put(token(None, Some(Wall(1))));
        assert!(tokens.valid("h", Wall(2)).is_none());
    }

    #[test]
    fn a_name_is_one_tokens() {
        let tokens = Tokens::default();
        let first = tokens.reserve("t").unwrap();
        assert!(tokens.reserve("t").is_none(), "it is on its way");
        assert!(tokens.reserve("u").is_some());
        drop(first);
        tokens.put(token(None, None));
        assert!(tokens.reserve("t").is_none());
        // Whatever came of an earlier version: what is put last is the only one.
        tokens.put(Token { hash: "h2".into(), ..token(None, None) });
        assert!(tokens.valid("h", Wall(0)).is_none() && tokens.valid("h2", Wall(0)).is_some());
        tokens.put(Token { hash: "h2".into(), ..token(None, Some(Wall(1))) });
        assert!(tokens.reserve("t").is_none(), "nor when it is revoked: the audit trail has it");
    }

    #[tokio::test]
    async fn the_end_of_a_token_is_heard() {
        let soon = Wall(clock::wall_now().0 + 30);
        let tokens = Tokens::default();
        tokens.put(token(Some(soon), None));
        tokens.over("h").await;
        assert!(clock::wall_now() >= soon);
        tokens.put(token(None, None));
        let revoke = async {
            tokio::task::yield_now().await;
            tokens.put(token(None, Some(Wall(1))));
        };
        tokio::join!(tokens.over("h"), revoke);
        tokens.over("nobody's").await;
    }
}
