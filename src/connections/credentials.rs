//! Credentials on their way in (the body of a request) and as the one JSON text that is sealed.

use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value};

use super::body::Members;
use super::connection::{Credentials, Tokens};
use crate::catalog::Flow;
use crate::error::{Error, Result, Violation};

/// Tokens that carry claims are long; nobody's are this long.
const LONGEST: usize = 32 * 1024;
const OAUTH2: [&str; 10] = [
    "type",
    "flow",
    "access_token",
    "refresh_token",
    "expires_at",
    "scopes",
    "client_id",
    "subject",
    "previous_refresh_token",
    "replaced_at",
];
const KINDS: [&str; 4] = ["oauth2", "token", "basic", "headers"];

impl Credentials {
    /// The name in `type` and in the provider files.
    pub fn kind(&self) -> &'static str {
        match self {
            Credentials::OAuth2(_) => "oauth2",
            Credentials::Token { .. } => "token",
            Credentials::Basic { .. } => "basic",
            Credentials::Headers { .. } => "headers",
        }
    }

    /// Reads the value of `credentials`; for oauth2 also the scopes that were granted.
    pub fn parse(value: &Value) -> Result<(Self, Vec<String>), Vec<Violation>> {
        const AT: &str = "/credentials";
        let Some(object) = value.as_object() else {
            return Err(vec![Violation::at(AT, "the value cannot be used").expected("an object")]);
        };
        let kind = object.get("type").and_then(Value::as_str).unwrap_or_default();
        let known: &[&str] = match kind {
            "oauth2" => &OAUTH2,
            "token" => &["type", "token"],
            "basic" => &["type", "username", "password"],
            "headers" => &["type", "headers"],
            _ => {
                let detail =
                    if object.contains_key("type") { "the type is not known" } else { "the member is missing" };
                let violation = Violation::at(format!("{AT}/type"), detail);
                return Err(vec![violation.expected(format!("one of {}", KINDS.join(", ")))]);
            }
        };
        let mut members = Members::of(object, AT, known);
        let mut scopes = Vec::new();
        let credentials = match kind {
            "oauth2" => {
                scopes = members.lines("scopes", 500).unwrap_or_default();
                tokens(&mut members).map(Credentials::OAuth2)
            }
            "token" => required(&mut members, "token").map(|token| Credentials::Token { token }),
            "basic" => match (required(&mut members, "username"), required(&mut members, "password")) {
                (Some(username), Some(password)) => Some(Credentials::Basic { username, password }),
                _ => None,
            },
            _ => headers(&mut members).map(|headers| Credentials::Headers { headers }),
        };
        match (credentials, members.violations()) {
            (Some(credentials), violations) if violations.is_empty() => Ok((credentials, scopes)),
            (_, violations) => Err(violations),
        }
    }

    /// The members beside `type`, for whoever makes headers of them.
    pub fn members(&self) -> Map<String, Value> {
        let secret = |secret: &SecretString| Value::from(secret.expose_secret());
        let mut members = Map::new();
        match self {
            Credentials::OAuth2(tokens) => {
                if tokens.flow != Flow::AuthorizationCode {
                    members.insert("flow".into(), tokens.flow.as_str().into());
                }
                let texts = [("access_token", &tokens.access_token), ("refresh_token", &tokens.refresh_token)];
                for (name, token) in texts.into_iter().filter_map(|(name, token)| Some((name, token.as_ref()?))) {
                    members.insert(name.into(), secret(token));
                }
                let plain = [
                    ("expires_at", tokens.expires_at.map(|time| time.to_string())),
                    ("client_id", tokens.client_id.clone()),
                    ("subject", tokens.subject.clone()),
                ];
                for (name, text) in plain.into_iter().filter_map(|(name, text)| Some((name, text?))) {
                    members.insert(name.into(), text.into());
                }
                if let Some((token, at)) = &tokens.previous {
                    members.insert("previous_refresh_token".into(), secret(token));
                    members.insert("replaced_at".into(), at.to_string().into());
                }
            }
            Credentials::Token { token } => drop(members.insert("token".into(), secret(token))),
            Credentials::Basic { username, password } => {
                members.insert("username".into(), secret(username));
                members.insert("password".into(), secret(password));
            }
            Credentials::Headers { headers } => {
                let headers: Map<_, _> = headers.iter().map(|(name, value)| (name.clone(), secret(value))).collect();
                members.insert("headers".into(), headers.into());
            }
        }
        members
    }

    /// The text that is sealed.
    pub(super) fn to_json(&self) -> Result<Zeroizing<Vec<u8>>> {
        let mut members = self.members();
        members.insert("type".into(), self.kind().into());
        serde_json::to_vec(&members).map(Zeroizing::new).map_err(Error::internal)
    }

    pub(super) fn from_json(text: &[u8]) -> Result<Self> {
        // The cause is left out: it could quote the text.
        let broken = || Error::internal("the opened credentials are not what was sealed");
        let value = serde_json::from_slice::<Value>(text).map_err(|_| broken())?;
        Self::parse(&value).map(|(credentials, _)| credentials).map_err(|_| broken())
    }
}

