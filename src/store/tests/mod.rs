//! The services on a real store: the scenarios that matter, in memory and in a file.

mod conformance;
mod connections;
mod copy;
mod files;
mod keys;
mod postgres;
mod processes;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;

use super::Store;
use crate::auth::{Caller, Keys, Pepper, TenantId, base62};
use crate::catalog::{self, Catalog, Files, Options};
use crate::config::Config;
use crate::connections::{Connections, Vault};
use crate::net::Client;
use crate::serve;
use crate::telemetry::Metrics;

/// A catalog with the providers `blue` and `red`.
fn catalog() -> catalog::Shared {
    let provider = |name: &str| {
        format!(
            "title: {name}\nbase_url: 'https://{{region}}.{name}.test'\nhosts: {{ api: ['https://*.{name}.test'] }}\n\
             settings: {{ region: {{ ask: Region, default: eu }} }}\nauth: {{ oauth2: {{}}, token: {{}} }}\n"
        )
    };
    let files = Files::of(["blue", "red"].map(|name| (format!("{name}/provider.yaml"), provider(name))));
    let catalog = Catalog::load(&files, &Options::default()).expect("two good providers");
    Arc::new(ArcSwap::from_pointee(catalog))
}

fn vault() -> Vault {
    Vault::from_key_base64(&Vault::generate_key().expect("random")).expect("a good key")
}

fn keys(store: &Store) -> Keys {
    Keys::new(store.keys(), Pepper::new([7; 32]))
}

fn connections(store: &Store) -> Connections {
    connections_with(store, vault(), &catalog())
}

fn connections_with(store: &Store, vault: Vault, catalog: &catalog::Shared) -> Connections {
    let config = Config { store: "sqlite::memory:".into(), ..Config::default() };
    let client = Client::new(&config.upstream).expect("a client");
    let metrics = Metrics::new().expect("metrics");
    serve::connections(&config, store, &vault, catalog, &client, &metrics).expect("the service")
}

fn acme() -> Caller {
    Caller::operator(TenantId("acme".into()))
}

/// A folder of its own, gone at the end of the test.
pub(super) struct Scratch(PathBuf);

impl Scratch {
    pub(super) fn new() -> Self {
        let path = std::env::temp_dir().join(format!("throughline-test-{}", base62::random(16).expect("random")));
        std::fs::create_dir(&path).expect("a new folder");
        Self(path)
    }

    pub(super) fn database(&self) -> PathBuf {
        self.0.join("throughline.db")
    }

    fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
