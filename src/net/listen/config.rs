//! How much of this process strangers can hold: the `edge` section of the configuration file, and `tls`.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::limit::Time;
use crate::net::Cidr;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Callers' connections at a time.
    pub connections: usize,
    /// Of them, from one address.
    pub connections_per_address: usize,
    /// Proxies before this server, as addresses or networks: whose requests they hand on, they say in `X-Forwarded-For` or
    /// `Forwarded`.
    #[schemars(with = "Vec<String>")]
    pub trusted_proxies: Vec<Cidr>,
    /// For the head of a request, from its first byte on, and for that byte on a new connection.
    pub head_timeout: Time,
    /// For the next request on a connection that was kept open.
    pub keep_alive: Time,
    /// A request's body of which nothing comes for so long is given up.
    pub body_timeout: Time,
    /// Bytes a second that a request's body comes with at least, on average while it is waited for.
    pub body_rate: u64,
    /// An answer of which nothing is taken for so long is given up.
    pub write_timeout: Time,
    /// Requests at a time, of all callers.
    pub in_flight: usize,
    /// How long a request waits for its turn where there are more.
    pub queue: Time,
    /// From the signal to stop until no more connections are accepted.
    pub drain_delay: Time,
    /// From then on until requests that have begun are cut off.
    pub drain: Time,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TlsConfig {
    /// PEM: the certificate and those between it and its authority.
    pub cert_file: Option<PathBuf>,
    /// PEM: the private key.
    pub key_file: Option<PathBuf>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            connections: 8192,
            connections_per_address: 1024,
            trusted_proxies: Vec::new(),
            head_timeout: Time::from_secs(10),
            keep_alive: Time::from_secs(75),
            body_timeout: Time::from_secs(15),
            body_rate: 1024,
            write_timeout: Time::from_secs(30),
            in_flight: 1024,
            queue: Time::from_millis(250),
            drain_delay: Time::from_secs(5),
            drain: Time::from_secs(30),
        }
    }
}

impl Config {
    /// What is wrong with it, one line each.
    pub fn faults(&self) -> Vec<String> {
        let counts = [
            ("connections", self.connections),
            ("connections_per_address", self.connections_per_address),
            ("in_flight", self.in_flight),
        ];
        let times = [
            ("head_timeout", self.head_timeout),
            ("keep_alive", self.keep_alive),
            ("body_timeout", self.body_timeout),
            ("write_timeout", self.write_timeout),
        ];
        let none = counts.into_iter().filter(|(_, count)| *count == 0).map(|(name, _)| name);
        let none = none.chain(times.into_iter().filter(|(_, time)| time.get().is_zero()).map(|(name, _)| name));
        let all = self.trusted_proxies.iter().filter(|range| range.is_everything());
        let all = all.map(|range| format!("edge.trusted_proxies: with {range} everybody could say to be anybody"));
        none.map(|name| format!("edge.{name}: with 0 nobody could be served")).chain(all).collect()
    }
}

impl TlsConfig {
    pub fn faults(&self) -> Vec<String> {
        let alone =
            |missing: &str| vec![format!("tls.{missing}: a certificate needs its key and a key its certificate")];
        match (&self.cert_file, &self.key_file) {
            (Some(_), None) => alone("key_file"),
            (None, Some(_)) => alone("cert_file"),
            _ => Vec::new(),
        }
    }
}
