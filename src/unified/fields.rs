//! Which fields a resource has for this account: the model's that the provider serves, and the account's own.

use serde_json::{Map, Value};

use super::{Call, Reply, Shared};
use crate::catalog::{AccountField, Field, Shape, describe};
use crate::error::Error;
use crate::model::{Type, Warning};

pub async fn fields(call: Call, shared: &Shared) -> Result<Reply, Error> {
    let mut warnings = Vec::new();
    let mut account: Vec<AccountField> = Vec::new();
    let mut resource = call.resource.clone();
    if let Some(known) = shared.accounts.fields(&call, &shared.vendor).await? {
        match known.known() {
            Ok(fields) => {
                account = fields.to_vec();
                resource = known.resource();
            }
            Err(error) => {
                let detail = format!("the account does not tell its custom fields: {}", error.detail());
                warnings.push(Warning::new("custom-fields-unknown", detail));
            }
        }
    }
    let mut records = Vec::new();
    for (name, field) in &resource.table {
        let lacking = field.optional && field.columns.is_empty();
        if lacking || matches!(field.shape, Shape::Absent(_) | Shape::Custom { .. }) {
            continue;
        }
        let custom = name.strip_prefix("custom_fields.");
        let known = account.iter().find(|known| match custom {
            Some(custom) => known.custom && known.name == custom,
            None => !known.custom && field.columns.as_slice() == [known.key.as_str()],
        });
        let entry = match (known, custom) {
            (Some(known), Some(custom)) => describe(known, custom, true, field.is_writable()),
            (known, custom) => of_model(custom.unwrap_or(name), field, custom.is_some(), known),
        };
        records.push(Value::Object(entry));
    }
    Ok(Reply::List { records, next: None, warnings })
}

/// A field that the model or an override names; the account may know its label and its options.
fn of_model(name: &str, field: &Field, custom: bool, account: Option<&AccountField>) -> Map<String, Value> {
    let told = account.map(|account| describe(account, name, custom, field.is_writable()));
    let label = told.as_ref().and_then(|told| told.get("label").cloned());
    let options = match (&field.values, &field.member.kind) {
        (Some(values), _) => named(values.names()),
        (None, Type::Enum(names)) => named(names.iter().map(String::as_str).collect()),
        _ => told.as_ref().and_then(|told| told.get("options").cloned()).unwrap_or_else(|| Value::Array(Vec::new())),
    };
    let required = field.required_on_create || account.is_some_and(|account| account.required);
    let mut entry = Map::new();
    entry.insert("name".into(), name.into());
    entry.insert("label".into(), label.unwrap_or_else(|| spoken(name).into()));
    entry.insert("type".into(), kind(&field.member.kind).into());
    entry.insert("list".into(), field.member.list.into());
    entry.insert("custom".into(), custom.into());
    entry.insert("writable".into(), field.is_writable().into());
    entry.insert("required".into(), required.into());
    entry.insert("options".into(), options);
    entry
}

fn named(names: Vec<&str>) -> Value {
    names.into_iter().map(|name| serde_json::json!({"value": name, "label": spoken(name)})).collect()
}

/// `first_name` as people say it.
fn spoken(name: &str) -> String {
    let text = name.replace('_', " ");
    let mut characters = text.chars();
    characters.next().map_or_else(String::new, |first| first.to_uppercase().chain(characters).collect())
}

/// To callers a choice is one whoever made it: the model or the account.
fn kind(kind: &Type) -> &'static str {
    match kind {
        Type::Enum(_) => "choice",
        other => other.word(),
    }
}

/// The account's types of custom objects.
pub async fn types(call: Call, shared: &Shared) -> Result<Reply, Error> {
    let types = shared.accounts.types(&call, &shared.vendor).await?;
    let records = types.iter().map(|object| {
        serde_json::json!({
            "name": object.name,
            "label": object.label,
            "plural_label": object.plural,
            "description": object.description,
        })
    });
    Ok(Reply::List { records: records.collect(), next: None, warnings: Vec::new() })
}
