//! One provider, compiled: where its requests go, how credentials are sent, its errors, styles and resources.

use std::sync::Arc;

use base64::Engine as _;
use http::{HeaderName, HeaderValue, Method};
use indexmap::IndexMap;
use regex::Regex;
use serde_json::{Map, Value};

use super::build::{Build, Scope};
use super::errors::ErrorRules;
use super::leaf::Leaf;
use super::resource::Resource;
use super::source::{Node, Problem};
use super::spec::{AuthSpec, ProviderSpec};
use super::template::Template;
use super::variant::{CALL_VARIABLES, compile_headers};
use crate::error::{Error, Kind, Violation};
use crate::mapping::{Codec, Engine, Expression, Styles, Vars};
use crate::net::Origin;

#[derive(Debug)]
pub struct Provider {
    /// The folder's name.
    pub name: Arc<str>,
    pub title: String,
    pub docs: Option<String>,
    pub gotchas: Vec<String>,
    pub settings: IndexMap<String, Setting>,
    base_url: Template,
    hosts: Vec<HostRule>,
    pub headers: Vec<(HeaderName, Leaf)>,
    auth: IndexMap<String, Auth>,
    pub errors: ErrorRules,
    pub styles: Arc<Styles>,
    pub codecs: IndexMap<String, Codec>,
    pub max_url: usize,
    pub passthrough: Passthrough,
    pub params: Map<String, Value>,
    pub resources: IndexMap<String, Arc<Resource>>,
}

#[derive(Debug)]
pub struct Setting {
    pub ask: String,
    pub default: Option<Value>,
    pub optional: bool,
    pub example: Option<Value>,
    pattern: Option<Regex>,
}

/// How one kind of credential is sent.
#[derive(Debug)]
enum Auth {
    /// The credential's members are the headers themselves.
    Headers,
    Send(Vec<(HeaderName, Leaf)>),
}

/// What the raw route may not reach. The whole host is open otherwise.
#[derive(Debug, Default)]
pub struct Passthrough {
    /// Path prefixes; `*` stands for one segment.
    pub deny: Vec<String>,
    pub methods: Option<Vec<Method>>,
}

/// A place that credentials may be sent to.
#[derive(Debug, Clone)]
enum HostRule {
    Exactly(Origin),
    /// Any name below this suffix (`.example.com`), by https.
    Below(String),
    /// Any address of this setting: the customer runs the server, the deployment's address guard decides.
    Setting,
}

/// The kinds of credentials there are.
pub const CREDENTIAL_KINDS: [&str; 4] = ["oauth2", "token", "basic", "headers"];

impl Provider {
    /// Without its resources. `base` replaces scheme, host and port of the file's `base_url` (a deployment's setting).
    pub fn compile(
        name: &str,
        node: &Node,
        spec: &ProviderSpec,
        engine: Engine,
        base: Option<&str>,
    ) -> Result<Self, Vec<Problem>> {
        let mut build = Build::new(node, engine);
        let settings = compile_settings(&mut build, spec);
        let names: Vec<&str> =
            spec.settings.keys().map(String::as_str).chain(spec.params.keys().map(String::as_str)).collect();
        let setting_scope = Scope { title: "the provider", names: Some(names.clone()), variables: CALL_VARIABLES };
        let base_text = match base {
            Some(base) => rebase(&spec.base_url, base),
            None => spec.base_url.clone(),
        };
        let base_url = Template::compile(&mut build, "/base_url", &base_text, &setting_scope);
        let mut hosts = compile_hosts(&mut build, spec);
        if let Some(base) = base {
            match Origin::parse(base) {
                Ok(origin) => hosts = vec![HostRule::Exactly(origin)],
                Err(error) => build.problem("/base_url", format!("the deployment's base_url `{base}`: {error}")),
            }
        }
        let headers = compile_headers(&mut build, "/headers", &spec.headers, &setting_scope);
        let auth = compile_auth(&mut build, spec);
        let errors = ErrorRules::compile(&mut build, &spec.errors);
        let codecs = compile_codecs(&mut build, spec);
        let styles = match Styles::parse(&spec.styles) {
            Ok(styles) => styles,
            Err(faults) => {
                for (style, fault) in faults {
                    build.problem(&format!("/styles/{style}"), fault);
                }
                Styles::default()
            }
        };
        let passthrough = Passthrough {
            deny: spec.passthrough.deny.clone(),
            methods: spec
                .passthrough
                .methods
                .as_ref()
                .map(|methods| methods.iter().filter_map(|method| method.parse().ok()).collect()),
        };
        let (Some(base_url), Some(headers), true) = (base_url, headers, build.problems.is_empty()) else {
            return Err(build.problems);
        };
        Ok(Self {
            name: name.into(),
            title: spec.title.clone(),
            docs: spec.docs.clone(),
            gotchas: spec.gotchas.clone(),
            settings,
            base_url,
            hosts,
            headers,
            auth,
            errors,
            styles: Arc::new(styles),
            codecs,
            max_url: spec.max_url.unwrap_or(8_000),
            passthrough,
            params: spec.params.clone(),
            resources: IndexMap::new(),
        })
    }

