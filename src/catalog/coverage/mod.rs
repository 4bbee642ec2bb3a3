//! What a provider can do, as data: the matrix that the API shows, the README counts and OpenAPI is made of. It is read
//! off the compiled mappings, so it says what the code does and nothing else.

mod fields;
mod operations;

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::filter::FilterRule;
use super::provider::{Provider, Setting};
use super::resource::Resource;
use super::spec::{LimitSpec, QuotaSpec};
use crate::model::{FilterOp, Operation, Type};

pub use fields::FieldCoverage;
pub use operations::OperationCoverage;

/// A provider, with its resources in full or, in a list of providers, by name.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(rename = "Provider")]
pub struct Coverage<R = IndexMap<String, ResourceCoverage>> {
    pub name: String,
    pub title: String,
    pub docs: Option<String>,
    /// The kinds of credentials that a connection may have.
    pub credentials: Vec<String>,
    pub settings: Vec<SettingCoverage>,
    /// What the provider allows in a time, as far as it is known.
    pub limits: Vec<QuotaSpec>,
    pub resources: R,
    pub gotchas: Vec<String>,
}

#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct SettingCoverage {
    pub name: String,
    pub description: String,
    pub required: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub example: Option<Value>,
}

#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct ResourceCoverage {
    pub model: String,
    pub operations: IndexMap<&'static str, OperationCoverage>,
    /// What some list takes; which of them go together stands under `operations`.
    pub filters: IndexMap<String, FilterCoverage>,
    pub sorts: Vec<String>,
    /// Whether some list takes a free text.
    pub q: bool,
    pub page: Page,
    /// By the other resource: what can be done with the associations to its records.
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    pub associations: IndexMap<String, Vec<&'static str>>,
    /// By dotted path.
    pub fields: IndexMap<String, FieldCoverage>,
}

#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct FilterCoverage {
    pub r#type: &'static str,
    pub operators: Vec<FilterOp>,
    /// The values that can be asked for, where they can be counted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<String>,
}

/// Records on a page: how many come unasked, and how many at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "PageSize")]
pub struct Page {
    pub default: u32,
    pub max: u32,
}

impl From<&LimitSpec> for Page {
    fn from(limit: &LimitSpec) -> Self {
        Self { default: limit.default, max: limit.max }
    }
}

impl Coverage {
    pub fn of(provider: &Provider) -> Self {
        let resources = provider.resources.iter();
        about(provider, resources.map(|(name, resource)| (name.clone(), ResourceCoverage::of(resource))).collect())
    }
}

impl Coverage<Vec<String>> {
    pub fn summary(provider: &Provider) -> Self {
        about(provider, provider.resources.keys().cloned().collect())
    }
}

fn about<R>(provider: &Provider, resources: R) -> Coverage<R> {
    Coverage {
        name: provider.name.to_string(),
        title: provider.title.clone(),
        docs: provider.docs.clone(),
        credentials: provider.credential_kinds().into_iter().map(str::to_owned).collect(),
        settings: provider.settings.iter().map(|(name, setting)| SettingCoverage::of(name, setting)).collect(),
        limits: provider.limits.clone(),
        resources,
        gotchas: provider.gotchas.clone(),
    }
}

impl SettingCoverage {
    fn of(name: &str, setting: &Setting) -> Self {
        Self {
            name: name.to_owned(),
            description: setting.ask.clone(),
            required: setting.default.is_none() && !setting.optional,
            default: setting.default.clone(),
            example: setting.example.clone(),
        }
    }
}

impl ResourceCoverage {
    pub fn of(resource: &Resource) -> Self {
        let operations = Operation::ALL.into_iter().filter(|operation| resource.supports(*operation));
        let filters = resource.filters.iter();
        Self {
            model: resource.model.name.clone(),
            operations: operations
                .map(|operation| (operation.as_str(), OperationCoverage::of(resource, operation)))
                .collect(),
            filters: filters.map(|(name, rule)| (name.clone(), FilterCoverage::of(rule))).collect(),
            sorts: resource.sorts.keys().cloned().collect(),
            q: resource.variants(Operation::List).iter().any(|variant| variant.accepts.q),
            page: Page::from(&resource.limit),
            associations: operations::associations(resource),
            fields: fields::cover(resource),
        }
    }
}

