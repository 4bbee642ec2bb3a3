//! A provider's authorization server, compiled: its addresses, what it is asked for, and what its answers mean.

use std::time::Duration;

use indexmap::IndexMap;
use serde_json::{Map, Value};

use super::build::{Build, Located, Scope, hint};
use super::hosts::{HostRule, compile_rules};
use super::leaf::Leaf;
use super::spec::{ClientProof, ExtraSpec, Flow, GrantSpec, OneOrMany, ProviderSpec, Refusal, Rotation, Unauthorized};
use super::template::Template;
use super::variant::{CALL_VARIABLES, answer_scope};
use crate::error::{Error, Kind};
use crate::mapping::Vars;
use crate::net::Origin;

#[derive(Debug)]
pub struct Grant {
    authorize: Option<Template>,
    token: Template,
    revoke: Option<Template>,
    audience: Option<Template>,
    hosts: Vec<HostRule>,
    scopes: Vec<Template>,
    pub scope_separator: String,
    pub flows: Vec<Flow>,
    pub client: ClientProof,
    pub pkce: bool,
    pub extra: ExtraSpec,
    /// How long an access token lives where its answer does not tell.
    pub lifetime: Option<Duration>,
    /// How long a refresh token lives unused.
    pub refresh_lifetime: Option<Duration>,
    pub rotates: Rotation,
    /// How long a refresh token still works after it was replaced.
    pub grace: Option<Duration>,
    /// The least time between two refreshes of one connection.
    pub spacing: Option<Duration>,
    pub unauthorized: Unauthorized,
    /// Setting and parameter of the redirect after the consent.
    pub returned: IndexMap<String, String>,
    keep: Vec<(String, Leaf)>,
    refused: Vec<Refused>,
}

#[derive(Debug)]
struct Refused {
    status: Vec<u16>,
    error: Vec<String>,
    when: Option<Located>,
    is: Refusal,
}

/// Which of its addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Endpoint {
    Authorize,
    Token,
    Revoke,
}

/// What a deployment changes about the addresses: a proxy, a test server.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Addresses {
    pub authorize: Option<String>,
    pub token: Option<String>,
    pub revoke: Option<String>,
}

/// An answer of the authorization server, as the table of refusals sees it.
#[derive(Debug, Clone, Copy)]
pub struct Said<'a> {
    pub status: u16,
    pub headers: &'a Value,
    /// Null if it is not JSON.
    pub body: &'a Value,
}

impl Grant {
    pub(super) fn compile(
        build: &mut Build<'_>,
        at: &str,
        spec: &GrantSpec,
        provider: &ProviderSpec,
        addresses: &Addresses,
    ) -> Option<Self> {
        let names: Vec<&str> = provider.settings.keys().chain(provider.params.keys()).map(String::as_str).collect();
        let scope = Scope { title: "the provider", names: Some(names), variables: CALL_VARIABLES };
        let mut hosts = compile_rules(build, "/hosts/auth", &provider.hosts.auth);
        let urls = [
            ("authorize", &addresses.authorize, spec.authorize.as_ref()),
            ("token", &addresses.token, Some(&spec.token)),
            ("revoke", &addresses.revoke, spec.revoke.as_ref()),
        ];
        let mut templates = Vec::new();
        for (word, deployed, own) in urls {
            let here = format!("{at}/{word}");
            if let Some(deployed) = deployed {
                match Origin::parse(deployed) {
                    Ok(origin) => hosts.push(HostRule::Exactly(origin)),
                    Err(error) => build.problem(&here, format!("the deployment's {word}_url `{deployed}`: {error}")),
                }
            }
            let url = deployed.as_ref().or(own);
            let template = url.and_then(|url| Template::compile(build, &here, url, &scope));
            // Customers' browsers go to the consent page; secrets go to the others, and only where `hosts.auth` allows.
            if let Some(url) = url
                && word != "authorize"
                && !url.contains('{')
                && !Origin::parse(url).is_ok_and(|origin| allowed(&hosts, &origin))
            {
                build.problem(&here, format!("`{url}` is not at one of `hosts.auth`"));
            }
            templates.push(template);
        }
        let mut scopes: Vec<Template> = Vec::new();
        let mut seen: Vec<&str> = Vec::new();
        for (resource, wanted) in &spec.scopes {
            for (index, text) in wanted.iter().enumerate() {
                if !seen.contains(&text.as_str()) {
                    seen.push(text);
                    scopes.extend(Template::compile(build, &format!("{at}/scopes/{resource}/{index}"), text, &scope));
                }
            }
        }
        let audience = spec.audience.as_ref();
        let audience = audience.and_then(|text| Template::compile(build, &format!("{at}/audience"), text, &scope));
        if spec.flows.contains(&Flow::AuthorizationCode) && spec.authorize.is_none() {
            build.problem(
                &format!("{at}/authorize"),
                "without it nobody can give consent; or leave `authorization-code` out of `flows`",
            );
        }
        for name in spec.returned.keys() {
            check_setting(build, &format!("{at}/returned/{name}"), name, provider);
        }
        let keep = keep(build, at, spec, provider);
        let refused = spec.refused.iter().enumerate().map(|(index, row)| Refused {
            status: row.status.as_ref().map(OneOrMany::to_vec).unwrap_or_default(),
            error: row.error.as_ref().map(OneOrMany::to_vec).unwrap_or_default(),
            when: row
                .when
                .as_ref()
                .and_then(|when| build.expression(&format!("{at}/refused/{index}/when"), when, &answer_scope())),
            is: row.is,
        });
        let refused = refused.collect();
        let mut templates = templates.into_iter();
        let (authorize, token, revoke) = (templates.next()?, templates.next()??, templates.next()?);
        let seconds = |seconds: Option<u64>| seconds.map(Duration::from_secs);
        Some(Self {
            authorize,
            token,
            revoke,
            audience,
            hosts,
            scopes,
            scope_separator: spec.scope_separator.clone().unwrap_or_else(|| " ".to_owned()),
            flows: spec.flows.clone(),
            client: spec.client,
            pkce: spec.pkce,
            extra: spec.extra.clone(),
            lifetime: seconds(spec.lifetime),
            refresh_lifetime: seconds(spec.refresh_lifetime),
            rotates: spec.rotates,
            grace: seconds(spec.grace),
            spacing: seconds(spec.spacing),
            unauthorized: spec.unauthorized,
            returned: spec.returned.clone(),
            keep,
            refused,
        })
    }

