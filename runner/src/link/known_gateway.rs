//! The gateway that took this runner in, so that a later start needs no token to find it.

use std::{fs, io, path::Path};

use serde::{Deserialize, Serialize};

use super::Token;
use crate::error::RunError;

/// The file in the state folder.
const FILE: &str = "gateway.json";

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct KnownGateway {
    address: String,
    fingerprint: String,
    /// What this runner is called there.
    name: String,
}

impl KnownGateway {
    pub(super) fn of(token: &Token, name: &str) -> Self {
        let (address, fingerprint) = (token.address.clone(), token.fingerprint.clone());
        Self { address, fingerprint, name: name.to_owned() }
    }

    /// What leads there, and lets nobody in.
    fn token(&self) -> Token {
        let (address, fingerprint) = (self.address.clone(), self.fingerprint.clone());
        Token { address, fingerprint, secret: String::new(), expires: 0 }
    }

    /// Writes it down, unless it is there already.
    pub(super) fn keep(&self, state: &Path) -> io::Result<()> {
        if read(state).as_ref() == Some(self) {
            return Ok(());
        }
        ostler_private::replace(&state.join(FILE), &serde_json::to_vec_pretty(self)?)
    }
}

/// The gateway that was joined last; one that cannot be read is as good as none.
fn read(state: &Path) -> Option<KnownGateway> {
    serde_json::from_slice(&fs::read(state.join(FILE)).ok()?).ok()
}

/// By a token, or the way to the gateway that was joined before.
pub(crate) fn way(token: Option<&str>, state: &Path) -> Result<Token, RunError> {
    let way = match token {
        Some(text) => Token::parse(text),
        None => read(state).map(|known| known.token()).ok_or_else(|| "there is none".to_owned()),
    };
    way.map_err(|why| RunError::Token { why })
}

/// What the runner with this state folder is called by the gateway that it joined, if it did.
pub fn joined_as(state: &Path) -> Option<String> {
    Some(read(state)?.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_leads_to_the_gateway_and_has_no_secret() {
        let state = tempfile::tempdir().unwrap();
        assert_eq!((joined_as(state.path()), read(state.path())), (None, None));
        let token = Token {
            address: "gateway:2692".into(),
            fingerprint: "ab".repeat(32),
            secret: "hush".into(),
            expires: u64::MAX,
        };
        KnownGateway::of(&token, "far").keep(state.path()).unwrap();
        assert_eq!(joined_as(state.path()).as_deref(), Some("far"));
        let again = read(state.path()).unwrap().token();
        assert_eq!((&again.address, &again.fingerprint), (&token.address, &token.fingerprint));
        assert_eq!((again.secret.as_str(), again.expires), ("", 0));
        assert!(!fs::read_to_string(state.path().join(FILE)).unwrap().contains("hush"));
        fs::write(state.path().join(FILE), "{").unwrap();
        assert_eq!(joined_as(state.path()), None);
    }
}
