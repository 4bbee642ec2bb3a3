//! What can be set.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// How long a key is remembered, from its first request on. Seconds.
    pub ttl: u64,
    /// Whether answers are kept whole, sealed. Without, their status and the record's id are.
    pub keep_body: bool,
}

/// A key has to outlive the longest write, and the table is not an archive.
const TTL: std::ops::RangeInclusive<u64> = 600..=2_592_000;

impl Default for Config {
    fn default() -> Self {
        Self { ttl: 24 * 60 * 60, keep_body: true }
    }
}

impl Config {
    pub fn ttl(&self) -> Duration {
        Duration::from_secs(self.ttl)
    }

    pub fn fault(&self) -> Option<String> {
        let (least, most) = (TTL.start(), TTL.end());
        (!TTL.contains(&self.ttl)).then(|| format!("idempotency.ttl: seconds from {least} to {most}, not {}", self.ttl))
    }
}
