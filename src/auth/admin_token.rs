//! The token of the admin listener, from a file that its operator and its probes share.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use aws_lc_rs::digest::{SHA256, digest};
use subtle::ConstantTimeEq;

/// Letters of the shortest token that is taken: one that is shorter can be guessed.
const SHORTEST: usize = 16;

/// Why a file holds no token. Never tells what it holds.
#[derive(Debug, thiserror::Error)]
pub enum AdminTokenError {
    #[error("{path} cannot be read: {1}", path = .0.display())]
    Read(PathBuf, std::io::Error),
    #[error(
        "{path} holds a token of {1} letters, and {SHORTEST} are the least: `openssl rand -base64 32 > {path}` makes one",
        path = .0.display()
    )]
    Short(PathBuf, usize),
    #[error(
        "{path} holds more than one word, or a letter that no header may hold: it has to be one line of visible ASCII",
        path = .0.display()
    )]
    Letters(PathBuf),
}

/// Cheap to clone.
#[derive(Clone)]
pub struct AdminToken(Arc<Inner>);

struct Inner {
    path: PathBuf,
    /// Of equal length, so that comparing tells nothing of the token's.
    hash: ArcSwap<[u8; 32]>,
}

impl AdminToken {
    /// The trimmed text of the file.
    pub fn open(path: &Path) -> Result<Self, AdminTokenError> {
        Ok(Self(Arc::new(Inner { path: path.to_owned(), hash: ArcSwap::from_pointee(read(path)?) })))
    }

    /// Takes over what the file holds now; a file without a token leaves the old one in force.
    pub fn reload(&self) -> Result<(), AdminTokenError> {
        self.0.hash.store(Arc::new(read(&self.0.path)?));
        Ok(())
    }

    /// Takes as long for any text that is as long.
    pub fn is(&self, given: &str) -> bool {
        hash(given).ct_eq(&**self.0.hash.load()).into()
    }
}

fn read(path: &Path) -> Result<[u8; 32], AdminTokenError> {
    let text = std::fs::read_to_string(path).map_err(|error| AdminTokenError::Read(path.to_owned(), error))?;
    let token = text.trim();
    if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(AdminTokenError::Letters(path.to_owned()));
    }
    if token.len() < SHORTEST {
        return Err(AdminTokenError::Short(path.to_owned(), token.len()));
    }
    Ok(hash(token))
}

fn hash(token: &str) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, token.as_bytes()).as_ref());
    hash
}

#[cfg(test)]
mod tests {
    use super::*;

    struct File(PathBuf);

    impl File {
        fn new(name: &str, text: &str) -> Self {
            let path = std::env::temp_dir().join(format!("throughline-admin-token-{name}-{}", std::process::id()));
            std::fs::write(&path, text).expect("written");
            Self(path)
        }
    }

    impl Drop for File {
        fn drop(&mut self) {
            let _ = std::fs::remove_file(&self.0);
        }
    }

    #[test]
    fn a_token_is_one_long_word() {
        for (text, words) in [
            ("", "holds a token of 0 letters"),
            ("  \n", "holds a token of 0 letters"),
            ("secret-of-15-le\n", "holds a token of 15 letters"),
            ("two words that are long enough", "one line of visible ASCII"),
            ("a-token-that-is-long-enough\nand-another-one", "one line of visible ASCII"),
            ("ein-schöner-langer-text", "one line of visible ASCII"),
        ] {
            let file = File::new("bad", text);
            let error = AdminToken::open(&file.0).err().expect(text).to_string();
            assert!(error.contains(words), "{error}");
            assert!(text.trim().is_empty() || !error.contains(text.trim()), "{error}");
        }
        let missing = AdminToken::open(Path::new("/nowhere/admin.token")).err().expect("no file").to_string();
        assert!(missing.contains("/nowhere/admin.token"), "{missing}");
    }

    #[test]
    fn a_new_token_replaces_the_old_one_and_a_bad_file_does_not() {
        let file = File::new("rotated", "the-first-token-there-was\n");
        let token = AdminToken::open(&file.0).expect("a token");
        assert!(token.is("the-first-token-there-was") && !token.is("the-first-token-there-wa") && !token.is(""));
        std::fs::write(&file.0, "short").expect("written");
        assert!(token.reload().is_err() && token.is("the-first-token-there-was"));
        std::fs::write(&file.0, "\n  the-second-token-there-is \n").expect("written");
        token.reload().expect("a token");
        assert!(token.is("the-second-token-there-is") && !token.is("the-first-token-there-was"));
    }
}
