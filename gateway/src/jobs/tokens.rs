//! Tokens in memory, by their hash, so that a request costs no read.

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, RwLock},
};

use ostler_job::Wall;
use ostler_store::Token;

/// Every token that the store has.
#[derive(Debug, Default)]
pub(super) struct Tokens(RwLock<BTreeMap<String, Arc<Token>>>);

impl Tokens {
    pub(super) fn new(tokens: Vec<Token>) -> Self {
        let by_hash = tokens.into_iter().map(|token| (token.hash.clone(), Arc::new(token)));
        Self(RwLock::new(by_hash.collect()))
    }

    pub(super) fn put(&self, token: Token) {
        let mut all = self.0.write().unwrap_or_else(PoisonError::into_inner);
        all.insert(token.hash.clone(), Arc::new(token));
    }

    /// The token of a hash, if it lets anybody in now.
    pub(super) fn valid(&self, hash: &str, now: Wall) -> Option<Arc<Token>> {
        let token = self.0.read().unwrap_or_else(PoisonError::into_inner).get(hash)?.clone();
        let over = token.revoked_at.is_some() || token.expires_at.is_some_and(|end| end <= now);
        (!over).then_some(token)
    }

    pub(super) fn all(&self) -> Vec<Arc<Token>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }
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
        let tokens = Tokens::new(vec![token(Some(Wall(10)), None)]);
        assert!(tokens.valid("h", Wall(9)).is_some());
        assert!(tokens.valid("h", Wall(10)).is_none());
        assert!(tokens.valid("other", Wall(0)).is_none());
        tokens.put(token(None, Some(Wall(1))));
        assert!(tokens.valid("h", Wall(2)).is_none());
    }
}
