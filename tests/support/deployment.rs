//! The real binary with a configuration of its own: a folder, a store, and the provider `fake` behind a raw vendor.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde_json::json;

use super::process::{Process, free_port, scratch, throughline};
use super::vendor::{FakeVendor, provider};

pub struct Deployment {
    pub folder: PathBuf,
    pub api: SocketAddr,
    config: String,
}

impl Deployment {
    /// On a store in a file.
    pub fn new(name: &str, vendor: &FakeVendor) -> Self {
        let folder = scratch(&format!("{name}-{}", free_port().port()));
        let store = format!("sqlite:{}", folder.join("store.db").display());
        Self::on(folder, "config.yaml", &store, vendor)
    }

    /// With this configuration file in the folder, where others may be.
    pub fn on(folder: PathBuf, config: &str, store: &str, vendor: &FakeVendor) -> Self {
        for (name, text) in provider("fake", None) {
            let file = folder.join("mappings").join(name);
            std::fs::create_dir_all(file.parent().expect("a folder")).expect("made");
            std::fs::write(file, text).expect("written");
        }
        let api = free_port();
        let settings = json!({
            "listen": api.to_string(),
            "admin_listen": free_port().to_string(),
            "store": store,
            "vault": {"key_file": folder.join("vault.key")},
            "mappings": folder.join("mappings"),
            "upstream": {"dangerous_allow_private_addresses": true},
            "providers": {"fake": {"base_url": vendor.url()}},
        });
        std::fs::write(folder.join(config), settings.to_string()).expect("written");
        Self { folder, api, config: config.to_owned() }
    }

    pub fn key_file(&self) -> PathBuf {
        self.folder.join("vault.key")
    }

    /// What a command prints; it succeeds.
    pub fn run(&self, words: &[&str]) -> String {
        let output = throughline().args(words).current_dir(&self.folder).output().expect("it runs");
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{words:?}: {error}");
        String::from_utf8(output.stdout).expect("text").trim().to_owned()
    }

    pub async fn serve(&self) -> Process {
        let mut command = throughline();
        command.args(["serve", "--config", &self.config]).current_dir(&self.folder);
        let mut process = Process::start(command);
        process.listening(self.api).await;
        process
    }
}
