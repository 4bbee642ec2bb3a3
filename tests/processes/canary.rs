//! No secret where none belongs: what a deployment wrote, logged and told is searched for them. Tokens and the client's
//! secret are marked with `canary-`; of keys, the part behind their id is secret.

use std::path::{Path, PathBuf};
use std::process::Command;

use base64::Engine as _;

use crate::deployment::{Deployment, Replica};
use crate::postgres::programs;

pub const MARK: &str = "canary-";

impl Deployment {
    /// Searches all files of the deployment, and what the replicas tell. Nobody else writes to its folder.
    pub async fn holds_no_secret(&self, replicas: &[&Replica]) {
        let secrets = self.secrets();
        let mut seen = 0;
        for file in files(&self.folder) {
            let bytes = std::fs::read(&file).unwrap_or_default();
            seen += bytes.len();
            look(&secrets, &bytes, &file.display().to_string());
        }
        if let Some(rows) = self.rows() {
            seen += rows.len();
            look(&secrets, &rows, "the database");
        }
        for replica in replicas {
            for connection in
                replica.client.get("/v1/connections?limit=1000").await.json()["data"].as_array().expect("a list")
            {
                let path = format!("/v1/connections/{}/requests?limit=1000", connection["id"].as_str().expect("an id"));
                look(&secrets, &replica.client.get(&path).await.body, &path);
            }
            for path in ["/metrics", "/healthz"] {
                look(&secrets, &replica.admin.get(path).await.body, path);
            }
            for path in ["/v1/connections", "/v1/keys", "/openapi.json"] {
                look(&secrets, &replica.client.get(path).await.body, path);
            }
        }
        assert!(seen > 10_000, "a search through nothing proves nothing");
    }

    /// What a store that is no file holds, as text.
    fn rows(&self) -> Option<Vec<u8>> {
        let url = self.store.strip_prefix("postgres").map(|_| &self.store)?;
        let program = programs().expect("the store is one").join("pg_dump");
        let dump = Command::new(program).args(["--data-only", "--inserts", url]).output().expect("it comes with it");
        assert!(dump.status.success(), "{}", String::from_utf8_lossy(&dump.stderr));
        Some(dump.stdout)
    }

    /// The mark in plain and in base64 at each alignment, and what is secret of the key.
    pub fn secrets(&self) -> Vec<Vec<u8>> {
        let key = self.key.rsplit('_').next().expect("a key has parts").as_bytes().to_vec();
        let mut secrets = vec![MARK.as_bytes().to_vec(), key];
        for lead in 0..3 {
            let text = format!("{}{MARK}", "x".repeat(lead));
            let encoded = base64::engine::general_purpose::STANDARD_NO_PAD.encode(text);
            // The first and the last characters depend on the neighbours as well.
            let from = if lead == 0 { 0 } else { lead + 1 };
            secrets.push(encoded.as_bytes()[from..encoded.len() - 2].to_vec());
        }
        secrets
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("a folder");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    // The configuration holds the client's secret, and the authorization server's own files are not ours.
    let foreign = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        name.ends_with(".yaml") || name.starts_with("authorization.")
    };
    paths.filter(|path| path.is_file() && !foreign(path)).collect()
}

pub fn look(secrets: &[Vec<u8>], bytes: &[u8], place: &str) {
    for secret in secrets {
        if let Some(at) = bytes.windows(secret.len()).position(|window| window == secret) {
            let around = &bytes[at.saturating_sub(200)..bytes.len().min(at + 100)];
            panic!("{place} holds a secret: {}", String::from_utf8_lossy(around));
        }
    }
}
