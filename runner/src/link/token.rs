//! Join tokens: where the gateway is, how it is known, and what it lets a stranger in for.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Deserialize;

const PREFIX: &str = "ostler1.";

/// What a token says.
#[derive(Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Token {
    /// The gateway's runner listener, `host:port`.
    #[serde(rename = "a")]
    pub address: String,
    /// SHA-256 of the certificate of the gateway's authority, in lower-case hex.
    #[serde(rename = "f")]
    pub fingerprint: String,
    /// What it takes to get a certificate.
    #[serde(rename = "s")]
    pub secret: String,
    /// When that ends, in seconds since the epoch.
    #[serde(rename = "e")]
    pub expires: u64,
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut out = f.debug_struct("Token");
        out.field("address", &self.address).field("fingerprint", &self.fingerprint);
        out.field("secret", &"***").field("expires", &self.expires).finish()
    }
}

impl Token {
    /// Reads a token's text; says what is wrong with one that cannot be read.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let coded = text.trim().strip_prefix(PREFIX);
        let coded = coded.ok_or_else(|| format!("it does not begin with {PREFIX}"))?;
        let json = URL_SAFE_NO_PAD.decode(coded).map_err(|_| "it is damaged; copy it whole")?;
        let token: Self =
            serde_json::from_slice(&json).map_err(|_| "it is damaged; copy it whole")?;
        let is_hex = token.fingerprint.bytes().all(|b| b.is_ascii_hexdigit());
        if token.fingerprint.len() != 64 || !is_hex || !token.address.contains(':') {
            return Err("its address or fingerprint is damaged; copy it whole".into());
        }
        Ok(token)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_that_is_no_token_is_refused_with_a_reason() {
        for text in ["", "ostler2.e30", "ostler1.e30", "ostler1.%%", "ostler1.Z", "ostler1.e30="] {
            assert!(Token::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_tokens_secret_is_not_shown() {
        let secret = "hush".to_owned();
        let token = Token { address: "h:1".into(), fingerprint: String::new(), secret, expires: 0 };
        assert!(!format!("{token:?}").contains("hush"));
    }
}