    pub fn resource(&self, name: &str) -> Option<&Arc<Resource>> {
        self.resources.get(name)
    }

    pub fn credential_kinds(&self) -> Vec<&str> {
        self.auth.keys().map(String::as_str).collect()
    }

    /// Header names that a credential may stand in, where clients of the vendor's own SDKs put their key.
    pub fn credential_headers(&self) -> impl Iterator<Item = &HeaderName> {
        self.auth
            .values()
            .flat_map(|auth| match auth {
                Auth::Headers => [].iter(),
                Auth::Send(headers) => headers.iter(),
            })
            .map(|(name, _)| name)
    }

    /// Values for the settings that have to be given, as the provider file shows them.
    pub fn example_settings(&self) -> Map<String, Value> {
        let shown = self.settings.iter().filter_map(|(name, setting)| Some((name.clone(), setting.example.clone()?)));
        shown.collect()
    }

    /// A connection's settings with defaults filled in, or everything that is wrong with them.
    pub fn check_settings(&self, given: &Map<String, Value>) -> Result<Map<String, Value>, Vec<Violation>> {
        let mut violations = Vec::new();
        for name in given.keys().filter(|name| !self.settings.contains_key(*name)) {
            let known = self.settings.keys().cloned().collect::<Vec<_>>().join(", ");
            let expected = if known.is_empty() { "no settings".into() } else { format!("one of {known}") };
            violations.push(
                Violation::at(format!("/settings/{name}"), format!("{} has no setting `{name}`", self.title))
                    .expected(expected),
            );
        }
        let mut settings = Map::new();
        for (name, setting) in &self.settings {
            let at = format!("/settings/{name}");
            match given.get(name).filter(|value| !value.is_null()).or(setting.default.as_ref()) {
                None if setting.optional => {}
                None => {
                    violations.push(Violation::at(at, format!("`{name}` is missing")).expected(setting.ask.clone()))
                }
                Some(value @ (Value::String(_) | Value::Number(_) | Value::Bool(_))) => {
                    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                    match &setting.pattern {
                        Some(pattern) if !pattern.is_match(&text) => violations.push(
                            Violation::at(at, format!("`{name}` does not look right")).expected(setting.ask.clone()),
                        ),
                        _ => {
                            settings.insert(name.clone(), value.clone());
                        }
                    }
                }
                Some(_) => violations.push(Violation::at(at, "a setting is a text, a number or a boolean")),
            }
        }
        if violations.is_empty() { Ok(settings) } else { Err(violations) }
    }

    /// Where the unified requests of a connection with these settings go. Refused unless the provider's `hosts`
    /// allow it: a setting must not be able to send a credential elsewhere.
    pub fn origin(&self, settings: &Map<String, Value>) -> Result<Origin, Error> {
        let scope = Value::Object(settings.clone());
        let refused = |reason: String| {
            Error::new(
                Kind::ValidationFailed,
                format!("The settings do not make an address of {}: {reason}", self.title),
            )
        };
        let url = self.base_url.render_raw(&scope).map_err(|name| refused(format!("`{name}` is missing")))?;
        let origin = Origin::parse(&url).map_err(|error| refused(error.to_string()))?;
        if self.hosts.iter().any(|rule| rule.allows(&origin)) {
            Ok(origin)
        } else {
            Err(refused(format!("{} is not among its hosts", origin.host())))
        }
    }

    /// The headers that carry a credential. `members` are its parts by name; no message ever holds one.
    pub fn access(
        &self,
        kind: &str,
        members: &Map<String, Value>,
        settings: &Map<String, Value>,
    ) -> Result<Vec<(HeaderName, HeaderValue)>, Error> {
        let Some(auth) = self.auth.get(kind) else {
            return Err(Error::new(
                Kind::ValidationFailed,
                format!("{} does not take credentials of type {kind}", self.title),
            )
            .supported(self.credential_kinds()));
        };
        let unusable =
            || Error::new(Kind::ValidationFailed, "The credential holds characters that no header can carry.");
        let mut headers = Vec::new();
        match auth {
            Auth::Headers => {
                for (name, value) in members {
                    let name = name.parse::<HeaderName>().map_err(|_| unusable())?;
                    headers.push((name, secret_value(value.as_str().unwrap_or_default()).ok_or_else(unusable)?));
                }
            }
            Auth::Send(leaves) => {
                let input = Value::Object(members.clone());
                let vars = Vars::none().with("settings", Value::Object(settings.clone()));
                for (name, leaf) in leaves {
                    // The engine's own message could repeat its input: it is dropped.
                    let text = leaf.text(&input, &vars).map_err(|_| unusable())?;
                    if let Some(text) = text {
                        headers.push((name.clone(), secret_value(&text).ok_or_else(unusable)?));
                    }
                }
            }
        }
        Ok(headers)
    }
}

