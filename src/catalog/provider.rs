//! One provider, compiled: where its requests go, how credentials are sent, its errors, styles and resources.

use std::sync::Arc;

use http::HeaderName;
use indexmap::IndexMap;
use regex::Regex;
use serde_json::{Map, Value};

use super::build::{Build, Scope};
use super::credentials::{Auth, compile_auth};
use super::errors::ErrorRules;
use super::facts::check_facts;
use super::grant::{Grant, compile_grant};
use super::hosts::{HostRule, compile_rules, rebase};
use super::leaf::Leaf;
use super::load::Options;
use super::passthrough::Passthrough;
use super::quota::{Quotas, changed};
use super::resource::Resource;
use super::source::{Node, Problem};
use super::spec::{ProviderSpec, QuotaSpec};
use super::template::Template;
use super::variant::{CALL_VARIABLES, compile_headers};
use crate::error::{Error, Kind, Violation};
use crate::mapping::{Codec, Expression, Styles};
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
    pub(super) auth: IndexMap<String, Auth>,
    /// How the tokens of `oauth2` are got.
    pub grant: Option<Grant>,
    /// Path of a GET request that shows whether a credential works.
    pub verify: Option<String>,
    pub errors: ErrorRules,
    pub styles: Arc<Styles>,
    pub codecs: IndexMap<String, Codec>,
    /// As they are described to callers, with what the deployment changes.
    pub limits: Vec<QuotaSpec>,
    pub quotas: Quotas,
    /// The settings that tell whose account it is: those of the base URL that differ from customer to customer.
    account: Vec<String>,
    pub max_url: usize,
    pub passthrough: Passthrough,
    pub params: Map<String, Value>,
    pub resources: IndexMap<String, Arc<Resource>>,
    /// As for resources: some expression of the provider file may run until its time limit.
    pub unbounded: bool,
}

#[derive(Debug)]
pub struct Setting {
    pub ask: String,
    pub default: Option<Value>,
    pub optional: bool,
    pub example: Option<Value>,
    pattern: Option<Regex>,
    choices: Vec<String>,
}

impl Setting {
    /// All values there are, where the pattern is a list of plain words; empty elsewhere.
    pub fn choices(&self) -> &[String] {
        &self.choices
    }
}

impl Provider {
    /// Without its resources, and with what the deployment changes about it.
    pub fn compile(name: &str, node: &Node, spec: &ProviderSpec, options: &Options) -> Result<Self, Vec<Problem>> {
        let base = options.bases.get(name).map(String::as_str);
        let mut build = Build::new(node, options.engine);
        let settings = compile_settings(&mut build, spec);
        let names: Vec<&str> =
            spec.settings.keys().map(String::as_str).chain(spec.params.keys().map(String::as_str)).collect();
        let setting_scope = Scope { title: "the provider", names: Some(names.clone()), variables: CALL_VARIABLES };
        let base_text = match base {
            Some(base) => rebase(&spec.base_url, base),
            None => spec.base_url.clone(),
        };
        let base_url = Template::compile(&mut build, "/base_url", &base_text, &setting_scope);
        let mut hosts = compile_rules(&mut build, "/hosts/api", &spec.hosts.api);
        if let Some(base) = base {
            match Origin::parse(base) {
                Ok(origin) => hosts = vec![HostRule::Exactly(origin)],
                Err(error) => build.problem("/base_url", format!("the deployment's base_url `{base}`: {error}")),
            }
        }
        let headers = compile_headers(&mut build, "/headers", &spec.headers, &setting_scope);
        let auth = compile_auth(&mut build, spec);
        let addresses = options.addresses.get(name).cloned().unwrap_or_default();
        let grant = compile_grant(&mut build, spec, &addresses);
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
        let passthrough = Passthrough::from(&spec.passthrough);
        check_facts(&mut build, spec);
        let none = IndexMap::new();
        let changes = options.limits.get(name).unwrap_or(&none);
        let quotas = Quotas::compile(&mut build, spec, changes);
        let account = account(spec, &settings);
        let (Some(base_url), Some(headers), true) = (base_url, headers, build.problems.is_empty()) else {
            return Err(build.problems);
        };
        let unbounded = build.unbounded;
        Ok(Self {
            unbounded,
            name: name.into(),
            title: spec.title.clone(),
            docs: spec.docs.clone(),
            gotchas: spec.gotchas.clone(),
            settings,
            base_url,
            hosts,
            headers,
            auth,
            grant,
            verify: spec.verify.as_ref().and_then(|verify| verify.strip_prefix("GET ")).map(str::to_owned),
            errors,
            styles: Arc::new(styles),
            codecs,
            limits: spec.limits.iter().map(|quota| changed(quota, changes.get(&quota.name))).collect(),
            quotas,
            account,
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
                Auth::Send { headers, .. } => headers.iter(),
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
        self.check_some_settings(given, |_| true)
    }

    /// The same, where settings that are not `needed` yet may be missing.
    pub fn check_some_settings(
        &self,
        given: &Map<String, Value>,
        needed: impl Fn(&str) -> bool,
    ) -> Result<Map<String, Value>, Vec<Violation>> {
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
                None if setting.optional || !needed(name) => {}
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

    /// What tells the account of a connection with these settings from others of this provider; none where nothing that is
    /// known does.
    pub fn account(&self, settings: &Map<String, Value>) -> Option<String> {
        let values = self.account.iter().map(|name| settings.get(name).map(ToString::to_string));
        values.collect::<Option<Vec<_>>>().filter(|values| !values.is_empty()).map(|values| values.join(" "))
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
}

/// A setting with a default, or with a few words to choose from, says nothing of whose account it is.
fn account(spec: &ProviderSpec, settings: &IndexMap<String, Setting>) -> Vec<String> {
    let own = |setting: &Setting| setting.default.is_none() && setting.choices.is_empty();
    let stands = |name: &String| spec.base_url.contains(&format!("{{{name}}}"));
    settings.iter().filter(|(name, setting)| own(setting) && stands(name)).map(|(name, _)| name.clone()).collect()
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
                choices: setting.pattern.as_deref().map(choices).unwrap_or_default(),
            };
            (name.clone(), setting)
        })
        .collect()
}

/// `yes|no` as its words.
fn choices(pattern: &str) -> Vec<String> {
    let words: Vec<String> = pattern.split('|').map(str::to_owned).collect();
    let is_plain = |word: &String| !word.is_empty() && *word == regex::escape(word).replace("\\-", "-");
    if words.len() > 1 && words.iter().all(is_plain) { words } else { Vec::new() }
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
