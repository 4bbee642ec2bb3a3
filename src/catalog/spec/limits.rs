//! The words of a vendor's quotas and of how it tells them.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{LeafSpec, OneOrMany, RetryUnit};

/// One allowance: so many requests in a time, or so many at once.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct QuotaSpec {
    pub name: String,
    /// Requests in `per`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
    /// The time that `count` is for: a number and `s`, `m`, `h` or `d`, such as `10s`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per: Option<String>,
    /// Requests at the same time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<u64>,
    /// Who shares it.
    #[serde(default)]
    pub scope: QuotaScope,
    /// Only requests whose path begins with one of these.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub paths: Vec<String>,
    /// Only requests of these methods.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub methods: Vec<String>,
    /// What is not certain about it, such as that it depends on the customer's plan.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum QuotaScope {
    /// The customer's authorisation.
    #[default]
    Connection,
    /// All authorisations of one account of the CRM.
    Account,
    /// All that one OAuth app does.
    App,
}

/// What an answer says about a quota. All rows that fit apply.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SignalSpec {
    /// The quota it is about; the one whose window is shortest without it.
    #[serde(default)]
    pub quota: Option<String>,
    #[serde(default)]
    pub status: Option<OneOrMany<u16>>,
    /// An expression over the answer's body, `$status` and `$headers`.
    #[serde(default)]
    pub when: Option<String>,
    /// Requests that are left.
    #[serde(default)]
    pub remaining: Option<LeafSpec>,
    /// Requests that there are in all.
    #[serde(default)]
    pub limit: Option<LeafSpec>,
    /// When the window begins again: a leaf under its unit (`s` and `ms` count from now).
    #[serde(default)]
    pub reset: Option<IndexMap<RetryUnit, LeafSpec>>,
    /// How long nothing may be sent: a leaf under its unit.
    #[serde(default)]
    pub retry_after: Option<IndexMap<RetryUnit, LeafSpec>>,
}
