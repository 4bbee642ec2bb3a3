//! What the answer of a token endpoint means: tokens, or why there are none and whether asking again can help.

use std::time::Duration;

use jiff::Timestamp;
use secrecy::SecretString;
use serde_json::{Map, Value};

use crate::catalog::{Grant, Refusal, Said};
use crate::net::{Failure, SendError};

/// Nobody's access token lives longer; a number beyond it is a mistake, and a token to be looked at again.
const LONGEST_LIFE: f64 = 365.0 * 24.0 * 3600.0;
/// Of what a server says of its refusal, as much as helps.
const LONGEST_REASON: usize = 200;

pub struct Granted {
    pub access_token: SecretString,
    /// `None` keeps the one there is.
    pub refresh_token: Option<SecretString>,
    pub issued_at: Timestamp,
    pub expires_at: Option<Timestamp>,
    /// `None` where the answer does not tell, which means those that were asked for (RFC 6749, 5.1).
    pub scopes: Option<Vec<String>>,
    /// Settings that the answer tells.
    pub settings: Map<String, Value>,
}

/// No tokens, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    pub class: Class,
    /// The server's own code.
    pub error: Option<String>,
    /// In words that may be shown: no tokens, no more than the server's own short text.
    pub reason: String,
    pub retry_after: Option<Duration>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Class {
    /// It may work later; the token was not spent.
    Transient,
    /// Bytes were sent and no answer could be read: the token may have been spent.
    Ambiguous,
    /// Another refresh was faster.
    Race,
    /// The app or the deployment is at fault, no customer can mend it.
    Operator,
    /// The customer has to authorise again.
    Permanent,
    /// A refusal that no table knows: permanent only if it stays.
    Unknown,
}

impl Class {
    pub fn as_str(self) -> &'static str {
        match self {
            Class::Transient => "transient",
            Class::Ambiguous => "ambiguous",
            Class::Race => "race",
            Class::Operator => "operator",
            Class::Permanent => "permanent",
            Class::Unknown => "unknown",
        }
    }
}

impl Refused {
    pub(super) fn new(class: Class, error: Option<String>, reason: impl Into<String>) -> Self {
        Self { class, error, reason: reason.into(), retry_after: None }
    }

    /// The request got no answer.
    pub(super) fn not_answered(error: &SendError) -> Self {
        let class = match error.failure() {
            // This deployment's own rule: no waiting helps.
            Failure::RefusedAddress => Class::Operator,
            _ if error.may_have_been_sent() => Class::Ambiguous,
            _ => Class::Transient,
        };
        Self::new(class, None, format!("the token endpoint gave no answer: {}", error.failure().describe()))
    }

    pub(super) fn unreadable(status: u16, why: &str) -> Self {
        let class = if status < 300 { Class::Ambiguous } else { Class::Transient };
        Self::new(class, None, format!("the token endpoint's answer ({status}) cannot be read: {why}"))
    }
}

pub(super) fn read(
    grant: &Grant,
    status: u16,
    headers: &Value,
    body: &[u8],
    began: Timestamp,
    secrets: &[&str],
) -> Result<Granted, Refused> {
    let body = serde_json::from_slice::<Value>(body).unwrap_or(Value::Null);
    let said = Said { status, headers, body: &body };
    // Some servers tell errors with the status of a success.
    let access_token = body.get("access_token").and_then(Value::as_str).filter(|token| !token.is_empty());
    match access_token {
        Some(token) if status < 300 => Ok(granted(grant, said, token, began)),
        _ => Err(refusal(grant, Said { body: &without(secrets, &body), ..said })),
    }
}

/// A refusal that repeats what was sent does not carry it on.
fn without(secrets: &[&str], body: &Value) -> Value {
    let text = secrets.iter().fold(body.to_string(), |text, secret| text.replace(secret, "(secret)"));
    serde_json::from_str(&text).unwrap_or(Value::Null)
}

fn granted(grant: &Grant, said: Said<'_>, token: &str, began: Timestamp) -> Granted {
    let member = |name: &str| said.body.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    let told = said.body.get("expires_in").and_then(seconds).filter(|seconds| *seconds >= 1.0);
    let lifetime = told.map(|seconds| Duration::from_secs_f64(seconds.min(LONGEST_LIFE))).or(grant.lifetime);
    let separators = |c: char| c == ' ' || grant.scope_separator.contains(c);
    let scopes = member("scope").map(|scopes| scopes.split(separators).filter(|scope| !scope.is_empty()));
    Granted {
        access_token: token.into(),
        refresh_token: member("refresh_token").map(SecretString::from),
        issued_at: began,
        expires_at: lifetime.and_then(|lifetime| began.checked_add(lifetime).ok()),
        scopes: scopes.map(|scopes| scopes.map(str::to_owned).collect()),
        settings: grant.kept(said),
    }
}

/// Numbers, also as text.
fn seconds(value: &Value) -> Option<f64> {
    let number = match value {
        Value::Number(number) => number.as_f64()?,
        Value::String(text) => text.trim().parse().ok()?,
        _ => return None,
    };
    number.is_finite().then_some(number)
}

/// The provider's own table first, then the standard's codes (RFC 6749, 5.2; OpenID Connect Core, 3.1.2.6), then the
/// status. An answer that nothing knows is never permanent at first sight.
pub(super) fn refusal(grant: &Grant, said: Said<'_>) -> Refused {
    let error = said.body.get("error").and_then(Value::as_str).map(|code| short(code, 60));
    let class = match grant.refusal(said) {
        Some(Refusal::Transient) => Class::Transient,
        Some(Refusal::Race) => Class::Race,
        Some(Refusal::Operator) => Class::Operator,
        Some(Refusal::Permanent) => Class::Permanent,
        None => by_standard(said.status, error.as_deref()),
    };
    let told = ["error_description", "message", "error_uri"].iter();
    let told = told.filter_map(|name| said.body.get(name).and_then(Value::as_str)).next();
    let reason = match (&error, told) {
        (Some(code), Some(text)) => {
            format!("the token endpoint answered {} {code}: {}", said.status, short(text, LONGEST_REASON))
        }
        (Some(code), None) => format!("the token endpoint answered {} {code}", said.status),
        (None, Some(text)) => format!("the token endpoint answered {}: {}", said.status, short(text, LONGEST_REASON)),
        (None, None) if said.status < 300 => "the token endpoint's answer holds no access token".to_owned(),
        (None, None) => format!("the token endpoint answered {}", said.status),
    };
    Refused { retry_after: retry_after(said.headers), ..Refused::new(class, error, reason) }
}

fn by_standard(status: u16, error: Option<&str>) -> Class {
    match (status, error) {
        (408 | 429 | 500..=599, _) => Class::Transient,
        (_, Some("temporarily_unavailable" | "server_error" | "slow_down")) => Class::Transient,
        (_, Some("invalid_client" | "unauthorized_client" | "unsupported_grant_type")) => Class::Operator,
        (_, Some("invalid_grant" | "invalid_scope")) => Class::Permanent,
        (_, Some("interaction_required" | "consent_required" | "login_required")) => Class::Permanent,
        // Pages of proxies and captive portals, redirects, successes without a token.
        (0..=399, _) => Class::Transient,
        _ => Class::Unknown,
    }
}

fn retry_after(headers: &Value) -> Option<Duration> {
    let seconds = headers.get("retry-after")?.as_str()?.trim().parse::<u64>().ok()?;
    Some(Duration::from_secs(seconds.min(3600)))
}

/// One line of at most `longest` characters.
fn short(text: &str, longest: usize) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(longest).collect()
}
