//! Who besides us may read or replace the file with the vault's key.
//!
//! Secrets of containers come as files that nobody may write (0400, 0440, 0444, mostly root's): the container is what keeps
//! others away from them, so they pass without a word. A file that can be written is a person's, and should be 0600.

use std::fs::Metadata;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::vault::VaultError;

const ANYBODY_WRITES: u32 = 0o002;
const WRITES: u32 = 0o222;
const OTHERS: u32 = 0o077;

/// Refuses a file that anybody may replace.
pub fn check(path: &Path) -> Result<(), VaultError> {
    match mode(path) {
        Some(mode) if mode & ANYBODY_WRITES != 0 => Err(VaultError::Writable { path: path.display().to_string() }),
        _ => Ok(()),
    }
}

/// Warns of a file that others may read.
pub fn warn(path: &Path) {
    if let Some(mode) = mode(path).filter(|mode| is_exposed(*mode)) {
        let mode = format!("{:04o}", mode & 0o777);
        tracing::warn!(path = %path.display(), mode, "Others on this machine may read the vault's key: chmod 600 it");
    }
}

/// `None` for what is no file, such as a pipe, or cannot be looked at: then it cannot be read either, which says it better.
fn mode(path: &Path) -> Option<u32> {
    std::fs::metadata(path).ok().filter(Metadata::is_file).map(|file| file.permissions().mode())
}

fn is_exposed(mode: u32) -> bool {
    mode & OTHERS != 0 && mode & WRITES != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_of_containers_are_not_exposed_and_files_of_people_may_be() {
        for (mode, exposed) in [
            (0o600, false),
            (0o400, false),
            (0o440, false),
            (0o444, false),
            (0o640, true),
            (0o644, true),
            (0o660, true),
        ] {
            assert_eq!(is_exposed(0o100_000 | mode), exposed, "{mode:o}");
        }
    }
}