/// The members of tokens; those that a flow needs are required.
fn tokens(members: &mut Members<'_>) -> Option<Tokens> {
    let flow = match members.line("flow", 64) {
        None => Some(Flow::AuthorizationCode),
        Some(name) => Flow::parse(name),
    };
    if flow.is_none() {
        members.refuse("flow", "the value cannot be used", "authorization-code, client-credentials or jwt-bearer");
    }
    let flow = flow.unwrap_or_default();
    match flow {
        // A refresh token alone is enough: the first use renews.
        Flow::AuthorizationCode if members.is_null("refresh_token") => members.require("access_token"),
        Flow::AuthorizationCode | Flow::ClientCredentials => {}
        Flow::JwtBearer => members.require("subject"),
    }
    let mut secret = |name: &str| match members.get(name) {
        None | Some(Value::Null) => None,
        Some(_) => members.line(name, LONGEST).map(SecretString::from),
    };
    let (access_token, refresh_token) = (secret("access_token"), secret("refresh_token"));
    let previous = secret("previous_refresh_token");
    let replaced_at = members.time("replaced_at");
    Some(Tokens {
        flow,
        access_token,
        refresh_token,
        expires_at: members.time("expires_at"),
        client_id: members.line("client_id", 500).map(str::to_owned),
        subject: members.line("subject", 500).map(str::to_owned),
        previous: previous.zip(replaced_at),
    })
}

fn required(members: &mut Members<'_>, name: &str) -> Option<SecretString> {
    members.require(name);
    members.line(name, LONGEST).map(SecretString::from)
}

fn headers(members: &mut Members<'_>) -> Option<Vec<(String, SecretString)>> {
    members.require("headers");
    let object = members.object("headers")?;
    if object.is_empty() {
        members.refuse("headers", "the value cannot be used", "at least one header");
    }
    let mut headers = Vec::with_capacity(object.len());
    let mut violations = Vec::new();
    let at = members.pointer("headers");
    let mut inner = Members::of(object, &at, &object.keys().map(String::as_str).collect::<Vec<_>>());
    for name in object.keys() {
        if http::HeaderName::try_from(name.as_str()).is_err() {
            violations.push(Violation::at(inner.pointer(name), "this is not the name of a header"));
        } else if headers.iter().any(|(other, _): &(String, _)| other.eq_ignore_ascii_case(name)) {
            violations.push(Violation::at(inner.pointer(name), "the header is there twice"));
        } else if let Some(value) = inner.line(name, LONGEST) {
            headers.push((name.to_ascii_lowercase(), SecretString::from(value)));
        }
    }
    violations.extend(inner.violations());
    members.add(violations);
    Some(headers)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::error::Place;

    fn pointers(value: Value) -> Vec<String> {
        let violations = Credentials::parse(&value).err().unwrap_or_default();
        for violation in &violations {
            assert!(!format!("{violation:?}").contains("s3cret"), "a value is repeated");
        }
        let pointer = |violation: Violation| match violation.place {
            Place::Pointer(pointer) | Place::Parameter(pointer) => pointer,
        };
        violations.into_iter().map(pointer).collect()
    }

    #[test]
    fn every_kind_survives_sealing_and_opening() {
        for value in [
            json!({"access_token": "a", "refresh_token": "r", "expires_at": "2030-01-01T00:00:00Z", "type": "oauth2"}),
            json!({"access_token": "a", "type": "oauth2"}),
            json!({"flow": "jwt-bearer", "client_id": "c", "subject": "u", "type": "oauth2"}),
            json!({"refresh_token": "r", "previous_refresh_token": "p", "replaced_at": "2030-01-01T00:00:00Z", "type": "oauth2"}),
            json!({"token": "t", "type": "token"}),
            json!({"username": "u", "password": "p", "type": "basic"}),
            json!({"headers": {"x-key": "k", "x-user": "u"}, "type": "headers"}),
        ] {
            let (credentials, _) = Credentials::parse(&value).expect("good credentials");
            let text = credentials.to_json().expect("JSON");
            assert_eq!(serde_json::from_slice::<Value>(&text).expect("JSON"), value);
            assert_eq!(Credentials::from_json(&text).expect("opens").kind(), credentials.kind());
        }
    }

    #[test]
    fn everything_wrong_is_reported_at_once_and_no_value_is_repeated() {
        assert_eq!(pointers(json!("s3cret")), ["/credentials"]);
        assert_eq!(pointers(json!({"token": "s3cret"})), ["/credentials/type"]);
        assert_eq!(pointers(json!({"type": "s3cret"})), ["/credentials/type"]);
        assert_eq!(pointers(json!({"type": "token", "token": ""})), ["/credentials/token"]);
        assert_eq!(pointers(json!({"type": "token", "token": "s3cret\n"})), ["/credentials/token"]);
        assert_eq!(
            pointers(
                json!({"type": "oauth2", "refresh_token": 1, "expires_at": "s3cret", "scopes": "s3cret", "x/y": 1})
            ),
            ["/credentials/x~1y", "/credentials/scopes", "/credentials/refresh_token", "/credentials/expires_at"]
        );
        assert_eq!(
            pointers(json!({"type": "headers", "headers": {"a b": "s3cret", "c": "s3cret\r\n"}})),
            ["/credentials/headers/a b", "/credentials/headers/c"]
        );
        assert_eq!(
            pointers(json!({"type": "headers", "headers": {"x-a": "s3cret", "X-A": "s3cret"}})),
            ["/credentials/headers/X-A"]
        );
        assert_eq!(pointers(json!({"type": "headers", "headers": {}})), ["/credentials/headers"]);
    }
}