    /// The address for a connection with these settings; `None` if the provider has none of the kind. Where secrets go
    /// is held against `hosts.auth`: a setting must not be able to send them elsewhere.
    pub fn url(&self, which: Endpoint, settings: &Map<String, Value>) -> Result<Option<String>, Error> {
        let template = match which {
            Endpoint::Authorize => self.authorize.as_ref(),
            Endpoint::Token => Some(&self.token),
            Endpoint::Revoke => self.revoke.as_ref(),
        };
        let Some(template) = template else { return Ok(None) };
        let refused = |reason: String| {
            Error::new(
                Kind::ValidationFailed,
                format!("The settings do not make an address of the authorization server: {reason}"),
            )
        };
        let scope = Value::Object(settings.clone());
        let url = template.render_raw(&scope).map_err(|name| refused(format!("`{name}` is missing")))?;
        let origin = Origin::parse(url.split('?').next().unwrap_or_default());
        let origin = origin.map_err(|error| refused(error.to_string()))?;
        // To the consent page a browser goes, with nothing that is secret.
        if which == Endpoint::Authorize || allowed(&self.hosts, &origin) {
            Ok(Some(url))
        } else {
            Err(refused(format!("{} is not among its hosts", origin.host())))
        }
    }

    /// Who a signed assertion is for.
    pub fn audience(&self, settings: &Map<String, Value>) -> Option<String> {
        self.audience.as_ref().and_then(|template| template.render_raw(&Value::Object(settings.clone())).ok())
    }

    /// All that is asked for. A scope whose setting is missing is left out.
    pub fn scopes(&self, settings: &Map<String, Value>) -> Vec<String> {
        let scope = Value::Object(settings.clone());
        self.scopes.iter().filter_map(|template| template.render_raw(&scope).ok()).collect()
    }

    /// Whether the token answer tells this setting.
    pub fn keeps(&self, setting: &str) -> bool {
        self.keep.iter().any(|(name, _)| name == setting)
    }

    /// Whether this is one of the places that the provider's secrets may be sent to.
    pub fn is_own(&self, origin: &Origin) -> bool {
        allowed(&self.hosts, &origin.root())
    }

    /// The settings that an answer tells.
    pub fn kept(&self, said: Said<'_>) -> Map<String, Value> {
        let vars = vars(said);
        let kept = self.keep.iter().filter_map(|(name, leaf)| {
            let value = leaf.evaluate(said.body, &vars).ok()??;
            (value.is_string() || value.is_number() || value.is_boolean()).then(|| (name.clone(), value))
        });
        kept.collect()
    }

    /// What the provider's own table makes of a refusal.
    pub fn refusal(&self, said: Said<'_>) -> Option<Refusal> {
        let vars = vars(said);
        let error = said.body.get("error").and_then(Value::as_str);
        let row = self.refused.iter().find(|row| {
            (row.status.is_empty() || row.status.contains(&said.status))
                && (row.error.is_empty() || error.is_some_and(|error| row.error.iter().any(|known| known == error)))
                && row.when.as_ref().is_none_or(|when| when.holds(said.body, &vars).unwrap_or(false))
        });
        row.map(|row| row.is)
    }
}

fn vars(said: Said<'_>) -> Vars {
    Vars::none().with("status", Value::from(said.status)).with("headers", said.headers.clone())
}

fn allowed(hosts: &[HostRule], origin: &Origin) -> bool {
    hosts.iter().any(|rule| rule.allows(origin))
}

fn check_setting(build: &mut Build<'_>, at: &str, name: &str, provider: &ProviderSpec) {
    if !provider.settings.contains_key(name) {
        let hint = hint(name, provider.settings.keys().map(String::as_str));
        build.problem(at, format!("`{name}` is not a setting{hint}"));
    }
}

fn keep(build: &mut Build<'_>, at: &str, spec: &GrantSpec, provider: &ProviderSpec) -> Vec<(String, Leaf)> {
    let mut keep = Vec::new();
    for (name, leaf) in &spec.keep {
        let here = format!("{at}/keep/{name}");
        check_setting(build, &here, name, provider);
        keep.extend(Leaf::compile(build, &here, leaf, &answer_scope()).map(|leaf| (name.clone(), leaf)));
    }
    keep
}

/// The grant of a provider file; whatever is wrong with it is noted in `build`.
pub(super) fn compile_grant(build: &mut Build<'_>, spec: &ProviderSpec, addresses: &Addresses) -> Option<Grant> {
    let grants: IndexMap<&str, &GrantSpec> =
        spec.auth.iter().filter_map(|(kind, auth)| Some((kind.as_str(), auth.grant.as_ref()?))).collect();
    for kind in grants.keys().filter(|kind| **kind != "oauth2") {
        build.problem(&format!("/auth/{kind}/grant"), "only `oauth2` has a grant");
    }
    Grant::compile(build, "/auth/oauth2/grant", grants.get("oauth2")?, spec, addresses)
}
