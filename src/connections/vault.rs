//! Sealing of secrets at rest. A sealed text says which key opens it, so that keys can be rotated, and it opens only in
//! the place it was sealed for: moved to another row, tenant or generation it is refused like any forgery.
//!
//! Layout: version (1 byte) | key id (8) | nonce (12) | ciphertext and tag. The cipher is AES-256-GCM-SIV, which forgives
//! a repeated nonce.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::{digest, hmac, rand};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use parking_lot::Mutex;
use secrecy::zeroize::{Zeroize, Zeroizing};

use crate::model::hex;

const VERSION: u8 = 1;
const KEY: usize = 32;
const KEY_ID: usize = 8;

/// Why something cannot be sealed or opened. Never says more: neither keys nor contents.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    #[error("there is no vault key; `throughline vault init` makes one")]
    NoKey,
    #[error("the vault key is not base64")]
    NotBase64,
    #[error("the vault key must be 32 bytes in base64, this one has {0}")]
    WrongLength(usize),
    #[error("the vault key file {path} cannot be read")]
    Unreadable { path: String, source: std::io::Error },
    #[error("the command that prints the vault key failed: {0}")]
    Command(String),
    #[error("the sealed text is not in a known format")]
    Format,
    #[error("the sealed text was made with the vault key {0}, which is not configured")]
    UnknownKey(String),
    #[error("the sealed text was changed, or was sealed for another place")]
    Refused,
    #[error("the cryptographic library failed")]
    Library,
}

/// Seals with its first key, opens with any. Cheap to clone; all clones see the same keys, which may be read anew.
#[derive(Clone)]
pub struct Vault(Arc<Inner>);

struct Inner {
    keys: ArcSwap<Keys>,
    source: KeySource,
    read_at: Mutex<Instant>,
}

/// Where keys come from.
#[derive(Debug, Clone)]
pub enum KeySource {
    /// Given by whoever started the process; they stay as they are.
    Given,
    File(PathBuf),
    /// A command line whose output is the keys: for what a key management service hands out.
    Command(String),
}

/// A key that is not known may have been added to the file a moment ago; it is looked for no more often than that.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

struct Keys {
    first: Key,
    older: Vec<Key>,
}

struct Key {
    id: [u8; KEY_ID],
    aead: RandomizedNonceKey,
    /// What other secrets are derived from; the library wipes its copy when it is dropped.
    root: hmac::Key,
}

impl Vault {
    /// One or more keys, 32 bytes each in base64, apart by whitespace or commas. The first seals, all open.
    pub fn from_key_base64(keys: &str) -> Result<Self, VaultError> {
        Ok(Self::with(Keys::from_base64(keys)?, KeySource::Given))
    }

    /// With keys from a file (a key a line, the newest first; lines that start with `#` are remarks) or from a command
    /// that prints the same.
    pub fn from_source(source: KeySource) -> Result<Self, VaultError> {
        Ok(Self::with(Keys::read(&source)?, source))
    }

    fn with(keys: Keys, source: KeySource) -> Self {
        Self(Arc::new(Inner { keys: ArcSwap::from_pointee(keys), source, read_at: Mutex::new(Instant::now()) }))
    }

    /// Reads the keys anew: from here on the first of them seals.
    pub fn reload(&self) -> Result<(), VaultError> {
        if matches!(self.0.source, KeySource::Given) {
            return Ok(());
        }
        *self.0.read_at.lock() = Instant::now();
        self.0.keys.store(Arc::new(Keys::read(&self.0.source)?));
        Ok(())
    }

    /// Whether the first key sealed this.
    pub fn is_sealed_by_first(&self, sealed: &[u8]) -> bool {
        sealed.get(1..=KEY_ID) == Some(self.0.keys.load().first.id.as_slice())
    }

    /// The same from a file.
    pub fn from_file(path: &Path) -> Result<Self, VaultError> {
        Self::from_source(KeySource::File(path.to_owned()))
    }

    /// A new key, ready for a key file.
    pub fn generate_key() -> Result<Zeroizing<String>, VaultError> {
        let mut key = Zeroizing::new([0_u8; KEY]);
        rand::fill(key.as_mut_slice()).map_err(|_| VaultError::Library)?;
        Ok(Zeroizing::new(STANDARD.encode(key.as_slice())))
    }

