//! The configuration: each module's own settings gathered, from defaults, a file and the environment, and checked
//! against each other. `deploy/config.default.yaml` is its manual.

pub mod effective;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::catalog::{Addresses, Node, NodeKind, Problem, QuotaChange, structure};
use crate::mapping::Engine;
use crate::net::listen;
use crate::store::{Address, Location, check_redis};
use crate::unified::cache::RuleConfig;
use crate::upstream::BudgetConfig;
use crate::{audit, connections, idempotency, limit, net, telemetry, unified};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where callers connect.
    pub listen: String,
    /// TLS for callers; without files the listener speaks plain HTTP.
    pub tls: listen::TlsConfig,
    /// How much of this process strangers can hold.
    pub edge: listen::Config,
    /// What callers may do.
    pub limits: limit::Config,
    /// Metrics, health and what an operator does by HTTP. Anything but loopback needs a token.
    pub admin_listen: String,
    /// A file with the bearer token that the admin listener asks for: one line of at least sixteen letters.
    pub admin_token_file: Option<PathBuf>,
    /// Where customers' browsers reach this server: connect links and redirect URIs begin with it.
    pub public_url: Option<String>,
    /// `sqlite:` and a path: one `serve` per file, commands may run beside it. Or a URL of a PostgreSQL database:
    /// any number of them.
    pub store: Location,
    /// A Redis that leases permits, for several servers with one store: `redis://host:6379/0`, `rediss://` over TLS.
    pub redis: Option<Secret>,
    /// PEM file with the certificate authorities that Redis's certificate may be of, in the place of the public ones.
    pub redis_ca_file: Option<PathBuf>,
    /// How many servers share the vendors' limits; without it the store counts them.
    pub replicas: Option<u32>,
    pub vault: VaultConfig,
    /// A file for renewed tokens that the store does not take; beside the store's file without it. Keep it on a disk that
    /// outlives the process.
    pub escrow: Option<PathBuf>,
    /// Whether keys with the scope `export` can read credentials back.
    pub credentials_export: bool,
    /// A folder laid over the embedded mappings: its providers replace those of the same name.
    pub mappings: Option<PathBuf>,
    /// A folder with `<provider>/<resource>.yaml` files that are laid over the resources: one line adds a field.
    pub overrides: Option<PathBuf>,
    pub mapping: MappingConfig,
    pub upstream: net::Config,
    pub budgets: BudgetConfig,
    pub audit: audit::Config,
    pub idempotency: idempotency::Config,
    /// Which answers to reads are kept in memory, and for how long.
    pub cache: Vec<RuleConfig>,
    /// What all kept answers may take. Bytes.
    pub cache_max_bytes: u64,
    /// What this deployment changes about a provider.
    pub providers: IndexMap<String, ProviderConfig>,
    pub request_log: connections::RequestLogConfig,
    pub log: LogConfig,
    pub tracing: telemetry::trace::Config,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct VaultConfig {
    /// A file with 32 bytes in base64. THROUGHLINE_VAULT_KEY takes the key itself instead.
    pub key_file: Option<PathBuf>,
    /// A command line that prints the same, run by `sh`: for keys that a key management service hands out.
    pub key_command: Option<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct MappingConfig {
    /// What evaluates JSONata.
    pub engine: EngineName,
    /// Whether overrides that tenants send may hold expressions.
    pub expressions_in_overrides: bool,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum EngineName {
    #[default]
    JsonataCore,
    JsonataRs,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ProviderConfig {
    /// Scheme, host and port that requests go to instead of the provider's own: a regional host, a test server.
    pub base_url: Option<String>,
    /// Where customers give consent, instead of the provider's own page.
    pub authorize_url: Option<String>,
    /// The token endpoint to use instead of the provider's own.
    pub token_url: Option<String>,
    /// Where tokens are given back instead.
    pub revoke_url: Option<String>,
    /// The OAuth app that customers of all tenants connect with who bring none of their own.
    pub client_id: Option<String>,
    pub client_secret: Option<Secret>,
    /// A private key in PEM (RSA or EC) that assertions are signed with, for `jwt-bearer`.
    pub private_key_file: Option<PathBuf>,
    /// Numbers of its limits that are others here, by the limit's name: `{burst: {count: 190}}` for a larger plan.
    pub limits: IndexMap<String, QuotaChange>,
}

/// A text that is never printed.
#[derive(Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(extend("writeOnly" = true))]
pub struct Secret(String);

impl Secret {
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(effective::HIDDEN)
    }
}

impl Serialize for Secret {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(effective::HIDDEN)
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LogConfig {
    pub format: telemetry::Format,
    /// A filter such as `info` or `throughline=debug,warn`.
    pub level: String,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:8080".into(),
            tls: listen::TlsConfig::default(),
            edge: listen::Config::default(),
            limits: limit::Config::default(),
            admin_listen: "127.0.0.1:9090".into(),
            admin_token_file: None,
            public_url: None,
            store: "sqlite:./throughline.db".into(),
            redis: None,
            redis_ca_file: None,
            replicas: None,
            vault: VaultConfig::default(),
            escrow: None,
            credentials_export: false,
            mappings: None,
            overrides: None,
            mapping: MappingConfig::default(),
            upstream: net::Config::default(),
            budgets: BudgetConfig::default(),
            audit: audit::Config::default(),
            idempotency: idempotency::Config::default(),
            cache: Vec::new(),
            cache_max_bytes: 64 * 1024 * 1024,
            providers: IndexMap::new(),
            request_log: connections::RequestLogConfig::default(),
            log: LogConfig::default(),
            tracing: telemetry::trace::Config::default(),
        }
    }
}

impl Default for LogConfig {
    fn default() -> Self {
        Self { format: telemetry::Format::default(), level: "info".into() }
    }
}

/// Environment variables that are read by name elsewhere.
const NOT_SETTINGS: [&str; 2] = ["THROUGHLINE_VAULT_KEY", "THROUGHLINE_SHARED"];
const PREFIX: &str = "THROUGHLINE_";

/// An empty variable says nothing: that is how `${REDIS:-}` and optional secrets of containers come.
fn is_setting((name, value): &(String, String)) -> bool {
    name.starts_with(PREFIX) && !NOT_SETTINGS.contains(&name.as_str()) && !value.trim().is_empty()
}

/// THROUGHLINE_VAULT__KEY_FILE is vault.key_file. The value is YAML, so that lists and booleans can be given; what is
/// no YAML is a text: passwords may hold anything.
fn nested(name: &str, value: &str) -> Node {
    let text = || Node::of(name, &serde_json::Value::String(value.to_owned()));
    let value = Node::parse(name, value).unwrap_or_else(|_| text());
    let keys: Vec<&str> = name.strip_prefix(PREFIX).unwrap_or(name).split("__").collect();
    keys.iter().rev().map(|key| key.to_ascii_lowercase()).fold(value, |inner, key| Node {
        file: inner.file.clone(),
        line: 0,
        kind: NodeKind::Map(IndexMap::from([(key, inner)])),
    })
}

/// A variable has no lines, and a configuration no grammar.
fn told(problem: Problem) -> String {
    let line = if problem.file.starts_with(PREFIX) { 0 } else { problem.line };
    let message = problem.message.replace("is not a word of the grammar", "is not a setting");
    Problem { line, message, ..problem }.to_string()
}

impl Config {
    /// The file (if any) with the environment laid over it. Every fault is told at once.
    pub fn load(
        file: Option<&Path>,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, Vec<String>> {
        Self::read(file, environment).map(|(config, _)| config)
    }

    /// The same, with what was read: it knows where each value stands.
    pub fn read(
        file: Option<&Path>,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<(Self, Node), Vec<String>> {
        let words = |problems: Vec<Problem>| problems.into_iter().map(told).collect::<Vec<String>>();
        let mut node = match file {
            Some(path) => {
                let name = path.display().to_string();
                let text = std::fs::read_to_string(path).map_err(|error| vec![format!("{name}: {error}")])?;
                let text = if text.trim().is_empty() { "{}".to_owned() } else { text };
                Node::parse(&name, &text).map_err(|problem| words(vec![problem]))?
            }
            None => Node::parse("defaults", "{}").map_err(|problem| words(vec![problem]))?,
        };
        let mut settings: Vec<(String, String)> = environment.into_iter().filter(is_setting).collect();
        // Whole sections before single settings in them, in whatever order the environment has them.
        settings.sort();
        for (name, value) in settings {
            node = node.lay_over(nested(&name, &value));
        }
        let config: Config = structure::read(&node).map_err(words)?;
        let faults = config.faults();
        if faults.is_empty() { Ok((config, node)) } else { Err(faults) }
    }

    fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        for (name, address) in [("listen", &self.listen), ("admin_listen", &self.admin_listen)] {
            if address.parse::<SocketAddr>().is_err() {
                faults.push(format!("{name}: `{address}` is not an address and port, such as 127.0.0.1:8080"));
            }
        }
        faults.extend(self.tls.faults());
        faults.extend(self.edge.faults());
        faults.extend(self.limits.faults());
        if let Some(Err(error)) = self.public_url.as_deref().map(net::Origin::parse) {
            faults.push(format!("public_url: it has to be a URL such as https://crm.example.com: {error}"));
        }
        // The value is not repeated: it may hold a password.
        if let Err(error) = self.store.address() {
            faults.push(format!("store: {error}"));
        }
        faults.extend(self.idempotency.fault());
        faults.extend(unified::cache::faults(&self.cache, self.cache_max_bytes));
        faults.extend(self.request_log.faults());
        faults.extend(self.tracing.faults());
        // The value is not repeated: it may hold a password.
        if let Some(Err(error)) = self.redis.as_ref().map(|url| check_redis(url.expose())) {
            faults.push(format!("redis: {error}"));
        }
        let over_tls = self.redis.as_ref().is_some_and(|url| url.expose().starts_with("rediss://"));
        if self.redis_ca_file.is_some() && !over_tls {
            faults.push(
                "redis_ca_file: it is looked at for a Redis over TLS: give redis a URL that begins with rediss://"
                    .into(),
            );
        }
        if self.replicas == Some(0) {
            faults.push("replicas: this server is one, so it is 1 or more (or null: the store counts them)".into());
        }
        let admin = self.admin_listen.parse::<SocketAddr>();
        if admin.is_ok_and(|address| !address.ip().is_loopback()) && self.admin_token_file.is_none() {
            faults.push(format!(
                "admin_listen: {} is not a loopback address, and whoever reaches it can end connections: name a file with a token as admin_token_file, or listen on 127.0.0.1",
                self.admin_listen
            ));
        }
        faults
    }

    /// `public_url`, which was checked when the configuration was read.
    pub fn public_origin(&self) -> Option<net::Origin> {
        self.public_url.as_deref().and_then(|url| net::Origin::parse(url).ok())
    }

    /// Where renewed tokens wait that the store does not take.
    pub fn escrow_path(&self) -> Option<PathBuf> {
        self.escrow.clone().or_else(|| match self.store.address().ok()? {
            Address::Sqlite(path) if path.as_os_str() != ":memory:" => {
                let mut path = path.into_os_string();
                path.push(".escrow");
                Some(path.into())
            }
            Address::Sqlite(_) => None,
            // One file for each process, and several may run in one folder.
            Address::Postgres(_) => {
                let listen: String = self.listen.chars().map(|c| if c.is_alphanumeric() { c } else { '-' }).collect();
                Some(format!("./throughline-{listen}.escrow").into())
            }
        })
    }

    pub fn engine(&self) -> Engine {
        match self.mapping.engine {
            EngineName::JsonataCore => Engine::Core,
            EngineName::JsonataRs => Engine::Rs,
        }
    }

    /// Provider to the addresses of its authorization server that are others.
    pub fn addresses(&self) -> HashMap<String, Addresses> {
        let changed = self.providers.iter().map(|(name, provider)| {
            let addresses = Addresses {
                authorize: provider.authorize_url.clone(),
                token: provider.token_url.clone(),
                revoke: provider.revoke_url.clone(),
            };
            (name.clone(), addresses)
        });
        changed.filter(|(_, addresses)| *addresses != Addresses::default()).collect()
    }

    /// Provider to what is different about its limits.
    pub fn limits(&self) -> HashMap<String, IndexMap<String, QuotaChange>> {
        let changed = self.providers.iter().filter(|(_, provider)| !provider.limits.is_empty());
        changed.map(|(name, provider)| (name.clone(), provider.limits.clone())).collect()
    }

    /// Provider to the place its requests go to instead.
    pub fn bases(&self) -> HashMap<String, String> {
        self.providers.iter().filter_map(|(name, provider)| Some((name.clone(), provider.base_url.clone()?))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_lies_over_the_defaults() {
        let environment = [
            ("THROUGHLINE_LISTEN", "127.0.0.1:1"),
            ("THROUGHLINE_VAULT__KEY_FILE", "/k"),
            ("THROUGHLINE_UPSTREAM__ALLOW_ADDRESSES", "[10.0.0.0/8]"),
            ("OTHER", "x"),
        ];
        let environment = environment.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let config = Config::load(None, environment).expect("a good configuration");
        assert_eq!(config.listen, "127.0.0.1:1");
        assert_eq!(config.vault.key_file, Some("/k".into()));
        assert_eq!(config.upstream.allow_addresses.len(), 1);
    }

    #[test]
    fn a_secret_of_the_wrong_kind_is_not_printed() {
        let environment = [("THROUGHLINE_PROVIDERS__ACME__CLIENT_SECRET".to_owned(), "48151623".to_owned())];
        let faults = Config::load(None, environment).expect_err("a number");
        assert!(faults[0].contains("`client_secret` is a number (put it in quotes)"), "{faults:?}");
        assert!(!faults[0].contains("48151623"), "{faults:?}");
    }

    #[test]
    fn unknown_settings_are_refused_with_the_nearest_known_one() {
        let environment = [("THROUGHLINE_LISTN".to_owned(), "x".to_owned())];
        let faults = Config::load(None, environment).expect_err("a mistyped name");
        assert!(faults[0].contains("did you mean `listen`"), "{faults:?}");
    }

    #[test]
    fn variables_may_be_empty_hold_anything_and_come_in_any_order() {
        let environment = [
            ("THROUGHLINE_UPSTREAM__CA_FILE", "own.pem"),
            ("THROUGHLINE_UPSTREAM", "{ca_file: other.pem, allow_addresses: [10.0.0.0/8]}"),
            ("THROUGHLINE_REDIS", ""),
            ("THROUGHLINE_REPLICAS", " "),
            ("THROUGHLINE_PUBLIC_URL", "null"),
            ("THROUGHLINE_PROVIDERS__ACME__CLIENT_SECRET", "{a,b}: #&*\" c"),
        ];
        let environment = environment.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let config = Config::load(None, environment).expect("a good configuration");
        assert_eq!(config.upstream.ca_file, Some("own.pem".into()), "the single setting lies over the section");
        assert_eq!(config.upstream.allow_addresses.len(), 1);
        assert!(config.redis.is_none() && config.replicas.is_none() && config.public_url.is_none());
        let refused = [("THROUGHLINE_REDIS", "redis://cache.test:6379"), ("THROUGHLINE_REDIS_CA_FILE", "ca.pem")];
        let refused = Config::load(None, refused.map(|(name, value)| (name.to_owned(), value.to_owned())));
        assert!(refused.expect_err("no TLS").join("").contains("begins with rediss://"));
        let secret = config.providers["acme"].client_secret.as_ref().map(Secret::expose);
        assert_eq!(secret, Some("{a,b}: #&*\" c"));
    }
}
