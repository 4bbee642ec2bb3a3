//! Overrides over a running catalog: a tenant's and a connection's lines, laid over a resource's fields and filters.
//! Compiled where they are first used, and kept; nobody else's resource is touched.

use std::sync::Arc;

use moka::sync::Cache;
use serde_json::{Map, Value, json};

use super::load::{Catalog, resource_node};
use super::resource::Resource;
use super::source::{Kind, Node, Problem};
use crate::error::{Error, Violation};
use crate::mapping::Path;
use crate::model::escape;

/// The longest override. Bytes.
pub const MAX_OVERRIDE: usize = 64 * 1024;
/// Compiled resources that are kept, roughly. Bytes.
const KEPT: u64 = 64 * 1024 * 1024;
/// What a line of the fields table takes, roughly. Bytes.
const LINE: usize = 1_024;

/// One layer of overrides: `{resource: {fields, filters}}`.
#[derive(Debug, Clone)]
pub struct Layer {
    /// Whose it is, for people: `tenant` or `connection`.
    pub origin: &'static str,
    pub lines: Map<String, Value>,
}

impl Layer {
    /// From stored text; empty text is no layer. `under` picks a provider's part of a tenant's override.
    pub fn parse(origin: &'static str, text: &str, under: Option<&str>) -> Option<Self> {
        let mut lines: Map<String, Value> = serde_json::from_str(text).ok()?;
        if let Some(provider) = under {
            match lines.shift_remove(provider)? {
                Value::Object(inner) => lines = inner,
                _ => return None,
            }
        }
        Some(Self { origin, lines })
    }

    fn node(&self, provider: &str, resource: &str) -> Option<Node> {
        // Files below `overrides/` may name fields that the model does not have: they become custom fields.
        let file = format!("overrides/{}/{provider}/{resource}.yaml", self.origin);
        Some(Node::of(&file, self.lines.get(resource)?))
    }
}

/// What is wrong with an override by its form alone: only `fields` and `filters`, and expressions only where allowed.
/// `at` is the pointer to the resources.
pub fn check_form(lines: &Map<String, Value>, at: &str, expressions: bool) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (resource, parts) in lines {
        let at = format!("{at}/{}", escape(resource));
        let Some(parts) = parts.as_object() else {
            violations.push(Violation::at(at, "it is not an object").expected("{fields, filters}"));
            continue;
        };
        for (part, entries) in parts {
            let at = format!("{at}/{}", escape(part));
            if part != "fields" && part != "filters" {
                violations.push(Violation::at(at, "an override cannot change it").expected("fields or filters"));
                continue;
            }
            let Some(entries) = entries.as_object() else {
                violations.push(Violation::at(at, "it is not an object").expected("an object of lines"));
                continue;
            };
            for (name, line) in entries {
                check_line(line, &format!("{at}/{}", escape(name)), expressions, &mut violations);
            }
        }
    }
    violations
}

/// The words whose texts may be expressions.
const EXPRESSIVE: [&str; 3] = ["read", "write", "default"];

fn check_line(line: &Value, at: &str, expressions: bool, violations: &mut Vec<Violation>) {
    let Value::Object(words) = line else { return };
    for (word, value) in words {
        let at = format!("{at}/{}", escape(word));
        let texts: Vec<&Value> = match value {
            Value::Array(several) => several.iter().collect(),
            one => vec![one],
        };
        let expressive = EXPRESSIVE.contains(&word.as_str());
        let is_path = |text: &Value| text.as_str().is_none_or(|text| Path::parse(text).is_some());
        if expressive && !expressions && (word == "write" || !texts.iter().all(|text| is_path(text))) {
            violations.push(Violation::at(at, "expressions are not allowed in overrides here").expected("a path"));
            continue;
        }
        match value {
            Value::Object(inner) => {
                inner.iter().for_each(|(name, line)| {
                    check_line(line, &format!("{at}/{}", escape(name)), expressions, violations);
                });
            }
            Value::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    if let Value::Object(inner) = item {
                        inner.iter().for_each(|(name, line)| {
                            check_line(line, &format!("{at}/{index}/{}", escape(name)), expressions, violations);
                        });
                    }
                }
            }
            _ => {}
        }
    }
}

impl Catalog {
    /// A resource with these layers over it, the last on top.
    pub fn overlaid(&self, provider: &str, resource: &str, layers: &[Layer]) -> Result<Resource, Vec<Problem>> {
        let over: Vec<Node> = layers.iter().filter_map(|layer| layer.node(provider, resource)).collect();
        self.compile(provider, resource, over)
    }

