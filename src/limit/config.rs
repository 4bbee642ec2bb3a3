//! How limits are written in the configuration: `limits`, and lengths of time anywhere.

use std::fmt;
use std::time::Duration;

use jiff::SignedDuration;
use schemars::JsonSchema;
use serde::de::{self, Deserializer, Visitor};
use serde::{Deserialize, Serialize, Serializer};

/// What callers may do, counted in this process alone: each of several replicas grants as much.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    pub key: KeyConfig,
    pub connection: ConnectionConfig,
    pub failed_authentications: FailuresConfig,
}

/// Of one API key; a key may have others of its own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct KeyConfig {
    /// Requests in a second; null is no limit.
    pub rate: Option<u32>,
    /// Requests that may come at once before the rate counts.
    pub burst: u32,
    /// Requests at a time; null is no limit.
    pub concurrency: Option<u32>,
}

/// Of one customer's connection.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ConnectionConfig {
    /// Requests at a time; null is no limit.
    pub concurrency: Option<u32>,
}

/// Of one peer address.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct FailuresConfig {
    /// Requests with a wrong key in a minute; null is no limit.
    pub per_minute: Option<u32>,
}

impl Default for KeyConfig {
    fn default() -> Self {
        Self { rate: Some(1000), burst: 2000, concurrency: Some(400) }
    }
}

impl Default for ConnectionConfig {
    fn default() -> Self {
        Self { concurrency: Some(200) }
    }
}

impl Default for FailuresConfig {
    fn default() -> Self {
        Self { per_minute: Some(60) }
    }
}

/// What one key may do besides the configuration, or of it; none is what the configuration says, and where nobody says
/// anything there is no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct KeyLimits {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub burst: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<u32>,
}

impl KeyConfig {
    /// With what a key has of its own. A rate of its own without a burst has no other burst.
    pub fn with(&self, own: &KeyLimits) -> KeyLimits {
        let burst = own.rate.or(Some(self.burst));
        KeyLimits {
            rate: own.rate.or(self.rate),
            burst: own.burst.or(burst),
            concurrency: own.concurrency.or(self.concurrency),
        }
    }
}

impl Config {
    /// What is wrong with it, one line each.
    pub fn faults(&self) -> Vec<String> {
        let numbers = [
            ("limits.key.rate", self.key.rate),
            ("limits.key.burst", Some(self.key.burst)),
            ("limits.key.concurrency", self.key.concurrency),
            ("limits.connection.concurrency", self.connection.concurrency),
            ("limits.failed_authentications.per_minute", self.failed_authentications.per_minute),
        ];
        let none = numbers.into_iter().filter(|(_, number)| *number == Some(0));
        none.map(|(name, _)| format!("{name}: 0 lets nobody through; null takes the limit away")).collect()
    }
}

/// A length of time as people write it: `10s`, `250ms`, `2m`.
#[derive(Clone, Copy, PartialEq, Eq, JsonSchema)]
pub struct Time(#[schemars(with = "String")] Duration);

impl Time {
    pub const fn from_millis(millis: u64) -> Self {
        Self(Duration::from_millis(millis))
    }

    pub const fn from_secs(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }

    pub const fn get(self) -> Duration {
        self.0
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match SignedDuration::try_from(self.0) {
            Ok(time) => write!(f, "{time:#}"),
            Err(_) => write!(f, "{}s", self.0.as_secs()),
        }
    }
}

impl fmt::Debug for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(TimeVisitor)
    }
}

struct TimeVisitor;

impl Visitor<'_> for TimeVisitor {
    type Value = Time;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a length of time such as 10s, 250ms or 2m")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Time, E> {
        let time: Option<SignedDuration> = text.parse().ok();
        let time = time.and_then(|time| Duration::try_from(time).ok());
        time.map(Time).ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_read_as_it_is_written() {
        for (text, millis) in [("10s", 10_000), ("250ms", 250), ("2m", 120_000), ("0s", 0)] {
            let time: Time = serde_json::from_value(text.into()).expect(text);
            assert_eq!(time, Time::from_millis(millis));
            assert_eq!(serde_json::from_value::<Time>(time.to_string().into()).expect("its own words"), time);
        }
        for text in ["soon", "-1s", "10", ""] {
            assert!(serde_json::from_value::<Time>(text.into()).is_err(), "{text}");
        }
    }
}
