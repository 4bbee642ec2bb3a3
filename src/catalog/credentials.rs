//! How a provider's credentials are sent.

use base64::Engine as _;
use http::{HeaderName, HeaderValue};
use indexmap::IndexMap;
use secrecy::SecretString;
use serde_json::{Map, Value};

use super::build::{Build, Scope};
use super::leaf::Leaf;
use super::provider::Provider;
use super::spec::{AuthSpec, ProviderSpec};
use super::variant::compile_headers;
use crate::error::{Error, Kind};
use crate::mapping::Vars;

/// How one kind of credential is sent.
#[derive(Debug)]
pub enum Auth {
    /// The credential's members are the headers themselves.
    Headers,
    Send {
        headers: Vec<(HeaderName, Leaf)>,
        query: Vec<(String, Leaf)>,
    },
}

/// A credential as requests carry it. Header values are marked sensitive.
pub struct Carried {
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// For the few vendors that want it in the URL.
    pub query: Vec<(String, SecretString)>,
}

/// Headers that say where a request goes or where it ends: no credential may set them.
const FRAMING: [&str; 9] =
    ["host", "content-length", "transfer-encoding", "connection", "keep-alive", "te", "trailer", "upgrade", "expect"];

/// The kinds of credentials there are.
pub const CREDENTIAL_KINDS: [&str; 4] = ["oauth2", "token", "basic", "headers"];

impl Provider {
    /// What carries a credential. `members` are its parts by name; no message ever holds one.
    pub fn access(
        &self,
        kind: &str,
        members: &Map<String, Value>,
        settings: &Map<String, Value>,
    ) -> Result<Carried, Error> {
        let Some(auth) = self.auth.get(kind) else {
            return Err(Error::new(
                Kind::ValidationFailed,
                format!("{} does not take credentials of type {kind}", self.title),
            )
            .supported(self.credential_kinds()));
        };
        let unusable =
            || Error::new(Kind::ValidationFailed, "The credential holds characters that no header can carry.");
        let mut carried = Carried { headers: Vec::new(), query: Vec::new() };
        match auth {
            Auth::Headers => {
                for (name, value) in members {
                    let name = name.parse::<HeaderName>().map_err(|_| unusable())?;
                    if FRAMING.contains(&name.as_str()) {
                        return Err(Error::new(
                            Kind::ValidationFailed,
                            format!("{name} is not a header for credentials."),
                        ));
                    }
                    let value = secret_value(value.as_str().unwrap_or_default()).ok_or_else(unusable)?;
                    carried.headers.push((name, value));
                }
            }
            Auth::Send { headers, query } => {
                let input = Value::Object(members.clone());
                let vars = Vars::none().with("settings", Value::Object(settings.clone()));
                // The engine's own message could repeat its input: it is dropped.
                let text = |leaf: &Leaf| leaf.text(&input, &vars).map_err(|_| unusable());
                for (name, leaf) in headers {
                    if let Some(text) = text(leaf)? {
                        carried.headers.push((name.clone(), secret_value(&text).ok_or_else(unusable)?));
                    }
                }
                for (name, leaf) in query {
                    if let Some(text) = text(leaf)? {
                        carried.query.push((name.clone(), text.into()));
                    }
                }
            }
        }
        Ok(carried)
    }
}

fn secret_value(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

pub fn compile_auth(build: &mut Build<'_>, spec: &ProviderSpec) -> IndexMap<String, Auth> {
    let mut auth = IndexMap::new();
    for (kind, method) in &spec.auth {
        let at = format!("/auth/{kind}");
        let Some(names) = members_of(kind) else {
            let hint = super::build::hint(kind, CREDENTIAL_KINDS);
            build.problem(&at, format!("`{kind}` is not a kind of credential{hint}: {}", CREDENTIAL_KINDS.join(", ")));
            continue;
        };
        let compiled = match (kind.as_str(), method) {
            ("headers", AuthSpec { send, query, .. }) if send.is_empty() && query.is_empty() => Some(Auth::Headers),
            (_, AuthSpec { send, query, .. }) => {
                let given = !send.is_empty() || !query.is_empty();
                let send = if given { send.clone() } else { default_send(kind) };
                let scope = Scope { title: "the credential", names: Some(names), variables: &["settings"] };
                let mut parameters = Vec::new();
                for (name, leaf) in query {
                    let leaf = Leaf::compile(build, &format!("{at}/query/{name}"), leaf, &scope);
                    parameters.extend(leaf.map(|leaf| (name.clone(), leaf)));
                }
                compile_headers(build, &format!("{at}/send"), &send, &scope)
                    .map(|headers| Auth::Send { headers, query: parameters })
            }
        };
        auth.extend(compiled.map(|compiled| (kind.clone(), compiled)));
    }
    auth
}

fn members_of(kind: &str) -> Option<Vec<&'static str>> {
    match kind {
        "oauth2" => Some(vec!["access_token"]),
        "token" => Some(vec!["token"]),
        "basic" => Some(vec!["username", "password"]),
        "headers" => Some(Vec::new()),
        _ => None,
    }
}

/// RFC 6750 and RFC 7617 where the file says nothing.
fn default_send(kind: &str) -> IndexMap<String, Value> {
    let expression = match kind {
        "oauth2" => r#""Bearer " & access_token"#,
        "token" => r#""Bearer " & token"#,
        _ => r#""Basic " & $base64(username & ":" & password)"#,
    };
    IndexMap::from([("Authorization".to_owned(), Value::String(expression.to_owned()))])
}

/// The user of a basic credential (RFC 7617).
pub fn basic_user(header: &str) -> Option<String> {
    let encoded = header.get(..6).filter(|scheme| scheme.eq_ignore_ascii_case("basic ")).and(header.get(6..))?;
    let decoded = base64::engine::general_purpose::STANDARD.decode(encoded.trim()).ok()?;
    let text = String::from_utf8(decoded).ok()?;
    text.split_once(':').map(|(user, _)| user.to_owned())
}
