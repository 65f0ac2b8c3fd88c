//! Join tokens: what lets a runner of another host ask for its certificate.
//!
//! The token itself carries the gateway's address, the authority's fingerprint and a secret; the gateway keeps only the
//! secret's hash and when it expires.

use std::{fs, io, path::Path, time::Duration};

use serde::{Deserialize, Serialize};

use super::authority::Authority;
use crate::clock;

const PREFIX: &str = "ostler1.";

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

/// A token as the gateway remembers it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    secret_sha256: String,
    expires: u64,
}

/// Why no token could be made.
#[derive(Debug)]
pub enum TokenError {
    /// The state folder cannot be read or written.
    State(std::path::PathBuf, io::Error),
}

impl std::fmt::Display for TokenError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::State(path, error) => {
                write!(f, "cannot keep the token in {}: {error}", path.display())
            }
        }
    }
}

impl std::error::Error for TokenError {}

/// Makes a join token for a gateway that keeps its state in a folder and is dialled at `HOST:PORT`.
pub fn create(state: &Path, address: &str, ttl: Duration) -> Result<String, TokenError> {
    let failed = |error| TokenError::State(state.to_owned(), error);
    let authority = Authority::open(state).map_err(failed)?;
    let secret = random_secret();
    let expires = (clock::wall() + ttl).as_secs();
    let mut kept = read(state).map_err(failed)?;
    kept.push(Kept { secret_sha256: sha256_hex(secret.as_bytes()), expires });
    let text = serde_json::to_vec_pretty(&kept).expect("plain fields have a JSON form");
    ostler_private::replace(&state.join("tokens.json"), &text).map_err(failed)?;
    let token = Token { a: address.to_owned(), f: authority.fingerprint(), s: secret, e: expires };
    let json = serde_json::to_vec(&token).expect("plain fields have a JSON form");
    Ok(format!("{PREFIX}{}", base64url(&json)))
}

/// Whether a secret is of a token that was made here and has not expired.
pub(crate) fn is_valid(state: &Path, secret: &str) -> io::Result<bool> {
    let hash = sha256_hex(secret.as_bytes());
    Ok(read(state)?.iter().any(|kept| kept.secret_sha256 == hash))
}

/// The tokens that have not expired.
fn read(state: &Path) -> io::Result<Vec<Kept>> {
    let path = state.join("tokens.json");
    let text = match fs::read(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut kept: Vec<Kept> = serde_json::from_slice(&text)
        .map_err(|e| io::Error::other(format!("{} is damaged: {e}; remove it", path.display())))?;
    let now = clock::wall().as_secs();
    kept.retain(|token| token.expires > now);
    Ok(kept)
}

fn random_secret() -> String {
    let mut bytes = [0; 32];
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    provider.secure_random.fill(&mut bytes).expect("the system has randomness");
    base64url(&bytes)
}

/// SHA-256 in hex.
pub(crate) fn sha256_hex(bytes: &[u8]) -> String {
    let suite = rustls::crypto::aws_lc_rs::cipher_suite::TLS13_AES_128_GCM_SHA256;
    let rustls::SupportedCipherSuite::Tls13(suite) = suite else {
        unreachable!("the suite is named for TLS 1.3")
    };
    let hash = suite.common.hash_provider.hash(bytes);
    hash.as_ref().iter().map(|b| format!("{b:02x}")).collect()
}

/// RFC 4648 section 5, without padding.
fn base64url(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let group =
            chunk.iter().fold(0_u32, |g, b| g << 8 | u32::from(*b)) << (8 * (3 - chunk.len()));
        for i in 0..=chunk.len() {
            out.push(char::from(LETTERS[(group >> (18 - 6 * i)) as usize & 63]));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64url_is_that_of_rfc_4648() {
        for (plain, coded) in
            [("", ""), ("f", "Zg"), ("fo", "Zm8"), ("foo", "Zm9v"), ("foob", "Zm9vYg")]
        {
            assert_eq!(base64url(plain.as_bytes()), coded);
        }
        assert_eq!(base64url(&[0xfb, 0xff]), "-_8");
    }

    #[test]
    fn a_token_is_valid_until_it_expires_and_its_secret_is_not_kept() {
        let state = tempfile::tempdir().unwrap();
        let address = "127.0.0.1:2692";
        create(state.path(), address, Duration::ZERO).unwrap();
        create(state.path(), address, Duration::from_secs(60)).unwrap();
        let kept = fs::read_to_string(state.path().join("tokens.json")).unwrap();
        assert_eq!(kept.matches("secret_sha256").count(), 1, "the expired one is gone: {kept}");
        assert!(!is_valid(state.path(), "guess").unwrap());
    }
}