impl FilterCoverage {
    fn of(rule: &FilterRule) -> Self {
        let values = match (&rule.values, &rule.conditions, &rule.kind) {
            (Some(values), ..) => values.names().into_iter().map(str::to_owned).collect(),
            (None, Some(conditions), _) => conditions.keys().cloned().collect(),
            (None, None, Type::Enum(values)) => values.clone(),
            _ => Vec::new(),
        };
        Self { r#type: rule.kind.word(), operators: rule.ops.clone(), values }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::catalog::{Catalog, Files, Options};

    const PROVIDER: &str = "title: Acme\nbase_url: https://api.acme.test\nhosts: { api: ['https://api.acme.test'] }\nauth: { token: {} }\n";
    const CONTACTS: &str = r#"
fields:
  id: { read: id }
  first_name: { path: first, required: create }
  title: { read: title }
  lifecycle: { path: stage, values: { lead: L, customer: [C, CC] } }
  department: { none: there is no such thing }
  emails: { places: [{ type: work, primary: true, email: mail }, { type: home, email: mail2 }] }
  company: { fields: { id: company_id } }
filters: { email: { on: mail, ops: [eq] }, lifecycle: [eq, in] }
sorts: { first_name: first }
operations:
  list:
    - { accepts: { filters: { email: [eq] } }, request: GET /search, query: { e: filter.email.eq }, records: data, limit: { max: 10 } }
    - { request: GET /contacts, query: { w: conditions, s: sort }, records: data }
  update: { request: "PATCH /contacts/{id}", then: get }
  get: { request: "GET /contacts/{id}" }
"#;

    #[test]
    fn the_matrix_says_what_the_mapping_can_do() {
        let own = [("acme/provider.yaml", PROVIDER), ("acme/contacts.yaml", CONTACTS)];
        let files = Files::embedded().laid_over(Files::of(own));
        let catalog = Catalog::load(&files, &Options::default()).expect("good mappings");
        let coverage = Coverage::of(catalog.provider("acme").expect("the provider"));
        let contacts = serde_json::to_value(&coverage).expect("JSON")["resources"]["contacts"].clone();
        let fields = |name: &str| contacts["fields"][name].clone();
        let email = json!({"type": "string", "operators": ["eq"]});
        assert_eq!(contacts["filters"]["email"], email);
        assert_eq!(contacts["filters"]["lifecycle"]["values"], json!(["lead", "customer"]));
        let variants = &contacts["operations"]["list"]["variants"];
        assert_eq!(variants[0]["filters"], json!({"email": ["eq"]}));
        assert_eq!((&variants[0]["page"]["max"], &variants[1]["page"]["max"]), (&json!(10), &json!(100)));
        assert_eq!(contacts["operations"]["update"]["variants"], json!([{"requests": 2}]));
        assert_eq!(contacts["operations"].get("delete"), None);
        assert_eq!(fields("first_name"), json!({"type": "string", "read": true, "write": true, "required": true}));
        assert_eq!(fields("title"), json!({"type": "string", "read": true, "write": false}));
        assert_eq!(fields("lifecycle")["values"], json!(["lead", "customer"]));
        assert_eq!(fields("department")["none"], "there is no such thing");
        assert_eq!(fields("birthday")["none"], "not mapped");
        assert_eq!(fields("emails.type")["values"], json!(["work", "home"]));
        assert_eq!(fields("emails")["places"], json!([{"type": "work", "primary": true}, {"type": "home"}]));
        assert_eq!((&fields("company.id")["write"], &fields("company.name")["read"]), (&json!(true), &json!(false)));
        assert_eq!(fields("id")["write"], Value::Bool(false));
    }
}
