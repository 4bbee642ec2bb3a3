//! The provider's file: address, credentials, errors, as the document tells them.

use serde_json::{Map, Value, json};

use super::collection;
use super::document::Document;
use super::emit::object;
use super::paging::dotted;
use super::schema::{self, Kind, text};
use super::security;
use crate::net::Origin;

pub struct Provider {
    pub spec: Value,
    pub notes: Vec<String>,
}

/// Where the API is.
struct Address {
    base_url: String,
    hosts: Vec<String>,
    settings: Map<String, Value>,
    gotchas: Vec<String>,
}

pub fn provider(document: &Document, name: &str, operations: &[&Value], mut gotchas: Vec<String>) -> Provider {
    let address = address(document, name);
    let security = security::security(document, operations);
    gotchas.splice(0..0, address.gotchas);
    let info = document.get("info");
    let title = text(info, "title").map_or_else(|| name.to_owned(), clean);
    gotchas.insert(0, "Made from an OpenAPI document: nothing here was tried against the real API".to_owned());
    let docs = document.at("/externalDocs/url").as_str().filter(|url| url.starts_with("http"));
    let mut hosts = object([("api", Some(json!(address.hosts)))]);
    if let (Value::Object(hosts), false) = (&mut hosts, security.hosts.is_empty()) {
        hosts.insert("auth".into(), json!(security.hosts));
    }
    if security.auth.get("oauth2").is_some_and(|oauth2| oauth2.pointer("/grant/scopes").is_some()) {
        gotchas.push("oauth2: every scope of the document is asked for; keep those that are needed".into());
    }
    let headers = headers(document, operations);
    let spec = object([
        ("title", Some(json!(title))),
        ("docs", docs.map(Value::from)),
        ("gotchas", Some(json!(gotchas))),
        ("settings", (!address.settings.is_empty()).then_some(Value::Object(address.settings))),
        ("base_url", Some(json!(address.base_url))),
        ("hosts", Some(hosts)),
        ("headers", (!headers.is_empty()).then_some(Value::Object(headers))),
        ("auth", Some(Value::Object(security.auth))),
        ("errors", errors(document, operations)),
    ]);
    Provider { spec, notes: security.notes }
}

fn clean(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(80).collect()
}

fn address(document: &Document, name: &str) -> Address {
    let servers = document.get("servers").as_array().map(Vec::as_slice).unwrap_or_default();
    let guess = |why: &str| Address {
        base_url: format!("https://api.{name}.example"),
        hosts: vec![format!("https://api.{name}.example")],
        settings: Map::new(),
        gotchas: vec![format!("{why}: `base_url` is a placeholder")],
    };
    let Some(server) = servers.first() else { return guess("The document names no server") };
    let url = text(server, "url").unwrap_or_default().trim_end_matches('/').to_owned();
    if !url.starts_with("https://") {
        return guess(&format!("The document's server is `{}`, no https address", clean(&url)));
    }
    let mut settings = Map::new();
    // Every address that the variables' values make, and the names below which other values lie.
    let mut addresses = vec![url.clone()];
    let variables = server.get("variables").and_then(Value::as_object).into_iter().flatten();
    for (variable, spec) in variables.filter(|(variable, _)| url.contains(&format!("{{{variable}}}"))) {
        let choices = schema::choices(spec);
        let default = text(spec, "default").filter(|text| is_label(text)).unwrap_or("example");
        let ask = text(spec, "description").map_or_else(|| format!("The `{variable}` of the address"), clean);
        let patterns: Vec<String> = choices.iter().map(|choice| regex::escape(choice)).collect();
        let pattern = if choices.is_empty() { "[A-Za-z0-9.-]+".to_owned() } else { patterns.join("|") };
        settings.insert(variable.clone(), json!({"ask": ask, "default": default, "pattern": pattern}));
        let slot = format!("{{{variable}}}");
        let values = if choices.is_empty() { vec!["*"] } else { choices };
        let filled = |address: &String| values.iter().map(|value| address.replace(&slot, value)).collect::<Vec<_>>();
        addresses = addresses.iter().flat_map(filled).collect();
    }
    let mut hosts: Vec<String> = addresses.iter().filter_map(|address| host(address)).collect();
    hosts.dedup();
    if hosts.is_empty() || addresses.iter().any(|address| address.contains('{')) {
        return guess(&format!("The document's server `{}` is no address", clean(&url)));
    }
    let mut gotchas = Vec::new();
    if !settings.is_empty() {
        gotchas.push(
            "Addresses follow from the document's server variables: see that `hosts` allows all that customers have"
                .into(),
        );
    }
    let others: Vec<&str> = servers.iter().skip(1).filter_map(|server| text(server, "url")).collect();
    if !others.is_empty() {
        gotchas.push(format!("The document has further servers, which are not used: {}", clean(&others.join(" "))));
    }
    Address { base_url: url, hosts, settings, gotchas }
}