    /// Everything that is wrong with layers, by resource.
    pub fn check_layers(&self, provider: &str, layers: &[Layer]) -> Vec<(String, Problem)> {
        let mut problems = Vec::new();
        let known = |name: &str| self.provider(provider).is_some_and(|provider| provider.resource(name).is_some());
        let mut names: Vec<&String> = layers.iter().flat_map(|layer| layer.lines.keys()).collect();
        names.sort();
        names.dedup();
        for name in names {
            if !known(name) {
                let message = format!("the provider has no resource `{name}`");
                problems.push((name.clone(), Problem { file: "override".into(), line: 0, message }));
                continue;
            }
            if let Err(faults) = self.overlaid(provider, name, layers) {
                problems.extend(faults.into_iter().map(|fault| (name.clone(), fault)));
            }
        }
        problems
    }

    /// The merged fields and filters of a resource, each line with where it comes from.
    pub fn effective(&self, provider: &str, resource: &str, layers: &[Layer]) -> Result<Value, Vec<Problem>> {
        let over: Vec<Node> = layers.iter().filter_map(|layer| layer.node(provider, resource)).collect();
        let node = resource_node(self.files(), provider, resource, over)?;
        let lines = |part: &str| -> Value {
            let entries = node.get(part).map(|node| &node.kind);
            let Some(Kind::Map(entries)) = entries else { return json!({}) };
            let entry = |(name, node): (&String, &Node)| {
                (name.clone(), json!({"line": node.to_value(), "origin": origin(node)}))
            };
            Value::Object(entries.iter().map(entry).collect())
        };
        Ok(json!({"fields": lines("fields"), "filters": lines("filters")}))
    }
}

/// Which layer a line is of, and where in its file.
fn origin(node: &Node) -> Value {
    let layer = match node.file.strip_prefix("overrides/") {
        Some(rest) if rest.starts_with("tenant/") => "tenant",
        Some(rest) if rest.starts_with("connection/") => "connection",
        Some(_) => "deployment",
        None => "shipped",
    };
    match layer {
        "tenant" | "connection" => json!({ "layer": layer }),
        _ => json!({"layer": layer, "file": &*node.file, "line": node.line}),
    }
}

/// Compiled resources with overrides. A resource by its address: what is kept holds on to it.
#[derive(Clone)]
pub struct Overlays(Cache<Key, Overlaid>);

type Key = (usize, Arc<str>, Arc<str>);

#[derive(Clone)]
struct Overlaid {
    resource: Result<Arc<Resource>, Error>,
    _base: Arc<Resource>,
}

impl Default for Overlays {
    fn default() -> Self {
        let weight = |_: &Key, overlaid: &Overlaid| {
            let lines = overlaid.resource.as_ref().map_or(1, |resource| resource.table.len() + 4);
            u32::try_from(lines * LINE).unwrap_or(u32::MAX)
        };
        Self(Cache::builder().max_capacity(KEPT).weigher(weight).build())
    }
}

impl Overlays {
    /// The resource with the tenant's and the connection's override, which are empty where there is none. One that
    /// does not fit the mapping any more fails the calls of those it belongs to, and says why.
    pub fn apply(
        &self,
        catalog: &Catalog,
        provider: &str,
        base: &Arc<Resource>,
        (tenant, connection): (Arc<str>, Arc<str>),
    ) -> Result<Arc<Resource>, Error> {
        if tenant.is_empty() && connection.is_empty() {
            return Ok(base.clone());
        }
        let key = (Arc::as_ptr(base) as usize, tenant.clone(), connection.clone());
        let made = self.0.get_with(key, || {
            let layers = layers(provider, &tenant, &connection);
            let touched = layers.iter().any(|layer| layer.lines.contains_key(&*base.name));
            let resource = match touched {
                false => Ok(base.clone()),
                true => catalog.overlaid(provider, &base.name, &layers).map(Arc::new).map_err(|problems| {
                    let texts: Vec<String> = problems.iter().map(ToString::to_string).collect();
                    let detail = format!("An override does not fit the mapping any more: {}", texts.join("; "));
                    Error::new(crate::error::Kind::MappingFailed, detail)
                }),
            };
            Overlaid { resource, _base: base.clone() }
        });
        made.resource
    }
}

/// The layers of a connection, in their order.
pub fn layers(provider: &str, tenant: &str, connection: &str) -> Vec<Layer> {
    let tenant = Layer::parse("tenant", tenant, Some(provider));
    tenant.into_iter().chain(Layer::parse("connection", connection, None)).collect()
}
