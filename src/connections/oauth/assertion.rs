//! Assertions that an app signs for a user (RFC 7523).

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::json;

use crate::error::{Error, Result};

/// An app's private key.
pub struct SigningKey {
    algorithm: Algorithm,
    key: EncodingKey,
}

/// How long an assertion is good for. Servers refuse those that live for much longer than an exchange takes.
const LIFETIME: i64 = 180;

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("it is neither an RSA nor an EC (P-256) private key in PEM")]
pub struct UnusableKey;

impl SigningKey {
    pub fn from_pem(pem: &[u8]) -> Result<Self, UnusableKey> {
        if let Ok(key) = EncodingKey::from_rsa_pem(pem) {
            return Ok(Self { algorithm: Algorithm::RS256, key });
        }
        let key = EncodingKey::from_ec_pem(pem).map_err(|_| UnusableKey)?;
        Ok(Self { algorithm: Algorithm::ES256, key })
    }

    pub(super) fn sign(&self, issuer: &str, subject: &str, audience: &str, now: jiff::Timestamp) -> Result<String> {
        let issued = now.as_second();
        let claims = json!({
            "iss": issuer,
            "sub": subject,
            "aud": audience,
            "iat": issued,
            "exp": issued + LIFETIME,
            "jti": crate::auth::base62::random(22)?,
        });
        jsonwebtoken::encode(&Header::new(self.algorithm), &claims, &self.key).map_err(Error::internal)
    }
}