    /// A secret for another purpose that follows from the first key and does not lead back to it.
    pub fn derive(&self, purpose: &[u8]) -> [u8; 32] {
        self.0.keys.load().first.derive(purpose)
    }

    /// The same from the replaced keys: what was made under one of them can still be recognised.
    pub fn derive_older(&self, purpose: &[u8]) -> Vec<[u8; 32]> {
        self.0.keys.load().older.iter().map(|key| key.derive(purpose)).collect()
    }

    /// Seals `plain` for the place that `context` names.
    pub fn seal(&self, context: &[&[u8]], plain: &[u8]) -> Result<Vec<u8>, VaultError> {
        let keys = self.0.keys.load();
        let key = &keys.first;
        let head = [&[VERSION], key.id.as_slice()].concat();
        let mut body = plain.to_vec();
        let aad = Aad::from([head.as_slice(), &place(context)].concat());
        let sealed = key.aead.seal_in_place_append_tag(aad, &mut body);
        let Ok(nonce) = sealed else {
            body.zeroize();
            return Err(VaultError::Library);
        };
        Ok([head.as_slice(), nonce.as_ref().as_slice(), &body].concat())
    }

    /// Opens what was sealed for the same place.
    pub fn open(&self, context: &[&[u8]], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        let (head, rest) = sealed.split_at_checked(1 + KEY_ID).ok_or(VaultError::Format)?;
        let (nonce, body) = rest.split_at_checked(NONCE_LEN).ok_or(VaultError::Format)?;
        let (Some((&VERSION, id)), Ok(nonce)) = (head.split_first(), Nonce::try_assume_unique_for_key(nonce)) else {
            return Err(VaultError::Format);
        };
        let mut keys = self.0.keys.load_full();
        if keys.with_id(id).is_none() && self.0.read_at.lock().elapsed() >= LOOK_AGAIN {
            // Another process may have changed the key; what cannot be read leaves the keys there are.
            if let Err(error) = self.reload() {
                tracing::error!(%error, "The vault's keys could not be read anew");
            }
            keys = self.0.keys.load_full();
        }
        let key = keys.with_id(id).ok_or_else(|| VaultError::UnknownKey(hex(id)))?;
        let aad = Aad::from([head, &place(context)].concat());
        let mut body = Zeroizing::new(body.to_vec());
        let length = key.aead.open_in_place(nonce, aad, &mut body).map_err(|_| VaultError::Refused)?.len();
        body.truncate(length);
        Ok(body)
    }
}

fn read(source: &KeySource) -> Result<Zeroizing<String>, VaultError> {
    let text = match source {
        KeySource::Given => return Err(VaultError::NoKey),
        KeySource::File(path) => std::fs::read_to_string(path)
            .map_err(|source| VaultError::Unreadable { path: path.display().to_string(), source })?,
        KeySource::Command(command) => printed(command)?,
    };
    let text = Zeroizing::new(text);
    let lines = text.lines().map(str::trim).filter(|line| !line.starts_with('#'));
    Ok(Zeroizing::new(lines.fold(String::with_capacity(text.len() + 1), |keys, line| keys + line + "\n")))
}

/// What a command prints. Its errors go where this process's go.
fn printed(command: &str) -> Result<String, VaultError> {
    let failed = |why: String| VaultError::Command(why);
    let mut shell = std::process::Command::new("sh");
    shell.arg("-c").arg(command).stdin(std::process::Stdio::null()).stderr(std::process::Stdio::inherit());
    let output = shell.output().map_err(|error| failed(error.to_string()))?;
    if !output.status.success() {
        return Err(failed(output.status.to_string()));
    }
    String::from_utf8(output.stdout).map_err(|_| failed("it printed something that is not text".to_owned()))
}

impl Keys {
    fn from_base64(keys: &str) -> Result<Self, VaultError> {
        let keys = keys.split(|c: char| c == ',' || c.is_whitespace()).filter(|key| !key.is_empty());
        let mut keys = keys.map(Key::from_base64);
        let first = keys.next().ok_or(VaultError::NoKey)??;
        Ok(Self { first, older: keys.collect::<Result<_, _>>()? })
    }

    fn read(source: &KeySource) -> Result<Self, VaultError> {
        Self::from_base64(&read(source)?)
    }

    fn with_id(&self, id: &[u8]) -> Option<&Key> {
        std::iter::once(&self.first).chain(&self.older).find(|key| key.id == id)
    }
}

