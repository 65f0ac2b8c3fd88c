//! How a token is made: its text is shown once, and its hash is kept.

use std::collections::BTreeSet;

use ostler_job::{Wall, durable::Token};
use ostler_machine::secret;

/// What every token begins with, so that it is known for one wherever it turns up.
const PREFIX: &str = "ostler_";

/// A new token: its text, which is shown once, and what is kept.
pub fn new_token(
    name: &str,
    scopes: BTreeSet<String>,
    tenant: Option<String>,
    created_at: Wall,
    expires_at: Option<Wall>,
) -> (String, Token) {
    let text = format!("{PREFIX}{}", secret::random());
    let (name, hash) = (name.to_owned(), secret::sha256_hex(text.as_bytes()));
    let token = Token { name, hash, scopes, tenant, created_at, expires_at, revoked_at: None };
    (text, token)
}