fn secret_value(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

impl HostRule {
    fn allows(&self, origin: &Origin) -> bool {
        match self {
            HostRule::Exactly(allowed) => allowed.root() == origin.root(),
            HostRule::Below(suffix) => {
                origin.is_https() && origin.port().is_none_or(|port| port == 443) && origin.host().ends_with(suffix)
            }
            HostRule::Setting => true,
        }
    }
}

fn compile_settings(build: &mut Build<'_>, spec: &ProviderSpec) -> IndexMap<String, Setting> {
    spec.settings
        .iter()
        .map(|(name, setting)| {
            let pattern = setting
                .pattern
                .as_ref()
                .and_then(|pattern| build.regex(&format!("/settings/{name}/pattern"), pattern, true));
            let setting = Setting {
                ask: setting.ask.clone(),
                default: setting.default.clone(),
                optional: setting.optional,
                example: setting.example.clone(),
                pattern,
            };
            (name.clone(), setting)
        })
        .collect()
}

fn compile_hosts(build: &mut Build<'_>, spec: &ProviderSpec) -> Vec<HostRule> {
    let mut rules = Vec::new();
    for (index, host) in spec.hosts.api.iter().enumerate() {
        let at = format!("/hosts/api/{index}");
        if let Some(suffix) = host.strip_prefix("https://*") {
            if suffix.starts_with('.') && suffix.matches('.').count() > 1 {
                rules.push(HostRule::Below(suffix.to_owned()));
            } else {
                build.problem(&at, "`https://*.example.com` needs a name of at least two parts after the star");
            }
        } else if host.starts_with('{') && host.ends_with('}') {
            rules.push(HostRule::Setting);
        } else {
            match Origin::parse(host) {
                Ok(origin) => rules.push(HostRule::Exactly(origin)),
                Err(error) => build.problem(&at, format!("`{host}`: {error}")),
            }
        }
    }
    rules
}

/// `base_url` of the file with its scheme, host and port replaced by the deployment's.
fn rebase(base_url: &str, base: &str) -> String {
    let rest = match base_url.split_once("://") {
        Some((_, rest)) => rest.find('/').and_then(|slash| rest.get(slash..)),
        None => base_url.find('/').and_then(|slash| base_url.get(slash..)),
    };
    format!("{}{}", base.trim_end_matches('/'), rest.unwrap_or_default())
}

fn compile_auth(build: &mut Build<'_>, spec: &ProviderSpec) -> IndexMap<String, Auth> {
    let mut auth = IndexMap::new();
    for (kind, method) in &spec.auth {
        let at = format!("/auth/{kind}");
        let Some(names) = members_of(kind) else {
            let hint = super::build::hint(kind, CREDENTIAL_KINDS);
            build.problem(&at, format!("`{kind}` is not a kind of credential{hint}: {}", CREDENTIAL_KINDS.join(", ")));
            continue;
        };
        let compiled = match (kind.as_str(), method) {
            ("headers", AuthSpec { send }) if send.is_empty() => Some(Auth::Headers),
            (_, AuthSpec { send }) => {
                let send = if send.is_empty() { default_send(kind) } else { send.clone() };
                let scope = Scope { title: "the credential", names: Some(names), variables: &["settings"] };
                compile_headers(build, &format!("{at}/send"), &send, &scope).map(Auth::Send)
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

fn compile_codecs(build: &mut Build<'_>, spec: &ProviderSpec) -> IndexMap<String, Codec> {
    let mut codecs = IndexMap::new();
    for (name, codec) in &spec.codecs {
        let mut compile = |word: &str, source: &Option<String>| -> Option<Expression> {
            let scope = Scope { title: "the value", names: None, variables: &[] };
            let located = build.expression(&format!("/codecs/{name}/{word}"), source.as_ref()?, &scope)?;
            Some(located.expression().clone())
        };
        let read = compile("read", &codec.read);
        let write = compile("write", &codec.write);
        codecs.insert(name.clone(), Codec::Custom { read, write });
    }
    codecs
}

/// Text as RFC 7617 wants it; used where a credential of type `basic` is taken apart again.
pub fn basic_user(header: &str) -> Option<String> {
    let encoded = header.get(..6).filter(|scheme| scheme.eq_ignore_ascii_case("basic ")).and(header.get(6..))?;
    let decoded = base64::engine::general_purpose::STANDARD.decode(encoded.trim()).ok()?;
    let text = String::from_utf8(decoded).ok()?;
    text.split_once(':').map(|(user, _)| user.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deployment_moves_a_provider_but_not_its_paths() {
        assert_eq!(rebase("https://api.acme.test", "http://127.0.0.1:1/"), "http://127.0.0.1:1");
        assert_eq!(rebase("{instance_url}/v1", "http://127.0.0.1:1"), "http://127.0.0.1:1/v1");
        assert_eq!(rebase("https://api.acme.test/v1/x", "http://h"), "http://h/v1/x");
    }
}
