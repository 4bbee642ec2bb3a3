//! How a document says that callers prove who they are, in the words of `provider.yaml`.

use serde_json::{Map, Value, json};

use super::document::Document;
use super::schema::text;
use crate::net::Origin;

/// `auth`, where its secrets go, and what could not be used.
#[derive(Default)]
pub struct Security {
    pub auth: Map<String, Value>,
    pub hosts: Vec<String>,
    pub notes: Vec<String>,
}

pub fn security(document: &Document, operations: &[&Value]) -> Security {
    let schemes = document.at("/components/securitySchemes").as_object();
    let named = wanted(document, operations);
    let mut security = Security::default();
    for (name, scheme) in schemes.into_iter().flatten() {
        if named.is_empty() || named.contains(name) {
            add(&mut security, name, document.resolve(scheme));
        }
    }
    if security.auth.is_empty() {
        security.auth.insert("token".into(), json!({}));
        security.notes.push("nothing usable says how credentials are sent: `Authorization: Bearer` is a guess".into());
    }
    security
}

/// The names of the schemes that the operations ask for; nothing where nothing is said.
fn wanted(document: &Document, operations: &[&Value]) -> Vec<String> {
    let of = |holder: &Value| {
        let listed = holder.get("security").and_then(Value::as_array).cloned().unwrap_or_default();
        listed
            .into_iter()
            .filter_map(|one| Some(one.as_object()?.keys().cloned().collect::<Vec<_>>()))
            .flatten()
            .collect()
    };
    let mut names: Vec<String> = operations.iter().flat_map(|operation| of(operation)).collect();
    if names.is_empty() {
        names = of(&json!({"security": document.get("security")}));
    }
    names
}

fn add(security: &mut Security, name: &str, scheme: &Value) {
    let kind = text(scheme, "type").unwrap_or_default();
    let word = text(scheme, "scheme").unwrap_or_default().to_ascii_lowercase();
    let place = text(scheme, "in").unwrap_or_default();
    let parameter = text(scheme, "name").unwrap_or_default();
    let (credential, how) = match (kind, word.as_str(), place) {
        ("http", "bearer", _) => ("token", json!({})),
        ("http", "basic", _) => ("basic", json!({})),
        ("apiKey", _, "header") if parameter.eq_ignore_ascii_case("authorization") => {
            ("token", json!({"send": {"Authorization": "token"}}))
        }
        ("apiKey", _, "header") if parameter.parse::<http::HeaderName>().is_ok() => {
            ("token", json!({"send": {parameter: "token"}}))
        }
        ("apiKey", _, "query") if !parameter.is_empty() => ("token", json!({"query": {parameter: "token"}})),
        ("oauth2", ..) => match grant(scheme) {
            Some((grant, host)) => {
                security.hosts.push(host);
                ("oauth2", json!({"grant": grant}))
            }
            None => {
                let why = "it has no flow in which customers authorise (authorizationCode) at https addresses";
                return security.notes.push(format!("the security scheme `{name}` is not used: {why}"));
            }
        },
        _ => {
            return security
                .notes
                .push(format!("the security scheme `{name}` ({kind} {word}{place}) is not one that mappings know"));
        }
    };
    if security.auth.contains_key(credential) {
        security.notes.push(format!("the security scheme `{name}` is not used: another one is a `{credential}`, too"));
    } else {
        security.auth.insert(credential.to_owned(), how);
    }
}

/// The grant, and the host of the token endpoint.
fn grant(scheme: &Value) -> Option<(Value, String)> {
    let flow = scheme.pointer("/flows/authorizationCode")?;
    let (authorize, token) = (text(flow, "authorizationUrl")?, text(flow, "tokenUrl")?);
    let origin = Origin::parse(token).ok().filter(Origin::is_https)?;
    Origin::parse(authorize).ok()?;
    let scopes: Vec<&String> =
        flow.get("scopes").and_then(Value::as_object).into_iter().flatten().map(|(name, _)| name).collect();
    let mut grant = json!({"authorize": authorize, "token": token});
    if let (Value::Object(grant), false) = (&mut grant, scopes.is_empty()) {
        grant.insert("scopes".into(), json!({"always": scopes}));
    }
    let host = origin.root().to_string();
    Some((grant, host))
}
