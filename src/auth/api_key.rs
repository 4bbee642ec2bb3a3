//! The text of an API key: `tl_live_<id>_<secret><checksum>`. The prefix and the checksum let secret scanners, and us,
//! tell a key from noise without a look-up. With 256 random bits in it a fast keyed hash is all that storage needs; a
//! slow one would only be a way to make us work.

use std::fmt;

use aws_lc_rs::hmac;
use secrecy::{ExposeSecret, SecretString};
use subtle::ConstantTimeEq;

use super::base62;
use crate::error::Result;

const ID: usize = 8;
const SECRET: usize = 43;
const CHECKSUM: usize = 6;
/// Both prefixes are equally long.
const PREFIX: usize = "tl_live_".len();

/// Whether a key works on real accounts or belongs to a demo.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    Live,
    Test,
}

impl Mode {
    pub fn as_str(self) -> &'static str {
        match self {
            Mode::Live => "live",
            Mode::Test => "test",
        }
    }

    pub fn parse(name: &str) -> Option<Self> {
        [Mode::Live, Mode::Test].into_iter().find(|mode| mode.as_str() == name)
    }
}

/// A well-formed key. Whether it is one of ours only [`super::Keys`] knows.
pub struct ApiKey {
    text: SecretString,
    mode: Mode,
}

impl ApiKey {
    pub fn generate(mode: Mode) -> Result<Self> {
        let (id, secret) = (base62::random(ID)?, SecretString::from(base62::random(SECRET)?));
        let text = format!("tl_{}_{id}_{}", mode.as_str(), secret.expose_secret());
        let checksum = base62::six(crc32fast::hash(text.as_bytes()));
        Ok(Self { text: format!("{text}{checksum}").into(), mode })
    }

    /// Checks shape and checksum, so that what cannot be a key never costs a look-up.
    pub fn parse(text: &str) -> Option<Self> {
        let (mode, rest) = match text.strip_prefix("tl_live_") {
            Some(rest) => (Mode::Live, rest),
            None => (Mode::Test, text.strip_prefix("tl_test_")?),
        };
        let (id, secret) = rest.split_once('_')?;
        if id.len() != ID || secret.len() != SECRET + CHECKSUM || !base62::is_base62(id) || !base62::is_base62(secret) {
            return None;
        }
        let (covered, checksum) = text.split_at_checked(text.len() - CHECKSUM)?;
        (base62::six(crc32fast::hash(covered.as_bytes())) == checksum)
            .then(|| Self { text: SecretString::from(text), mode })
    }

    /// The part that names the key; not a secret.
    pub fn id(&self) -> &str {
        self.text.expose_secret().get(PREFIX..PREFIX + ID).unwrap_or_default()
    }

    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// The whole key, for the one time it is shown.
    pub fn expose(&self) -> &str {
        self.text.expose_secret()
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ApiKey({})", self.id())
    }
}

/// What is stored in place of a key.
#[derive(Clone, Copy)]
pub struct Hash(pub [u8; 32]);

impl Hash {
    /// Takes the same time wherever the first difference is.
    pub fn is(&self, other: &Hash) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hash(…)")
    }
}

/// The secret that key hashes are made with: a stolen database alone cannot be used to test guesses.
#[derive(Clone)]
pub struct Pepper(hmac::Key);

impl Pepper {
    pub fn new(secret: [u8; 32]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, &secret))
    }

    pub fn hash(&self, key: &ApiKey) -> Hash {
        let tag = hmac::sign(&self.0, key.text.expose_secret().as_bytes());
        let mut hash = [0; 32];
        hash.iter_mut().zip(tag.as_ref()).for_each(|(to, from)| *to = *from);
        Hash(hash)
    }
}

impl fmt::Debug for Pepper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pepper(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_generated_key_is_parsed_again() {
        for (mode, prefix) in [(Mode::Live, "tl_live_"), (Mode::Test, "tl_test_")] {
            let key = ApiKey::generate(mode).expect("random");
            assert!(key.expose().starts_with(prefix));
            assert_eq!(key.expose().len(), 66);
            let again = ApiKey::parse(key.expose()).expect("well formed");
            assert_eq!((again.id(), again.mode()), (key.id(), mode));
            assert!(!format!("{key:?}").contains(key.expose()));
        }
    }

    #[test]
    fn any_changed_character_is_noticed() {
        let key = ApiKey::generate(Mode::Live).expect("random");
        for place in 0..key.expose().len() {
            let mut bytes = key.expose().as_bytes().to_vec();
            bytes[place] = if bytes[place] == b'x' { b'y' } else { b'x' };
            let tampered = String::from_utf8(bytes).expect("ASCII");
            assert!(ApiKey::parse(&tampered).is_none(), "{place}");
        }
    }

    #[test]
    fn noise_is_not_a_key() {
        for text in ["", "tl_live_", "tl_live__", "tl_prod_a_b", "Bearer x", "tl_live_ähnlich_x", &"tl_live_".repeat(9)]
        {
            assert!(ApiKey::parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn the_pepper_decides_the_hash() {
        let key = ApiKey::generate(Mode::Live).expect("random");
        let (one, two) = (Pepper::new([1; 32]), Pepper::new([2; 32]));
        assert!(one.hash(&key).is(&one.hash(&key)));
        assert!(!one.hash(&key).is(&two.hash(&key)));
    }
}
