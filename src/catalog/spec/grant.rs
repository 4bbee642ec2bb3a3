//! The words of getting credentials: what the vendor's authorization server is like.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use super::{LeafSpec, OneOrMany};

/// The OAuth 2.0 facts of a vendor. URLs may hold `{setting}`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GrantSpec {
    /// Where customers give their consent.
    #[serde(default)]
    pub authorize: Option<String>,
    /// Where codes and refresh tokens become access tokens.
    pub token: String,
    /// By which ways tokens are got.
    #[serde(default = "authorization_code")]
    pub flows: Vec<Flow>,
    /// Where tokens are given back (RFC 7009).
    #[serde(default)]
    pub revoke: Option<String>,
    /// How the client proves itself at the token endpoint.
    #[serde(default)]
    pub client: ClientProof,
    /// Whether the vendor takes PKCE (RFC 7636).
    #[serde(default)]
    pub pkce: bool,
    /// `always`, and what each resource needs besides.
    #[serde(default)]
    pub scopes: IndexMap<String, Vec<String>>,
    /// A space without it.
    #[serde(default)]
    pub scope_separator: Option<String>,
    /// Parameters beyond the standard's.
    #[serde(default)]
    pub extra: ExtraSpec,
    /// How long an access token lives where the answer has no `expires_in`. Seconds.
    #[serde(default)]
    pub lifetime: Option<u64>,
    /// How long a refresh token lives unused. Seconds.
    #[serde(default)]
    pub refresh_lifetime: Option<u64>,
    /// Whether a refresh gives a new refresh token.
    #[serde(default)]
    pub rotates: Rotation,
    /// How long a refresh token still works after it was replaced. Seconds.
    #[serde(default)]
    pub grace: Option<u64>,
    /// The least time between two refreshes of one connection. Seconds.
    #[serde(default)]
    pub spacing: Option<u64>,
    /// What a 401 of the API says about the token.
    #[serde(default)]
    pub unauthorized: Unauthorized,
    /// Who a signed assertion is for (`aud` of RFC 7523); the token endpoint without it.
    #[serde(default)]
    pub audience: Option<String>,
    /// Settings that the redirect after the consent tells: the names of its parameters.
    #[serde(default)]
    pub returned: IndexMap<String, String>,
    /// Settings that the token answer tells: a leaf over it.
    #[serde(default)]
    pub keep: IndexMap<String, LeafSpec>,
    /// What refusals of the token endpoint mean; after them the standard's error codes decide.
    #[serde(default)]
    pub refused: Vec<RefusedSpec>,
}

fn authorization_code() -> Vec<Flow> {
    vec![Flow::AuthorizationCode]
}

/// A way to a token.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Flow {
    /// The customer gives consent in a browser; a refresh token renews (RFC 6749, 4.1).
    #[default]
    AuthorizationCode,
    /// The app itself is the user (RFC 6749, 4.4).
    ClientCredentials,
    /// The app signs for a user (RFC 7523).
    JwtBearer,
}

impl Flow {
    const NAMES: [(Flow, &str); 3] = [
        (Flow::AuthorizationCode, "authorization-code"),
        (Flow::ClientCredentials, "client-credentials"),
        (Flow::JwtBearer, "jwt-bearer"),
    ];

    pub const ALL: [Flow; 3] = [Flow::AuthorizationCode, Flow::ClientCredentials, Flow::JwtBearer];

    pub fn as_str(self) -> &'static str {
        Self::NAMES.iter().find(|(flow, _)| *flow == self).map_or("", |(_, name)| name)
    }

    pub fn parse(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(_, known)| *known == name).map(|(flow, _)| *flow)
    }
}

/// What a 401 of the API says about the token.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Unauthorized {
    /// It may have ended before its time: worth one refresh.
    #[default]
    Ended,
    /// Nothing, unless its end is near: the vendor answers so for other reasons as well.
    NearEnd,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ClientProof {
    #[default]
    Body,
    Basic,
    None,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Rotation {
    Always,
    Never,
    #[default]
    Maybe,
}

#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExtraSpec {
    #[serde(default)]
    pub authorize: IndexMap<String, Value>,
    #[serde(default)]
    pub exchange: IndexMap<String, Value>,
    #[serde(default)]
    pub refresh: IndexMap<String, Value>,
}

#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RefusedSpec {
    #[serde(default)]
    pub status: Option<OneOrMany<u16>>,
    /// The answer's `error`.
    #[serde(default)]
    pub error: Option<OneOrMany<String>>,
    /// An expression over the answer, `$status` and `$headers`.
    #[serde(default)]
    pub when: Option<String>,
    pub is: Refusal,
}

/// What a refusal of the token endpoint means for the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Refusal {
    /// It may work later.
    Transient,
    /// Another refresh was faster.
    Race,
    /// The client's id, secret or settings are wrong: nothing the customer can mend.
    Operator,
    /// The customer has to authorise again.
    Permanent,
}
