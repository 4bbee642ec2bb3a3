//! The words of `provider.yaml`.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{GrantSpec, LeafSpec, OneOrMany, QuotaSpec, SignalSpec};

/// `provider.yaml`: the HTTP facts of one CRM.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ProviderSpec {
    /// The name people know it by.
    pub title: String,
    /// Where the vendor documents its API.
    #[serde(default)]
    pub docs: Option<String>,
    /// What surprises people, shown to callers in the coverage matrix. Say so where a fact is not verified.
    #[serde(default)]
    pub gotchas: Vec<String>,
    /// Constants: `{name}` in any text of the provider's files stands for them, expressions see them by name.
    #[serde(default)]
    pub params: Map<String, Value>,
    /// What differs from connection to connection besides the credentials.
    #[serde(default)]
    pub settings: IndexMap<String, SettingSpec>,
    /// What all request paths are relative to. `{setting}` may stand in it.
    pub base_url: String,
    /// The only places that credentials are sent to.
    pub hosts: HostsSpec,
    /// Headers of every request.
    #[serde(default)]
    pub headers: IndexMap<String, LeafSpec>,
    /// Named conversions for `as`.
    #[serde(default)]
    pub codecs: IndexMap<String, CodecSpec>,
    /// Query languages as data, used through `$query`, `$where`, `$order` and `$literal`.
    #[serde(default)]
    pub styles: IndexMap<String, Value>,
    /// How each kind of credential is sent: `oauth2`, `token`, `basic`, `headers`.
    pub auth: IndexMap<String, AuthSpec>,
    /// What the vendor allows in a time.
    #[serde(default)]
    pub limits: Vec<QuotaSpec>,
    /// How its answers tell what is left of that.
    #[serde(default)]
    pub limit_signals: Vec<SignalSpec>,
    /// A cheap request that tells whether a credential works: `METHOD /path`.
    #[serde(default)]
    pub verify: Option<String>,
    /// How the vendor says what went wrong.
    #[serde(default)]
    pub errors: ErrorsSpec,
    /// A longer URL is refused before it is sent. Characters.
    #[serde(default)]
    pub max_url: Option<usize>,
    /// What the raw route may not reach.
    #[serde(default)]
    pub passthrough: PassthroughSpec,
}

#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HostsSpec {
    /// `https://api.example.com`, or `https://*.example.com` for any name below it, or `{setting}` where the customer
    /// runs the server.
    pub api: Vec<String>,
    /// Where its authorization server is: the only places that client secrets and refresh tokens are sent to.
    #[serde(default)]
    pub auth: Vec<String>,
}

#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SettingSpec {
    /// What it is, in the words in which a customer is asked for it.
    pub ask: String,
    #[serde(default)]
    pub default: Option<Value>,
    /// May be left out although it has no default.
    #[serde(default)]
    pub optional: bool,
    /// A value as it may look; the demo connects with it.
    #[serde(default)]
    pub example: Option<Value>,
    /// A regular expression that the whole value matches.
    #[serde(default)]
    pub pattern: Option<String>,
}

#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CodecSpec {
    /// Expression: the vendor's value (as `$` or by its members) to the unified one.
    #[serde(default)]
    pub read: Option<String>,
    /// Expression: the unified value (`$`) to the vendor's.
    #[serde(default)]
    pub write: Option<String>,
}

#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AuthSpec {
    /// Headers made of the credential's members: `access_token`, `token`, `username` and `password`, or the names of
    /// the headers.
    #[serde(default)]
    pub send: IndexMap<String, LeafSpec>,
    /// Query parameters made of them, for vendors that want the credential in the URL.
    #[serde(default)]
    pub query: IndexMap<String, LeafSpec>,
    /// For `oauth2`: how the tokens are got.
    #[serde(default)]
    pub grant: Option<GrantSpec>,
}

#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ErrorsSpec {
    #[serde(default)]
    pub read: ErrorReadSpec,
    /// First match wins; after them the status decides.
    #[serde(default)]
    pub classify: Vec<ClassifySpec>,
}

/// Where an error answer holds what.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ErrorReadSpec {
    #[serde(default)]
    pub code: Option<LeafSpec>,
    #[serde(default)]
    pub message: Option<LeafSpec>,
    /// Vendor names of the fields that are wrong; they become pointers to unified fields.
    #[serde(default)]
    pub fields: Option<LeafSpec>,
    /// The id of the record that is in the way.
    #[serde(default)]
    pub other_id: Option<LeafSpec>,
}

#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClassifySpec {
    #[serde(default)]
    pub status: Option<OneOrMany<u16>>,
    /// The code as `errors.read.code` found it.
    #[serde(default)]
    pub code: Option<OneOrMany<String>>,
    /// A regular expression that the message contains.
    #[serde(default)]
    pub message: Option<String>,
    /// An expression over the answer's body, `$status` and `$headers`.
    #[serde(default)]
    pub when: Option<String>,
    /// The problem's code.
    pub is: String,
    #[serde(default)]
    pub retryable: Option<bool>,
    /// One key that names the unit: `s`, `ms`, `epoch-s`, `epoch-ms` or `http-date`, over a leaf. A hint that cannot be
    /// read is ignored. `Retry-After` needs no line.
    #[serde(default)]
    pub retry_after: Option<IndexMap<RetryUnit, LeafSpec>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RetryUnit {
    S,
    Ms,
    EpochS,
    EpochMs,
    HttpDate,
}

#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PassthroughSpec {
    /// Path prefixes (`*` stands for any characters) that are refused: token endpoints above all.
    #[serde(default)]
    pub deny: Vec<String>,
    /// The methods that may be used; all but CONNECT and TRACE without it.
    #[serde(default)]
    pub methods: Option<Vec<String>>,
}