impl Key {
    fn from_base64(text: &str) -> Result<Self, VaultError> {
        let secret = Zeroizing::new(STANDARD.decode(text).map_err(|_| VaultError::NotBase64)?);
        if secret.len() != KEY {
            return Err(VaultError::WrongLength(secret.len()));
        }
        let mut id = [0; KEY_ID];
        id.iter_mut().zip(digest::digest(&digest::SHA256, &secret).as_ref()).for_each(|(to, from)| *to = *from);
        let aead = RandomizedNonceKey::new(&AES_256_GCM_SIV, &secret).map_err(|_| VaultError::Library)?;
        Ok(Self { id, aead, root: hmac::Key::new(hmac::HMAC_SHA256, &secret) })
    }

    fn derive(&self, purpose: &[u8]) -> [u8; 32] {
        let tag = hmac::sign(&self.root, &place(&[b"derived secret", purpose]));
        let mut derived = [0; 32];
        derived.iter_mut().zip(tag.as_ref()).for_each(|(to, from)| *to = *from);
        derived
    }
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Vault(…)")
    }
}

/// The parts with their lengths before them: `["ab", "c"]` and `["a", "bc"]` are different places.
fn place(parts: &[&[u8]]) -> Vec<u8> {
    let mut place = Vec::with_capacity(parts.iter().map(|part| part.len() + 8).sum());
    for part in parts {
        place.extend_from_slice(&(part.len() as u64).to_be_bytes());
        place.extend_from_slice(part);
    }
    place
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACE: &[&[u8]] = &[b"credentials", b"acme", b"conn_1", b"1"];

    fn vault() -> Vault {
        Vault::from_key_base64(&Vault::generate_key().expect("random")).expect("a good key")
    }

    #[test]
    fn what_was_sealed_opens_in_its_place_only() {
        let vault = vault();
        let sealed = vault.seal(PLACE, b"canary").expect("seals");
        assert_eq!(vault.open(PLACE, &sealed).expect("opens").as_slice(), b"canary");
        assert!(!sealed.windows(6).any(|window| window == b"canary"));
        let elsewhere: [&[&[u8]]; 3] = [
            &[b"credentials", b"acme", b"conn_2", b"1"],
            &[b"credentials", b"acm", b"econn_1", b"1"],
            &[b"credentials", b"acme", b"conn_1"],
        ];
        for other in elsewhere {
            assert!(matches!(vault.open(other, &sealed), Err(VaultError::Refused)));
        }
    }

    #[test]
    fn damaged_texts_are_refused_and_never_panic() {
        let vault = vault();
        let sealed = vault.seal(PLACE, b"canary").expect("seals");
        for place in 0..sealed.len() {
            let mut damaged = sealed.clone();
            damaged[place] ^= 1;
            assert!(vault.open(PLACE, &damaged).is_err(), "{place}");
            assert!(vault.open(PLACE, &sealed[..place]).is_err(), "{place}");
        }
    }

    #[test]
    fn a_replaced_key_still_opens() {
        let (old, new) = (Vault::generate_key().expect("random"), Vault::generate_key().expect("random"));
        let before = Vault::from_key_base64(&old).expect("a good key");
        let sealed = before.seal(PLACE, b"canary").expect("seals");
        let after = Vault::from_key_base64(&format!("{}\n{}", *new, *old)).expect("good keys");
        assert!(after.open(PLACE, &sealed).is_ok());
        assert_eq!(after.derive_older(b"x"), [before.derive(b"x")]);
        let alone = Vault::from_key_base64(&new).expect("a good key");
        assert!(matches!(alone.open(PLACE, &sealed), Err(VaultError::UnknownKey(_))));
    }

    #[test]
    fn derived_secrets_differ_by_purpose() {
        let vault = vault();
        assert_eq!(vault.derive(b"a"), vault.derive(b"a"));
        assert_ne!(vault.derive(b"a"), vault.derive(b"b"));
    }

    #[test]
    fn bad_keys_are_refused_without_being_shown() {
        assert!(matches!(Vault::from_key_base64(" \n"), Err(VaultError::NoKey)));
        assert!(matches!(Vault::from_key_base64("AAAA"), Err(VaultError::WrongLength(3))));
        let error = Vault::from_key_base64("not-base64!").expect_err("refused");
        assert!(!format!("{error:?} {error}").contains("not-base64!"));
        assert_eq!(format!("{:?}", vault()), "Vault(…)");
    }
}