/// A value that can stand in an address.
fn is_label(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '.' || c == '-')
}

/// The rule for the host of an address; a star stands for a value that customers have each for themselves.
fn host(address: &str) -> Option<String> {
    let host = address.strip_prefix("https://")?.split('/').next()?;
    match host.rsplit_once('*') {
        None => Some(Origin::parse(&format!("https://{host}")).ok()?.root().to_string()),
        Some((_, rest)) => {
            let below = rest.find('.').and_then(|dot| rest.get(dot..))?;
            (below.matches('.').count() > 1).then(|| format!("https://*{below}"))
        }
    }
}

/// Headers that every request takes and that have a fixed value, such as the API's version.
fn headers(document: &Document, operations: &[&Value]) -> Map<String, Value> {
    let mut all = operations.iter().map(|operation| collection::parameters(document, operation, "header"));
    let mut headers = Map::new();
    for (name, parameter) in all.next().unwrap_or_default() {
        let schema = parameter.get("schema").map_or(&Value::Null, |schema| document.resolve(schema));
        let fixed = schema.get("default").or_else(|| schema.get("const")).and_then(Value::as_str);
        let standard = ["authorization", "accept", "content-type"].contains(&name.to_ascii_lowercase().as_str());
        if let Some(value) = fixed.filter(|_| !standard && name.parse::<http::HeaderName>().is_ok()) {
            headers.insert(name, json!({"const": value}));
        }
    }
    headers
}

/// Where an error's words are in answers.
fn errors(document: &Document, operations: &[&Value]) -> Option<Value> {
    let schema = operations.iter().find_map(|operation| refusal(document, operation))?;
    let code = place(document, schema, &["code", "error_code", "errorcode", "type", "error", "name"]);
    let message = place(
        document,
        schema,
        &["message", "detail", "error_description", "errormessage", "description", "error_info", "title", "error"],
    );
    let read = object([("code", code.map(Value::from)), ("message", message.map(Value::from))]);
    let known = read.as_object().is_some_and(|read| !read.is_empty());
    known.then(|| json!({"read": read}))
}

fn refusal<'d>(document: &'d Document, operation: &'d Value) -> Option<&'d Value> {
    let responses = operation.get("responses").and_then(Value::as_object)?;
    responses.iter().filter(|(status, _)| status.starts_with('4')).find_map(|(_, response)| {
        let schema = collection::json(document.resolve(response))?;
        (!schema::properties(document, schema).is_empty()).then(|| document.resolve(schema))
    })
}

/// A text with one of the names: of the answer, of an object in it, or of the first entry of a list.
fn place(document: &Document, schema: &Value, names: &[&str]) -> Option<String> {
    let own = schema::properties(document, schema);
    let texts = |properties: &schema::Properties<'_>| {
        names.iter().find_map(|name| {
            let found = properties.iter().find(|(known, schema)| {
                known.eq_ignore_ascii_case(name)
                    && matches!(schema::kind(document, schema), Kind::Text | Kind::Integer | Kind::Unknown)
            });
            found.map(|(name, _)| name.clone())
        })
    };
    let inner = own.iter().find(|(name, _)| ["error", "errors", "fault"].contains(&name.as_str()));
    if let Some((name, schema)) = inner {
        let (entry, list) = match schema::kind(document, schema) {
            Kind::List => (schema::items(document, schema), "[0]"),
            _ => (*schema, ""),
        };
        if let Some(found) = texts(&schema::properties(document, entry)) {
            return Some(format!("{}{list}.{}", dotted(std::slice::from_ref(name)), dotted(&[found])));
        }
    }
    texts(&own).map(|name| dotted(&[name]))
}
