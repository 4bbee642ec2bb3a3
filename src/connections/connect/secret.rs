//! Random texts that a browser or a provider brings back. The store sees their hashes only.

use std::sync::Arc;

use aws_lc_rs::{digest, rand};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::error::{Error, Result};

const BYTES: usize = 32;
/// Of so many bytes in base64url.
const LENGTH: usize = 43;

/// 32 random bytes in base64url.
pub fn random() -> Result<String> {
    let mut bytes = [0_u8; BYTES];
    rand::fill(&mut bytes).map_err(|_| Error::internal("the operating system gives no random bytes"))?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

/// Whether it can be one at all: what cannot never reaches the store.
pub fn is_possible(text: &str) -> bool {
    text.len() == LENGTH && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}

/// What is stored of it. The purpose keeps one kind of secret from being used as another.
pub fn hash(purpose: &str, secret: &str) -> Arc<str> {
    let text = format!("{purpose}\0{secret}");
    URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, text.as_bytes())).into()
}

/// The challenge of a PKCE verifier (RFC 7636, `S256`).
pub fn challenge(verifier: &str) -> String {
    URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, verifier.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_differ_and_are_recognised() {
        let (one, two) = (random().expect("random"), random().expect("random"));
        assert!(one != two && is_possible(&one));
        for wrong in ["", "short", "a.b", &"=".repeat(43), &format!("{one}x")] {
            assert!(!is_possible(wrong), "{wrong}");
        }
        assert_ne!(hash("state", &one), hash("cookie", &one));
    }

    #[test]
    fn the_challenge_is_that_of_rfc_7636() {
        let verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
        assert_eq!(challenge(verifier), "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
    }
}
